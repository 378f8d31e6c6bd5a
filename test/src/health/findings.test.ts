/** From what is known to what is wrong: one row for each way in which a nursery can be unwell. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { ClusterSeen, Facts, KeeperSeen, NodeSeen } from '../../../src/health/facts.ts';
import { FINDING_KINDS, type Finding, type FindingKind } from '../../../src/health/finding.ts';
import { judge } from '../../../src/health/findings.ts';
import { isOver } from '../../../src/health/map-findings.ts';
import { EMPTY_MAP, type MapEntry, RangeMap } from '../../../src/keyspace/rangemap.ts';
import {
  type Migration,
  NO_PROGRESS,
  type NodeStatus,
  type Order,
} from '../../../src/protocol/admin/admin.ts';
import { NO_AUTO } from '../../../src/protocol/admin/auto.ts';
import { type Asked, UNSAID } from '../../../src/protocol/admin/migration.ts';
import {
  type Condition,
  type Load,
  NO_LOAD,
  NOWHERE,
  type NodeFacts,
  type Visitor,
} from '../../../src/protocol/admin/node-facts.ts';

/** What the clock of every node says. */
const AT_MS = 1_000_000;

function condition(kind: Condition['kind'], more: Partial<Condition> = {}): Condition {
  return { kind, subject: '', detail: '', sinceMs: AT_MS - 60_000, ...more };
}

/** All of them seen. */
function membersOf(...names: string[]): NodeStatus['members'] {
  return names.map((node) => ({ node, seen: true, applied: 9 }));
}

type NodeOptions = Partial<NodeStatus> & {
  readonly conditions?: Condition[];
  readonly rack?: string;
  readonly load?: Load;
  readonly visitor?: Pick<Visitor, 'role' | 'node'>;
};

function nodeOf(
  cluster: string,
  name: string,
  { conditions = [], rack = '', load = NO_LOAD, visitor, ...status }: NodeOptions = {},
): NodeSeen {
  const facts: NodeFacts = {
    version: '1',
    atMs: AT_MS,
    conditions,
    visitors: visitor === undefined ? [] : [{ ...visitor, remote: '::1:9', sinceMs: AT_MS }],
    counts: null,
    countedMs: 0,
    unmergedRows: 0,
    freeBytes: null,
    load,
    places: { ...NOWHERE, rack },
    status: {
      cluster,
      node: name,
      role: 'follower',
      master: `${cluster}_0`,
      applied: 9,
      chosen: 9,
      firstLogSlot: 1,
      waitsFor: null,
      members: [],
      owned: [],
      keys: 0,
      label: '',
      founding: `f-${cluster}`,
      keeper: 'f-k',
      notes: [],
      backup: null,
      adopted: 0,
      keepers: [],
      ...status,
    },
  };
  return { name, facts, why: '', turnedAway: null };
}

function silent(name: string): NodeSeen {
  return { name, facts: null, why: 'connection refused', turnedAway: null };
}

/** It runs, and says nothing. */
function mute(name: string): NodeSeen {
  return { ...silent(name), why: 'it has said nothing for 1500 ms', isMute: true };
}

function unheard(name: string): NodeSeen {
  return { name, facts: null, why: 'no time was left to ask it', turnedAway: null, isUnheard: true };
}

const OWNED = [{ lo: '', hi: null, epoch: 1, sealedBy: null }];

/** So many reads a second of all keys, and so many of them of `k`. */
function loadOf(perSecond: number, ofOne: number): Load {
  const [none, reads] = [0, perSecond].map((rate) => ({ s10: rate, m1: rate, m10: rate }));
  const range = { lo: '', hi: null, epoch: 1, writes: none, bytes: none, reads } as Load['ranges'][number];
  return { ranges: [range], hottest: [{ key: 'k', perSecond: ofOne }] };
}

/** Three nodes, of which the first is master; `nodes` takes the place of some. */
function clusterOf(cluster: string, ...nodes: NodeSeen[]): ClusterSeen {
  const owned = cluster === 'a' ? OWNED : [];
  const usual = [
    nodeOf(cluster, `${cluster}_0`, { role: 'master', owned }),
    nodeOf(cluster, `${cluster}_1`, { owned }),
    nodeOf(cluster, `${cluster}_2`, { owned }),
  ];
  const all = usual.map((node) => nodes.find(({ name }) => name === node.name) ?? node);
  return { cluster, founding: `f-${cluster}`, nodes: all, isElsewhere: false };
}

function entry(more: Partial<MapEntry> = {}): MapEntry {
  return { lo: '', hi: null, owner: 'a', epoch: 1, founding: 'f-a', ...more };
}

/** `nodes`: those that it knows of cluster a. */
function keeperOf(
  more: Partial<KeeperSeen> & { readonly entries?: readonly MapEntry[]; readonly nodes?: string[] } = {},
): KeeperSeen {
  const { entries = [entry()], nodes = [], ...others } = more;
  const known = nodes.map((name) => ({ name, ips: ['10.0.0.1'], port: 1 }));
  const clusters = ['k', 'a', 'b'].map((cluster) => {
    return { cluster, nodes: cluster === 'a' ? known : [], founding: `f-${cluster}` };
  });
  const map = { map: RangeMap.of(3, entries), clusters, nursery: { founding: 'f-k', replaced: [] } };
  return { cluster: 'k', known: map, migrations: [], orders: [], why: null, ...others };
}

function factsOf(more: Partial<Facts> & { readonly replaced?: readonly ClusterSeen[] } = {}): Facts {
  const { replaced = [], ...others } = more;
  const clusters = ['k', 'a', 'b'].map(
    (name) => replaced.find(({ cluster }) => cluster === name) ?? clusterOf(name),
  );
  const router = { name: 'r', why: '', turnedAway: { turnedAway: 0, idleLetGo: 0, stalledLetGo: 0 } };
  return { file: 'router.ini', front: null, keeper: keeperOf(), clusters, router, ...others };
}

function moveOf(more: Partial<Migration> = {}): Migration {
  return {
    mid: 7,
    source: 'a',
    target: 'b',
    lo: 'm',
    hi: null,
    phase: 'active',
    token: 1,
    heartbeat: 2,
    wish: 'run',
    why: '',
    progress: { ...NO_PROGRESS, stage: 'copying', waitingFor: 'target b, for 9 s' },
    receipt: null,
    ...more,
  };
}

function orderOf(more: Partial<Order> = {}): Order {
  const common = { order: 1, kind: 'promote', cluster: 'a', was: 'f-old', founding: 'f-a' } as const;
  return { ...common, takenMs: 0, given: null, before: [], ...more };
}

const NO_RATE: Asked = { ...UNSAID, rate: 0 };

/** Done, as far as the keeper is concerned: its node may not have been started yet. */
const RESTORED = orderOf({ given: { order: 1, ranges: [], floorMid: 9, spareMid: 9 } });

/** The keeper's master sees that nobody works on the move. */
const STILL = clusterOf(
  'k',
  nodeOf('k', 'k_0', { role: 'master', conditions: [condition('still', { subject: '7' })] }),
);
const sealedAt = (sinceMs: number): ClusterSeen =>
  clusterOf(
    'a',
    nodeOf('a', 'a_0', {
      role: 'master',
      owned: [
        { lo: '', hi: 'm', epoch: 1, sealedBy: null },
        { lo: 'm', hi: null, epoch: 1, sealedBy: 7 },
      ],
      conditions: [condition('sealed', { subject: '7', sinceMs })],
    }),
  );
/** A cluster in no nursery, by its own file. */
function alone(...nodes: NodeSeen[]): Facts {
  const { founding: _, ...cluster } = clusterOf('a', ...nodes);
  return { file: 'a.ini', front: 'a', keeper: null, clusters: [cluster], router: null };
}
/** The keeper is silent, and a cluster of its nursery is asked by its own file. */
function outage(...nodes: NodeSeen[]): Facts {
  const known = { map: EMPTY_MAP, clusters: [] };
  const keeper: KeeperSeen = { cluster: 'k', known, migrations: null, orders: null, why: 'nobody answered' };
  const { clusters } = alone(...nodes);
  const silentKeeper = clusterOf('k', silent('k_0'), silent('k_1'), silent('k_2'));
  return { file: 'a.ini', front: 'a', keeper, clusters: [...clusters, silentKeeper], router: null };
}
/** The keeper knows one node of the cluster, its file two more, which are silent. */
function withFileOf(node: NodeSeen, orders: readonly Order[] = []): Facts {
  return withElsewhere([node], [silent('a_1'), silent('a_2')], orders);
}
/** Of those that the file names the keeper knows some alone. */
function withElsewhere(
  nodes: readonly NodeSeen[],
  elsewhere: readonly NodeSeen[],
  orders: readonly Order[] = [],
): Facts {
  const known = { cluster: 'a', founding: 'f-a', nodes, isElsewhere: false };
  const others = { ...known, nodes: elsewhere, isElsewhere: true };
  const facts = factsOf({ replaced: [known], front: 'a', router: null, keeper: keeperOf({ orders }) });
  return { ...facts, clusters: [...facts.clusters, others] };
}
const joining = (name: string): NodeSeen =>
  nodeOf('a', name, {
    role: 'joining',
    master: null,
    founding: '',
    conditions: [condition('waits', { detail: 'this home is empty: waiting for a_2 (not seen)' })],
  });

/** Of three members, without a master; `emptied`: a life that is not on the list. */
const candidate = (name: string, cluster = 'a'): NodeSeen =>
  nodeOf(cluster, name, { role: 'candidate', master: null, members: threeOf(cluster) });
const emptied = (name: string, cluster = 'a'): NodeSeen =>
  nodeOf(cluster, name, { role: 'learner', master: null, members: threeOf(cluster) });
const threeOf = (cluster: string) => membersOf(`${cluster}_0`, `${cluster}_1`, `${cluster}_2`);
function shrunk({ facts }: NodeSeen, ...members: string[]): NodeFacts | null {
  return facts === null ? null : { ...facts, status: { ...facts.status, members: membersOf(...members) } };
}
/** It took the place of the founding that the keeper knows. */
const promoted = (name: string): NodeSeen => ({
  ...nodeOf('a', name, {
    role: 'master',
    master: name,
    founding: 'f-new',
    members: membersOf(name),
    conditions: [
      condition('refuses', {
        subject: 'succession',
        detail:
          'this founding took the place of f-a, and waits until keeper k has said which ranges are its own',
      }),
      condition('absent', { subject: 'a_1' }),
    ],
  }),
  replaces: ['f-a'],
});
const GIVEN: NonNullable<Order['given']> = { order: 1, ranges: [], floorMid: 0, spareMid: 0 };

type Row = {
  readonly name: string;
  readonly facts: Facts;
  readonly state: 'healthy' | 'atRisk' | 'notServing';
  readonly kinds: readonly FindingKind[];
  /** Of the first finding. */
  readonly what?: RegExp;
  /** How long, and by whose clock. */
  readonly since?: readonly [ms: number, by: string];
  readonly todo?: RegExp;
  /** Of the last finding. */
  readonly lastTodo?: RegExp;
  /** Null: nothing can be typed as it stands. */
  readonly command?: string | null;
  /** The verdict, where not all of `what` is in it. */
  readonly words?: string;
};

const AUTO = { ...NO_AUTO, number: 1, isOn: true };

/** The keeper's cluster, to whose second node somebody is connected. */
function visitedBy(visitor: Pick<Visitor, 'role' | 'node'>): ClusterSeen {
  return clusterOf('k', nodeOf('k', 'k_1', { visitor }));
}

const ROWS: readonly Row[] = [
  { name: 'all is well', facts: factsOf(), state: 'healthy', kinds: [] },
  { name: 'a cluster in no nursery is told of no keeper', facts: alone(), state: 'healthy', kinds: [] },
  {
    name: 'the map says that X owns a range, and X says that it does not',
    facts: factsOf({
      replaced: [
        clusterOf(
          'a',
          nodeOf('a', 'a_0', { role: 'master', owned: [{ lo: '', hi: 'm', epoch: 1, sealedBy: null }] }),
        ),
      ],
    }),
    state: 'notServing',
    kinds: ['rangeUnserved'],
    what: /^nobody serves \[m\.\.end\): the map gives it to a, at epoch 1, and a_0, its master, says that a does not own it$/,
    command: 'nursery rescue lost a --at CLUSTER --restore DIR --config router.ini, or --empty',
  },
  {
    name: 'the same at another epoch is another range',
    facts: factsOf({ keeper: keeperOf({ entries: [entry({ epoch: 2 })] }) }),
    state: 'notServing',
    kinds: ['rangeUnserved'],
  },
  {
    name: 'a move that is under way explains it',
    facts: factsOf({
      keeper: keeperOf({ migrations: [moveOf()] }),
      replaced: [
        clusterOf(
          'a',
          nodeOf('a', 'a_0', { role: 'master', owned: [{ lo: '', hi: 'm', epoch: 1, sealedBy: null }] }),
        ),
      ],
    }),
    state: 'healthy',
    kinds: [],
  },
  {
    name: 'another cluster owns what the map gives away',
    facts: factsOf({
      replaced: [
        clusterOf(
          'b',
          nodeOf('b', 'b_0', { role: 'master', owned: [{ lo: 'q', hi: 'r', epoch: 5, sealedBy: null }] }),
        ),
      ],
    }),
    state: 'atRisk',
    kinds: ['ownedTwice'],
    what: /^b owns \[q\.\.r\), at epoch 5, and the map gives it to a, at epoch 1/,
  },
  {
    name: 'a range of a founding that is over',
    facts: factsOf({
      keeper: keeperOf({ entries: [entry({ hi: 'm' }), entry({ lo: 'm', founding: 'f-old' })] }),
    }),
    state: 'notServing',
    kinds: ['rangeOfDeadFounding'],
    what: /nobody serves \[m\.\.end\): founding f-old of a is over/,
  },
  {
    name: "the master's disk is full",
    facts: factsOf({
      replaced: [
        clusterOf(
          'a',
          nodeOf('a', 'a_0', {
            role: 'master',
            owned: OWNED,
            conditions: [condition('full', { detail: 'disk is full' })],
          }),
        ),
      ],
    }),
    state: 'notServing',
    kinds: ['updatesRefused'],
    what: /^a takes no updates: a_0, its master, says: disk is full$/,
    since: [60_000, 'a_0'],
    todo: /make room on the machine of a_0/,
  },
  {
    name: 'the disk of a follower is full',
    facts: factsOf({ replaced: [clusterOf('a', nodeOf('a', 'a_1', { conditions: [condition('full')] }))] }),
    state: 'atRisk',
    kinds: ['nodeFull'],
  },
  {
    name: 'a range is sealed, and its migrator dead',
    facts: factsOf({
      keeper: keeperOf({ migrations: [moveOf()] }),
      replaced: [STILL, sealedAt(AT_MS - 30_000)],
    }),
    state: 'notServing',
    kinds: ['rangeSealed'],
    what: /^nobody serves \[m\.\.end\): it is sealed for migration 7, a → b, and no migrator works on that$/,
    since: [30_000, 'a_0'],
    command: 'nursery migrate --resume --config router.ini',
  },
  {
    name: 'a range is sealed, and its target silent',
    facts: factsOf({ keeper: keeperOf({ migrations: [moveOf()] }), replaced: [sealedAt(AT_MS - 30_000)] }),
    state: 'notServing',
    kinds: ['rangeSealed'],
    what: /it waits for target b, for 9 s$/,
    todo: /^repair b/,
  },
  {
    name: 'a range is sealed for a moment, as in each move',
    facts: factsOf({ keeper: keeperOf({ migrations: [moveOf()] }), replaced: [sealedAt(AT_MS - 100)] }),
    state: 'healthy',
    kinds: [],
  },
  {
    name: 'a range is sealed for a move that nobody knows',
    facts: factsOf({ replaced: [sealedAt(AT_MS - 30_000)] }),
    state: 'notServing',
    kinds: ['rangeSealed'],
    what: /a has sealed it for migration 7, which the keeper does not have as open/,
  },
  {
    name: 'neither the keeper answers nor the cluster that is asked: what it owns is unknown, not nothing',
    facts: outage(silent('a_0'), silent('a_1'), silent('a_2')),
    state: 'notServing',
    kinds: ['clusterSilent', 'keeperSilent'],
    what: /^no node of a answers, so nobody serves its keys \(which these are, nobody here can say\): a_0 does not/,
  },
  {
    name: 'the same, and one has an empty home, which knows of nothing',
    facts: outage(joining('a_0'), silent('a_1'), silent('a_2')),
    state: 'notServing',
    kinds: ['notFounded', 'keeperSilent'],
  },
  {
    name: 'the same, and one knows that its cluster owns nothing',
    facts: outage(nodeOf('a', 'a_0', { master: null }), silent('a_1'), silent('a_2')),
    state: 'atRisk',
    kinds: ['keeperSilent', 'noMaster'],
  },
  {
    name: 'a range is sealed, and the keeper has died',
    facts: factsOf({
      keeper: keeperOf({ migrations: null, orders: null, why: 'nobody answered' }),
      replaced: [clusterOf('k', silent('k_0'), silent('k_1'), silent('k_2')), sealedAt(AT_MS - 30_000)],
    }),
    state: 'notServing',
    kinds: ['rangeSealed', 'keeperSilent'],
    what: /^nobody serves \[m\.\.end\): a has sealed it for migration 7, and the keeper, without which/,
    since: [30_000, 'a_0'],
    command: 'nursery migrate --resume --config router.ini',
  },
  {
    name: 'a range is sealed for a moment, and the keeper has died',
    facts: factsOf({
      keeper: keeperOf({ migrations: null, orders: null, why: 'nobody answered' }),
      replaced: [clusterOf('k', silent('k_0'), silent('k_1'), silent('k_2')), sealedAt(AT_MS - 100)],
    }),
    state: 'atRisk',
    kinds: ['keeperSilent'],
  },
  {
    name: 'a migrator is dead while copying',
    facts: factsOf({ keeper: keeperOf({ migrations: [moveOf()] }), replaced: [STILL] }),
    state: 'atRisk',
    kinds: ['migratorDead'],
    what: /^no migrator works on migration 7, \[m\.\.end\) a → b, active, copying; when last heard of it waited for target b, for 9 s$/,
    since: [60_000, 'k_0'],
    command: 'nursery migrate --resume --config router.ini',
  },
  {
    name: 'a move is paused, and no migrator works on it: to resume it would wait for the operator',
    facts: factsOf({ keeper: keeperOf({ migrations: [moveOf({ wish: 'pause' })] }), replaced: [STILL] }),
    state: 'healthy',
    kinds: ['moveHeld'],
    what: /^migration 7, \[m\.\.end\) a → b, is paused by an operator; no migrator works on it either$/,
    since: [60_000, 'k_0'],
    todo: /let it; and besides, where .*: nursery migrate --resume --config router\.ini$/,
    command: 'nursery migrate --continue 7 --config router.ini',
  },
  {
    name: 'the same, and its migrator lives',
    facts: factsOf({ keeper: keeperOf({ migrations: [moveOf({ wish: 'pause' })] }) }),
    state: 'healthy',
    kinds: ['moveHeld'],
    what: /is paused by an operator$/,
    todo: /let it$/,
    command: 'nursery migrate --continue 7 --config router.ini',
  },
  {
    name: 'a move whose rate is 0, and no migrator works on it',
    facts: factsOf({ keeper: keeperOf({ migrations: [moveOf({ asked: NO_RATE })] }), replaced: [STILL] }),
    state: 'healthy',
    kinds: ['moveHeld'],
    what: /^migration 7, \[m\.\.end\) a → b, copies nothing: an operator has set its rate to 0; no migrator/,
    todo: /give it a rate; and besides, .*: nursery migrate --resume --config router\.ini$/,
    command: 'nursery migrate --rate BYTES --of 7 --config router.ini',
  },
  {
    name: 'a move that is both paused and at rate 0',
    facts: factsOf({ keeper: keeperOf({ migrations: [moveOf({ wish: 'pause', asked: NO_RATE })] }) }),
    state: 'healthy',
    kinds: ['moveHeld', 'moveHeld'],
  },
  {
    name: 'a rate of 0 holds nothing up once all is copied',
    facts: factsOf({
      keeper: keeperOf({
        migrations: [moveOf({ asked: NO_RATE, progress: { ...NO_PROGRESS, stage: 'catching up' } })],
      }),
    }),
    state: 'healthy',
    kinds: [],
  },
  {
    name: 'who wants it aborted does not want it paused',
    facts: factsOf({
      keeper: keeperOf({ migrations: [moveOf({ wish: 'abort', asked: NO_RATE })] }),
      replaced: [STILL],
    }),
    state: 'atRisk',
    kinds: ['migratorDead'],
    command: 'nursery migrate --resume --config router.ini',
  },
  {
    name: 'what a pause came too late for is sealed, and nobody works on it',
    facts: factsOf({
      keeper: keeperOf({ migrations: [moveOf({ wish: 'pause' })] }),
      replaced: [STILL, sealedAt(AT_MS - 30_000)],
    }),
    state: 'notServing',
    kinds: ['rangeSealed'],
    command: 'nursery migrate --resume --config router.ini',
  },
  {
    name: 'a copy of an order that nobody works on is told with the order',
    facts: factsOf({
      keeper: keeperOf({
        migrations: [
          moveOf({ rescue: { order: 1, dead: 'source', epoch: 0, isThere: false, isCopy: true } }),
        ],
      }),
      replaced: [STILL],
    }),
    state: 'healthy',
    kinds: [],
  },
  {
    name: 'a target that was never told',
    facts: factsOf({ keeper: keeperOf({ migrations: [moveOf({ phase: 'aborted', isUntold: true })] }) }),
    state: 'healthy',
    kinds: ['targetUntold'],
  },
  {
    name: 'a cluster has no master, since two of three are silent',
    facts: factsOf({
      replaced: [
        clusterOf(
          'a',
          nodeOf('a', 'a_0', {
            role: 'candidate',
            master: null,
            owned: OWNED,
            conditions: [condition('noMaster', { sinceMs: AT_MS - 5000 })],
          }),
          silent('a_1'),
          silent('a_2'),
        ),
      ],
    }),
    state: 'notServing',
    kinds: ['noMaster'],
    words: 'not serving: cluster a has no master, so nobody serves its keys: a_1, a_2 do not answer',
    what: /^cluster a has no master, so nobody serves its keys: a_1 does not answer \(connection refused\); a_2 does not/,
    since: [5000, 'a_0'],
    todo: /^start a_1, a_2, on their machines, with their homes: .* nursery rescue promote --config FILE --node a_0$/,
  },
  {
    name: 'a master has died a moment ago, and two of three elect another one: nothing is to be rescued',
    facts: factsOf({
      replaced: [
        clusterOf(
          'a',
          nodeOf('a', 'a_0', { master: 'a_2', owned: OWNED }),
          nodeOf('a', 'a_1', { master: 'a_2', owned: OWNED }),
          silent('a_2'),
        ),
      ],
    }),
    state: 'notServing',
    kinds: ['noMaster'],
    what: /: a_2 does not answer \(connection refused\); a_0, a_1 elect one, or do not reach each other$/,
    todo: /^an election takes a lease and a half or so; [^.]*\. And start a_2, on its machine, with its home: nursery node --config FILE --node a_2$/,
  },
  {
    name: 'the same by the file of the cluster, in which a learner is no voter',
    facts: alone(
      nodeOf('a', 'a_0', { master: null, owned: OWNED, members: membersOf('a_0', 'a_2') }),
      nodeOf('a', 'a_1', { role: 'learner', master: null, owned: OWNED, members: membersOf('a_0', 'a_2') }),
      silent('a_2'),
    ),
    state: 'notServing',
    kinds: ['noMaster'],
    todo: /^start a_2, on its machine, with its home; if the homes of a majority are gone for good: nursery rescue promote --config a\.ini --node a_0$/,
    command: 'nursery node --config a.ini --node a_2',
  },
  {
    name: 'a majority of those who hang or answer has its homes',
    facts: factsOf({
      replaced: [
        clusterOf('a', nodeOf('a', 'a_0', { master: null, owned: OWNED }), mute('a_1'), silent('a_2')),
      ],
    }),
    state: 'notServing',
    kinds: ['noMaster'],
    todo: /^start a_2, on its machine, with its home: nursery node --config FILE --node a_2; a_1 may hang: .*, with its home: nursery node --config FILE --node a_1$/,
  },
  {
    name: 'one that owns nothing has no master',
    facts: factsOf({
      replaced: [clusterOf('b', nodeOf('b', 'b_0', { master: null }), silent('b_1'), silent('b_2'))],
    }),
    state: 'atRisk',
    kinds: ['noMaster'],
  },
  {
    name: 'a restored home that waits for ever',
    facts: alone(
      nodeOf('a', 'a_0', {
        role: 'short',
        master: null,
        owned: OWNED,
        conditions: [
          condition('noMaster'),
          condition('waits', {
            detail: 'slots 4 to 9 are chosen, nobody reachable holds them: waiting for a_1 (not seen)',
          }),
        ],
      }),
      silent('a_1'),
      silent('a_2'),
    ),
    state: 'notServing',
    kinds: ['noMaster', 'nodeWaits'],
    what: /a_0: slots 4 to 9 are chosen, nobody reachable holds them/,
    since: [60_000, 'a_0'],
  },
  {
    name: 'no node of an owner answers',
    facts: factsOf({ replaced: [clusterOf('a', silent('a_0'), silent('a_1'), silent('a_2'))] }),
    state: 'notServing',
    kinds: ['clusterSilent'],
    what: /^no node of a answers, so nobody serves its keys: a_0 does not answer/,
    words: 'not serving: no node of a answers, so nobody serves its keys',
    todo: /^start a_0, a_1, a_2, on their machines, with their homes: nursery node --config FILE --node NAME\. A majority .*nursery rescue lost a$/,
  },
  {
    name: 'all nodes of an owner hang: nothing is lost, and nothing can be started before they are ended',
    facts: factsOf({ replaced: [clusterOf('a', mute('a_0'), mute('a_1'), mute('a_2'))] }),
    state: 'notServing',
    kinds: ['clusterSilent'],
    todo: /^a_0, a_1, a_2 may hang: let their processes go on \(kill -CONT PID\), .* with their homes: nursery node --config FILE --node NAME\. A majority of them is enough$/,
  },
  {
    name: 'no node of an owner had time to answer: nobody knows, and nothing is lost',
    facts: factsOf({ replaced: [clusterOf('a', unheard('a_0'), unheard('a_1'), unheard('a_2'))] }),
    state: 'atRisk',
    kinds: ['notAsked'],
    what: /^how a is was not learned: there was no time to ask a_0, a_1, a_2$/,
    todo: /^ask again/,
  },
  {
    name: 'the one that had no time may be the master',
    facts: factsOf({
      replaced: [clusterOf('a', unheard('a_0'), silent('a_1'), nodeOf('a', 'a_2', { master: null }))],
    }),
    state: 'atRisk',
    kinds: ['notAsked'],
  },
  {
    name: 'one of a cluster with a master had no time',
    facts: factsOf({ replaced: [clusterOf('a', unheard('a_2'))] }),
    state: 'atRisk',
    kinds: ['notAsked'],
  },
  {
    name: 'neither keeper nor router had time to answer: that is no outage',
    facts: factsOf({
      keeper: keeperOf({ entries: [], migrations: null, orders: null, why: 'no answer', isUnheard: true }),
      clusters: [clusterOf('k', unheard('k_0'), unheard('k_1'), unheard('k_2'))],
      router: { name: 'r', turnedAway: null, why: 'no answer', isUnheard: true },
    }),
    state: 'atRisk',
    kinds: ['notAsked'],
    what: /^how k is was not learned: there was no time to ask its master$/,
  },
  {
    name: 'two of three started: for whom they wait',
    facts: alone(joining('a_0'), joining('a_1'), silent('a_2')),
    state: 'notServing',
    kinds: ['notFounded'],
    what: /^cluster a has not begun: this home is empty: waiting for a_2 \(not seen\)$/,
    todo: /^start a_2, on its machine, with its home\. Leave homes as they are: /,
    command: 'nursery node --config a.ini --node a_2',
  },
  {
    name: 'a node is dead',
    facts: factsOf({
      replaced: [
        clusterOf(
          'a',
          nodeOf('a', 'a_0', {
            role: 'master',
            owned: OWNED,
            conditions: [condition('unseen', { subject: 'a_2' })],
          }),
          silent('a_2'),
        ),
      ],
    }),
    state: 'atRisk',
    kinds: ['nodeSilent'],
    what: /^a_2 of a does not answer: connection refused$/,
    since: [60_000, 'a_0'],
    words: 'at risk: a_2 of a does not answer',
    todo: /^start a_2, on its machine, with its home: nursery node --config FILE --node a_2\. If its disk is lost, with an empty home$/,
    command: null,
  },
  {
    name: 'a node is dead, and its own file was asked by',
    facts: alone(silent('a_2')),
    state: 'atRisk',
    kinds: ['nodeSilent'],
    todo: /^start a_2, on its machine, with its home\. If its disk is lost, with an empty home$/,
    command: 'nursery node --config a.ini --node a_2',
  },
  {
    name: 'a node hangs: a second process would not get its home, and that is not lost',
    facts: alone(mute('a_2')),
    state: 'atRisk',
    kinds: ['nodeSilent'],
    todo: /^a_2 may hang: let its process go on \(kill -CONT PID\), or end it first \(kill -9 PID; SIGTERM waits\), and then start it, with its home: nursery node --config a\.ini --node a_2$/,
    command: null,
  },
  {
    name: 'a promotion or a restore has left one copy of three',
    facts: alone(
      nodeOf('a', 'a_0', {
        role: 'master',
        owned: OWNED,
        members: [{ node: 'a_0', seen: true, applied: 9 }],
        conditions: [condition('absent', { subject: 'a_1' }), condition('absent', { subject: 'a_2' })],
      }),
      silent('a_1'),
      silent('a_2'),
    ),
    state: 'atRisk',
    kinds: ['membersMissing'],
    what: /^a has 1 of the 3 copies that its configuration names: a_1, a_2 are no members of this founding$/,
    since: [60_000, 'a_0'],
    todo: /^start a_1, a_2, on their machines, with empty homes\. They join by themselves; an old home of before is emptied first$/,
    command: 'nursery node --config a.ini --node NAME',
  },
  {
    name: 'the same of one, whose old process hangs, by the file of a router',
    facts: factsOf({
      replaced: [
        clusterOf(
          'a',
          nodeOf('a', 'a_0', {
            role: 'master',
            owned: OWNED,
            members: membersOf('a_0', 'a_1'),
            conditions: [condition('absent', { subject: 'a_2' })],
          }),
          mute('a_2'),
        ),
      ],
    }),
    state: 'atRisk',
    kinds: ['membersMissing'],
    todo: /^start a_2, on its machine, with an empty home: nursery node --config FILE --node a_2\. It joins by itself; .*; first end a_2, which hangs \(kill -9 PID\)$/,
    command: null,
  },
  {
    name: 'the same where the keeper knows but the one, and the file names the others',
    facts: withFileOf(
      nodeOf('a', 'a_0', {
        role: 'master',
        owned: OWNED,
        members: [{ node: 'a_0', seen: true, applied: 9 }],
        conditions: [condition('absent', { subject: 'a_1' }), condition('absent', { subject: 'a_2' })],
      }),
    ),
    state: 'atRisk',
    kinds: ['membersMissing'],
  },
  {
    name: 'a node answers, and its master does not hear it',
    facts: factsOf({
      replaced: [
        clusterOf(
          'a',
          nodeOf('a', 'a_0', {
            role: 'master',
            owned: OWNED,
            conditions: [condition('unseen', { subject: 'a_2' })],
          }),
        ),
      ],
    }),
    state: 'atRisk',
    kinds: ['nodeUnseen'],
  },
  {
    name: 'a learner lags, though it says that it has all it knows of',
    facts: factsOf({
      replaced: [
        clusterOf(
          'a',
          nodeOf('a', 'a_0', {
            role: 'master',
            owned: OWNED,
            conditions: [condition('behind', { subject: 'a_2', detail: 'slot 704 of 1424' })],
          }),
          nodeOf('a', 'a_2', { role: 'learner', applied: 704, chosen: 704 }),
        ),
      ],
    }),
    state: 'atRisk',
    kinds: ['nodeBehind'],
    what: /^a_2 of a is behind: slot 704 of 1424$/,
    since: [60_000, 'a_0'],
  },
  {
    name: 'a node joins anew',
    facts: factsOf({
      replaced: [
        clusterOf(
          'a',
          nodeOf('a', 'a_2', { role: 'joining', conditions: [condition('waits', { detail: 'fetching' })] }),
        ),
      ],
    }),
    state: 'atRisk',
    kinds: ['nodeWaits'],
  },
  {
    name: 'a master that waits for its keeper',
    facts: factsOf({
      replaced: [
        clusterOf(
          'a',
          nodeOf('a', 'a_0', {
            role: 'master',
            owned: OWNED,
            conditions: [condition('refuses', { detail: 'this node waits until keeper k says so' })],
          }),
        ),
      ],
    }),
    state: 'notServing',
    kinds: ['waitsForKeeper'],
    todo: /--without-keeper/,
  },
  {
    name: 'a founding from a backup that waits for its keeper',
    facts: factsOf({
      replaced: [
        clusterOf(
          'a',
          nodeOf('a', 'a_0', {
            role: 'master',
            owned: OWNED,
            conditions: [
              condition('refuses', { subject: 'succession', detail: 'this founding took the place of x' }),
            ],
          }),
        ),
      ],
    }),
    state: 'notServing',
    kinds: ['waitsForKeeper'],
    what: /serves nothing yet: this founding took the place of x$/,
    todo: /settles what was moving; or nursery migrate --resume/,
  },
  {
    name: 'a store that nobody can say is right',
    facts: factsOf({
      replaced: [
        clusterOf(
          'a',
          nodeOf('a', 'a_1', { conditions: [condition('store', { detail: 'doubtful store' })] }),
        ),
      ],
    }),
    state: 'notServing',
    kinds: ['storeDoubtful'],
  },
  {
    name: 'a node of another founding',
    facts: factsOf({ replaced: [clusterOf('a', nodeOf('a', 'a_2', { founding: 'f-other' }))] }),
    state: 'atRisk',
    kinds: ['nodeStrange'],
    what: /^at the address of a_2 of a answers a node of founding f-other$/,
  },
  {
    name: 'the keeper is silent',
    facts: factsOf({
      keeper: keeperOf({ migrations: null, orders: null, why: 'nobody answered' }),
      replaced: [
        clusterOf('k', silent('k_0'), silent('k_1'), silent('k_2')),
        clusterOf(
          'a',
          nodeOf('a', 'a_1', {
            conditions: [condition('note', { subject: 'silent', detail: 'keeper k does not answer' })],
          }),
        ),
      ],
    }),
    state: 'atRisk',
    kinds: ['keeperSilent'],
    what: /^the keeper, cluster k, does not answer: nobody answered; nothing moves meanwhile; what is served goes on$/,
    since: [60_000, 'a_1'],
    todo: /^start k_0, k_1, k_2, on their machines, with their homes: .*; if their data are gone for good, nursery rescue keeper$/,
    words: 'at risk: the keeper, cluster k, does not answer; nothing moves meanwhile; what is served goes on',
  },
  {
    name: 'the keeper elects a master: nothing is to be rescued',
    facts: factsOf({
      keeper: keeperOf({ migrations: null, orders: null, why: 'nobody answered' }),
      replaced: [clusterOf('k', nodeOf('k', 'k_0', { master: null }), nodeOf('k', 'k_1'), silent('k_2'))],
    }),
    state: 'atRisk',
    kinds: ['keeperSilent'],
    todo: /^an election takes .* And start k_2, on its machine, with its home: nursery node --config FILE --node k_2$/,
  },
  {
    name: 'the keeper is silent, and was asked by its own file: nobody else was heard of',
    facts: {
      ...outage(),
      ...{ file: 'k.ini', front: 'k', clusters: outage().clusters.filter(({ cluster }) => cluster === 'k') },
    },
    state: 'notServing',
    kinds: ['keeperSilent'],
    what: /; k\.ini leads to no other cluster, so nobody here can say that any key is served$/,
    command: 'nursery node --config k.ini --node NAME',
  },
  {
    name: 'neither keeper nor router says anything: nobody can say that a key is served',
    facts: factsOf({
      keeper: keeperOf({ entries: [], migrations: null, orders: null, why: 'nobody answered' }),
      clusters: [clusterOf('k', silent('k_0'), silent('k_1'), silent('k_2'))],
      router: { name: 'r', turnedAway: null, why: 'connection refused' },
    }),
    state: 'notServing',
    kinds: ['keeperSilent', 'routerSilent'],
    what: /no router says what it knows of the map either, so nobody here can say that any key is served$/,
  },
  {
    name: 'a range has moved while the keeper died, and the map of a router is older than that',
    facts: factsOf({
      keeper: keeperOf({ migrations: null, orders: null, why: 'nobody answered' }),
      replaced: [
        clusterOf('k', silent('k_0'), silent('k_1'), silent('k_2')),
        clusterOf(
          'a',
          nodeOf('a', 'a_0', { role: 'master', owned: [{ lo: '', hi: 'm', epoch: 1, sealedBy: null }] }),
        ),
        clusterOf(
          'b',
          nodeOf('b', 'b_0', { role: 'master', owned: [{ lo: 'm', hi: null, epoch: 2, sealedBy: null }] }),
        ),
      ],
    }),
    state: 'atRisk',
    kinds: ['keeperSilent'],
  },
  {
    name: 'two of three members are in one rack',
    facts: factsOf({
      replaced: [
        clusterOf(
          'a',
          nodeOf('a', 'a_0', {
            role: 'master',
            owned: OWNED,
            members: ['a_0', 'a_1', 'a_2'].map((node) => ({ node, seen: true, applied: 9 })),
          }),
          nodeOf('a', 'a_1', { owned: OWNED, rack: 'r1' }),
          nodeOf('a', 'a_2', { owned: OWNED, rack: 'r1' }),
        ),
      ],
    }),
    state: 'atRisk',
    kinds: ['placeShared'],
    what: /^rack r1 holds a_1, a_2, of 3 members of a: if it fails, nobody serves what a owns$/,
  },
  {
    name: 'a map that nobody has begun',
    facts: factsOf({
      keeper: keeperOf({ entries: [] }),
      replaced: [
        clusterOf('a', nodeOf('a', 'a_0', { role: 'master' }), nodeOf('a', 'a_1'), nodeOf('a', 'a_2')),
      ],
    }),
    state: 'notServing',
    kinds: ['noMap'],
    command: 'nursery init CLUSTER --config router.ini',
  },
  {
    name: 'a home whose founding this keeper has declared dead waits for a keeper before it',
    facts: factsOf({
      keeper: keeperOf({ orders: [{ ...RESTORED, cluster: 'a', was: 'f-a', founding: 'f-a2' }] }),
      replaced: [
        clusterOf(
          'a',
          nodeOf('a', 'a_0', {
            role: 'master',
            conditions: [condition('refuses', { subject: 'standing', detail: 'it waits' })],
          }),
          nodeOf('a', 'a_1'),
          nodeOf('a', 'a_2'),
        ),
      ],
    }),
    state: 'notServing',
    kinds: ['rescueUnfinished', 'waitsForKeeper'],
    lastTodo: /^order 1 has declared founding f-a dead, for ever: stop its nodes, keep a copy .*empty homes$/,
  },
  {
    name: 'a keeper that was founded this moment, and whose answer is older than that of a cluster that knows it',
    facts: factsOf({
      keeper: {
        ...keeperOf({ entries: [] }),
        known: { map: RangeMap.of(0, []), clusters: keeperOf().known.clusters },
      },
      replaced: [clusterOf('a', nodeOf('a', 'a_0', { role: 'master', keeper: 'f-k' }), nodeOf('a', 'a_1'))],
    }),
    state: 'notServing',
    kinds: ['noMap'],
    what: /^the map is empty: no cluster has the keys yet$/,
  },
  {
    name: 'a new keeper has no map, and a cluster belongs to the one before it',
    facts: factsOf({
      keeper: keeperOf({ entries: [] }),
      replaced: [clusterOf('a', nodeOf('a', 'a_0', { role: 'master', keeper: 'f-old' }), nodeOf('a', 'a_1'))],
    }),
    state: 'notServing',
    kinds: ['noMap'],
    what: /^keeper k is new, and has no map: a belongs to a keeper before it$/,
    command: 'nursery rescue keeper FILE-OF-EACH-CLUSTER --config FILE-OF-KEEPER',
  },
  {
    name: 'the same while a router has the map of the one before it, and that cluster serves',
    facts: factsOf({
      keeper: keeperOf({ entries: [], before: keeperOf().known }),
      replaced: [clusterOf('a', nodeOf('a', 'a_0', { role: 'master', keeper: 'f-old' }), nodeOf('a', 'a_1'))],
    }),
    state: 'atRisk',
    kinds: ['noMap'],
    what: /^keeper k is new, and has no map: a belongs to a keeper before it; what routers knew of the one before it goes on$/,
    command: 'nursery rescue keeper FILE-OF-EACH-CLUSTER --config FILE-OF-KEEPER',
  },
  {
    name: 'and where it does not serve',
    facts: factsOf({
      keeper: keeperOf({ entries: [], before: keeperOf().known }),
      replaced: [
        clusterOf('a', nodeOf('a', 'a_0', { role: 'master', keeper: 'f-old', waitsFor: 'the keeper' })),
      ],
    }),
    state: 'notServing',
    kinds: ['noMap'],
  },
  {
    name: 'a new keeper has no map, and itself says whom it was told of',
    facts: factsOf({
      keeper: keeperOf({ entries: [] }),
      clusters: [
        clusterOf(
          'k',
          nodeOf('k', 'k_0', {
            role: 'master',
            conditions: [
              condition('note', { detail: 'nursery init is refused: cluster a belongs to another' }),
            ],
          }),
        ),
      ],
    }),
    state: 'notServing',
    kinds: ['noMap', 'noted'],
    words: 'not serving: keeper k is new, and has no map (and 1 more)',
    what: /^keeper k is new, and has no map: nursery init is refused: cluster a belongs to another$/,
    command: 'nursery rescue keeper FILE-OF-EACH-CLUSTER --config FILE-OF-KEEPER',
  },
  {
    name: 'empty homes where all of a cluster has burnt',
    facts: factsOf({ replaced: [clusterOf('a', joining('a_0'), silent('a_1'), silent('a_2'))] }),
    state: 'notServing',
    kinds: ['allHomesEmpty'],
    what: /^the home of a_0 is empty, and founding f-a of a is in force, so nobody serves its keys: empty homes join it/,
    todo: /^if a_1, a_2 still have their homes, .* --replace f-a; or give its ranges to another cluster: nursery rescue lost a$/,
  },
  {
    name: 'empty homes beside one that was restored, and was not started yet: that one is not to be replaced',
    facts: factsOf({
      keeper: keeperOf({ orders: [RESTORED], nodes: ['a_0'] }),
      replaced: [clusterOf('a', silent('a_0'), joining('a_1'), silent('a_2'))],
    }),
    state: 'notServing',
    kinds: ['allHomesEmpty'],
    todo: /^start a_0, .*with its home.* Founding f-a began with the home of a_0, by order 1: the others join.*--node NAME, which says/,
  },
  {
    name: 'the same while none of them runs',
    facts: factsOf({
      keeper: keeperOf({ orders: [RESTORED], nodes: ['a_0'] }),
      replaced: [clusterOf('a', silent('a_0'), silent('a_1'), silent('a_2'))],
    }),
    state: 'notServing',
    kinds: ['clusterSilent'],
    todo: /^start a_0, .*with its home.* Founding f-a began with the home of a_0/,
  },
  {
    name: 'where that home is empty as well, it is the one to be replaced',
    facts: factsOf({
      keeper: keeperOf({ orders: [RESTORED], nodes: ['a_0'] }),
      replaced: [clusterOf('a', joining('a_0'), silent('a_1'), silent('a_2'))],
    }),
    state: 'notServing',
    kinds: ['allHomesEmpty'],
    todo: /--replace f-a;/,
  },
  {
    name: 'a learner is no survivor',
    facts: alone(
      nodeOf('a', 'a_0', { role: 'follower', master: null, owned: OWNED, applied: 5 }),
      nodeOf('a', 'a_1', { role: 'learner', master: null, owned: OWNED, applied: 9 }),
      silent('a_2'),
    ),
    state: 'notServing',
    kinds: ['noMaster'],
    todo: /nursery rescue promote --config a\.ini --node a_0$/,
  },
  {
    name: 'two of three homes were emptied: nobody can ever be elected',
    facts: alone(candidate('a_0'), emptied('a_1'), emptied('a_2')),
    state: 'notServing',
    kinds: ['noMaster'],
    what: /: the homes of a_1, a_2 were emptied, 2 of 3 members, so that nobody can be elected any more$/,
    todo: /^where the disks of a_1, a_2 were only not mounted, .* Else stop a_1, a_2 and empty their homes again; promote the survivor, /,
    command: 'nursery rescue promote --config a.ini --node a_0',
  },
  {
    name: 'the same in a nursery, by the file of a router',
    facts: factsOf({ replaced: [clusterOf('a', candidate('a_0'), emptied('a_1'), emptied('a_2'))] }),
    state: 'notServing',
    kinds: ['noMaster'],
    todo: /empty their homes again; nursery rescue promote --config FILE --node a_0, which goes on alone/,
    command: null,
  },
  {
    name: 'the same of a keeper',
    facts: {
      ...factsOf({
        keeper: keeperOf({ migrations: null, orders: null, why: 'nobody answered' }),
        replaced: [clusterOf('k', candidate('k_0', 'k'), emptied('k_1', 'k'), emptied('k_2', 'k'))],
      }),
    },
    state: 'atRisk',
    kinds: ['keeperSilent'],
    todo: /^the homes of k_1, k_2 were emptied, .*rescue promote --config FILE --node k_0, .* Then nursery rescue keeper/,
  },
  {
    name: 'one of three homes was emptied, and another node is silent: that one is started',
    facts: alone(candidate('a_0'), emptied('a_1'), silent('a_2')),
    state: 'notServing',
    kinds: ['noMaster'],
    what: /: the home of a_1 was emptied; a_2 does not answer \(connection refused\)$/,
    todo: /^start a_2, on its machine, with its home/,
    command: 'nursery node --config a.ini --node a_2',
  },
  {
    name: 'an emptied home that the keeper does not know, and the file of its cluster does',
    facts: withElsewhere([candidate('a_0'), silent('a_1')], [emptied('a_2')]),
    state: 'notServing',
    kinds: ['noMaster'],
    what: /: the home of a_2 was emptied; a_1 does not answer/,
  },
  {
    name: 'of two members one takes the other in with an empty home',
    facts: alone(
      { ...candidate('a_0'), facts: shrunk(candidate('a_0'), 'a_0', 'a_1') },
      { ...emptied('a_1'), facts: shrunk(emptied('a_1'), 'a_0', 'a_1') },
      candidate('a_2'),
    ),
    state: 'notServing',
    kinds: ['noMaster'],
    todo: /^an election takes/,
  },
  {
    name: 'who was just admitted, and has yet to hear of it, has no empty home',
    facts: alone(
      candidate('a_0'),
      nodeOf('a', 'a_1', { role: 'learner', master: null, members: membersOf('a_0', 'a_2') }),
      candidate('a_2'),
    ),
    state: 'notServing',
    kinds: ['noMaster'],
    what: /: a_0, a_1, a_2 elect one, or do not reach each other$/,
  },
  {
    name: 'a promoted survivor waits for the keeper, which knows the founding before it',
    facts: factsOf({
      keeper: keeperOf({ migrations: null, orders: null, why: 'nobody answered' }),
      replaced: [
        clusterOf('k', silent('k_0'), silent('k_1'), silent('k_2')),
        clusterOf('a', promoted('a_0'), silent('a_1'), silent('a_2')),
      ],
    }),
    state: 'notServing',
    kinds: ['waitsForKeeper', 'keeperSilent', 'membersMissing'],
    what: /^a_0, the master of a, serves nothing yet: this founding took the place of f-a, and waits until/,
    todo: /^see that the keeper runs/,
  },
  {
    name: 'the same while the keeper answers, which has yet to hear of it: what it owns is not asked for yet',
    facts: factsOf({ replaced: [clusterOf('a', promoted('a_0'), silent('a_1'), silent('a_2'))] }),
    state: 'notServing',
    kinds: ['waitsForKeeper', 'membersMissing'],
  },
  {
    name: 'beside it runs an old home of before',
    facts: factsOf({
      replaced: [clusterOf('a', promoted('a_0'), nodeOf('a', 'a_1', { master: null }), silent('a_2'))],
    }),
    state: 'notServing',
    kinds: ['waitsForKeeper', 'membersMissing', 'nodeStrange'],
  },
  {
    name: 'of the founding in force nobody runs, and of the one before it one node does',
    facts: factsOf({
      keeper: keeperOf({ orders: [orderOf({ was: 'f-old', founding: 'f-a', given: GIVEN })] }),
      replaced: [
        clusterOf('a', nodeOf('a', 'a_0', { founding: 'f-old', master: null }), silent('a_1'), silent('a_2')),
      ],
    }),
    state: 'notServing',
    kinds: ['clusterSilent', 'nodeStrange'],
    what: /^no node of founding f-a of a answers, so nobody serves its keys: a_0 is of founding f-old, which is over; a_1 does not/,
    todo: /^stop a_0: two foundings are never mixed\. Then start a_1, a_2, on their machines, with their homes/,
  },
  {
    name: 'the keeper knows of no node of the founding in force',
    facts: factsOf({ replaced: [{ cluster: 'a', founding: 'f-a', nodes: [], isElsewhere: false }] }),
    state: 'notServing',
    kinds: ['clusterSilent'],
    what: /, so nobody serves its keys: none of them has told the keeper where it is$/,
    todo: /^start its nodes with their own homes: nursery node --config FILE --node NAME; if all/,
  },
  {
    name: 'a node that was silent for no known reason',
    facts: factsOf({
      replaced: [clusterOf('a', { ...silent('a_0'), why: '' }, silent('a_1'), silent('a_2'))],
    }),
    state: 'notServing',
    kinds: ['clusterSilent'],
    what: /: a_0 does not answer \(no reason is known\); /,
  },
  {
    name: 'a promoted cluster is silent, and so is who was in its file before: no home of before starts again',
    facts: withFileOf(silent('a_0'), [orderOf({ given: GIVEN })]),
    state: 'notServing',
    kinds: ['clusterSilent', 'nodeSilent', 'nodeSilent'],
    lastTodo: /^once a has a master, start a_2 with an empty home: /,
  },
  {
    name: 'where a learner alone is left, a backup is needed',
    facts: alone(
      nodeOf('a', 'a_0', { role: 'learner', master: null, applied: 0, chosen: 0 }),
      silent('a_1'),
      silent('a_2'),
    ),
    state: 'notServing',
    kinds: ['noMaster'],
    todo: /a backup is needed: nursery restore$/,
  },
  {
    name: 'a promotion that was not finished',
    facts: factsOf({ keeper: keeperOf({ orders: [orderOf()] }) }),
    state: 'notServing',
    kinds: ['rescueUnfinished'],
    what: /^order 1 \(promotion or restore of a\) is not done: /,
  },
  {
    name: 'a lost cluster whose range was not brought to another one',
    facts: factsOf({
      keeper: keeperOf({
        entries: [entry({ hi: 'm' }), entry({ lo: 'm', owner: 'c', founding: 'f-c' })],
        orders: [orderOf({ kind: 'lost', cluster: 'c', was: 'f-c', founding: '' })],
      }),
      replaced: [
        clusterOf(
          'a',
          nodeOf('a', 'a_0', { role: 'master', owned: [{ lo: '', hi: 'm', epoch: 1, sealedBy: null }] }),
        ),
      ],
    }),
    state: 'notServing',
    kinds: ['rescueUnfinished'],
    command: 'nursery rescue lost c --at CLUSTER --restore DIR --config router.ini, or --empty',
  },
  {
    name: 'a note that harms nobody',
    facts: factsOf({
      replaced: [
        clusterOf(
          'k',
          nodeOf('k', 'k_0', {
            role: 'master',
            conditions: [condition('note', { subject: 'refused b x', detail: 'refused founding x' })],
          }),
        ),
      ],
    }),
    state: 'healthy',
    kinds: ['noted'],
  },
  {
    name: 'a note that matters',
    facts: factsOf({
      replaced: [
        clusterOf(
          'a',
          nodeOf('a', 'a_0', {
            role: 'master',
            owned: OWNED,
            conditions: [condition('note', { subject: 'standing', detail: 'in no nursery' })],
          }),
        ),
      ],
    }),
    state: 'atRisk',
    kinds: ['noted'],
  },
  {
    name: 'the router is silent',
    facts: factsOf({ router: { name: 'r', why: 'connection refused', turnedAway: null } }),
    state: 'atRisk',
    kinds: ['routerSilent'],
    words: 'at risk: router r does not answer',
    command: 'nursery router --config router.ini',
  },
  {
    name: 'the router hangs: a second one would not get its port',
    facts: factsOf({ router: { name: 'r', why: 'it has said nothing', turnedAway: null, isMute: true } }),
    state: 'atRisk',
    kinds: ['routerSilent'],
    todo: /^r may hang: let its process go on \(kill -CONT PID\), or end it first .* start it: nursery router --config router\.ini$/,
    command: null,
  },
  {
    name: 'a router that turns connections away',
    facts: factsOf({
      router: { name: 'r', why: '', turnedAway: { turnedAway: 3, idleLetGo: 1, stalledLetGo: 0 } },
    }),
    state: 'healthy',
    kinds: ['turnedAway'],
  },
  {
    name: 'a range of which one key has most of the requests, at several nodes together',
    facts: factsOf({
      replaced: [
        clusterOf(
          'a',
          nodeOf('a', 'a_0', { role: 'master', owned: OWNED, load: loadOf(90, 50) }),
          nodeOf('a', 'a_1', { owned: OWNED, load: loadOf(20, 20) }),
        ),
      ],
    }),
    state: 'healthy',
    kinds: ['hotKey'],
    what: /one key has 64 % of the 110 requests a second for \[""\.\.end\) of a: k/,
    todo: /no move helps/,
  },
  {
    name: 'a range whose few requests are for one key',
    facts: factsOf({
      replaced: [clusterOf('a', nodeOf('a', 'a_0', { role: 'master', owned: OWNED, load: loadOf(99, 99) }))],
    }),
    state: 'healthy',
    kinds: [],
  },
  {
    name: 'rebalancing by itself is on, and nobody does so',
    facts: factsOf({ keeper: keeperOf({ auto: AUTO }) }),
    state: 'healthy',
    kinds: ['nobodyMigrates'],
    what: /no router and no migrator is connected to the keeper/,
    command: 'nursery migrator --config router.ini',
  },
  {
    name: 'rebalancing by itself is on, and a command alone moves something',
    facts: factsOf({
      keeper: keeperOf({ auto: AUTO }),
      replaced: [visitedBy({ role: 'migrator', node: 'command' })],
    }),
    state: 'healthy',
    kinds: ['nobodyMigrates'],
  },
  ...[
    { role: 'router', node: 'command' },
    { role: 'migrator', node: 'migrator' },
  ].map(
    (visitor): Row => ({
      name: `rebalancing by itself is on, and a ${visitor.role} does so`,
      facts: factsOf({ keeper: keeperOf({ auto: AUTO }), replaced: [visitedBy(visitor)] }),
      state: 'healthy',
      kinds: [],
    }),
  ),
  {
    name: 'rebalancing by itself is on, and who does so may be connected to a node that is silent',
    facts: factsOf({ keeper: keeperOf({ auto: AUTO }), replaced: [clusterOf('k', silent('k_1'))] }),
    state: 'atRisk',
    kinds: ['nodeSilent'],
  },
];

for (const row of ROWS) {
  test(row.name, () => {
    const { state, words, findings } = judge(row.facts);
    assert.equal(
      [state, findings.map(({ kind }) => kind)],
      [row.state, row.kinds],
      JSON.stringify(findings, null, 1),
    );
    const [first] = findings as readonly [Finding, ...Finding[]];
    if (row.what !== undefined) assert.match(first.what, row.what);
    if (row.since !== undefined) assert.equal([first.since?.ageMs, first.since?.by], [...row.since]);
    if (row.todo !== undefined) assert.match(first.todo ?? '', row.todo);
    if (row.lastTodo !== undefined) assert.match(findings.at(-1)?.todo ?? '', row.lastTodo);
    if (row.command !== undefined) assert.is(first.command, row.command);
    const beginning = { healthy: 'healthy: ', atRisk: 'at risk: ', notServing: 'not serving: ' }[state];
    assert.ok(words.startsWith(beginning), words);
    if (row.words !== undefined) assert.is(words, row.words);
    if (state === 'healthy') return;
    assert.ok(words.includes(first.brief), words);
    // What is long and said below is not said here, too.
    assert.not.match(words, /connection refused|nobody answered|has said nothing/);
  });
}

test('each kind of finding has a row', () => {
  const met = new Set(ROWS.flatMap(({ facts }) => judge(facts).findings.map(({ kind }) => kind)));
  assert.equal(
    FINDING_KINDS.filter((kind) => !met.has(kind)),
    [],
  );
});

test('a map of ten thousand ranges is judged in a moment', () => {
  const key = (at: number): string => String(at).padStart(6, '0');
  const entries = Array.from({ length: 10_000 }, (_, at) =>
    entry({ lo: at === 0 ? '' : key(at), hi: at === 9999 ? null : key(at + 1), epoch: at + 1 }),
  );
  const owned = entries.map(({ lo, hi, epoch }) => ({ lo, hi, epoch, sealedBy: null }));
  const facts = factsOf({
    keeper: keeperOf({ entries }),
    replaced: [clusterOf('a', nodeOf('a', 'a_0', { role: 'master', owned }))],
  });
  const before = process.cpuUsage(); // not by the clock of the wall: the machine may be busy with something else
  assert.is(judge(facts).state, 'healthy');
  assert.ok(process.cpuUsage(before).user < 1_000_000, 'in µs');
});

test('a range of a founding that is not in force any more is served by nobody', () => {
  const known = [
    { cluster: 'ams', nodes: [], founding: 'a' },
    { cluster: 'old', nodes: [] },
  ];
  const of = (owner: string, founding?: string) =>
    isOver({ lo: '', hi: null, epoch: 1, owner, ...(founding === undefined ? {} : { founding }) }, known);
  assert.equal(
    [of('ams', 'a'), of('ams', 'b'), of('bru', 'b'), of('old'), of('old', 'o')],
    [...[false, true, true, false, false]],
  );
});

test.run();

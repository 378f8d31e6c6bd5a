/** From the facts of status to what a page is told: the same, and never more than a page can show. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
  documentOf,
  ENDED_MAX,
  joined,
  MOVES_MAX,
  RANGES_MAX,
} from '../../../../src/cli/dashboard/document.ts';
import type { ShownRange } from '../../../../src/dashboard/document.ts';
import type { ClusterSeen, Facts } from '../../../../src/health/facts.ts';
import { EMPTY_MAP, type MapEntry, RangeMap } from '../../../../src/keyspace/rangemap.ts';
import { type Migration, NO_PROGRESS } from '../../../../src/protocol/admin/migration.ts';
import { type Load, NO_LOAD, NOWHERE } from '../../../../src/protocol/admin/node-facts.ts';

const TELLER = {
  process: { kind: 'router', name: 'r', version: '1' },
  atMs: 5,
  tookMs: 1,
  failed: [],
} as const;

/** One cluster whose only node is its master, and owns what the map gives to it. */
function clusterOf(cluster: string, owned: readonly MapEntry[], sealedBy: number | null = null): ClusterSeen {
  const node = `${cluster}_0`;
  const status = {
    ...{ cluster, node, role: 'master', master: node, applied: 9, chosen: 9, founding: `f-${cluster}` },
    ...{
      waitsFor: null,
      label: 'rack 1',
      members: [{ node, seen: true, applied: 9 }],
      notes: [],
      backup: null,
    },
    owned: owned.map(({ lo, hi, epoch }) => ({ lo, hi, epoch, sealedBy })),
  };
  const counts = owned.map(({ lo, hi }) => ({ lo, hi, keys: 10, bytes: 100 }));
  const told = { conditions: [], visitors: [], places: NOWHERE, load: NO_LOAD };
  const facts = { version: '1', atMs: 0, ...told, counts, countedMs: 0, status };
  const nodes = [{ name: node, facts, why: '', turnedAway: null }];
  return { cluster, founding: `f-${cluster}`, nodes, isElsewhere: false } as unknown as ClusterSeen;
}

function entriesOf(count: number): MapEntry[] {
  const key = (at: number): string => String(at).padStart(6, '0');
  return Array.from({ length: count }, (_, at) => ({
    lo: at === 0 ? '' : key(at),
    hi: at === count - 1 ? null : key(at + 1),
    owner: at % 2 === 0 ? 'a' : 'b',
    epoch: at + 1,
  }));
}

function factsOf(entries: readonly MapEntry[], migrations: readonly Migration[] | null = []): Facts {
  const owned = (owner: string): MapEntry[] => entries.filter((entry) => entry.owner === owner);
  const known = { map: RangeMap.of(3, [...entries]), clusters: [] };
  return {
    file: 'r.ini',
    front: null,
    keeper: { cluster: 'k', known, migrations, orders: [], why: migrations === null ? 'silent' : null },
    clusters: [clusterOf('k', []), clusterOf('a', owned('a')), clusterOf('b', owned('b'), 7)],
    router: null,
  };
}

function moveOf(mid: number, phase: Migration['phase']): Migration {
  const common = {
    mid,
    source: 'a',
    target: 'b',
    lo: '\u0000',
    hi: null,
    token: 1,
    heartbeat: 1,
    wish: 'run',
    why: '',
  };
  return { ...common, phase, progress: NO_PROGRESS, receipt: null } as Migration;
}

test('each range has its owner, what is in it, and whether it is sealed; keys are in the one form of JSON', () => {
  const entries = [
    { lo: '', hi: '\u0000\u00ff', owner: 'a', epoch: 1 },
    { lo: '\u0000\u00ff', hi: null, owner: 'b', epoch: 2 },
  ];
  const { map, clusters, keeperSilent } = documentOf(factsOf(entries), TELLER);
  assert.equal([map.version, map.ranges, keeperSilent], [3, 2, null]);
  assert.equal(
    map.entries.map(({ lo, hi, owner, keys, bytes, sealedBy }) => [lo, hi, owner, keys, bytes, sealedBy]),
    [
      ['', '0x00ff', 'a', 10, 100, null],
      ['0x00ff', null, 'b', 10, 100, 7],
    ],
  );
  assert.equal(
    clusters.map(({ cluster, isKeeper }) => [cluster, isKeeper]),
    [
      ['k', true],
      ['a', false],
      ['b', false],
    ],
  );
  const [node] = clusters[1]?.nodes ?? [];
  assert.equal([node?.status?.isMaster, node?.status?.lag, node?.status?.label], [true, 0, 'rack 1']);
});

test('the load of a range is what all nodes of its owner have answered of it, and of no range of before', () => {
  const rates = (s10: number) => ({ s10, m1: 0, m10: 0 });
  const loadOf = (epoch: number, reads: number, writes: number): Load => {
    const range = { lo: '', hi: 'k', epoch, bytes: rates(0) };
    return { ranges: [{ ...range, reads: rates(reads), writes: rates(writes) }], hottest: [] };
  };
  const entries = entriesOf(2);
  const { clusters, ...facts } = factsOf(entries);
  const busy = ({ nodes, ...seen }: ClusterSeen, ...loads: Load[]): ClusterSeen => {
    const [first] = nodes as [ClusterSeen['nodes'][number]];
    return {
      ...seen,
      nodes: loads.map((load) => ({ ...first, facts: { ...first.facts, load } })),
    } as ClusterSeen;
  };
  const told = (seen: readonly ClusterSeen[]): (number | null)[] =>
    documentOf({ ...facts, clusters: seen }, TELLER).map.entries.map(({ perSecond }) => perSecond);
  const [k, a, b] = clusters as [ClusterSeen, ClusterSeen, ClusterSeen];
  assert.equal(told([k, busy(a, loadOf(1, 5, 2), loadOf(1, 10, 0)), b]), [17, 0]);
  assert.equal(told([k, busy(a, loadOf(9, 5, 2)), b]), [0, 0]);
  assert.equal(told([k, busy(a), b]), [null, 0], 'nobody says');
});

test('outside a nursery there is no map, and it is shown what the cluster owns', () => {
  const whole = [{ lo: '', hi: null, owner: 'a', epoch: 4 }];
  const facts: Facts = {
    file: 'a.ini',
    front: 'a',
    keeper: null,
    clusters: [clusterOf('a', whole)],
    router: null,
  };
  const { map, moves } = documentOf(facts, TELLER);
  assert.equal([map.version, map.entries[0]?.owner, map.entries[0]?.epoch, moves], [null, 'a', 4, null]);
});

test('without a word of the keeper it is shown what clusters say that they own', () => {
  const facts = factsOf(entriesOf(1), null);
  const silent = { ...facts, keeper: { ...facts.keeper, known: { map: EMPTY_MAP, clusters: [] } } } as Facts;
  const { map } = documentOf(silent, TELLER);
  assert.equal([map.version, map.ranges, map.entries[0]?.owner], [null, 1, 'a']);
});

test('a silent keeper says nothing of moves', () => {
  const { moves, keeperSilent } = documentOf(factsOf(entriesOf(2), null), TELLER);
  assert.equal([moves, keeperSilent], [null, 'silent']);
});

test('the newest moves are told, and how many more are under way', () => {
  const open = Array.from({ length: MOVES_MAX + 5 }, (_, at) => moveOf(at + 1, 'active'));
  const ended = Array.from({ length: ENDED_MAX + 5 }, (_, at) => moveOf(at + 1000, 'done'));
  const { moves } = documentOf(factsOf(entriesOf(1), [...open, ...ended]), TELLER);
  assert.equal([moves?.open.length, moves?.more, moves?.open[0]?.mid], [MOVES_MAX, 5, MOVES_MAX + 5]);
  assert.equal(
    [moves?.ended.length, moves?.ended[0]?.mid, moves?.ended[0]?.lo],
    [ENDED_MAX, 1000 + ENDED_MAX + 4, '0x00'],
  );
});

test('of ten thousand ranges a page is told no more than it can draw', () => {
  const document = documentOf(factsOf(entriesOf(10_000)), TELLER);
  const { map } = document;
  assert.is(map.ranges, 10_000);
  assert.ok(map.entries.length <= RANGES_MAX);
  const bytes = JSON.stringify(document).length;
  assert.ok(bytes < 1_000_000, `${bytes} bytes`);
});

test('ranges that are told together are in order, and nothing is lost of them', () => {
  const shown: ShownRange[] = entriesOf(10).map(({ lo, hi, owner, epoch }, at) => {
    const counted = { ranges: 1, keys: at === 9 ? null : 1, bytes: at === 9 ? null : 2 };
    const state = { perSecond: at, sealedBy: at === 4 ? 7 : null, isServedByNobody: false };
    return { lo, hi, owner, epoch, ...counted, ...state };
  });
  assert.equal(joined(shown, 10), shown);
  const four = joined(shown, 4);
  assert.equal(
    four.map(({ ranges, keys, perSecond, owner, sealedBy }) => [ranges, keys, perSecond, owner, sealedBy]),
    [
      [3, 3, 3, null, null],
      [3, 3, 12, null, 7],
      [3, 3, 21, null, null],
      [1, null, 9, 'b', null],
    ],
  );
  assert.equal([four[0]?.lo, four.at(-1)?.hi], ['', null]);
  for (const [at, each] of four.slice(1).entries()) assert.is(four[at]?.hi, each.lo);
});

test.run();

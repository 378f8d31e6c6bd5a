/** What is lost of a cluster: every dead founding that the map names, and the one in force where none of its nodes answers. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { NurseryError } from '../../../../src/base/errors.ts';
import type { NurseryConnections } from '../../../../src/cli/connections.ts';
import { type Survey, survey } from '../../../../src/cli/rescue/lost-survey.ts';
import { WHOLE } from '../../../../src/keyspace/range.ts';
import { RangeMap } from '../../../../src/keyspace/rangemap.ts';
import {
  type AdminQuery,
  encodeAnswer,
  type KeeperMap,
  type KnownCluster,
  type Migration,
  NO_PROGRESS,
  type Order,
} from '../../../../src/protocol/admin/admin.ts';
import type { Rescued } from '../../../../src/protocol/admin/migration.ts';
import { failure } from '../../../../src/protocol/arakoon/replies.ts';
import { FakeCluster } from '../../client/fake-cluster.ts';

const STATUS = {
  cluster: 'bru',
  node: 'n0',
  role: 'follower',
  master: null,
  applied: 1,
  chosen: 1,
  firstLogSlot: 1,
  waitsFor: null,
  members: [],
  owned: [],
  keys: 0,
  label: '',
  founding: 'g2',
  keeper: 'K',
  notes: [],
  backup: null,
  // Of later versions: what is not in the layout is not written.
  adopted: 0,
  keepers: [],
};
const GIVEN = { order: 1, ranges: [], floorMid: 9, spareMid: 8 };
const PROMOTED: Order = {
  order: 1,
  kind: 'promote',
  cluster: 'bru',
  was: 'g1',
  founding: 'g2',
  takenMs: 1,
  before: [],
  given: GIVEN,
};

type Case = {
  /** Founding in force, and whether its node answers. */
  readonly inForce: string | null;
  readonly isUp?: boolean;
  /** What the node says of itself, where it is not of the founding in force; null: it refuses. */
  readonly says?: { readonly cluster?: string; readonly founding: string; readonly role?: string } | null;
  readonly orders?: readonly Order[];
  readonly moves?: readonly Migration[];
  /** Owner's founding of [m..end); ams has the rest. */
  readonly named: string | null;
};

/** What is found, or why it is refused. */
async function found({
  inForce,
  isUp = false,
  says,
  orders = [],
  moves = [],
  named,
}: Case): Promise<Survey | string> {
  const bru = await new FakeCluster('bru').start(1);
  const status = says === undefined ? { founding: inForce ?? '' } : says;
  bru.interfere = (request) => {
    if (request.kind !== 'adminQuery') return undefined;
    if (status === null) return failure('GOING_DOWN', 'not now');
    return { bytes: encodeAnswer({ kind: 'nodeStatus', ...STATUS, ...status }), hint: null };
  };
  const config: KnownCluster[] = inForce === null ? [] : [{ ...bru.config, founding: inForce }];
  if (!isUp) await bru.stop();
  const upper = named === null ? { owner: 'ams', founding: 'a' } : { owner: 'bru', founding: named };
  const entries = [
    { lo: '', hi: 'm', owner: 'ams', epoch: 1, founding: 'a' },
    { lo: 'm', hi: null, epoch: 2, ...upper },
  ];
  const map: KeeperMap = { map: RangeMap.of(3, entries), clusters: config };
  const query = async ({ kind }: AdminQuery) =>
    kind === 'listOrders' ? { kind: 'orders', orders } : { kind: 'migrations', migrations: moves };
  try {
    return await survey({ keeper: { query } } as unknown as NurseryConnections, map, 'bru', WHOLE);
  } catch (error) {
    if (!(error instanceof NurseryError) || error.code !== 'REFUSED') throw error;
    return error.message;
  } finally {
    if (isUp) await bru.stop();
  }
}

/** Graves, `!` where the order is yet to be given; whether the founding in force goes on; nodes; ranges. */
async function graves(what: Case): Promise<string> {
  const said = await found(what);
  if (typeof said === 'string') return said;
  const named = said.graves.map(({ founding, order }) => `${founding}${order === null ? '!' : ''}`);
  return `${named.join(' ')}; ${said.goesOn ?? 'none'}; ${said.nodes.join()}; ${said.entries.length}`;
}

test('a founding in force is buried only while none of its nodes answers', async () => {
  assert.is(await graves({ inForce: 'g1', named: 'g1' }), 'g1!; none; n0; 1');
  assert.match(await graves({ inForce: 'g1', named: 'g1', isUp: true }), /n0 \(follower\) of bru answers/);
  assert.match(await graves({ inForce: null, named: null }), /knows no founding of cluster bru/);
});

test('a node of a founding that the keeper does not know answers, and one that refuses; not an empty home, nor another cluster', async () => {
  const at = (says: Case['says']) => graves({ inForce: 'g1', named: 'g1', isUp: true, says: says ?? null });
  assert.match(await at({ founding: 'gX' }), /n0 \(follower\) of bru answers/);
  assert.match(await at(null), /n0 \(it refuses\) of bru answers/);
  assert.is(await at({ founding: '' }), 'g1!; none; n0; 1');
  assert.is(await at({ cluster: 'cru', founding: 'c1' }), 'g1!; none; n0; 1');
});

test('what a promotion left under the founding before it is lost, and the one in force goes on', async () => {
  const orders = [PROMOTED];
  assert.is(await graves({ inForce: 'g2', named: 'g1', isUp: true, orders }), 'g1; g2; ; 1');
  assert.match(await graves({ inForce: 'g2', named: 'g2', isUp: true, orders }), /it is not gone/);
});

test('a founding that waits for its ranges is not robbed of them; dead it is buried with the one before', async () => {
  const orders = [{ ...PROMOTED, given: null }];
  const waits = await graves({ inForce: 'g2', named: 'g1', isUp: true, orders });
  assert.match(waits, /founding g2 of bru took the place of g1 by order 1, and waits for its ranges/);
  assert.is(await graves({ inForce: 'g2', named: 'g1', orders }), 'g1 g2!; none; n0; 1');
  const lost: Order = { ...PROMOTED, order: 2, kind: 'lost', was: 'g2', founding: '', given: null };
  assert.is(await graves({ inForce: null, named: 'g1', orders: [...orders, lost] }), 'g1 g2; none; ; 1');
});

const COPIED: Migration = {
  ...{ mid: 9, source: 'bru', target: 'ams', lo: 'm', hi: null, phase: 'done', token: 1, heartbeat: 0 },
  ...{ wish: 'run', why: '', progress: NO_PROGRESS, receipt: null },
  foundings: { keeper: 'K', source: 'g1', target: 'a' },
  rescue: { order: 1, dead: 'source', epoch: 0, isThere: false, isCopy: true },
};

test('typed again once all that was left behind is brought, it is done while the new founding serves', async () => {
  const done = { inForce: 'g2', named: null, isUp: true, orders: [PROMOTED] };
  const says = { founding: 'g2', role: 'master' };
  assert.is(await graves({ ...done, says, moves: [COPIED] }), 'g1; g2; ; 0');
  const refused =
    /^n0 \(follower\) of bru answers: it is not gone; of founding g1 before it, dead by order 1, nothing is left to bring\./;
  assert.match(await graves({ ...done, moves: [COPIED] }), refused, 'no master: it may be half gone');
  const old = await graves({ ...done, says: { founding: 'gX', role: 'master' }, moves: [COPIED] });
  assert.match(old, /it is not gone/, 'another founding');
  assert.match(await graves({ ...done, says }), /it is not gone/, 'nothing was brought');
  const aborted = { ...COPIED, phase: 'aborted' } as const;
  assert.match(await graves({ ...done, says, moves: [aborted] }), /it is not gone/);
  const others = { ...COPIED, rescue: { ...(COPIED.rescue as Rescued), order: 2 } };
  assert.match(await graves({ ...done, says, moves: [others] }), /it is not gone/, 'by another order');
});

test('a new cluster of that name is none of the dead ones', async () => {
  const lost: Order = { ...PROMOTED, kind: 'lost', founding: '', given: null };
  assert.is(await graves({ inForce: 'g3', named: 'g1', isUp: true, orders: [lost] }), 'g1; g3; ; 1');
  assert.match(await graves({ inForce: 'g3', named: 'g3', isUp: true, orders: [lost] }), /it is not gone/);
});

test.run();

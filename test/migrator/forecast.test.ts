/** What is said of a move before it is begun, and what is refused for want of room. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { planFor } from '../../migrator/balance.ts';
import { amountIn, paceOf, roomWhy } from '../../migrator/forecast.ts';
import { Operations } from '../../migrator/operations.ts';
import { expectRoom } from '../../src/client/moves.ts';
import { type Migration, NO_PROGRESS } from '../../src/protocol/admin/admin.ts';
import { UNSAID } from '../../src/protocol/admin/migration.ts';
import { RESERVE } from '../../src/protocol/admin/moves.ts';
import { bytesOf, counts, rowsOf } from './counting.ts';
import { LocalNursery } from './local-nursery.ts';

const FAST = { heartbeatMs: 5, claimAfterMs: 40, pollMs: 2, retryMinMs: 1, retryMaxMs: 5 };
const KEYS = 100;
const HALF = { lo: 'k050', hi: null };
const toB = { kind: 'range', range: HALF, target: 'b' } as const;

/** All keys are at a; b has two nodes, whose disks have so much free. */
function filled(b0: number, b1: number): LocalNursery {
  const nursery = new LocalNursery();
  for (let key = 0; key < KEYS; key += 1) nursery.a.set(`k${String(key).padStart(3, '0')}`);
  const nodes = ['b_0', 'b_1'].map((name) => ({ name, ips: ['127.0.0.1'], port: 1 }));
  nursery.keeper.sim.command({ kind: 'setClusterConfig', cluster: 'b', nodes });
  counts(nursery.a);
  counts(nursery.b, { freeBytes: { b_0: b0, b_1: b1 } });
  counts(nursery.c);
  return nursery;
}

const bytesOfHalf = (nursery: LocalNursery): number => bytesOf(rowsOf(nursery.a, HALF));

test('keys and bytes are what the source counts, and the fullest disk of the target says what room there is', async () => {
  const nursery = filled(5000, 4000);
  const [move] = await new Operations(nursery, FAST).dryRun(toB, 100);
  const bytes = bytesOfHalf(nursery);
  assert.is(move?.sourceKeys, KEYS);
  assert.is(move?.targetKeys, 0);
  assert.ok(Math.abs((move?.keys ?? 0) - KEYS / 2) <= 2, 'to a bucket that the border cuts');
  assert.ok(Math.abs((move?.bytes ?? 0) - bytes) <= 16, `${move?.bytes} of ${bytes}`);
  assert.is(move?.seconds, (move?.bytes ?? 0) / 100);
  assert.is(move?.basis, 'rate');
  assert.is(move?.freeBytes, 4000);
  assert.is(move?.neededBytes, Math.ceil((move?.bytes ?? 0) * RESERVE));
});

test('without a rate the last moves say how long, and nothing does before the first', async () => {
  const nursery = filled(1e9, 1e9);
  const operations = new Operations(nursery, FAST);
  const [first] = await operations.dryRun(toB);
  assert.equal([first?.seconds, first?.basis, first?.pauseMs], [null, null, null]);
  await operations.migrate(toB);
  const [second] = await operations.dryRun({ kind: 'range', range: { lo: '', hi: 'k050' }, target: 'b' });
  assert.is(second?.basis, 'moves');
  assert.ok((second?.seconds ?? 0) > 0 && second?.pauseMs !== null);
});

test('a rate of 0 has no end, and a target whose master is silent is told of', async () => {
  const nursery = filled(1e9, 1e9);
  const operations = new Operations(nursery, FAST);
  await operations.migrate({ kind: 'range', range: { lo: '', hi: 'k010' }, target: 'c' });
  const [still] = await operations.dryRun(toB, 0);
  assert.equal([still?.seconds, still?.bytesPerSecond, still?.basis], [null, 0, 'rate']);
  assert.is(still?.targetAnswers, true);
  nursery.b.isDown = true;
  const [silent] = await operations.dryRun(toB);
  assert.is(silent?.targetAnswers, false);
});

test('what does not fit is refused before anything is planned, with what open moves bring', async () => {
  const bytes = bytesOfHalf(filled(0, 0));
  const full = filled(1e9, bytes);
  const refused = await new Operations(full, FAST).migrate(toB).catch((error: Error) => error);
  assert.match(`${refused}`, /b has no room for \[k050\.\.end\) of a: \d+ bytes of rows may take \d+/);
  assert.is(full.keeper.sim.state.migrations.size, 0);

  const busy = filled(1e9, bytes * RESERVE * 1.5);
  const operations = new Operations(busy, FAST);
  expectRoom(await operations.dryRun(toB));
  busy.keeper.sim.command({ kind: 'plan', source: 'a', target: 'b', ...HALF });
  const other = { kind: 'range', range: { lo: 'k010', hi: 'k050' }, target: 'b' } as const;
  const moves = await operations.dryRun(other);
  assert.throws(() => expectRoom(moves), /left beside what other open moves bring/);
  const plan = await planFor(busy);
  assert.ok(
    plan.plan.moves.every(({ target }) => target !== 'b'),
    'a plan leaves who has a move under way alone, and moves nothing where there is no room',
  );
});

/** A move of the upper half is recorded, and its target's disks have so much free by the time that it begins. */
async function begunWith(freeBytes: number, prepare: (nursery: LocalNursery) => void = () => {}) {
  const nursery = filled(freeBytes, 1e9);
  prepare(nursery);
  const mid = nursery.plan('a', 'b', HALF.lo, HALF.hi);
  const result = await new Operations(nursery, FAST).seeThrough(mid);
  return { nursery, result };
}

test('what does not fit any more when its import is to begin is given up, and nothing was copied', async () => {
  const needed = bytesOfHalf(filled(0, 0)) * RESERVE;
  const { nursery, result } = await begunWith(needed / 2);
  assert.is(result.outcome, 'aborted');
  assert.match(result.why, /^b has no room for \[k050\.\.end\) of a: .* Make room there/);
  const { b, keeper } = nursery;
  assert.equal([rowsOf(b, HALF), b.sim.state.imports.size], [[], 0]);
  assert.match(keeper.sim.state.migrations.get(result.mid)?.why ?? '', /no room/);
  assert.is((await begunWith(needed * 1.2)).result.outcome, 'done');
});

test('of other moves to that target those count that come before it, or copy already', async () => {
  const needed = bytesOfHalf(filled(0, 0)) * RESERVE;
  const other = (nursery: LocalNursery): number => nursery.plan('a', 'b', '', 'k050');
  assert.match((await begunWith(needed * 1.2, other)).result.why, /what other open moves bring/);

  const later = filled(needed * 1.2, 1e9);
  const mid = later.plan('a', 'b', HALF.lo, HALF.hi);
  const after = other(later);
  const record = later.keeper.sim.state.migrations.get(mid) as Migration;
  assert.is(await roomWhy(later, record), null);
  const { keeper } = later;
  keeper.sim.command({ kind: 'claim', mid: after, tokenSeen: 0 });
  const progress = { ...NO_PROGRESS, bytesCopied: 1 };
  keeper.sim.command({ kind: 'note', mid: after, token: 1, progress });
  assert.match((await roomWhy(later, record)) ?? '', /what other open moves bring/);
});

test('nothing is given up for what nobody knows', async () => {
  const nursery = filled(0, 0);
  const mid = nursery.plan('a', 'b', HALF.lo, HALF.hi);
  const record = nursery.keeper.sim.state.migrations.get(mid) as Migration;
  assert.match((await roomWhy(nursery, record)) ?? '', /no room/);
  for (const silent of [nursery.a, nursery.b, nursery.keeper]) {
    silent.isDown = true;
    assert.is(await roomWhy(nursery, record), null);
    silent.isDown = false;
  }
});

test('two moves of one request share the room', async () => {
  const nursery = filled(1e9, 1e9);
  await new Operations(nursery, FAST).migrate({
    kind: 'range',
    range: { lo: 'k090', hi: null },
    target: 'c',
  });
  const request = { kind: 'range', range: { lo: 'k080', hi: null }, target: 'b' } as const;
  const moves = await new Operations(nursery, FAST).dryRun(request);
  assert.is(moves.length, 2);
  assert.is(moves[1]?.freeBytes, 1e9 - (moves[0]?.neededBytes ?? 0));
});

test('of a bucket that a border cuts, half; nothing where nobody has counted', () => {
  const buckets = ['a', 'f', 'k'].map((lo) => ({ lo, keys: 10, bytes: 100 }));
  assert.equal(amountIn(buckets, { lo: 'f', hi: 'k' }), { keys: 10, bytes: 100 });
  assert.equal(amountIn(buckets, { lo: 'g', hi: null }), { keys: 15, bytes: 150 });
  assert.equal(amountIn(buckets, { lo: 'a', hi: 'b' }), { keys: 5, bytes: 50 });
  assert.is(amountIn(null, { lo: '', hi: null }), null);
});

test('how fast moves are is said by the last ones for which nobody asked a rate, and no merge', () => {
  const done = (mid: number, bytes: number, more: Partial<Migration> = {}): Migration => ({
    ...{ mid, source: 'a', target: 'b', lo: '', hi: null, phase: 'done', token: 1, heartbeat: 1 },
    ...{ wish: 'run', why: '', progress: NO_PROGRESS },
    receipt: {
      ...{ sealSlot: 1, digest: { sum: 0n, count: 1, bytes }, pauseAtLeast: false },
      ...{ pauseMs: 7, tookMs: 1000 },
    },
    ...more,
  });
  const slow = { asked: { ...UNSAID, rate: 10 } };
  const all = [done(1, 500), done(2, 700, { asked: UNSAID }), done(3, 10, slow), done(4, 0, { merges: [] })];
  assert.equal(paceOf(all, null), { bytesPerSecond: 600, basis: 'moves', pauseMs: 7 });
  const many = Array.from({ length: 12 }, (_, at) => done(10 + at, 10, slow));
  assert.is(paceOf([...all, ...many], null).bytesPerSecond, 600);
  assert.equal(paceOf(many, null), { bytesPerSecond: null, basis: null, pauseMs: 7 });
});

test.run();

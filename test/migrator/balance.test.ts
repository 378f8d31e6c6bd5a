/** Plans of a nursery that is asked what it has, and what comes of them where others change the map meanwhile. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { carryOut, planFor } from '../../migrator/balance.ts';
import { BOUNDS } from '../../migrator/core/rebalance.ts';
import { boundsOf } from '../../migrator/core/weigh.ts';
import { Operations } from '../../migrator/operations.ts';
import type { NurseryError } from '../../src/base/errors.ts';
import { type Range, WHOLE } from '../../src/keyspace/range.ts';
import { UNSAID } from '../../src/protocol/admin/migration.ts';
import type { NurseryPlan } from '../../src/protocol/admin/moves.ts';
import { BUCKET, counts, rowsOf, type Said } from './counting.ts';
import { LocalNursery } from './local-nursery.ts';

const EVENED = { by: 'size', threshold: 0.1 } as const;
const FAST = { heartbeatMs: 5, claimAfterMs: 40, pollMs: 2, retryMinMs: 1, retryMaxMs: 5 };

const keyOf = (n: number, table = 'k'): string => `${table}${String(n).padStart(3, '0')}`;

/** A nursery whose first cluster holds so many keys; all three count. */
function filled(keys: number, said: Said = {}): LocalNursery {
  const nursery = new LocalNursery();
  for (let key = 0; key < keys; key += 1) nursery.a.set(keyOf(key));
  for (const cluster of [nursery.a, nursery.b, nursery.c]) counts(cluster, said);
  return nursery;
}

const keysAt = (nursery: LocalNursery): number[] =>
  [nursery.a, nursery.b, nursery.c].map((cluster) => rowsOf(cluster, WHOLE).length);

test('a nursery with all keys at one cluster is even afterwards, and stays as it is then', async () => {
  const nursery = filled(300);
  const operations = new Operations(nursery, FAST);
  const plans: NurseryPlan[] = [];
  const planned: number[] = [];
  const asked = { ...UNSAID, who: 'somebody@somewhere' };
  const results = await operations.rebalance(EVENED, {
    asked,
    onPlan: (plan) => plans.push(plan),
    onPlanned: (mid) => planned.push(mid),
  });
  assert.ok(results.every(({ outcome }) => outcome === 'done'));
  assert.equal(
    planned,
    results.map(({ mid }) => mid),
  );
  for (const { mid, asked: noted } of await operations.list())
    if (planned.includes(mid)) assert.equal(noted, { ...asked, reason: 'plan' });
  for (const keys of keysAt(nursery)) assert.ok(keys <= 110 + BUCKET, `${keysAt(nursery)}`);
  assert.is(
    keysAt(nursery).reduce((sum, keys) => sum + keys, 0),
    300,
  );
  assert.is(plans.length, 1);
  assert.is(plans[0]?.before.fullest, 'a');
  assert.ok((plans[0]?.after.most ?? 9) <= 1.1 + 1e-9);
  const again = await operations.planRebalance(EVENED);
  assert.equal([again.moves, again.stuck], [[], []]);
  assert.equal(await operations.rebalance(EVENED), []);
});

test('who does not answer neither gives nor takes, and who has a move under way is left alone', async () => {
  const nursery = filled(100);
  nursery.c.isDown = true;
  const { plan } = await planFor(nursery);
  assert.equal(plan.unknown, ['c']);
  assert.equal([...new Set(plan.moves.map(({ target }) => target))], ['b']);
  nursery.c.isDown = false;
  nursery.plan('a', 'b', 'k010', 'k020');
  const beside = await planFor(nursery);
  assert.equal([beside.plan.busy, beside.plan.moves, beside.plan.stuck], [['a', 'b'], [], ['a']]);
});

test('a plan leaves each range in its pool', async () => {
  const { plan } = await planFor(filled(100, { pools: { b: 'archive' } }));
  assert.equal([...new Set(plan.moves.map(({ target }) => target))], ['c']);
  assert.is(plan.before.most, 2);
});

/** Moves at once, by hand. */
function ran(
  nursery: LocalNursery,
  { source, target, lo, hi }: Range & { readonly source: string; readonly target: string },
) {
  return new Operations(nursery, FAST)
    .migrate({ kind: 'range', range: { lo, hi }, target })
    .then(([result]) => {
      if (result === undefined) throw new Error(`nothing moved from ${source}`);
      return result;
    });
}

/** Its map is told once what others do has ended; the nursery as those others see it. */
function mapAwaits(nursery: LocalNursery, others: () => Promise<unknown>): LocalNursery {
  const map = nursery.map.bind(nursery);
  nursery.map = async () => {
    await others();
    return await map();
  };
  return Object.assign(Object.create(nursery), { map });
}

test('a plan of a map that others have changed is not carried out: another one is made', async () => {
  const nursery = filled(100);
  const plans: NurseryPlan[] = [];
  const stale: number[] = [];
  let others: Promise<unknown> = Promise.resolve();
  const direct = mapAwaits(nursery, () => others);
  const results = await carryOut(nursery, BOUNDS, {
    planned: (plan) => {
      plans.push(plan);
      if (plans.length === 1) others = ran(direct, { source: 'a', target: 'c', lo: 'k000', hi: 'k040' });
    },
    run: async (move) => {
      if (plans.length === 1) stale.push(move.wave);
      return await ran(direct, move);
    },
  });
  assert.equal(stale, [], 'nothing of the first plan was begun');
  assert.is(plans.length, 2);
  assert.ok((plans[1]?.mapVersion ?? 0) > (plans[0]?.mapVersion ?? 0));
  assert.ok(results.every(({ outcome }) => outcome === 'done'));
});

test('where others never come to rest it is given up', async () => {
  const nursery = filled(100);
  let at = 0;
  let others: Promise<unknown> = Promise.resolve();
  const direct = mapAwaits(nursery, () => others);
  let error: unknown = null;
  try {
    await carryOut(nursery, BOUNDS, {
      planned: () => {
        at += 1;
        const range = { lo: `k00${at}`, hi: `k00${at}z` };
        others = ran(direct, { source: 'a', target: 'c', ...range });
      },
      run: () => Promise.reject(new Error('nothing is to be moved')),
    });
  } catch (caught) {
    error = caught;
  }
  assert.is((error as NurseryError).code, 'REFUSED');
  assert.match((error as NurseryError).message, /again and again/);
});

const BY_LOAD = boundsOf({ by: 'load', threshold: 0.1 });
const MINUTE_MS = 60_000;

test('by load the requests are evened out, and not the rows; and nothing is moved for a minute after a move', async () => {
  const said: Said = { perKey: { k: 1 } };
  const nursery = filled(300, said);
  for (let n = 0; n < 900; n += 1) nursery.a.set(keyOf(n, 'b')); // asked for by nobody
  // Since then what is asked for has a range of its own.
  const range = { lo: 'k', hi: null };
  await ran(nursery, { source: 'a', target: 'b', ...range });
  await ran(nursery, { source: 'b', target: 'a', ...range });
  const fresh = await planFor(nursery, BY_LOAD);
  assert.equal([fresh.plan.moves, fresh.plan.busy], [[], ['a', 'b']]);
  assert.equal((await planFor(nursery)).plan.busy, [], 'rows are counted at once');

  said.aheadMs = MINUTE_MS;
  const { plan } = await planFor(nursery, BY_LOAD);
  assert.equal([plan.busy, plan.stuck], [[], []]);
  for (const move of plan.moves) await ran(nursery, move);
  const asked = [nursery.a, nursery.b, nursery.c].map((cluster) => rowsOf(cluster, range).length);
  for (const keys of asked) assert.ok(keys <= 110 + BUCKET, `${asked}`);
  assert.is(rowsOf(nursery.a, { lo: 'b', hi: 'c' }).length, 900, 'what nobody asks for stays');
  const again = await planFor(nursery, BY_LOAD);
  assert.equal([again.plan.moves, again.plan.stuck], [[], []]);
});

test('a range that is asked for one key stays, and is named; a few requests are no reason for anything', async () => {
  const hottest = [{ key: keyOf(7), perSecond: 160 }];
  const hot = await planFor(filled(300, { perKey: { k: 1 }, hottest }), BY_LOAD);
  assert.equal(hot.plan.moves, []);
  assert.equal(hot.plan.hot, [{ lo: '', hi: null, owner: 'a', load: 300, key: keyOf(7), share: 160 / 300 }]);
  assert.equal(hot.plan.stuck, ['a']);
  const quiet = await planFor(filled(300, { perKey: { k: 0.05 } }), BY_LOAD);
  assert.equal([quiet.plan.moves, quiet.plan.stuck, Math.round(quiet.plan.before.mean)], [[], [], 5]);
  const bySize = await planFor(filled(300, { perKey: { k: 1 }, hottest }));
  assert.equal([bySize.plan.hot, bySize.plan.moves.length > 0], [[], true]);
});

test.run();

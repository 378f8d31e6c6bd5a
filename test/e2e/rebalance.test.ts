/** A nursery with all keys, or all requests, at one cluster is evened out while clients work. */
import * as assert from 'uvu/assert';
import { EXIT_CODES } from '../../src/base/errors.ts';
import type { NurseryPlan } from '../../src/protocol/admin/moves.ts';
import { Load } from '../support/load.ts';
import { TestNursery } from '../support/nurseries.ts';
import { labSuite } from '../support/processes.ts';
import { pause, until } from '../support/wait.ts';

const KEYS = 2000;
/** So few that each is asked for again and again. */
const FEW_KEYS = 200;
const CLIENTS = 4;
/** Some hundred times a second, where `status` speaks of a key from a hundred on, and leaves time for the rest. */
const ASK_EVERY_MS = 2;
/** What the load counts on from: updates leave a row as large as it was, so that they do not unbalance what was evened out. */
const VALUE = '1000000000';
type Rates = { readonly s10: number };
type Top = { readonly clusters: readonly { readonly reads: Rates; readonly writes: Rates }[] };
const tests = labSuite('rebalancing');

const keyOf = (n: number): string => `r/${String(n).padStart(5, '0')}`;

tests.test(
  'rebalance --plan moves nothing; --apply evens sizes out under load, and then there is nothing to do',
  async (lab) => {
    const nursery = await TestNursery.start(lab, { prefix: 'rb', keeperSize: 1, size: 1 });
    const [ams, bru] = nursery.clusters;
    const keys = Array.from({ length: KEYS }, (_, n) => keyOf(n));
    const initial = await nursery.fill(keys, VALUE);
    const planned = async (): Promise<NurseryPlan> =>
      JSON.parse((await nursery.succeed(['rebalance', '--plan', '--json'])).stdout) as NurseryPlan;
    const plan = await until('a plan with moves', async () => {
      const made = await planned();
      return made.moves.length > 0 ? made : null;
    });
    assert.is(plan.before.fullest, ams.id);
    assert.equal([...new Set(plan.moves.map(({ target }) => target))], [bru.id]);
    assert.ok(plan.after.most <= 1.11, `${plan.after.most}`);
    assert.is((await nursery.owners()).size, 1, 'a plan moves nothing');
    assert.is((await nursery.run(['rebalance'])).code, EXIT_CODES.USAGE);

    const callers = await nursery.callers(CLIENTS);
    let next = 0;
    const keysOfClient = (client: number): string[] => keys.filter((_, n) => n % CLIENTS === client);
    const load = Load.start({ clients: CLIENTS, keysOf: keysOfClient, maybeAllowed: false, initial }, () => {
      next += 1;
      return callers[(next - 1) % callers.length] as (typeof callers)[number];
    });
    const seen = await load.during(nursery.persistentCaller(), async () => {
      const applied = await nursery.succeed(['rebalance', '--apply']);
      assert.match(applied.stdout, /plan by size, for version \d+ of the map/);
      assert.match(applied.stdout, /: done/);
    });
    console.log(`${seen.acknowledged} updates meanwhile, longest ${Math.round(seen.longestCallMs)} ms`);
    assert.ok([...(await nursery.owners()).values()].includes(bru.id));
    await until('nothing to be left to do', async () => (await planned()).moves.length === 0);
  },
);

tests.test(
  '--by load spreads requests while clients work, and names the key that has most of a range',
  async (lab) => {
    const nursery = await TestNursery.start(lab, { prefix: 'rl', keeperSize: 1, size: 1 });
    const [ams, bru] = nursery.clusters;
    // What is asked for, and more of what is not.
    const keys = Array.from({ length: FEW_KEYS }, (_, n) => keyOf(n));
    const initial = await nursery.fill(keys, VALUE);
    await nursery.fill(
      Array.from({ length: KEYS }, (_, n) => `a${keyOf(n)}`),
      VALUE,
    );
    await nursery.succeed(['migrate', '--range', `${keyOf(0)}..`, '--to', bru.id]);
    const planned = async (): Promise<NurseryPlan> =>
      JSON.parse(
        (await nursery.succeed(['rebalance', '--plan', '--by', 'load', '--json'])).stdout,
      ) as NurseryPlan;
    const fresh = await planned();
    assert.equal([fresh.moves, fresh.busy], [[], [ams.id, bru.id]], 'nobody knows yet what it is asked for');

    const callers = await nursery.callers(CLIENTS);
    const keysOfClient = (client: number): string[] => keys.filter((_, n) => n % CLIENTS === client);
    let next = 0;
    const load = Load.start({ clients: CLIENTS, keysOf: keysOfClient, maybeAllowed: false, initial }, () => {
      next += 1;
      return callers[(next - 1) % callers.length] as (typeof callers)[number];
    });
    await load.during(nursery.persistentCaller(), async () => {
      await until('a minute to be over', async () => (await planned()).busy.length === 0, {
        withinMs: 90_000,
      });
      const applied = await nursery.succeed(['rebalance', '--apply', '--by', 'load']);
      assert.match(applied.stdout, /plan by load, for version \d+ of the map/);
      assert.match(applied.stdout, /requests a second/);
      await until(
        'the last ten seconds to be even',
        async () => {
          const { clusters } = JSON.parse((await nursery.succeed(['top', '--once', '--json'])).stdout) as Top;
          const rates = clusters
            .map(({ reads, writes }) => reads.s10 + writes.s10)
            .filter((rate) => rate > 0);
          const mean = rates.reduce((sum, rate) => sum + rate, 0) / nursery.clusters.length;
          return Math.max(...rates) <= 1.3 * mean;
        },
        { withinMs: 60_000 },
      );
    });
    const hot = await nursery.connect();
    const named = new RegExp(`one key has \\d+ % of the \\d+ requests a second .*: ${keys[3]}`);
    // Both tell of the last ten seconds: asked for until both have named it.
    let isNamed = false;
    const asking = (async () => {
      for (; !isNamed; await pause(ASK_EVERY_MS)) await hot.get(keys[3] as string);
    })();
    const hammered = await until(
      'the key to be named by the plan and by status',
      async () => {
        const { stdout } = await nursery.succeed(['status']);
        const { hot: found } = await planned();
        return named.test(stdout) && found.length > 0 ? found : null;
      },
      { withinMs: 90_000 },
    ).finally(() => {
      isNamed = true;
    });
    await asking;
    assert.equal(
      hammered.map(({ key, owner }) => [key, owner]),
      [[keys[3], [...(await nursery.owners())].findLast(([lo]) => lo <= (keys[3] as string))?.[1]]],
    );
  },
);

tests.run();

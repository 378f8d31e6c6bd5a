/** A nursery of three clusters, one of which has all keys, becomes even without anybody typing, and stays as it is once told. */
import * as assert from 'uvu/assert';
import { EXIT_CODES } from '../../src/base/errors.ts';
import { TestCluster } from '../support/clusters.ts';
import { Load } from '../support/load.ts';
import { TestNursery } from '../support/nurseries.ts';
import { labSuite } from '../support/processes.ts';
import { until } from '../support/wait.ts';

const KEYS = 3000;
const CLIENTS = 2;
const VALUE = '1000000000';
/** Three looks before the first move and before the second one, ten seconds apart, on a machine that does other things, too (ms). */
const WITHIN_MS = 180_000;

type Shown = {
  readonly wish: {
    readonly isOn: boolean;
    readonly who: string;
    readonly movesMax: number;
    readonly quiet: unknown;
  };
  readonly now: { readonly kind: string; readonly why: string; readonly moves: readonly unknown[] };
  readonly isAttended: boolean | null;
};
type Status = {
  readonly auto: { readonly isOn: boolean };
  readonly open: number;
  readonly migrations: readonly { readonly phase: string; readonly asked?: { readonly reason: string } }[];
};
const tests = labSuite('rebalancing by itself');
const keyOf = (n: number): string => `r/${String(n).padStart(5, '0')}`;

tests.test(
  'two migrators even three clusters out under load, by themselves, and no more once it is off',
  async (lab) => {
    const nursery = await TestNursery.start(lab, { prefix: 'au', keeperSize: 1, size: 1 });
    const [ams, bru] = nursery.clusters;
    const third = await TestCluster.create(lab, {
      clusterId: 'au-cph',
      size: 1,
      keeper: nursery.keeper.config,
    });
    third.startAll();
    const keys = Array.from({ length: KEYS }, (_, n) => keyOf(n));
    const initial = await nursery.fill(keys, VALUE);
    const auto = async (...words: string[]): Promise<Shown> =>
      JSON.parse((await nursery.succeed(['rebalance', '--auto', ...words, '--json'])).stdout) as Shown;
    const status = async (): Promise<Status> =>
      JSON.parse((await nursery.run(['status', '--json'])).stdout) as Status;
    for (const name of ['one', 'two'])
      await lab
        .start(`migrator ${name}`, ['migrator', '--config', nursery.file])
        .output('it to watch', (text) => text.includes('watching keeper'));

    const before = await auto('show');
    assert.equal([before.wish.isOn, before.now.kind], [false, 'off']);
    assert.is((await nursery.run(['rebalance', '--auto', 'show', '--begin', '40'])).code, EXIT_CODES.USAGE);
    assert.is((await nursery.run(['rebalance', '--begin', '40', '--plan'])).code, EXIT_CODES.USAGE);
    assert.is((await nursery.run(['rebalance', '--auto', 'on', '--begin', '5'])).code, EXIT_CODES.REFUSED);
    await until('all three to be known, and counted', async () => {
      const { stdout } = await nursery.succeed(['rebalance', '--plan', '--json']);
      return (
        new Set((JSON.parse(stdout) as { moves: { target: string }[] }).moves.map(({ target }) => target))
          .size === 2
      );
    });

    const callers = await nursery.callers(CLIENTS);
    let next = 0;
    const keysOfClient = (client: number): string[] => keys.filter((_, n) => n % CLIENTS === client);
    const load = Load.start({ clients: CLIENTS, keysOf: keysOfClient, maybeAllowed: false, initial }, () => {
      next += 1;
      return callers[(next - 1) % callers.length] as (typeof callers)[number];
    });
    await load.during(nursery.persistentCaller(), async () => {
      const on = await auto('on', '--at-once', '1');
      assert.equal([on.wish.isOn, on.wish.movesMax, on.now.kind], [true, 1, 'moves'], on.now.why);
      assert.match(on.wish.who, /@/);
      assert.is(on.isAttended, true);
      await until(
        'it to be even',
        async () => {
          const { migrations, open } = await status();
          assert.ok(open <= 1, `${open} moves at once`);
          const owners = new Set((await nursery.owners()).values());
          return (
            open === 0 && migrations.length > 0 && [ams.id, bru.id, third.id].every((id) => owners.has(id))
          );
        },
        { withinMs: WITHIN_MS },
      );
    });
    const after = await status();
    assert.ok(after.auto.isOn);
    assert.ok(after.migrations.every(({ phase, asked }) => phase === 'done' && asked?.reason === 'auto'));
    const text = (await nursery.succeed(['rebalance', '--auto', 'show'])).stdout;
    assert.match(text, /is on, by size, as .*@.* has wished/);
    // Whether it is over is for the planners to say.
    assert.match(text, /now: .*( times the mean|is open)/);
    assert.not.match(text, /no router and no migrator/);

    const off = await auto('off');
    assert.equal([off.wish.isOn, off.wish.movesMax, off.now.kind], [false, 1, 'off'], 'what was set stays');
    assert.is((await status()).auto.isOn, false);
  },
);

tests.run();

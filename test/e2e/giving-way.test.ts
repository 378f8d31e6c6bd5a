/** A copy gives way to the clients of its target where nobody has asked a rate, says so, and comes to its end. */
import * as assert from 'uvu/assert';
import { SETTINGS } from '../../migrator/core/settings.ts';
import { type Caller, Load } from '../support/load.ts';
import { eventsOf, type MigrateEvent, TestNursery } from '../support/nurseries.ts';
import { labSuite } from '../support/processes.ts';
import { until } from '../support/wait.ts';

const tests = labSuite('giving way');

const CLIENTS = 4;
/** Of the target, under load. */
const KEYS = Array.from({ length: 100 }, (_, n) => `m/${String(n).padStart(3, '0')}`);
/** What moves: a few seconds of a copy that begins slowly. */
const MOVING = Array.from({ length: 150 }, (_, n) => `z/${String(n).padStart(3, '0')}`);
const VALUE = 'v'.repeat(30_000);

tests.test('beside clients of its target a copy gives way; alone, or at a rate, it does not', async (lab) => {
  const nursery = await TestNursery.start(lab, { prefix: 'gw', keeperSize: 1, size: 1 });
  const [ams, bru] = nursery.clusters;
  const initial = await nursery.fill(KEYS, '1');
  for (let at = 0; at < MOVING.length; at += 25) await nursery.fill(MOVING.slice(at, at + 25), VALUE);
  await nursery.succeed(['migrate', '--range', 'm/..n', '--to', bru.id]);
  const move = async (to: string, ...more: string[]): Promise<MigrateEvent[]> => {
    const { stdout } = await nursery.succeed(['migrate', '--range', 'z/..', '--to', to, '--json', ...more]);
    return eventsOf(stdout);
  };
  const ways = (events: readonly MigrateEvent[]) => events.flatMap(({ givesWay }) => givesWay ?? []);

  const callers = await nursery.callers(CLIENTS);
  const keysOf = (client: number): string[] => KEYS.filter((_, n) => n % CLIENTS === client);
  let next = 0;
  const load = Load.start({ clients: CLIENTS, keysOf, maybeAllowed: false, initial }, () => {
    next += 1;
    return callers[(next - 1) % CLIENTS] as Caller;
  });
  const seen = await load.during(nursery.persistentCaller(), async () => {
    const moving = nursery.start(['migrate', '--range', 'z/..', '--to', bru.id, '--json']);
    await until('status to say to whom it gives way', async () => {
      const { stdout } = await nursery.run(['status']);
      return /copying, .*, at most \d\S* .iB\/s: it gave way to requests, which waited \d+ ms at gw-/.test(
        stdout,
      );
    });
    const { code, stderr, stdout } = await moving.finished();
    assert.is(code, 0, stderr);
    const events = eventsOf(stdout);
    assert.is(events.at(-1)?.outcome, 'done');
    assert.is(ways(events)[0]?.cluster, bru.id, 'it begins slowly, as its target said');
    for (const { rate, waitedMs } of ways(events))
      assert.ok(rate >= SETTINGS.courteousBytesMin && waitedMs > 0, `${rate}, ${waitedMs}`);
  });
  assert.equal(seen.errors, []);

  // What waited last is remembered for a second.
  await until('a copy that nobody waits beside not to give way', async () => {
    const alone = ways(await move(ams.id));
    assert.equal(ways(await move(bru.id, '--rate', '100000000')), [], 'at a rate');
    return alone.length === 0;
  });
});

tests.run();

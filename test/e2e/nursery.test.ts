/** A whole nursery of real processes: half of the keys move while clients work, whatever is killed meanwhile. */
import * as assert from 'uvu/assert';
import type { ArakoonClient } from '../../src/client/arakoon-client.ts';
import { type Caller, Load, type LoadReport } from '../support/load.ts';
import { eventsOf, TestNursery } from '../support/nurseries.ts';
import { type Lab, labSuite } from '../support/processes.ts';

const KEYS = 20_000;
const CLIENTS = 20;
/** The default of the product. */
const LEASE_MS = 2000;
/** Half of the keys lie below it. */
const SEPARATOR = keyOf(KEYS / 2);
/** Every so many keys one that nobody writes, for those who read over the separator. */
const STILL_EVERY = 50;
/** The target is 250 ms, and what was seen is printed; this bound only tells a pause from a standstill. */
const PAUSE_MAX_MS = 5000;

/** Keys begin with a letter and have a fixed width, so that their order is that of their numbers. */
function keyOf(n: number): string {
  return `k/${String(n).padStart(6, '0')}`;
}

function isStill(n: number): boolean {
  return n % STILL_EVERY === 0;
}

/** What all tests share: processes, connections, and what every key holds. */
type Fleet = {
  readonly nursery: TestNursery;
  readonly callers: Caller[];
  known: ReadonlyMap<string, string>;
};

/** Keys of one client, on both sides of the separator in turn. */
function keysOf(client: number): string[] {
  const keys: string[] = [];
  for (let step = 0; step < KEYS; step += 1) {
    const n = (step * 7919) % KEYS; // a prime: no key twice
    if (n % (CLIENTS - 1) === client && !isStill(n)) keys.push(keyOf(n));
  }
  return keys;
}

/**
 * Runs `body` while twenty clients work, each on keys of its own and one on ranges that lie across the separator.
 * Resolves with what they saw; all that was acknowledged has been found again.
 */
async function underLoad(
  what: string,
  fleet: Fleet,
  maybeAllowed: boolean,
  body: (load: Load) => Promise<void>,
): Promise<LoadReport> {
  const { callers, known: initial } = fleet;
  let next = 0;
  const options = { clients: CLIENTS - 1, keysOf, maybeAllowed, initial };
  const load = Load.start(options, () => callers[next++] as Caller);
  const reader = new StillReader(callers[CLIENTS - 1] as Caller, maybeAllowed);
  try {
    const seen = await load.during(fleet.nursery.persistentCaller(), () => body(load));
    console.log(
      `${what}: ${seen.acknowledged} updates by ${CLIENTS} clients, ${seen.errors.length} errors, ${seen.maybe} of unknown fate, longest pause of a client ${Math.round(seen.longestCallMs)} ms`,
    );
    await reader.stop();
    assert.equal(reader.errors, []);
    const keys = await fleet.nursery.persistentCaller().call((client) => client.keyCount());
    assert.is(keys, load.values().size);
    return seen;
  } finally {
    await reader.stop();
    fleet.known = load.values();
  }
}

/** Reads over the separator what nobody writes: multi-gets and ranges must be whole, in order, and never double. */
class StillReader {
  readonly errors: string[] = [];
  readonly #caller: Caller;
  readonly #maybeAllowed: boolean;
  readonly #done: Promise<void>;
  #stopped = false;

  constructor(caller: Caller, maybeAllowed: boolean) {
    this.#caller = caller;
    this.#maybeAllowed = maybeAllowed;
    this.#done = this.#run();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#done;
  }

  async #run(): Promise<void> {
    const around = KEYS / 2;
    const wide: number[] = [];
    for (let n = 0; n < KEYS; n += STILL_EVERY) wide.push(n);
    const near = wide.filter((n) => n >= around - 500 && n < around + 500).map(keyOf);
    while (!this.#stopped && this.errors.length < 10) {
      try {
        await this.#caller.call((client) => this.#read(client, wide.map(keyOf), near));
      } catch (error) {
        const { code, message } = error as { code?: string; message: string };
        if (!(this.#maybeAllowed && code === 'TIMEOUT')) this.errors.push(`reading ranges: ${message}`);
      }
    }
  }

  async #read(client: ArakoonClient, wide: string[], near: string[]): Promise<void> {
    const values = await client.multiGet(wide);
    if (values.some((value) => value.toString() !== '1')) this.errors.push('multi_get: a wrong value');
    const bounds = { first: keyOf(KEYS / 2 - 500), last: keyOf(KEYS / 2 + 500) };
    const keys = (await client.range(bounds)).map(String);
    if (keys.some((key, index) => index > 0 && key <= (keys[index - 1] as string))) {
      this.errors.push('range: keys out of order, or double');
    }
    const missing = near.filter((key) => !keys.includes(key));
    if (missing.length > 0) this.errors.push(`range: without ${missing.join(', ')}`);
  }
}

const tests = labSuite('a nursery of 3 × 3 nodes');
let shared: Promise<Fleet> | null = null;

function started(lab: Lab): Promise<Fleet> {
  shared ??= start(lab);
  return shared;
}

async function start(lab: Lab): Promise<Fleet> {
  const nursery = await TestNursery.start(lab, {
    prefix: 'n',
    keeperSize: 3,
    size: 3,
    extra: { lease_period: String(LEASE_MS / 1000) },
  });
  // From here on one follower of each cluster is dead.
  for (const cluster of [nursery.keeper, ...nursery.clusters]) {
    await cluster.process(await cluster.follower()).kill();
  }
  const callers = await nursery.callers(CLIENTS);
  const keys = Array.from({ length: KEYS }, (_, n) => keyOf(n));
  return { nursery, callers, known: await nursery.fill(keys, '1') };
}

tests.test(
  'half of the keys move under twenty clients, with one follower of each cluster dead',
  async (lab) => {
    const fleet = await started(lab);
    const [ams, bru] = fleet.nursery.clusters;
    const seen = await underLoad('migrate', fleet, false, async () => {
      const migrated = await fleet.nursery.succeed(['migrate', ams.id, SEPARATOR, bru.id, '--json']);
      const ended = eventsOf(migrated.stdout).at(-1);
      assert.is(ended?.outcome, 'done');
      console.log(`migrate: ${ended?.keysCopied} keys copied, sealed for ${ended?.pauseMs} ms`);
    });
    assert.is(seen.maybe, 0);
    assert.ok(seen.longestCallMs < PAUSE_MAX_MS, `a client waited ${seen.longestCallMs} ms`);
    assert.equal(
      [...(await fleet.nursery.owners())],
      [
        ['', ams.id],
        [SEPARATOR, bru.id],
      ],
    );
  },
);

tests.test('the same back again, with the migrator killed half way and resumed', async (lab) => {
  const fleet = await started(lab);
  const { nursery } = fleet;
  const [ams] = nursery.clusters;
  const seen = await underLoad('migrate, killed and resumed', fleet, false, async (load) => {
    const migrator = nursery.start(['migrate', '--range', `${SEPARATOR}..`, '--to', ams.id, '--json']);
    await migrator.output('the copy to be half done', (stdout) =>
      eventsOf(stdout).some(({ stage, keysCopied = 0 }) => stage === 'copying' && keysCopied >= KEYS / 8),
    );
    await migrator.kill();
    await load.more(100);
    const resumed = await nursery.succeed(['migrate', '--resume', '--json']);
    assert.is(eventsOf(resumed.stdout).at(-1)?.outcome, 'done');
  });
  assert.is(seen.maybe, 0);
  assert.ok(seen.longestCallMs < PAUSE_MAX_MS, `a client waited ${seen.longestCallMs} ms`);
  assert.equal([...new Set((await nursery.owners()).values())], [ams.id]);
});

tests.test('kill -9 of the masters of source and target in the middle of a move', async (lab) => {
  const fleet = await started(lab);
  const { nursery } = fleet;
  const [ams, bru] = nursery.clusters;
  for (const cluster of nursery.clusters) {
    for (const { name } of cluster.nodes) {
      if (cluster.runningNames.includes(name)) continue;
      cluster.startNode(name);
      await cluster.caughtUp(name);
    }
  }
  await underLoad('migrate, with masters killed', fleet, true, async () => {
    const migrator = nursery.start(['migrate', ams.id, SEPARATOR, bru.id, '--json']);
    await migrator.output('the copy to begin', (stdout) =>
      eventsOf(stdout).some(({ stage, keysCopied = 0 }) => stage === 'copying' && keysCopied > 0),
    );
    for (const cluster of nursery.clusters) {
      await cluster.process(await cluster.master()).kill();
      const killedMs = performance.now();
      await cluster.master();
      const withoutMs = Math.round(performance.now() - killedMs);
      console.log(`${cluster.id}: a new master serves ${withoutMs} ms after kill -9 of the old one`);
      assert.ok(withoutMs < 3 * LEASE_MS);
    }
    const finished = await migrator.finished();
    assert.is(eventsOf(finished.stdout).at(-1)?.outcome, 'done', finished.stderr);
  });
});

tests.run();

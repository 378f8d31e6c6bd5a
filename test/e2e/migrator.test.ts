/** What goes wrong around a move: the migrator dies in each phase, two of them meet, the router or the keeper is gone. */
import * as assert from 'uvu/assert';
import { EXIT_CODES } from '../../src/base/errors.ts';
import type { Migration } from '../../src/protocol/admin/admin.ts';
import { type Caller, Load } from '../support/load.ts';
import { eventsOf, TestNursery } from '../support/nurseries.ts';
import { type Lab, labSuite } from '../support/processes.ts';
import { until } from '../support/wait.ts';

const KEYS = 3000;
const CLIENTS = 5;
/** Keys that one migrator moves, where several are at work. */
const SLICE_KEYS = 200;
const SEPARATOR = keyOf(KEYS / 2);

function keyOf(n: number): string {
  return `m/${String(n).padStart(5, '0')}`;
}

type Fleet = { readonly nursery: TestNursery; known: ReadonlyMap<string, string> };

const tests = labSuite('a nursery of single nodes');
let shared: Promise<Fleet> | null = null;

function started(lab: Lab): Promise<Fleet> {
  shared ??= start(lab);
  return shared;
}

async function start(lab: Lab): Promise<Fleet> {
  const nursery = await TestNursery.start(lab, { prefix: 'm', keeperSize: 1, size: 1 });
  const keys = Array.from({ length: KEYS }, (_, n) => keyOf(n));
  return { nursery, known: await nursery.fill(keys, '1') };
}

/** Clients at work on all keys while `body` runs. Afterwards everything is as it was acknowledged. */
async function underLoad(
  fleet: Fleet,
  callers: readonly Caller[],
  maybeAllowed: boolean,
  body: (load: Load) => Promise<void>,
): Promise<void> {
  const keysOf = (client: number): string[] =>
    Array.from({ length: KEYS / CLIENTS }, (_, n) => keyOf(((n * 7 + client) * CLIENTS + client) % KEYS));
  let next = 0;
  const options = { clients: CLIENTS, keysOf, maybeAllowed, initial: fleet.known };
  const load = Load.start(options, () => callers[next++ % callers.length] as Caller);
  try {
    const seen = await load.during(fleet.nursery.persistentCaller(), () => body(load));
    console.log(
      `${seen.acknowledged} updates, ${seen.maybe} of unknown fate, longest pause of a client ${Math.round(seen.longestCallMs)} ms`,
    );
  } finally {
    fleet.known = load.values();
  }
}

/** Whoever does not own the upper half now. */
async function otherOwner(nursery: TestNursery): Promise<string> {
  const owners = await nursery.owners();
  const owner = owners.get(SEPARATOR) ?? owners.get('');
  return nursery.clusters.find(({ id }) => id !== owner)?.id as string;
}

/** Starts a migrator for each stage, on a slice of its own, and kills it when it says that it has come so far. */
async function killedIn(
  nursery: TestNursery,
  stages: readonly string[],
  firstKey: number,
): Promise<{ readonly mid: number; readonly stage: string | undefined; readonly seenAtMs: number }[]> {
  const to = nursery.clusters[1].id;
  const killed = await Promise.all(
    stages.map(async (stage, index) => {
      const slice = `${keyOf(firstKey + index * SLICE_KEYS)}..${keyOf(firstKey + (index + 1) * SLICE_KEYS)}`;
      const migrator = nursery.start(['migrate', '--range', slice, '--to', to, '--json']);
      await migrator.output(stage, (stdout) => eventsOf(stdout).some((event) => event.stage === stage));
      const seenAtMs = performance.now();
      await migrator.kill();
      const last = eventsOf(migrator.stdout).at(-1);
      return { mid: last?.mid as number, stage: last?.stage, seenAtMs };
    }),
  );
  console.log(`migrators were killed while they were ${killed.map(({ stage }) => stage).join(', ')}`);
  return killed;
}

/** Who owns the slices from `firstKey` on. */
async function ownersOf(
  nursery: TestNursery,
  firstKey: number,
  slices: number,
): Promise<(string | undefined)[]> {
  const owners = await nursery.owners();
  return Array.from({ length: slices }, (_, index) => owners.get(keyOf(firstKey + index * SLICE_KEYS)));
}

tests.test('kill -9 of the migrator in each phase: the next migrate --resume goes on', async (lab) => {
  const fleet = await started(lab);
  const { nursery } = fleet;
  const stages = ['copying', 'sealed', 'releasing'];
  // Requests to a range that stays sealed are held for a while; then clients hear that nothing happened, and try again.
  const callers = Array.from({ length: CLIENTS }, () => nursery.persistentCaller());
  await underLoad(fleet, callers, false, async () => {
    const killed = await killedIn(nursery, stages, KEYS / 2);
    const resumedAtMs = performance.now();
    await nursery.succeed(['migrate', '--resume', '--json']);
    // Clients of a range that was sealed waited at least until somebody went on with it.
    const status = await nursery.succeed(['status', '--json']);
    const { migrations } = JSON.parse(status.stdout) as { migrations: Migration[] };
    for (const { mid, stage, seenAtMs } of killed.filter((one) => one.stage === 'sealed')) {
      const progress = migrations.find((migration) => migration.mid === mid)?.progress;
      console.log(
        `stage ${stage}: the record has a pause of ${progress?.pauseMs} ms, at least: ${progress?.pauseAtLeast}`,
      );
      const isUnseen = progress?.pauseMs === 0 && progress.pauseAtLeast; // it was activated before it died
      assert.ok(isUnseen || (progress?.pauseMs ?? 0) >= resumedAtMs - seenAtMs, JSON.stringify(progress));
    }
    const owners = await ownersOf(nursery, KEYS / 2, stages.length);
    assert.equal(
      owners,
      stages.map(() => nursery.clusters[1].id),
    );
  });
});

tests.test('kill -9 of the migrator in each phase: a daemon goes on', async (lab) => {
  const fleet = await started(lab);
  const { nursery } = fleet;
  const stages = ['preparing', 'sealing', 'publishing', 'cleaning up'];
  const firstKey = KEYS / 2 + 3 * SLICE_KEYS;
  await underLoad(fleet, await nursery.callers(CLIENTS), false, async () => {
    await killedIn(nursery, stages, firstKey);
    const daemon = nursery.start(['migrator']);
    await daemon.output('the last one to end', (text) => text.split(': done').length > stages.length);
    const owners = await ownersOf(nursery, firstKey, stages.length);
    assert.equal(
      owners,
      stages.map(() => nursery.clusters[1].id),
    );
    daemon.signal('SIGTERM');
    assert.is((await daemon.exited).signal, null, 'it ends by itself');
  });
});

tests.test('a move of ranges that two clusters own, one after the other', async (lab) => {
  const fleet = await started(lab);
  const { nursery } = fleet;
  await underLoad(fleet, await nursery.callers(CLIENTS), false, async () => {
    const [ams] = nursery.clusters;
    const moved = await nursery.succeed(['migrate', '--range', `${SEPARATOR}..`, '--to', ams.id, '--json']);
    const ended = eventsOf(moved.stdout).filter(({ event }) => event === 'ended');
    assert.ok(ended.length > 0 && ended.every(({ outcome }) => outcome === 'done'));
    assert.equal([...new Set((await nursery.owners()).values())], [ams.id]);
  });
});

tests.test(
  'two migrators on one migration: one wins, the other stops with an error that says so',
  async (lab) => {
    const fleet = await started(lab);
    const { nursery } = fleet;
    await underLoad(fleet, await nursery.callers(CLIENTS), false, async () => {
      const to = await otherOwner(nursery);
      const first = nursery.start(['migrate', '--range', `${SEPARATOR}..`, '--to', to, '--json']);
      await first.output('the copy to begin', (text) => text.includes('"copying"'));
      // Silent for so long that it passes for dead, and wakes up when the other has taken over.
      first.signal('SIGSTOP');
      const second = nursery.start(['migrate', '--resume', '--json']);
      await second.output('it to take over', (text) => eventsOf(text).length > 0);
      first.signal('SIGCONT');
      const [loser, winner] = await Promise.all([first.finished(), second.finished()]);
      assert.is(winner.code, 0, winner.stderr);
      assert.is(eventsOf(winner.stdout).at(-1)?.outcome, 'done');
      assert.is(loser.code, EXIT_CODES.FENCED, loser.stderr);
      assert.match(loser.stderr, /taken over|another/);
      console.log(`the loser says: ${loser.stderr.trim()}`);
      assert.is.not(await otherOwner(nursery), to);
    });
  },
);

tests.test('a migrator that lives is not taken over', async (lab) => {
  const { nursery } = await started(lab);
  const to = await otherOwner(nursery);
  const [keeper] = nursery.keeper.nodes;
  const first = nursery.start(['migrate', '--range', `${SEPARATOR}..`, '--to', to, '--json']);
  await first.output('its plan', (text) => text.includes('"planned"'));
  const second = await nursery.run(['migrate', '--resume', '--json']);
  const done = await first.finished();
  assert.is(done.code, 0, done.stderr);
  // It came while the other was at work, or just after it had ended.
  assert.ok(second.code === EXIT_CODES.FENCED || second.code === 0, `${second.code} ${second.stderr}`);
  assert.is(nursery.keeper.process(keeper?.name as string).isRunning, true);
});

tests.test('the router is killed and restarted in the middle of a move', async (lab) => {
  const fleet = await started(lab);
  const { nursery } = fleet;
  const callers = Array.from({ length: CLIENTS }, () => nursery.persistentCaller());
  await underLoad(fleet, callers, true, async (load) => {
    const to = await otherOwner(nursery);
    const migrator = nursery.start(['migrate', '--range', `${SEPARATOR}..`, '--to', to, '--json']);
    await migrator.output('the copy to begin', (text) => text.includes('"copying"'));
    await nursery.router.kill();
    await nursery.startRouter();
    assert.is((await migrator.finished()).code, 0);
    await load.more(50);
    assert.equal(await nursery.router.terminate(), { code: 0, signal: null });
    await nursery.startRouter();
  });
});

tests.test('while the keeper is down nothing moves, and clients go on', async (lab) => {
  const fleet = await started(lab);
  const { nursery } = fleet;
  await underLoad(fleet, await nursery.callers(CLIENTS), false, async (load) => {
    const to = await otherOwner(nursery);
    const migrator = nursery.start(['migrate', '--range', `${SEPARATOR}..`, '--to', to, '--json']);
    await migrator.output('the copy to begin', (text) => text.includes('"copying"'));
    await nursery.keeper.killAll();
    await load.more(200);
    nursery.keeper.startAll();
    const finished = await migrator.finished();
    assert.is(finished.code, 0, finished.stderr);
    assert.is.not(await otherOwner(nursery), to);
  });
});

tests.test('kill -9 of source and target in the middle of a move, and restart', async (lab) => {
  const fleet = await started(lab);
  const { nursery } = fleet;
  const callers = Array.from({ length: CLIENTS }, () => nursery.persistentCaller());
  await underLoad(fleet, callers, true, async () => {
    const to = await otherOwner(nursery);
    const migrator = nursery.start(['migrate', '--range', `${SEPARATOR}..`, '--to', to, '--json']);
    await migrator.output('the copy to begin', (text) => text.includes('"copying"'));
    for (const cluster of nursery.clusters) {
      await cluster.killAll();
      cluster.startAll();
      await cluster.master();
    }
    const finished = await migrator.finished();
    assert.is(finished.code, 0, finished.stderr);
  });
});

tests.test('a rate stops a copy, outlives its migrator, and is changed while it goes on', async (lab) => {
  const fleet = await started(lab);
  const { nursery } = fleet;
  await underLoad(fleet, await nursery.callers(CLIENTS), false, async () => {
    const to = await otherOwner(nursery);
    const range = `${SEPARATOR}..`;
    const move = ['migrate', '--range', range, '--to', to];
    // What was written last is counted with the next flush.
    await until('a dry run to know the keys within 5 %', async () => {
      const { stdout } = await nursery.succeed([...move, '--rate', '1000', '--dry-run', '--json']);
      const [dry] = JSON.parse(stdout);
      assert.is(dry.seconds, dry.bytes === null ? null : dry.bytes / 1000);
      return dry.keys !== null && Math.abs(dry.keys - KEYS / 2) <= (0.05 * KEYS) / 2;
    });
    const dry = await nursery.succeed([...move, '--dry-run']);
    assert.match(
      dry.stdout,
      /it brings about \S+ (k )?keys, .*\n {2}(about|how long) .*\n {2}it may take .* has free beside/,
    );
    const still = await nursery.succeed([...move, '--rate', '0', '--dry-run']);
    assert.match(still.stdout, /\n {2}nothing is copied at --rate 0/);
    const keeper = ['migrate', '--range', range, '--to', nursery.keeper.id, '--dry-run'];
    assert.is((await nursery.run(keeper)).code, EXIT_CODES.REFUSED);
    const first = nursery.start([...move, '--rate', '0', '--json']);
    await first.output('it to say why it waits', (text) => text.includes('its rate to 0'));
    const mid = String(eventsOf(first.stdout)[0]?.mid);
    await first.kill();
    const second = nursery.start(['migrate', '--resume', '--json']);
    await second.output('the next to wait, too', (text) => text.includes('its rate to 0'));
    await until('status to show it', async () => {
      const { stdout } = await nursery.run(['status']);
      return new RegExp(`^ *${mid}: .*at most 0 bytes/s`, 'm').test(stdout);
    });
    const changed = await nursery.succeed(['migrate', '--rate', '100000000', '--of', mid]);
    assert.is(changed.stdout, `migration ${mid}: at most 100000000 bytes per second are copied\n`);
    const { code, stderr, stdout } = await second.finished();
    assert.is(code, 0, stderr);
    assert.is(eventsOf(stdout).at(-1)?.outcome, 'done');
    assert.is((await nursery.run(['migrate', '--rate', '1', '--of', mid])).code, EXIT_CODES.REFUSED);
    await nursery.succeed(['migrate', '--undo', mid]);
  });
  for (const args of [
    ['--rate', '1'],
    ['--of', '1'],
    ['--resume', '--rate', '1'],
    ['--rate', '-1', '--of', '1'],
  ])
    assert.is((await nursery.run(['migrate', ...args])).code, EXIT_CODES.USAGE, args.join(' '));
});

tests.test(
  'a move is taken back, and on record with its receipt, who asked, and what it takes back',
  async (lab) => {
    const fleet = await started(lab);
    const { nursery } = fleet;
    await underLoad(fleet, await nursery.callers(CLIENTS), false, async () => {
      const to = await otherOwner(nursery);
      const moved = await nursery.succeed(['migrate', '--range', `${SEPARATOR}..`, '--to', to, '--json']);
      const mid = String(eventsOf(moved.stdout).at(-1)?.mid);
      await nursery.succeed(['migrate', '--undo', mid]);
      assert.is(await otherOwner(nursery), to);
      const { stdout } = await nursery.succeed(['migrations']);
      const line = stdout.trim().split('\n').at(-1) as string;
      assert.match(
        line,
        /done .* keys, pause .*, took [\d.]+ s, \d+ bytes, sealed at slot \d+, digest [0-9a-f]{8}…/,
      );
      assert.match(line, new RegExp(`asked for by .+@.+ \\(person\\), takes back ${mid}$`));
      const again = await nursery.run(['migrate', '--undo', mid]);
      assert.is(again.code, EXIT_CODES.REFUSED);
      assert.match(again.stderr, /has moved since/);
    });
  },
);

tests.test('an abort in the middle leaves everything as before', async (lab) => {
  const fleet = await started(lab);
  const { nursery } = fleet;
  await underLoad(fleet, await nursery.callers(CLIENTS), false, async () => {
    const before = await nursery.owners();
    const to = await otherOwner(nursery);
    const migrator = nursery.start(['migrate', '--range', `${SEPARATOR}..`, '--to', to, '--json']);
    await migrator.output('its plan', (text) => eventsOf(text).length > 0);
    await migrator.kill();
    const mid = eventsOf(migrator.stdout)[0]?.mid;
    const aborted = await nursery.succeed(['migrate', '--abort', String(mid), '--json']);
    assert.is(eventsOf(aborted.stdout).at(-1)?.outcome, 'aborted');
    assert.equal(await nursery.owners(), before);
  });
});

tests.test('what cannot be done is refused with the reason, and changes nothing', async (lab) => {
  const { nursery } = await started(lab);
  const [ams, bru] = nursery.clusters;
  const before = await nursery.owners();
  const owner = before.get(SEPARATOR) as string;
  const lower = before.get('') as string;
  const refusals: [readonly string[], RegExp][] = [
    [['migrate', ams.id, 'm/7', 'nowhere'], /nowhere/],
    [['migrate', '--range', 'm/7..', '--to', 'nowhere'], /nowhere/],
    [['migrate', lower, SEPARATOR, owner], /already/],
    [['migrate', ams.id, 'm/7', ams.id], /both sides/],
    [['migrate', '--range', `${SEPARATOR}..`, '--to', owner], /already/],
    [['init', bru.id], /map already/],
    [['remove', 'nowhere'], /nowhere/],
    [['migrate', '--abort', '4711'], /4711/],
  ];
  const outcomes = await Promise.all(refusals.map(([args]) => nursery.run(args)));
  outcomes.forEach(({ code, stderr }, index) => {
    const [args, says] = refusals[index] as [readonly string[], RegExp];
    assert.is(code, EXIT_CODES.REFUSED, `${args.join(' ')}: ${stderr}`);
    assert.match(stderr, says);
    assert.is(stderr.trim().split('\n').length, 1, stderr);
  });
  for (const args of [
    ['migrate', '--range', 'm/9..m/7', '--to', bru.id],
    ['migrate', ams.id],
  ]) {
    assert.is((await nursery.run(args)).code, EXIT_CODES.USAGE, args.join(' '));
  }
  assert.equal(await nursery.owners(), before);
});

tests.test('a cluster leaves the nursery under load', async (lab) => {
  const fleet = await started(lab);
  const { nursery } = fleet;
  const leaving = (await nursery.owners()).get(SEPARATOR) as string;
  await underLoad(fleet, await nursery.callers(CLIENTS), false, async () => {
    const removed = await nursery.succeed(['remove', leaving]);
    assert.match(removed.stdout, /has left/);
    assert.not([...(await nursery.owners()).values()].includes(leaving));
  });
  const { code, stderr } = await nursery.run(['migrate', 'm-ams', 'm/7', 'm-bru']);
  assert.is(code, EXIT_CODES.REFUSED, stderr);
});

tests.run();

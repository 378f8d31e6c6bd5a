/** A target that is gone: what is on its way there comes back at once, and commands end with a reason. */
import * as assert from 'uvu/assert';
import { EXIT_CODES } from '../../src/base/errors.ts';
import { ClusterClient } from '../../src/client/cluster-client.ts';
import type { NodePlace } from '../support/clusters.ts';
import { TestNursery } from '../support/nurseries.ts';
import { type Lab, labSuite } from '../support/processes.ts';
import { until } from '../support/wait.ts';

const tests = labSuite('a target that is gone');

type Migration = {
  readonly mid: number;
  readonly phase: string;
  readonly isUntold?: true;
  readonly progress: { readonly stage: string; readonly keysCopied: number };
};

async function migrationsOf(nursery: TestNursery): Promise<Migration[]> {
  const { stdout } = await nursery.run(['status', '--json']);
  return (JSON.parse(stdout) as { readonly migrations: Migration[] }).migrations;
}

async function begun(lab: Lab, prefix: string, count: number): Promise<TestNursery> {
  const nursery = await TestNursery.start(lab, { prefix, keeperSize: 1, size: 1 });
  const keys = Array.from({ length: count }, (_, index) => `m${String(index).padStart(5, '0')}`);
  await nursery.fill(keys, 'x'.repeat(2000));
  return nursery;
}

tests.test(
  'planned or half copied: --abort ends at once, and the target is told when it is back',
  async (lab) => {
    const nursery = await begun(lab, 'g', 15_000);
    const [, bru] = nursery.clusters;
    const [{ name }] = bru.nodes as [NodePlace];
    // Half copied: both migrator and target die in the middle.
    const first = nursery.start(['migrate', '--range', 'm..m14000', '--to', bru.id, '--json']);
    const asking = new ClusterClient(bru.config, { role: 'client', node: 'test' });
    lab.closing(() => asking.close());
    await until(
      'a part to be copied',
      async () => {
        const status = await asking.query({ kind: 'rangeStatus', mid: 2, lo: 'm', hi: 'm14000' });
        return status.kind === 'rangeStatus' && (status.importing?.seq ?? 0) > 0;
      },
      { everyMs: 5 },
    );
    await bru.process(name).kill();
    await first.kill();
    // Planned: the target was gone before it began.
    const second = nursery.start(['migrate', '--range', 'm14000..', '--to', bru.id, '--json']);
    await until('the second to be planned', async () => (await migrationsOf(nursery)).length === 2);
    await second.kill();

    for (const { mid } of await migrationsOf(nursery)) {
      const beganMs = performance.now();
      const { code, stderr } = await nursery.run(['migrate', '--abort', String(mid)]);
      assert.is(code, 0, stderr);
      console.log(`--abort ${mid} took ${Math.round(performance.now() - beganMs)} ms`);
    }
    const ended = await migrationsOf(nursery);
    assert.equal(
      ended.map(({ phase, isUntold }) => [phase, isUntold]),
      [
        ['aborted', true],
        ['aborted', true],
      ],
    );
    const { stdout } = await nursery.run(['status']);
    assert.match(
      stdout,
      /^- migration 2 was aborted without g-bru, which keeps what it has staged until it is told/m,
    );
    const client = await nursery.connect();
    await client.set('m00001', 'served by its source');
    assert.is((await client.get('m14500')).toString(), 'x'.repeat(2000));
    const silent = await nursery.run(['migrate', '--resume']);
    assert.is(silent.code, EXIT_CODES.UNREACHABLE, silent.stderr);
    assert.match(silent.stderr, /g-bru has not been told yet that migration 2 was aborted/);

    bru.startNode(name);
    const daemon = nursery.start(['migrator']);
    await until('the target to be told', async () =>
      (await migrationsOf(nursery)).every(({ isUntold }) => isUntold === undefined),
    );
    assert.match(daemon.stdout, /migration 2: g-bru knows that it was aborted/);
    // What it had staged is gone: the same range goes there again, and nothing is in its way.
    await nursery.succeed(['migrate', '--range', 'm..m14000', '--to', bru.id]);
    assert.is((await client.get('m00001')).toString(), 'served by its source');
    assert.is(await bru.ask(name, (direct) => direct.keyCount()), 14_000);
  },
);

tests.test('commands end with a reason where they are given a time', async (lab) => {
  const nursery = await begun(lab, 'h', 1500);
  const [ams, bru] = nursery.clusters;
  await nursery.succeed(['migrate', ams.id, 'm01000', bru.id]);
  const [{ name }] = bru.nodes as [NodePlace];
  await bru.process(name).kill();
  const moving = await nursery.run(['migrate', '--range', 'm..m00500', '--to', bru.id, '--timeout', '6']);
  assert.is(moving.code, EXIT_CODES.UNREACHABLE, moving.stderr);
  assert.match(
    moving.stderr,
    /TIMEOUT: not done within 6 s: migration 3 is preparing, waiting for target h-bru, .*; it goes on where a migrator runs, and nursery migrate --resume goes on with it/,
  );
  assert.is((await nursery.run(['migrate', '--abort', '3', '--timeout', '20'])).code, 0);
  const removing = await nursery.run(['remove', bru.id]);
  assert.is(removing.code, EXIT_CODES.UNREACHABLE, removing.stderr);
  assert.match(removing.stderr, /h-bru stays, and nothing was planned: what it owns can be moved only while/);
  const leaving = await nursery.run(['migrate', '--range', 'm01200..', '--to', ams.id, '--timeout', '6']);
  assert.is(leaving.code, EXIT_CODES.UNREACHABLE, leaving.stderr);
  assert.match(leaving.stderr, /not done within 6 s: migration 4 is .*waiting for source h-bru/);
  const aborting = await nursery.run(['migrate', '--abort', '4', '--timeout', '15']);
  assert.is(aborting.code, EXIT_CODES.UNREACHABLE, 'the source decides, and it is gone');
  assert.match(aborting.stderr, /not done within 15 s: migration 4 is aborting, waiting for source h-bru/);
  bru.startNode(name);
  const resumed = await nursery.run(['migrate', '--resume']); // 4 ends as aborted
  assert.match(resumed.stdout, /^h-bru was told that migration 3 was aborted$/m);
  await until('all to be ended', async () =>
    (await migrationsOf(nursery)).every(({ phase }) => phase === 'done' || phase === 'aborted'),
  );
});

tests.run();

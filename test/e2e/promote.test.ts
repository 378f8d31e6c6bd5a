/** Two of three machines are burnt: what is typed then, and what becomes of it. */
import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { EXIT_CODES } from '../../src/base/errors.ts';
import type { NodeStatus } from '../../src/protocol/admin/admin.ts';
import { type NodePlace, TestCluster } from '../support/clusters.ts';
import { selfOf } from '../support/identities.ts';
import { labSuite } from '../support/processes.ts';
import { until } from '../support/wait.ts';

const tests = labSuite('promote');

async function statusOf(cluster: TestCluster, name: string): Promise<NodeStatus> {
  return await until(`${name} to answer`, () => selfOf(cluster.id, name, cluster.place(name).clientPort));
}

async function memberCount(cluster: TestCluster, name: string): Promise<number> {
  const { members } = await statusOf(cluster, name);
  return members.length;
}

tests.test(
  'the survivor of three goes on with all that it has, and is joined by emptied homes',
  async (lab) => {
    const cluster = await TestCluster.start(lab, { clusterId: 'burnt', size: 3 });
    const [first, second, third] = cluster.nodes as [NodePlace, NodePlace, NodePlace];
    const config = ['--config', cluster.file];
    const promote = (...args: string[]) => lab.run(['rescue', 'promote', ...config, ...args]);
    const client = await cluster.connect(await cluster.master());
    for (let index = 0; index < 200; index += 1) await client.set(`key ${index}`, `value ${index}`);

    const healthy = await promote('--node', first.name, '--yes', 'burnt', '--gone', '');
    assert.is(healthy.code, EXIT_CODES.REFUSED, healthy.stderr);
    assert.match(healthy.stderr, /is master: the cluster works/);
    for (const { name } of [second, third]) await cluster.process(name).kill();
    const old = join(lab.dir, 'old home');
    renameSync(third.home, old);
    // Its mastership ends a moment after its lease.
    await until(
      'the mastership to be over',
      async () => (await statusOf(cluster, first.name)).role !== 'master',
    );

    const foreign = join(lab.dir, 'foreign.ini');
    writeFileSync(
      foreign,
      readFileSync(cluster.file, 'utf8').replaceAll(/^(cluster_id *= *)burnt$/gm, '$1other'),
    );
    const strange = await lab.run([
      'rescue',
      'promote',
      '--config',
      foreign,
      '--node',
      first.name,
      '--yes',
      'other',
    ]);
    assert.is(strange.code, EXIT_CODES.OTHER_CLUSTER, strange.stderr);
    assert.match(strange.stderr, /burnt_0 of cluster other in .* answers burnt_0 of cluster burnt/);
    const which = await promote();
    assert.is(which.code, EXIT_CODES.USAGE, which.stderr);
    const dry = await promote('--node', first.name, '--dry-run');
    assert.is(dry.code, 0, dry.stderr);
    assert.match(
      dry.stdout,
      /burnt_0 {2}(candidate|follower), holds all up to slot \d+: it is to go on/,
      dry.stdout,
    );
    assert.match(
      dry.stdout,
      /burnt_1 {2}does not answer: it must be off, and its home must never start again/,
    );
    assert.match(dry.stdout, /kept: all up to slot \d+/);
    const untyped = await promote('--node', first.name);
    assert.is(untyped.code, EXIT_CODES.USAGE, untyped.stderr);
    assert.match(untyped.stderr, /"burnt" was to be typed/);
    const wrong = await promote('--node', first.name, '--yes', 'brunt');
    assert.is(wrong.code, EXIT_CODES.USAGE, wrong.stderr);
    const before = await statusOf(cluster, first.name);
    assert.match(before.role, /candidate|follower/, 'nothing has happened yet');

    // Somebody has emptied a home, and started it: it has joined what is left, and is in the way of what was said.
    rmSync(second.home, { recursive: true });
    cluster.startNode(second.name);
    await until('it to have joined', async () => (await statusOf(cluster, second.name)).role === 'learner');
    const hasty = await promote(
      '--node',
      first.name,
      '--yes',
      'burnt',
      '--gone',
      `${second.name},${third.name}`,
    );
    assert.is(hasty.code, EXIT_CODES.REFUSED, hasty.stderr);
    assert.match(hasty.stderr, /burnt_1 answers, from a home that was emptied: stop burnt_1 first/);
    await cluster.process(second.name).kill();

    const done = await promote(
      '--node',
      first.name,
      '--yes',
      'burnt',
      '--gone',
      `${second.name},${third.name}`,
    );
    assert.is(done.code, 0, done.stderr);
    assert.match(
      done.stdout,
      /burnt_0 serves: it is the first member of founding [0-9a-f]{32}, from slot \d+ on/,
    );
    assert.match(done.stdout, /empty the homes of burnt_1, burnt_2/);
    const after = await cluster.connect(first.name);
    for (const index of [0, 199]) assert.is((await after.get(`key ${index}`)).toString(), `value ${index}`);
    assert.is(await after.keyCount(), 200);
    await after.set('key 0', 'after');
    assert.not.ok(existsSync(join(first.home, 'PROMOTING')));
    const again = await promote('--node', first.name, '--yes', 'burnt');
    assert.is(again.code, 0, again.stderr);
    assert.match(again.stdout, /done before: founding [0-9a-f]{32} of burnt took the place of another one/);

    for (const { name, home } of [second, third]) {
      rmSync(home, { recursive: true, force: true });
      cluster.startNode(name);
    }
    for (const { name } of [second, third]) await cluster.caughtUp(name);
    await until('all three to be members', async () => (await memberCount(cluster, first.name)) === 3);
    await cluster.process(first.name).kill();
    const last = await cluster.connect(await cluster.master());
    assert.is((await last.get('key 0')).toString(), 'after');
    cluster.startNode(first.name);
    await cluster.caughtUp(first.name);

    // A home that was said to be gone comes back: it hears what took its place, and stops.
    await cluster.process(third.name).kill();
    rmSync(third.home, { recursive: true });
    renameSync(old, third.home);
    const stopped = await cluster.startNode(third.name).finished();
    assert.is(stopped.code, EXIT_CODES.OTHER_CLUSTER, stopped.stderr);
    assert.match(stopped.stderr, /took the place of/);
  },
);

tests.test(
  'killed in the middle it goes on; who retired says so, and what a gone one has is not waited for',
  async (lab) => {
    const cluster = await TestCluster.start(lab, { clusterId: 'five', size: 5 });
    const [first, second, ...others] = cluster.nodes as [NodePlace, NodePlace, ...NodePlace[]];
    const config = ['--config', cluster.file];
    const client = await cluster.connect(await cluster.master());
    for (let index = 0; index < 50; index += 1) await client.set(`key ${index}`, `value ${index}`);
    for (const { name } of others) await cluster.process(name).kill();
    await until('the lease to be over', async () => (await statusOf(cluster, first.name)).master === null);
    const gone = others.map(({ name }) => name).join();
    const args = ['rescue', 'promote', ...config, '--node', first.name, '--yes', 'five', '--gone', gone];

    const living = await lab.run([
      'rescue',
      'promote',
      ...config,
      '--node',
      first.name,
      '--yes',
      'five',
      '--gone',
      `${gone},${second.name}`,
    ]);
    assert.is(living.code, EXIT_CODES.REFUSED, living.stderr);
    assert.match(living.stderr, /five_1 answers: it is not gone/);
    const running = lab.start('rescue', args);
    await until(
      'the others to have retired',
      async () => (await statusOf(cluster, second.name)).role === 'retired',
    );
    await cluster.process(first.name).kill();
    await running.kill();
    const refused = await cluster.connect(second.name).then((direct) =>
      direct.get('key 1', { consistency: { kind: 'noGuarantees' } }).then(
        () => 'answered',
        (error: Error) => error.message,
      ),
    );
    assert.match(refused, /has retired: five_0 is being promoted/);
    cluster.startNode(first.name);
    await until('it to be up', async () => (await statusOf(cluster, first.name)).role === 'retired');
    assert.match(
      (await statusOf(cluster, first.name)).waitsFor ?? '',
      /nursery rescue promote --node five_0 goes on/,
    );

    const done = await lab.run(args);
    assert.is(done.code, 0, done.stderr);
    const after = await cluster.connect(first.name);
    assert.is(await after.keyCount(), 50);
    const stopped = await cluster.process(second.name).finished();
    assert.is(stopped.code, EXIT_CODES.OTHER_CLUSTER, stopped.stderr);
  },
);

tests.run();

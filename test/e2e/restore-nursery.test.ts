/** Clusters of a nursery that come back from a backup under their own names: one of them, and all of them with a new keeper. */
import { renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as assert from 'uvu/assert';
import { EXIT_CODES } from '../../src/base/errors.ts';
import type { ArakoonClient } from '../../src/client/arakoon-client.ts';
import { renderClusterIni } from '../../src/config/render.ts';
import type { NodePlace, TestCluster } from '../support/clusters.ts';
import { foundingOf, selfOf } from '../support/identities.ts';
import { TestNursery } from '../support/nurseries.ts';
import { type Lab, labSuite } from '../support/processes.ts';
import { until } from '../support/wait.ts';

const tests = labSuite('restore in a nursery');
const LETTERS = [...'abcdefghijklmnopqrstuvwxyz'];

function namesOf(cluster: TestCluster): string {
  return cluster.nodes.map(({ name }) => name).join();
}

function foundingOfFirst(cluster: TestCluster): Promise<string> {
  const { name, clientPort } = cluster.nodes[0] as NodePlace;
  return foundingOf(cluster.id, name, clientPort);
}

async function burn(cluster: TestCluster): Promise<void> {
  await cluster.killAll();
  for (const { home } of cluster.nodes) rmSync(home, { recursive: true, force: true });
}

/** `nursery restore` into the home of the cluster's first node. */
function restorer(lab: Lab, cluster: TestCluster, backup: string) {
  const node = cluster.nodes[0]?.name ?? '';
  return (...args: string[]) =>
    lab.run(['restore', backup, '--config', cluster.file, '--node', node, ...args]);
}

tests.test(
  'all homes of one cluster are gone: it gets back what the map still gives it, as of the backup',
  async (lab) => {
    const nursery = await TestNursery.start(lab, { prefix: 'y', keeperSize: 1, size: 3 });
    const [ams, bru] = nursery.clusters;
    const client = await nursery.connect();
    for (const key of LETTERS) await client.set(key, `first ${key}`);
    await nursery.succeed(['migrate', ams.id, 'm', bru.id]);
    const backup = join(lab.dir, 'monday');
    await nursery.succeed(['backup', '--all', '--to', backup]);
    // Since then one part has moved away, another one has come, and all was written to.
    await nursery.succeed(['migrate', '--range', 'x..', '--to', ams.id]);
    await nursery.succeed(['migrate', '--range', 'c..e', '--to', bru.id]);
    for (const key of LETTERS) await client.set(key, `second ${key}`);
    const founding = await foundingOfFirst(bru);
    const restore = restorer(lab, bru, backup);
    const vow = ['--yes', bru.id, '--gone', namesOf(bru)];

    const alive = await restore('--replace', founding, ...vow);
    assert.is(alive.code, EXIT_CODES.REFUSED, alive.stderr);
    assert.match(alive.stderr, /of y-bru answer: it is not gone/);
    await bru.killAll();
    const first = bru.nodes[0] as NodePlace;
    const old = join(lab.dir, 'an old home');
    renameSync(first.home, old);
    for (const { home } of bru.nodes) rmSync(home, { recursive: true, force: true });

    const unnamed = await restore(...vow);
    assert.is(unnamed.code, EXIT_CODES.USAGE, unnamed.stderr);
    assert.match(
      unnamed.stderr,
      new RegExp(`--replace ${founding.slice(0, 8)} says that its place is taken`),
    );
    const other = await restore('--replace', 'f'.repeat(32), ...vow);
    assert.is(other.code, EXIT_CODES.REFUSED, other.stderr);
    const some = await restore('--replace', founding, '--yes', bru.id, '--gone', first.name);
    assert.is(some.code, EXIT_CODES.USAGE, some.stderr);
    assert.match(some.stderr, /--gone does not name y-bru_1, y-bru_2: nothing was done/);
    const dry = await restore('--replace', founding.slice(0, 8), '--dry-run');
    assert.is(dry.code, 0, dry.stderr);
    assert.match(dry.stdout, /y-bru_2 {2}does not answer: it must be off/);
    assert.match(dry.stdout, /\[m\.\.x\) comes back/);
    assert.match(dry.stdout, /\[c\.\.e\) had come to y-bru after this image/);
    assert.match(dry.stdout, /\[x\.\.end\) of the image is of y-ams by now, and stays there/);

    const done = await restore('--replace', founding, ...vow);
    assert.is(done.code, 0, done.stderr);
    assert.match(done.stdout, /\[m\.\.x\) is y-bru's again, at epoch \d+/);
    assert.match(
      done.stdout,
      /\[c\.\.e\) had come to y-bru after it: nobody serves it, until nursery rescue lost/,
    );
    const again = await restore('--replace', founding, ...vow);
    assert.is(again.code, 0, again.stderr);
    assert.match(again.stdout, /\[m\.\.x\) is y-bru's again/, 'typed again it goes on');

    // A home of a founding that nobody knows is started beside it: the keeper knows which of the two is in force.
    const stray = bru.nodes[1] as NodePlace;
    const alone = join(lab.dir, 'alone.ini');
    const nodes = [{ ...stray, ip: '127.0.0.1', extra: {} }];
    writeFileSync(alone, renderClusterIni({ clusterId: bru.id, nodes, keeper: null }));
    const founder = lab.start(stray.name, ['node', '--config', alone, '--node', stray.name]);
    await foundingOf(bru.id, stray.name, stray.clientPort);
    await founder.kill();
    bru.startNode(first.name);
    await nursery.served('m');
    const strayed = await bru.startNode(stray.name).finished();
    assert.is(strayed.code, EXIT_CODES.OTHER_CLUSTER, strayed.stderr);
    assert.is((await client.get('m')).toString(), 'first m', 'the founding in force goes on');
    rmSync(stray.home, { recursive: true });

    for (const { name } of bru.nodes.slice(1)) bru.startNode(name);
    for (const { name } of bru.nodes) await bru.caughtUp(name);
    const running = await restore('--replace', founding, ...vow);
    assert.is(running.code, 0, running.stderr);
    assert.is((await client.get('m')).toString(), 'first m', 'as of the backup');
    assert.is((await client.get('w')).toString(), 'first w');
    for (const key of ['a', 'x', 'z']) assert.is((await client.get(key)).toString(), `second ${key}`);
    const patient = await nursery.connect();
    const nobody = await patient.get('c', { deadlineMs: 2000 }).then(String, () => 'nobody serves it');
    assert.is(nobody, 'nobody serves it');
    await client.set('m', 'third m');
    const lost = await nursery.run([
      'rescue',
      'lost',
      bru.id,
      '--restore',
      backup,
      '--at',
      ams.id,
      '--yes',
      bru.id,
    ]);
    assert.is(lost.code, 0, lost.stderr);
    assert.is(
      (await client.get('c')).toString(),
      'first c',
      'from the image of the cluster that had it then',
    );
    await nursery.succeed(['migrate', '--range', 'x..', '--to', bru.id]);
    assert.is((await client.get('z')).toString(), 'second z', 'moves go on as ever');

    // An old home comes back: it hears what became of its founding.
    await bru.process(first.name).kill();
    rmSync(first.home, { recursive: true });
    renameSync(old, first.home);
    const stopped = await bru.startNode(first.name).finished();
    assert.is(stopped.code, EXIT_CODES.OTHER_CLUSTER, stopped.stderr);
    assert.match(stopped.stderr, /took the place of/);
    assert.is((await client.get('m')).toString(), 'third m');
  },
);

tests.test(
  'all of a nursery is gone: a new keeper, clusters from the backup, and the new keeper is told whose all is',
  async (lab) => {
    const nursery = await TestNursery.start(lab, { prefix: 'x', keeperSize: 1, size: 1 });
    const [ams, bru] = nursery.clusters;
    const client = await nursery.connect();
    for (const key of LETTERS) await client.set(key, `first ${key}`);
    await nursery.succeed(['migrate', ams.id, 'm', bru.id]);
    const counter = fileURLToPath(new URL('../../../examples/functions/counter.js', import.meta.url));
    for (const name of ['counter', 'gone'])
      await nursery.succeed(['function', 'put', name, counter, '--timeout', '60']);
    await nursery.succeed(['function', 'remove', 'gone', '--timeout', '60']);
    const count = async (from: ArakoonClient): Promise<string> =>
      String(await from.userFunction('counter', 'nn 1', { near: 'nn' }));
    assert.is(await count(client), '1');
    const backup = join(lab.dir, 'tuesday');
    await nursery.succeed(['backup', '--all', '--to', backup]);
    await client.set('z', 'after the backup');
    const foundings = new Map<string, string>();
    for (const cluster of [ams, bru]) foundings.set(cluster.id, await foundingOfFirst(cluster));
    await nursery.router.kill();
    for (const cluster of nursery.all) await burn(cluster);

    const restore = (cluster: TestCluster, ...args: string[]) =>
      restorer(lab, cluster, backup)(
        '--replace',
        foundings.get(cluster.id) ?? '',
        '--yes',
        cluster.id,
        '--gone',
        namesOf(cluster),
        ...args,
      );
    const silent = await restore(ams);
    assert.is(silent.code, EXIT_CODES.UNREACHABLE, silent.stderr);
    assert.match(silent.stderr, /the keeper has to say whose place is taken, and does not answer: start it/);
    nursery.keeper.startAll();
    await nursery.keeper.master();
    for (const cluster of [ams, bru]) {
      const made = await restore(cluster);
      assert.is(made.code, 0, made.stderr);
      assert.match(made.stdout, /serves nothing before nursery rescue keeper was typed/);
      cluster.startAll();
    }
    for (const cluster of [ams, bru])
      await until(`${cluster.id} to wait for the keeper`, async () => {
        const { name, clientPort } = cluster.nodes[0] as NodePlace;
        const status = await selfOf(cluster.id, name, clientPort);
        return status?.master === name && status.waitsFor !== null;
      });
    // They knock at the new keeper, which begins no map beside them, whoever types what.
    const known = await until('both to have knocked', async () => {
      const { stdout } = await lab.run(['status', '--config', nursery.keeper.file]);
      return /clusters x-ams, x-bru belong to another nursery/.test(stdout) ? stdout : null;
    });
    assert.match(known, /^not serving: keeper x-keeper is new, and has no map/);
    assert.match(known, /^ {4}type: nursery rescue keeper FILE-OF-EACH-CLUSTER --config FILE-OF-KEEPER$/m);
    assert.not.match(known, /type: nursery init/);
    const again = await restore(bru);
    assert.is(again.code, 0, again.stderr);
    assert.match(again.stdout, /x-bru_0 runs already with the home that was made/);
    const rescue = await lab.run(
      ['rescue', 'keeper', ams.file, bru.file, '--config', nursery.keeper.file].concat([
        '--yes',
        nursery.keeper.id,
        '--gone',
        namesOf(nursery.keeper),
      ]),
    );
    assert.is(rescue.code, 0, rescue.stderr);
    assert.match(rescue.stdout, /\[m\.\.end\) {2}x-bru/);
    assert.match(rescue.stdout, /^functions that it goes on with: counter$/m);
    await nursery.startRouter();
    const fresh = await nursery.connect();
    await nursery.served('a');
    for (const key of LETTERS) assert.is((await fresh.get(key)).toString(), `first ${key}`);
    await fresh.set('z', 'second z');
    await nursery.succeed(['migrate', '--range', 'x..', '--to', ams.id]);
    assert.is((await fresh.get('z')).toString(), 'second z');
    await until('an engine in force', async () => (await count(fresh).catch(() => '')) === '2');
    await nursery.succeed(['migrate', '--range', 'n..o', '--to', ams.id]);
    assert.is(await count(fresh), '3', 'it is there wherever its keys go');
    const listed = await nursery.run(['function', 'list', '--json']);
    const { functions, lacking } = JSON.parse(listed.stdout) as { functions: object[]; lacking: string[] };
    assert.equal([functions.length, lacking], [1, []]);
    await nursery.succeed(['function', 'remove', 'counter', '--timeout', '60']);
    const unknown = await fresh.userFunction('counter', 'nn 1', { near: 'nn' }).catch(String);
    assert.match(String(unknown), /unknown function counter/);
  },
);

tests.test(
  'two homes are made of one cluster: the first is over, says so, and is never put in force by a later keeper',
  async (lab) => {
    const nursery = await TestNursery.start(lab, { prefix: 'u', keeperSize: 1, size: [3, 1] });
    const [ams, bru] = nursery.clusters;
    const client = await nursery.connect();
    for (const key of LETTERS) await client.set(key, `first ${key}`);
    const backup = join(lab.dir, 'wednesday');
    await nursery.succeed(['backup', '--all', '--to', backup]);
    const founding = await foundingOfFirst(ams);
    await burn(ams);
    const [first, second] = ams.nodes as [NodePlace, NodePlace, NodePlace];
    const restore = (node: NodePlace, replaced: string) =>
      lab.run([
        ...['restore', backup, '--config', ams.file, '--node', node.name, '--replace', replaced],
        ...['--yes', ams.id, '--gone', namesOf(ams)],
      ]);

    // An empty home waits, and has the port: beside it nothing is made.
    const waiting = ams.startNode(first.name);
    await until('it to answer', () => selfOf(ams.id, first.name, first.clientPort));
    const busy = await restore(first, founding);
    assert.is(busy.code, EXIT_CODES.REFUSED, busy.stderr);
    assert.match(busy.stderr, /a process on this machine has .*, a port of u-ams_0: stop it first/);
    await waiting.kill();
    rmSync(first.home, { recursive: true });

    const made = await restore(first, founding);
    assert.is(made.code, 0, made.stderr);
    const foundingOne = /begins founding ([0-9a-f]{32})/.exec(made.stdout)?.[1] ?? '';
    const status = await nursery.run(['status']);
    assert.match(
      status.stdout,
      new RegExp(`start u-ams_0, .*Founding ${foundingOne} began with the home of u-ams_0`),
    );
    assert.not.match(status.stdout, new RegExp(`--replace ${foundingOne.slice(0, 8)}`));
    const wrong = await restore(second, foundingOne);
    assert.is(wrong.code, 0, wrong.stderr);
    const told = await ams.startNode(first.name).finished();
    assert.is(told.code, EXIT_CODES.OTHER_CLUSTER, told.stderr);
    assert.match(told.stderr, /took the place of .*u-ams_1.*empty it, and start this node again/);

    // The keeper that knew is lost: the home still does.
    await burn(nursery.keeper);
    nursery.keeper.startAll();
    await nursery.keeper.master();
    const again = await ams.startNode(first.name).finished();
    assert.is(again.code, EXIT_CODES.OTHER_CLUSTER, again.stderr);
    assert.match(again.stderr, /as its keeper has told this home before/);
    const rescue = () =>
      lab.run([
        ...['rescue', 'keeper', ams.file, bru.file, '--config', nursery.keeper.file],
        ...['--yes', nursery.keeper.id, '--gone', namesOf(nursery.keeper)],
      ]);
    const early = await rescue();
    assert.is(early.code, EXIT_CODES.UNREACHABLE, early.stderr);
    ams.startNode(second.name);
    await until('the other one to wait', async () => {
      const self = await selfOf(ams.id, second.name, second.clientPort);
      return self?.master === second.name;
    });
    const rescued = await rescue();
    assert.is(rescued.code, 0, rescued.stderr);
    assert.is(await nursery.served('a'), 'first a');
    const printed = /u-ams {2}epoch (\d+)/.exec(rescued.stdout)?.[1];
    const owned = (await selfOf(ams.id, second.name, second.clientPort))?.owned ?? [];
    assert.is(printed, String(owned[0]?.epoch), 'the epochs in force are printed');
  },
);

tests.run();

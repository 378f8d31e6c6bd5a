/** In a nursery: two of three machines of a cluster are burnt, or all of them; what is typed then, and what clients see. */
import { renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as assert from 'uvu/assert';
import { EXIT_CODES, type NurseryError } from '../../src/base/errors.ts';
import type { NodeStatus } from '../../src/protocol/admin/admin.ts';
import { type NodePlace, TestCluster } from '../support/clusters.ts';
import { selfOf } from '../support/identities.ts';
import { TestNursery } from '../support/nurseries.ts';
import { labSuite } from '../support/processes.ts';
import { until } from '../support/wait.ts';

const tests = labSuite('rescue');
const COUNTER = fileURLToPath(new URL('../../../examples/functions/counter.js', import.meta.url));

async function statusOf(cluster: TestCluster, name: string): Promise<NodeStatus> {
  return await until(`${name} to answer`, () => selfOf(cluster.id, name, cluster.place(name).clientPort));
}

tests.test('a survivor of a cluster of a nursery goes on with what the map still gives it', async (lab) => {
  const nursery = await TestNursery.start(lab, { prefix: 'p', keeperSize: 1, size: 3 });
  const [ams, bru] = nursery.clusters;
  const client = await nursery.connect();
  for (const key of 'abcdefghijklmnopqrstuvwxyz') await client.set(key, `first ${key}`);
  await nursery.succeed(['migrate', ams.id, 'm', bru.id]);
  const [first, second, third] = bru.nodes as [NodePlace, NodePlace, NodePlace];
  for (const { name } of [second, third]) await bru.process(name).kill();
  await until('the lease to be over', async () => (await statusOf(bru, first.name)).master === null);
  const promote = ['rescue', 'promote', '--config', bru.file, '--node', first.name];
  const dry = await lab.run([...promote, '--dry-run']);
  assert.is(dry.code, 0, dry.stderr);
  assert.match(dry.stdout, /then the keeper says which ranges are still its own/);
  const done = await lab.run([...promote, '--yes', bru.id, '--gone', `${second.name},${third.name}`]);
  assert.is(done.code, 0, done.stderr);
  for (const key of 'amz') assert.is((await client.get(key)).toString(), `first ${key}`);
  await client.set('z', 'second');
  for (const { name, home } of [second, third]) {
    rmSync(home, { recursive: true, force: true });
    bru.startNode(name);
  }
  for (const { name } of [second, third]) await bru.caughtUp(name);
  await nursery.succeed(['migrate', ams.id, 't', bru.id]).catch(() => undefined);
  await nursery.succeed(['migrate', '--range', 'x..', '--to', ams.id]);
  assert.is((await client.get('z')).toString(), 'second', 'moves go on as ever');
  const keeper = await lab.run([
    'rescue',
    'promote',
    '--config',
    nursery.keeper.file,
    '--node',
    nursery.keeper.nodes[0]?.name ?? '',
    '--yes',
    nursery.keeper.id,
  ]);
  assert.is(keeper.code, EXIT_CODES.REFUSED, keeper.stderr);
});

tests.test(
  'all of a cluster is gone: its range comes to another one from a backup, and an empty home begins anew',
  async (lab) => {
    const nursery = await TestNursery.start(lab, { prefix: 'l', keeperSize: 1, size: 3 });
    const [ams, bru] = nursery.clusters;
    const client = await nursery.connect();
    for (const key of 'abcdefghijklmnopqrstuvwxyz') await client.set(key, `first ${key}`);
    await nursery.succeed(['migrate', ams.id, 'm', bru.id]);
    const backup = join(lab.dir, 'backup');
    await nursery.succeed(['backup', '--all', '--to', backup]);
    await client.set('z', 'after the backup');
    const lost = (...args: string[]) => nursery.run(['rescue', 'lost', bru.id, '--at', ams.id, ...args]);
    const gone = bru.nodes.map(({ name }) => name).join();
    const alive = await lost('--restore', backup, '--yes', bru.id, '--gone', gone);
    assert.is(alive.code, EXIT_CODES.REFUSED, alive.stderr);
    assert.match(alive.stderr, /of l-bru answer: it is not gone/);
    await bru.killAll();
    for (const { home } of bru.nodes) rmSync(home, { recursive: true });

    for (const args of [[], ['--restore', backup, '--empty']])
      assert.is((await lost(...args, '--yes', bru.id)).code, EXIT_CODES.USAGE);
    const some = await lost('--restore', backup, '--yes', bru.id, '--gone', bru.nodes[0]?.name ?? '');
    assert.is(some.code, EXIT_CODES.USAGE, some.stderr);
    const dry = await lost('--restore', backup, '--dry-run');
    assert.is(dry.code, 0, dry.stderr);
    assert.match(dry.stdout, /\[m\.\.end\) comes to l-ams, from the backup/);
    const done = await lost('--restore', backup, '--yes', bru.id, '--gone', gone);
    assert.is(done.code, 0, done.stderr);
    assert.match(done.stdout, /\[m\.\.end\) is served by l-ams, with 14 keys/);
    for (const key of 'amz') assert.is((await client.get(key)).toString(), `first ${key}`);
    await client.set('z', 'second');
    const again = await lost('--restore', backup);
    assert.is(again.code, 0, again.stderr);
    assert.is((await client.get('z')).toString(), 'second', 'typed again it does nothing');
    const otherwise = await lost('--empty');
    assert.is(otherwise.code, EXIT_CODES.REFUSED, otherwise.stderr);
    const words =
      /came to l-ams before, .*: restored from the image of l-bru .*, and not empty, as was asked for now/;
    for (const said of [otherwise.stdout, otherwise.stderr]) assert.match(said, words);
    const { stdout: history } = await nursery.succeed(['history', 'z']);
    assert.match(
      history,
      /by order \d+, since l-bru was lost: restored from the image of l-bru as of slot \d+/,
    );

    // Empty homes begin a new cluster of that name, which may take ranges as any other.
    bru.startAll();
    await bru.master();
    await nursery.succeed(['migrate', '--range', 'x..', '--to', bru.id]);
    assert.is((await client.get('z')).toString(), 'second');
  },
);

tests.test(
  'a survivor that has missed a move, beside a migrator: what was left behind is named, and brought elsewhere',
  async (lab) => {
    const nursery = await TestNursery.start(lab, { prefix: 's', keeperSize: 1, size: 3 });
    const [ams, bru] = nursery.clusters;
    const client = await nursery.connect();
    for (const key of 'abcdefghijklmnopqrstuvwxyz') await client.set(key, `first ${key}`);
    await nursery.succeed(['migrate', '--range', 'x..', '--to', bru.id]);
    const [first, second, third] = bru.nodes as [NodePlace, NodePlace, NodePlace];
    await bru.caughtUp(third.name);
    await bru.process(third.name).kill();
    await nursery.succeed(['migrate', '--range', 'm..p', '--to', bru.id]);
    for (const { name } of [first, second]) await bru.process(name).kill();
    // A move that has to be settled: the command, and a migrator that works on it all along.
    const stuck = nursery.start(['migrate', '--range', 'a..c', '--to', bru.id, '--json']);
    await stuck.output('the move to be planned', (text) => text.includes('planned'));
    await stuck.kill();
    nursery.start(['migrator']);
    bru.startNode(third.name);
    await statusOf(bru, third.name);
    const promote = ['rescue', 'promote', '--config', bru.file, '--node', third.name];
    const done = await lab.run([...promote, '--yes', bru.id, '--gone', `${first.name},${second.name}`]);
    assert.is(done.code, 0, done.stderr);
    assert.match(
      done.stdout,
      /^ {2}\[m\.\.p\) had come to s-bru by a move of which none that is left/m,
      'before',
    );
    assert.match(done.stdout, /^\[m\.\.p\) had come to s-bru .* nursery rescue lost s-bru --at CLUSTER/m);
    for (const key of 'acz') assert.is((await client.get(key)).toString(), `first ${key}`);
    const other = await nursery.connect();
    const value = await other.get('m', { deadlineMs: 2000 }).then(String, () => 'nobody serves it');
    assert.is(value, 'nobody serves it');
    const { stdout } = await nursery.run(['status']);
    assert.match(
      stdout,
      /^! order \d+ \(promotion or restore of s-bru\) is not done: \[m\.\.p\) of founding \w+, which is dead, nobody serves\n {4}go on with it\n {4}type: nursery rescue lost s-bru --at CLUSTER/m,
    );
    assert.is(stdout.match(/^! order .* which is dead, nobody serves/gm)?.length, 1, stdout);
    const lost = (...args: string[]) =>
      nursery.run(['rescue', 'lost', bru.id, '--at', ams.id, '--empty', '--yes', bru.id, ...args]);
    const left = await lost();
    assert.is(left.code, 0, left.stderr);
    assert.match(left.stdout, /is in force, and goes on/);
    assert.match(left.stdout, /\[m\.\.p\) is served by s-ams, with 0 keys/);
    await client.set('m', 'second');
    assert.is((await client.get('z')).toString(), 'first z', 'the survivor keeps what it has');
    const again = await lost();
    assert.is(again.code, 0, again.stderr);
    assert.match(
      again.stdout,
      /^\[m\.\.p\) came to s-ams before, by order \d+, with 0 keys, at epoch \d+: restored empty\ndone before/m,
    );
  },
);

tests.test(
  'all of the keeper is gone: a new one is told by every cluster what it has, and moves go on',
  async (lab) => {
    const nursery = await TestNursery.start(lab, { prefix: 'k', keeperSize: 3, size: 1 });
    const [ams, bru] = nursery.clusters;
    const client = await nursery.connect();
    for (const key of 'abcdefghijklmnopqrstuvwxyz') await client.set(key, `first ${key}`);
    await nursery.succeed(['migrate', ams.id, 'm', bru.id]);
    await nursery.succeed(['function', 'put', 'counter', COUNTER, '--timeout', '60']);
    const stray = await TestCluster.start(lab, { clusterId: 'k-stray', size: 1, keeper: 'itself' });
    const taking = ['rescue', 'keeper', ams.file, bru.file, '--config', stray.file];
    const before = (await statusOf(ams, ams.nodes[0]?.name ?? '')).keeper;
    for (const args of [['--dry-run'], ['--yes', stray.id, '--gone', 'k-keeper_0,k-keeper_1,k-keeper_2']]) {
      const lives = await lab.run([...taking, ...args]);
      assert.is(lives.code, EXIT_CODES.REFUSED, lives.stderr);
      assert.match(
        lives.stderr,
        /k-ams, k-bru belong to keeper k-keeper, founding \w+, and k-keeper_0 .*answer: either the wrong file/,
      );
    }
    assert.is((await statusOf(ams, ams.nodes[0]?.name ?? '')).keeper, before, 'nothing was done');
    await stray.killAll();
    await nursery.keeper.killAll();
    for (const { home } of nursery.keeper.nodes) rmSync(home, { recursive: true });
    await client.set('z', 'while there was no keeper');

    const files = [ams.file, bru.file];
    const config = ['--config', nursery.keeper.file];
    const names = nursery.keeper.nodes.map(({ name }) => name);
    const rescue = (...args: string[]) => {
      const gone = [...names, ...bru.nodes.map(({ name }) => name)].join();
      return lab.run(['rescue', 'keeper', ...args, ...config, '--yes', nursery.keeper.id, '--gone', gone]);
    };
    nursery.keeper.startAll();
    await nursery.keeper.master();
    const init = await nursery.run(['init', ams.id]);
    assert.is(init.code, EXIT_CODES.REFUSED, init.stderr);
    const heard =
      /the router still has the map of another one, founding \w+, with the keys of k-ams, k-bru\. .*no init: nursery rescue keeper /;
    assert.match(init.stderr.split('\n')[0] ?? '', heard, 'before the keeper is asked');
    const early = await nursery.run(['function', 'put', 'early', COUNTER]);
    assert.is(early.code, EXIT_CODES.REFUSED, early.stderr);
    assert.match(early.stderr, /this keeper has no map yet/);
    const nothing = await rescue();
    assert.is(nothing.code, EXIT_CODES.USAGE, nothing.stderr);
    const alive = await rescue(ams.file, '--lost', bru.file);
    assert.is(alive.code, EXIT_CODES.REFUSED, alive.stderr);
    assert.match(alive.stderr, /of k-bru answers: it is not gone/);
    const unsaid = await lab.run(['rescue', 'keeper', ...files, ...config, '--yes', nursery.keeper.id]);
    assert.is(unsaid.code, EXIT_CODES.USAGE, unsaid.stderr);
    assert.match(unsaid.stderr, /nothing was done; in a script --gone k-keeper_0\S* says it/);
    const unnamed = await rescue(...files, '--gone', names[0] ?? '');
    assert.is(unnamed.code, EXIT_CODES.USAGE, unnamed.stderr);
    const some = await rescue(ams.file);
    assert.is(some.code, EXIT_CODES.REFUSED, some.stderr);
    assert.match(some.stderr, /nobody owns \[m\.\.end\): k-bru had it last/);
    assert.is((await client.get('z')).toString(), 'while there was no keeper', 'it is served as before');
    const done = await rescue(...files);
    assert.is(done.code, 0, done.stderr);
    assert.match(done.stdout, /\["?"?\.\.m\) {2}k-ams/);
    assert.match(done.stdout, /^functions that it goes on with: counter$/m);
    assert.match(done.stdout, /\[m\.\.end\) {2}k-bru/);
    const again = await rescue(...files);
    assert.is(again.code, 0, again.stderr);
    assert.match(again.stdout, /done before/);

    for (const key of 'amy') assert.is((await client.get(key)).toString(), `first ${key}`);
    await nursery.succeed(['migrate', '--range', 'x..', '--to', ams.id]);
    assert.is((await client.get('z')).toString(), 'while there was no keeper', 'the router follows');
    await client.set('z', 'second');

    // Nobody is left who could tell the router where these keys are now, but the map of the new keeper.
    await bru.killAll();
    const lost = ['rescue', 'lost', bru.id, '--at', ams.id, '--empty', '--yes', bru.id];
    await nursery.succeed([...lost, '--gone', bru.nodes.map(({ name }) => name).join()]);
    await client.set('p', 'third');
    assert.is((await client.get('p')).toString(), 'third', 'the router that has run all along');

    await ams.process(ams.nodes[0]?.name ?? '').kill();
    ams.startNode(ams.nodes[0]?.name ?? '');
    assert.is(await nursery.served('z'), 'second', 'ams serves again');
    await nursery.router.kill();
    await nursery.startRouter();
    const fresh = await nursery.connect();
    assert.is((await fresh.get('z')).toString(), 'second');
  },
);

tests.test(
  'keeper and cluster are gone together: the map names what is lost, and another one gets it',
  async (lab) => {
    const nursery = await TestNursery.start(lab, { prefix: 'b', keeperSize: 1, size: 1 });
    const [ams, bru] = nursery.clusters;
    const client = await nursery.connect();
    for (const key of 'amz') await client.set(key, `first ${key}`);
    await nursery.succeed(['migrate', ams.id, 'm', bru.id]);
    for (const cluster of [bru, nursery.keeper]) {
      await cluster.killAll();
      for (const { home } of cluster.nodes) rmSync(home, { recursive: true });
    }
    nursery.keeper.startAll();
    await nursery.keeper.master();
    const names = [...nursery.keeper.nodes, ...bru.nodes].map(({ name }) => name);
    const rescue = (gone: readonly string[]) =>
      lab.run(
        ['rescue', 'keeper', ams.file, '--lost', bru.file, '--config', nursery.keeper.file].concat([
          '--yes',
          nursery.keeper.id,
          '--gone',
          gone.join(),
        ]),
      );
    const some = await rescue(names.slice(0, 1));
    assert.is(some.code, EXIT_CODES.USAGE, some.stderr);
    assert.match(some.stderr, /--gone does not name b-bru_0/);
    const done = await rescue(names);
    assert.is(done.code, 0, done.stderr);
    assert.match(done.stdout, /b-bru_0 {2}does not answer/);
    assert.match(done.stdout, /\[m\.\.end\) {2}b-bru/);
    const lost = ['rescue', 'lost', bru.id, '--at', ams.id, '--empty', '--config', nursery.keeper.file];
    const brought = await lab.run([...lost, '--yes', bru.id, '--gone', bru.nodes[0]?.name ?? '']);
    assert.is(brought.code, 0, brought.stderr);
    assert.match(brought.stdout, /\[m\.\.end\) is served by b-ams, with 0 keys/);
    await nursery.router.kill();
    await nursery.startRouter();
    const fresh = await nursery.connect();
    assert.is((await fresh.get('a')).toString(), 'first a');
    await fresh.set('z', 'second');
  },
);

tests.test(
  'keeper and most of a cluster burn together: the survivor is promoted, and waits for the new keeper',
  async (lab) => {
    const nursery = await TestNursery.start(lab, { prefix: 'w', keeperSize: 1, size: 3 });
    const [ams, bru] = nursery.clusters;
    const client = await nursery.connect();
    for (const key of 'abcdefghijklmnopqrstuvwxyz') await client.set(key, `first ${key}`);
    await nursery.succeed(['migrate', ams.id, 'm', bru.id]);
    const [first, second, third] = bru.nodes as [NodePlace, NodePlace, NodePlace];
    await bru.caughtUp(third.name);
    await nursery.keeper.killAll();
    for (const { name } of [first, second]) await bru.process(name).kill();
    for (const { home } of nursery.keeper.nodes) rmSync(home, { recursive: true });
    await until('the lease to be over', async () => (await statusOf(bru, third.name)).role === 'candidate');
    nursery.keeper.startAll();
    await nursery.keeper.master();

    const keeper = ['rescue', 'keeper', ams.file, bru.file, '--config', nursery.keeper.file];
    const vow = ['--yes', nursery.keeper.id, '--gone', nursery.keeper.nodes.map(({ name }) => name).join()];
    const early = await lab.run([...keeper, ...vow]);
    assert.is(early.code, EXIT_CODES.NO_MASTER, early.stderr);
    assert.match(early.stderr, /has no master: .*nursery rescue promote comes first/);
    const promote = ['rescue', 'promote', '--config', bru.file, '--node', third.name, '--yes', bru.id];
    const half = await lab.run([...promote, '--gone', first.name]);
    assert.is(half.code, EXIT_CODES.USAGE, half.stderr);
    assert.match(half.stderr, new RegExp(`does not name ${second.name}.*nothing was done`));
    assert.is((await statusOf(bru, third.name)).role, 'candidate', 'nothing was done');
    const waiting = lab.run([...promote, '--gone', `${first.name},${second.name}`]);
    await until('the survivor to wait', async () => {
      const { master, waitsFor } = await statusOf(bru, third.name);
      return master === third.name && waitsFor !== null;
    });
    const done = await lab.run([...keeper, ...vow]);
    assert.is(done.code, 0, done.stderr);
    const promoted = await waiting;
    assert.is(promoted.code, 0, promoted.stderr);
    for (const key of 'amz') assert.is((await client.get(key)).toString(), `first ${key}`);
    await client.set('z', 'second');
    const again = await lab.run([...keeper, ...vow]);
    assert.is(again.code, 0, again.stderr);
    assert.match(again.stdout, /done before/);
    const nothing = ['rescue', 'lost', ams.id, '--at', bru.id, '--empty', '--range', 'x..y', '--yes', ams.id];
    const typo = await nursery.run(nothing);
    assert.is(typo.code, EXIT_CODES.REFUSED, typo.stderr);

    // That keeper is lost too; once another one has taken its place, a home of it is started again.
    const [{ name, home }] = nursery.keeper.nodes as [NodePlace];
    await nursery.keeper.killAll();
    renameSync(home, join(lab.dir, 'an old home of the keeper'));
    nursery.keeper.startAll();
    const last = await lab.run([...keeper, ...vow]);
    assert.is(last.code, 0, last.stderr);
    const { founding: later } = await statusOf(nursery.keeper, name);
    await nursery.keeper.killAll();
    rmSync(home, { recursive: true });
    renameSync(join(lab.dir, 'an old home of the keeper'), home);
    nursery.keeper.startAll();
    await nursery.keeper.master();
    const taken = await lab.run([...keeper, ...vow]);
    assert.is(taken.code, EXIT_CODES.REFUSED, taken.stderr);
    assert.match(
      taken.stderr,
      new RegExp(
        `w-ams, w-bru belong to founding ${later}: .*place was taken.*homes are of founding ${later}`,
      ),
    );
  },
);

tests.test(
  'a cluster that was said to be lost lives, and the keeper is lost: two own a range, and one of them yields',
  async (lab) => {
    const nursery = await TestNursery.start(lab, { prefix: 'z', keeperSize: 1, size: 1 });
    const [ams, bru] = nursery.clusters;
    const client = await nursery.connect();
    for (const key of 'amz') await client.set(key, `first ${key}`);
    await nursery.succeed(['migrate', ams.id, 'm', bru.id]);
    await bru.killAll();
    const gone = bru.nodes.map(({ name }) => name).join();
    const vow = ['--yes', bru.id, '--gone', gone];
    await nursery.succeed(['rescue', 'lost', bru.id, '--at', ams.id, '--empty', ...vow]);
    await client.set('m', 'second m');
    await nursery.keeper.killAll();
    for (const { home } of nursery.keeper.nodes) rmSync(home, { recursive: true });
    bru.startAll(); // a false word
    nursery.keeper.startAll();
    await nursery.keeper.master();
    await until('bru to have a master', async () => {
      const [{ name }] = bru.nodes as [NodePlace];
      return (await statusOf(bru, name)).role === 'master';
    });
    const keeper = (...args: string[]) =>
      lab.run(
        ['rescue', 'keeper', ams.file, bru.file, '--config', nursery.keeper.file].concat(
          ['--yes', nursery.keeper.id, '--gone', nursery.keeper.nodes.map(({ name }) => name).join()],
          args,
        ),
      );
    const both = await keeper();
    assert.is(both.code, EXIT_CODES.REFUSED, both.stderr);
    assert.match(both.stderr, /\[m\.\.end\) is owned by .*z-ams at epoch \d+.*--yields CLUSTER/);
    assert.is((await keeper('--yields', 'z-oslo')).code, EXIT_CODES.USAGE);
    const dry = await keeper('--dry-run');
    assert.is(dry.code, EXIT_CODES.REFUSED, dry.stderr);
    assert.match(dry.stderr, /nothing was done: \[m\.\.end\) is owned by/);
    const idle = await keeper('--yields', `${bru.id}=m..,${ams.id}=a..b`);
    assert.is(idle.code, EXIT_CODES.REFUSED, idle.stderr);
    assert.match(idle.stderr, /--yields z-ams in \[a\.\.b\): no other cluster owns any of that/);
    const done = await keeper('--yields', `${bru.id}=m..`);
    assert.is(done.code, 0, done.stderr);
    assert.match(done.stdout, /^lost: rows of z-bru in \[m\.\.end\) are deleted: z-ams keeps it$/m);
    assert.is((await client.get('m')).toString(), 'second m');
    const direct = await bru.connect(bru.nodes[0]?.name ?? '');
    const there = await until('the keeper to say that it is in force', async () => {
      const said = await direct.get('m').then(String, (error: NurseryError) => error.code);
      return said === 'GOING_DOWN' ? null : said;
    });
    assert.is(there, 'OUT_OF_RANGE', 'who has yielded serves none of it');
    await nursery.succeed(['migrate', '--range', 'm..', '--to', bru.id]);
    assert.is((await client.get('m')).toString(), 'second m', 'no row of before is left there');
    assert.is(await client.exists('z'), false);
  },
);

tests.test(
  'two of three machines of the keeper are burnt: the third begins anew, and is told by every cluster what it has',
  async (lab) => {
    const nursery = await TestNursery.start(lab, { prefix: 'v', keeperSize: 3, size: 1 });
    const [ams, bru] = nursery.clusters;
    const { keeper } = nursery;
    const client = await nursery.connect();
    for (const key of 'amz') await client.set(key, `first ${key}`);
    await nursery.succeed(['migrate', ams.id, 'm', bru.id]);
    const [first, second, third] = keeper.nodes as [NodePlace, NodePlace, NodePlace];
    for (const { name } of [second, third]) await keeper.process(name).kill();
    const old = join(lab.dir, 'an old home of the keeper');
    renameSync(third.home, old);
    await until('the lease to be over', async () => (await statusOf(keeper, first.name)).master === null);
    const burnt = `${second.name},${third.name}`;
    const promote = ['rescue', 'promote', '--config', keeper.file, '--node', first.name, '--yes', keeper.id];
    const done = await lab.run([...promote, '--gone', burnt]);
    assert.is(done.code, 0, done.stderr);
    assert.match(done.stdout, /v-keeper is the keeper: .*It begins anew, with no map/);
    assert.match(done.stdout, /v-keeper has no map: now nursery rescue keeper FILE/);
    assert.is((await client.get('z')).toString(), 'first z', 'clusters and routers go on');
    const rescue = await lab.run(
      ['rescue', 'keeper', ams.file, bru.file, '--config', keeper.file].concat([
        '--yes',
        keeper.id,
        '--gone',
        burnt,
      ]),
    );
    assert.is(rescue.code, 0, rescue.stderr);
    assert.match(rescue.stdout, /^ {2}v-keeper_0 {2}runs as a node of this keeper, and need not be named$/m);
    assert.match(rescue.stdout, /^ {2}v-keeper_1 {2}of the keeper that is lost must be off/m);
    for (const { name, home } of [second, third]) {
      rmSync(home, { recursive: true, force: true });
      keeper.startNode(name);
    }
    for (const { name } of [second, third]) await keeper.caughtUp(name);
    await nursery.succeed(['migrate', '--range', 'x..', '--to', ams.id]);
    for (const key of 'amz') assert.is((await client.get(key)).toString(), `first ${key}`);
    await keeper.process(third.name).kill();
    rmSync(third.home, { recursive: true });
    renameSync(old, third.home);
    const stopped = await keeper.startNode(third.name).finished();
    assert.is(stopped.code, EXIT_CODES.OTHER_CLUSTER, stopped.stderr);
  },
);

tests.run();

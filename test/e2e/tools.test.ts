/** The tools for one node: questions to it, its log and store, bringing it up to date; and the state of all in one file. */
import { appendFileSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { EXIT_CODES } from '../../src/base/errors.ts';
import { TestCluster } from '../support/clusters.ts';
import { TestNursery } from '../support/nurseries.ts';
import { type Finished, type Lab, labSuite } from '../support/processes.ts';

const tests = labSuite('tools');
let shared: Promise<TestCluster> | null = null;

function oslo(lab: Lab): Promise<TestCluster> {
  shared ??= TestCluster.start(lab, { clusterId: 'oslo', extra: { tlog_max_size: '20_000' } });
  return shared;
}

function runAt(lab: Lab, cluster: TestCluster, words: readonly string[], node: string): Promise<Finished> {
  return lab.run([...words, '--config', cluster.file, '--node', node]);
}

async function succeeds(
  lab: Lab,
  cluster: TestCluster,
  words: readonly string[],
  node: string,
): Promise<string> {
  const finished = await runAt(lab, cluster, words, node);
  assert.is(finished.code, 0, `${words.join(' ')}: ${finished.stderr}`);
  return finished.stdout.trimEnd();
}

tests.test('node WORD asks one node, or has it do something', async (lab) => {
  const cluster = await oslo(lab);
  const client = await cluster.connect(await cluster.master());
  for (let n = 0; n < 40; n += 1) await client.set(`key/${n}`, Buffer.alloc(2000, 'v'));
  const before = await cluster.master();
  assert.is(await succeeds(lab, cluster, ['node', 'state'], before), 'Stable_master');
  assert.is(await succeeds(lab, cluster, ['node', 'expect-progress'], before), 'true');
  assert.match(await succeeds(lab, cluster, ['node', 'statistics'], before), /^start\t\d/);
  assert.match(await succeeds(lab, cluster, ['node', 'version'], before), 'Arakoon 1.9');
  assert.match(await succeeds(lab, cluster, ['node', 'flush'], before), 'is in its store');
  const dropped = await succeeds(lab, cluster, ['node', 'collapse', '--keep', '1', '--json'], before);
  assert.ok(JSON.parse(dropped).dropped > 0);
  const refused = await runAt(lab, cluster, ['node', 'defrag'], before);
  assert.is(refused.code, EXIT_CODES.REFUSED);
  assert.match(refused.stderr, 'master');
  assert.match(refused.stderr, 'nursery node drain');
  const after = JSON.parse(await succeeds(lab, cluster, ['node', 'drop-master', '--json'], before));
  assert.is.not(after.master, before);
  assert.is.not(after.master, null);
  assert.match(await succeeds(lab, cluster, ['node', 'defrag'], before), 'was rewritten');
  const unknown = await runAt(lab, cluster, ['node', 'dance'], before);
  assert.is(unknown.code, EXIT_CODES.USAGE);
  assert.match(unknown.stderr, /dance: known are state, drop-master/);
});

tests.test('log dump and verify read a log beside the node, and change nothing', async (lab) => {
  const cluster = await oslo(lab);
  const name = await cluster.follower();
  const client = await cluster.connect(await cluster.master());
  await client.sequence([
    { kind: 'set', key: 'dumped', value: 'a value' },
    { kind: 'delete', key: 'key/1' },
  ]);
  await cluster.caughtUp(name);
  assert.match(await succeeds(lab, cluster, ['log', 'verify'], name), /whole: every record/);
  const dump = await succeeds(lab, cluster, ['log', 'dump', '--json'], name);
  const records = dump.split('\n').map((line) => JSON.parse(line));
  const record = records.find(({ updates }) => JSON.stringify(updates ?? '').includes('dumped'));
  assert.equal(record.updates, [
    {
      kind: 'sequence',
      updates: [
        { kind: 'set', key: 'dumped', value: '7 bytes' },
        { kind: 'delete', key: 'key/1' },
      ],
    },
  ]);
  const words = ['log', 'dump', '--from', String(record.slot), '--to', String(record.slot), '--values'];
  assert.match(await succeeds(lab, cluster, words, name), /"value":"a value"/);
  const { code, stdout, stderr } = await runAt(lab, cluster, ['log', 'dump', '--from', '999999'], name);
  assert.equal([code, stdout], [0, '']);
  assert.match(
    stderr,
    /no record is of slots 999999 to the end: the log of oslo_\d begins with slot \d+ and ends/,
  );
});

tests.test('a cluster of one has nobody else to rewrite a store: what can be done is said', async (lab) => {
  const cluster = await TestCluster.start(lab, { clusterId: 'lone', size: 1 });
  const { code, stderr } = await runAt(lab, cluster, ['node', 'defrag'], 'lone_0');
  assert.is(code, EXIT_CODES.REFUSED, stderr);
  assert.match(stderr, /lone_0 is the only node of its cluster.*nursery backup.*nursery restore/);
  assert.not.match(stderr, 'another node');
});

tests.test('what a dump cannot show is refused, with what was typed', async (lab) => {
  const cluster = await oslo(lab);
  const [one] = cluster.nodes;
  for (const [words, why] of [
    [['log', 'dump', '--from', '5', '--to', '2'], /--from 5 --to 2: the wrong way round/],
    [['store', 'dump', '--table', 'nope'], /--table nope: there is none of that name; known are data, /],
  ] as const) {
    const { code, stderr } = await runAt(lab, cluster, [...words], one?.name ?? '');
    assert.is(code, EXIT_CODES.USAGE, stderr);
    assert.match(stderr, why);
  }
});

tests.test('log verify names what is damaged, with the exit code that the node would have', async (lab) => {
  const cluster = await TestCluster.start(lab, {
    clusterId: 'rot',
    size: 1,
    extra: { tlog_max_size: '20_000' },
  });
  const client = await cluster.connect('rot_0');
  for (let n = 0; n < 40; n += 1) await client.set(`key/${n}`, Buffer.alloc(2000, 'v'));
  await cluster.process('rot_0').terminate();
  const folder = join(cluster.place('rot_0').home, 'tlog');
  const [first] = readdirSync(folder)
    .filter((file) => file.endsWith('.tlog'))
    .sort();
  const path = join(folder, first as string);
  const bytes = readFileSync(path);
  const at = bytes.indexOf('key/') + 100;
  bytes[at] = (bytes[at] as number) ^ 1;
  writeFileSync(path, bytes);
  const finished = await runAt(lab, cluster, ['log', 'verify'], 'rot_0');
  assert.is(finished.code, EXIT_CODES.LOG_DAMAGED, finished.stderr);
  assert.match(finished.stderr, path);

  const home = cluster.place('rot_0').home;
  const refused = async (words: string[], why: RegExp): Promise<void> => {
    const { code, stderr } = await runAt(lab, cluster, words, 'rot_0');
    assert.is(code, EXIT_CODES.HOME_UNUSABLE, stderr);
    assert.match(stderr, why);
  };
  for (const file of readdirSync(folder)) rmSync(join(folder, file));
  for (const what of ['verify', 'dump']) await refused(['log', what], /there is no log in .*its log is lost/);
  for (const gone of [folder, home]) {
    rmSync(gone, { recursive: true });
    for (const what of ['verify', 'dump']) await refused(['log', what], /there is no log in/);
    for (const what of ['digest', 'dump']) await refused(['store', what], /there is no home in/);
  }
  assert.not(existsSync(home), 'nothing is made where nothing is');
});

tests.test(
  'store digest: the same at stopped nodes of one slot; dump shows keys, and values if asked',
  async (lab) => {
    const cluster = await oslo(lab);
    const master = await cluster.master();
    const running = await runAt(lab, cluster, ['store', 'digest'], master);
    assert.is(running.code, EXIT_CODES.HOME_IN_USE, 'not behind the back of whoever writes it');
    for (const { name } of cluster.nodes) await cluster.caughtUp(name);
    await Promise.all(cluster.nodes.map(({ name }) => cluster.process(name).terminate()));
    const digests = new Map<number, Set<string>>();
    for (const { name } of cluster.nodes) {
      const { slot, digest } = JSON.parse(await succeeds(lab, cluster, ['store', 'digest', '--json'], name));
      digests.set(slot, (digests.get(slot) ?? new Set()).add(digest));
    }
    for (const [slot, all] of digests) assert.is(all.size, 1, `slot ${slot}: ${[...all].join(' ')}`);
    assert.ok(digests.size < cluster.nodes.length, 'two nodes at least ended at one slot');
    const [one] = cluster.nodes;
    const dump = await succeeds(lab, cluster, ['store', 'dump', '--table', 'data'], one?.name ?? '');
    assert.match(dump, /data\tdumped\t7 bytes/);
    const values = await succeeds(lab, cluster, ['store', 'dump', '--values', '--json'], one?.name ?? '');
    assert.match(values, '{"table":"data","key":"dumped","value":"a value"}');
    cluster.startAll();
    await cluster.master();
  },
);

tests.test(
  'catchup fills the home of a stopped node, which has all of it when it starts alone',
  async (lab) => {
    const cluster = await oslo(lab);
    const name = await cluster.follower();
    const running = await runAt(lab, cluster, ['catchup'], name);
    assert.is(running.code, EXIT_CODES.HOME_IN_USE);
    await cluster.process(name).terminate();
    const client = await cluster.connect(await cluster.master());
    for (let n = 0; n < 50; n += 1) await client.set(`later/${n}`, `value ${n}`);
    const said = JSON.parse(await succeeds(lab, cluster, ['catchup', '--json'], name));
    assert.ok(said.after > said.before + 10, JSON.stringify(said));
    const dump = await succeeds(lab, cluster, ['store', 'dump', '--table', 'data'], name);
    assert.match(dump, 'later/49');
    const again = await succeeds(lab, cluster, ['catchup', '--source', said.source], name);
    assert.match(again, /has (all that|everything up to)/);
    await succeeds(lab, cluster, ['log', 'verify'], name);
    cluster.startNode(name);
    await cluster.caughtUp(name);
    const seen = await cluster.ask(name, (one) =>
      one.get('later/49', { consistency: { kind: 'noGuarantees' } }),
    );
    assert.is(seen.toString(), 'value 49');
    assert.match(await succeeds(lab, cluster, ['log', 'dump'], name), 'snapshot');
  },
);

tests.test('catchup leaves an empty home to the node itself', async (lab) => {
  const cluster = await oslo(lab);
  const name = await cluster.follower();
  await cluster.process(name).kill();
  const { home } = cluster.place(name);
  const elsewhere = join(lab.dir, 'empty.ini');
  writeFileSync(elsewhere, readFileSync(cluster.file, 'utf8').replace(home, `${home}-empty`));
  const finished = await lab.run(['catchup', '--config', elsewhere, '--node', name]);
  assert.is(finished.code, EXIT_CODES.REFUSED, finished.stderr);
  assert.match(finished.stderr, 'belongs to no cluster yet');
  cluster.startNode(name);
  await cluster.caughtUp(name);
});

tests.test('a fatal error leaves the last lines of every level beside the log', async (lab) => {
  const cluster = await oslo(lab);
  const name = await cluster.master();
  const second = await runAt(lab, cluster, ['node'], name);
  assert.is(second.code, EXIT_CODES.HOME_IN_USE);
  const { home } = cluster.place(name);
  const last = readdirSync(home).filter((file) => file.startsWith(`${name}.last-`));
  assert.ok(last.length > 0);
  assert.match(readFileSync(join(home, last.at(-1) ?? ''), 'utf8'), '"level":"error"');
});

tests.test('a configuration may lie in a cluster', async (lab) => {
  const cluster = await oslo(lab);
  const other = await TestCluster.create(lab, { clusterId: 'remote', size: 1 });
  const client = await cluster.connect(await cluster.master());
  await client.set('configs/remote.ini', readFileSync(other.file));
  const url = `arakoon://oslo/configs/remote.ini?ini=${encodeURIComponent(cluster.file)}`;
  const node = lab.start('remote_0', ['node', '--config', url, '--node', 'remote_0']);
  await node.output('the node to be up', (text) => text.includes('clients at port'));
  const set = await lab.run(['set', `--config=${url}`, 'key', 'value']);
  assert.is(set.code, 0, set.stderr);
  await client.set('/configs/remote.ini', 'no configuration');
  const asArakoon = await lab.run(['get', '--config', url, 'key']);
  assert.is(asArakoon.code, EXIT_CODES.CONFIG, 'with its slash the path is the key, as with Arakoon');
  assert.match(asArakoon.stderr, 'arakoon://oslo/configs/remote.ini');
  const missing = await lab.run(['get', '--config', url.replace('remote', 'nobody'), 'key']);
  assert.is(missing.code, EXIT_CODES.CONFIG);
  assert.match(missing.stderr, 'has neither the key /configs/nobody.ini nor configs/nobody.ini');
  await node.kill();
});

tests.test('dump-state: every process in one file, without values', async (lab) => {
  const nursery = await TestNursery.start(lab, { prefix: 'dump', keeperSize: 1, size: 1 });
  const client = await nursery.connect();
  await client.set('a key', 'a secret value');
  const slow = { msg: 'a request took long', kind: 'set', key: 'a key', ms: 1200 };
  appendFileSync(join(lab.dir, 'dump-router.log'), `${JSON.stringify(slow)}\n`);
  const to = join(lab.dir, 'state.json');
  const finished = await lab.run(['dump-state', '--config', nursery.file, '--to', to]);
  assert.is(finished.code, 0, finished.stderr);
  const text = readFileSync(to, 'utf8');
  assert.not.match(text, 'a secret value');
  assert.match(text, 'a request took long', "the router's own log too");
  assert.not.match(text, 'a key');
  const state = JSON.parse(text);
  const nodes = state.clusters.flatMap(({ nodes: all }: { nodes: { name: string; state: string }[] }) => all);
  assert.equal(
    nodes.map(({ name }: { name: string }) => name).sort(),
    [
      ...nursery.keeper.nodes.map(({ name }) => name),
      ...nursery.clusters.flatMap(({ nodes: all }) => all.map(({ name }) => name)),
    ].sort(),
  );
  for (const node of nodes) assert.is(node.state, 'Stable_master', node.name);
  assert.is(state.router.nodes[0].state, 'ROUTING');
  const again = await lab.run(['dump-state', '--config', nursery.file, '--to', to]);
  assert.is(again.code, EXIT_CODES.HOME_UNUSABLE);
  assert.match(again.stderr, 'is there already');
  const own = nursery.clusters[0];
  const ofCluster = await lab.run(['dump-state', '--config', own.file]);
  assert.match(
    JSON.parse(ofCluster.stdout).logs[join(own.nodes[0]?.home ?? '', `${own.nodes[0]?.name}.log`)].join(),
    'node is up',
  );
});

tests.run();

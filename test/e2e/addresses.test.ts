/** Addresses, whoever wrote them: what can be dialled is dialled, and nothing else harms a process that meets it. */
import { readFileSync, writeFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { EXIT_CODES, type NurseryError, RETURN_CODES } from '../../src/base/errors.ts';
import { ClusterClient } from '../../src/client/cluster-client.ts';
import { renderRouterIni } from '../../src/config/render.ts';
import { encodePrologue, encodeRequest } from '../../src/protocol/arakoon/requests.ts';
import { Raw } from '../src/port/raw.ts';
import { TestCluster } from '../support/clusters.ts';
import { freePorts, type Lab, labSuite } from '../support/processes.ts';
import { until } from '../support/wait.ts';

const tests = labSuite('addresses');

/** Loopback by IPv6, and the name of its interface, which is its zone; null where this machine has none. */
const LOOPBACK_ZONE =
  Object.entries(networkInterfaces()).find(([, all]) => all?.some(({ address }) => address === '::1'))?.[0] ??
  null;

/** A cluster of one at `ip`. */
async function clusterAt(lab: Lab, id: string, ip: string, keeper: TestCluster | null): Promise<TestCluster> {
  const cluster = await TestCluster.create(lab, {
    clusterId: id,
    size: 1,
    keeper: keeper === null ? 'itself' : keeper.config,
  });
  const ini = readFileSync(cluster.file, 'utf8');
  writeFileSync(cluster.file, ini.replace('ip = 127.0.0.1', `ip = ${ip}`));
  return cluster;
}

async function routerFile(lab: Lab, name: string, keeper: TestCluster, ip = 'localhost'): Promise<string> {
  const [port] = await freePorts(1);
  const file = join(lab.dir, `${name}.ini`);
  const draft = { name, clusterId: 'front', ip, port: port as number, logDir: lab.dir };
  writeFileSync(file, renderRouterIni({ ...draft, keeper: keeper.config }));
  return file;
}

tests.test('IPv6 with a zone, with brackets, and names: all of the nursery reaches them', async (lab) => {
  const keeper = await clusterAt(lab, 'way-keeper', '127.0.0.1', null);
  const zone = LOOPBACK_ZONE === null ? 'localhost' : `::1%${LOOPBACK_ZONE}`;
  const ams = await clusterAt(lab, 'way-ams', zone, keeper);
  const bru = await clusterAt(lab, 'way-bru', LOOPBACK_ZONE === null ? '127.0.0.1' : '[::1]', keeper);
  for (const cluster of [keeper, ams, bru]) cluster.startAll();
  const file = await routerFile(lab, 'way-router', keeper);
  const router = lab.start('router', ['router', '--config', file]);
  const run = async (command: string, ...args: string[]): Promise<string> => {
    const { code, stdout, stderr } = await lab.run([command, '--config', file, ...args]);
    assert.is(code, 0, `${command}: ${stderr}`);
    return stdout;
  };
  await run('init', ams.id);
  await run('set', 'k', 'value');
  await run('migrate', ams.id, 'a', bru.id);
  assert.is(await run('get', 'k'), 'value');
  assert.match(await run('status'), /bru_0 {2}master/);
  assert.is((await router.terminate()).code, 0);
  await Promise.all([keeper, ams, bru].map((cluster) => cluster.killAll()));
});

tests.test('an address that is none: 66 with file, line, key and what is allowed', async (lab) => {
  const bad = ['bad host', '127.0.0.1:4000', 'http://10.0.0.1', '999.1.1.1'];
  const outcomes = bad.map(async (ip, index) => {
    const cluster = await clusterAt(lab, `bad${index}`, ip, null);
    const lines = readFileSync(cluster.file, 'utf8').split('\n');
    const line = lines.indexOf(`ip = ${ip}`) + 1;
    const command = index % 2 === 0 ? ['node', '--node', `bad${index}_0`] : ['status'];
    const { code, stderr } = await lab.run([...command, '--config', cluster.file]);
    assert.is(code, EXIT_CODES.CONFIG, stderr);
    assert.ok(stderr.startsWith(`nursery: ${cluster.file}:${line}: [bad${index}_0] ip = ${ip}: `), stderr);
    assert.match(stderr, /allowed is an IPv4 address/);
    assert.is(stderr.trim().split('\n').length, 1, stderr);
  });
  await Promise.all(outcomes);
  // One port for two purposes, and a name that is a path.
  const twice = await clusterAt(lab, 'twice', '127.0.0.1', null);
  const ini = readFileSync(twice.file, 'utf8');
  const { clientPort, messagingPort } = twice.place('twice_0');
  writeFileSync(twice.file, ini.replace(`${messagingPort}`, `${clientPort}`));
  const shared = await lab.run(['node', '--config', twice.file, '--node', 'twice_0']);
  assert.is(shared.code, EXIT_CODES.CONFIG, shared.stderr);
  assert.match(shared.stderr, /is \[twice_0\] client_port already/);
  writeFileSync(twice.file, ini.replaceAll('twice_0', '../twice_0'));
  const path = await lab.run(['node', '--config', twice.file, '--node', '../twice_0']);
  assert.is(path.code, EXIT_CODES.CONFIG, path.stderr);
  assert.match(path.stderr, /a name is no path/);
  // A peer that cannot be reached: the section that lacks the key.
  const mute = await TestCluster.create(lab, { clusterId: 'mute', size: 2 });
  const port = `messaging_port = ${mute.place('mute_1').messagingPort}`;
  writeFileSync(mute.file, readFileSync(mute.file, 'utf8').replace(port, ''));
  const lacking = await lab.run(['node', '--config', mute.file, '--node', 'mute_0']);
  assert.is(lacking.code, EXIT_CODES.CONFIG, lacking.stderr);
  const section = readFileSync(mute.file, 'utf8').split('\n').indexOf('[mute_1]') + 1;
  const needs = `${mute.file}:${section}: [mute_1] has no messaging_port: each member needs one`;
  assert.is(lacking.stderr, `nursery: ${needs}\n`);
});

tests.test(
  'an address of another machine: 66 with file, line and key, for nodes and routers',
  async (lab) => {
    const foreign = '192.0.2.1'; // for documentation only; no machine has it
    const node = await clusterAt(lab, 'far', foreign, null);
    const router = await routerFile(lab, 'far-router', node, foreign);
    const starts = [
      { file: node.file, section: 'far_0', args: ['node', '--node', 'far_0'] },
      { file: router, section: 'router', args: ['router'] },
    ];
    const outcomes = starts.map(async ({ file, section, args }) => {
      const { code, stderr } = await lab.run([...args, '--config', file]);
      assert.is(code, EXIT_CODES.CONFIG, stderr);
      const lines = readFileSync(file, 'utf8').split('\n');
      const line = lines.indexOf(`ip = ${foreign}`, lines.indexOf(`[${section}]`)) + 1;
      const place = `nursery: ${file}:${line}: [${section}] ip = ${foreign}: ${foreign}:`;
      assert.ok(stderr.startsWith(place), stderr);
      assert.match(stderr, /^[^\n]*:\d+ is no address of this machine\n$/);
    });
    await Promise.all(outcomes);
  },
);

tests.test("the keeper takes no addresses that are none, over links or by Arakoon's 1f", async (lab) => {
  const keeper = await TestCluster.start(lab, { clusterId: 'door', size: 1, keeper: 'itself' });
  const client = new ClusterClient(keeper.config, { role: 'client', node: 'test' });
  lab.closing(() => client.close());
  const node = { name: 'n1', ips: ['10.0.0.1'], port: 4000 };
  const wrong = [
    [{ ...node, ips: ['::1 lo'] }],
    [{ ...node, port: 70_000 }],
    [{ ...node, name: '../n1' }],
    [node, { ...node, name: 'n2' }],
    [node, { ...node, port: 4001 }],
    [],
  ];
  for (const nodes of wrong) {
    await client.command({ kind: 'setClusterConfig', cluster: 'other', nodes }).then(
      (answer) => assert.unreachable(JSON.stringify(answer)),
      (error: NurseryError) => assert.is(error.code, 'BAD_INPUT', error.message),
    );
    const raw = await Raw.connect(keeper.place('door_0').clientPort);
    lab.closing(() => raw.socket.destroy());
    raw.send(encodePrologue('door'), encodeRequest({ kind: 'setNurseryConfig', cluster: 'other', nodes }));
    assert.is((await raw.read(4)).readUInt32LE(), RETURN_CODES.BAD_INPUT);
  }
  const answer = await client.command({ kind: 'setClusterConfig', cluster: 'other', nodes: [node] });
  assert.is(answer.kind, 'ok');
  await keeper.killAll();
});

tests.test(
  'a name that does not resolve now is waited for, and is resolved again at each dial',
  async (lab) => {
    const hosts = join(lab.dir, 'hosts.json');
    const resolver = join(lab.dir, 'resolver.mjs');
    writeFileSync(hosts, '{}');
    // Stands in for the machine's resolver: names ending in .lab are what the file says when they are asked for.
    writeFileSync(
      resolver,
      `import dns from 'node:dns';
    import { readFileSync } from 'node:fs';
    const lookup = dns.lookup;
    dns.lookup = (name, options, done) => {
      if (!name.endsWith('.lab')) return lookup(name, options, done);
      const known = JSON.parse(readFileSync(${JSON.stringify(hosts)}, 'utf8'))[name];
      return lookup(known ?? 'nowhere.invalid', options, done);
    };`,
    );
    const env = { NODE_OPTIONS: `--import ${resolver}` };
    const disk = () => ({ dir: lab.dir, env });
    const cluster = await TestCluster.create(lab, { clusterId: 'named', size: 3, disk });
    let ini = readFileSync(cluster.file, 'utf8');
    for (const name of ['one.lab', 'two.lab', 'three.lab'])
      ini = ini.replace('ip = 127.0.0.1', `ip = ${name}`);
    writeFileSync(cluster.file, ini);
    cluster.startAll();
    const log = join(cluster.place('named_0').home, 'named_0.log');
    const waits = () => readFileSync(log, 'utf8').split('waits for its own host name one.lab').length - 1;
    await until('the node to say what it waits for', () => waits() === 1);
    assert.ok(cluster.process('named_0').isRunning);
    // Whoever looks at the terminal sees it too, once: who, for what, and where that is written.
    const routerIni = await routerFile(lab, 'named-router', cluster, 'front.lab');
    const router = lab.start('router', ['router', '--config', routerIni], env);
    const why = 'getaddrinfo [A-Z_]+ nowhere\\.invalid';
    const said = (who: string, name: string, file: string, section: string) =>
      new RegExp(
        `^nursery: ${who} waits for its own host name ${name} to be resolved \\(${file}:\\d+: \\[${section}\\] ip = ${name}\\): ${why}\\n$`,
      );
    await until('both to say so on standard error', () => {
      const node = said('node named_0 of named', 'one.lab', cluster.file, 'named_0');
      const front = said('router named-router', 'front.lab', routerIni, 'router');
      return node.test(cluster.process('named_0').stderr) && front.test(router.stderr);
    });
    assert.is((await router.terminate()).code, 0);
    const place = { 'one.lab': '127.0.0.1', 'two.lab': '127.0.0.1', 'three.lab': '127.0.0.1' };
    writeFileSync(hosts, JSON.stringify(place));
    await cluster.master();
    // One that waits ends at once when it is asked to.
    writeFileSync(hosts, '{}');
    await cluster.killAll();
    const waiting = cluster.startNode('named_0');
    await until('the node to wait again', () => waits() === 2);
    assert.is((await waiting.terminate()).code, 0);
  },
);

tests.run();

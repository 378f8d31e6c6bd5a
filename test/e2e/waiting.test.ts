/** Nothing waits without saying for whom, and since when. */
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { EXIT_CODES } from '../../src/base/errors.ts';
import { TestCluster } from '../support/clusters.ts';
import { TestNursery } from '../support/nurseries.ts';
import { type Lab, labSuite } from '../support/processes.ts';
import { until } from '../support/wait.ts';

const tests = labSuite('waiting');
let shared: Promise<TestNursery> | null = null;

function nurseryOf(lab: Lab): Promise<TestNursery> {
  shared ??= TestNursery.start(lab, { prefix: 'wait', keeperSize: 1, size: 1 });
  return shared;
}

tests.test(
  'init of a cluster that nobody knows says so at once: who is known, and how long it waits',
  async (lab) => {
    const nursery = await nurseryOf(lab);
    const init = nursery.start(['init', 'wait-amz']);
    await until('init to say it', () => init.stderr.includes('\n'));
    assert.ok(init.isRunning, 'and goes on waiting');
    assert.match(
      init.stderr,
      /no cluster wait-amz is known to the keeper \(is wait-ams meant\?\); known are /,
    );
    for (const { id } of nursery.all) assert.match(init.stderr, id);
    assert.match(init.stderr, /waits 15 s/);
    await init.kill();
    const json = nursery.start(['init', 'nobody', '--json']);
    await until('init to say it as JSON', () => json.stderr.includes('\n'));
    assert.match(JSON.parse(json.stderr).notice, /^no cluster nobody is known to the keeper; known are /);
    await json.kill();
  },
);

tests.test('a migration says for whom it waits, longer and longer, until it goes on', async (lab) => {
  const nursery = await nurseryOf(lab);
  const [ams, bru] = nursery.clusters;
  await bru.killAll();
  const migrator = nursery.start(['migrate', '--range', 'k..', '--to', bru.id]);
  const waits = new RegExp(`waiting for target ${bru.id}, which has not answered for (\\d+) s`, 'g');
  const seconds = (): number[] => [...migrator.stdout.matchAll(waits)].map((match) => Number(match[1]));
  // From the first second on, and not from when an answer is given up.
  await until('it to say for whom', () => seconds().length >= 3);
  assert.ok((seconds()[0] as number) <= 2, migrator.stdout);
  await until('it to say why', () => migrator.stdout.includes('ECONNREFUSED'));
  assert.equal(
    seconds(),
    [...seconds()].sort((a, b) => a - b),
    migrator.stdout,
  );
  assert.not.match(migrator.stdout, /within \d+ ms/);
  const status = await nursery.run(['status']);
  assert.is(status.code, EXIT_CODES.AT_RISK, status.stdout);
  assert.match(status.stdout, new RegExp(`waiting for target ${bru.id}, which has not answered for \\d+ s`));
  bru.startAll();
  const { code, stdout } = await migrator.finished();
  assert.is(code, 0, stdout);
  assert.match(stdout.trim().split('\n').at(-1) as string, /done, /);
  assert.is((await nursery.owners()).get('k'), bru.id);
  assert.ok(ams.process(`${ams.id}_0`).isRunning);
});

tests.test('a command says that it waits for the keeper, and ends', async (lab) => {
  const nursery = await nurseryOf(lab);
  await nursery.keeper.killAll();
  const migrate = nursery.start(['migrate', '--range', 'k..', '--to', nursery.clusters[0].id]);
  const json = nursery.start(['init', 'nobody', '--json']);
  const others = [
    ['migrations'],
    ['history', 'k'],
    ['forget-migrations'],
    ['function', 'list', '--timeout', '5'],
    ['function', 'show', 'f', '--timeout', '5'],
  ].map((args) => nursery.start(args));
  await until('migrate to say it', () =>
    migrate.stderr.includes('waits for the keeper, cluster wait-keeper; at most 10 s'),
  );
  await until('init to say it', () => json.stderr.includes('{"notice":"waits for the keeper'));
  for (const other of others)
    await until('others to say it', () => other.stderr.includes('waits for the keeper, cluster wait-keeper'));
  for (const started of [migrate, json, ...others]) {
    const { code, stderr } = await started.finished();
    assert.is(code, EXIT_CODES.UNREACHABLE, stderr);
  }
});

/** For starting and ending on a machine that does much else (s): with a limit of 2 s still less than a call takes without one. */
const GRACE_S = 7;

tests.test(
  'every command with --timeout ends in time, with 7, the keeper named, and what to type: frozen, without a master, dead',
  async (lab) => {
    const nursery = await TestNursery.start(lab, { prefix: 'late', keeperSize: 3, size: 1 });
    const { keeper, file } = nursery;
    const [ams, bru] = nursery.clusters;
    const node = bru.nodes[0]?.name ?? '';
    const backup = join(lab.dir, 'late-backup');
    await nursery.succeed(['backup', '--all', '--to', backup]);
    const of = (config: string, ...words: string[]): string[] => [...words, '--config', config];
    const lost = ['rescue', 'lost', bru.id, '--at', ams.id, '--empty'];
    const restore = ['restore', backup, '--node', node, '--replace', '00000000', '--dry-run'];
    const commands = [
      of(file, 'migrate', '--range', 'x..', '--to', bru.id),
      of(file, 'migrate', '--resume'),
      of(file, 'migrate', '--abort', '2'),
      of(file, 'migrate', '--undo', '2'),
      of(file, 'remove', bru.id),
      of(file, 'merge', '--all'),
      of(file, 'rebalance', '--apply'),
      of(file, 'function', 'list'),
      of(file, 'function', 'remove', 'f'),
      of(file, ...lost, '--dry-run'),
      of(file, ...lost, '--yes', bru.id, '--gone', node),
      of(keeper.file, 'rescue', 'keeper', ams.file, bru.file, '--dry-run'),
      of(ams.file, ...restore.map((word) => (word === node ? (ams.nodes[0]?.name ?? '') : word))),
    ];
    const endInTime = async (seconds: number): Promise<void> => {
      for (const command of commands) {
        const begunMs = performance.now();
        const { code, stderr } = await lab.run([...command, '--timeout', String(seconds)]);
        const tookS = (performance.now() - begunMs) / 1000;
        assert.is(code, EXIT_CODES.UNREACHABLE, `${command.join(' ')}: ${stderr}`);
        assert.match(stderr, /late-keeper.* Start the nodes of the keeper, .*nursery rescue keeper/);
        assert.ok(tookS < seconds + GRACE_S, `${command.join(' ')} took ${tookS} s`);
      }
    };
    const processes = keeper.nodes.map(({ name }) => keeper.process(name));
    for (const each of processes) each.signal('SIGSTOP');
    await endInTime(1);
    for (const each of processes) each.signal('SIGCONT');
    for (const each of processes.slice(1)) await each.kill();
    await until(
      'the lease to be over',
      async () => (await lab.run(of(keeper.file, 'who-master'))).code !== 0,
    );
    await endInTime(2);
    await keeper.killAll();
    await endInTime(1);
  },
);

tests.test('a node that joins says for whom it waits', async (lab) => {
  const alone = await TestCluster.create(lab, { clusterId: 'alone', size: 3 });
  alone.startNode('alone_0');
  const status = async (): Promise<string> => (await lab.run(['status', '--config', alone.file])).stdout;
  const seen = await until('the node to answer', async () => {
    const text = await status();
    return text.includes('waiting for') ? text : null;
  });
  assert.match(
    seen,
    /^not serving: cluster alone has not begun: this home is empty: waiting for alone_1, alone_2 \(not seen\)\n/,
  );
  assert.match(seen, /^ {4}since .* by the clock of alone_0\n {4}start alone_1, alone_2, on their machines/m);
  assert.match(seen, /^ {2}alone_0 {2}joining/m);
  assert.not.match(seen, /keeper|init/);
  await alone.killAll();
});

tests.run();

/** From an Arakoon cluster into a nursery, as its team would type it. One of ours stands for Arakoon's: it speaks the same protocol. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { EXIT_CODES } from '../../src/base/errors.ts';
import { TestCluster } from '../support/clusters.ts';
import { TestNursery } from '../support/nurseries.ts';
import { labSuite } from '../support/processes.ts';
import { until } from '../support/wait.ts';

const KEYS = 3000;
const tests = labSuite('the way over');

const nameOf = (n: number): string => `key/${String(n).padStart(5, '0')}`;

tests.test(
  'rows come over while clients write, through a failover and a killed import, and are compared at the end',
  async (lab) => {
    const source = await TestCluster.start(lab, { clusterId: 'ricky' });
    const nursery = await TestNursery.start(lab, { prefix: 'over', keeperSize: 1, size: 1 });
    const writer = source.client();
    for (let from = 0; from < KEYS; from += 100) {
      const keys = Array.from({ length: 100 }, (_, n) => nameOf(from + n));
      await writer.call((client) =>
        client.sequence(keys.map((key) => ({ kind: 'set', key, value: `value of ${key}` }))),
      );
    }
    await writer.call((client) => client.set(Buffer.from([0, 0xff, 0x80]), Buffer.from([0xff, 0])));
    await writer.call((client) => client.set('long', Buffer.alloc(3_000_000, 'l')));
    const addresses = source.nodes.map(({ clientPort }) => `127.0.0.1:${clientPort}`).join(',');
    const state = join(lab.dir, 'ricky.import.json');
    const words = [
      'import',
      '--from-arakoon',
      addresses,
      '--cluster-id',
      'ricky',
      '--state',
      state,
      '--json',
    ];

    const first = nursery.start(words);
    await until('the import to have begun', () => existsSync(state));
    await first.kill();
    assert.is(JSON.parse(readFileSync(state, 'utf8')).from, 'ricky');
    await writer.call((client) => client.delete(nameOf(1)));
    await writer.call((client) => client.set(nameOf(2), 'newer'));
    await source.process(await source.master()).kill();
    const second = await nursery.succeed(words);
    const events = second.stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    assert.not(
      events.some(({ event }) => event === 'surveyed'),
      'it goes on where it was',
    );
    assert.is(events.at(-1).event, 'quiet');

    await writer.call((client) => client.set(nameOf(3), 'newest'));
    const final = await nursery.succeed([...words, '--final']);
    const verdict = JSON.parse(final.stdout.trimEnd().split('\n').at(-1) ?? '');
    assert.is(verdict.event, 'same');
    assert.is(verdict.keys, KEYS - 1 + 2);
    const client = await nursery.connect();
    assert.is((await client.get(nameOf(2))).toString(), 'newer');
    assert.is((await client.get(nameOf(3))).toString(), 'newest');
    assert.is(await client.exists(nameOf(1)), false);
    assert.ok((await client.get(Buffer.from([0, 0xff, 0x80]))).equals(Buffer.from([0xff, 0])));
    assert.is((await client.get('long')).length, 3_000_000);

    const done = await nursery.run(words);
    assert.is(done.code, EXIT_CODES.USAGE);
    assert.match(done.stderr, 'this import is done');
    assert.not(existsSync(`${state}.lock`));
  },
);

tests.test('a target with keys of its own, and a source that is nobody, are refused', async (lab) => {
  const source = await TestCluster.start(lab, { clusterId: 'sturdy', size: 1 });
  const target = await TestCluster.start(lab, { clusterId: 'taken', size: 1 });
  const client = await target.connect('taken_0');
  await client.set('its-own', 'value');
  const words = [
    'import',
    '--config',
    target.file,
    '--cluster-id',
    'sturdy',
    '--state',
    join(lab.dir, 'none.json'),
  ];
  const address = `127.0.0.1:${source.nodes[0]?.clientPort}`;
  const taken = await lab.run([...words, '--from-arakoon', address]);
  assert.is(taken.code, EXIT_CODES.REFUSED, taken.stderr);
  assert.match(taken.stderr, /the target holds keys, and nothing was begun.*\n {2}its-own\n/);
  const wrong = await lab.run([...words, '--from-arakoon', 'nowhere']);
  assert.is(wrong.code, EXIT_CODES.USAGE, wrong.stderr);
  const alone = await lab.run(['import', '--config', target.file, '--from-arakoon', address]);
  assert.is(alone.code, EXIT_CODES.USAGE);
  const neither = await lab.run(['import', '--config', target.file]);
  assert.is(neither.code, EXIT_CODES.USAGE);
  assert.match(neither.stderr, '--from-arakoon');
});

tests.test(
  'of a source that is another cluster, or nobody, an import says so, and leaves nothing',
  async (lab) => {
    const source = await TestCluster.start(lab, { clusterId: 'apart', size: 1 });
    const target = await TestCluster.start(lab, { clusterId: 'empty', size: 1 });
    const state = join(lab.dir, 'other.json');
    const words = ['import', '--config', target.file, '--cluster-id', 'ricky', '--state', state];
    const address = `127.0.0.1:${source.nodes[0]?.clientPort}`;
    const other = await lab.run([...words, '--from-arakoon', address]);
    assert.is(other.code, EXIT_CODES.OTHER_CLUSTER, other.stderr);
    assert.match(other.stderr, `${address} takes connections, and closes them without an answer`);
    const nobody = await lab.run([...words, '--from-arakoon', '127.0.0.1:1']);
    assert.is(nobody.code, EXIT_CODES.UNREACHABLE, nobody.stderr);
    assert.match(nobody.stderr, 'waits for cluster ricky at 127.0.0.1:1 (127.0.0.1:1: ');
    assert.match(nobody.stderr, 'cluster ricky at 127.0.0.1:1: nobody answers');
    assert.equal([existsSync(state), existsSync(`${state}.lock`)], [false, false]);
  },
);

tests.run();

/** Bits flipped in the store files of real nodes: found by comparison with the others, and mended. */
import { closeSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { TestCluster } from '../support/clusters.ts';
import { type Lab, labSuite } from '../support/processes.ts';
import { until } from '../support/wait.ts';

const KEYS = 3000;
const BATCH = 500;
/** Of LMDB's file. */
const PAGE_BYTES = 8192;
const NO_GUARANTEES = { consistency: { kind: 'noGuarantees' } } as const;
/** Rounds so short that a test need not wait for one. */
const SCRUB_OFTEN = { scrub_step: '0.02', scrub_rest: '0.1' };
/** Damage goes where a stretch in the middle of a round finds it. */
const VICTIM = 1777;

const suite = labSuite('scrubbing');

function rowKey(n: number): string {
  return `row/${String(n).padStart(6, '0')}`;
}

function rowValue(n: number): string {
  return `value of ${rowKey(n)}: ${'abcdefgh'.repeat(1 + (n % 8))}.`;
}

async function startLoaded(lab: Lab, clusterId: string, size: number): Promise<TestCluster> {
  const cluster = await TestCluster.start(lab, { clusterId, size, extra: SCRUB_OFTEN });
  const writer = cluster.client();
  for (let begin = 0; begin < KEYS; begin += BATCH) {
    const steps = Array.from({ length: BATCH }, (_, n) => begin + n).map((n) => {
      return { kind: 'set', key: Buffer.from(rowKey(n)), value: Buffer.from(rowValue(n)) } as const;
    });
    await writer.call((client) => client.sequence(steps));
  }
  return cluster;
}

/** Flips the lowest bit of the last byte of a value, in every page of a node's store that holds it. */
function damage(cluster: TestCluster, name: string, value: string): number {
  const file = join(cluster.place(name).home, 'store', 'data.mdb');
  const content = readFileSync(file);
  const handle = openSync(file, 'r+');
  let count = 0;
  for (let at = content.indexOf(value); at >= 0; at = content.indexOf(value, at + 1)) {
    const last = at + value.length - 1;
    writeSync(handle, Buffer.from([(content[last] as number) ^ 1]), 0, 1, last);
    count += 1;
  }
  closeSync(handle);
  return count;
}

/** Fills every page of a node's store that holds a value with zeros. */
function erasePages(cluster: TestCluster, name: string, value: string): number {
  const file = join(cluster.place(name).home, 'store', 'data.mdb');
  const content = readFileSync(file);
  const handle = openSync(file, 'r+');
  let count = 0;
  for (let at = content.indexOf(value); at >= 0; at = content.indexOf(value, at + 1)) {
    writeSync(handle, Buffer.alloc(PAGE_BYTES), 0, PAGE_BYTES, at - (at % PAGE_BYTES));
    count += 1;
  }
  closeSync(handle);
  return count;
}

/** Waits until the node has written the value to its store file, then damages it there. */
async function damageOnceFlushed(cluster: TestCluster, name: string): Promise<void> {
  await until(`${name} to flush`, () => damage(cluster, name, rowValue(VICTIM)) > 0);
}

async function counter(cluster: TestCluster, name: string, field: string): Promise<number> {
  const fields = await cluster.ask(name, (client) => client.statistics());
  const found = fields.find((candidate) => candidate.name === field);
  assert.is(found?.kind, 'int64', `${field} is counted`);
  return found?.kind === 'int64' ? found.value : 0;
}

/** A round that began after now has ended: all keys of this test are within four steps. */
async function roundOf(cluster: TestCluster, name: string): Promise<void> {
  const before = await counter(cluster, name, 'scrub_steps');
  await until('a round', async () => (await counter(cluster, name, 'scrub_steps')) >= before + 10);
}

function logOf(cluster: TestCluster, name: string): string {
  return readFileSync(join(cluster.place(name).home, `${name}.log`), 'utf8');
}

/** The node was mended by itself, in the same process; what it holds is right, and the others never stopped. */
async function expectMended(cluster: TestCluster, name: string, pid: number | undefined): Promise<void> {
  await until(
    `${name} to rebuild its store`,
    async () => (await counter(cluster, name, 'store_rebuilds')) === 1,
    { withinMs: 30_000 },
  );
  assert.is(cluster.process(name).pid, pid);
  assert.ok(cluster.process(name).isRunning);
  await cluster.caughtUp(name);
  for (let begin = 0; begin < KEYS; begin += BATCH) {
    const numbers = Array.from({ length: BATCH }, (_, n) => begin + n);
    const values = await cluster.ask(name, (client) => client.multiGet(numbers.map(rowKey), NO_GUARANTEES));
    assert.equal(values.map(String), numbers.map(rowValue));
  }
  for (const other of cluster.nodes) {
    if (other.name === name) continue;
    assert.is(await counter(cluster, other.name, 'store_rebuilds'), 0, `${other.name} is left alone`);
  }
  await roundOf(cluster, name);
  assert.is(await counter(cluster, name, 'store_rebuilds'), 1, 'what was mended stays so');
}

suite.test('a follower whose store file was damaged while it was down mends itself', async (lab) => {
  const cluster = await startLoaded(lab, 'rot', 3);
  const victim = await cluster.follower();
  await cluster.caughtUp(victim);
  await cluster.process(victim).terminate();
  assert.ok(damage(cluster, victim, rowValue(VICTIM)) > 0);
  const { pid } = cluster.startNode(victim);
  await expectMended(cluster, victim, pid);
  assert.match(logOf(cluster, victim), 'differs from those of a majority');
  await cluster.killAll();
});

suite.test('a follower whose store file has a page that cannot be read mends itself', async (lab) => {
  const cluster = await startLoaded(lab, 'hole', 3);
  const victim = await cluster.follower();
  await cluster.caughtUp(victim);
  await cluster.process(victim).terminate();
  assert.ok(erasePages(cluster, victim, rowValue(VICTIM)) > 0);
  // LMDB ends the process over it, as often as it is started again; at last the pages are checked first.
  let crashes = 0;
  for (;;) {
    const life = cluster.startNode(victim);
    const isMended = await until('a crash or a rebuild', async () => {
      if (!life.isRunning) return 'crashed';
      return (await counter(cluster, victim, 'store_rebuilds')) === 1 ? 'mended' : null;
    });
    if (isMended === 'mended') break;
    crashes += 1;
    assert.ok(crashes <= 2, `${victim} does not come up`);
  }
  await expectMended(cluster, victim, cluster.process(victim).pid);
  await cluster.killAll();
});

suite.test(
  'a master whose store file is damaged steps down and mends itself; nobody reads the damage after',
  async (lab) => {
    const cluster = await startLoaded(lab, 'crown', 3);
    const victim = await cluster.master();
    const { pid } = cluster.process(victim);
    await damageOnceFlushed(cluster, victim);
    await expectMended(cluster, victim, pid);
    await cluster.master();
    const value = await cluster.client().call((client) => client.get(rowKey(VICTIM)));
    assert.is(value.toString(), rowValue(VICTIM));
    await cluster.killAll();
  },
);

suite.test('two nodes that differ: neither serves, until an operator deletes one store', async (lab) => {
  const cluster = await startLoaded(lab, 'twins', 2);
  const [first, second] = cluster.nodes.map(({ name }) => name) as [string, string];
  await roundOf(cluster, first);
  await damageOnceFlushed(cluster, first);
  for (const name of [first, second]) {
    await until(`${name} to doubt`, () => logOf(cluster, name).includes('no majority says which is right'));
    const refusal = await cluster
      .ask(name, (client) => client.get(rowKey(0)))
      .then(
        () => 'an answer',
        (error: Error) => error.message,
      );
    assert.match(refusal, 'differs from that of another');
    assert.match(await cluster.role(name), 'doubtful store');
    const seen = await cluster.ask(name, (client) => client.get(rowKey(VICTIM), NO_GUARANTEES));
    assert.is(seen.toString() === rowValue(VICTIM), name === second, 'an operator can look at both');
  }
  await cluster.process(first).terminate();
  rmSync(join(cluster.place(first).home, 'store'), { recursive: true });
  cluster.startNode(first);
  await until('both to agree again', () => logOf(cluster, second).includes('stores agree again'));
  const value = await cluster.client().call((client) => client.get(rowKey(VICTIM)));
  assert.is(value.toString(), rowValue(VICTIM));
  await cluster.killAll();
});

suite.run();

/** Damaged, missing and foreign files of real nodes: refused with the exit code that docs/codes.md names, or mended; nothing is lost. */
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, readFileSync, renameSync, rmSync, statSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { EXIT_CODES } from '../../src/base/errors.ts';
import { TestCluster } from '../support/clusters.ts';
import { flipBit, recordsOf, segmentsOf } from '../support/damage.ts';
import { type Lab, labSuite } from '../support/processes.ts';
import { until } from '../support/wait.ts';

/** Segments so small that there are several. */
const SMALL_SEGMENTS = { tlog_max_size: '100_000' };
const ROWS = 60;
const VALUE_BYTES = 4000;
/** Updates that stand in groups of their own at the end of the log. */
const LAST_ROWS = 6;
/** So that there is one in the middle; a node that began with a snapshot has only one at first. */
const SEGMENTS_LEAST = 3;
const NO_GUARANTEES = { consistency: { kind: 'noGuarantees' } } as const;

type Rows = Map<string, string>;

/** Rows that the log holds in several segments. */
async function fill(cluster: TestCluster, rows: Rows, count: number): Promise<void> {
  const client = cluster.client();
  for (let n = 0; n < count; n += 1) {
    const key = `row/${String(rows.size).padStart(4, '0')}`;
    const value = `${key} `.padEnd(VALUE_BYTES, '.');
    await client.call((one) => one.set(key, value));
    rows.set(key, value);
  }
}

/** Every row, as this node has it. */
async function expectRows(cluster: TestCluster, name: string, rows: Rows): Promise<void> {
  const keys = [...rows.keys()];
  const values = await cluster.ask(name, (client) => client.multiGetOption(keys, NO_GUARANTEES));
  const wrong = keys.filter((key, index) => values[index]?.toString() !== rows.get(key));
  assert.equal(wrong, [], `rows of ${name}`);
}

/** Starts a node that must refuse, and returns what it said. */
async function refusal(cluster: TestCluster, name: string, exit: keyof typeof EXIT_CODES): Promise<string> {
  const { code, stderr } = await cluster.startNode(name).finished();
  assert.is(code, EXIT_CODES[exit], `${exit}: ${stderr}`);
  return stderr;
}

/** Carries out the command that the message names. */
function repairAsTold(message: string): void {
  const command = /\((rm -r '[^)]*')\)/.exec(message)?.[1];
  assert.ok(command, `no repair in: ${message}`);
  execFileSync('sh', ['-c', command as string]);
}

async function backAgain(cluster: TestCluster, name: string, rows: Rows): Promise<void> {
  cluster.startNode(name);
  await cluster.caughtUp(name);
  await expectRows(cluster, name, rows);
}

function logOf(cluster: TestCluster, name: string): string {
  return readFileSync(join(cluster.place(name).home, `${name}.log`), 'utf8');
}

type Trio = { readonly cluster: TestCluster; readonly rows: Rows };

const three = labSuite('damage in a cluster of three');
let trio: Promise<Trio> | null = null;

async function startTrio(lab: Lab): Promise<Trio> {
  const cluster = await TestCluster.start(lab, { clusterId: 'trio', extra: SMALL_SEGMENTS });
  const rows: Rows = new Map();
  await fill(cluster, rows, ROWS);
  return { cluster, rows };
}

/** A follower with all rows and a log of several segments, which has ended: in order, or as in a power cut. */
async function endedSlave(
  lab: Lab,
  how: 'terminate' | 'kill',
): Promise<Trio & { name: string; home: string }> {
  trio ??= startTrio(lab);
  const { cluster, rows } = await trio;
  const name = await cluster.follower();
  const { home } = cluster.place(name);
  do {
    await fill(cluster, rows, LAST_ROWS);
    await cluster.caughtUp(name);
  } while (segmentsOf(home).length < SEGMENTS_LEAST);
  await cluster.process(name)[how]();
  return { cluster, rows, name, home };
}

three.test(
  'a bit flips in a proven part of the log: refused; the repair that it names works',
  async (lab) => {
    const { cluster, rows, name, home } = await endedSlave(lab, 'terminate');
    const last = segmentsOf(home).at(-1) as string;
    const records = await recordsOf(last);
    const offset = records.at(-2) as number; // the last one is the proof of an orderly end
    flipBit(last, offset + 30);
    const message = await refusal(cluster, name, 'LOG_DAMAGED');
    assert.match(message, `${last}, offset ${offset}`);
    await fill(cluster, rows, 1); // the others go on
    repairAsTold(message);
    await backAgain(cluster, name, rows);
  },
);

three.test(
  'a bit flips in the last, unproven group: taken for a torn write and cut; peers that were told of it refuse the home',
  async (lab) => {
    const { cluster, rows, name, home } = await endedSlave(lab, 'kill');
    const last = segmentsOf(home).at(-1) as string;
    const records = await recordsOf(last);
    flipBit(last, (records.at(-1) as number) + 30);
    const message = await refusal(cluster, name, 'SUPERSEDED');
    assert.match(logOf(cluster, name), 'the last group was not completely written');
    assert.match(message, `${name} has forgotten a vote`);
    assert.match(message, 'empty its home; then it joins anew');
    await cluster.wipe(name);
    await cluster.caughtUp(name);
    await expectRows(cluster, name, rows);
  },
);

three.test('the store file is cut short: the node mends it by itself', async (lab) => {
  const { cluster, rows, name, home } = await endedSlave(lab, 'terminate');
  const file = join(home, 'store', 'data.mdb');
  truncateSync(file, Math.floor(statSync(file).size / 2));
  await backAgain(cluster, name, rows);
  assert.match(logOf(cluster, name), 'is damaged: it has');
});

three.test('the store is gone: rebuilt from log and peers', async (lab) => {
  const { cluster, rows, name, home } = await endedSlave(lab, 'kill');
  rmSync(join(home, 'store'), { recursive: true });
  await backAgain(cluster, name, rows);
});

three.test('the store is gone, and the log does not reach back: a snapshot of a peer', async (lab) => {
  trio ??= startTrio(lab);
  const { cluster, rows } = await trio;
  const name = await cluster.follower();
  const { home } = cluster.place(name);
  // All segments, for the first ones may hold no slot; of all nodes, for a peer would serve from a log that reaches back.
  const old = cluster.nodes.flatMap((node) => segmentsOf(node.home));
  await fill(cluster, rows, 3 * ROWS);
  await until('every log to be cut off', () => !old.some((segment) => existsSync(segment)));
  await cluster.process(name).terminate();
  rmSync(join(home, 'store'), { recursive: true });
  await backAgain(cluster, name, rows);
  assert.match(logOf(cluster, name), 'snapshot installed');
});

three.test('the log is gone: the store is ahead of it, refused', async (lab) => {
  const { cluster, rows, name, home } = await endedSlave(lab, 'terminate');
  rmSync(join(home, 'tlog'), { recursive: true });
  repairAsTold(await refusal(cluster, name, 'STORE_AHEAD'));
  await backAgain(cluster, name, rows);
});

three.test('a segment is missing in the middle: refused, and as good as new once it is back', async (lab) => {
  const { cluster, rows, name, home } = await endedSlave(lab, 'terminate');
  const middle = segmentsOf(home).at(-2) as string;
  renameSync(middle, `${middle}.aside`);
  const message = await refusal(cluster, name, 'LOG_GAP');
  assert.match(message, middle);
  renameSync(`${middle}.aside`, middle);
  await backAgain(cluster, name, rows);
});

three.test('a segment in the middle is cut short, and needed: refused', async (lab) => {
  const { cluster, rows, name, home } = await endedSlave(lab, 'terminate');
  const middle = segmentsOf(home).at(-2) as string;
  const records = await recordsOf(middle);
  truncateSync(middle, records[Math.floor(records.length / 2)] as number);
  rmSync(join(home, 'store'), { recursive: true });
  const message = await refusal(cluster, name, 'LOG_DAMAGED');
  assert.match(message, `${middle}, offset 0: it is cut short`);
  repairAsTold(message);
  await backAgain(cluster, name, rows);
});

three.test('the log of another node, and of an earlier life: refused', async (lab) => {
  const { cluster, rows, name, home } = await endedSlave(lab, 'terminate');
  const own = join(home, 'tlog');
  const other = cluster.nodes.find((node) => node.name !== name);
  renameSync(own, `${own}.aside`);
  cpSync(join(other?.home as string, 'tlog'), own, { recursive: true });
  assert.match(await refusal(cluster, name, 'LOG_FOREIGN'), `node ${other?.name}`);
  rmSync(own, { recursive: true });
  renameSync(`${own}.aside`, own);

  const old = segmentsOf(home).at(-1) as string;
  cpSync(old, join(lab.dir, 'old.tlog'));
  rmSync(own, { recursive: true });
  rmSync(join(home, 'store'), { recursive: true });
  await backAgain(cluster, name, rows);
  await cluster.process(name).terminate();
  const newest = Number(/(\d+)\.tlog$/.exec(segmentsOf(home).at(-1) as string)?.[1]);
  cpSync(join(lab.dir, 'old.tlog'), join(own, `${String(newest + 1).padStart(10, '0')}.tlog`));
  assert.match(await refusal(cluster, name, 'LOG_FOREIGN'), 'another log of this node');
  rmSync(join(own, `${String(newest + 1).padStart(10, '0')}.tlog`));
  await backAgain(cluster, name, rows);
});

three.test('the home of another node: refused', async (lab) => {
  const { cluster, rows, name, home } = await endedSlave(lab, 'terminate');
  const other = cluster.nodes.find((node) => node.name !== name);
  renameSync(home, `${home}.aside`);
  cpSync(other?.home as string, home, { recursive: true });
  assert.match(await refusal(cluster, name, 'HOME_UNUSABLE'), other?.name as string);
  rmSync(home, { recursive: true });
  renameSync(`${home}.aside`, home);
  await backAgain(cluster, name, rows);
  await cluster.killAll();
});

three.run();

const one = labSuite('damage in a cluster of one');

one.test(
  'store cut short or gone, log whole: refused or rebuilt; with a log cut off: needs a copy',
  async (lab) => {
    const cluster = await TestCluster.start(lab, { clusterId: 'lone', size: 1, extra: SMALL_SEGMENTS });
    const rows: Rows = new Map();
    const name = 'lone_0';
    const store = join(cluster.place(name).home, 'store');
    const file = join(store, 'data.mdb');
    await fill(cluster, rows, LAST_ROWS);
    await cluster.process(name).terminate();
    truncateSync(file, Math.floor(statSync(file).size / 2));
    assert.match(await refusal(cluster, name, 'STORE_DAMAGED'), file);
    rmSync(store, { recursive: true });
    await backAgain(cluster, name, rows);

    const first = segmentsOf(cluster.place(name).home)[0] as string;
    await fill(cluster, rows, 3 * ROWS);
    await until('the log to be cut off', () => !existsSync(first));
    await cluster.process(name).terminate();
    renameSync(store, `${store}.copy`);
    assert.match(await refusal(cluster, name, 'STORE_UNREBUILDABLE'), store);
    rmSync(store, { recursive: true, force: true });
    renameSync(`${store}.copy`, store);
    await backAgain(cluster, name, rows);
    await cluster.killAll();
  },
);

one.run();

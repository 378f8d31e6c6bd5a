/** Disks of real nodes that run full: nothing acknowledged is lost, reads go on, and writing resumes by itself. */
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { EXIT_CODES, NurseryError } from '../../src/base/errors.ts';
import { TestCluster } from '../support/clusters.ts';
import { limitFileSize } from '../support/descriptors.ts';
import type { MasterClient } from '../support/master-client.ts';
import { type Lab, labSuite } from '../support/processes.ts';
import { type SmallDisk, smallDisk } from '../support/small-disk.ts';
import { until } from '../support/wait.ts';

const ROWS = 20;
const VALUE_BYTES = 5000;
/** Below what a node keeps in reserve (bytes), so that it refuses; above half of it, so that the log has room. */
const IN_RESERVE = 100 * 1024 * 1024;
/** Less than a segment of the log, and less than the store needs for what the log takes before it refuses. */
const FILE_BYTES = 900_000;
const NO_GUARANTEES = { consistency: { kind: 'noGuarantees' } } as const;

/** What a node that was down has missed: too much for a log of a few segments, too little for two commits of a snapshot. */
const BEHIND_ROWS = 700;
const BEHIND_BYTES = 10_000;
const BEHIND_LEAVE_BYTES = 9 * 1024 * 1024;
/** Loaded into nodes whose renames are to fail. */
const FAILING_RENAME = new URL('../support/failing-rename.js', import.meta.url).href;

const suite = labSuite('full disks');

/** A cluster whose nodes have a disk each, and what it has acknowledged. */
class Trial {
  readonly cluster: TestCluster;
  readonly #disks: ReadonlyMap<string, SmallDisk>;
  readonly #client: MasterClient;
  readonly #rows = new Map<string, string>();
  /** Updates whose fate is unknown. */
  readonly #perhaps = new Map<string, string>();

  private constructor(cluster: TestCluster, disks: ReadonlyMap<string, SmallDisk>) {
    this.cluster = cluster;
    this.#client = cluster.client();
    this.#disks = disks;
  }

  static async start(lab: Lab, clusterId: string, size = 3): Promise<Trial> {
    const disks = new Map<string, SmallDisk>();
    const disk = (name: string): SmallDisk => {
      const made = smallDisk(lab, name);
      disks.set(name, made);
      return made;
    };
    const extra = { tlog_max_size: '1_000_000' };
    const trial = new Trial(await TestCluster.start(lab, { clusterId, extra, disk, size }), disks);
    await trial.set(ROWS);
    return trial;
  }

  disk(name: string): SmallDisk {
    return this.#disks.get(name) as SmallDisk;
  }

  /** Stores further rows; each must be acknowledged. */
  async set(count: number): Promise<void> {
    for (let n = 0; n < count; n += 1) {
      const refusal = await this.trySet();
      if (refusal !== null) throw refusal;
    }
  }

  /** Stores a further row; the error where that is refused, and certainly did not happen. */
  async trySet(): Promise<NurseryError | null> {
    const key = `row/${this.#rows.size}`;
    const value = `${key} `.padEnd(VALUE_BYTES, '.');
    try {
      await this.#client.call((client) => client.set(key, value));
    } catch (error) {
      if (!(error instanceof NurseryError) || error.traits.applied !== 'no') throw error;
      return error;
    }
    this.#rows.set(key, value);
    return null;
  }

  /** The same, where it is the disk that refuses: a machine that has other work to do may answer nothing at times. */
  async tryRefused(): Promise<NurseryError | null> {
    const refusal = await this.trySet();
    return refusal?.code === 'READ_ONLY' ? refusal : null;
  }

  /** Stores a row at one node, and waits for a second; false where nobody knows whether it is there. */
  async isSetAt(name: string): Promise<boolean> {
    const key = `perhaps/${this.#rows.size + this.#perhaps.size}`;
    try {
      await this.cluster.ask(name, (client) => client.set(key, key));
    } catch (error) {
      if (!(error instanceof NurseryError) || error.traits.applied !== 'maybe') throw error;
      this.#perhaps.set(key, key);
      return false;
    }
    this.#rows.set(key, key);
    return true;
  }

  /** Every row, and nothing that was refused, as the master has it. */
  async expectRows(): Promise<void> {
    this.#expect(await this.#client.call((client) => client.rangeEntries({ max: -1 })));
  }

  /** The same of one node, which has caught up. */
  async expectRowsOf(name: string): Promise<void> {
    await this.cluster.caughtUp(name);
    const read = { max: -1, ...NO_GUARANTEES };
    this.#expect(await this.cluster.ask(name, (client) => client.rangeEntries(read)));
  }

  #expect(entries: readonly [Buffer, Buffer][]): void {
    const found = new Map(entries.map(([key, value]) => [String(key), String(value)]));
    for (const [key, value] of this.#perhaps) if (found.get(key) === value) found.delete(key);
    assert.equal(found, sorted(this.#rows));
  }

  /** Waits until updates are refused for want of space. */
  async refused(): Promise<void> {
    const refusal = await until('updates to be refused', () => this.tryRefused());
    assert.match(refusal.message, 'disk is full');
  }
}

function sorted(rows: ReadonlyMap<string, string>): Map<string, string> {
  return new Map([...rows].sort(([a], [b]) => (a < b ? -1 : 1)));
}

function logOf(cluster: TestCluster, name: string): string {
  return readFileSync(join(cluster.place(name).home, `${name}.log`), 'utf8');
}

/** A full disk is a line of the log in each life of a node, and one for what the store cannot flush; all can be read. */
function expectFewLines(cluster: TestCluster, name: string, lives: number): void {
  const lines = logOf(cluster, name).split('\n').slice(0, -1);
  const messages = lines.map((line) => String(JSON.parse(line).msg));
  const count = (text: string): number => messages.filter((message) => message.startsWith(text)).length;
  assert.ok(count('disk is full: updates') >= 1, `${name} says it`);
  assert.ok(count('disk is full: updates') <= lives, messages.join('\n'));
  assert.ok(count('disk is full: the store') <= lives, messages.join('\n'));
}

suite.test(
  'of one follower: the cluster goes on; the follower reads on, restarts, and catches up',
  async (lab) => {
    const trial = await Trial.start(lab, 'brim');
    const { cluster } = trial;
    const name = await cluster.follower();
    trial.disk(name).fill(0);
    await until('the follower to say so', async () => {
      await trial.set(1);
      return logOf(cluster, name).includes('disk is full: updates');
    });
    await trial.set(ROWS);
    await trial.expectRows();
    // What its log says beyond its store it has applied a moment later.
    const seen = await until('a row', () =>
      cluster.ask(name, (client) => client.get('row/0', NO_GUARANTEES)),
    );
    assert.is(seen.length, VALUE_BYTES);
    assert.ok(cluster.process(name).isRunning);

    await cluster.process(name).kill();
    cluster.startNode(name);
    await trial.set(ROWS);
    expectFewLines(cluster, name, 2);
    trial.disk(name).free();
    await trial.expectRowsOf(name);
    await cluster.killAll();
  },
);

suite.test(
  'of the master: updates are refused, reads go on, and another one takes over when told',
  async (lab) => {
    const trial = await Trial.start(lab, 'crest');
    const { cluster } = trial;
    const name = await cluster.master();
    trial.disk(name).fill(IN_RESERVE);
    for (let n = 0; n < 5; n += 1) await trial.refused();
    await trial.expectRows();
    expectFewLines(cluster, name, 1);
    await cluster.ask(name, (client) => client.dropMaster());
    await until('updates to flow again', async () => (await trial.trySet()) === null);
    await trial.set(ROWS);
    trial.disk(name).free();
    await trial.expectRowsOf(name);
    await cluster.killAll();
  },
);

suite.test(
  'of both followers: nothing is acknowledged, nodes can be looked at, and it all comes back by itself',
  async (lab) => {
    const trial = await Trial.start(lab, 'shoal');
    const { cluster } = trial;
    const master = await cluster.master();
    const followers = cluster.nodes.map(({ name }) => name).filter((name) => name !== master);
    for (const name of followers) trial.disk(name).fill(0);
    await until('an update without an answer', async () => !(await trial.isSetAt(master)));
    for (const { name } of cluster.nodes) {
      // What its log says beyond its store it has applied a moment later.
      const seen = await until('a row', () =>
        cluster.ask(name, (client) => client.get('row/0', NO_GUARANTEES)),
      );
      assert.is(seen.length, VALUE_BYTES);
    }
    assert.is(cluster.runningNames.length, cluster.nodes.length);
    for (const name of followers) trial.disk(name).free();
    await until('updates to flow again', async () => (await trial.trySet()) === null);
    for (const { name } of cluster.nodes) await trial.expectRowsOf(name);
    await cluster.killAll();
  },
);

suite.test('of all nodes: updates are refused, reads go on, and writing resumes by itself', async (lab) => {
  const trial = await Trial.start(lab, 'flood');
  const { cluster } = trial;
  const names = cluster.nodes.map((node) => node.name);
  const fillAll = async (): Promise<void> => {
    for (const name of names) trial.disk(name).fill(IN_RESERVE);
    await trial.refused();
    for (const name of names) trial.disk(name).fill(0);
    await trial.refused();
  };
  await fillAll();
  await trial.expectRows();
  assert.equal(cluster.runningNames, names);
  for (const name of names) trial.disk(name).free();
  await until('updates to flow again', async () => (await trial.trySet()) === null);
  await trial.set(ROWS);

  await fillAll();
  await cluster.killAll();
  for (const name of names) trial.disk(name).free();
  cluster.startAll();
  await until('updates to flow again', async () => (await trial.trySet()) === null);
  await trial.expectRows();
  for (const name of names) await trial.expectRowsOf(name);
  await cluster.killAll();
});

suite.test('at the start: reads are served, updates wait for room, and nothing is lost', async (lab) => {
  const trial = await Trial.start(lab, 'brink');
  const { cluster } = trial;
  const names = cluster.nodes.map((node) => node.name);
  for (const name of names) await cluster.caughtUp(name); // each is asked for a row as soon as it is up
  await cluster.killAll();
  // Without any room nothing of the log is written; who has some of the reserve left can be elected.
  for (const [index, name] of names.entries()) trial.disk(name).fill(index === 0 ? 0 : IN_RESERVE);
  for (const name of names) {
    const node = cluster.startNode(name);
    await node.output('to be up', (text) => text.includes('clients at port'));
    assert.match(
      node.stderr,
      /waits for room: disk is full; updates are refused until then, reads are served/,
    );
    // What its log says beyond its store it has applied a moment later.
    const seen = await until('a row', () =>
      cluster.ask(name, (client) => client.get('row/0', NO_GUARANTEES)),
    );
    assert.is(seen.length, VALUE_BYTES);
  }
  await until('a master that answers reads', () => trial.expectRows().then(() => true));
  await trial.refused();
  const { code, stdout } = await lab.run(['status', '--config', cluster.file]);
  assert.is(code, EXIT_CODES.NOT_SERVING, stdout);
  assert.match(stdout, /^not serving: brink takes no updates: .*: disk is full: updates are refused/);
  assert.is(stdout.match(/^! the disk of .* is full/gm)?.length, 2, stdout);
  for (const name of names) trial.disk(name).free();
  await until('updates to flow again', async () => (await trial.trySet()) === null);
  await trial.expectRows();
  for (const name of names) await trial.expectRowsOf(name);
  await cluster.killAll();
});

suite.test(
  'at the start of an empty home: it says that there is no room, and begins nothing',
  async (lab) => {
    const disk = smallDisk(lab, 'bare');
    const cluster = await TestCluster.create(lab, { clusterId: 'bare', size: 1, disk: () => disk });
    const [{ name }] = cluster.nodes as [(typeof cluster.nodes)[number]];
    mkdirSync(cluster.place(name).home);
    for (const leave of [0, 1024 * 1024]) {
      disk.fill(leave);
      const node = cluster.startNode(name);
      const { code, stderr } = await node.finished();
      assert.is(code, EXIT_CODES.HOME_UNUSABLE, stderr);
      assert.match(stderr, /free some space/);
      assert.not.match(stderr, '    at ');
      disk.free();
    }
    cluster.startNode(name);
    await cluster.master();
    await cluster.killAll();
  },
);

suite.test('a limit on the size of files is a disk without room, and is called by its name', async (lab) => {
  const trial = await Trial.start(lab, 'lid', 1);
  const { cluster } = trial;
  const [{ name, home }] = cluster.nodes as [(typeof cluster.nodes)[number]];
  const restore = limitFileSize(cluster.process(name), FILE_BYTES);
  // A node reads its limits once a second, and ends where it meets one before it knows it: fifty rows a second are too few for that.
  const refusal = await until('updates to be refused', () => trial.tryRefused());
  assert.match(
    refusal.message,
    /^this process may not make its files larger \(see ulimit -f\): update refused/,
  );
  await until('the store to meet it', () => logOf(cluster, name).includes('the store is not flushed'));
  assert.match(logOf(cluster, name), /data\.mdb did not grow: .*ulimit -f/);
  await trial.expectRows();
  assert.ok(cluster.process(name).isRunning);
  restore();
  await until('updates to flow again', async () => (await trial.trySet()) === null);
  await trial.set(ROWS);
  await cluster.process(name).kill();

  const under = ['prlimit', `--fsize=${FILE_BYTES}`];
  const args = ['node', '--config', cluster.file, '--node', name];
  rmSync(home, { recursive: true });
  const { code, stderr } = await lab.start('limited', args, {}, under).finished();
  assert.is(code, EXIT_CODES.HOME_UNUSABLE, stderr);
  assert.match(stderr, 'ulimit -f');
});

suite.test(
  'while a snapshot is installed: every attempt fails as a whole, the old store serves on, and it ends well',
  async (lab) => {
    const failing = join(lab.dir, 'failing-rename');
    const disks = new Map<string, SmallDisk>();
    const cluster = await TestCluster.start(lab, {
      clusterId: 'weir',
      extra: { tlog_max_size: '1_000_000' },
      disk: (name) => {
        const made = smallDisk(lab, name);
        disks.set(name, made);
        const options = `${made.env['NODE_OPTIONS'] ?? ''} --import=${FAILING_RENAME}`;
        return { dir: made.dir, env: { ...made.env, NODE_OPTIONS: options, FAILING_RENAME: failing } };
      },
    });
    const client = cluster.client();
    await client.call((master) => master.set('row', 'old'));
    const name = await cluster.follower();
    await cluster.caughtUp(name);
    await cluster.process(name).kill();
    for (let n = 0; n < BEHIND_ROWS; n += 1) {
      await client.call((master) => master.set(`row/${n}`, Buffer.alloc(BEHIND_BYTES, n)));
    }
    await client.call((master) => master.set('row', 'new'));
    for (const other of cluster.runningNames) {
      const first = join(cluster.place(other).home, 'tlog', '0000000001.tlog');
      await until(`${other} to drop the log that ${name} needs`, () => !existsSync(first));
    }
    let readUpTo = 0;
    const goesOn = async (why: string): Promise<void> => {
      await until(`${name} to say: ${why}`, () => logOf(cluster, name).slice(readUpTo).includes(why));
      readUpTo = logOf(cluster, name).length;
      // The next attempt may be putting its image in place just now: a read at that moment is sent again.
      const seen = await until('the old store to serve', () =>
        cluster.ask(name, (node) => node.get('row', NO_GUARANTEES)),
      );
      assert.is(String(seen), 'old', 'the old store goes on serving');
      assert.ok(cluster.process(name).isRunning);
    };

    const disk = disks.get(name) as SmallDisk;
    disk.fill(BEHIND_LEAVE_BYTES); // the rows fit, what LMDB makes of them does not, where the disk is a real one
    writeFileSync(failing, 'complete.mdb');
    cluster.startNode(name);
    await goesOn('snapshot was not received');
    disk.free();
    await goesOn("-> '"); // the rename that finishes an image
    writeFileSync(failing, 'data.mdb');
    await goesOn('snapshot could not be put in place');
    await cluster.process(name).kill();
    cluster.startNode(name);
    await goesOn('snapshot could not be put in place');
    rmSync(failing);
    await cluster.caughtUp(name);
    assert.is(String(await cluster.ask(name, (node) => node.get('row', NO_GUARANTEES))), 'new');
    await cluster.killAll();
  },
);

suite.run();

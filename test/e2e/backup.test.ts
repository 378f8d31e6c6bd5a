/** Backups as an operator takes them: images of clusters that serve, whole or not at all, and what comes back out of them. */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { EXIT_CODES } from '../../src/base/errors.ts';
import { NurseryClient } from '../../src/client/nursery-client.ts';
import { type NodePlace, TestCluster } from '../support/clusters.ts';
import { TestNursery } from '../support/nurseries.ts';
import { type Lab, labSuite } from '../support/processes.ts';
import { until } from '../support/wait.ts';

const tests = labSuite('backups');
const KEYS = 600;
/** Keys that are counted up meanwhile. */
const COUNTERS = 8;

async function connect(lab: Lab, { routerPort }: TestNursery): Promise<NurseryClient> {
  const client = await NurseryClient.connect({ addresses: [`127.0.0.1:${routerPort}`] });
  lab.closing(() => client.close());
  return client;
}

function nameOf(index: number): string {
  return `${'bkmtw'[index % 5]}${String(index).padStart(5, '0')}`;
}

/** Entries of all images of a backup, and how often each key is there. */
function entriesIn(directory: string): Map<string, string[]> {
  const entries = new Map<string, string[]>();
  for (const file of readdirSync(directory).filter((name) => name.endsWith('.image'))) {
    for (const line of readFileSync(join(directory, file), 'utf8').trim().split('\n').slice(1, -1)) {
      const { key, value } = JSON.parse(line) as { readonly key: string; readonly value: string };
      entries.set(key, [...(entries.get(key) ?? []), value]);
    }
  }
  return entries;
}

/** Counts keys up, one after the other, until told to stop; says what each had for certain. */
class Counting {
  readonly acknowledged = new Map<string, number>();
  readonly #client: NurseryClient;
  readonly #running: Promise<void>;
  #isStopped = false;

  constructor(client: NurseryClient) {
    this.#client = client;
    this.#running = this.#run();
  }

  async stop(): Promise<ReadonlyMap<string, number>> {
    this.#isStopped = true;
    await this.#running;
    return this.acknowledged;
  }

  async #run(): Promise<void> {
    for (let count = 1; !this.#isStopped; count += 1) {
      for (let index = 0; index < COUNTERS; index += 1) {
        const key = `${'bkmtw'[index % 5]}-counter-${index}`;
        await this.#client.set(key, String(count));
        this.acknowledged.set(key, count);
      }
    }
  }
}

tests.test(
  'of a nursery under load, with ranges moving: each key in one image; all comes back elsewhere',
  async (lab) => {
    const nursery = await TestNursery.start(lab, { prefix: 'k', keeperSize: 1, size: 1 });
    const client = await connect(lab, nursery);
    await client.sequence(
      Array.from({ length: KEYS }, (_, index) => ({
        kind: 'set' as const,
        key: nameOf(index),
        value: `v${index}`,
      })),
    );
    await nursery.succeed(['migrate', 'k-ams', 'm', 'k-bru']);
    const counting = new Counting(client);
    await until('counters to count', () => counting.acknowledged.size === COUNTERS);
    const directory = join(lab.dir, 'monday');
    assert.match((await nursery.run(['status'])).stdout, /^ {2}no backup was noted$/m);
    const before = new Map(counting.acknowledged);
    const moving = (async () => {
      await nursery.succeed(['migrate', '--range', 't..u', '--to', 'k-ams']);
      await nursery.succeed(['migrate', '--range', 'b..c', '--to', 'k-bru']);
    })();
    await nursery.succeed(['backup', '--all', '--to', directory]);
    const noted = (await nursery.run(['status'])).stdout.match(
      /^ {2}last backup: \d+ s ago, as of slot \d+$/gm,
    );
    assert.is(noted?.length, 2);
    await moving;
    const after = await counting.stop();

    const entries = entriesIn(directory);
    for (let index = 0; index < KEYS; index += 1) assert.equal(entries.get(nameOf(index)), [`v${index}`]);
    for (const [key, count] of before) {
      const [value, ...more] = entries.get(key) ?? [];
      assert.equal(more, [], `${key} is in one image`);
      assert.ok(Number(value) >= count, `${key} was ${count} before the backup began, and is ${value} in it`);
      assert.ok(Number(value) <= (after.get(key) ?? 0) + 1, `${key} never was ${value}`);
    }
    assert.is(entries.size, KEYS + COUNTERS);
    const { stdout } = await lab.run(['verify', directory, '--json']);
    const said = JSON.parse(stdout) as {
      readonly entries: number;
      readonly images: readonly { readonly slot: number }[];
    };
    assert.is(said.entries, KEYS + COUNTERS);
    assert.is(said.images.length, 2);

    const elsewhere = await TestNursery.start(lab, { prefix: 'l', keeperSize: 1, size: 1 });
    await elsewhere.succeed(['import', '--from', directory]);
    const copy = await connect(lab, elsewhere);
    const rows = await copy.rangeEntries({ max: -1 });
    assert.equal(
      rows.map(([key, value]) => [key.toString(), [value.toString()]]),
      [...entries].sort(([a], [b]) => (a < b ? -1 : 1)),
    );
    assert.is((await client.get(nameOf(0))).toString(), 'v0', 'the original goes on');
  },
);

tests.test(
  'of a cluster of three: from a follower, all that was acknowledged; without a majority what a node has',
  async (lab) => {
    const cluster = await TestCluster.start(lab, { clusterId: 'three', size: 3 });
    const master = await cluster.master();
    const client = await cluster.connect(master);
    const sets = Array.from({ length: 50 }, (_, index) => client.set(`key ${index}`, `value ${index}`));
    await Promise.all(sets);
    const directory = join(lab.dir, 'three');
    const run = (...args: string[]) => lab.run(['backup', '--config', cluster.file, ...args]);
    const { code, stderr } = await run('--to', directory);
    assert.is(code, 0, stderr);
    const isStill = (await cluster.master()) === master; // else it may have been a follower by then
    assert.ok(!isStill || !stderr.includes(`from ${master}\n`), 'the master has enough to do');
    assert.is(entriesIn(directory).size, 50);

    // One that was master could answer for as long as its lease lasts.
    const survivor = await cluster.follower();
    const others = cluster.nodes.map(({ name }) => name).filter((name) => name !== survivor);
    for (const name of others) await cluster.process(name).kill();
    const refused = await run('--to', join(lab.dir, 'refused'));
    assert.ok(
      refused.code === EXIT_CODES.NO_MASTER || refused.code === EXIT_CODES.UNREACHABLE,
      refused.stderr,
    );
    assert.not(existsSync(join(lab.dir, 'refused')), 'nothing looks like a backup');
    const rest = join(lab.dir, 'rest');
    const taken = await run('--to', rest, '--node', survivor);
    assert.is(taken.code, 0, taken.stderr);
    assert.is(entriesIn(rest).size, 50);

    const anew = await TestCluster.start(lab, { clusterId: 'anew', size: 1 });
    const { stdout } = await lab.run(['import', '--config', anew.file, '--from', rest]);
    assert.match(stdout, /^50 keys stored, 0 were there$/m);
  },
);

tests.test('what is broken off is no backup, and goes on; what is damaged is known', async (lab) => {
  const cluster = await TestCluster.start(lab, { clusterId: 'slow', size: 1 });
  const [{ name }] = cluster.nodes as [NodePlace];
  const client = await cluster.connect(name);
  for (let index = 0; index < 4; index += 1)
    await client.set(`big ${index}`, Buffer.alloc(600 * 1024, 65 + index));
  const directory = join(lab.dir, 'broken');
  const args = ['backup', '--config', cluster.file, '--to', directory];
  const slow = lab.start('slow backup', [...args, '--rate', '100000']);
  const isBegun = (): boolean =>
    readdirSync(directory).some((each) => each.startsWith('.nursery-unfinished-'));
  await until('an image to be begun', () => existsSync(directory) && isBegun());
  const second = await lab.run(args);
  assert.is(second.code, EXIT_CODES.HOME_IN_USE, second.stderr);
  await slow.kill();
  const early = await lab.run(['verify', directory]);
  assert.is(early.code, EXIT_CODES.USAGE);
  assert.match(
    early.stderr,
    /backup\.json: it is not there: this is no backup, or one that did not come to its end/,
  );
  const imported = await lab.run(['import', '--config', cluster.file, '--from', directory]);
  assert.is(imported.code, EXIT_CODES.USAGE, imported.stderr);

  assert.is((await lab.run(args)).code, 0);
  assert.equal(readdirSync(directory).length, 2, 'an image and what says that it is whole');
  const taken = await lab.run(args);
  assert.is(taken.code, EXIT_CODES.HOME_UNUSABLE);
  assert.match(taken.stderr, /holds a backup already/);

  const [file] = readdirSync(directory).filter((each) => each.endsWith('.image')) as [string];
  const path = join(directory, file);
  const whole = readFileSync(path);
  const damaged = Buffer.from(whole);
  damaged[whole.length >> 1] = (damaged[whole.length >> 1] as number) ^ 1;
  const foreign = Buffer.from(whole.toString('utf8').replace('"slot":', '"slot":1'));
  for (const [bytes, why] of [
    [damaged, /is another one|is no JSON object/],
    [whole.subarray(0, whole.length - 90), /was cut off|is no JSON object/],
    [foreign, /the sum is another one/],
  ] as const) {
    writeFileSync(path, bytes);
    const { code, stderr } = await lab.run(['verify', directory]);
    assert.is(code, EXIT_CODES.USAGE);
    assert.match(stderr, why);
  }
  rmSync(path);
  const missing = await lab.run(['verify', directory]);
  assert.is(missing.code, EXIT_CODES.USAGE, missing.stderr);
  assert.match(missing.stderr, /\.image is missing/);
});

tests.test('what makes no sense is refused, and says what would', async (lab) => {
  const nursery = await TestNursery.start(lab, { prefix: 'n', keeperSize: 1, size: 1 });
  const to = join(lab.dir, 'x');
  const other = join(lab.dir, 'other');
  await lab.run(['export', '--config', nursery.file, '--to', join(lab.dir, 'an-export')]);
  for (const [args, code, why] of [
    [['backup', '--to', to], EXIT_CODES.USAGE, /a router has no data: name a cluster, or say --all/],
    [['backup', 'n-ams', '--all', '--to', to], EXIT_CODES.USAGE, /not both/],
    [['backup', '--all', '--to', '-'], EXIT_CODES.USAGE, /--all takes a directory/],
    [['backup', 'n-oslo', '--to', to], EXIT_CODES.REFUSED, /n-oslo is unknown to the keeper/],
    [['backup', 'n-ams', '--to', to, '--node', 'nobody'], EXIT_CODES.UNREACHABLE, /no node nobody/],
    [['backup', 'n-ams', '--to', nursery.file], EXIT_CODES.HOME_UNUSABLE, /cannot be used/],
  ] as const) {
    const finished = await nursery.run([...args]);
    assert.is(finished.code, code, `${args.join(' ')}: ${finished.stderr}`);
    assert.match(finished.stderr, why);
  }
  const stray = join(lab.dir, 'stray');
  mkdirSync(stray);
  writeFileSync(join(stray, 'precious.image'), 'kept by itself');
  const [, elsewhere] = nursery.clusters;
  for (const [args, why] of [
    [['n-ams', '--to', stray], /it holds precious\.image, which is no part of a backup that was broken off/],
    [['--all', '--to', stray], /it holds precious\.image/],
    [['n-ams', '--to', lab.dir], /which is no part of a backup that was broken off/],
    [
      [elsewhere.id, '--to', join(lab.dir, 'nothing')],
      /owns nothing at slot \d+, so there is nothing to back up/,
    ],
  ] as const) {
    const finished = await nursery.run(['backup', ...args]);
    assert.ok(
      [EXIT_CODES.HOME_UNUSABLE, EXIT_CODES.REFUSED].includes(finished.code as never),
      finished.stderr,
    );
    assert.match(finished.stderr, why);
  }
  assert.equal(readdirSync(stray), ['precious.image'], 'nothing is removed that was not begun here');
  const begun = join(lab.dir, 'begun');
  mkdirSync(begun);
  writeFileSync(join(begun, 'unfinished'), 'cluster n-bru\n');
  const mixed = await nursery.run(['backup', '--all', '--to', begun]);
  assert.is(mixed.code, EXIT_CODES.HOME_UNUSABLE);
  assert.match(
    mixed.stderr,
    /a backup of cluster n-bru was broken off there, and this is one of all clusters/,
  );
  const empty = await TestCluster.start(lab, { clusterId: 'empty', size: 1, keeper: 'itself' });
  const nothing = await lab.run(['backup', '--all', '--config', empty.file, '--to', to]);
  assert.is(nothing.code, EXIT_CODES.REFUSED, nothing.stderr);
  assert.match(nothing.stderr, /there is no map, so nothing belongs to anybody/);
  await nursery.succeed(['backup', 'n-ams', '--to', other]);
  const piped = await nursery.succeed(['backup', 'n-ams', '--to', '-']);
  writeFileSync(join(lab.dir, 'one.image'), piped.stdout);
  assert.is((await lab.run(['verify', join(lab.dir, 'one.image')])).code, 0);
  const wrong = await lab.run(['verify', join(lab.dir, 'an-export')]);
  assert.is(wrong.code, EXIT_CODES.USAGE);
  assert.match(wrong.stderr, /an export, where the image of a cluster is wanted/);
});

tests.run();

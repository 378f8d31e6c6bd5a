/** Runs above the rows of a store: whatever lies where, and whenever a merge is interrupted, readers see one image. */
import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { RowCount } from '../../../node/store/buckets.ts';
import { checkStoreFile, checkStorePages } from '../../../node/store/check-file.ts';
import { CurrentStore } from '../../../node/store/current-store.ts';
import {
  type Environment,
  identityCodec,
  META,
  openEnvironment,
  openRunTables,
} from '../../../node/store/environment.ts';
import { withStore } from '../../../node/store/inspect.ts';
import { LmdbStore, type LmdbStoreOptions } from '../../../node/store/lmdb-store.ts';
import { RUN_POLICY, RUN_TABLES, type RunPolicy } from '../../../node/store/run-policy.ts';
import { filterKey, filterSumKey, putMerge, readRuns } from '../../../node/store/runs.ts';
import type { StoreKey } from '../../../node/store/types.ts';
import type { FatalError } from '../../../src/base/errors.ts';
import { decode, encode } from '../../../src/wire/codec.ts';
import { until } from '../../support/wait.ts';
import { countsOf, fullCounts, MERGED_SOON } from './counts.ts';
import { checkAll } from './model.ts';

const root = mkdtempSync(join(tmpdir(), 'nursery-runs-'));
test.after(() => rmSync(root, { recursive: true, force: true }));
let places = 0;

/** Each flush is a run, and none is merged before there are many. */
const KEPT: RunPolicy = {
  ...RUN_POLICY,
  directRowsMax: 0,
  directBytesMax: 0,
  mergeRowsMin: 1_000_000,
  mergeRowsMost: 1_000_000,
  mergeRuns: 1000,
  urgentRuns: 1000,
  mergeIdleMs: 1e9,
};

function newPlace(runPolicy: RunPolicy = KEPT): LmdbStoreOptions {
  places += 1;
  return { dir: join(root, `store.${places}`), cluster: 'amsterdam', node: 'node_0', runPolicy };
}

type Model = Map<StoreKey, Uint8Array>;

/** Writes rows `from` up to `to` as the next slot, and flushes it. */
async function put(
  store: LmdbStore,
  model: Model,
  from: number,
  to: number,
  value: string | null,
): Promise<void> {
  const changes = new Map<StoreKey, Uint8Array | null>();
  for (let n = from; n < to; n += 1)
    changes.set(`\x01${String(n).padStart(6, '0')}`, value === null ? null : Buffer.from(value));
  store.commit(changes, store.slot + 1);
  for (const [key, row] of changes) {
    if (row === null) model.delete(key);
    else model.set(key, row);
  }
  await store.flush(store.slot);
}

test('rows near each other are flushed as they come, and go where they belong; others gather, and are a run', async () => {
  const store = await LmdbStore.open(newPlace({ ...KEPT, directRowsMax: 100, directBytesMax: 1e6 }));
  const commit = (count: number, of: (n: number) => number): void => {
    const changes = new Map<StoreKey, Uint8Array | null>();
    for (let n = 0; n < count; n += 1) changes.set(`\x01${String(of(n)).padStart(6, '0')}`, Buffer.from('v'));
    store.commit(changes, store.slot + 1);
  };
  commit(5000, (n) => n);
  assert.is(await store.gathers(), false, 'a copy to where nothing is');
  await store.flush(store.slot);
  commit(200, (n) => n);
  assert.is(await store.gathers(), false, 'the same rows again');
  await store.flush(store.slot);
  assert.is(store.statistics.runs, 0);
  commit(200, (n) => 20 * n);
  assert.is(await store.gathers(), true, 'the more of them come the less each costs');
  await store.flush(store.slot);
  assert.is(store.statistics.runs, 1);
  commit(5000, (n) => 10_000 + n);
  assert.is(await store.gathers(), true, 'below a run they would be hidden');
  await store.flush(store.slot);
  assert.is(store.statistics.runs, 2);
  await store.close();
});

test('a newer run hides older ones and the rows, also where it says that a row is gone', async () => {
  const place = newPlace({ ...KEPT, directRowsMax: 100 });
  const store = await LmdbStore.open(place);
  const model: Model = new Map();
  await put(store, model, 0, 100, 'row');
  assert.is(store.statistics.runs, 0, 'few rows go to where they belong');
  await put(store, model, 20, 200, 'first run');
  await put(store, model, 40, 60, null);
  await put(store, model, 50, 55, 'third run');
  assert.is(store.statistics.runs, 3, 'few rows, too, where a run would hide them');
  checkAll(store, model);
  assert.equal(
    [10, 30, 45, 52, 150].map((n) => store.get(`\x01${String(n).padStart(6, '0')}`)?.toString()),
    ['row', 'first run', undefined, 'third run', 'first run'],
  );
  await store.close();
  const again = await LmdbStore.open(place);
  assert.is(again.statistics.runs, 3);
  checkAll(again, model);
  await again.close();
  await withStore(place, async (view, slot) => {
    assert.is(slot, 4);
    checkAll(view, model);
  });
});

test('values are what they were: empty ones, and those that begin as the mark of a removed row does', async () => {
  const values = ['', 'ff', 'ffff', 'ff00', '00ff'].map((hex) => Buffer.from(hex, 'hex'));
  for (const runPolicy of [KEPT, { ...MERGED_SOON, directRowsMax: 0 }]) {
    const store = await LmdbStore.open(newPlace(runPolicy));
    const model: Model = new Map(values.map((value, n) => [`\x01${n}`, value]));
    store.commit(new Map(model), 1);
    await store.flush(1);
    checkAll(store, model);
    if (runPolicy !== KEPT) await until('the merge', () => store.statistics.runs === 0, { everyMs: 1 });
    checkAll(store, model);
    await store.close();
  }
});

test('a merge that is broken off again and again comes to its end, and each time the image is the same', async () => {
  const place = newPlace();
  const store = await LmdbStore.open(place);
  const model: Model = new Map();
  for (let run = 0; run < 4; run += 1) {
    await put(store, model, run * 1500, 5000 + run * 1500, `run ${run}`);
    await put(store, model, 1000 * run, 1000 * run + 600, null);
  }
  await store.close();
  let openings = 0;
  const marks = new Set<string>();
  for (let isMerged = false; !isMerged; openings += 1) {
    const merging = await LmdbStore.open({ ...place, runPolicy: MERGED_SOON });
    checkAll(merging, model);
    isMerged = merging.statistics.runs === 0;
    if (isMerged) {
      const ranges = [{ lo: '', hi: null }];
      assert.equal(await countsOf(merging, ranges), fullCounts(merging, ranges));
    }
    await merging.close();
    const environment = openEnvironment(place.dir);
    marks.add(environment.getBinary(META.MERGE)?.toString('latin1') ?? '');
    await environment.close();
    assert.ok(openings < 100, 'each life merges a slice at least');
  }
  assert.ok(marks.size > 3, `it was broken off at ${marks.size - 1} places`);
});

test('a slice of a merge goes on at the very next key', async () => {
  const store = await LmdbStore.open(newPlace({ ...MERGED_SOON, directRowsMax: 0 }));
  const model: Model = new Map([
    ['\x01', Buffer.from('alone, so that a slice of a thousand ends within a pair')],
  ]);
  for (let n = 0; n < 1500; n += 1) {
    const key = `\x01${String(n).padStart(6, '0')}`;
    model.set(key, Buffer.from('first')).set(`${key}\0`, Buffer.from('next'));
  }
  store.commit(new Map(model), 1);
  await store.flush(1);
  await until('the merge', () => store.statistics.runs === 0, { everyMs: 1 });
  checkAll(store, model);
  await store.close();
});

test('what comes while runs are merged stays above them', async () => {
  const store = await LmdbStore.open(newPlace({ ...KEPT, mergeRowsMin: 20_000 }));
  const model: Model = new Map();
  await put(store, model, 0, 15_000, 'old');
  await put(store, model, 5000, 25_000, 'newer');
  // Each of these is a run of its own: the merge of the two goes on below them.
  for (let n = 0; n < 8; n += 1) {
    await put(store, model, n * 2000, n * 2000 + 100, n % 2 === 0 ? `late ${n}` : null);
    checkAll(store, model);
  }
  await until('the merge', () => store.statistics.mergedRuns >= 2, { everyMs: 1 });
  assert.ok(store.statistics.runs > 0, 'later runs are not merged with them');
  checkAll(store, model);
  await store.close();
});

test('a snapshot keeps its runs while they are merged and their tables filled anew', async () => {
  const policy = { ...KEPT, mergeRuns: 3, urgentRuns: 3 };
  const store = await LmdbStore.open(newPlace(policy));
  const model: Model = new Map();
  await put(store, model, 0, 3000, 'old');
  await put(store, model, 1000, 2000, null);
  const then = new Map(model);
  const snapshot = store.snapshot();
  for (let n = 0; n < 3 * RUN_TABLES; n += 1) await put(store, model, n, n + 300, `new ${n}`);
  await until('merges', () => store.statistics.mergedRuns > RUN_TABLES, { everyMs: 1 });
  checkAll(snapshot, then);
  checkAll(store, model);
  snapshot.close();
  await store.close();
});

test('merging waits for who reads an older image, until there are many runs; at the bound a flush waits', async () => {
  const policy = { ...KEPT, mergeRuns: 2, urgentRuns: 10 };
  const store = await LmdbStore.open(newPlace(policy));
  const model: Model = new Map();
  await put(store, model, 0, 100, 'first');
  const snapshot = store.snapshot();
  for (let n = 0; n < 8; n += 1) await put(store, model, n, n + 10, `run ${n}`);
  assert.is(store.statistics.mergedRuns, 0, 'an image is pinned');
  for (let n = 0; n < 2 * RUN_TABLES; n += 1) await put(store, model, n, n + 10, `more ${n}`);
  assert.ok(store.statistics.mergedRuns > 0, 'there are only so many tables');
  checkAll(store, model);
  snapshot.close();
  await until('the rest', () => store.statistics.runs < 2, { everyMs: 1 });
  checkAll(store, model);
  await store.close();
});

test('what comes too fast waits a little for the merge again and again, and never for all of it', async () => {
  const place = newPlace();
  const before = await LmdbStore.open(place);
  const model: Model = new Map();
  const runs = RUN_TABLES - 6;
  for (let run = 0; run < runs; run += 1) await put(before, model, run * 4000, run * 4000 + 4000, 'old');
  await before.close();

  const busy = { ...KEPT, mergeRuns: runs, urgentRuns: runs };
  const store = await LmdbStore.open({ ...place, runPolicy: busy });
  const current = new CurrentStore(store);
  const whole = store.overlayBytesMax;
  /** Of each flush, what the overlay was allowed meanwhile. */
  const rooms: number[][] = [];
  current.whenRoom(() => rooms.at(-1)?.push(current.overlayBytesMax));
  let added = 0;
  for (; store.statistics.mergedRuns === 0; added += 1) {
    rooms.push([]);
    await put(store, model, added, added + 10, 'new');
  }
  checkAll(store, model);
  assert.ok(store.statistics.mergedRuns >= runs);
  assert.is(store.overlayBytesMax, whole, 'nothing waits any more');
  const waited = rooms
    .map((each) => each.filter((bytes) => bytes < whole))
    .filter(({ length }) => length > 0);
  assert.ok(waited.length >= 3 && added <= 7, `${waited.length} of ${added} waited`);
  for (const each of waited) {
    assert.equal(
      [...each].sort((a, b) => a - b),
      each,
      'there is more and more room',
    );
    assert.ok(each.every((bytes) => bytes >= whole / 2));
  }
  assert.ok(waited.some((each) => each.length >= 3));
  const other = await LmdbStore.open(newPlace());
  await current.take().close();
  current.put(other);
  rooms.push([]);
  other.onRoom();
  assert.equal(rooms.at(-1), [whole], 'a store in its place is heard as well');
  await other.close();
});

test('rows of a run that was never finished are nowhere, and its table is used again', async () => {
  const place = newPlace();
  const first = await LmdbStore.open(place);
  const model: Model = new Map();
  await put(first, model, 0, 10, 'kept');
  await first.close();
  const environment = openEnvironment(place.dir);
  for (const [number, table] of openRunTables(environment).entries()) {
    if (readRuns(environment).every((run) => run.table !== number))
      await table.put('\x01000003', Buffer.from('torn'));
  }
  await environment.close();
  const store = await LmdbStore.open(place);
  checkAll(store, model);
  for (let n = 0; n < RUN_TABLES / 2; n += 1) await put(store, model, 20 + n, 21 + n, 'new');
  checkAll(store, model);
  await store.close();
});

test('a run without its filter is damage: without it its rows would be hidden', async () => {
  const place = newPlace();
  const store = await LmdbStore.open(place);
  await put(store, new Map(), 0, 10, 'row');
  await store.close();
  const environment = openEnvironment(place.dir);
  await environment.remove(filterKey(readRuns(environment)[0]?.table ?? -1));
  await environment.close();
  try {
    await LmdbStore.open(place);
    assert.unreachable('the store is refused');
  } catch (error) {
    assert.is((error as { exitCode?: number }).exitCode, 42, String(error));
  }
});

/** A store with a run of ten rows, whose file `change` has changed since it was closed. */
async function changed(
  change: (environment: Environment, table: number) => Promise<unknown>,
): Promise<{ readonly place: LmdbStoreOptions; readonly model: Model }> {
  const [place, model]: [LmdbStoreOptions, Model] = [newPlace(), new Map()];
  const store = await LmdbStore.open(place);
  await put(store, model, 0, 10, 'row');
  await store.close();
  const environment = openEnvironment(place.dir);
  await change(environment, readRuns(environment)[0]?.table ?? -1);
  await environment.close();
  return { place, model };
}

test('a filter that has changed on the disk is damage: rows would be hidden of which scrubbing never asks the filter', async () => {
  const { place } = await changed(async (environment, table) => {
    const filter = environment.getBinary(filterKey(table)) as Buffer;
    await environment.put(filterKey(table), Buffer.from(filter).fill(0, 4, 8));
  });
  const isDamage = (error: unknown): boolean =>
    (error as FatalError).exitCode === 42 && /bad checksum/.test((error as FatalError).message);
  for (const open of [() => LmdbStore.open(place), () => withStore(place, async () => undefined)])
    assert.ok(
      isDamage(
        await open().then(
          () => null,
          (error: unknown) => error,
        ),
      ),
    );
});

test('what says which runs there are, and how far they are merged, is damage where a bit of it has changed', async () => {
  for (const at of [META.RUNS, META.MERGE]) {
    const flips = async (byte: number): Promise<unknown> => {
      const { place } = await changed(async (environment) => {
        await environment.transaction(() => putMerge(environment, { slots: [1], next: '\x01000005' }));
        const row = Buffer.from(environment.getBinary(at) as Buffer);
        row[byte] = (row[byte] as number) ^ 1;
        await environment.put(at, row);
      });
      const inspected = await withStore(place, async () => undefined).then(
        () => null,
        (error: FatalError) => error.exitCode,
      );
      assert.is(inspected, 42, `who only reads, byte ${byte} of ${at}`);
      return await LmdbStore.open(place).then(
        () => null,
        (error: FatalError) => error.exitCode,
      );
    };
    for (const byte of [4, 8, 17]) assert.is(await flips(byte), 42, `byte ${byte} of ${at}`);
  }
});

test('a filter without a checksum, as an earlier build wrote it, is made anew', async () => {
  const { place, model } = await changed(async (environment, table) => {
    await environment.remove(filterSumKey(table));
    await environment.put(filterKey(table), Buffer.alloc(20));
  });
  const store = await LmdbStore.open(place);
  checkAll(store, model);
  await store.close();
});

test('pages of runs are checked with the others before LMDB maps the file', async () => {
  const place = newPlace();
  const store = await LmdbStore.open(place);
  for (let n = 0; n < 3; n += 1) await put(store, new Map(), n * 3000, n * 3000 + 3000, 'x'.repeat(100));
  await store.close();
  checkStorePages(place.dir);
  checkStoreFile(place.dir);
  const file = join(place.dir, 'data.mdb');
  // Rows are in runs alone: a page that has some belongs to the tree of one.
  const whole = readFileSync(file);
  const page = whole.indexOf('x'.repeat(100)) >>> 13;
  writeFileSync(file, Buffer.from(whole).fill(0, page * 8192, (page + 1) * 8192));
  assert.throws(() => checkStorePages(place.dir), /is not a page of a tree/);
  writeFileSync(file, whole);
  truncateSync(file, readFileSync(file).length / 2);
  assert.throws(() => checkStorePages(place.dir), /is not all there/);
  assert.throws(() => checkStoreFile(place.dir), /is not all there/);
});

test('a store of the format before becomes one of this format when it is opened', async () => {
  const place = newPlace();
  await (await LmdbStore.open(place)).close();
  const environment = openEnvironment(place.dir);
  await environment.put(
    META.IDENTITY,
    encode(identityCodec, { format: 1, cluster: 'amsterdam', node: 'node_0' }),
  );
  await environment.close();
  const store = await LmdbStore.open(place);
  const model: Model = new Map();
  await put(store, model, 0, 10, 'row');
  checkAll(store, model);
  await store.close();
  const after = openEnvironment(place.dir);
  assert.is(decode(identityCodec, after.getBinary(META.IDENTITY) ?? Buffer.alloc(0)).format, 2);
  await after.close();
});

const ALL = [{ lo: '', hi: null }];

async function estimated(store: LmdbStore): Promise<RowCount> {
  store.countRanges(ALL);
  const { counts } = await until('counts', () => store.counts, { everyMs: 1 });
  return counts[0] as RowCount;
}

/** One key of 16 is sampled, of so many that were changed: five times the deviation that this has. */
function checkNear({ keys, bytes }: RowCount, truth: RowCount, changed: number): void {
  const most = 5 * Math.sqrt(16 * changed);
  const rowBytes = truth.bytes / truth.keys;
  assert.ok(Math.abs(keys - truth.keys) <= most, `${keys} of ${truth.keys}`);
  assert.ok(Math.abs(bytes - truth.bytes) <= most * rowBytes, `${bytes} of ${truth.bytes}`);
}

test('rows of runs are counted by a sample of their keys, each held against what readers saw before', async () => {
  const place = newPlace();
  const store = await LmdbStore.open(place);
  const model: Model = new Map();
  await put(store, model, 0, 30_000, 'new');
  const filled = await estimated(store);
  checkNear(filled, fullCounts(store, ALL)[0] as RowCount, 30_000);
  await put(store, model, 0, 20_000, 'old');
  await put(store, model, 10_000, 30_000, 'ago');
  assert.equal(await estimated(store), filled, 'what only takes the place of as much changes nothing');
  await put(store, model, 0, 30_000, 'twice as many');
  checkNear(await estimated(store), fullCounts(store, ALL)[0] as RowCount, 30_000);
  await put(store, model, 5000, 15_000, null);
  const fewer = await estimated(store);
  checkNear(fewer, fullCounts(store, ALL)[0] as RowCount, 40_000);
  await put(store, model, 5000, 15_000, null);
  assert.equal(await estimated(store), fewer, 'what is gone does not go again');
  await put(store, model, 12_000, 13_000, 'back');
  await store.close();
  // What is merged is below, and no longer above, wherever the merge is broken off.
  let openings = 0;
  for (let isMerged = false; !isMerged; openings += 1) {
    const merging = await LmdbStore.open({ ...place, runPolicy: MERGED_SOON });
    checkNear(await estimated(merging), fullCounts(merging, ALL)[0] as RowCount, 40_000);
    isMerged = merging.statistics.runs === 0;
    if (isMerged) assert.equal(await countsOf(merging, ALL), fullCounts(merging, ALL));
    await merging.close();
  }
  assert.ok(openings > 3, `${openings} lives`);
});

test.run();

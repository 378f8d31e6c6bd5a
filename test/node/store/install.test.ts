/** The store's files: installation of a snapshot, what a crash leaves of one, and damage. */
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Storage } from '../../../node/life/storage.ts';
import { installSnapshot, LmdbStore, type Row, SnapshotWriter } from '../../../node/store/lmdb-store.ts';
import type { StoreKey } from '../../../node/store/types.ts';
import type { NurseryError } from '../../../src/base/errors.ts';
import { SILENT } from '../../../src/process/log.ts';
import { checkAll } from './model.ts';

const root = mkdtempSync(join(tmpdir(), 'nursery-install-'));
test.after(() => rmSync(root, { recursive: true, force: true }));
let places = 0;

function newPlace(): { dir: string; cluster: string; node: string } {
  places += 1;
  return { dir: join(root, `store${places}`), cluster: 'amsterdam', node: 'node_0' };
}

/** A store at slot 7 with one row. */
async function oldStore(place: ReturnType<typeof newPlace>): Promise<Map<StoreKey, Uint8Array>> {
  const store = await LmdbStore.open(place);
  store.commit(new Map([['\x01old', Buffer.from('old')]]), 7);
  await store.flush(7);
  await store.close();
  return new Map([['\x01old', Buffer.from('old')]]);
}

function manyRows(): Map<StoreKey, Uint8Array> {
  const rows = new Map<StoreKey, Uint8Array>();
  for (let index = 0; index < 20_000; index += 1) rows.set(`\x01${index}`, Buffer.alloc(500, index % 251));
  rows.set('\x02large', Buffer.alloc(3_000_000, 7));
  rows.set('\x02empty', Buffer.alloc(0));
  return rows;
}

async function putAll(writer: SnapshotWriter, rows: Map<StoreKey, Uint8Array>): Promise<void> {
  let page: Row[] = [];
  for (const [key, value] of rows) {
    page.push({ key, value });
    if (page.length < 1000) continue;
    await writer.put(page);
    page = [];
  }
  await writer.put(page);
}

test('a snapshot replaces the store as a whole', async () => {
  const place = newPlace();
  const old = await oldStore(place);
  const store = await LmdbStore.open(place);
  const writer = await SnapshotWriter.create(place);
  const rows = manyRows();
  await putAll(writer, rows);
  await writer.finish(4711);
  checkAll(store, old); // serves until it is closed
  await store.close();
  await installSnapshot(place.dir);
  const installed = await LmdbStore.open(place);
  assert.is(installed.slot, 4711);
  checkAll(installed, rows);
  await installed.close();
});

test('a snapshot that cannot take the place leaves a store that is open, with what it had not flushed', async () => {
  const place = newPlace();
  const logDir = join(root, `log${places}`);
  const storage = await Storage.open({
    place,
    logDir,
    segmentBytes: 65_536,
    reserveBytes: 0,
    logger: SILENT,
  });
  storage.store.commit(new Map([['\x01fresh', Buffer.from('fresh')]]), 8);

  const receiver = await storage.receive(4711);
  await receiver.finish();
  const finished = readFileSync(join(place.dir, 'complete.mdb'));
  rmSync(join(place.dir, 'complete.mdb'));
  const caught = await storage.replace().catch((error: NodeJS.ErrnoException) => error);
  assert.is((caught as NodeJS.ErrnoException).code, 'ENOENT', 'as the system says it');
  await receiver.abort();
  assert.is(storage.store.slot, 8);
  assert.is(String(storage.store.get('\x01fresh')), 'fresh');
  await storage.flush(8);

  writeFileSync(join(place.dir, 'complete.mdb'), finished);
  await storage.replace();
  assert.is(storage.store.slot, 4711);
  assert.is(storage.store.get('\x01fresh'), undefined);
  await storage.abandon();
  assert.is(await storage.replace().catch((error: NurseryError) => error.code), 'GOING_DOWN');
});

test('a crash before the rename leaves the old store, and nothing else after the next start', async () => {
  for (const stop of ['unfinished', 'finished'] as const) {
    const place = newPlace();
    const old = await oldStore(place);
    const writer = await SnapshotWriter.create(place);
    await putAll(writer, manyRows());
    if (stop === 'finished') await writer.finish(4711);
    const store = await LmdbStore.open(place); // as if this were the next life of the process
    assert.is(store.slot, 7);
    checkAll(store, old);
    assert.equal(readdirSync(place.dir).sort(), ['data.mdb', 'lock.mdb']);
    await store.close();
    if (stop === 'unfinished') await writer.abort();
  }
});

test('a directory in which the first start was interrupted becomes a store', async () => {
  const place = newPlace();
  mkdirSync(join(place.dir, 'incoming'), { recursive: true });
  writeFileSync(join(place.dir, 'incoming', 'data.mdb'), '');
  const store = await LmdbStore.open(place);
  assert.is(store.slot, 0);
  await store.close();
});

test('a file that is damaged or cut is refused, with its name and the repair', async () => {
  const place = newPlace();
  const store = await LmdbStore.open(place);
  store.commit(manyRows(), 1);
  await store.flush(1);
  await store.close();
  const file = join(place.dir, 'data.mdb');
  const whole = readFileSync(file);
  const damages: { readonly [name: string]: () => void } = {
    'cut to nothing': () => truncateSync(file, 0),
    'cut within the first page': () => truncateSync(file, 5000),
    'cut to the first two pages': () => truncateSync(file, 16_384),
    'cut in the middle': () => truncateSync(file, whole.length / 2),
    'cut by one page': () => truncateSync(file, whole.length - 8192),
    'first page overwritten': () =>
      writeFileSync(file, Buffer.concat([Buffer.alloc(8192, 0xaa), whole.subarray(8192)])),
    'something else': () => writeFileSync(file, Buffer.alloc(100_000, 'not a store')),
  };
  for (const [name, damage] of Object.entries(damages)) {
    damage();
    try {
      await (await LmdbStore.open(place)).close();
      assert.unreachable(`${name} is refused`);
    } catch (error) {
      assert.is((error as { exitCode?: number }).exitCode, 42, `${name}: ${error}`);
      assert.match((error as Error).message, file);
    }
    writeFileSync(file, whole);
  }
  const repaired = await LmdbStore.open(place);
  checkAll(repaired, manyRows());
  await repaired.close();
});

test('a file that is short of free pages only is taken, and made whole', async () => {
  const place = newPlace();
  const store = await LmdbStore.open(place);
  store.commit(new Map([['\x01large', Buffer.alloc(3_000_000)]]), 1);
  await store.flush(1);
  store.commit(new Map([['\x01large', null]]), 2);
  for (let slot = 3; slot < 8; slot += 1) {
    store.commit(new Map([['\x01small', Buffer.from('x')]]), slot); // soon on pages that were freed
    await store.flush(slot);
  }
  await store.close();
  const file = join(place.dir, 'data.mdb');
  const bytes = statSync(file).size;
  assert.ok(bytes > 3_000_000);
  truncateSync(file, bytes - 8192);
  const opened = await LmdbStore.open(place);
  checkAll(opened, new Map([['\x01small', Buffer.from('x')]]));
  assert.is(statSync(file).size, bytes);
  await opened.close();
});

test('deleting the directory is a legal repair', async () => {
  const place = newPlace();
  await oldStore(place);
  rmSync(place.dir, { recursive: true });
  const store = await LmdbStore.open(place);
  assert.is(store.slot, 0);
  assert.ok(existsSync(join(place.dir, 'data.mdb')));
  await store.close();
});

test.run();

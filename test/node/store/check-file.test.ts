/** The look at a store's file before LMDB maps it: whatever page is lost, only one that nobody needs goes unnoticed. */
import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { checkStoreFile, checkStorePages } from '../../../node/store/check-file.ts';
import { LmdbStore } from '../../../node/store/lmdb-store.ts';

const PAGE_BYTES = 8192;
const ROWS = 400;
const SLOTS = 5;

const dir = mkdtempSync(join(tmpdir(), 'nursery-check-'));
const file = join(dir, 'data.mdb');

/** A tree of two levels with free pages, and values on pages of their own. */
async function fill(): Promise<void> {
  const store = await LmdbStore.open({ dir, cluster: 'c', node: 'n' });
  for (let slot = 1; slot <= SLOTS; slot += 1) {
    const rows = new Map<string, Uint8Array | null>();
    for (let n = 0; n < ROWS; n += 1) rows.set(`\x01row ${n}`, Buffer.alloc(200, slot));
    for (let n = 0; n < 4; n += 1) rows.set(`\x01large ${n}`, Buffer.alloc(20_000, slot));
    store.commit(rows, slot);
    await store.flush(slot);
  }
  await store.close();
}

async function isReadable(): Promise<boolean> {
  const store = await LmdbStore.open({ dir, cluster: 'c', node: 'n' });
  let rows = 0;
  store.scan('', null, (_key, value) => {
    rows += value.every((byte) => byte === SLOTS) ? 1 : 0;
    return true;
  });
  await store.close();
  return rows === ROWS + 4;
}

test('a whole store is taken; one that has lost a page is refused, unless nothing is on it', async () => {
  await fill();
  const whole = readFileSync(file);
  checkStorePages(dir);
  const accepted: number[] = [];
  const count = whole.length / PAGE_BYTES;
  for (let page = 2; page < count; page += 1) {
    const holed = Buffer.from(whole).fill(0, page * PAGE_BYTES, (page + 1) * PAGE_BYTES);
    writeFileSync(file, holed);
    try {
      checkStorePages(dir);
      accepted.push(page);
    } catch (error) {
      assert.is((error as { exitCode?: number }).exitCode, 42, String(error));
    }
  }
  assert.ok(count - accepted.length > 15, `${accepted.length} of ${count} pages are taken for free ones`);
  // All those at once are gone: what LMDB needs to find its way is still there.
  const spared = Buffer.from(whole);
  for (const page of accepted) {
    if (!isData(whole, page)) spared.fill(0, page * PAGE_BYTES, (page + 1) * PAGE_BYTES);
  }
  writeFileSync(file, spared);
  assert.ok(await isReadable());
});

test('pages that are cut off are missed where they are needed, in a tree of any depth', async () => {
  rmSync(file);
  await fill();
  const whole = readFileSync(file);
  let refused = 0;
  for (let pages = whole.length / PAGE_BYTES - 1; pages > 2; pages -= 1) {
    writeFileSync(file, whole);
    truncateSync(file, pages * PAGE_BYTES);
    try {
      checkStoreFile(dir);
      assert.is(refused, 0, 'what is missing in a file is missing in a shorter one');
      assert.ok(await isReadable(), `cut to ${pages} pages`);
    } catch (error) {
      assert.is((error as { exitCode?: number }).exitCode, 42, String(error));
      refused += 1;
    }
  }
  assert.ok(refused > 0);
  rmSync(dir, { recursive: true });
});

/** Whether a page is one of those behind the first of a large value: only bytes are there, and no check sees them. */
function isData(whole: Buffer, page: number): boolean {
  return whole.readUIntLE(page * PAGE_BYTES, 6) !== page;
}

test.run();

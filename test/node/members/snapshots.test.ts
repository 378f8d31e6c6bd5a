import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { copySnapshot, SnapshotServer } from '../../../node/members/snapshots.ts';
import { MemoryStore } from '../../../node/store/memory-store.ts';
import { unpackRows } from '../../../node/store/row-pages.ts';
import { PASSED_MAX } from '../../../node/store/types.ts';
import { NurseryError } from '../../../src/base/errors.ts';
import type { LinkResult } from '../../../src/link/link.ts';

function storeOf(rows: number): MemoryStore {
  const store = new MemoryStore();
  const changes = Array.from({ length: rows }, (_, index): [string, Uint8Array] => {
    return [`d${String(index).padStart(6, '0')}`, Buffer.alloc(1000, index)];
  });
  store.commit(new Map(changes), 0);
  return store;
}

test('all rows arrive in order, the next page being asked for while one is written', async () => {
  const store = storeOf(1000);
  const server = new SnapshotServer(store);
  let asked = 0;
  let written = 0;
  let ahead = 0;
  const got: string[] = [];
  const slot = await copySnapshot(
    async (body): Promise<LinkResult> => {
      asked += 1;
      return { kind: 'reply', bytes: server.answer(body).bytes as Buffer, hint: null };
    },
    async (at) => {
      assert.is(at, 0);
      return {
        put: async (page) => {
          written += 1;
          ahead = Math.max(ahead, asked - 1 - written); // the first question opens
          assert.ok(server.busy);
          await null;
          unpackRows(page, (key) => got.push(key));
        },
      };
    },
  );
  assert.is(slot, 0);
  assert.is(got.length, 1000);
  assert.equal(got, [...got].sort());
  assert.ok(written > 3, `${written} pages`);
  assert.is(ahead, 1);
  assert.not(server.busy);
  server.close();
});

test('pages without rows do not end a copy: all of theirs may be removed and not flushed yet', async () => {
  const store = storeOf(4 * PASSED_MAX);
  store.flush(0);
  const removed = Array.from({ length: 3 * PASSED_MAX }, (_, index) => `d${String(index).padStart(6, '0')}`);
  store.commit(new Map(removed.map((key) => [key, null])), 1);
  const server = new SnapshotServer(store);
  const got: string[] = [];
  await copySnapshot(
    async (body) => ({ kind: 'reply', bytes: server.answer(body).bytes as Buffer, hint: null }),
    async () => ({ put: async (page) => unpackRows(page, (key) => got.push(key)) }),
  );
  assert.is(got.length, PASSED_MAX);
  server.close();
});

test('a peer whose pages do not go on ends the copy', async () => {
  const store = storeOf(1000);
  const server = new SnapshotServer(store);
  const pages: Buffer[] = [];
  const ask = async (body: Buffer): Promise<LinkResult> => {
    pages.push(server.answer(body).bytes as Buffer);
    return { kind: 'reply', bytes: pages[Math.min(pages.length - 1, 1)] as Buffer, hint: null };
  };
  let error: unknown = null;
  await copySnapshot(ask, async () => ({ put: async () => undefined })).catch((thrown) => {
    error = thrown;
  });
  assert.is((error as NurseryError).code, 'UNREACHABLE');
  server.close();
});

test('a sink that fails, and a peer that is gone, end the copy with their error', async () => {
  const server = new SnapshotServer(storeOf(1000));
  let questions = 0;
  const ask = async (body: Buffer): Promise<LinkResult> => {
    questions += 1;
    if (questions > 3) return { kind: 'failed', why: 'closed', sent: true };
    return { kind: 'reply', bytes: server.answer(body).bytes as Buffer, hint: null };
  };
  const failing = { put: () => Promise.reject(new NurseryError('DISK_FULL', 'no room')) };
  const outcome = (copy: Promise<number>): Promise<string> =>
    copy.then(
      () => 'copied',
      (error: NurseryError) => error.code,
    );
  assert.is(await outcome(copySnapshot(ask, async () => failing)), 'DISK_FULL');
  assert.is(await outcome(copySnapshot(ask, async () => ({ put: async () => undefined }))), 'UNREACHABLE');
  server.close();
});

test.run();

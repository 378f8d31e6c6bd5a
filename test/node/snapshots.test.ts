import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { copySnapshot, SnapshotServer } from '../../node/snapshots.ts';
import { MemoryStore } from '../../node/store/memory-store.ts';
import { unpackRows } from '../../node/store/row-pages.ts';
import { NurseryError } from '../../src/errors.ts';
import type { LinkResult } from '../../src/link/link.ts';

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

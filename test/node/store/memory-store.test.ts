import * as fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { MemoryStore } from '../../../node/store/memory-store.ts';
import { PASSED_MAX } from '../../../node/store/types.ts';
import { checkAll, histories, runHistory } from './model.ts';

test('agrees with a sorted map, and a crash leaves the image of the flushed slot', async () => {
  await fc.assert(
    fc.asyncProperty(histories(60), async (steps) => {
      const store = new MemoryStore();
      const models = await runHistory(store, steps);
      const restarted = new MemoryStore(store.image());
      assert.is(restarted.slot, store.flushedSlot);
      checkAll(restarted, models[restarted.slot] ?? new Map());
    }),
    { numRuns: 300 },
  );
});

test('changes count against the overlay until they are flushed, however often a key changes', () => {
  const store = new MemoryStore();
  store.commit(new Map([['\x01a', new Uint8Array(1000)]]), 1);
  const once = store.overlayBytes;
  assert.ok(once > 1000 && once < 1200);
  store.commit(new Map([['\x01a', new Uint8Array(1000)]]), 2);
  assert.is(store.overlayBytes, once);
  store.commit(new Map([['\x01a', null]]), 3);
  assert.is(store.overlayBytes, once - 1000);
  store.flush(2);
  assert.is(store.overlayBytes, once - 1000, 'slot 3 is not durable');
  assert.is(store.flushedSlot, 0);
  store.flush(3);
  assert.is(store.overlayBytes, 0);
  assert.is(store.flushedSlot, 3);
});

test('a scan ends after so many removed rows, and goes on where it says', () => {
  const store = new MemoryStore();
  const keys = Array.from({ length: 3 * PASSED_MAX }, (_, n) => `\x01${String(n).padStart(6, '0')}`);
  const kept = [keys[0], keys[PASSED_MAX + 2], keys.at(-1)] as string[];
  store.commit(new Map(keys.map((key) => [key, Uint8Array.of(1)])), 1);
  store.flush(1);
  store.commit(new Map(keys.filter((key) => !kept.includes(key)).map((key) => [key, null])), 2);

  const up: string[] = [];
  let scans = 0;
  for (let from: string | null = ''; from !== null; scans += 1) {
    from = store.scan(from, null, (key) => up.push(key) > 0);
  }
  assert.equal(up, kept);
  assert.is(scans, 3, 'none passes over more');

  const down: string[] = [];
  scans = 0;
  for (let to: string | null = '\x02', isFirst = true; to !== null || isFirst; scans += 1, isFirst = false) {
    to = store.scanDown('', to, (key) => down.push(key) > 0);
  }
  assert.equal(down, kept.reverse());
  assert.is(scans, 3);

  store.flush(2);
  assert.is(
    store.scan('', null, () => true),
    null,
    'what is flushed is not passed over',
  );
});

test('an expired snapshot says so', () => {
  const store = new MemoryStore();
  const snapshot = store.snapshot();
  store.expireSnapshots();
  assert.throws(
    () => snapshot.get('\x01a'),
    (error: { code?: string }) => error.code === 'SNAPSHOT_CLOSED',
  );
});

test('slot 0 takes the rows with which a store begins, later slots only grow', () => {
  const store = new MemoryStore();
  store.commit(new Map([['\x04members', Uint8Array.of(1)]]), 0);
  store.flush(0);
  assert.equal(store.image().rows.length, 1);
  store.commit(new Map(), 5);
  assert.throws(() => store.commit(new Map(), 5), /slots are committed in order/);
  store.flush(5);
  assert.is(store.image().slot, 5, 'slots that change nothing count too');
});

test.run();

/** The counts of a store are those of its flushed image: after random histories, restarts, snapshots, and without any from before. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Counting } from '../../../node/store/counting.ts';
import { encodeSlot, META, openEnvironment } from '../../../node/store/environment.ts';
import {
  installSnapshot,
  LmdbStore,
  type LmdbStoreOptions,
  SnapshotWriter,
} from '../../../node/store/lmdb-store.ts';
import { RowPacker } from '../../../node/store/row-pages.ts';
import { RUN_POLICY } from '../../../node/store/run-policy.ts';
import { RunStock } from '../../../node/store/run-stock.ts';
import { RunWriter } from '../../../node/store/run-writer.ts';
import type { Changes, View } from '../../../node/store/types.ts';
import { type Range, WHOLE } from '../../../src/keyspace/range.ts';
import type { CountedBucket } from '../../../src/protocol/admin/node-facts.ts';
import { until } from '../../support/wait.ts';
import { countsOf, fullCounts, MERGED_SOON } from './counts.ts';
import { histories, runHistory } from './model.ts';

const root = mkdtempSync(join(tmpdir(), 'nursery-counts-'));
test.after(() => rmSync(root, { recursive: true, force: true }));
let places = 0;

function newPlace(): LmdbStoreOptions {
  places += 1;
  return { dir: join(root, `store.${places}`), cluster: 'amsterdam', node: 'node_0', runPolicy: MERGED_SOON };
}

const RANGES: readonly Range[] = [
  { lo: '', hi: 'a' },
  { lo: 'a', hi: 'b' },
  { lo: 'b', hi: null },
];

async function expectCounted(store: LmdbStore, ranges: readonly Range[] = RANGES): Promise<void> {
  assert.equal(await countsOf(store, ranges), fullCounts(store, ranges));
}

function rows(from: number, count: number, bytes: number): Changes {
  const changes = new Map<string, Uint8Array>();
  for (let index = from; index < from + count; index += 1)
    changes.set(`\x01${String(index).padStart(8, '0')}`, new Uint8Array(bytes));
  return changes;
}

test('after any history and a restart they are what a full count says', async () => {
  await fc.assert(
    fc.asyncProperty(histories(60), async (steps) => {
      const place = newPlace();
      const store = await LmdbStore.open(place);
      try {
        await runHistory(store, steps);
        await store.flush(store.slot);
        await expectCounted(store);
        await store.close();
        const restarted = await LmdbStore.open(place);
        await expectCounted(restarted, [WHOLE]);
        await restarted.close();
      } finally {
        rmSync(place.dir, { recursive: true });
      }
    }),
    { numRuns: 10 },
  );
});

test('a range that moves is cut out of what there is, and no other table is counted', async () => {
  const store = await LmdbStore.open(newPlace());
  store.commit(rows(0, 20_000, 20), 1);
  store.commit(
    new Map([
      ['\x04system', new Uint8Array(9)],
      ['\x03dirty', new Uint8Array(9)],
    ]),
    2,
  );
  await store.flush(2);
  const [whole] = await countsOf(store, [WHOLE]);
  assert.equal(whole, { keys: 20_000, bytes: 20_000 * 28 });
  const parts: Range[] = [
    { lo: '', hi: '00003333' },
    { lo: '00003333', hi: '00017777' },
    { lo: '00017777', hi: null },
  ];
  assert.equal(
    (await countsOf(store, parts)).map(({ keys }) => keys),
    [3333, 14_444, 2223],
  );
  // Rewritten with other lengths, deleted, and put once more in one flush.
  store.commit(rows(0, 5000, 7), 3);
  store.commit(new Map([...rows(1000, 5000, 0).keys()].map((key) => [key, null])), 4);
  store.commit(rows(2000, 10, 3), 5);
  await store.flush(5);
  await expectCounted(store, parts);
  await store.close();
});

test('a store without counts, with those of another image, or with garbage, is counted by itself while it is written', async () => {
  for (const harm of ['none', 'old', 'garbage'] as const) {
    const place = newPlace();
    const first = await LmdbStore.open(place);
    first.commit(rows(0, 30_000, 30), 1);
    await first.flush(1);
    await first.close();
    const environment = openEnvironment(place.dir);
    // As an older build leaves it behind: it never wrote any, or writes rows beside those that are there.
    await environment.transaction(() => {
      if (harm === 'none') void environment.remove(META.COUNTED);
      else if (harm === 'garbage') void environment.put(`${META.BUCKET}\x01`, Buffer.from('garbage'));
      else void environment.remove('\x0100000007');
      if (harm === 'old') void environment.put(META.SLOT, Buffer.from(encodeSlot(2)));
    });
    await environment.close();
    const store = await LmdbStore.open(place);
    store.countRanges([WHOLE]);
    assert.is(store.counts, null, 'nothing is said before all is counted');
    for (let slot = store.slot + 1; slot < 12; slot += 1) {
      const removed = `\x01${String(slot * 7).padStart(8, '0')}`;
      store.commit(new Map([...rows(slot * 2500, 50, slot), [removed, null] as const]), slot);
      await store.flush(slot);
    }
    await until('all to be counted', () => store.counts !== null);
    await expectCounted(store);
    await store.close();
    const again = await LmdbStore.open(place);
    again.countRanges([WHOLE]);
    await until('an answer', () => again.counts !== null, { everyMs: 1 });
    assert.equal(again.counts?.counts, fullCounts(again, [WHOLE]), 'once is enough');
    await again.close();
  }
});

test('who writes a snapshot counts it', async () => {
  const place = newPlace();
  await (await LmdbStore.open(place)).close();
  const writer = await SnapshotWriter.create(place);
  for (let from = 0; from < 60_000; from += 3000)
    await writer.put([...rows(from, 3000, 200)].map(([key, value]) => ({ key, value: value as Uint8Array })));
  await writer.finish(9);
  await installSnapshot(place.dir);
  const environment = openEnvironment(place.dir);
  assert.equal(environment.getBinary(META.COUNTED), environment.getBinary(META.SLOT));
  await environment.close();
  const store = await LmdbStore.open(place);
  await expectCounted(store);
  await store.close();
});

test('nobody who reads a store sees them', async () => {
  const store = await LmdbStore.open(newPlace());
  store.commit(rows(0, 3000, 1), 1);
  await store.flush(1);
  const seen: string[] = [];
  (store as View).scan('', null, (key) => seen.push(key) > 0);
  assert.is(seen.length, 3000);
  assert.ok(seen.every((key) => key >= '\x01'));
  await store.close();
});

test('buckets begin where ranges do, and have all rows; who asks a store that is closed is told nothing', async () => {
  const store = await LmdbStore.open(newPlace());
  store.commit(rows(0, 1000, 10), 1);
  await store.flush(1);
  await countsOf(store, [
    { lo: '', hi: '00000500' },
    { lo: '00000500', hi: null },
  ]);
  const told = (): Promise<CountedBucket[] | null> => new Promise((hear) => store.buckets(hear));
  const buckets = (await told()) ?? [];
  assert.is(buckets[0]?.lo, '');
  assert.ok(buckets.some(({ lo }) => lo === '00000500'));
  assert.ok(buckets.length > 4);
  assert.is(
    buckets.reduce((sum, { keys }) => sum + keys, 0),
    1000,
  );
  assert.is(
    buckets.reduce((sum, { bytes }) => sum + bytes, 0),
    1000 * 18,
  );
  await store.close();
  assert.is(await told(), null);
});

test('a run that is given up has changed no count, also where others were written meanwhile', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'nursery-given-up-'));
  const environment = openEnvironment(dir);
  const counting = new Counting(environment);
  while (!counting.isComplete) counting.slice();
  const run = new RunWriter(environment, new RunStock(environment), counting, {
    ...RUN_POLICY,
    commitBytes: 1,
  });
  const packer = new RowPacker();
  for (let n = 0; n < 1000; n += 1) packer.add(`\x01${n}`, Buffer.from('v'));
  run.add(packer.take());
  environment.transactionSync(() => counting.written(null)); // as where other ranges are counted
  run.giveUp();
  counting.undone();
  const keys = counting.list()?.reduce((sum, bucket) => sum + bucket.keys, 0);
  assert.is(keys, 0);
  await environment.close();
  rmSync(dir, { recursive: true });
});

test.run();

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { LmdbStore } from '../../../node/store/lmdb-store.ts';
import { RUN_POLICY } from '../../../node/store/run-policy.ts';
import type { Changes } from '../../../node/store/types.ts';
import { checkAll, histories, runHistory } from './model.ts';

const root = mkdtempSync(join(tmpdir(), 'nursery-store-'));
test.after(() => rmSync(root, { recursive: true, force: true }));
let places = 0;

/** A place of its own for each store. */
function newPlace(): { dir: string; cluster: string; node: string } {
  places += 1;
  return { dir: join(root, `store.${places}`), cluster: 'amsterdam', node: 'node_0' };
}

function rows(from: number, count: number, value: string): Changes {
  const changes = new Map<string, Uint8Array>();
  for (let index = from; index < from + count; index += 1) {
    changes.set(`\x01${String(index).padStart(8, '0')}`, Buffer.from(value));
  }
  return changes;
}

/** Each flush is a run, or most are, and merges go on meanwhile; or runs stay. */
const policies = fc.constantFrom(
  RUN_POLICY,
  {
    ...RUN_POLICY,
    directRowsMax: 3,
    directBytesMax: 0,
    mergeRowsMin: 20,
    mergeRowsMost: 20,
    mergeRuns: 4,
    urgentRuns: 6,
    mergeIdleMs: 5,
    sliceRows: 4,
  },
  {
    ...RUN_POLICY,
    directRowsMax: 0,
    directBytesMax: 0,
    mergeRowsMin: 0,
    mergeRowsMost: 0,
    mergeRuns: 1,
    urgentRuns: 2,
    mergeIdleMs: 0,
  },
  {
    ...RUN_POLICY,
    directRowsMax: 0,
    directBytesMax: 0,
    mergeRowsMin: 1_000_000,
    mergeRowsMost: 1_000_000,
    mergeRuns: 100,
    urgentRuns: 100,
    mergeIdleMs: 1_000_000,
  },
);

test('agrees with a sorted map, and a restart finds the image of the flushed slot', async () => {
  await fc.assert(
    fc.asyncProperty(histories(60), policies, async (steps, runPolicy) => {
      const place = { ...newPlace(), runPolicy };
      const store = await LmdbStore.open(place);
      try {
        const models = await runHistory(store, steps);
        await store.close();
        const restarted = await LmdbStore.open(place);
        assert.is(restarted.slot, store.flushedSlot);
        checkAll(restarted, models[restarted.slot] ?? new Map());
        await restarted.close();
      } finally {
        rmSync(place.dir, { recursive: true });
      }
    }),
    { numRuns: 15 },
  );
});

test('a flush of many rows leaves the event loop to others', async () => {
  const store = await LmdbStore.open(newPlace());
  store.commit(rows(0, 100_000, 'x'.repeat(50)), 1);
  let turns = 0;
  let flushing = true;
  const turn = (): void => {
    turns += 1;
    if (flushing) setImmediate(turn);
  };
  setImmediate(turn);
  await store.flush(1);
  flushing = false;
  assert.ok(turns > 20, `${turns} turns`);
  assert.is(store.overlayBytes, 0);
  assert.is(store.flushedSlot, 1);
  assert.is(store.statistics.flushedRows, 100_000);
  assert.is(store.get('\x0100099999')?.length, 50);
  await store.close();
});

test('a snapshot stays through flushes, and ends by itself', async () => {
  const store = await LmdbStore.open({ ...newPlace(), snapshotMaxMs: 300 });
  store.commit(rows(0, 10, 'old'), 1);
  await store.flush(1);
  const snapshot = store.snapshot();
  store.commit(rows(0, 10, 'new'), 2);
  await store.flush(2);
  store.commit(new Map([['\x0100000003', null]]), 3);
  await store.flush(3);
  assert.is(String(snapshot.get('\x0100000003')), 'old');
  assert.is(store.get('\x0100000003'), undefined);
  assert.is(store.statistics.snapshots, 1);
  await until(() => store.statistics.snapshots === 0);
  assert.throws(
    () => snapshot.scan('', null, () => true),
    (error: { code?: string }) => error.code === 'SNAPSHOT_CLOSED',
  );
  snapshot.close(); // again, as its user would
  await store.close();
});

test('a store of another cluster, or of another node, is refused', async () => {
  const place = newPlace();
  await (await LmdbStore.open(place)).close();
  await assertFatal(
    LmdbStore.open({ ...place, cluster: 'rotterdam' }),
    51,
    /of cluster amsterdam, not of rotterdam/,
  );
  await assertFatal(LmdbStore.open({ ...place, node: 'node_1' }), 44, /of node node_0, not of node_1/);
  await (await LmdbStore.open(place)).close();
});

async function assertFatal(opening: Promise<LmdbStore>, exitCode: number, message: RegExp): Promise<void> {
  try {
    await (await opening).close();
  } catch (error) {
    assert.is((error as { exitCode?: number }).exitCode, exitCode);
    assert.match((error as Error).message, message);
    return;
  }
  assert.unreachable('the store is refused');
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5));
}

test.run();

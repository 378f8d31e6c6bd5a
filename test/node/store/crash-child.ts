/** A process that commits and flushes without end, to be killed: see crash.test.ts. Prints each flushed slot. */
import { LmdbStore } from '../../../node/store/lmdb-store.ts';
import { RUN_POLICY } from '../../../node/store/run-policy.ts';
import { changesOf } from './crash-history.ts';

const [dir = ''] = process.argv.slice(2);
/** Runs come and go all the time. */
const runPolicy = {
  ...RUN_POLICY,
  directRowsMax: 300,
  directBytesMax: 0,
  mergeRowsMin: 4000,
  mergeRowsMost: 4000,
  mergeRuns: 5,
  urgentRuns: 10,
  mergeIdleMs: 20,
};
const store = await LmdbStore.open({ dir, cluster: 'amsterdam', node: 'node_0', runPolicy });

/** Commits go on between the turns of a flush. */
function commitSome(): void {
  for (let count = 0; count < 20; count += 1) {
    const slot = store.slot + 1;
    store.commit(changesOf(slot), slot);
  }
  if (store.overlayBytes < 16 * 1024 * 1024) setImmediate(commitSome);
  else setTimeout(commitSome, 5);
}

commitSome();
for (;;) {
  await new Promise(setImmediate);
  const flushedBefore = store.flushedSlot;
  await store.flush(store.slot - (store.slot % 3)); // sometimes the newest slots are not durable yet
  if (store.flushedSlot > flushedBefore) process.stdout.write(`${store.flushedSlot}\n`);
}

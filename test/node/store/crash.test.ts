/** A node that is killed: what it left on disk is the exact image of a slot that it had not promised less than. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { LmdbStore } from '../../../node/store/lmdb-store.ts';
import type { StoreKey } from '../../../node/store/types.ts';
import { seeded } from '../../support/seeded.ts';
import { countsOf, fullCounts, MERGED_SOON } from './counts.ts';
import { changesOf } from './crash-history.ts';
import { checkAll } from './model.ts';

const CHILD = fileURLToPath(new URL('./crash-child.js', import.meta.url));
const ROUNDS = 5;
/** Counted as two ranges. */
const HALVES = [
  { lo: '', hi: '00010000' },
  { lo: '00010000', hi: null },
];
/** The child is killed at a random moment after its first flush (ms). */
const LIFE_MS = 250;

seeded(
  'killed while it flushes, a store is the exact image of one slot, and its counts are of it',
  async (random) => {
    const dir = mkdtempSync(join(tmpdir(), 'nursery-crash-'));
    const model = new Map<StoreKey, Uint8Array>();
    let slot = 0;
    for (let round = 0; round < ROUNDS; round += 1) {
      const flushed = await runAndKill(dir, random.below(LIFE_MS));
      const place = { dir, cluster: 'amsterdam', node: 'node_0', runPolicy: MERGED_SOON };
      const store = await LmdbStore.open(place);
      assert.ok(store.slot >= flushed, `slot ${store.slot} after ${flushed} was flushed`);
      while (slot < store.slot) {
        slot += 1;
        for (const [key, value] of changesOf(slot)) {
          if (value === null) model.delete(key);
          else model.set(key, value);
        }
      }
      checkAll(store, model);
      assert.equal(
        await countsOf(store, HALVES),
        fullCounts(store, HALVES),
        'the counts are those of the image',
      );
      await store.close();
    }
    assert.ok(slot > 100, `${slot} slots are some work`);
    rmSync(dir, { recursive: true });
  },
);

/** The last slot that the child said was flushed. */
async function runAndKill(dir: string, afterMs: number): Promise<number> {
  const child = spawn(process.execPath, [CHILD, dir], { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = once(child, 'exit');
  let flushed = 0;
  for await (const line of createInterface(child.stdout)) {
    if (flushed === 0) setTimeout(() => child.kill('SIGKILL'), afterMs);
    flushed = Number(line);
  }
  const [, signal] = await ended;
  assert.is(signal, 'SIGKILL', 'the child lived until it was killed');
  return flushed;
}

test.run();

/** Rewrites the store's file of a running node without the pages that are not in use, as Arakoon's optimize and defrag do. */
import { stat } from 'node:fs/promises';
import { NurseryError } from '../../src/base/errors.ts';
import type { Logger } from '../../src/process/log.ts';
import type { Driver } from '../driver/driver.ts';
import { dataFile } from '../store/environment.ts';
import { removeLeftovers } from '../store/install.ts';
import type { Storage } from './storage.ts';

/** How long the store may take to hold all that was applied (ms): a disk that is slower is not given more to do. */
const WHOLE_MS = 30_000;
/** How often it is looked whether the node is still a follower, and the store whole (ms). */
const LOOK_MS = 20;
/** So many chosen values may wait in memory to be applied, and so many bytes of them; a copy that takes longer is given up. */
const QUEUED_SLOTS_MAX = 100_000;
const QUEUED_BYTES_MAX = 64 * 1024 * 1024;

type Around = {
  readonly storage: Storage;
  readonly driver: Driver;
  /** Directory of the store. */
  readonly dir: string;
  readonly logger: Logger;
  /** The node is ending: it is given up as soon as it can be. */
  isClosing(): boolean;
};

/**
 * Rewrites it. The node applies nothing meanwhile, and catches up from its log afterwards; reads that may be old are served. Once it
 * is to be master, or more was chosen meanwhile than should wait in memory, it gives that up at once.
 *
 * @throws NurseryError where that cannot be now, FatalError where the store was taken out of use
 */
export async function compactStore({ storage, driver, dir, logger, isClosing }: Around): Promise<void> {
  const { size: before } = await stat(dataFile(dir));
  const waiting = driver.holdApplying();
  const why = (): NurseryError | null => whyNot(driver, waiting.queued, isClosing());
  try {
    await untilWhole(storage, driver, why);
    const copied = storage.store.open.copyCompactly();
    const reason = await Promise.race([copied.then(() => null), untilNotWanted(why, copied)]);
    if (reason !== null) {
      // Clients wait for it: the copy, which cannot be broken off, is thrown away when it is there.
      driver.releaseApplying();
      await Promise.allSettled([copied]);
      await removeLeftovers(dir);
      throw reason;
    }
    await storage.replace();
  } finally {
    driver.releaseApplying();
  }
  const { size: after } = await stat(dataFile(dir));
  logger.info({ bytesBefore: before, bytesAfter: after }, 'the store was rewritten');
}

/** The file has all that was applied. */
async function untilWhole(storage: Storage, driver: Driver, why: () => NurseryError | null): Promise<void> {
  const { store } = storage;
  for (let leftMs = WHOLE_MS; store.flushedSlot < store.slot; leftMs -= LOOK_MS) {
    const reason = why();
    if (reason !== null) throw reason;
    if (leftMs <= 0) {
      throw new NurseryError(
        'GOING_DOWN',
        `what was applied is not in the store after ${WHOLE_MS / 1000} s; nothing was done, try again later`,
      );
    }
    await storage.flush(driver.durableSlot);
    await pause();
  }
}

/** Resolves with the reason once it must be given up, with null when `work` has ended before. */
async function untilNotWanted(
  why: () => NurseryError | null,
  work: Promise<void>,
): Promise<NurseryError | null> {
  let isDone = false;
  const done = (): void => {
    isDone = true;
  };
  work.then(done, done);
  while (!isDone) {
    const reason = why();
    if (reason !== null) return reason;
    await pause();
  }
  return null;
}

function whyNot(
  { replica }: Driver,
  queued: { readonly slots: number; readonly bytes: number },
  isClosing: boolean,
): NurseryError | null {
  if (isClosing) return new NurseryError('GOING_DOWN', 'this node is going down: nothing was done');
  if (queued.slots > QUEUED_SLOTS_MAX || queued.bytes > QUEUED_BYTES_MAX) {
    return new NurseryError(
      'GOING_DOWN',
      `${queued.slots} updates of ${queued.bytes} bytes were chosen before the store was copied, and at most ${QUEUED_SLOTS_MAX} of ${QUEUED_BYTES_MAX} bytes may wait for that: nothing was done; try again when there are fewer updates`,
    );
  }
  if (replica.role.kind === 'following') return null;
  return new NurseryError(
    'NOT_SUPPORTED',
    'this node is becoming master, and serves: nothing was done; ask another node',
  );
}

function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, LOOK_MS));
}

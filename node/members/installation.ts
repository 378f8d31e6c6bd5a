/**
 * Replaces a node's store by a peer's image.
 *
 * The image is written beside the store, which goes on serving. Until the one rename that swaps the two, whatever
 * fails is no more than a failed attempt: the image is thrown away, the store is what it was, and the core asks
 * again. What fails behind that rename ends the process, which finds the new store when it starts.
 */
import { FatalError, NurseryError } from '../../src/base/errors.ts';
import type { LinkResult } from '../../src/link/link.ts';
import type { Logger } from '../../src/process/log.ts';
import type { Repeated } from '../../src/process/repeated.ts';
import type { Driver } from '../driver/driver.ts';
import { Machine } from '../machine/machine.ts';
import type { MembersState, Slot } from '../paxos/values.ts';
import type { Store } from '../store/types.ts';
import { copySnapshot, type SnapshotSink } from './snapshots.ts';

/** How long an attempt that this node's own disk or system made fail is not repeated (ms). */
export const RETRY_MS = 1000;

/** An image that is being received. */
export type Receiver = SnapshotSink & {
  /** Makes it durable, ready to take the store's place. */
  finish(): Promise<void>;
  /** Throws it away. */
  abort(): Promise<void>;
};

/** What an installation needs of the node around it. */
export type Surroundings = {
  readonly storage: {
    readonly store: Store;
    receive(slot: Slot): Promise<Receiver>;
    /** @throws FatalError where the store was taken out of use; any other error: it is in use as before */
    replace(): Promise<void>;
  };
  readonly driver: Pick<Driver, 'holdApplying' | 'releaseApplying' | 'snapshotInstalled' | 'submit'>;
  readonly logger: Logger;
  /** Told why an attempt failed; the same again and again is said now and then. */
  readonly failures: Pick<Repeated, 'happened' | 'ended'>;
  /** Asks the peer; see `copySnapshot`. */
  ask(body: Buffer, deadlineMs: number): Promise<LinkResult>;
  after(delayMs: number, run: () => void): void;
  /** The members as the store says. */
  members(): MembersState;
};

/**
 * Copies the image of `from` and puts it in place. The core hears `snapshotInstalled` or `snapshotFailed`.
 *
 * @throws FatalError where the swap was half done, and errors that are bugs of ours: the process must end
 */
export async function installFrom(from: string, around: Surroundings): Promise<void> {
  const { storage, driver, logger, failures } = around;
  const received = await receiveFrom(from, around);
  if (received === null) return;
  const { slot, receiver } = received;
  driver.holdApplying();
  let isReplaced = false;
  try {
    isReplaced = slot > storage.store.slot;
    if (isReplaced) await storage.replace();
  } catch (error) {
    if (error instanceof FatalError || !isOfTheWorld(error)) throw error;
    isReplaced = false;
    logger.error(
      { from, reason: error.message },
      'snapshot could not be put in place; the store is as it was',
    );
  }
  if (!isReplaced) {
    await discard(receiver, logger);
    driver.releaseApplying();
    failed(from, around, RETRY_MS);
    return;
  }
  const event = { kind: 'snapshotInstalled', slot, members: around.members() } as const;
  driver.snapshotInstalled(new Machine(storage.store), event);
  failures.ended();
  logger.info({ from, slot }, 'snapshot installed');
}

/** Receives an image as a whole; null where that failed, which the core has been told. */
async function receiveFrom(
  from: string,
  around: Surroundings,
): Promise<{ readonly slot: Slot; readonly receiver: Receiver } | null> {
  const { storage, logger, failures } = around;
  const open: { receiver: Receiver | null } = { receiver: null };
  try {
    const slot = await copySnapshot(around.ask, async (at) => {
      open.receiver = await storage.receive(at);
      return open.receiver;
    });
    const { receiver } = open;
    if (receiver === null) throw new NurseryError('UNREACHABLE', 'snapshot: no image was begun');
    await receiver.finish();
    return { slot, receiver };
  } catch (error) {
    if (!isOfTheWorld(error)) throw error;
    const isPeer = error instanceof NurseryError && error.code === 'UNREACHABLE';
    failures.happened(`snapshot was not received: ${error.message}`);
    if (open.receiver !== null) await discard(open.receiver, logger);
    failed(from, around, isPeer ? 0 : RETRY_MS);
    return null;
  }
}

/** What cannot be removed now is removed ahead of the next attempt, and at the next start. */
async function discard(receiver: Receiver, logger: Logger): Promise<void> {
  try {
    await receiver.abort();
  } catch (error) {
    if (!isOfTheWorld(error)) throw error;
    logger.error({ reason: error.message }, 'an image that is not used could not be removed yet');
  }
}

/** Another peer may do at once; a disk that is full is better left alone for a while. */
function failed(from: string, { driver, after }: Surroundings, waitMs: number): void {
  const tell = (): void => driver.submit({ kind: 'snapshotFailed', from });
  if (waitMs === 0) tell();
  else after(waitMs, tell);
}

/** A failure of peer, disk or system, and not a bug of ours. */
function isOfTheWorld(error: unknown): error is Error {
  if (error instanceof NurseryError || error instanceof FatalError) return true;
  return (
    error instanceof Error && typeof (error as NodeJS.ErrnoException).code === 'string' && 'syscall' in error
  );
}

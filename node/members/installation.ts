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
import type { FunctionRunner } from '../machine/function-call.ts';
import { Machine } from '../machine/machine.ts';
import type { MembersState, NodeName, Slot } from '../paxos/values.ts';
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

/** An image that was received as a whole, ready to take the store's place. */
export type Received = {
  readonly slot: Slot;
  /** Puts it in the store's place; told of an error where the store is in use as before. */
  replace(done: (error: Error | null) => void): void;
  /** Throws it away. */
  discard(done: () => void): void;
};

/** What an installation needs of the node around it, but for the image. */
type Around = {
  readonly driver: Pick<Driver, 'holdApplying' | 'releaseApplying' | 'snapshotInstalled' | 'submit'>;
  /** Calls functions of users, for the state machine of the new image. */
  readonly runner: FunctionRunner;
  readonly logger: Logger;
  /** Told why an attempt failed; the same again and again is said now and then. */
  readonly failures: Pick<Repeated, 'happened' | 'ended'>;
  after(delayMs: number, run: () => void): void;
  /** The members as the store says. */
  members(): MembersState;
};

/** Everything outside of an installation. */
export type World = Around & {
  readonly storage: { readonly store: Store };
  /** Copies the image of that peer; ends with it, or with why it was not received. `done` is called once, later. */
  receive(from: NodeName, done: (received: Received | Error) => void): void;
};

/** The same, where images come in pages and are written to files. */
export type Surroundings = Around & {
  readonly storage: {
    readonly store: Store;
    receive(slot: Slot): Promise<Receiver>;
    /** @throws FatalError where the store was taken out of use; any other error: it is in use as before */
    replace(): Promise<void>;
  };
  /** Asks the peer; see `copySnapshot`. */
  ask(body: Buffer, deadlineMs: number): Promise<LinkResult>;
};

/** Copies the image of `from` and puts it in place. The core hears `snapshotInstalled` or `snapshotFailed`; then `ended` is called. */
export function install(from: NodeName, world: World, ended: () => void): void {
  const { storage, driver, logger, failures } = world;
  world.receive(from, (received) => {
    if (received instanceof Error) {
      failures.happened(`snapshot was not received: ${received.message}`);
      const isPeer = received instanceof NurseryError && received.code === 'UNREACHABLE';
      failed(from, world, isPeer ? 0 : RETRY_MS);
      ended();
      return;
    }
    const { slot } = received;
    const giveUp = (): void =>
      received.discard(() => {
        driver.releaseApplying();
        failed(from, world, RETRY_MS);
        ended();
      });
    driver.holdApplying();
    if (slot <= storage.store.slot) {
      giveUp();
      return;
    }
    received.replace((error) => {
      if (error !== null) {
        logger.error(
          { from, reason: error.message },
          'snapshot could not be put in place; the store is as it was',
        );
        giveUp();
        return;
      }
      const event = { kind: 'snapshotInstalled', slot, members: world.members() } as const;
      driver.snapshotInstalled(new Machine(storage.store, world.runner), event);
      failures.ended();
      logger.info({ from, slot }, 'snapshot installed');
      ended();
    });
  });
}

/**
 * Installs the image of `from`, over a link and into files.
 *
 * @throws FatalError where the swap was half done, and errors that are bugs of ours: the process must end
 */
export function installFrom(from: NodeName, around: Surroundings): Promise<void> {
  const { storage, logger } = around;
  return new Promise((resolve, reject) => {
    const receive: World['receive'] = (_peer, done) => {
      receiveFrom(around)
        .then(
          ({ slot, receiver }) =>
            done({
              slot,
              replace: (put) => {
                storage
                  .replace()
                  .then(
                    () => put(null),
                    (error: unknown) => {
                      if (error instanceof FatalError || !isOfTheWorld(error)) throw error;
                      put(error);
                    },
                  )
                  .catch(reject);
              },
              discard: (gone) => {
                discard(receiver, logger).then(gone).catch(reject);
              },
            }),
          (error: unknown) => {
            if (!isOfTheWorld(error)) throw error;
            done(error);
          },
        )
        .catch(reject);
    };
    install(from, { ...around, receive }, resolve);
  });
}

/** Receives an image as a whole. What was begun of one that fails is thrown away. */
async function receiveFrom({
  storage,
  logger,
  ask,
}: Surroundings): Promise<{ readonly slot: Slot; readonly receiver: Receiver }> {
  const open: { receiver: Receiver | null } = { receiver: null };
  try {
    const slot = await copySnapshot(ask, async (at) => {
      open.receiver = await storage.receive(at);
      return open.receiver;
    });
    const { receiver } = open;
    if (receiver === null) throw new NurseryError('UNREACHABLE', 'snapshot: no image was begun');
    await receiver.finish();
    return { slot, receiver };
  } catch (error) {
    if (open.receiver !== null && isOfTheWorld(error)) await discard(open.receiver, logger);
    throw error;
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
function failed(from: NodeName, { driver, after }: Around, waitMs: number): void {
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

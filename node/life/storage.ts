/** A node's two files: opens them, flushes the store, drops what of the log it no longer needs, replaces the store. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { FatalError, NurseryError } from '../../src/base/errors.ts';
import { withDescriptor } from '../../src/process/descriptors.ts';
import type { Logger } from '../../src/process/log.ts';
import { Repeated } from '../../src/process/repeated.ts';
import { TransactionLog } from '../log/log.ts';
import type { FunctionRunner } from '../machine/function-call.ts';
import { Machine } from '../machine/machine.ts';
import type { SnapshotSink } from '../members/snapshots.ts';
import type { Recovered } from '../paxos/contract.ts';
import type { MembersState, Slot } from '../paxos/values.ts';
import { checkStorePages } from '../store/check-file.ts';
import { CurrentStore } from '../store/current-store.ts';
import { dataFile } from '../store/environment.ts';
import { storeDamaged, storeFailure } from '../store/failures.ts';
import {
  installSnapshot,
  LmdbStore,
  SnapshotWriter,
  type StoreFigures,
  type StorePlace,
} from '../store/lmdb-store.ts';
import { enterOpening, forgetOpenings, OPENINGS_SUSPECT, settleOpenings } from '../store/openings.ts';
import { OVERLAY_FLUSH_BYTES } from '../store/types.ts';
import { appliedMembers, readSnapshotSlot, snapshotRow } from './members-row.ts';
import { refuseOver } from './over.ts';
import { otherMembers } from './peers.ts';

/** How often the overlay is written to the store (ms), where that is few rows, or such as lie near each other; */
const FLUSH_EVERY_MS = 500;
/** and where rows cost the less the more of them come at once: size comes first under load. */
const GATHERED_EVERY_MS = 5000;
/**
 * Where a flush takes long, the next one waits so many times as long: rows that are spread over the store cost a page
 * each, and the more of them come at once, the more share one. Size bounds what gathers.
 */
const FLUSH_REST = 10;
/** Newest segments of the log that stay although the store no longer needs them: peers catch up from them. */
const KEEP_SEGMENTS = 4;

/** A store that has been open for this long (ms) does not end the process at once. */
const SETTLED_MS = 10 * 60_000;

export type StorageOptions = {
  readonly place: StorePlace;
  readonly logDir: string;
  readonly segmentBytes: number | null;
  readonly reserveBytes: number | null;
  readonly logger: Logger;
};

/** What was on disk, ready to go on from. */
export class Storage {
  readonly store: CurrentStore;
  readonly log: TransactionLog;
  readonly recovered: Recovered;
  readonly #options: StorageOptions;
  #flushing: Promise<void> | null = null;
  /** Flushes that found no room. */
  readonly #unflushed: Repeated;

  private constructor(
    options: StorageOptions,
    store: CurrentStore,
    log: TransactionLog,
    recovered: Recovered,
  ) {
    this.#options = options;
    this.#unflushed = new Repeated(
      (times, reason) => options.logger.error({ reason, times }, 'disk is full: the store is not flushed'),
      () => performance.now(),
    );
    this.store = store;
    this.log = log;
    this.recovered = recovered;
  }

  /**
   * Opens store and log of a node.
   *
   * @throws FatalError with an exit code of its own where a file is damaged, foreign, missing or ahead of the other
   */
  static async open(options: StorageOptions): Promise<Storage> {
    const { place, logger } = options;
    const opened = enterOpening(place.dir, (reason) => {
      logger.warn({ reason }, 'that the store was opened could not be noted');
    });
    if (opened >= OPENINGS_SUSPECT && existsSync(dataFile(place.dir))) {
      logger.warn(
        { dir: place.dir },
        'this node did not end in order, again and again: all pages of the store are checked',
      );
      checkStorePages(place.dir);
    }
    const lmdb = await LmdbStore.open(place);
    try {
      return await Storage.#above(lmdb, options);
    } catch (error) {
      await lmdb.close();
      throw error;
    }
  }

  static async #above(lmdb: LmdbStore, options: StorageOptions): Promise<Storage> {
    const { place, logDir, logger } = options;
    const { members, snapshotSlot } = readShellRows(place, lmdb);
    const { log, recovered } = await TransactionLog.open({
      dir: logDir,
      cluster: place.cluster,
      node: place.node,
      appliedSlot: lmdb.slot,
      snapshotSlot,
      members,
      store: place.dir,
      ...(options.segmentBytes === null ? {} : { segmentBytes: options.segmentBytes }),
      ...(options.reserveBytes === null ? {} : { reserveBytes: options.reserveBytes }),
      onWarning: (message) => logger.warn({}, message),
    });
    const store = new CurrentStore(lmdb);
    return new Storage(options, store, log, { ...recovered, applied: lmdb.slot, members });
  }

  /**
   * Of a founding that is over, or with a store that nobody can rebuild: a node is not served from it.
   *
   * @param home where the node notes that its founding is over
   * @param peers the other nodes in the file; a learner may have all of it, though no list names it
   * @throws OverForEver
   * @throws FatalError STORE_UNREBUILDABLE where slots below the log's first are in no store
   */
  refuseUnfit(home: string, peers: readonly { readonly learner: boolean }[]): void {
    refuseOver(home, this.recovered);
    this.#refuseIfLost(peers);
  }

  /**
   * A single node has no peer to rebuild its store from, and the first of a founding has none yet, whatever its file names.
   */
  #refuseIfLost(peers: readonly { readonly learner: boolean }[]): void {
    const { applied, firstLogSlot, founded } = this.recovered;
    const { dir, node } = this.#options.place;
    if (founded === null || firstLogSlot <= applied + 1) return;
    const known = otherMembers(this.recovered, node);
    if (peers.some(({ learner }) => learner) || (peers.length > 0 && known?.size !== 0)) return;
    const others = [...(known ?? [])];
    const who =
      others.length === 0
        ? 'this node has no peer'
        : `its file names no peer, though ${others.join(', ')} were members: name them in the file, or`;
    throw new FatalError(
      'STORE_UNREBUILDABLE',
      `the store in ${dir} is at slot ${applied}, the log begins at slot ${firstLogSlot}, and ${who}${others.length === 0 ? ':' : ''} put back a copy of ${dir} that is at slot ${firstLogSlot - 1} or later`,
    );
  }

  /**
   * Flushes from time to time what `durableSlot` allows; `flushed` is told after each flush.
   *
   * @returns looks whether it is time; to be called often
   */
  flushing(durableSlot: () => Slot, flushed: () => void, failed: (error: Error) => void): () => void {
    let lastMs = performance.now();
    /** What is flushed next gathers for so long; whether that is long is asked once it is due for the first time. */
    let gathersMs = FLUSH_EVERY_MS;
    let isAsking = false;
    const flush = (): void => {
      lastMs = performance.now();
      gathersMs = FLUSH_EVERY_MS;
      this.flush(durableSlot()).then(
        () => {
          if (this.#unflushed.ended()) this.#options.logger.info({}, 'the store is flushed again');
          flushed();
        },
        (error: Error) => {
          if (error instanceof NurseryError && error.code === 'DISK_FULL')
            this.#unflushed.happened(error.message);
          else failed(error);
        },
      );
    };
    const ask = (store: LmdbStore): void => {
      isAsking = true;
      const asked = store.gathers().finally(() => {
        isAsking = false;
      });
      asked.then((gathers) => {
        if (gathers) gathersMs = GATHERED_EVERY_MS;
        else if (this.#flushing === null && this.store.isOpen) flush();
      }, failed);
    };
    this.#settleLater();
    return () => {
      if (isAsking || this.#flushing !== null || !this.store.isOpen) return;
      const store = this.store.open;
      const restsMs = Math.max(gathersMs, store.statistics.flushMs * FLUSH_REST);
      const isFull = store.overlayBytes >= OVERLAY_FLUSH_BYTES;
      if (!isFull && performance.now() - lastMs < restsMs) return;
      if (!isFull && gathersMs === FLUSH_EVERY_MS && store.nextIsLarge) ask(store);
      else flush();
    };
  }

  /** A store that was open for long does not end the process at once. That note may find no room, or no descriptor. */
  #settleLater(): void {
    setTimeout(() => {
      if (!this.store.isOpen) return;
      try {
        settleOpenings(this.#options.place.dir);
      } catch (error) {
        const { message } = error as Error;
        this.#options.logger.warn(
          { reason: message },
          'that the store is open for long could not be noted yet',
        );
        this.#settleLater();
      }
    }, SETTLED_MS).unref();
  }

  /** Writes what was gathered up to `durableSlot`; joins a flush that is under way. */
  flush(durableSlot: Slot): Promise<void> {
    this.#flushing ??= this.store.open.flush(durableSlot).finally(() => {
      this.#flushing = null;
    });
    return this.#flushing;
  }

  /** Syncs since the start: one for each group of records, two for each flush of the store. */
  get syncs(): { readonly log: number; readonly store: number } {
    const store = this.store.isOpen ? this.store.open.statistics.syncs : 0;
    return { log: this.log.statistics.syncs, store };
  }

  /** Figures of the store. */
  get figures(): StoreFigures {
    const { store } = this;
    const isOpen = store.isOpen;
    return {
      statistics: isOpen ? store.open.statistics : null,
      overlayBytes: store.overlayBytes,
      flushedSlot: isOpen ? store.flushedSlot : 0,
      freeBytes: this.log.freeBytes,
    };
  }

  /** Drops log segments below the flushed image, but for the newest `keep`; `gone` hears of each, resolves with how many went. */
  async collapse(keep = KEEP_SEGMENTS, gone?: () => void): Promise<number> {
    return await this.log.collapse(this.store.flushedSlot, keep, gone);
  }

  /** Begins to receive a peer's image beside the store. */
  async receive(slot: Slot): Promise<SnapshotSink & { finish(): Promise<void>; abort(): Promise<void> }> {
    const writer = await SnapshotWriter.create(this.#options.place);
    return {
      put: (page) => writer.putPage(page),
      finish: async () => {
        await writer.put([snapshotRow(slot)]);
        await writer.finish(slot);
      },
      abort: () => writer.abort(),
    };
  }

  /**
   * Puts the received image in the place of the store, which stays open and serves until the new file has its name.
   * Nothing may be applied meanwhile.
   *
   * @throws FatalError where the store was taken out of use; any other error: it is in use as before
   */
  async replace(): Promise<void> {
    const { place } = this.#options;
    await Promise.allSettled([this.#flushing]); // whoever began it is told of its failure
    if (!this.store.isOpen) throw new NurseryError('GOING_DOWN', 'the node is going down');
    await installSnapshot(place.dir);
    try {
      await this.store.take().close();
      this.store.put(await withDescriptor(() => LmdbStore.open(place)));
    } catch (error) {
      throw storeFailure(place.dir, error);
    }
  }

  /** The state machine as the store holds it. @throws FatalError STORE_DAMAGED where its rows cannot be read */
  loadMachine(runner: FunctionRunner): Machine {
    return readable(this.#options.place, () => new Machine(this.store, runner));
  }

  /** The error for a store whose rows are not what they should be. */
  damaged(what: string): FatalError {
    return storeDamaged(this.#options.place.dir, what);
  }

  /** Closes both; what the store has not written yet is forgotten, as the rest of it is going to be. */
  async abandon(): Promise<void> {
    await Promise.allSettled([this.#flushing]); // whoever began it is told of its failure
    if (this.store.isOpen) await this.store.take().close();
    await this.log.close();
    forgetOpenings(this.#options.place.dir);
  }

  /** Flushes for the last time and closes both. */
  async close(durableSlot: Slot): Promise<void> {
    if (this.#flushing !== null) await this.#flushing;
    if (this.store.isOpen) {
      await this.flush(durableSlot);
      await this.store.take().close();
    }
    await this.log.close();
    forgetOpenings(this.#options.place.dir);
  }
}

/** The rows that the driver keeps in the store. */
function readShellRows(
  place: StorePlace,
  store: LmdbStore,
): { readonly members: MembersState | null; readonly snapshotSlot: Slot } {
  return readable(place, () => ({
    members: appliedMembers(store),
    snapshotSlot: readSnapshotSlot(store),
  }));
}

/** Rows that we wrote ourselves can be read, unless the file has changed since. */
function readable<T>({ dir }: StorePlace, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof FatalError) throw error;
    throw storeDamaged(dir, (error as Error).message, error);
  }
}

/** Where a node keeps its log: in a folder of its home, unless the configuration names another directory. */
export function logDirOf({ home, tlogDir }: { readonly home: string; readonly tlogDir: string }): string {
  return tlogDir === home ? join(home, 'tlog') : tlogDir;
}

/** Where a node keeps its store, below its home. */
export function storePlace(home: string, cluster: string, node: string): StorePlace {
  return { dir: join(home, 'store'), cluster, node };
}

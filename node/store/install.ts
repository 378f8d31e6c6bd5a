/**
 * Files of a store: how a new one comes into being, and how a snapshot of a peer replaces one.
 *
 * In the store's directory stand LMDB's `data.mdb` and `lock.mdb`. Whatever is not complete is built under
 * `incoming/`, becomes `complete.mdb` when all of it is durable, and then takes the place of `data.mdb` in one
 * rename: before it a crash leaves the old store, after it the new one.
 */
import { existsSync } from 'node:fs';
import { mkdir, open, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { FatalError } from '../../src/base/errors.ts';
import { withDescriptor } from '../../src/process/descriptors.ts';
import { encode } from '../../src/wire/codec.ts';
import {
  dataFile,
  type Environment,
  encodeSlot,
  identityCodec,
  META,
  openEnvironment,
  openRunTables,
  STORE_FORMAT,
} from './environment.ts';
import { checkRoom, storeFailure } from './failures.ts';
import { RowPacker } from './row-pages.ts';
import { RUN_POLICY } from './run-policy.ts';
import { STORE_SYSTEM } from './system.ts';
import type { StoreKey } from './types.ts';
import { StoreWriter } from './writer.ts';

/** LMDB's table of readers. */
const LOCK_FILE = 'lock.mdb';
const INCOMING = 'incoming';
const COMPLETE = 'complete.mdb';
/** Rows of a snapshot are committed whenever this much has come (bytes). */
const COMMIT_BYTES = 8 * 1024 * 1024;

/** Where a store is, and whose it is. */
export type StorePlace = {
  /** The store's own directory: nothing else is kept there. */
  readonly dir: string;
  /** Arakoon's cluster id. */
  readonly cluster: string;
  readonly node: string;
};

/** One row of a snapshot. */
export type Row = { readonly key: StoreKey; readonly value: Uint8Array };

/** Removes what an unfinished installation left behind. */
export async function removeLeftovers(dir: string): Promise<void> {
  await rm(join(dir, INCOMING), { recursive: true, force: true });
  await rm(join(dir, COMPLETE), { force: true });
}

/** Removes the store in `dir`, which is closed; nothing else that may lie there. The next `open` creates an empty one. */
export async function removeStore(dir: string): Promise<void> {
  await removeLeftovers(dir);
  await rm(dataFile(dir), { force: true });
  await rm(join(dir, LOCK_FILE), { force: true });
  if (existsSync(dir)) await syncDirectory(dir);
}

/** Creates the store where there is none: empty, at slot 0. */
export async function createStore(place: StorePlace): Promise<void> {
  await removeLeftovers(place.dir);
  await createIncoming(place);
  await complete(place.dir);
  await installSnapshot(place.dir);
}

/** Writes a received snapshot beside the store, which stays as it is until `installSnapshot`. */
export class SnapshotWriter {
  readonly #dir: string;
  readonly #writer: StoreWriter;
  readonly #packer = new RowPacker();
  #uncommittedBytes = 0;

  private constructor(dir: string, writer: StoreWriter) {
    this.#dir = dir;
    this.#writer = writer;
  }

  /**
   * Begins anew; what an earlier one wrote is removed.
   *
   * @throws NurseryError DISK_FULL, and others as `put` does; nothing is left behind then
   */
  static async create(place: StorePlace): Promise<SnapshotWriter> {
    await removeLeftovers(place.dir);
    await checkRoom(place.dir, 0);
    try {
      await createIncoming(place);
      return new SnapshotWriter(place.dir, await startWriter(place.dir));
    } catch (error) {
      await removeLeftovers(place.dir);
      throw error;
    }
  }

  /**
   * Adds rows, in any order; their memory may be used again when it returns. One call at a time; wait for it, so
   * that a sender is not faster than the disk. Give it a page of a few hundred KiB at most: it is packed in one turn.
   *
   * @throws NurseryError DISK_FULL
   */
  async put(rows: Iterable<Row>): Promise<void> {
    for (const { key, value } of rows) {
      if (this.#packer.add(key, value)) continue;
      this.#writePage();
      this.#packer.add(key, value);
    }
    this.#writePage();
    await this.#commitWhenDue();
  }

  /**
   * Adds the rows of a page (row-pages.ts), which is copied.
   *
   * @throws as `put`
   */
  async putPage(page: Uint8Array): Promise<void> {
    const own = Buffer.allocUnsafeSlow(page.length);
    own.set(page);
    this.#write(own);
    await this.#commitWhenDue();
  }

  /**
   * All rows are there: makes them durable as the image of `slot`, ready for `installSnapshot`.
   *
   * @throws as `put`, and the system's error where a rename fails; `abort` is the way on from there
   */
  async finish(slot: number): Promise<void> {
    await this.#writer.commit(slot);
    await this.#writer.close();
    await complete(this.#dir);
  }

  /** Gives up, and removes what was written. */
  async abort(): Promise<void> {
    await this.#writer.close();
    await removeLeftovers(this.#dir);
  }

  #writePage(): void {
    const page = this.#packer.take();
    if (page.length > 0) this.#write(page);
  }

  #write(page: Uint8Array): void {
    this.#uncommittedBytes += page.length;
    this.#writer.write(page);
  }

  async #commitWhenDue(): Promise<void> {
    if (this.#uncommittedBytes < COMMIT_BYTES) return;
    this.#uncommittedBytes = 0;
    await this.#writer.commit(null);
  }
}

/** A snapshot's rows come in order and all at once: it never has runs. */
async function startWriter(dir: string): Promise<StoreWriter> {
  return await StoreWriter.start(
    { dir: join(dir, INCOMING), policy: RUN_POLICY },
    STORE_SYSTEM,
    () => undefined,
  );
}

/**
 * Puts the finished snapshot in the place of the store in `dir`, atomically and durably. A store that is open goes on
 * with its old file, which has no name any more: the caller closes it and opens the new one.
 *
 * @throws FatalError where nobody knows which of the two a crash would leave; any other error: nothing has changed
 */
export async function installSnapshot(dir: string): Promise<void> {
  await rename(join(dir, COMPLETE), dataFile(dir));
  try {
    await syncDirectory(dir);
  } catch (error) {
    throw new FatalError('DISK_FAILED', `directory ${dir} was not synced: ${(error as Error).message}`, {
      cause: error,
    });
  }
}

/**
 * Writes what `environment` holds beside it, without the pages that are not in use, ready for `installSnapshot`. Nothing may be written
 * to it meanwhile: it would be missing.
 *
 * @throws NurseryError DISK_FULL, and other errors of the system; nothing is left behind then
 */
export async function copyCompactly(dir: string, environment: Environment): Promise<void> {
  await removeLeftovers(dir);
  const { size } = await stat(dataFile(dir));
  await checkRoom(dir, size);
  const incoming = join(dir, INCOMING);
  try {
    await mkdir(incoming);
    await environment.backup(incoming, true);
    await syncFile(dataFile(incoming));
    await complete(dir);
  } catch (error) {
    await removeLeftovers(dir);
    throw error instanceof Error ? storeFailure(incoming, error) : error;
  }
}

async function syncFile(path: string): Promise<void> {
  const handle = await withDescriptor(() => open(path, 'r+'));
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Builds an environment with its meta rows under `incoming/`. */
async function createIncoming({ dir, cluster, node }: StorePlace): Promise<void> {
  const incoming = join(dir, INCOMING);
  const isNew = !existsSync(dir);
  await mkdir(incoming, { recursive: true });
  if (isNew) await syncDirectory(join(dir, '..'));
  try {
    const environment = openEnvironment(incoming);
    try {
      environment.transactionSync(() => {
        const identity = encode(identityCodec, { format: STORE_FORMAT, cluster, node });
        void environment.put(META.IDENTITY, identity);
        void environment.put(META.SLOT, Buffer.from(encodeSlot(0)));
        // Nothing is in it, and that is counted.
        void environment.put(META.COUNTED, Buffer.from(encodeSlot(0)));
        openRunTables(environment);
      });
    } finally {
      await environment.close();
    }
  } catch (error) {
    throw storeFailure(incoming, error);
  }
}

/** The commits were durable; so is, now, that there is a complete file. */
async function complete(dir: string): Promise<void> {
  await rename(dataFile(join(dir, INCOMING)), join(dir, COMPLETE));
  await syncDirectory(dir);
  await rm(join(dir, INCOMING), { recursive: true });
}

/** The names in the directory are on the disk. */
export async function syncDirectory(dir: string): Promise<void> {
  const handle = await withDescriptor(() => open(dir));
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

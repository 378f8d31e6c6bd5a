/**
 * Makes a home from the image of a backup: the first member of a new founding, with what the image holds, and nothing else of
 * the old cluster: no life, no address, no move (docs/architecture.md, "Backups"). In a nursery it takes the place of a founding, as a
 * survivor that is promoted, and serves nothing before its keeper has confirmed it.
 */
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { open, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { FatalError, isOfSystem, NurseryError } from '../../src/base/errors.ts';
import { makeDirectories } from '../../src/process/directories.ts';
import { unusable } from '../../src/process/permissions.ts';
import type { Owned } from '../../src/protocol/admin/admin.ts';
import { loadState } from '../machine/system-state.ts';
import { replacedBy } from '../paxos/members-state.ts';
import type { Slot } from '../paxos/values.ts';
import { dataFile } from '../store/environment.ts';
import {
  installSnapshot,
  type Row,
  SnapshotWriter,
  type StorePlace,
  syncDirectory,
} from '../store/install.ts';
import { LmdbStore } from '../store/lmdb-store.ts';
import { TABLES } from '../store/types.ts';
import { type ImageHead, type Restoration, restoredRows, type Succession } from './first-image.ts';
import { lockHome, prepareDirectory } from './home.ts';
import { readMembers } from './members-row.ts';
import { beginLog } from './new-founding.ts';

/** In a home that is being made; gone once it is whole. */
const UNFINISHED = 'RESTORING';
const SEGMENT = /\.tlog(\.new)?$/;

type Directories = { readonly home: string; readonly logDir: string; readonly place: StorePlace };

export type RestoreOptions = Directories & {
  readonly image: ImageHead;
  /** Keys and values of the image, in any order, some at a time. */
  readonly rows: AsyncIterable<readonly { readonly key: string; readonly value: Uint8Array }[]>;
  /** Null outside a nursery. */
  readonly succession: Succession | null;
};

/** A home that was made before. */
export type Restored = {
  readonly founding: string;
  readonly slot: Slot;
  readonly owned: readonly Owned[];
  /** As in `Succession`; '' once the keeper has confirmed it. */
  readonly was: string;
  readonly replaced: readonly string[];
};

/**
 * Makes the home, durably. Nothing that is there is ever removed: one that was broken off is emptied by who began it.
 *
 * @returns the founding, and the slot from which it goes on
 * @throws FatalError HOME_UNUSABLE where the home is not empty, or cannot be used; HOME_IN_USE; and what `rows` throws, with the
 *   home as unfinished as before
 */
export async function restoreHome(options: RestoreOptions): Promise<{ founding: string; slot: Slot }> {
  const { home, logDir, place } = options;
  for (const directory of [home, logDir]) {
    if (!prepareDirectory(directory)) throw unusable('directory', directory, new Error('there is no room'));
  }
  const lock = lockHome(home, logDir);
  try {
    refuseUnfinished(home);
    const there = await firstThere(options);
    if (there !== null) {
      const what = `${there} is there, so the home ${home} of ${place.node} is not empty`;
      throw new FatalError('HOME_UNUSABLE', `${what}: name another one, or empty it if nobody needs it`);
    }
    const marker = join(home, UNFINISHED);
    await writeMarker(marker, home);
    makeDirectories(place.dir);
    const incarnation = randomBytes(16).toString('hex');
    const restoration = restoredRows(options.image, { node: place.node, incarnation }, options.succession);
    const { members, slot } = restoration;
    await fillStore(options, restoration);
    await beginLog(options, members, slot);
    await rm(marker);
    await syncDirectory(home);
    return { founding: incarnation, slot };
  } catch (error) {
    const isDisk = error instanceof NurseryError ? error.code === 'DISK_FULL' : isOfSystem(error);
    throw isDisk ? unusable('home', home, error) : error;
  } finally {
    lock.release();
  }
}

/**
 * What was made of a home before, by a command that may have been killed after it; null where the home is empty.
 *
 * @throws FatalError HOME_UNUSABLE where it is half restored; HOME_IN_USE where its node runs; STORE_FOREIGN and others as
 *   `LmdbStore.open`
 */
export async function restoredBefore({ home, logDir, place }: Directories): Promise<Restored | null> {
  if (!existsSync(home) || !existsSync(logDir)) return null;
  const lock = lockHome(home, logDir);
  try {
    refuseUnfinished(home);
    if (!existsSync(dataFile(place.dir))) return null;
    const store = await LmdbStore.open(place);
    try {
      const members = readMembers(store);
      if (members === null) return null;
      const { owned, unconfirmed } = loadState(store);
      const replaced = replacedBy(members);
      return { founding: members.cluster, slot: store.slot, owned, was: unconfirmed, replaced };
    } finally {
      await store.close();
    }
  } finally {
    lock.release();
  }
}

/** @throws FatalError HOME_UNUSABLE where a restore of this home did not come to its end */
export function refuseUnfinished(home: string): void {
  if (!existsSync(join(home, UNFINISHED))) return;
  throw new FatalError(
    'HOME_UNUSABLE',
    `home ${home} is half restored: empty it, and its tlog_dir where it has one, and type nursery restore again`,
  );
}

/** Something of a node that is there already; null where there is nothing. */
async function firstThere({ logDir, place }: RestoreOptions): Promise<string | null> {
  const store = dataFile(place.dir);
  if (existsSync(store)) return store;
  const segment = (await readdir(logDir)).find((name) => SEGMENT.test(name));
  return segment === undefined ? null : join(logDir, segment);
}

async function writeMarker(path: string, home: string): Promise<void> {
  const file = await open(path, 'w');
  try {
    await file.sync();
  } finally {
    await file.close();
  }
  await syncDirectory(home);
}

async function fillStore({ place, rows }: RestoreOptions, { slot, own }: Restoration): Promise<void> {
  const writer = await SnapshotWriter.create(place);
  try {
    for await (const page of rows) {
      await writer.put(page.map(({ key, value }) => ({ key: TABLES.DATA + key, value })));
    }
    await writer.put(own.map(([key, value]): Row => ({ key, value })));
    await writer.finish(slot);
  } catch (error) {
    await writer.abort();
    throw error;
  }
  await installSnapshot(place.dir);
}

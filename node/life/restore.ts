/**
 * Makes a home from the image of a backup: the first member of a new founding, with what the image holds, and nothing else of
 * the old cluster: no life, no keeper, no address, no move (docs/architecture.md, "Backups").
 */
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { open, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { FatalError, isOfSystem, NurseryError } from '../../src/base/errors.ts';
import type { Range } from '../../src/keyspace/range.ts';
import { makeDirectories } from '../../src/process/directories.ts';
import { unusable } from '../../src/process/permissions.ts';
import type { Owned } from '../../src/protocol/admin/admin.ts';
import { encode } from '../../src/wire/codec.ts';
import { INITIAL_STATE, storeState } from '../machine/system-state.ts';
import { type MembersState, membersStateCodec, type Slot } from '../paxos/values.ts';
import { dataFile } from '../store/environment.ts';
import {
  installSnapshot,
  type Row,
  SnapshotWriter,
  type StorePlace,
  syncDirectory,
} from '../store/install.ts';
import { type StoreKey, TABLES } from '../store/types.ts';
import { lockHome, prepareDirectory } from './home.ts';
import { MEMBERS_KEY, snapshotRow } from './members-row.ts';
import { beginLog, LEAP } from './new-founding.ts';

/** In a home that is being made; gone once it is whole. */
const UNFINISHED = 'RESTORING';
const SEGMENT = /\.tlog(\.new)?$/;
export type RestoreOptions = {
  readonly home: string;
  readonly logDir: string;
  readonly place: StorePlace;
  readonly image: { readonly slot: Slot; readonly owned: readonly (Range & { readonly epoch: number })[] };
  /** Keys and values of the image, in any order, some at a time. */
  readonly rows: AsyncIterable<readonly { readonly key: string; readonly value: Uint8Array }[]>;
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
    const slot = options.image.slot + LEAP;
    const members: MembersState = {
      cluster: incarnation,
      members: [{ node: place.node, incarnation }],
      superseded: [],
    };
    await fillStore(options, members, slot);
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

async function fillStore(
  { place, image, rows }: RestoreOptions,
  members: MembersState,
  slot: Slot,
): Promise<void> {
  const writer = await SnapshotWriter.create(place);
  try {
    for await (const page of rows) {
      await writer.put(page.map(({ key, value }) => ({ key: TABLES.DATA + key, value })));
    }
    const own: Row[] = [snapshotRow(slot), { key: MEMBERS_KEY, value: encode(membersStateCodec, members) }];
    const owned = image.owned.map(({ lo, hi, epoch }): Owned => ({ lo, hi, epoch, sealedBy: null }));
    storeState(INITIAL_STATE, { ...INITIAL_STATE, owned }, (key: StoreKey, value) => {
      if (value !== null) own.push({ key, value });
    });
    await writer.put(own);
    await writer.finish(slot);
  } catch (error) {
    await writer.abort();
    throw error;
  }
  await installSnapshot(place.dir);
}

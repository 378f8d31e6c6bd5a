/**
 * A survivor's home becomes the first member of a new founding, with all that it holds (docs/architecture.md, "Rescue"). Of the old
 * founding it keeps the rows, the keeper, and who is over for ever; its life, its log and what it voted end.
 */
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { open, readdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { present } from '../../src/base/assert.ts';
import { FatalError, NurseryError } from '../../src/base/errors.ts';
import { unusable } from '../../src/process/permissions.ts';
import type { MembersState, Slot } from '../paxos/values.ts';
import { dataFile } from '../store/environment.ts';
import { isStoreDamage } from '../store/failures.ts';
import { type StorePlace, syncDirectory } from '../store/install.ts';
import { LmdbStore } from '../store/lmdb-store.ts';
import { LEAP, promotedRows } from './first-image.ts';
import { readMembers } from './members-row.ts';
import { beginLog } from './new-founding.ts';

/** In a home that is being promoted: from here on it is only ever completed. Gone once that is done. */
const MARKER = 'PROMOTING';
const LOG_FILE = /\.tlog(\.new)?$/;

/** The directories of a node, which this process owns and which nobody has open. */
export type ClosedHome = { readonly home: string; readonly logDir: string; readonly place: StorePlace };

/** What is to become of it: the slot that it holds, that from which it goes on, and its new life, which names the founding. */
type Order = { readonly from: Slot; readonly to: Slot; readonly incarnation: string };

/**
 * Promotes a home whose store is the image of `slot`, and holds all that is left of its founding.
 *
 * @throws FatalError INVARIANT where the store is not of that slot: nothing has been changed; HOME_UNUSABLE where there is no room;
 *   what was begun goes on at the next start
 */
export async function promoteHome(place: ClosedHome, slot: Slot): Promise<void> {
  const order: Order = { from: slot, to: slot + LEAP, incarnation: randomBytes(16).toString('hex') };
  const store = await LmdbStore.open(place.place);
  const { slot: held } = store;
  await store.close();
  if (held !== slot) {
    throw new FatalError('INVARIANT', `the store of ${place.home} is of slot ${held}, not of ${slot}`);
  }
  await writeMarker(place.home, order).catch((error: unknown) => {
    throw unusable('home', place.home, error);
  });
  await finishPromotion(place);
}

/**
 * Completes what was begun, where it was; to be called before anything of a home is looked at. Every step may be done twice.
 *
 * @throws FatalError HOME_UNUSABLE where there is no room, the marker cannot be read, or the store is not the one that was marked:
 *   nothing has been changed then
 */
export async function finishPromotion(closed: ClosedHome): Promise<void> {
  const { home, logDir, place } = closed;
  const marker = join(home, MARKER);
  if (!existsSync(marker)) return;
  const order = await readMarker(marker);
  try {
    const members = await changeStore(place, order);
    for (const name of await readdir(logDir)) if (LOG_FILE.test(name)) await rm(join(logDir, name));
    await syncDirectory(logDir);
    await beginLog(closed, members, order.to);
    await rm(marker);
    await syncDirectory(home);
  } catch (error) {
    if (error instanceof NurseryError && error.code === 'DISK_FULL') throw unusable('home', home, error);
    throw error;
  }
}

/** The store as the new founding begins with it; returns that one's members. */
async function changeStore(place: StorePlace, { from, to, incarnation }: Order): Promise<MembersState> {
  const store = await openMarked(place, from);
  try {
    const isDone = store.slot === to && readMembers(store)?.cluster === incarnation;
    if (store.slot !== from && !isDone) {
      throw beingPromoted(place, from, `is of slot ${store.slot}: it is not the one that was promoted`);
    }
    if (!isDone) {
      const before = present(readMembers(store), 'members of a founding');
      const survivor = { node: place.node, incarnation };
      store.commit(promotedRows(store, before, { survivor, to }).changes, to);
      await store.flush(to);
    }
    return present(readMembers(store), 'members of a founding');
  } finally {
    await store.close();
  }
}

/** It is never made, nor given up: it may be all that is left. */
async function openMarked(place: StorePlace, from: Slot): Promise<LmdbStore> {
  if (!existsSync(dataFile(place.dir))) throw beingPromoted(place, from, 'is not there');
  try {
    return await LmdbStore.open(place);
  } catch (error) {
    if (isStoreDamage(error)) throw beingPromoted(place, from, `is damaged (${error.message})`);
    throw error;
  }
}

function beingPromoted({ dir }: StorePlace, from: Slot, what: string): FatalError {
  return new FatalError(
    'HOME_UNUSABLE',
    `this home is being promoted, and its store in ${dir} ${what}; put back a copy of it of slot ${from}, promote another survivor, or restore a backup. Nothing was changed; do not delete it: it may be all that is left.`,
  );
}

async function writeMarker(home: string, order: Order): Promise<void> {
  const path = join(home, MARKER);
  const file = await open(`${path}.new`, 'w');
  try {
    await file.writeFile(`${JSON.stringify(order)}\n`);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(`${path}.new`, path);
  await syncDirectory(home);
}

async function readMarker(path: string): Promise<Order> {
  const text = await readFile(path, 'utf8');
  try {
    const { from, to, incarnation } = JSON.parse(text) as Partial<Order>;
    if (Number.isSafeInteger(from) && Number.isSafeInteger(to) && /^[0-9a-f]{32}$/.test(incarnation ?? ''))
      return { from: from as Slot, to: to as Slot, incarnation: incarnation as string };
  } catch {
    // said below
  }
  throw new FatalError(
    'HOME_UNUSABLE',
    `${path} is not what a promotion wrote (${JSON.stringify(text.slice(0, 100))}): this home was being promoted, and goes on with none but that file: put back a copy of it, promote another survivor, or restore a backup`,
  );
}

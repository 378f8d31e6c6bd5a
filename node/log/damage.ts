/** The refusals to start: each names file, offset and the steps that repair it. */
import { FatalError } from '../../src/base/errors.ts';

/** Where something is wrong. */
export type Place = {
  /** Path of the segment. */
  readonly file: string;
  /** Bytes from its beginning. */
  readonly offset: number;
  readonly repair: Repair;
};

/** What the steps of a repair name. */
export type Repair = {
  /** The log's directory. */
  readonly dir: string;
  /** The store's directory or file, as a person should read it. */
  readonly store: string;
};

/** Steps that make a node an empty home, as people should carry them out. */
function emptyHome({ dir, store }: Repair): string {
  return (
    `Repair: with the node stopped, remove its log AND its store (rm -r '${dir}' '${store}'), then start it: ` +
    'it is an empty home then, and rejoins its cluster by itself. ' +
    'Not before the others are up: what none of them has would be lost with it. ' +
    'A cluster of one node has nobody to rejoin: restore a backup of both instead'
  );
}

/** Something stands where a sound record or header was known to be. */
export function logDamaged(place: Place, what: string, cause?: unknown): FatalError {
  const message = `log damaged: ${place.file}, offset ${place.offset}: ${what}. ${emptyHome(place.repair)}`;
  return new FatalError('LOG_DAMAGED', message, { cause });
}

/** Records are missing in the middle. */
export function logGap(place: Place, what: string): FatalError {
  const message =
    `log has a gap: ${place.file}, offset ${place.offset}: ${what}. ` +
    `If the missing file can be found, put it back. ${emptyHome(place.repair)}`;
  return new FatalError('LOG_GAP', message);
}

/** A segment of another cluster, node, or life of the node. */
export function logForeign(place: Place, what: string): FatalError {
  const message =
    `log is not this node's: ${place.file}, offset ${place.offset}: ${what}. ` +
    'Correct the directory in the configuration, or move the foreign file away. ' +
    `If it was all this node had: ${emptyHome(place.repair)}`;
  return new FatalError('LOG_FOREIGN', message);
}

/** The store is the image of a slot that its log never held. */
export function storeAhead(repair: Repair, applied: number, highest: number): FatalError {
  const message =
    `store ahead of its log: the store is at slot ${applied}, the log in ${repair.dir} ends at slot ${highest}: ` +
    `log files were removed or belong to an older copy. ${emptyHome(repair)}`;
  return new FatalError('STORE_AHEAD', message);
}

/** The disk did something that leaves unknown what it holds. */
export function diskFailed(what: string, cause: unknown): FatalError {
  const why = cause instanceof Error ? cause.message : String(cause);
  return new FatalError(
    'DISK_FAILED',
    `log: ${what} failed: ${why}. Nobody knows what the disk holds now; check it, then start the node again`,
    { cause },
  );
}

/** The digest of a stretch of a replica's whole store: equal on every replica that holds the same rows. */
import { RowsHash } from '../../src/keyspace/digest.ts';
import { SNAPSHOT_KEY } from '../life/members-row.ts';
import type { StoreKey, View, Work } from '../store/types.ts';

/** Rows of one stretch, whatever is asked for. */
export const SCRUB_ROWS_MAX = 10_000;
/** Keys and values of one stretch (bytes); the last row may go beyond it. */
export const SCRUB_BYTES_MAX = 1024 * 1024;
/** Rows, and bytes of them, between two points at which others may run: about 1 ms. */
const SLICE_ROWS = 250;
const SLICE_BYTES = 128 * 1024;

/** From which key on, and how many rows of any table. */
export type Stretch = { readonly from: StoreKey; readonly rowsMax: number };

/** `next` is the first key that was not looked at, null at the end of the store. */
export type StretchDigest = { readonly next: StoreKey | null; readonly digest: string };

/** Takes the digest of the rows of one image, all tables in the order of their keys. */
export function* digestRows(view: View, { from, rowsMax }: Stretch): Work<StretchDigest> {
  const hash = new RowsHash();
  let rows = Math.min(Math.max(rowsMax, 1), SCRUB_ROWS_MAX);
  let bytes = SCRUB_BYTES_MAX;
  let next: StoreKey | null = from;
  for (;;) {
    let sliceRows = SLICE_ROWS;
    let sliceBytes = SLICE_BYTES;
    const begin: StoreKey = next;
    next = null;
    const passed = view.scan(begin, null, (key, value) => {
      if (isOwn(key)) return true;
      if (rows === 0 || bytes <= 0 || sliceRows === 0 || sliceBytes <= 0) {
        next = key;
        return false;
      }
      hash.add(key, value);
      rows -= 1;
      sliceRows -= 1;
      bytes -= key.length + value.length;
      sliceBytes -= key.length + value.length;
      return true;
    });
    if (passed !== null)
      next = passed; // not the end of the stretch: what is removed does not count
    else if (next === null || rows === 0 || bytes <= 0) return { next, digest: hash.finish() };
    yield;
  }
}

/** Rows that say something of this replica alone; they must not even be counted. */
function isOwn(key: StoreKey): boolean {
  return key === SNAPSHOT_KEY;
}

/** Rows of a range in an image: what a migration moves, proves and, in simulation, is checked by. */
import type { Key } from '../../src/base/bytes.ts';
import { type Digest, DigestSum, NO_ROWS } from '../../src/keyspace/digest.ts';
import type { Range } from '../../src/keyspace/range.ts';
import type { StoreKey, View, Work } from '../store/types.ts';
import { Pace } from './pace.ts';
import { dataRange, scanAll, scanSlice, userKey } from './store-keys.ts';

/** Rows looked at in one slice: each may be long. */
const SLICE_ROWS = 100;

/** The data rows of `range` in an image, whoever owns them, ascending. All at once: for tests and simulation. */
export function rowsIn(view: View, range: Range): [key: Key, value: Uint8Array][] {
  const rows: [Key, Uint8Array][] = [];
  const { from, to } = dataRange(range);
  scanAll(view, from, to, (key, value) => {
    rows.push([userKey(key), value]);
  });
  return rows;
}

/** The digest of those rows. */
export function* digestOfRange(view: View, range: Range): Work<Digest> {
  const pace = new Pace();
  const { from, to } = dataRange(range);
  const digest = new DigestSum(NO_ROWS);
  let next: StoreKey | null = from;
  while (next !== null) {
    const rows: [StoreKey, Uint8Array][] = [];
    next = scanSlice(view, { from: next, to }, { rowsMax: SLICE_ROWS }, (key, value) =>
      rows.push([key, value]),
    );
    for (const [key, value] of rows) {
      digest.add(userKey(key), value);
      if (pace.digest(key.length + value.length)) yield;
    }
  }
  return digest.total();
}

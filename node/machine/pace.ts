/** How much work is done between two points at which others may run. */

/** Rows visited or updates executed between two yields: about 1 ms. */
const UNITS_MAX = 500;
/** Bytes that take about as long as visiting a row, where they are hashed or copied. */
const UNIT_BYTES = 1024;
/** What the digest of a short row costs, next to a visit. */
const DIGEST_UNITS = 5;

/** Counts work, never time: a clock has no place here. */
export class Pace {
  #units = 0;

  /** Counts one row with so many bytes to hash or copy; true where the caller should yield now. */
  row(bytes = 0): boolean {
    this.#units += 1 + bytes / UNIT_BYTES;
    return this.#due();
  }

  /** Counts the digest of one row with so many bytes; true where the caller should yield now. */
  digest(bytes: number): boolean {
    this.#units += DIGEST_UNITS + bytes / UNIT_BYTES;
    return this.#due();
  }

  /** Counts `rows` visited at once; true where the caller should yield now. */
  rows(rows: number): boolean {
    this.#units += rows;
    return this.#due();
  }

  #due(): boolean {
    if (this.#units < UNITS_MAX) return false;
    this.#units = 0;
    return true;
  }
}

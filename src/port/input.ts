/** What a client has sent and nobody has understood yet. */

const NOTHING = Buffer.alloc(0);
/** Bytes without which no request can be told: its magic and code. */
const HEAD_BYTES = 4;

/** Bytes that have come, from the first that is not understood yet; requests are cut off at their front. */
export class Input {
  /** They lie in `#bytes` from `#begin` to `#end`. */
  #bytes: Buffer = NOTHING;
  #begin = 0;
  #end = 0;
  #wanted = HEAD_BYTES;
  #skipBytes = 0;

  /** Bytes that are there. */
  get length(): number {
    return this.#end - this.#begin;
  }

  /** Bytes without which the next request cannot be told. */
  get wanted(): number {
    return this.#wanted;
  }

  /** Whether part of a request has come. */
  get isHalf(): boolean {
    return this.#end > this.#begin || this.#skipBytes > 0;
  }

  /** Takes a chunk. False: all of it belonged to what is skipped. */
  add(chunk: Buffer): boolean {
    if (this.#skipBytes >= chunk.length) {
      this.#skipBytes -= chunk.length;
      return false;
    }
    this.#append(this.#skipBytes === 0 ? chunk : chunk.subarray(this.#skipBytes));
    this.#skipBytes = 0;
    return true;
  }

  /** The next request is not told without `bytes`. */
  want(bytes: number): void {
    this.#wanted = bytes;
  }

  /** What `scan` makes of the bytes and of the place where they begin and end. */
  read<T>(scan: (bytes: Buffer, begin: number, end: number) => T): T {
    return scan(this.#bytes, this.#begin, this.#end);
  }

  /** Cuts off what lies before position `end` of `read`: a view, which stays as it is. */
  takeTo(end: number): Buffer {
    const taken = this.#bytes.subarray(this.#begin, end);
    this.#begin = end;
    this.#wanted = HEAD_BYTES;
    return taken;
  }

  /** Drops the next `bytes`, whether they have come or not. */
  skip(bytes: number): void {
    const there = Math.min(this.length, bytes);
    this.#skipBytes = bytes - there;
    this.#begin += there;
    this.#wanted = HEAD_BYTES;
  }

  /** Where nothing is left, the memory of a long request goes with it. */
  trim(): void {
    if (this.#begin === this.#end) this.#bytes = NOTHING;
  }

  clear(): void {
    this.#bytes = NOTHING;
    this.#begin = 0;
    this.#end = 0;
  }

  /** Joins what is left with `chunk`. Memory grows with what has come, not with what was announced. */
  #append(chunk: Buffer): void {
    const left = this.length;
    if (left === 0) {
      this.#bytes = chunk;
      this.#begin = 0;
      this.#end = chunk.length;
      return;
    }
    if (this.#end + chunk.length > this.#bytes.length) {
      const bytes = left + chunk.length;
      const larger = Buffer.allocUnsafeSlow(Math.max(bytes, Math.min(this.#wanted, 2 * bytes)));
      this.#bytes.copy(larger, 0, this.#begin, this.#end);
      this.#bytes = larger;
      this.#begin = 0;
      this.#end = left;
    }
    chunk.copy(this.#bytes, this.#end);
    this.#end += chunk.length;
  }
}

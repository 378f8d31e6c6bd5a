/** Two lists of entries in ascending order, side by side: what the second must be told to be as the first. */
import type { Entries, SourceEntry } from './source.ts';

/** A key at which they differ: the value that it should have, null: none; and whether it has another one. */
export type Difference = { readonly key: Buffer; readonly wanted: Buffer | null; readonly has: boolean };

/** What was looked at since the last such step. */
export type Step = {
  /** Everything up to this key was looked at; null at the end. */
  readonly upTo: Buffer | null;
  readonly keys: number;
  /** Keys and values of the first list (bytes). */
  readonly bytes: number;
  readonly differences: readonly Difference[];
};

/** Entries of a list one by one, a page ahead. */
class Cursor {
  readonly #pages: AsyncGenerator<readonly SourceEntry[]>;
  #page: readonly SourceEntry[] = [];
  #at = 0;
  #isEnded = false;

  constructor(entries: Entries, after: Buffer | null) {
    this.#pages = entries.pages(after);
  }

  /** The entry at hand; null at the end. */
  async peek(): Promise<SourceEntry | null> {
    while (!this.#isEnded && this.#at >= this.#page.length) {
      const next = await this.#pages.next();
      this.#isEnded = next.done === true;
      this.#page = next.done === true ? [] : next.value;
      this.#at = 0;
    }
    return this.#page[this.#at] ?? null;
  }

  advance(): void {
    this.#at += 1;
  }
}

/** Goes over both from behind `after` to the end, so many keys in a step. */
export async function* compare(
  wanted: Entries,
  there: Entries,
  after: Buffer | null,
  stepKeys = 1000,
): AsyncGenerator<Step> {
  const [first, second] = [new Cursor(wanted, after), new Cursor(there, after)];
  for (let isEnded = false; !isEnded; ) {
    const differences: Difference[] = [];
    let [keys, bytes] = [0, 0];
    let upTo: Buffer | null = null;
    while (keys + differences.length < stepKeys) {
      const [mine, theirs] = [await first.peek(), await second.peek()];
      if (mine === null && theirs === null) {
        isEnded = true;
        break;
      }
      const order = mine === null ? 1 : theirs === null ? -1 : Buffer.compare(mine[0], theirs[0]);
      if (order <= 0 && mine !== null) {
        const [key, value] = mine;
        keys += 1;
        bytes += key.length + value.length;
        if (order < 0) differences.push({ key, wanted: value, has: false });
        else if (theirs !== null && !theirs[1].equals(value))
          differences.push({ key, wanted: value, has: true });
        upTo = key;
        first.advance();
        if (order === 0) second.advance();
      } else if (theirs !== null) {
        differences.push({ key: theirs[0], wanted: null, has: true });
        upTo = theirs[0];
        second.advance();
      }
    }
    yield { upTo: isEnded ? null : upTo, keys, bytes, differences };
  }
}

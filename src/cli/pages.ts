/**
 * Lists of any length, in pages: each is one consistent read, asked for when the one before is used up. A list of several
 * pages is no snapshot: what is stored or removed meanwhile may or may not be in it.
 */
import { type Key, keyToBytes } from '../base/bytes.ts';
import { NurseryError } from '../base/errors.ts';
import type { NurseryClient } from '../client/nursery-client.ts';

/** Half-open; `hi` null is open. */
export type Bounds = { readonly lo: Key; readonly hi: Key | null };
type Source = Pick<NurseryClient, 'range' | 'rangeEntries'>;
type Options = NonNullable<Parameters<Source['range']>[0]>;

/** Most of one page. */
export const PAGE = 1000;

/** Keys in the bounds, ascending, at most `max` of them. */
export function keyPages(client: Source, bounds: Bounds, max: number): AsyncGenerator<Buffer[]> {
  return pages(
    (options) => client.range(options),
    (key) => key,
    bounds,
    max,
  );
}

/** Keys and values, likewise. */
export function entryPages(client: Source, bounds: Bounds, max: number): AsyncGenerator<[Buffer, Buffer][]> {
  return pages(
    (options) => client.rangeEntries(options),
    ([key]) => key,
    bounds,
    max,
  );
}

async function* pages<T>(
  ask: (options: Options) => Promise<T[]>,
  keyOf: (item: T) => Buffer,
  { lo, hi }: Bounds,
  max: number,
): AsyncGenerator<T[]> {
  let size = PAGE;
  let after: Buffer | null = null;
  for (let left = max; left > 0; ) {
    const wanted = Math.min(size, left);
    let page: T[];
    try {
      page = await ask({
        first: after ?? keyToBytes(lo),
        firstIncluded: after === null,
        ...(hi === null ? {} : { last: keyToBytes(hi) }),
        max: wanted,
      });
    } catch (error) {
      // A reply is bounded in bytes too; one entry always fits.
      if (!(error instanceof NurseryError) || error.code !== 'BAD_INPUT' || wanted === 1) throw error;
      size = Math.ceil(wanted / 4);
      continue;
    }
    if (page.length > 0) yield page;
    if (page.length < wanted) return;
    left -= page.length;
    after = keyOf(page[page.length - 1] as T);
    size = Math.min(PAGE, size * 2);
  }
}

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { NurseryError } from '../../../src/base/errors.ts';
import { entryPages, keyPages, PAGE } from '../../../src/cli/pages.ts';
import type { RangeOptions } from '../../../src/client/commands.ts';

/** Keys `000000`, `000001` …, and a server that answers no more than so many entries at a time. */
class Server {
  readonly asked: number[] = [];
  readonly #keys: readonly string[];
  readonly #most: number;

  constructor(count: number, most = Number.POSITIVE_INFINITY) {
    this.#keys = Array.from({ length: count }, (_, index) => String(index).padStart(6, '0'));
    this.#most = most;
  }

  async range({ first = '', firstIncluded = true, last, max = -1 }: RangeOptions = {}): Promise<Buffer[]> {
    this.asked.push(max);
    const [lo, hi] = [first.toString(), last?.toString()];
    const found = this.#keys.filter(
      (key) => (firstIncluded ? key >= lo : key > lo) && (hi === undefined || key < hi),
    );
    const page = max < 0 ? found : found.slice(0, max);
    if (page.length > this.#most) throw new NurseryError('BAD_INPUT', 'a reply of too many bytes');
    return page.map((key) => Buffer.from(key));
  }

  async rangeEntries(options: RangeOptions = {}): Promise<[Buffer, Buffer][]> {
    return (await this.range(options)).map((key) => [key, Buffer.from(`value of ${key}`)]);
  }
}

async function gather<T>(pages: AsyncGenerator<T[]>): Promise<T[]> {
  const all: T[] = [];
  for await (const page of pages) all.push(...page);
  return all;
}

const ALL = { lo: '', hi: null };

test('a list of any length comes in pages, each key once and in order', async () => {
  for (const count of [0, 1, PAGE - 1, PAGE, PAGE + 1, 3 * PAGE]) {
    const server = new Server(count);
    const keys = (await gather(keyPages(server, ALL, Number.POSITIVE_INFINITY))).map(String);
    assert.is(keys.length, count);
    assert.equal(keys, [...new Set(keys)].sort());
    assert.ok(server.asked.every((max) => max > 0 && max <= PAGE));
  }
});

test('bounds and the most that is wanted are kept across pages', async () => {
  const bounded = await gather(
    keyPages(new Server(5000), { lo: '000100', hi: '003000' }, Number.POSITIVE_INFINITY),
  );
  assert.equal([bounded.length, String(bounded[0]), String(bounded.at(-1))], [2900, '000100', '002999']);
  const some = await gather(keyPages(new Server(5000), ALL, 1500));
  assert.is(some.length, 1500);
  assert.equal(await gather(keyPages(new Server(5), ALL, 0)), []);
});

test('a page that is too large is asked for again in smaller ones', async () => {
  const server = new Server(100, 3);
  const entries = await gather(entryPages(server, ALL, Number.POSITIVE_INFINITY));
  assert.is(entries.length, 100);
  assert.is(String(entries[99]?.[1]), 'value of 000099');
});

test('what not even one entry mends is thrown', async () => {
  try {
    await gather(keyPages(new Server(10, 0), ALL, 10));
    assert.unreachable();
  } catch (error) {
    assert.is((error as NurseryError).code, 'BAD_INPUT');
  }
});

test.run();

import * as fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { lastKeyOf, RowPacker, unpackRows } from '../../../node/store/row-pages.ts';

const rows = fc.array(
  fc.tuple(
    fc.string({ unit: 'grapheme-ascii', minLength: 1, maxLength: 9 }),
    fc.option(fc.uint8Array({ maxLength: 9 })),
  ),
  { minLength: 1, maxLength: 30 },
);

function packed(all: readonly (readonly [string, Uint8Array | null])[]): Buffer {
  const packer = new RowPacker();
  for (const [key, value] of all) assert.ok(packer.add(key, value));
  return packer.take() as Buffer;
}

test('the last key of a page is the last that was added', () => {
  fc.assert(
    fc.property(rows, (all) => {
      const page = packed(all);
      assert.is(lastKeyOf(page), all.at(-1)?.[0]);
      const keys: string[] = [];
      unpackRows(page, (key) => keys.push(key));
      assert.equal(
        keys,
        all.map(([key]) => key),
      );
    }),
  );
});

test('a page that is cut short, or that is none, has no last key', () => {
  const page = packed([
    ['a', Buffer.from('value')],
    ['b', Buffer.from('value')],
  ]);
  const ends = new Set([0, page.length / 2, page.length]);
  for (let length = 0; length <= page.length; length += 1) {
    const key = lastKeyOf(page.subarray(0, length));
    assert.is(key !== null, length > 0 && ends.has(length), `${length} bytes`);
  }
  assert.is(lastKeyOf(Buffer.alloc(64, 0xfe)), null);
});

test.run();

/** What is read of a node's functions, page by page, while they change. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { readFunctions, WITH_OWN, WITHOUT_OWN } from '../../../src/cli/functions-of.ts';
import type { FunctionSet, FunctionsPage, NamedFunction } from '../../../src/protocol/admin/functions.ts';

function put(name: string, version: number): NamedFunction {
  return { name, version, source: Buffer.from(`${name} ${version}`) };
}

function page(version: number, functions: NamedFunction[], names: string[]): FunctionsPage {
  return { keeper: 'k', version, functions, names };
}

/** What comes of these pages, which must be asked for above `expected`. */
function read(above: number, pages: readonly FunctionsPage[], expected: readonly number[]): FunctionSet {
  const reading = readFunctions(above);
  const asked: number[] = [];
  let next = reading.next();
  for (const each of pages) {
    if (next.done) throw new Error('it asks for no more');
    asked.push(next.value);
    next = reading.next(each);
  }
  assert.equal(asked, expected);
  if (!next.done) throw new Error('it asks for more');
  return next.value;
}

test('page after page, until one is empty', () => {
  const [f, g] = [put('f', 1), put('g', 4)];
  const set = read(
    WITHOUT_OWN,
    [page(1, [f], ['f', 'g']), page(4, [g], ['f', 'g']), page(4, [], ['f', 'g'])],
    [0, 1, 4],
  );
  assert.equal(set, { version: 4, functions: [f, g] });
  assert.equal(read(WITHOUT_OWN, [page(0, [], [])], [0]), { version: 0, functions: [] });
});

test('what is removed between two pages is not there at the version that they end at', () => {
  const [f, g, h] = [put('f', 1), put('g', 2), put('h', 4)];
  const set = read(
    WITHOUT_OWN,
    [page(2, [f, g], ['f', 'g']), page(4, [h], ['g', 'h']), page(4, [], ['g', 'h'])],
    [0, 2, 4],
  );
  assert.equal(set, { version: 4, functions: [g, h] });
  const last = read(WITHOUT_OWN, [page(2, [f, g], ['f', 'g']), page(3, [], ['g'])], [0, 2]);
  assert.equal(last, { version: 3, functions: [g] });
});

test('what is put anew between two pages is there once', () => {
  const [f, g, anew] = [put('f', 1), put('g', 2), put('f', 3)];
  const set = read(
    WITHOUT_OWN,
    [page(2, [f, g], ['f', 'g']), page(3, [anew], ['f', 'g']), page(3, [], ['f', 'g'])],
    [0, 2, 3],
  );
  assert.equal(set, { version: 3, functions: [g, anew] });
});

test('a keeper without a map names none above the version that it is at, and has them', () => {
  const f = put('f', 3);
  assert.equal(read(WITH_OWN, [page(3, [f], ['f']), page(3, [], [])], [WITH_OWN, 3]), {
    version: 3,
    functions: [f],
  });
});

test.run();

/** The way over from Arakoon: what exceeds limits is listed first, passes make the same of both, and a comparison tells. */
import * as fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { NurseryError } from '../../../../src/base/errors.ts';
import { USER_KEY_MAX } from '../../../../src/base/limits.ts';
import { compare } from '../../../../src/cli/way-over/differences.ts';
import { compareAll, runPass, survey, type Target } from '../../../../src/cli/way-over/passes.ts';
import type { Entries, SourceEntry } from '../../../../src/cli/way-over/source.ts';
import type { ImportState } from '../../../../src/cli/way-over/state-file.ts';

const BEGIN: ImportState = {
  version: 1,
  from: 'ricky',
  into: 'nursery',
  pass: 1,
  upTo: null,
  keys: 0,
  changed: 0,
  isDone: false,
};

type Map64 = Map<string, string>;

function inOrder(rows: Map64, after: Buffer | null): SourceEntry[] {
  const entries = [...rows].map(([key, value]) => [Buffer.from(key, 'latin1'), Buffer.from(value)] as const);
  const sorted = entries.sort(([one], [other]) => Buffer.compare(one, other));
  return after === null ? sorted : sorted.filter(([key]) => Buffer.compare(key, after) > 0);
}

/** A source in memory, in pages of so many entries; `read` hears of each page. */
function sourceOf(rows: Map64, pageSize = 3, read: () => void = () => undefined): Entries {
  return {
    async *pages(after) {
      for (let last = after; ; ) {
        const page = inOrder(rows, last).slice(0, pageSize);
        read();
        if (page.length > 0) yield page;
        if (page.length < pageSize) return;
        last = page.at(-1)?.[0] ?? null;
      }
    },
  };
}

/** A target in memory. */
function targetOf(rows: Map64): Target {
  return {
    range: async () => [],
    rangeEntries: async (options = {}) => {
      const first = options.first === undefined ? Buffer.alloc(0) : Buffer.from(options.first);
      const included = options.firstIncluded ?? true;
      const entries = inOrder(rows, null).filter(([key]) => {
        const order = Buffer.compare(key, first);
        return included ? order >= 0 : order > 0;
      });
      return entries.slice(0, options.max ?? 1000).map(([key, value]) => [key, value]);
    },
    set: async (key, value) => {
      rows.set(key.toString('latin1'), value.toString());
    },
    replace: async (key) => {
      rows.delete(key.toString('latin1'));
      return null;
    },
  };
}

async function refusalOf(work: Promise<unknown>): Promise<string> {
  return await work.then(
    () => 'none',
    (error: unknown) => (error instanceof NurseryError ? `${error.code} ${error.message}` : String(error)),
  );
}

const rows = fc.dictionary(fc.string({ minLength: 1, maxLength: 3 }), fc.string({ maxLength: 2 }));

function mapOf(record: { readonly [key: string]: string }): Map64 {
  return new Map(Object.entries(record).map(([key, value]) => [Buffer.from(key).toString('latin1'), value]));
}

test('a pass makes the target as the source is, whatever both hold', async () => {
  await fc.assert(
    fc.asyncProperty(rows, rows, fc.integer({ min: 1, max: 5 }), async (mine, theirs, pageSize) => {
      const [from, into] = [mapOf(mine), mapOf(theirs)];
      const first = await runPass(sourceOf(from, pageSize), targetOf(into), BEGIN, () => undefined);
      assert.equal(inOrder(into, null), inOrder(from, null));
      assert.is(first.keys, from.size);
      const second = await runPass(sourceOf(from, pageSize), targetOf(into), BEGIN, () => undefined);
      assert.is(second.changed, 0);
      assert.is(
        (await compareAll(sourceOf(from, pageSize), targetOf(into), () => undefined)).keys,
        from.size,
      );
    }),
  );
});

test('a pass that was broken off goes on behind what was saved', async () => {
  const from = new Map(Array.from({ length: 5000 }, (_, n) => [`k${String(n).padStart(5, '0')}`, 'v']));
  const into: Map64 = new Map();
  let saved = BEGIN;
  let writes = 0;
  const target = targetOf(into);
  const failing: Target = {
    ...target,
    set: async (key, value) => {
      writes += 1;
      if (writes > 2500) throw new NurseryError('UNREACHABLE', 'gone');
      await target.set(key, value);
    },
  };
  const save = (state: ImportState): void => {
    saved = state;
  };
  assert.match(await refusalOf(runPass(sourceOf(from, 100), failing, BEGIN, save)), 'UNREACHABLE');
  assert.ok(saved.upTo !== null && saved.keys === saved.changed && saved.keys >= 2000, JSON.stringify(saved));
  let again = 0;
  const counting: Target = {
    ...target,
    set: async (key, value) => {
      again += 1;
      await target.set(key, value);
    },
  };
  const done = await runPass(sourceOf(from, 100), counting, saved, save);
  assert.is(into.size, 5000);
  assert.ok(again <= 3000, `${again} keys were written a second time or late`);
  assert.is(done.keys, 5000);
});

test('what exceeds the limits is listed, and nothing is begun', async () => {
  const long = 'x'.repeat(USER_KEY_MAX + 1);
  const from = new Map([
    ['a', '1'],
    [long, '2'],
  ]);
  const into: Map64 = new Map();
  const said = await refusalOf(survey(sourceOf(from), targetOf(into), () => undefined));
  assert.match(said, /^REFUSED 1 keys exceed the limits, and nothing was begun/);
  assert.match(said, new RegExp(`x{64}… .*${USER_KEY_MAX + 1} bytes.*${USER_KEY_MAX}`));
  assert.is(into.size, 0);
});

test('a target that holds keys is none for an import that begins, be they as at the source', async () => {
  const from = new Map([
    ['a', '1'],
    ['b', '2'],
  ]);
  for (const [key, value] of [
    ['z', '1'],
    ['a', '9'],
    ['b', '2'], // a client that went over has removed a: it must not return
  ] as const) {
    const said = await refusalOf(survey(sourceOf(from), targetOf(new Map([[key, value]])), () => undefined));
    assert.match(said, /^REFUSED the target holds keys, and nothing was begun/);
    assert.ok(said.endsWith(`\n  ${key}`), said);
  }
  const found = await survey(sourceOf(from), targetOf(new Map()), () => undefined);
  assert.equal(found, { keys: 2, bytes: 4 });
});

test('a comparison names each kind of difference', async () => {
  const from = new Map([
    ['a', '1'],
    ['b', '2'],
    ['c', '3'],
  ]);
  const into = new Map([
    ['b', '9'],
    ['c', '3'],
    ['d', '4'],
  ]);
  const said = await refusalOf(compareAll(sourceOf(from), targetOf(into), () => undefined));
  assert.match(said, /^REFUSED 3 keys differ/);
  for (const line of ['a: missing at the target', 'b: another value', 'd: only at the target'])
    assert.match(said, line);
});

test('no page is read before it is needed', async () => {
  const from = new Map(Array.from({ length: 100 }, (_, n) => [`k${String(n).padStart(3, '0')}`, 'v']));
  let pages = 0;
  const steps = compare(
    sourceOf(from, 10, () => (pages += 1)),
    sourceOf(new Map()),
    null,
    10,
  );
  await steps.next();
  assert.ok(pages <= 2, `${pages} pages`);
});

test.run();

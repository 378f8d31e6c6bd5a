/** Entries of a range out of what was copied before: a backup, an image of one, or an export. Whole copies alone are read. */
import { stat } from 'node:fs/promises';
import { bytesToKey, keyToBytes } from '../../base/bytes.ts';
import { NurseryError } from '../../base/errors.ts';
import { contains, printRange, type Range, subtract } from '../../keyspace/range.ts';
import { openBackup } from '../rescue/backup-rows.ts';
import { fromFile, type Source, STANDARD } from './files.ts';
import { type Entry, ExportReader, type Head, linesOf } from './lines.ts';

/** Entries of a page, and their bytes. */
const PAGE_ENTRIES = 1000;
const PAGE_BYTES = 256 * 1024;

/**
 * Checks the copy as a whole, and hands its entries of that range to `use`, ascending, some at a time.
 *
 * @throws NurseryError BAD_INPUT where it is not whole; REFUSED where it says nothing of some of the range
 * @throws FatalError HOME_UNUSABLE where it cannot be read
 */
export async function withCopy<T>(
  path: string,
  range: Range,
  use: (pages: AsyncIterable<Entry[]>) => Promise<T>,
): Promise<T> {
  const isBackup = path !== STANDARD && (await stat(path).catch(() => null))?.isDirectory() === true;
  if (isBackup) {
    const backup = await openBackup(path);
    refuseMissing(path, backup.missing(range));
    const rows = async function* (): AsyncGenerator<Entry> {
      for await (const { key, value } of backup.rows(range))
        yield { key: keyToBytes(key), value: Buffer.from(value) };
    };
    return await use(paged(rows()));
  }
  const results: T[] = [];
  await fromFile(path, async (source) => {
    const head = await checked(source);
    const held = head.kind === 'export' ? [head.range] : head.image.owned;
    refuseMissing(path, missingIn(held, range));
    results.push(await use(paged(entriesIn(source, range))));
  });
  return results[0] as T;
}

/** The first part of `range` that none of `held` has; null where they have all of it. */
function missingIn(held: readonly Range[], range: Range): Range | null {
  const left = held.reduce<Range[]>(
    (rest, part) => rest.flatMap((piece) => subtract(piece, part)),
    [{ lo: range.lo, hi: range.hi }],
  );
  return left[0] ?? null;
}

function refuseMissing(path: string, missing: Range | null): void {
  if (missing === null) return;
  throw new NurseryError(
    'REFUSED',
    `${path} says nothing of ${printRange(missing)}: --range names what is to come from it, and the rest is in another one`,
  );
}

async function checked(source: Source): Promise<Head> {
  const reader = new ExportReader();
  for await (const line of linesOf(source())) reader.take(line);
  reader.finish();
  // Whoever has come to the last line has come past the first.
  return reader.head as Head;
}

async function* entriesIn(source: Source, range: Range): AsyncGenerator<Entry> {
  const reader = new ExportReader();
  for await (const line of linesOf(source())) {
    const entry = reader.take(line);
    if (entry !== null && contains(range, bytesToKey(entry.key))) yield entry;
  }
  reader.finish();
}

async function* paged(entries: AsyncIterable<Entry>): AsyncGenerator<Entry[]> {
  let page: Entry[] = [];
  let bytes = 0;
  for await (const entry of entries) {
    page.push(entry);
    bytes += entry.key.length + entry.value.length;
    if (page.length < PAGE_ENTRIES && bytes < PAGE_BYTES) continue;
    yield page;
    page = [];
    bytes = 0;
  }
  yield page;
}

/** `nursery export | import`: a range as text, out of a cluster or a nursery and back. */
import { randomBytes } from 'node:crypto';
import { type FileHandle, link, lstat, open, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { Readable } from 'node:stream';
import { bytesToKey, type Key, successor } from '../base/bytes.ts';
import { FatalError, NurseryError } from '../base/errors.ts';
import type { NurseryClient } from '../client/nursery-client.ts';
import { contains, type Range, WHOLE } from '../keyspace/range.ts';
import { unreadableWhy, unusable } from '../process/permissions.ts';
import { withClient } from './connections.ts';
import { type Entry, ExportReader, ExportWriter, linesOf } from './export/lines.ts';
import { keyOf, rangeOf } from './forms.ts';
import { print, printJson, printLine } from './output.ts';
import { entryPages } from './pages.ts';
import { notice } from './report.ts';

/** Standard input or output in the place of a file. */
const STANDARD = '-';
/** Updates of an import that are under way at a time. */
const OUTSTANDING = 64;

type Common = { readonly config: string; readonly json: boolean; readonly range: string | undefined };

/**
 * Writes keys and values of a range to a file, or to standard output. A file has its name only once it is whole.
 *
 * @throws FatalError HOME_UNUSABLE where the file cannot be written, or is there already
 */
export async function runExport(args: Common & { readonly to: string }): Promise<void> {
  refuseNoName('--to', args.to);
  const range = wantedRange(args);
  const entries = await withClient(args.config, (client) =>
    args.to === STANDARD
      ? writeExport(client, range, async (text) => print(text))
      : intoFile(args.to, (write) => writeExport(client, range, write)),
  );
  if (args.to === STANDARD) notice(`${entries} keys`);
  else if (args.json) printJson({ file: args.to, entries });
  else printLine(`${entries} keys are in ${args.to}`);
}

/**
 * Stores what is in an export. Keys that are there already stay as they are, so that no newer value is lost; with
 * `overwrite` they get the value of the export. The whole export is checked first.
 *
 * @throws NurseryError BAD_INPUT where the export is not whole; nothing was stored then
 */
export async function runImport(
  args: Common & {
    readonly from: string;
    readonly key: string | undefined;
    readonly overwrite: boolean;
    readonly dryRun: boolean;
  },
): Promise<void> {
  refuseNoName('--from', args.from);
  const range = args.key === undefined ? wantedRange(args) : onlyKey(keyOf(args.key));
  const counts = { stored: 0, same: 0, other: 0 };
  const put = args.overwrite ? overwrite : putIfAbsent;
  const store = args.dryRun ? lookUp : put;
  await withClient(args.config, (client) =>
    fromFile(args.from, async (source) => {
      await readExport(source, async () => undefined).catch(saying(() => 'nothing was imported'));
      await readExport(source, async (entry) => {
        if (contains(range, bytesToKey(entry.key))) counts[await store(client, entry)] += 1;
      }).catch(saying(() => left(counts.stored, args.dryRun)));
    }),
  );
  if (args.key !== undefined && counts.stored + counts.same + counts.other === 0) {
    throw new NurseryError('NOT_FOUND', `the export does not hold the key ${args.key}`);
  }
  if (args.json) printJson({ ...counts, dryRun: args.dryRun });
  else printLine(describe(counts, args.dryRun, args.overwrite));
}

/** What an import leaves that failed half-way. */
function left(stored: number, isDryRun: boolean): string {
  return isDryRun ? 'nothing was imported' : `${stored} keys were stored before; typed again, it goes on`;
}

function wantedRange({ range }: Common): Range {
  return range === undefined ? WHOLE : rangeOf(range);
}

function onlyKey(key: Key): Range {
  return { lo: key, hi: successor(key) };
}

function refuseNoName(option: string, name: string): void {
  if (name === '') throw new FatalError('USAGE', `${option} takes the name of a file, or ${STANDARD}`);
}

/** Adds what was done so far to what is wrong. */
function saying(done: () => string): (error: unknown) => never {
  return (error) => {
    if (!(error instanceof NurseryError)) throw error;
    throw new NurseryError(error.code, `${error.message}; ${done()}`, { cause: error });
  };
}

/** What became of a key: it was stored, or had this value already, or has another one and keeps it. */
type Fate = 'stored' | 'same' | 'other';

async function putIfAbsent(client: NurseryClient, { key, value }: Entry): Promise<Fate> {
  const before = await client.testAndSet(key, null, value);
  return fateOf(before, value);
}

async function overwrite(client: NurseryClient, { key, value }: Entry): Promise<Fate> {
  const before = await client.replace(key, value);
  return before?.equals(value) ? 'same' : 'stored';
}

async function lookUp(client: NurseryClient, { key, value }: Entry): Promise<Fate> {
  const [before = null] = await client.multiGetOption([key]);
  return fateOf(before, value);
}

function fateOf(before: Buffer | null, value: Buffer): Fate {
  if (before === null) return 'stored';
  return before.equals(value) ? 'same' : 'other';
}

function describe(
  { stored, same, other }: Record<Fate, number>,
  isDryRun: boolean,
  overwrites: boolean,
): string {
  const would = isDryRun ? 'would be ' : '';
  const kept =
    overwrites && isDryRun ? `${other} would get another value` : `${other} have another value and keep it`;
  const others = other === 0 ? '' : `, ${kept}`;
  return `${stored} keys ${would}stored, ${same} were there${others}`;
}

/** Resolves with how many entries there are. */
async function writeExport(
  client: NurseryClient,
  range: Range,
  write: (text: string) => Promise<void>,
): Promise<number> {
  const lines = new ExportWriter();
  await write(lines.begin(range));
  for await (const page of entryPages(client, range, Number.POSITIVE_INFINITY)) {
    await write(lines.more(page.map(([key, value]) => ({ key, value }))));
  }
  await write(lines.end());
  return lines.entries;
}

/** Opens an export from its beginning: it is read twice. */
type Source = () => AsyncIterable<Buffer>;

/** Hands each entry of an export to `take`, so many of them at a time; the first that fails ends it. */
async function readExport(source: Source, take: (entry: Entry) => Promise<void>): Promise<void> {
  const reader = new ExportReader();
  const underWay = new Set<Promise<void>>();
  const failures: unknown[] = [];
  for await (const line of linesOf(source())) {
    const entry = reader.take(line);
    if (entry === null) continue;
    const taken: Promise<void> = take(entry)
      .catch((error: unknown) => {
        failures.push(error);
      })
      .finally(() => underWay.delete(taken));
    underWay.add(taken);
    if (underWay.size >= OUTSTANDING) await Promise.race(underWay);
    if (failures.length > 0) break;
  }
  await Promise.all(underWay);
  if (failures.length > 0) throw failures[0];
  reader.finish();
}

/**
 * Has `fill` write a file of a name of its own beside `path`; once all is in it, it gets that name, durably, unless something
 * has it by then.
 */
async function intoFile<T>(
  path: string,
  fill: (write: (text: string) => Promise<void>) => Promise<T>,
): Promise<T> {
  const place = dirname(path);
  // Opened before anything is done: without it the name could not be made durable.
  const directory = await open(place, 'r').catch(cannotUse('directory', place));
  const partial = join(place, `.nursery-export-${randomBytes(8).toString('hex')}`);
  try {
    if (await isThere(path)) throw taken(path);
    const file = await open(partial, 'wx', 0o600).catch(cannotUse('file', path)); // values may be secrets
    try {
      const result = await fill((text) => file.writeFile(text).catch(cannotUse('file', path)));
      await file.sync().catch(cannotUse('file', path));
      await giveName(partial, path);
      await directory.sync();
      return result;
    } finally {
      await file.close();
      await rm(partial, { force: true });
    }
  } finally {
    await directory.close();
  }
}

/** Never takes the place of something that has come there meanwhile. */
async function giveName(partial: string, path: string): Promise<void> {
  try {
    await link(partial, path);
  } catch (error) {
    throw isOfSystem(error) && error.code === 'EEXIST' ? taken(path) : unusable('file', path, error);
  }
}

function taken(path: string): FatalError {
  return new FatalError('HOME_UNUSABLE', `${path} is there already: name another file, or remove it`);
}

async function isThere(path: string): Promise<boolean> {
  return (await lstat(path).catch(() => null)) !== null; // a link to nothing is there too
}

/** What can be read once only, such as a pipe, goes to a file without a name first, which goes with the process. */
async function fromFile(path: string, use: (source: Source) => Promise<void>): Promise<void> {
  if (path !== STANDARD) {
    const file = await open(path, 'r').catch(cannotRead(path));
    try {
      const stats = await file.stat();
      if (stats.isDirectory()) throw unusable('file', path, new Error('it is a directory'));
      if (stats.isFile()) return await use(fromTheStart(file));
      return await throughCopy(file.createReadStream({ autoClose: false }), use);
    } finally {
      await file.close();
    }
  }
  await throughCopy(process.stdin, use);
}

async function throughCopy(stream: Readable, use: (source: Source) => Promise<void>): Promise<void> {
  const place = tmpdir();
  const name = join(place, `nursery-import-${randomBytes(8).toString('hex')}`);
  const copy = await open(name, 'wx+', 0o600).catch(cannotUse('temporary copy', name));
  try {
    await rm(name);
    await writeFile(copy, stream).catch(cannotUse('temporary copy', name));
    await use(fromTheStart(copy));
  } finally {
    await copy.close();
  }
}

function fromTheStart(file: FileHandle): Source {
  return () => file.createReadStream({ start: 0, autoClose: false });
}

function cannotUse(what: string, path: string): (error: unknown) => never {
  return (error) => {
    throw isOfSystem(error) ? unusable(what, path, error) : error;
  };
}

function cannotRead(path: string): (error: unknown) => never {
  return (error) => {
    throw new FatalError('HOME_UNUSABLE', `file ${path} cannot be read: ${unreadableWhy(path, error)}`, {
      cause: error,
    });
  };
}

function isOfSystem(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && 'syscall' in error;
}

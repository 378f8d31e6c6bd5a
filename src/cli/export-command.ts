/** `nursery export | import`: a range as text, out of a cluster or a nursery and back. */
import { createReadStream } from 'node:fs';
import { type FileHandle, mkdtemp, open, rename, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { type Key, successor } from '../base/bytes.ts';
import { FatalError, NurseryError } from '../base/errors.ts';
import type { NurseryClient } from '../client/nursery-client.ts';
import { contains, type Range, WHOLE } from '../keyspace/range.ts';
import { unusable } from '../process/permissions.ts';
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
  const range = args.key === undefined ? wantedRange(args) : onlyKey(keyOf(args.key));
  const counts = { stored: 0, same: 0, other: 0 };
  const put = args.overwrite ? overwrite : putIfAbsent;
  const store = args.dryRun ? lookUp : put;
  await withClient(args.config, (client) =>
    fromFile(args.from, async (file) => {
      await readExport(file, async () => undefined).catch(nothingImported);
      await readExport(file, async (entry) => {
        if (contains(range, entry.key.toString('latin1'))) counts[await store(client, entry)] += 1;
      });
    }),
  );
  if (args.json) printJson({ ...counts, dryRun: args.dryRun });
  else printLine(describe(counts, args.dryRun, args.overwrite));
}

function wantedRange({ range }: Common): Range {
  return range === undefined ? WHOLE : rangeOf(range);
}

function onlyKey(key: Key): Range {
  return { lo: key, hi: successor(key) };
}

function nothingImported(error: unknown): never {
  if (!(error instanceof NurseryError)) throw error;
  throw new NurseryError(error.code, `${error.message}; nothing was imported`, { cause: error });
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

/** Hands each entry of the export in `file` to `take`, so many of them at a time; the first that fails ends it. */
async function readExport(file: string, take: (entry: Entry) => Promise<void>): Promise<void> {
  const reader = new ExportReader();
  const underWay = new Set<Promise<void>>();
  const failures: unknown[] = [];
  for await (const line of linesOf(createReadStream(file))) {
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

/** Has `fill` write a file beside `path`, which gets that name, durably, once all is in it. */
async function intoFile<T>(
  path: string,
  fill: (write: (text: string) => Promise<void>) => Promise<T>,
): Promise<T> {
  if ((await stat(path).catch(() => null)) !== null) {
    throw new FatalError('HOME_UNUSABLE', `${path} is there already: name another file, or remove it`);
  }
  const partial = `${path}.partial`;
  let file: FileHandle | null = null;
  try {
    file = await open(partial, 'w', 0o600); // values may be secrets
    const handle = file;
    const result = await fill((text) => handle.writeFile(text));
    await file.sync();
    await file.close();
    await rename(partial, path);
    await syncDirectory(dirname(path));
    return result;
  } catch (error) {
    await file?.close();
    await rm(partial, { force: true });
    throw isOfSystem(error) ? unusable('file', path, error) : error;
  }
}

function isOfSystem(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && 'syscall' in error;
}

async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r');
  await directory.sync();
  await directory.close();
}

/** What can be read once only, such as a pipe, goes to a file first: an export is read twice. */
async function fromFile(path: string, use: (file: string) => Promise<void>): Promise<void> {
  try {
    if (path !== STANDARD && (await stat(path)).isFile()) {
      await use(path);
      return;
    }
    const folder = await mkdtemp(join(tmpdir(), 'nursery-import-'));
    try {
      const copy = join(folder, 'export');
      await writeFile(copy, path === STANDARD ? process.stdin : createReadStream(path), { mode: 0o600 });
      await use(copy);
    } finally {
      await rm(folder, { recursive: true });
    }
  } catch (error) {
    throw isOfSystem(error) ? unusable('file', path, error) : error;
  }
}

/** `nursery export | import`: a range as text, out of a cluster or a nursery and back. */
import { stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { bytesToKey, type Key, successor } from '../base/bytes.ts';
import { FatalError, NurseryError } from '../base/errors.ts';
import type { NurseryClient } from '../client/nursery-client.ts';
import { contains, type Range, WHOLE } from '../keyspace/range.ts';
import { readBackup } from './backup/read-backup.ts';
import { withClient } from './connections.ts';
import { withCopy } from './export/copies.ts';
import { cannotUse, fromFile, intoFile, refuseTaken, type Source, STANDARD } from './export/files.ts';
import { type Entry, ExportReader, ExportWriter, linesOf } from './export/lines.ts';
import { rangeOf, storableKeyOf } from './forms.ts';
import { print, printJson, printLine } from './output.ts';
import { entryPages } from './pages.ts';
import { notice } from './report.ts';

/** Updates of an import that are under way at a time. */
const OUTSTANDING = 64;

type Common = { readonly config: string; readonly json: boolean; readonly range: string | undefined };

/**
 * Writes keys and values of a range to a file, or to standard output: what clients see now, or what is in a backup, an image, or
 * another export, which is checked first. A file has its name only once it is whole.
 *
 * @throws FatalError HOME_UNUSABLE where the file cannot be written, or is there already; USAGE where it is to come from nowhere
 * @throws NurseryError BAD_INPUT where the backup is not whole; REFUSED where no image holds some of the range; NOT_FOUND where
 *   one key is asked for that is not there
 */
export async function runExport(
  args: Omit<Common, 'config'> & {
    readonly config: string | undefined;
    readonly key: string | undefined;
    readonly from: string | undefined;
    readonly to: string;
  },
): Promise<void> {
  refuseNoName('--to', args.to);
  const range = args.key === undefined ? wantedRange(args) : onlyKey(storableKeyOf(args.key, '--key'));
  const write = async (pages: Pages): Promise<number> =>
    args.to === STANDARD
      ? await writeExport(pages, range, async (text) => print(text))
      : await intoNewFile(args.to, (sink) => writeExport(pages, range, sink));
  const some = async (pages: Pages): Promise<number> =>
    await write(args.key === undefined ? pages : await single(pages, args.key));
  const entries = await exportFrom(args, range, some);
  if (args.to === STANDARD) notice(`${entries} keys`);
  else if (args.json) printJson({ file: args.to, entries });
  else printLine(`${entries} keys are in ${args.to}`);
}

/**
 * Stores what is in an export, an image, or the images of a backup. Keys that are there already stay as they are, so that no newer value is lost; with
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
  const range = args.key === undefined ? wantedRange(args) : onlyKey(storableKeyOf(args.key, '--key'));
  const counts = { stored: 0, same: 0, other: 0 };
  const put = args.overwrite ? overwrite : putIfAbsent;
  const store = args.dryRun ? lookUp : put;
  const files = await filesOf(args.from).catch(saying(() => 'nothing was imported'));
  await withClient(args.config, async (client) => {
    for (const file of files) {
      await fromFile(file, async (source) => {
        await readExport(source, async () => undefined).catch(saying(() => left(counts.stored, args.dryRun)));
        await readExport(source, async (entry) => {
          if (contains(range, bytesToKey(entry.key))) counts[await store(client, entry)] += 1;
        }).catch(saying(() => left(counts.stored, args.dryRun)));
      });
    }
  });
  if (args.key !== undefined && counts.stored + counts.same + counts.other === 0) {
    throw new NurseryError('NOT_FOUND', `the export does not hold the key ${args.key}`);
  }
  if (args.json) printJson({ ...counts, dryRun: args.dryRun });
  else printLine(describe(counts, args.dryRun, args.overwrite));
}

/** The images of a backup, which are checked, all of them; or the file itself. */
async function filesOf(path: string): Promise<string[]> {
  const isBackup = path !== STANDARD && (await stat(path).catch(() => null))?.isDirectory() === true;
  return isBackup ? (await readBackup(path)).images.map((image) => image.path) : [path];
}

/** What an import leaves that failed half-way. */
function left(stored: number, isDryRun: boolean): string {
  return isDryRun || stored === 0
    ? 'nothing was imported'
    : `${stored} keys were stored before; typed again, it goes on`;
}

async function intoNewFile(
  path: string,
  fill: (write: (text: string) => Promise<void>) => Promise<number>,
): Promise<number> {
  await refuseTaken(path);
  return await intoFile(
    dirname(path),
    (file) => fill((text) => file.writeFile(text).catch(cannotUse('file', path))),
    () => path,
  );
}

function wantedRange({ range }: Pick<Common, 'range'>): Range {
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

/** Entries of a range, ascending, some at a time. */
type Pages = AsyncIterable<readonly Entry[]> | Iterable<readonly Entry[]>;

/** Hands what is to be exported to `write`, from wherever it comes. */
async function exportFrom(
  { config, from }: { readonly config: string | undefined; readonly from: string | undefined },
  range: Range,
  write: (pages: Pages) => Promise<number>,
): Promise<number> {
  if (from !== undefined) {
    refuseNoName('--from', from);
    return await withCopy(from, range, write);
  }
  if (config === undefined)
    throw new FatalError('USAGE', 'export takes --config FILE, or --from for what is in a backup');
  return await withClient(config, (client) => write(livePages(client, range)));
}

async function* livePages(client: NurseryClient, range: Range): AsyncGenerator<readonly Entry[]> {
  for await (const page of entryPages(client, range, Number.POSITIVE_INFINITY))
    yield page.map(([key, value]) => ({ key, value }));
}

/** One key that is not there is no export of nothing; read before anything is written. */
async function single(pages: Pages, key: string): Promise<readonly (readonly Entry[])[]> {
  const all: (readonly Entry[])[] = [];
  for await (const page of pages) if (page.length > 0) all.push(page);
  if (all.length === 0) throw new NurseryError('NOT_FOUND', `the key ${key} is not there`);
  return all;
}

/** Resolves with how many entries there are. */
async function writeExport(
  pages: Pages,
  range: Range,
  write: (text: string) => Promise<void>,
): Promise<number> {
  const lines = new ExportWriter();
  await write(lines.begin({ kind: 'export', range }));
  for await (const page of pages) await write(lines.more(page));
  await write(lines.end());
  return lines.entries;
}

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

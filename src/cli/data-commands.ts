/** `nursery get | set | delete | prefix | range | who-master`, through a router or straight to a cluster. */
import { fstatSync, statSync } from 'node:fs';
import { prefixEnd, printKey } from '../base/bytes.ts';
import { EXIT_CODES, FatalError, NurseryError } from '../base/errors.ts';
import { VALUE_MAX } from '../base/limits.ts';
import type { NurseryClient } from '../client/nursery-client.ts';
import { askClient, withClient } from './connections.ts';
import { readGiven } from './export/files.ts';
import { bytesOf, jsonForm, keyOf } from './forms.ts';
import { IS_TERMINAL, print, printJson, printLine } from './output.ts';
import { type Bounds, entryPages, keyPages } from './pages.ts';
import { notice } from './report.ts';

type Common = { readonly config: string; readonly json: boolean };

/** Prints the value as it is, and a line feed behind it on a terminal. */
export async function runGet(args: Common & { key: string }): Promise<void> {
  const key = bytesOf(args.key);
  const value = await askClient(args.config, (client) => client.get(key)).catch(missing(key));
  if (args.json) printJson({ key: jsonForm(key), value: jsonForm(value) });
  else print(IS_TERMINAL ? Buffer.concat([value, Buffer.from('\n')]) : value);
}

/** Stores the value that is given, or what is in a file. */
export async function runSet(
  args: Common & { key: string; value: string | undefined; from: string | undefined },
): Promise<void> {
  const key = bytesOf(args.key);
  if ((args.value === undefined) === (args.from === undefined)) {
    throw new FatalError('USAGE', 'set takes KEY VALUE, or KEY --from FILE; one of the two');
  }
  const value = args.from === undefined ? bytesOf(args.value ?? '') : await readValue(args.from);
  await askClient(args.config, (client) => client.set(key, value));
  if (args.json) printJson({ key: jsonForm(key), set: true });
}

export async function runDelete(args: Common & { key: string }): Promise<void> {
  const key = bytesOf(args.key);
  await askClient(args.config, (client) => client.delete(key)).catch(missing(key));
  if (args.json) printJson({ key: jsonForm(key), deleted: true });
}

/** Keys that begin with a prefix, one on each line. */
export async function runPrefix(args: Common & { prefix: string; max: number | undefined }): Promise<void> {
  const prefix = keyOf(args.prefix);
  await list(args, { lo: prefix, hi: prefixEnd(prefix), entries: false });
}

/** Keys of a half-open range, one on each line; with `entries` each is followed by a tab and its value. */
export async function runRange(
  args: Common & {
    from: string | undefined;
    to: string | undefined;
    max: number | undefined;
    entries: boolean;
  },
): Promise<void> {
  const lo = keyOf(args.from ?? '');
  const hi = args.to === undefined ? null : keyOf(args.to);
  await list(args, { lo, hi, entries: args.entries });
}

/** Prints the master's name; exit code 4 where there is none. */
export async function runWhoMaster(args: Common): Promise<void> {
  const master = await askClient(args.config, (client) => client.whoMaster());
  if (args.json) printJson({ master });
  else if (master !== null) printLine(master);
  if (master === null) {
    if (!args.json) notice('there is no master now');
    process.exitCode = EXIT_CODES.NO_MASTER;
  }
}

/** How many a list shows where nobody says. */
export const LISTED = 1000;

/**
 * Prints what is in the bounds, page by page as it comes: lines, or one JSON array. Where the default has left something
 * out, standard error says so.
 */
async function list(
  { config, json, max }: Common & { readonly max: number | undefined },
  { entries, ...bounds }: Bounds & { readonly entries: boolean },
): Promise<void> {
  let left = max === -1 ? Number.POSITIVE_INFINITY : (max ?? LISTED);
  let isCut = false;
  let isFirst = true;
  /** What was read, in one write: a call for each of a million lines takes longer than reading them. */
  const show = <T>(page: readonly T[], toLine: (item: T) => string, toJson: (item: T) => unknown): void => {
    const shown = page.slice(0, left);
    isCut ||= shown.length < page.length;
    left -= shown.length;
    if (json && shown.length > 0) {
      print((isFirst ? '[' : ',') + shown.map((item) => JSON.stringify(toJson(item))).join(','));
      isFirst = false;
    } else if (!json) print(shown.map((item) => `${toLine(item)}\n`).join(''));
  };
  // One more than is shown tells whether there is more.
  const wanted = max === undefined ? left + 1 : left;
  await withClient(config, async (client: NurseryClient) => {
    if (entries) {
      for await (const page of entryPages(client, bounds, wanted)) {
        show(
          page,
          ([key, value]) => `${inLine(key)}\t${inLine(value)}`,
          ([key, value]) => ({ key: jsonForm(key), value: jsonForm(value) }),
        );
      }
      return;
    }
    for await (const page of keyPages(client, bounds, wanted)) show(page, inLine, jsonForm);
  });
  if (json) printLine(isFirst ? '[]' : ']');
  if (isCut) notice(`there are more than ${LISTED}; --max -1 lists all`);
}

/** For people, and without anything that could be taken for the end of a line. */
function inLine(bytes: Buffer): string {
  return printKey(bytes.toString('latin1'));
}

/** Says so in words where the key is not there: Arakoon's protocol names the key alone, or nothing. */
function missing(key: Buffer): (error: unknown) => never {
  return (error) => {
    if (!(error instanceof NurseryError) || error.code !== 'NOT_FOUND') throw error;
    throw new NurseryError('NOT_FOUND', `there is no key ${inLine(key)}`, { cause: error });
  };
}

/** The bytes in a file, or with `-` on standard input. @throws NurseryError BAD_INPUT where they are too many */
async function readValue(from: string): Promise<Buffer> {
  if (from === '-' && isNull(0)) {
    const what = 'standard input is closed, or is /dev/null; --from /dev/null stores the empty value';
    throw new FatalError('USAGE', `--from -: ${what}`);
  }
  return await readGiven({ path: from, max: VALUE_MAX, limitOf: 'a value', word: '--from' });
}

/** Whether an open file is /dev/null, which is put in the place of a standard input that was closed. */
function isNull(descriptor: number): boolean {
  const stats = fstatSync(descriptor);
  return stats.isCharacterDevice() && stats.rdev === statSync('/dev/null').rdev;
}

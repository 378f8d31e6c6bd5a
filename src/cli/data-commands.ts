/** `nursery get | set | delete | prefix | range | who-master`: one request each, through a router or straight to a cluster. */
import { type Key, keyToBytes, parseKey, printKey } from '../bytes.ts';
import { EXIT_CODES, NurseryError } from '../errors.ts';
import { withClient } from './connections.ts';

type Common = { readonly config: string; readonly json: boolean };

/** Prints the value as it is, and a line feed behind it on a terminal. */
export async function runGet(args: Common & { key: string }): Promise<void> {
  const value = await withClient(args.config, (client) => client.get(bytesOf(args.key))).catch((error) => {
    // What Arakoon's protocol says of a missing key does not name it.
    if (!(error instanceof NurseryError) || error.code !== 'NOT_FOUND') throw error;
    throw new NurseryError('NOT_FOUND', `there is no key ${printKey(keyOf(args.key))}`, { cause: error });
  });
  if (args.json) printJson({ key: args.key, value: printValue(value) });
  else process.stdout.write(process.stdout.isTTY ? Buffer.concat([value, Buffer.from('\n')]) : value);
}

export async function runSet(args: Common & { key: string; value: string }): Promise<void> {
  await withClient(args.config, (client) => client.set(bytesOf(args.key), bytesOf(args.value)));
  if (args.json) printJson({ key: args.key, set: true });
}

export async function runDelete(args: Common & { key: string }): Promise<void> {
  await withClient(args.config, (client) => client.delete(bytesOf(args.key)));
  if (args.json) printJson({ key: args.key, deleted: true });
}

/** Keys that begin with a prefix, one on each line. */
export async function runPrefix(args: Common & { prefix: string; max: number }): Promise<void> {
  const keys = await withClient(args.config, (client) =>
    client.prefixKeys(bytesOf(args.prefix), { max: args.max }),
  );
  printKeys(keys, args.json);
}

/** Keys of a half-open range, one on each line; with `entries` each is followed by a tab and its value. */
export async function runRange(
  args: Common & { from: string | undefined; to: string | undefined; max: number; entries: boolean },
): Promise<void> {
  const options = {
    ...(args.from === undefined ? {} : { first: bytesOf(args.from) }),
    ...(args.to === undefined ? {} : { last: bytesOf(args.to) }),
    max: args.max,
  };
  if (!args.entries) {
    printKeys(await withClient(args.config, (client) => client.range(options)), args.json);
    return;
  }
  const entries = await withClient(args.config, (client) => client.rangeEntries(options));
  if (args.json)
    printJson(entries.map(([key, value]) => ({ key: printValue(key), value: printValue(value) })));
  else for (const [key, value] of entries) console.log(`${printValue(key)}\t${printValue(value)}`);
}

/** Prints the master's name; exit code 4 where there is none. */
export async function runWhoMaster(args: Common): Promise<void> {
  const master = await withClient(args.config, (client) => client.whoMaster());
  if (args.json) printJson({ master });
  else if (master !== null) console.log(master);
  if (master === null) {
    if (!args.json) console.error('nursery: there is no master now');
    process.exitCode = EXIT_CODES.NO_MASTER;
  }
}

/**
 * The key that a person wrote: text, or `0x…` for bytes.
 *
 * @throws NurseryError BAD_INPUT naming what is wrong with it
 */
export function keyOf(text: string): Key {
  try {
    return parseKey(text);
  } catch (error) {
    throw new NurseryError('BAD_INPUT', (error as Error).message, { cause: error });
  }
}

/** One line of JSON on standard output. */
export function printJson(value: unknown): void {
  console.log(JSON.stringify(value));
}

function bytesOf(text: string): Buffer {
  return keyToBytes(keyOf(text));
}

function printValue(bytes: Buffer): string {
  return printKey(bytes.toString('latin1'));
}

function printKeys(keys: readonly Buffer[], json: boolean): void {
  const printed = keys.map(printValue);
  if (json) printJson(printed);
  else for (const key of printed) console.log(key);
}

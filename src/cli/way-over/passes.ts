/** The way over from Arakoon: a look at what cannot come along, passes until nothing changes, and a comparison key by key. */
import { bytesToKey, keyToBytes, printKey } from '../../base/bytes.ts';
import { NurseryError } from '../../base/errors.ts';
import { whyUnstorable } from '../../base/limits.ts';
import { WHOLE } from '../../keyspace/range.ts';
import { entryPages } from '../pages.ts';
import { compare, type Difference, type Step } from './differences.ts';
import type { Entries } from './source.ts';
import type { ImportState } from './state-file.ts';

/** Updates that are under way at a time. */
const OUTSTANDING = 64;
/** Keys that are named of many. */
const NAMED_MAX = 100;

/** The nursery, or the cluster, that the rows come into. */
export type Target = Parameters<typeof entryPages>[0] & {
  set(key: Buffer, value: Buffer): Promise<void>;
  replace(key: Buffer, wanted: Buffer | null): Promise<Buffer | null>;
};

/** What the source holds. */
export type Survey = { readonly keys: number; readonly bytes: number };

/** What one pass did. */
export type Pass = { readonly pass: number; readonly keys: number; readonly changed: number };

/** Entries of the target in order. */
export function entriesOf(target: Target): Entries {
  return {
    async *pages(after) {
      const lo = after === null ? WHOLE.lo : `${bytesToKey(after)}\0`;
      yield* entryPages(target, { lo, hi: null }, Number.POSITIVE_INFINITY);
    },
  };
}

/**
 * Looks at everything before anything is begun: what exceeds our limits, and whether the target holds keys. Those that are as at
 * the source are no better than others: without a state nobody knows whether clients have removed some since.
 *
 * @throws NurseryError REFUSED naming such keys: nothing was begun
 */
export async function survey(source: Entries, target: Target, looked: (step: Step) => void): Promise<Survey> {
  await refuseFilled(target);
  const tooLong: string[] = [];
  let [keys, bytes, tooLongs] = [0, 0, 0];
  for await (const page of source.pages(null)) {
    let pageBytes = 0;
    for (const [key, value] of page) {
      pageBytes += key.length + value.length;
      const why = whyUnstorable(bytesToKey(key), value);
      if (why === null) continue;
      tooLongs += 1;
      if (tooLong.length < NAMED_MAX) tooLong.push(`${shortKey(key)}: ${why}`);
    }
    keys += page.length;
    bytes += pageBytes;
    looked({ upTo: page.at(-1)?.[0] ?? null, keys: page.length, bytes: pageBytes, differences: [] });
  }
  if (tooLongs === 0) return { keys, bytes };
  throw new NurseryError(
    'REFUSED',
    `${tooLongs} keys exceed the limits, and nothing was begun; shorten or remove them at the source first:\n${listed(tooLong, tooLongs)}`,
  );
}

/** An import that begins has a target to itself. */
async function refuseFilled(target: Target): Promise<void> {
  for await (const page of entriesOf(target).pages(null)) {
    if (page.length === 0) continue;
    throw new NurseryError(
      'REFUSED',
      `the target holds keys, and nothing was begun: an import begins with an empty target, or goes on with its own state file (--state). The first of them:\n${listed(
        page.slice(0, NAMED_MAX).map(([key]) => shortKey(key)),
        Math.min(page.length, NAMED_MAX),
      )}`,
    );
  }
}

/**
 * One pass, or the rest of one: whatever differs becomes as it is at the source, keys that the source has no more included.
 *
 * @param save told how far it is, whenever all up to there is done
 */
export async function runPass(
  source: Entries,
  target: Target,
  state: ImportState,
  save: (state: ImportState) => void,
): Promise<Pass> {
  const { pass } = state;
  let { keys, changed } = state;
  const after = state.upTo === null ? null : Buffer.from(state.upTo, 'hex');
  for await (const step of compare(source, entriesOf(target), after)) {
    await eachOf(step.differences, (difference) => settle(target, difference));
    keys += step.keys;
    changed += step.differences.length;
    if (step.upTo !== null) save({ ...state, upTo: step.upTo.toString('hex'), keys, changed });
  }
  return { pass, keys, changed };
}

/**
 * Compares key by key, and changes nothing.
 *
 * @returns what both hold
 * @throws NurseryError REFUSED naming what differs
 */
export async function compareAll(
  source: Entries,
  target: Target,
  looked: (step: Step) => void,
): Promise<Survey> {
  const named: string[] = [];
  let [keys, bytes, count] = [0, 0, 0];
  for await (const step of compare(source, entriesOf(target), null)) {
    keys += step.keys;
    bytes += step.bytes;
    count += step.differences.length;
    for (const { key, wanted, has } of step.differences.slice(0, NAMED_MAX - named.length)) {
      const how = wanted === null ? 'only at the target' : has ? 'another value' : 'missing at the target';
      named.push(`${shortKey(key)}: ${how}`);
    }
    looked(step);
  }
  if (count === 0) return { keys, bytes };
  throw new NurseryError(
    'REFUSED',
    `${count} keys differ: something still writes to the source, or to the target. Stop its clients, and type it again:\n${listed(named, count)}`,
  );
}

async function settle(target: Target, { key, wanted }: Difference): Promise<void> {
  if (wanted === null) await target.replace(key, null);
  else await target.set(key, wanted);
}

/** So many at a time; the first that fails ends it once those under way have ended. */
async function eachOf<T>(all: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const rest = all.values();
  const failures: unknown[] = [];
  const worker = async (): Promise<void> => {
    for (const item of rest) {
      if (failures.length > 0) return;
      await work(item).catch((error: unknown) => failures.push(error));
    }
  };
  await Promise.all(Array.from({ length: OUTSTANDING }, worker));
  if (failures.length > 0) throw failures[0];
}

function listed(named: readonly string[], count: number): string {
  const lines = named.map((line) => `  ${line}`);
  if (count > named.length) lines.push(`  … and ${count - named.length} more`);
  return lines.join('\n');
}

/** A key in one line: of a long one its beginning. */
function shortKey(key: Buffer): string {
  const shown = printKey(bytesToKey(key.subarray(0, 64)));
  return key.length > 64 ? `${shown}… (${keyToBytes(bytesToKey(key)).length} bytes)` : shown;
}

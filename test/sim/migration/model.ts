/** What clients are promised: one key space, in which every update takes effect at one moment. */
import { prefixEnd, sameBytes } from '../../../src/base/bytes.ts';
import { contains, type Range } from '../../../src/keyspace/range.ts';
import { failure, OK, okInt, okOptionalBytes } from '../../../src/protocol/arakoon/replies.ts';
import type { Update } from '../../../src/protocol/arakoon/updates.ts';
import type { Answer } from '../../../src/protocol/arakoon/values.ts';
import type { Random } from '../../support/random.ts';

/** Keys that the clients use: separators, their neighbours, the least and the greatest. */
export const KEYS: readonly string[] = [
  '',
  '\0',
  'a',
  'b\xff',
  'c',
  'd',
  'f',
  'f\0',
  'g',
  'h',
  'h\0',
  'h\0\0',
  'hh',
  'i',
  'k',
  'm',
  'm\xff',
  'n',
  'p',
  'p\0',
  'q',
  's',
  't\xff\xff',
  'u',
  'w',
  '\xff',
  '\xff\xff',
];
/** Where ranges may be cut. */
export const SEPARATORS: readonly string[] = ['f', 'h', 'h\0', 'k', 'p', 'u'];
const PREFIXES: readonly string[] = ['h', 'f', 'm', 'p', 'zz', '\xff'];

type Change = Exclude<Update, { kind: 'admin' }>;

/** Keys and values of the whole nursery, as its clients must see them. */
export class Model {
  readonly rows = new Map<string, Uint8Array>();

  /** Executes one update, and returns what it must be answered. */
  execute(update: Update): Answer {
    switch (update.kind) {
      case 'set':
      case 'confirm':
        this.rows.set(update.key, update.value);
        return OK;
      case 'delete':
        return this.rows.delete(update.key) ? OK : failure('NOT_FOUND', update.key);
      case 'testAndSet': {
        const before = this.rows.get(update.key) ?? null;
        if (same(before, update.expected)) this.#put(update.key, update.wanted);
        return okOptionalBytes(before);
      }
      case 'replace': {
        const before = this.rows.get(update.key) ?? null;
        this.#put(update.key, update.wanted);
        return okOptionalBytes(before);
      }
      case 'deletePrefix': {
        const keys = [...this.rows.keys()].filter((key) => key.startsWith(update.prefix));
        for (const key of keys) this.rows.delete(key);
        return okInt(keys.length);
      }
      case 'assert':
        return same(this.rows.get(update.key) ?? null, update.expected)
          ? OK
          : failure('ASSERTION_FAILED', update.key);
      case 'assertExists':
        return this.rows.has(update.key) ? OK : failure('ASSERTION_FAILED', update.key);
      case 'assertRange': {
        const found = [...this.rows.keys()].filter((key) => key.startsWith(update.prefix)).sort();
        return JSON.stringify(found) === JSON.stringify([...update.keys].sort())
          ? OK
          : failure('ASSERTION_FAILED', update.prefix);
      }
      case 'sequence':
      case 'syncedSequence':
        return this.#sequence(update.updates);
      case 'nop':
        return OK;
      default:
        throw new Error(`the clients of the simulation send no ${update.kind}`);
    }
  }

  /** Rows of a range, ascending. */
  rowsIn(range: Range): [string, Uint8Array][] {
    return [...this.rows].filter(([key]) => contains(range, key)).sort(([a], [b]) => (a < b ? -1 : 1));
  }

  #sequence(updates: readonly Update[]): Answer {
    const before = new Map(this.rows);
    for (const update of updates) {
      const answer = this.execute(update);
      if (answer.bytes[0] === 0) continue;
      this.rows.clear();
      for (const [key, value] of before) this.rows.set(key, value);
      return answer;
    }
    return OK;
  }

  #put(key: string, value: Uint8Array | null): void {
    if (value === null) this.rows.delete(key);
    else this.rows.set(key, value);
  }
}

/** An update of some kind; `unique` makes its value one of a kind. */
export function randomUpdate(random: Random, model: Model, unique: number): Change {
  const key = random.pick(KEYS);
  const value = Buffer.from(`${unique}`.padStart(1 + random.below(6), '.'));
  const present = model.rows.get(key) ?? null;
  const expected = random.chance(0.7) ? present : value;
  const wanted = random.chance(0.3) ? null : value;
  switch (random.below(14)) {
    case 0:
    case 1:
    case 2:
    case 3:
      return { kind: 'set', key, value };
    case 4:
    case 5:
      return { kind: 'delete', key };
    case 6:
      return { kind: 'testAndSet', key, expected, wanted };
    case 7:
      return { kind: 'replace', key, wanted };
    case 8:
      return { kind: 'confirm', key, value: random.chance(0.5) ? (present ?? value) : value };
    case 9:
      return { kind: 'deletePrefix', prefix: random.pick(PREFIXES) };
    case 10:
      return random.chance(0.5) ? { kind: 'assert', key, expected } : { kind: 'assertExists', key };
    case 11: {
      const prefix = random.pick(PREFIXES);
      const keys = [...model.rows.keys()].filter((other) => other.startsWith(prefix));
      return {
        kind: 'assertRange',
        prefix,
        keys: random.chance(0.8) || keys.includes(key) ? keys : [...keys, key],
      };
    }
    case 12:
      return { kind: 'nop' };
    default: {
      const updates: Change[] = [];
      for (let count = random.below(4); count >= 0; count -= 1) {
        const inner = randomUpdate(random, model, unique);
        if (inner.kind !== 'confirm') updates.push(inner); // not a part of Arakoon's sequences
      }
      return { kind: random.chance(0.5) ? 'sequence' : 'syncedSequence', updates };
    }
  }
}

/** The range of keys with this prefix. */
export function prefixRange(prefix: string): Range {
  return { lo: prefix, hi: prefixEnd(prefix) };
}

function same(a: Uint8Array | null, b: Uint8Array | null): boolean {
  return a === null || b === null ? a === b : sameBytes(a, b);
}

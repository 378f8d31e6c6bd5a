/**
 * Keys and values as text, one JSON value a line: an export of a range, or the image of a cluster in a backup
 * (docs/operating.md, "Exports", "Backups").
 *
 *     {"export":1,"range":{"lo":"a","hi":null}}
 *     {"key":"apple","value":"red"}
 *     {"entries":1,"sha256":"…"}
 *
 *     {"image":1,"cluster":"bru","founding":"…","keeper":"…","node":"bru_1","slot":812,"taken":"2026-…",
 *      "owned":[{"lo":"m","hi":null,"epoch":2}]}                 in one line; then as above
 *
 * The last line has the sum of all bytes before it: what is cut off, or was changed, is known by it.
 */
import { createHash } from 'node:crypto';
import { bytesToKey, type Key, keyToBytes } from '../../base/bytes.ts';
import { NurseryError } from '../../base/errors.ts';
import { USER_KEY_MAX, VALUE_MAX, whyUnstorable } from '../../base/limits.ts';
import { contains, type Range } from '../../keyspace/range.ts';
import type { NamedFunction } from '../../protocol/admin/functions.ts';
import { jsonForm, jsonRange, keyOf } from '../forms.ts';

/** Of this form of lines; another one is refused. */
const VERSION = 1;
/** Longest line (bytes): the longest key and value, each byte as two digits or as an escape of six. */
export const LINE_BYTES_MAX = 6 * (USER_KEY_MAX + VALUE_MAX) + 1024;

/** What a cluster owned at one slot of its log, as the first line of an image says. */
export type Image = {
  readonly cluster: string;
  /** Founding of the cluster, and of the keeper that it belongs to: '' where it is in no nursery. */
  readonly founding: string;
  readonly keeper: string;
  /** The node that gave it out. */
  readonly node: string;
  readonly slot: number;
  /** When it was begun, by the clock of whoever took it (ISO 8601). */
  readonly taken: string;
  /** In ascending order. */
  readonly owned: readonly OwnedRange[];
  /** Functions of users, where there are any, and how far the cluster had come with those of its keeper. */
  readonly functionsVersion?: number;
  readonly functions?: readonly NamedFunction[];
};
/**
 * A range, and the epoch at which the cluster owned it. `sealedBy`: a migration had sealed it, so that its target may have taken
 * it over, and have newer rows.
 */
export type OwnedRange = Range & { readonly epoch: number; readonly sealedBy?: number };

/** What the first line says. */
export type Head =
  | { readonly kind: 'export'; readonly range: Range }
  | { readonly kind: 'image'; readonly image: Image };

export type Entry = { readonly key: Buffer; readonly value: Buffer };

/** Writes an export, piece by piece. */
export class ExportWriter {
  readonly #hash = createHash('sha256');
  #entries = 0;

  /** How many entries there were. */
  get entries(): number {
    return this.#entries;
  }

  begin(head: Head): string {
    if (head.kind === 'export') return this.#summed(line({ export: VERSION, range: jsonRange(head.range) }));
    const owned = head.image.owned.map((range) => ({ ...range, ...jsonRange(range) }));
    const functions = head.image.functions?.map((each) => ({ ...each, source: jsonForm(each.source) }));
    return this.#summed(line({ image: VERSION, ...head.image, owned, functions }));
  }

  /** The lines of `entries`, which follow each other in ascending order. */
  more(entries: readonly Entry[]): string {
    this.#entries += entries.length;
    return this.#summed(
      entries.map(({ key, value }) => line({ key: jsonForm(key), value: jsonForm(value) })).join(''),
    );
  }

  /** The last line. */
  end(): string {
    return line({ entries: this.#entries, sha256: this.#hash.digest('hex') });
  }

  #summed(text: string): string {
    this.#hash.update(text);
    return text;
  }
}

/** Reads an export, line by line, and checks it. */
export class ExportReader {
  readonly #hash = createHash('sha256');
  #lines = 0;
  #entries = 0;
  #head: Head | null = null;
  /** The ranges that its keys lie in, of which those before `#range` lie behind the last key. */
  #ranges: readonly Range[] = [];
  #range = 0;
  #last: Buffer | null = null;
  #sha256: string | null = null;

  /** What the first line says; null before it has come. */
  get head(): Head | null {
    return this.#head;
  }

  /** Entries so far. */
  get entries(): number {
    return this.#entries;
  }

  /** The sum that the last line tells; null before it has come. */
  get sha256(): string | null {
    return this.#sha256;
  }

  /**
   * The entry in a line without its end; null in the first line and the last.
   *
   * @throws NurseryError BAD_INPUT naming the line, and what is wrong with it
   */
  take(bytes: Buffer): Entry | null {
    this.#lines += 1;
    if (this.#sha256 !== null) throw this.#wrong('something follows the last line');
    const fields = this.#fieldsOf(bytes);
    if ('sha256' in fields) {
      this.#end(fields, bytes);
      return null;
    }
    this.#hash.update(bytes).update('\n');
    if (this.#head === null) {
      this.#head = this.#begin(fields);
      return null;
    }
    return this.#entry(fields);
  }

  /** @throws NurseryError BAD_INPUT where the last line has not come */
  finish(): void {
    if (this.#sha256 === null) throw this.#wrong('it ends here without its last line: it was cut off');
  }

  #begin(fields: Fields): Head {
    const head = fields['export'] === VERSION ? this.#exportHead(fields) : this.#imageHead(fields);
    this.#ranges = head.kind === 'export' ? [head.range] : head.image.owned;
    return head;
  }

  #exportHead(fields: Fields): Head {
    return { kind: 'export', range: this.#rangeOf(fields['range']) };
  }

  #imageHead(fields: Fields): Head {
    if (fields['image'] !== VERSION) {
      throw this.#wrong(
        `this is no export, and no image of a backup, that this version reads: {"export":${VERSION},…} or {"image":${VERSION},…} is wanted`,
      );
    }
    const text = (name: keyof Image): string => {
      const value = fields[name];
      if (typeof value !== 'string') throw this.#wrong(`the image does not say its ${name}`);
      return value;
    };
    const { slot, owned, functions, functionsVersion } = fields;
    if (!isCount(slot) || !Array.isArray(owned))
      throw this.#wrong('the image does not say its slot and ranges');
    const image: Image = {
      cluster: text('cluster'),
      founding: text('founding'),
      keeper: text('keeper'),
      node: text('node'),
      slot,
      taken: text('taken'),
      owned: owned.map((range: unknown) => this.#ownedOf(range)),
      ...(Array.isArray(functions)
        ? { functions: functions.map((each, at) => this.#functionOf(each, at)) }
        : {}),
      ...(isCount(functionsVersion) ? { functionsVersion } : {}),
    };
    return { kind: 'image', image };
  }

  #ownedOf(value: unknown): OwnedRange {
    const { epoch, sealedBy } = (value ?? {}) as Fields;
    if (!isCount(epoch)) throw this.#wrong('a range has no epoch');
    return { ...this.#rangeOf(value), epoch, ...(isCount(sealedBy) ? { sealedBy } : {}) };
  }

  #functionOf(value: unknown, at: number): NamedFunction {
    // Images of earlier builds have no versions.
    const { name, version = at + 1, source } = (value ?? {}) as Fields;
    if (typeof name !== 'string' || typeof source !== 'string' || !Number.isSafeInteger(version))
      throw this.#wrong('a function cannot be read');
    return { name, version: version as number, source: this.#bytesOf(source) };
  }

  #rangeOf(value: unknown): Range {
    const { lo, hi } = (value ?? {}) as Fields;
    if (typeof lo !== 'string' || (hi !== null && typeof hi !== 'string'))
      throw this.#wrong('the range is missing');
    return { lo: this.#keyOf(lo), hi: hi === null ? null : this.#keyOf(hi) };
  }

  #entry({ key: name, value: content }: Fields): Entry {
    if (typeof name !== 'string' || typeof content !== 'string')
      throw this.#wrong('key and value are missing');
    const key = this.#bytesOf(name);
    const value = this.#bytesOf(content);
    const text = bytesToKey(key);
    const why = whyUnstorable(text, value);
    if (why !== null) throw this.#wrong(why);
    if (!this.#isInside(text)) throw this.#wrong('the key lies outside the range');
    if (this.#last !== null && Buffer.compare(this.#last, key) >= 0) {
      throw this.#wrong('keys do not ascend');
    }
    this.#last = key;
    this.#entries += 1;
    return { key, value };
  }

  #end({ entries, sha256 }: Fields, bytes: Buffer): void {
    const sum = this.#hash.digest('hex');
    if (entries !== this.#entries)
      throw this.#wrong(`${String(entries)} entries are promised, ${this.#entries} came`);
    if (sha256 !== sum) throw this.#wrong('the sum is another one: something above was changed');
    // An export may come from a tool of somebody else's; an image is ours, to its last byte.
    const isOurs = this.#head?.kind === 'image';
    if (isOurs && bytes.toString('latin1') !== JSON.stringify({ entries, sha256 }))
      throw this.#wrong('the last line is not as it was written');
    this.#sha256 = sum;
  }

  /** Keys ascend, and so do the ranges. */
  #isInside(key: Key): boolean {
    for (; this.#range < this.#ranges.length; this.#range += 1) {
      const range = this.#ranges[this.#range] as Range;
      if (contains(range, key)) return true;
      if (key < range.lo) return false;
    }
    return false;
  }

  #fieldsOf(bytes: Buffer): Fields {
    try {
      const value: unknown = JSON.parse(bytes.toString('utf8'));
      if (typeof value === 'object' && value !== null) return value as Fields;
    } catch {
      // said below
    }
    throw this.#wrong('it is no JSON object');
  }

  #bytesOf(text: string): Buffer {
    return keyToBytes(this.#keyOf(text));
  }

  #keyOf(text: string): Key {
    try {
      return keyOf(text);
    } catch (error) {
      throw this.#wrong((error as Error).message);
    }
  }

  #wrong(what: string): NurseryError {
    return new NurseryError('BAD_INPUT', `line ${this.#lines}: ${what}`);
  }
}

type Fields = { readonly [name: string]: unknown };

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

function line(value: object): string {
  return `${JSON.stringify(value)}\n`;
}

/**
 * The lines of what comes in pieces, without their ends.
 *
 * @param isWhole whether the last one has a line feed, too
 * @throws NurseryError BAD_INPUT where one is longer than LINE_BYTES_MAX; with `isWhole`, once the last one was handed out, where it
 *   has no line feed
 */
export async function* linesOf(chunks: AsyncIterable<Buffer>, isWhole = false): AsyncGenerator<Buffer> {
  let open: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of chunks) {
    let from = 0;
    for (let at = chunk.indexOf(0x0a); at >= 0; at = chunk.indexOf(0x0a, from)) {
      yield Buffer.concat([...open, chunk.subarray(from, at)]);
      open = [];
      bytes = 0;
      from = at + 1;
    }
    if (from === chunk.length) continue;
    open.push(chunk.subarray(from));
    bytes += chunk.length - from;
    if (bytes > LINE_BYTES_MAX) {
      throw new NurseryError(
        'BAD_INPUT',
        `a line of more than ${LINE_BYTES_MAX} bytes: this is no export, and no image`,
      );
    }
  }
  if (open.length === 0) return;
  yield Buffer.concat(open);
  if (isWhole)
    throw new NurseryError('BAD_INPUT', 'the last line has no line feed at its end: it was cut off');
}

/**
 * An export: keys and values of a range as text, one JSON value a line (docs/operating.md, "Exports").
 *
 *     {"export":1,"range":{"lo":"a","hi":null}}
 *     {"key":"apple","value":"red"}
 *     {"entries":1,"sha256":"…"}
 *
 * The last line has the sum of all bytes before it: an export that is cut off, or was changed, is known by it.
 */
import { createHash } from 'node:crypto';
import { bytesToKey, type Key, keyToBytes } from '../../base/bytes.ts';
import { NurseryError } from '../../base/errors.ts';
import { USER_KEY_MAX, VALUE_MAX, whyUnstorable } from '../../base/limits.ts';
import type { Range } from '../../keyspace/range.ts';
import { jsonForm, jsonRange, keyOf } from '../forms.ts';

/** Of this form of lines; another one is refused. */
const VERSION = 1;
/** Longest line (bytes): the longest key and value, each byte as two digits or as an escape of six. */
export const LINE_BYTES_MAX = 6 * (USER_KEY_MAX + VALUE_MAX) + 1024;

export type Entry = { readonly key: Buffer; readonly value: Buffer };

/** Writes an export, piece by piece. */
export class ExportWriter {
  readonly #hash = createHash('sha256');
  #entries = 0;

  /** How many entries there were. */
  get entries(): number {
    return this.#entries;
  }

  begin(range: Range): string {
    return this.#summed(line({ export: VERSION, range: jsonRange(range) }));
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
  #range: Range | null = null;
  #last: Buffer | null = null;
  #isWhole = false;

  /**
   * The entry in a line without its end; null in the first line and the last.
   *
   * @throws NurseryError BAD_INPUT naming the line, and what is wrong with it
   */
  take(bytes: Buffer): Entry | null {
    this.#lines += 1;
    if (this.#isWhole) throw this.#wrong('something follows the last line');
    const fields = this.#fieldsOf(bytes);
    if ('sha256' in fields) {
      this.#end(fields);
      return null;
    }
    this.#hash.update(bytes).update('\n');
    if (this.#range === null) {
      this.#begin(fields);
      return null;
    }
    return this.#entry(fields, this.#range);
  }

  /** @throws NurseryError BAD_INPUT where the last line has not come */
  finish(): void {
    if (!this.#isWhole) throw this.#wrong('it ends here without its last line: it was cut off');
  }

  #begin(fields: Fields): void {
    if (fields['export'] !== VERSION) {
      throw this.#wrong(`this is no export that this version reads: {"export":${VERSION},…} is wanted`);
    }
    const { lo, hi } = (fields['range'] ?? {}) as { lo?: unknown; hi?: unknown };
    if (typeof lo !== 'string' || (hi !== null && typeof hi !== 'string'))
      throw this.#wrong('the range is missing');
    this.#range = { lo: this.#keyOf(lo), hi: hi === null ? null : this.#keyOf(hi) };
  }

  #entry({ key: name, value: content }: Fields, { lo, hi }: Range): Entry {
    if (typeof name !== 'string' || typeof content !== 'string')
      throw this.#wrong('key and value are missing');
    const key = this.#bytesOf(name);
    const value = this.#bytesOf(content);
    const text = bytesToKey(key);
    const why = whyUnstorable(text, value);
    if (why !== null) throw this.#wrong(why);
    if (text < lo || (hi !== null && text >= hi)) throw this.#wrong('the key lies outside the range');
    if (this.#last !== null && Buffer.compare(this.#last, key) >= 0) {
      throw this.#wrong('keys do not ascend');
    }
    this.#last = key;
    this.#entries += 1;
    return { key, value };
  }

  #end({ entries, sha256 }: Fields): void {
    const sum = this.#hash.digest('hex');
    if (entries !== this.#entries)
      throw this.#wrong(`${String(entries)} entries are promised, ${this.#entries} came`);
    if (sha256 !== sum) throw this.#wrong('the sum is another one: something above was changed');
    this.#isWhole = true;
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

function line(value: object): string {
  return `${JSON.stringify(value)}\n`;
}

/**
 * The lines of what comes in pieces, without their ends.
 *
 * @throws NurseryError BAD_INPUT where one is longer than LINE_BYTES_MAX
 */
export async function* linesOf(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
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
      throw new NurseryError('BAD_INPUT', `a line of more than ${LINE_BYTES_MAX} bytes: this is no export`);
    }
  }
  if (open.length > 0) yield Buffer.concat(open);
}

/**
 * Arakoon's configuration format: `[section]` lines, `key = value` lines, comments from `#` or `;` to the end of
 * the line (within a line only behind a blank). A parser of our own, so that each complaint names file and line.
 */
import { isUtf8 } from 'node:buffer';
import { closeSync, openSync, readSync } from 'node:fs';
import { dirname } from 'node:path';
import { FatalError } from '../base/errors.ts';
import { unreadableWhy } from '../process/permissions.ts';

/** Far more than any cluster needs (bytes). */
const FILE_MAX_BYTES = 1024 * 1024;
const LINE_FEED = 0x0a;

type Entry = { readonly value: string; readonly line: number };

/** One section, with readers that check. Each remembers what was asked for, so that the rest can be warned about. */
export class IniSection {
  readonly name: string;
  readonly file: string;
  /** Line of the `[section]`, 1-based. */
  readonly line: number;
  readonly #entries = new Map<string, Entry>();
  readonly #asked = new Set<string>();

  constructor(file: string, name: string, line: number) {
    this.file = file;
    this.name = name;
    this.line = line;
  }

  /** @throws FatalError CONFIG where the key is there already: nobody could tell which one counts */
  add(key: string, value: string, line: number): void {
    const before = this.#entries.get(key);
    if (before !== undefined) {
      throw complaint(
        this.file,
        line,
        `[${this.name}] ${key} = ${value}: stands on line ${before.line} already; keep one`,
      );
    }
    this.#entries.set(key, { value, line });
  }

  has(key: string): boolean {
    return this.#entries.has(key);
  }

  /** The value as it stands; null where there is none. */
  text(key: string): string | null {
    this.#asked.add(key);
    return this.#entries.get(key)?.value ?? null;
  }

  /**
   * The path of a directory as it stands, null where there is none. `~`, variables and quotes mean something to shells alone:
   * here they would be names of directories, made by accident.
   *
   * @throws FatalError CONFIG where it is empty, or begins with one of those
   */
  directory(key: string): string | null {
    const value = this.text(key);
    if (value === null) return null;
    if (value === '' || /^[~$"']/.test(value)) {
      const allowed =
        'allowed is a path as it is, such as /var/lib/nursery: ~, $ and quotes are not expanded';
      throw this.wrong(key, `${allowed}; for a directory that is called so write ./${value || 'NAME'}`);
    }
    return value;
  }

  /** As `text`, of a key that is there, but not counted as asked for: its value is checked and does nothing. */
  peek(key: string): string {
    return this.#entries.get(key)?.value ?? '';
  }

  /** @throws FatalError CONFIG where there is no value, or an empty one; `meaning` says what it is for */
  required(key: string, meaning: string): string {
    const value = this.text(key);
    if (value === null || value === '') throw this.missing(key, meaning);
    return value;
  }

  /**
   * A whole number; underscores may part its digits (`100_000`). `fallback` null: the key is required.
   *
   * @throws FatalError CONFIG outside `least` and `most`, both allowed
   */
  int(key: string, least: number, most: number, fallback: number | null): number {
    const value = this.text(key);
    const allowed = `allowed is a whole number from ${least} to ${most}`;
    if (value === null) {
      if (fallback === null) throw this.missing(key, allowed);
      return fallback;
    }
    const number = /^-?\d[\d_]*$/.test(value) ? Number(value.replaceAll('_', '')) : Number.NaN;
    if (!(number >= least && number <= most)) throw this.wrong(key, allowed);
    return number;
  }

  /** A number, fractions allowed; otherwise as `int`. */
  number(key: string, least: number, most: number, fallback: number): number {
    const value = this.text(key);
    if (value === null) return fallback;
    const number = /^\d[\d_]*(\.\d+)?$/.test(value) ? Number(value.replaceAll('_', '')) : Number.NaN;
    if (!(number >= least && number <= most)) {
      throw this.wrong(key, `allowed is a number from ${least} to ${most}`);
    }
    return number;
  }

  /** @throws FatalError CONFIG where it is neither true nor false */
  bool(key: string, fallback: boolean): boolean {
    const value = this.text(key)?.toLowerCase();
    if (value === undefined) return fallback;
    if (value === 'true' || value === 'yes') return true;
    if (value === 'false' || value === 'no') return false;
    throw this.wrong(key, 'allowed is true or false');
  }

  /** Names parted by commas; empty where there is no such key. */
  list(key: string): string[] {
    const value = this.text(key) ?? '';
    return value
      .split(',')
      .map((item) => item.trim())
      .filter((item) => item !== '');
  }

  /** @throws FatalError CONFIG where the list is missing or empty */
  requiredList(key: string, meaning: string): string[] {
    const items = this.list(key);
    if (items.length === 0) throw this.missing(key, meaning);
    return items;
  }

  /** The error for a value that cannot be; `allowed` says what can. */
  wrong(key: string, allowed: string): FatalError {
    return new FatalError('CONFIG', `${this.place(key)}: ${allowed}`);
  }

  /** Where a key stands, and its value, for errors that come later: `file:line: [section] key = value`, or that there is none. */
  place(key: string): string {
    const entry = this.#entries.get(key);
    if (entry === undefined) return `${this.file}:${this.line}: [${this.name}] has no ${key}`;
    return `${this.file}:${entry.line}: [${this.name}] ${key} = ${entry.value}`;
  }

  /** The error for a section whose name cannot be; `why` says so. */
  wrongName(why: string): FatalError {
    return complaint(this.file, this.line, `[${this.name}]: ${why}`);
  }

  /** The error for a key that must be there. */
  missing(key: string, meaning: string): FatalError {
    return new FatalError('CONFIG', `${this.place(key)}: ${meaning}`);
  }

  /** A warning about each key that nobody asked for; those in `known` are of Arakoon's, and do nothing here: what stands for them. */
  leftOver(known: { readonly [key: string]: string }): string[] {
    const warnings: string[] = [];
    for (const [key, { value, line }] of this.#entries) {
      if (this.#asked.has(key)) continue;
      const instead = Object.hasOwn(known, key) ? known[key] : undefined;
      const why =
        instead === undefined ? 'is not a known key, and ignored' : `has no effect here: ${instead}`;
      warnings.push(`${this.file}:${line}: [${this.name}] ${key} = ${value}: ${key} ${why}`);
    }
    return warnings;
  }
}

/** Sections by name, in the order of the file. A section that is opened again goes on. */
export type Ini = { readonly file: string; readonly sections: ReadonlyMap<string, IniSection> };

/** Configurations that lie elsewhere, by the words that name them: fetched before they are read, once for a process. */
const FETCHED = new Map<string, Buffer>();

/** From now on `name` stands for a configuration of these bytes. */
export function provideIni(name: string, bytes: Buffer): void {
  FETCHED.set(name, bytes);
}

/** The folder that a configuration lies in: the working directory where it was fetched. */
export function folderOf(file: string): string {
  return FETCHED.has(file) ? '.' : dirname(file);
}

/** Reads and parses `file`. @throws FatalError CONFIG naming file and line */
export function readIni(file: string): Ini {
  return parseIni(file, readIniText(file));
}

/** The text of a configuration. @throws FatalError CONFIG where it cannot be read, is too long, or no text */
export function readIniText(file: string): string {
  let bytes: Buffer;
  try {
    bytes = FETCHED.get(file) ?? readStart(file, FILE_MAX_BYTES + 1);
  } catch (error) {
    throw new FatalError(
      'CONFIG',
      `${file}: the configuration cannot be read: ${unreadableWhy(file, error)}`,
      {
        cause: error,
      },
    );
  }
  if (bytes.length > FILE_MAX_BYTES) {
    throw new FatalError('CONFIG', `${file}: a configuration has at most ${FILE_MAX_BYTES} bytes`);
  }
  refuseOtherText(file, bytes);
  return bytes.toString('utf8');
}

/**
 * What is not UTF-8 would be read as U+FFFD, whatever it was: two ids would be one, and a directory be made by accident.
 *
 * @throws FatalError CONFIG naming the line
 */
function refuseOtherText(file: string, bytes: Buffer): void {
  if (isUtf8(bytes)) return;
  let line = 1;
  let from = 0;
  for (let end = bytes.indexOf(LINE_FEED); end >= 0; end = bytes.indexOf(LINE_FEED, from)) {
    if (!isUtf8(bytes.subarray(from, end))) break;
    line += 1;
    from = end + 1;
  }
  throw complaint(file, line, 'this line is not UTF-8 (Latin-1, or UTF-16?); save the file as UTF-8');
}

/** At most `bytes` from the beginning of any kind of file; some have no end. */
function readStart(file: string, bytes: number): Buffer {
  const buffer = Buffer.alloc(bytes);
  const descriptor = openSync(file, 'r');
  try {
    let length = 0;
    for (let read = 1; read > 0 && length < bytes; length += read) {
      read = readSync(descriptor, buffer, length, bytes - length, null);
    }
    return buffer.subarray(0, length);
  } finally {
    closeSync(descriptor);
  }
}

/** Parses `text`, which came from `file`. @throws FatalError CONFIG naming file and line */
export function parseIni(file: string, text: string): Ini {
  const sections = new Map<string, IniSection>();
  let section: IniSection | null = null;
  for (const [index, raw] of text
    .replace(/^\uFEFF/, '')
    .split(/\r?\n/)
    .entries()) {
    const line = index + 1;
    const content = raw.replace(/(^|\s)[#;].*$/, '').trim();
    if (content === '') continue;
    // They would reach terminals, logs and names of files; a tab is a blank.
    if (/[^\P{Cc}\t]/u.test(content)) {
      throw complaint(
        file,
        line,
        `${JSON.stringify(content)}: there is a control character in it; remove it`,
      );
    }
    const heading = /^\[([^\]]+)\]$/.exec(content);
    if (heading !== null) {
      const name = (heading[1] as string).trim();
      section = sections.get(name) ?? new IniSection(file, name, line);
      sections.set(name, section);
      continue;
    }
    const equals = content.indexOf('=');
    if (equals <= 0) {
      throw complaint(file, line, `${content}: a line is [section], key = value, or a comment behind # or ;`);
    }
    if (section === null) throw complaint(file, line, `${content}: no [section] stands above this key`);
    section.add(content.slice(0, equals).trim(), content.slice(equals + 1).trim(), line);
  }
  return { file, sections };
}

/** The section, which must be there. @throws FatalError CONFIG */
export function sectionOf(ini: Ini, name: string, meaning: string): IniSection {
  const section = ini.sections.get(name);
  if (section === undefined) {
    throw new FatalError('CONFIG', `${ini.file}: there is no section [${name}]: ${meaning}`);
  }
  return section;
}

function complaint(file: string, line: number, what: string): FatalError {
  return new FatalError('CONFIG', `${file}:${line}: ${what}`);
}

/**
 * The words of a command line, exactly as they were given. yargs takes quotes off words, makes '' of a lone -, and drops
 * what stands behind --; so it never sees them. It sees a stand-in for each, and options only.
 */
import { isUtf8 } from 'node:buffer';
import { readFileSync } from 'node:fs';
import { FatalError } from '../base/errors.ts';

/** What yargs is given, and how what comes back is read. */
export type Words = {
  /** The command, options, and stand-ins for all other words. */
  readonly argv: readonly string[];
  /** Options that were named, without dashes, and whether with `=`. */
  readonly options: readonly NamedOption[];
  /** `text` with the words in place of their stand-ins. */
  decode(text: string): string;
};

export type NamedOption = { readonly name: string; readonly hasValue: boolean };

/** No word can hold a zero byte, so nobody can write a stand-in. */
const STAND_IN = /\0(\d+)\0/g;
/** What begins an option; a number below zero, and a lone -, are words. */
const OPTION = /^-(?!\d|$)/;

/**
 * Parts options from words: `nursery COMMAND [WORD | --OPTION VALUE | --OPTION=VALUE]… [-- WORD…]`.
 *
 * @param given the words behind `nursery`
 * @throws FatalError USAGE where an option is repeated, has one dash, or stands before the command
 */
export function protectWords(given: readonly string[]): Words {
  const words: string[] = [];
  const options: NamedOption[] = [];
  const argv: string[] = [];
  const standIn = (word: string): string => `\0${words.push(word) - 1}\0`;
  const end = given.indexOf('--');
  for (const [index, word] of given.entries()) {
    const isBehind = end >= 0 && index > end;
    if (index === end) continue;
    if (word === '-h' && !isBehind) argv.push('--help');
    else if (isBehind || !OPTION.test(word)) argv.push(index === 0 && word !== '' ? word : standIn(word));
    else argv.push(option(word, options, standIn));
  }
  const [first] = given;
  if (options.length > 0 && first?.startsWith('--') && !/^--(help|version)$/.test(first)) {
    throw new FatalError('USAGE', `${first}: the command comes first; see nursery --help`);
  }
  const decode = (text: string): string =>
    text.replace(STAND_IN, (_, index) => words[Number(index)] as string);
  return { argv, options, decode };
}

function option(word: string, options: NamedOption[], standIn: (word: string) => string): string {
  if (!word.startsWith('--')) {
    throw new FatalError(
      'USAGE',
      `${word}: options have two dashes; a word that begins with - stands behind --, and the value of an option behind =`,
    );
  }
  const equals = word.indexOf('=');
  const name = (equals < 0 ? word : word.slice(0, equals)).slice(2);
  if (/[A-Z]/.test(name))
    throw new FatalError('USAGE', `there is no option --${name}: options are in small letters`);
  if (options.some((other) => other.name === name))
    throw new FatalError('USAGE', `--${name} is given twice; keep one`);
  options.push({ name, hasValue: equals >= 0 });
  return equals < 0 ? word : `--${name}=${standIn(word.slice(equals + 1))}`;
}

/**
 * Node.js reads words as UTF-8, and puts a sign in place of what is none: the bytes would be others.
 *
 * @throws FatalError USAGE where that happened
 */
export function refuseLostBytes(given: readonly string[]): void {
  if (!given.some((word) => word.includes('\uFFFD'))) return;
  const bytes = readFileSync('/proc/self/cmdline');
  const raw: Buffer[] = [];
  for (let at = 0; at < bytes.length; ) {
    const zero = bytes.indexOf(0, at);
    raw.push(bytes.subarray(at, zero < 0 ? bytes.length : zero));
    at = zero < 0 ? bytes.length : zero + 1;
  }
  const lost = raw.slice(-given.length).find((word) => !isUtf8(word));
  if (lost === undefined) return;
  throw new FatalError('USAGE', `a word is not UTF-8; write its bytes as 0x${lost.toString('hex')}`);
}

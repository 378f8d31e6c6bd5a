/** What is wrong with a command line, in words that help to mend it. */
import { FatalError } from '../base/errors.ts';
import type { Words } from './words.ts';

/** Commands, for people who have mistyped one. A test holds this list against the help. */
export const COMMANDS = [
  ...[
    'node',
    'router',
    'migrator',
    'dev',
    'init',
    'migrate',
    'merge',
    'rebalance',
    'remove',
    'status',
    'bench',
    'sim',
  ],
  ...['who-master', 'get', 'set', 'delete', 'prefix', 'range'],
  ...['backup', 'verify', 'rescue', 'restore', 'export', 'import'],
  ...[
    'log',
    'store',
    'catchup',
    'dump-state',
    'function',
    'migrations',
    'history',
    'forget-migrations',
    'top',
    'completion',
  ],
];

/** Longest distance between a word and what its writer may have meant. */
const NEAR = 2;

/**
 * The error for what yargs complains about, with what may have been meant.
 *
 * @param message of yargs
 * @param command the first word
 * @param known options of the command
 */
export function usageError(
  message: string,
  words: Words,
  command: string,
  known: readonly string[],
): FatalError {
  const isCommand = COMMANDS.includes(command);
  const help = `see nursery ${isCommand ? `${command} ` : ''}--help`;
  if (!message.startsWith('Unknown ')) {
    const text = words.decode(message).replace(/\s*\n\s*/g, ' ');
    const missing = /^Not enough non-option arguments: got (\d+), need at least (\d+)/.exec(text);
    if (missing === null) return usage(`${text}; ${help}`);
    const needed = missing[2] === '1' ? '1 word' : `${missing[2]} words`;
    const there = missing[1] === '0' ? 'none is' : missing[1] === '1' ? '1 is' : `${missing[1]} are`;
    return usage(`${command} needs ${needed}, and ${there} there; ${help}`);
  }
  if (!isCommand) return usage(`there is no command ${command}${hint(nearest(command, COMMANDS), '', help)}`);
  const option = words.options.find(({ name }) => !known.includes(name));
  if (option !== undefined) {
    return usage(`there is no option --${option.name}${hint(nearest(option.name, known), '--', help)}`);
  }
  const extra = words.decode(message.replace(/^[^:]*: /, ''));
  return usage(`one word too many for ${command}: ${extra}; ${help}`);
}

/** @throws FatalError USAGE where an option that is there or not was given a value */
export function refuseValues(words: Words, flags: readonly string[]): void {
  const wrong = words.options.find(({ name, hasValue }) => hasValue && flags.includes(name));
  if (wrong !== undefined) throw usage(`--${wrong.name} takes no value`);
}

function usage(message: string): FatalError {
  return new FatalError('USAGE', message);
}

function hint(meant: string | null, dashes: string, help: string): string {
  return meant === null ? `; ${help}` : `; is ${dashes}${meant} meant?`;
}

/** The one of `known` that the writer of `word` may have meant; null where none is near. */
export function nearest(word: string, known: readonly string[]): string | null {
  let best: string | null = null;
  let least = Math.min(NEAR, Math.ceil(word.length / 2)) + 1;
  for (const one of known) {
    const away = Math.min(distance(word, one), word.length > 1 && one.startsWith(word) ? NEAR : one.length);
    if (away < least) [best, least] = [one, away];
  }
  return best;
}

/** How many letters must be added, removed, changed, or swapped with the next to make `b` of `a`. */
function distance(a: string, b: string): number {
  const rows = [Array.from({ length: b.length + 1 }, (_, j) => j)];
  const at = (i: number, j: number): number => rows[i]?.[j] ?? 0;
  for (let i = 1; i <= a.length; i += 1) {
    const row = [i];
    rows.push(row);
    for (let j = 1; j <= b.length; j += 1) {
      const change = at(i - 1, j - 1) + (a[i - 1] === b[j - 1] ? 0 : 1);
      let least = Math.min(at(i - 1, j) + 1, (row[j - 1] as number) + 1, change);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        least = Math.min(least, at(i - 2, j - 2) + 1);
      }
      row.push(least);
    }
  }
  return at(a.length, b.length);
}

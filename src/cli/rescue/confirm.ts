/** What a person must type before a rescue does anything: names, so that nobody confirms what was not read. */
import { createInterface } from 'node:readline/promises';
import { FatalError } from '../../base/errors.ts';
import { complain, hint } from '../output.ts';

/** What is asked for, and what was typed on the command line; null where it was not. */
export type Word = {
  readonly expected: string;
  readonly given: string | null;
  readonly question: string;
  /** What stands for it on the command line, as in a script. */
  readonly option: string;
};

/**
 * Asks for each word that the command line does not have, on standard error and standard input.
 *
 * @throws FatalError USAGE where one is not what it should be, or nothing is typed
 */
export async function confirm(words: readonly Word[]): Promise<void> {
  for (const { expected, given } of words)
    if (given !== null && given !== expected)
      throw new FatalError('USAGE', `"${given}" is not "${expected}": nothing was done`);
  const missing = words.filter(({ given }) => given === null);
  if (missing.length === 0) return;
  const lines = createInterface({ input: process.stdin, terminal: false });
  const typed = lines[Symbol.asyncIterator]();
  try {
    for (const { expected, question, option } of missing) {
      hint(`${question}: `);
      const { value, done } = await typed.next();
      if (done === true)
        throw new FatalError(
          'USAGE',
          `"${expected}" was to be typed, and nothing was: nothing was done; in a script ${option} says it`,
        );
      if (value.trim() !== expected)
        throw new FatalError('USAGE', `"${value.trim()}" is not "${expected}": nothing was done`);
    }
  } finally {
    lines.close();
    complain('');
  }
}

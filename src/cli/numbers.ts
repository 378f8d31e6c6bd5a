/** Options that are numbers: what is none is refused by name, before the command begins. */
import { FatalError } from '../base/errors.ts';

/** The largest that is exact; options with a bound of their own say so. */
const MOST = Number.MAX_SAFE_INTEGER;

/**
 * An option of yargs that is a whole number from `least` to `most`.
 *
 * @param name as people write it, without the dashes, for the error
 * @throws FatalError USAGE, when the option is read: names it, its value, and what is allowed
 */
export function wholeNumber(name: string, least: number, describe: string, most = MOST) {
  return {
    type: 'string',
    describe,
    requiresArg: true,
    coerce: (given: unknown) =>
      given === undefined ? undefined : parseWhole(name, least, most, String(given)),
  } as const;
}

/** The same for an option that takes a word, too, which stands for no number. */
export function wholeNumberOrWord<Word extends string>(
  name: string,
  least: number,
  word: Word,
  describe: string,
) {
  return {
    type: 'string',
    describe,
    requiresArg: true,
    coerce: (given: unknown): number | Word | undefined => {
      if (given === undefined || given === word) return given as Word | undefined;
      return parseWhole(name, least, MOST, String(given), ` or ${word}`);
    },
  } as const;
}

/** The same for an option that has a value where none is given. */
export function wholeNumberOr(name: string, standard: number, least: number, describe: string, most = MOST) {
  return {
    type: 'string',
    describe,
    requiresArg: true,
    default: String(standard),
    coerce: (given: unknown) => parseWhole(name, least, most, String(given)),
  } as const;
}

function parseWhole(name: string, least: number, most: number, text: string, or = ''): number {
  const value = /^-?\d+$/.test(text) ? Number(text) : Number.NaN;
  if (Number.isSafeInteger(value) && value >= least && value <= most) return value;
  throw new FatalError('USAGE', `--${name} is "${text}"; it is a whole number from ${least} to ${most}${or}`);
}

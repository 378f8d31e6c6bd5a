/** Options that many commands have. */
import type { Argv } from 'yargs';
import { FatalError } from '../base/errors.ts';
import { wholeNumber } from './numbers.ts';

export const CONFIG = {
  type: 'string',
  demandOption: true,
  requiresArg: true,
  describe: 'configuration file (INI)',
} as const;
export const JSON_FLAG = { type: 'boolean', default: false, describe: 'print JSON, for scripts' } as const;
/** Of commands that wait for moves. */
export const TIMEOUT = wholeNumber(
  'timeout',
  1,
  'end after so many seconds, with 7; what was begun goes on',
  1_000_000,
);
/** Options of every command that asks and prints. */
export function asking<T>(command: Argv<T>) {
  return command.option('config', CONFIG).option('json', JSON_FLAG);
}

/** Options of commands that do something for good: what is known is said first, and names are typed. */
export function vowing<T>(command: Argv<T>) {
  return command
    .option('gone', {
      type: 'string',
      requiresArg: true,
      describe:
        'nodes that are off, and whose homes never start again, with commas between; default: it is asked',
    })
    .option('yes', {
      type: 'string',
      requiresArg: true,
      describe: 'name of the cluster, instead of typing it',
    })
    .option('dry-run', {
      type: 'boolean',
      default: false,
      describe: 'say what is known and what may be lost, and do nothing',
    })
    .option(
      'timeout',
      wholeNumber('timeout', 1, 'end after so many seconds, with 7; the same again goes on', 1_000_000),
    );
}

/** Names with commas between, none where there is nothing; null where there is no such option. */
export function namesIn(names: string | undefined): string[] | null {
  const list = names?.split(',').map((name) => name.trim()) ?? null;
  return list?.filter((name) => name !== '') ?? null;
}

/** A command to type, `$0` for the program, and what it does: '' where the command says it. */
type Example = readonly [command: string, what: string];

/** Examples at the end of a command's help: each in one line, whatever the width, so that it can be copied. */
export function examples(...all: readonly Example[]): string {
  const lines = all.flatMap(([command, what]) =>
    what === '' ? [`  ${command}`] : [`  ${command}`, `      ${what}`],
  );
  return ['Examples:', ...lines].join('\n');
}

/**
 * Refuses options that a command has for others of its words or forms: what is given and ignored may have been meant.
 *
 * @param form the command with that word or option, as it is typed
 * @param options without dashes, as they are typed
 * @throws FatalError USAGE naming the first that is given
 */
export function refuseStray(
  form: string,
  args: { readonly [name: string]: unknown },
  options: readonly string[],
): void {
  const given = options.find((name) => args[name] !== undefined && args[name] !== false);
  if (given !== undefined) throw new FatalError('USAGE', `${form} does not take --${given}`);
}

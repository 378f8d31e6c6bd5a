/** Options that many commands have. */
import type { Argv } from 'yargs';

export const CONFIG = {
  type: 'string',
  demandOption: true,
  requiresArg: true,
  describe: 'configuration file (INI)',
} as const;
export const JSON_FLAG = { type: 'boolean', default: false, describe: 'print JSON, for scripts' } as const;
/** Options of every command that asks and prints. */
export function asking<T>(command: Argv<T>) {
  return command.option('config', CONFIG).option('json', JSON_FLAG);
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

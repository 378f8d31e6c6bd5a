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

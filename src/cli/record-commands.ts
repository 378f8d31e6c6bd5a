/** Commands that look at what the keeper has on record of moves, and have it forget some of it. */
import type { Argv } from 'yargs';
import { asking, examples } from './common-options.ts';
import { wholeNumber } from './numbers.ts';

/** Adds them. */
export function recordCommands<T>(parser: Argv<T>) {
  return parser
    .command(
      'migrations',
      'all moves on record, those that have ended too',
      (command) => asking(command).epilogue(examples(['$0 migrations --config router.ini', ''])),
      async (args) => (await import('./migrations-command.ts')).runMigrations(args),
    )
    .command(
      'history <key>',
      'which clusters a key has belonged to, by which moves',
      (command) =>
        asking(command)
          .positional('key', { type: 'string', demandOption: true, describe: 'text, or 0x… for bytes' })
          .epilogue(examples(['$0 history colour --config router.ini', ''])),
      async (args) => (await import('./migrations-command.ts')).runHistory(args),
    )
    .command(
      'forget-migrations',
      'have the keeper forget moves that have ended',
      (command) =>
        asking(command)
          .option('keep', wholeNumber('keep', 0, 'the newest so many stay; default: 100'))
          .option('dry-run', { type: 'boolean', default: false, describe: 'say how many, and forget none' })
          .epilogue(examples(['$0 forget-migrations --keep 1000 --config router.ini', ''])),
      async (args) => {
        const { KEPT, runForgetMigrations } = await import('./migrations-command.ts');
        await runForgetMigrations({ ...args, keep: args.keep ?? KEPT });
      },
    );
}

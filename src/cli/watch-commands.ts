/** Commands that show what goes on, or what may be typed. */
import type { Argv } from 'yargs';
import { asking, examples, refuseStray } from './common-options.ts';
import { SHELLS, scriptOf } from './completion/scripts.ts';
import { type HelpOf, surfaceOf } from './completion/surface.ts';
import { oneOf } from './inspect-commands.ts';
import { wholeNumber } from './numbers.ts';
import { print } from './output.ts';

/** Adds them. */
export function watchCommands<T>(parser: Argv<T>) {
  return parser.command(
    'top',
    'which ranges and keys are busy, again and again',
    (command) =>
      asking(command)
        .option('once', { type: 'boolean', default: false, describe: 'print it once, and end' })
        .option('every', wholeNumber('every', 1, 'seconds between two looks; default: 2', 3600))
        .epilogue(
          examples(
            ['$0 top --config router.ini', ''],
            ['$0 top --once --json --config router.ini', 'for a script'],
          ),
        ),
    async (args) => {
      if (args.once) refuseStray('top --once', args, ['every']);
      await (await import('./top-command.ts')).runTop({ ...args, every: args.every ?? 2 });
    },
  );
}

/** Adds the one that writes completion for a shell, out of what help says. */
export function completionCommand<T>(parser: Argv<T>, helpOf: HelpOf) {
  return parser.command(
    'completion <what>',
    'commands and options for the tabulator key of a shell',
    (command) =>
      command
        .positional('what', { type: 'string', demandOption: true, describe: 'bash, zsh, or fish' })
        .epilogue(
          examples(
            ['$0 completion bash', 'to be sourced: source <(nursery completion bash) in ~/.bashrc'],
            ['$0 completion fish', 'to a file: ~/.config/fish/completions/nursery.fish'],
          ),
        ),
    async ({ what }) => print(scriptOf(oneOf('completion', what, SHELLS), await surfaceOf(helpOf))),
  );
}

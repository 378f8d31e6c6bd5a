/** Commands that show what goes on, or what may be typed. */
import type { Argv } from 'yargs';
import { asking, examples } from './common-options.ts';
import { SHELLS, scriptOf } from './completion/scripts.ts';
import { type HelpOf, surfaceOf } from './completion/surface.ts';
import { oneOf } from './inspect-commands.ts';
import { wholeNumberOr } from './numbers.ts';
import { print } from './output.ts';

/** Adds them. */
export function watchCommands<T>(parser: Argv<T>) {
  return parser.command(
    'top',
    'which ranges and keys are busy, again and again',
    (command) =>
      asking(command)
        .option('once', { type: 'boolean', default: false, describe: 'print it once, and end' })
        .option('every', wholeNumberOr('every', 2, 1, 'seconds between two looks', 3600))
        .epilogue(
          examples(
            ['$0 top --config router.ini', ''],
            ['$0 top --once --json --config router.ini', 'for a script'],
          ),
        ),
    async (args) => (await import('./top-command.ts')).runTop(args),
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

/** `nursery function`: functions of users, at the keeper of a nursery, or at a cluster without one. */
import type { Argv } from 'yargs';
import { FatalError } from '../base/errors.ts';
import { asking, examples } from './common-options.ts';
import { wholeNumber } from './numbers.ts';

/** Adds the command; what it does is its first word. */
export function functionCommand<T>(parser: Argv<T>) {
  return parser.command(
    'function <what> [name] [file]',
    'functions that run beside the data: put NAME FILE, list, show NAME, remove NAME',
    (command) =>
      asking(command)
        .positional('what', { type: 'string', demandOption: true, describe: 'put, list, show, or remove' })
        .positional('name', { type: 'string', describe: 'what clients call it by' })
        .positional('file', {
          type: 'string',
          describe: 'put: file with the module, at most 64 KiB; - is standard input',
        })
        .option(
          'timeout',
          wholeNumber(
            'timeout',
            1,
            'wait so many seconds, put and remove for all clusters; default: 30',
            1_000_000,
          ),
        )
        .epilogue(
          examples(
            ['$0 function put counter counter.js --config router.ini', 'every cluster has it then'],
            ['$0 function list --config router.ini', ''],
            ['$0 function remove counter --config router.ini', ''],
          ),
        ),
    async (args) => {
      const run = await import('./function-command.ts');
      const { what, name, file, config, json, timeout = 30 } = args;
      const { TimeLimit } = await import('../client/limited-client.ts');
      const common = { config, json, limit: TimeLimit.ofCommand(timeout) };
      if (what === 'list' && name === undefined) return await run.runList(common);
      if (what === 'put' && name !== undefined && file !== undefined) {
        return await run.runPut({ ...common, name, file });
      }
      if (name !== undefined && file === undefined) {
        if (what === 'show') return await run.runShow({ ...common, name });
        if (what === 'remove') return await run.runRemove({ ...common, name });
      }
      throw new FatalError('USAGE', 'function takes put NAME FILE, list, show NAME, or remove NAME');
    },
  );
}

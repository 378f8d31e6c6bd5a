/** Commands that look into the files of one node, or bring them up to date; and one that gathers the state of all. */
import type { Argv } from 'yargs';
import { asking, examples, refuseStray } from './common-options.ts';
import { oneOf } from './inspect-commands.ts';
import { wholeNumber } from './numbers.ts';

const NODE = {
  type: 'string',
  demandOption: true,
  requiresArg: true,
  describe: 'name of the node, as in the configuration',
} as const;
const VALUES = { type: 'boolean', default: false, describe: 'with values, not their lengths alone' } as const;

/** Adds them. */
export function toolCommands<T>(parser: Argv<T>) {
  return parser
    .command(
      'log <what>',
      "dump: every record of a node's log; verify: whether it is what was written. Changes nothing",
      (command) =>
        asking(command)
          .positional('what', { type: 'string', demandOption: true, describe: 'dump, or verify' })
          .option('node', NODE)
          .option('from', wholeNumber('from', 1, 'dump: records of slots from this one on'))
          .option('to', wholeNumber('to', 1, 'dump: records of slots up to this one'))
          .option('values', VALUES)
          .epilogue(
            examples(
              ['$0 log verify --config ams.ini --node ams_0', ''],
              ['$0 log dump --config ams.ini --node ams_0 --from 900 --to 910', 'what became of some slots'],
            ),
          ),
      async (args) => {
        const { runLogDump, runLogVerify } = await import('./inspect-commands.ts');
        if (oneOf('log', args.what, ['dump', 'verify']) === 'verify') {
          refuseStray('log verify', args, ['from', 'to', 'values']);
          await runLogVerify(args);
        } else await runLogDump({ ...args, from: args.from ?? null, to: args.to ?? null });
      },
    )
    .command(
      'store <what>',
      "dump: every row of a stopped node's store; digest: one sum of them all. Changes nothing",
      (command) =>
        asking(command)
          .positional('what', { type: 'string', demandOption: true, describe: 'dump, or digest' })
          .option('node', NODE)
          .option('table', {
            type: 'string',
            requiresArg: true,
            describe: 'dump: rows of this table, such as data',
          })
          .option('values', VALUES)
          .epilogue(
            examples(
              ['$0 store digest --config ams.ini --node ams_0', 'two nodes at one slot have the same'],
              ['$0 store dump --table data --config ams.ini --node ams_0', 'keys, and how long values are'],
            ),
          ),
      async (args) => {
        const { runStoreDigest, runStoreDump } = await import('./inspect-commands.ts');
        if (oneOf('store', args.what, ['dump', 'digest']) === 'digest') {
          refuseStray('store digest', args, ['table', 'values']);
          await runStoreDigest(args);
        } else await runStoreDump({ ...args, table: args.table ?? null });
      },
    )
    .command(
      'catchup',
      "bring a stopped node's files up to date, without starting it",
      (command) =>
        asking(command)
          .option('node', NODE)
          .option('source', {
            type: 'string',
            requiresArg: true,
            describe: 'node to copy from; default: the one that has most',
          })
          .epilogue(examples(['$0 catchup --config ams.ini --node ams_2', 'then start ams_2'])),
      async (args) =>
        (await import('./catchup-command.ts')).runCatchup({ ...args, source: args.source ?? null }),
    )
    .command(
      'dump-state',
      'write what all nodes say of themselves to one file, for whoever helps; no values, no secrets',
      (command) =>
        asking(command)
          .option('to', { type: 'string', requiresArg: true, describe: 'file; default: standard output' })
          .epilogue(examples(['$0 dump-state --config router.ini --to state.json', ''])),
      async (args) =>
        (await import('./dump-state-command.ts')).runDumpState({ ...args, to: args.to ?? null }),
    );
}

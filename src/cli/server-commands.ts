/** Commands that run something: node, router, migrator, a whole local nursery, simulations. */
import type { Argv } from 'yargs';
import { NODE_WORDS } from './ask-node.ts';
import { asking, CONFIG, examples, refuseStray } from './common-options.ts';
import { oneOf } from './inspect-commands.ts';
import { wholeNumber } from './numbers.ts';

/** Adds them. */
export function serverCommands<T>(parser: Argv<T>) {
  return parser
    .command(
      'node [what]',
      'run one node of a cluster, in the foreground; with a word: ask one that runs',
      (command) =>
        asking(command)
          .positional('what', { type: 'string', describe: NODE_WORDS.join(', ') })
          .option('node', {
            type: 'string',
            demandOption: true,
            requiresArg: true,
            describe: 'name of the node, as in the configuration',
          })
          .option('bootstrap', {
            type: 'boolean',
            default: false,
            describe:
              'found a new cluster although not all of its nodes answer: only if you know that none holds data',
          })
          .option('without-keeper', {
            type: 'boolean',
            default: false,
            describe:
              'serve, this time, although the keeper is silent: only if you know that nothing was rescued meanwhile',
          })
          .option('keep', wholeNumber('keep', 1, 'collapse: segments of the log that stay; default: 4'))
          .epilogue(
            examples(
              ['$0 node --config ams.ini --node ams_0', 'runs it'],
              ['$0 node state --config ams.ini --node ams_0', 'what it does'],
              ['$0 node drain --config ams.ini --node ams_0', 'before work on its machine'],
            ),
          ),
      async (args) => {
        if (args.what === undefined) {
          refuseStray('node without a word', args, ['keep']);
          await (await import('./node-command.ts')).runNodeCommand(args);
        } else {
          const word = oneOf('node', args.what, NODE_WORDS);
          const stray = word === 'collapse' ? [] : ['keep'];
          refuseStray(`node ${word}`, args, ['bootstrap', 'without-keeper', ...stray]);
          await (await import('./ask-node.ts')).askNode(word, { ...args, keep: args.keep ?? 4 });
        }
      },
    )
    .command(
      'router',
      'run a router, in the foreground',
      (command) =>
        command
          .option('config', CONFIG)
          .option('no-migrator', {
            type: 'boolean',
            default: false,
            describe: 'leave migrations to others, whatever the configuration says',
          })
          .epilogue(examples(['$0 router --config router.ini', ''])),
      async (args) => (await import('./router-command.ts')).runRouterCommand(args),
    )
    .command(
      'migrator',
      'run a daemon that takes over migrations whose migrator has died',
      (command) =>
        command.option('config', CONFIG).epilogue(examples(['$0 migrator --config router.ini', ''])),
      async (args) => (await import('./migrate-command.ts')).runMigratorCommand(args),
    )
    .command(
      'dev',
      'boot a whole local nursery: keeper, two clusters and a router',
      (command) =>
        command
          .option('dir', {
            type: 'string',
            requiresArg: true,
            describe: 'where its files go; default: a temporary folder, removed at the end',
          })
          .option('tour', { type: 'boolean', default: false, describe: 'show the main job on real input' })
          .option('once', { type: 'boolean', default: false, describe: 'end after the tour' })
          .option('input', {
            type: 'string',
            requiresArg: true,
            describe: 'directory tree that the tour indexes; default: node_modules',
          })
          .epilogue(
            examples(
              ['$0 dev --dir ./nursery', 'it stays there, and goes on the next time'],
              ['$0 dev --tour --once', 'see it work, and end'],
            ),
          ),
      async (args) => (await import('./dev-command.ts')).runDevCommand(args),
    )
    .command(
      'sim',
      'run simulated nurseries with everything failing that may, and check every promise',
      (command) =>
        command
          .option('only', {
            choices: ['nursery', 'consensus', 'migration', 'store'] as const,
            default: 'nursery' as const,
            describe: 'whole nurseries, or one cluster, or moves between state machines, or one store alone',
          })
          .option('seed', wholeNumber('seed', 0, 'first seed; default: any'))
          .option('seeds', wholeNumber('seeds', 1, 'so many seeds; default: 1'))
          .option('faults', {
            type: 'string',
            requiresArg: true,
            describe: 'these kinds of faults alone, with commas between',
          })
          .option('workers', wholeNumber('workers', 1, 'processes; default: 2', 1024))
          .option('replay', wholeNumber('replay', 0, 'this seed alone'))
          .option('trace', { type: 'boolean', describe: 'with --replay: every step' })
          .conflicts('replay', ['seed', 'seeds', 'workers'])
          .implies('trace', 'replay')
          .epilogue(
            examples(
              ['$0 sim --seeds 100', 'a hundred nurseries, any'],
              ['$0 sim --replay 7 --trace', 'what happened in one of them'],
            ),
          ),
      async (args) =>
        (await import('./sim-command.ts')).runSimCommand({
          only: args.only,
          seed: args.seed ?? null,
          seeds: args.seeds ?? 1,
          faults: args.faults?.split(',') ?? [],
          replay: args.replay ?? null,
          trace: args.trace === true,
          workers: args.workers ?? null,
        }),
    );
}

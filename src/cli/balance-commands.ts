/** Commands that keep a nursery tidy and even: ranges become one, or go where there is more room. */
import type { Argv } from 'yargs';
import { asking, examples, refuseStray, TIMEOUT } from './common-options.ts';
import { wholeNumberOr } from './numbers.ts';

/** Adds them. */
export function balanceCommands<T>(parser: Argv<T>) {
  return parser
    .command(
      'merge [separator]',
      'make one range of neighbours that one cluster owns: those that meet at the separator, or --all',
      (command) =>
        asking(command)
          .positional('separator', { type: 'string', describe: 'text, or 0x… for bytes' })
          .option('all', {
            type: 'boolean',
            default: false,
            describe: 'wherever neighbouring ranges have one owner',
          })
          .option('dry-run', {
            type: 'boolean',
            default: false,
            describe: 'say what would be merged, and merge nothing',
          })
          .option('timeout', TIMEOUT)
          .epilogue(
            examples(
              ['$0 merge m --config router.ini', 'what ends and what begins at m'],
              ['$0 merge --all --config router.ini', 'all there is'],
            ),
          ),
      async (args) => {
        if (args.dryRun) refuseStray('merge --dry-run', args, ['timeout']);
        await (await import('./merge-command.ts')).runMergeCommand(args);
      },
    )
    .command(
      'rebalance',
      'even out what clusters have: --plan says what would be moved, --apply moves it',
      (command) =>
        asking(command)
          .option('plan', {
            type: 'boolean',
            default: false,
            describe: 'say what would be moved, and move nothing',
          })
          .option('apply', { type: 'boolean', default: false, describe: 'move it; typed again it goes on' })
          .option('by', {
            choices: ['size', 'load'] as const,
            default: 'size' as const,
            describe: 'what to even out: bytes, or requests a second over the last minute',
          })
          .option(
            'threshold',
            wholeNumberOr('threshold', 10, 1, 'a cluster may have so many percent more than the mean', 1000),
          )
          .option('timeout', TIMEOUT)
          .epilogue(
            examples(
              ['$0 rebalance --plan --config router.ini', 'what would be moved'],
              ['$0 rebalance --apply --config router.ini', 'to move it'],
              ['$0 rebalance --plan --by load --config router.ini', 'what would spread the requests'],
            ),
          ),
      async (args) => {
        if (args.plan) refuseStray('rebalance --plan', args, ['timeout']);
        await (await import('./rebalance-command.ts')).runRebalanceCommand(args);
      },
    );
}

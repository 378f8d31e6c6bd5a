/** Commands that keep a nursery tidy and even: ranges become one, or go where there is more room. */
import type { Argv } from 'yargs';
import { AUTO_MOVES_MAX, COOL_DOWN_SECONDS, PERCENT_MAX } from '../protocol/admin/auto.ts';
import { asking, examples, refuseStray, TIMEOUT } from './common-options.ts';
import { wholeNumber } from './numbers.ts';

/** Options that say how, and only with --auto on. */
const AUTO_OPTIONS = ['begin', 'at-once', 'cool-down', 'quiet', 'rate', 'per-day'];

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
          .option('auto', {
            choices: ['on', 'off', 'show'] as const,
            requiresArg: true,
            describe:
              'whether migrators do so by themselves, from now on; what is not said with it stays as it was',
          })
          .option('by', {
            choices: ['size', 'load'] as const,
            describe: 'what to even out: bytes (default), or requests a second over the last minute',
          })
          .option(
            'threshold',
            wholeNumber(
              'threshold',
              1,
              `a cluster may have so many percent more than the mean (1 to ${PERCENT_MAX}); default: 10`,
              PERCENT_MAX,
            ),
          )
          .option(
            'begin',
            wholeNumber(
              'begin',
              2,
              `with --auto: begin once one has so many percent more (2 to ${PERCENT_MAX}, above --threshold); at first 30`,
              PERCENT_MAX,
            ),
          )
          .option(
            'at-once',
            wholeNumber(
              'at-once',
              1,
              `with --auto: moves at once (1 to ${AUTO_MOVES_MAX}); at first 2`,
              AUTO_MOVES_MAX,
            ),
          )
          .option(
            'cool-down',
            wholeNumber(
              'cool-down',
              COOL_DOWN_SECONDS.least,
              `with --auto: seconds for which stays what has moved (${COOL_DOWN_SECONDS.least} to ${COOL_DOWN_SECONDS.most}); at first 3600`,
              COOL_DOWN_SECONDS.most,
            ),
          )
          .option('quiet', {
            type: 'string',
            requiresArg: true,
            describe:
              'with --auto: two different hours of the day (UTC, 0 to 23) between which nothing begins, such as 8-18; none',
          })
          .option(
            'rate',
            wholeNumber('rate', 0, 'with --auto: bytes per second of each move at most; 0: no bound'),
          )
          .option(
            'per-day',
            wholeNumber('per-day', 0, 'with --auto: bytes that may be moved in 24 hours; 0: no bound'),
          )
          .option('timeout', TIMEOUT)
          .epilogue(
            examples(
              ['$0 rebalance --plan --config router.ini', 'what would be moved'],
              ['$0 rebalance --apply --config router.ini', 'to move it'],
              ['$0 rebalance --plan --by load --config router.ini', 'what would spread the requests'],
              ['$0 rebalance --auto on --quiet 8-18 --config router.ini', 'at night, by itself'],
              ['$0 rebalance --auto show --config router.ini', 'what it does, and why not more'],
            ),
          ),
      async (args) => {
        if (args.plan) refuseStray('rebalance --plan', args, ['timeout']);
        if (args.auto === undefined) {
          refuseStray('rebalance without --auto', args, AUTO_OPTIONS);
          await (await import('./rebalance-command.ts')).runRebalanceCommand(args);
          return;
        }
        refuseStray('rebalance --auto', args, ['plan', 'apply', 'timeout']);
        if (args.auto !== 'on')
          refuseStray(`rebalance --auto ${args.auto}`, args, ['by', 'threshold', ...AUTO_OPTIONS]);
        await (await import('./auto-command.ts')).runAutoCommand({ ...args, auto: args.auto });
      },
    );
}

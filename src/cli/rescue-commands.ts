/** `nursery rescue`: what is left to be typed when a majority, or all, is gone. */
import type { Argv } from 'yargs';
import { FatalError } from '../base/errors.ts';
import { type Range, WHOLE } from '../keyspace/range.ts';
import { asking, examples, namesIn, refuseStray, vowing } from './common-options.ts';
import { rangeOf } from './forms.ts';
import { wholeNumber } from './numbers.ts';

/** Adds the command; what it does is its first word. */
export function rescueCommand<T>(parser: Argv<T>) {
  return parser.command(
    'rescue <what> [names..]',
    'promote: a survivor goes on; lost CLUSTER: its ranges go to another; keeper FILE…: a new keeper',
    (command) =>
      vowing(asking(command))
        .positional('what', { type: 'string', demandOption: true, describe: 'promote, lost, or keeper' })
        .positional('names', {
          type: 'string',
          array: true,
          default: [],
          describe: 'lost: the cluster that is gone; keeper: configuration files of all clusters',
        })
        .option('node', {
          type: 'string',
          requiresArg: true,
          describe: 'promote: the survivor that is to go on; the configuration is that of its cluster',
        })
        .option(
          'lose-from',
          wholeNumber('lose-from', 1, 'promote: where a chosen slot is lost, give up all from this one on'),
        )
        .option('at', { type: 'string', requiresArg: true, describe: 'lost: cluster that gets its ranges' })
        .option('restore', {
          type: 'string',
          requiresArg: true,
          describe: 'lost: directory of a backup that has their rows',
        })
        .option('empty', {
          type: 'boolean',
          default: false,
          describe: 'lost: there is no backup, and they begin empty',
        })
        .option('range', {
          type: 'string',
          requiresArg: true,
          describe: 'lost: FROM..TO alone, each text or 0x…; empty is open',
        })
        .option('lost', {
          type: 'string',
          requiresArg: true,
          describe: 'keeper: configuration files of clusters that are lost too, with commas between',
        })
        .option('unclaimed', {
          type: 'string',
          requiresArg: true,
          describe: 'keeper: the cluster that is to have had what nobody claims, where several are lost',
        })
        .option('yields', {
          type: 'string',
          requiresArg: true,
          describe:
            'keeper: where two own a range, CLUSTER or CLUSTER=FROM..TO whose rows of it are given up, with commas between',
        })
        .epilogue(
          examples(
            ['$0 rescue promote --config ams.ini --node ams_0', 'asks for names, and does it'],
            [
              '$0 rescue promote --config ams.ini --node ams_0 --dry-run',
              'what is known, and what may be lost',
            ],
            ['$0 rescue lost bru --restore monday --at ams --config router.ini', 'all of bru is gone'],
            ['$0 rescue keeper ams.ini bru.ini --config keeper.ini', 'all of the keeper is gone'],
            ['$0 rescue keeper ams.ini --lost bru.ini --config keeper.ini', 'and all of bru'],
          ),
        ),
    async (args) => {
      const common = {
        config: args.config,
        json: args.json,
        yes: args.yes ?? null,
        dryRun: args['dry-run'],
      };
      const gone = namesIn(args.gone);
      const timeout = args.timeout ?? null;
      switch (args.what) {
        case 'promote': {
          refuse(args, ['at', 'restore', 'empty', 'range', 'lost', 'unclaimed', 'yields'], 0);
          const { runPromote } = await import('./rescue/promote.ts');
          const loseFrom = args['lose-from'] ?? null;
          await runPromote({ ...common, gone, timeout, node: args.node ?? null, loseFrom });
          return;
        }
        case 'lost': {
          refuse(args, ['node', 'lose-from', 'lost', 'unclaimed', 'yields'], 1);
          const { runLost } = await import('./rescue/lost.ts');
          const { at = null, restore = null, range = null, empty } = args;
          const [cluster = null] = args.names;
          await runLost({ ...common, gone, timeout, cluster, at, restore, empty, range });
          return;
        }
        case 'keeper': {
          refuse(args, ['node', 'lose-from', 'at', 'restore', 'empty', 'range'], Number.POSITIVE_INFINITY);
          const { runKeeper } = await import('./rescue/keeper.ts');
          const { unclaimed = null } = args;
          const yields = (namesIn(args.yields) ?? []).map(yieldOf);
          const lost = namesIn(args.lost) ?? [];
          await runKeeper({ ...common, gone, timeout, unclaimed, yields, files: args.names, lost });
          return;
        }
        default:
          throw new FatalError('USAGE', `rescue ${args.what}: there is promote, lost, and keeper`);
      }
    },
  );
}

/** CLUSTER, or CLUSTER=FROM..TO. @throws NurseryError BAD_INPUT */
function yieldOf(text: string): { readonly cluster: string; readonly range: Range } {
  const at = text.indexOf('=');
  if (at < 0) return { cluster: text, range: WHOLE };
  return {
    cluster: text.slice(0, at),
    range: rangeOf(text.slice(at + 1), `--yields ${text.slice(0, at + 1)}`),
  };
}

/** Options of another kind of rescue, and more names than it takes. */
function refuse(
  args: { readonly what: string; readonly names: readonly string[]; readonly [name: string]: unknown },
  options: readonly string[],
  namesMax: number,
): void {
  refuseStray(`rescue ${args.what}`, args, options);
  if (args.names.length > namesMax)
    throw new FatalError('USAGE', `rescue ${args.what} does not take "${args.names[namesMax]}"`);
}

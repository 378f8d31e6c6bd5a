/** `nursery rescue`: what is left to be typed when a majority, or all, is gone. */
import type { Argv } from 'yargs';
import { FatalError } from '../base/errors.ts';
import { asking, examples } from './common-options.ts';
import { wholeNumber } from './numbers.ts';

/** Adds the command; what it does is its first word. */
export function rescueCommand<T>(parser: Argv<T>) {
  return parser.command(
    'rescue <what> [cluster]',
    'promote: a survivor goes on where a majority is gone; lost CLUSTER: its ranges go to another one',
    (command) =>
      asking(command)
        .positional('what', { type: 'string', demandOption: true, describe: 'promote, or lost' })
        .positional('cluster', { type: 'string', describe: 'lost: the cluster that is gone' })
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
        .option('gone', {
          type: 'string',
          requiresArg: true,
          describe:
            'nodes that are off, and whose homes never start again, with commas between; default: it is asked',
        })
        .option('yes', {
          type: 'string',
          requiresArg: true,
          describe: 'name of the cluster, instead of typing it',
        })
        .option('dry-run', {
          type: 'boolean',
          default: false,
          describe: 'say what is known and what may be lost, and do nothing',
        })
        .option(
          'timeout',
          wholeNumber('timeout', 1, 'end after so many seconds, with 7; the same again goes on', 1_000_000),
        )
        .epilogue(
          examples(
            ['$0 rescue promote --config ams.ini --node ams_0', 'asks for names, and does it'],
            [
              '$0 rescue promote --config ams.ini --node ams_0 --dry-run',
              'what is known, and what may be lost',
            ],
            ['$0 rescue lost bru --restore monday --at ams --config router.ini', 'all of bru is gone'],
          ),
        ),
    async (args) => {
      const common = {
        config: args.config,
        json: args.json,
        gone: args.gone?.split(',').map((name) => name.trim()) ?? null,
        yes: args.yes ?? null,
        dryRun: args['dry-run'],
        timeout: args.timeout ?? null,
      };
      if (args.what === 'promote') {
        refuse(args, ['at', 'restore', 'range', 'cluster']);
        const { runPromote } = await import('./rescue/promote.ts');
        await runPromote({ ...common, node: args.node ?? null, loseFrom: args['lose-from'] ?? null });
      } else if (args.what === 'lost') {
        refuse(args, ['node', 'lose-from']);
        const { runLost } = await import('./rescue/lost.ts');
        await runLost({
          ...common,
          cluster: args.cluster ?? null,
          at: args.at ?? null,
          restore: args.restore ?? null,
          empty: args.empty,
          range: args.range ?? null,
        });
      } else throw new FatalError('USAGE', `rescue ${args.what}: there is promote, and lost`);
    },
  );
}

function refuse(
  args: { readonly what: string; readonly [name: string]: unknown },
  names: readonly string[],
): void {
  const given = names.find((name) => args[name] !== undefined);
  if (given === undefined) return;
  const what = given === 'cluster' ? 'the name of a cluster' : `--${given}`;
  throw new FatalError('USAGE', `rescue ${args.what} does not take ${what}`);
}

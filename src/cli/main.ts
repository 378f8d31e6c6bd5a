#!/usr/bin/env node
/**
 * The `nursery` command. Sole importer of yargs; each command's work is in a file beside this one, loaded when it
 * is asked for, so that `nursery get` never loads the store.
 */
import yargs, { type Argv } from 'yargs';
import { hideBin } from 'yargs/helpers';
import { EXIT_CODES } from '../errors.ts';
import { PRODUCT_VERSION } from '../version.ts';
import { wholeNumber, wholeNumberOr } from './numbers.ts';
import { report } from './report.ts';

const CONFIG = { type: 'string', demandOption: true, describe: 'configuration file (INI)' } as const;
const JSON_FLAG = { type: 'boolean', default: false, describe: 'print JSON, for scripts' } as const;
const MAX = wholeNumberOr('max', 1000, -1, 'at most so many; -1 for all');
const KEY = { type: 'string', demandOption: true, describe: 'text, or 0x… for bytes' } as const;

/** Options of every command that asks and prints. */
function asking<T>(command: Argv<T>) {
  return command.option('config', CONFIG).option('json', JSON_FLAG);
}

function servers<T>(parser: Argv<T>) {
  return parser
    .command(
      'node',
      'run one node of a cluster, in the foreground',
      (command) =>
        command
          .option('config', CONFIG)
          .option('node', {
            type: 'string',
            demandOption: true,
            describe: 'name of the node, as in the configuration',
          })
          .option('bootstrap', {
            type: 'boolean',
            default: false,
            describe:
              'found a new cluster although not all of its nodes answer: only if you know that none holds data',
          }),
      async (args) => (await import('./node-command.ts')).runNodeCommand(args),
    )
    .command(
      'router',
      'run a router, in the foreground',
      (command) => command.option('config', CONFIG),
      async (args) => (await import('./router-command.ts')).runRouterCommand(args),
    )
    .command(
      'migrator',
      'run a daemon that takes over migrations whose migrator has died',
      (command) => command.option('config', CONFIG),
      async (args) => (await import('./migrate-command.ts')).runMigratorCommand(args),
    )
    .command(
      'dev',
      'boot a whole local nursery: keeper, two clusters and a router',
      (command) =>
        command
          .option('dir', {
            type: 'string',
            describe: 'where its files go; default: a temporary folder, removed at the end',
          })
          .option('tour', { type: 'boolean', default: false, describe: 'show the main job on real input' })
          .option('once', { type: 'boolean', default: false, describe: 'end after the tour' })
          .option('input', {
            type: 'string',
            describe: 'directory tree that the tour indexes; default: node_modules',
          }),
      async (args) => (await import('./dev-command.ts')).runDevCommand(args),
    )
    .command(
      'sim',
      'run simulated nurseries with everything failing that may, and check every promise',
      (command) =>
        command
          .option('only', {
            choices: ['nursery', 'consensus', 'migration'] as const,
            default: 'nursery' as const,
            describe: 'whole nurseries, or one cluster alone, or moves between state machines alone',
          })
          .option('seed', wholeNumber('seed', 0, 'first seed; default: any'))
          .option('seeds', wholeNumberOr('seeds', 1, 1, 'so many seeds'))
          .option('faults', { type: 'string', describe: 'these kinds of faults alone, with commas between' })
          .option('workers', wholeNumber('workers', 1, 'processes; default: 2'))
          .option('replay', wholeNumber('replay', 0, 'this seed alone'))
          .option('trace', { type: 'boolean', default: false, describe: 'with --replay: every step' }),
      async (args) =>
        (await import('./sim-command.ts')).runSimCommand({
          only: args.only,
          seed: args.seed ?? null,
          seeds: args.seeds,
          faults: args.faults?.split(',') ?? [],
          replay: args.replay ?? null,
          trace: args.trace,
          workers: args.workers ?? null,
        }),
    );
}

function nurseryCommands<T>(parser: Argv<T>) {
  return parser
    .command(
      'init <cluster>',
      'give the whole key space to the first cluster of a nursery',
      (command) => asking(command).positional('cluster', { type: 'string', demandOption: true }),
      async (args) => (await import('./init-command.ts')).runInit(args),
    )
    .command(
      'migrate [left] [separator] [right]',
      'move a range: keys from the separator on belong to RIGHT; or --range FROM..TO --to CLUSTER',
      (command) =>
        asking(command)
          .positional('left', {
            type: 'string',
            describe: 'cluster that keeps or gets the keys below the separator',
          })
          .positional('separator', { type: 'string', describe: 'text, or 0x… for bytes' })
          .positional('right', { type: 'string', describe: 'cluster that keeps or gets the other keys' })
          .option('range', { type: 'string', describe: 'FROM..TO, each text or 0x…; empty is open' })
          .option('to', { type: 'string', describe: 'cluster that gets the range' })
          .option('resume', {
            type: 'boolean',
            default: false,
            describe: 'finish migrations whose migrator has died',
          })
          .option('abort', wholeNumber('abort', 1, 'take back the migration with this number'))
          .option('pause', wholeNumber('pause', 1, 'let the migration with this number rest'))
          .option('continue', wholeNumber('continue', 1, 'let the migration with this number go on'))
          .option('dry-run', {
            type: 'boolean',
            default: false,
            describe: 'say what would be moved, and move nothing',
          }),
      async (args) => (await import('./migrate-command.ts')).runMigrateCommand(args),
    )
    .command(
      'remove <cluster> [separator]',
      "move all of a cluster's ranges to its neighbours, and forget it",
      (command) =>
        asking(command)
          .positional('cluster', { type: 'string', demandOption: true })
          .positional('separator', {
            type: 'string',
            describe: 'for an inner cluster: where its neighbours meet',
          }),
      async (args) => (await import('./migrate-command.ts')).runRemoveCommand(args),
    )
    .command(
      'status',
      'the map, every node, and every migration',
      (command) => asking(command),
      async (args) => (await import('./status-command.ts')).runStatus(args),
    );
}

function dataCommands<T>(parser: Argv<T>) {
  return parser
    .command(
      'who-master',
      "the master's name; exit code 4 where there is none",
      (command) => asking(command),
      async (args) => (await import('./data-commands.ts')).runWhoMaster(args),
    )
    .command(
      'get <key>',
      'print a value',
      (command) => asking(command).positional('key', KEY),
      async (args) => (await import('./data-commands.ts')).runGet(args),
    )
    .command(
      'set <key> <value>',
      'store a value',
      (command) => asking(command).positional('key', KEY).positional('value', KEY),
      async (args) => (await import('./data-commands.ts')).runSet(args),
    )
    .command(
      'delete <key>',
      'remove a key; exit code 3 where it is not there',
      (command) => asking(command).positional('key', KEY),
      async (args) => (await import('./data-commands.ts')).runDelete(args),
    )
    .command(
      'prefix <prefix>',
      'list keys that begin with a prefix',
      (command) => asking(command).positional('prefix', KEY).option('max', MAX),
      async (args) => (await import('./data-commands.ts')).runPrefix(args),
    )
    .command(
      'range [from] [to]',
      'list keys from one on, up to another that is not listed',
      (command) =>
        asking(command)
          .positional('from', { type: 'string', describe: 'text, or 0x… for bytes' })
          .positional('to', { type: 'string', describe: 'text, or 0x… for bytes' })
          .option('max', MAX)
          .option('entries', { type: 'boolean', default: false, describe: 'with values' }),
      async (args) =>
        (await import('./data-commands.ts')).runRange({ ...args, from: args.from, to: args.to }),
    );
}

function benchCommand<T>(parser: Argv<T>) {
  return parser.command(
    'bench',
    'measure a cluster or a router under a closed-loop load',
    (command) =>
      command
        .option('config', { type: 'string', describe: 'configuration file (INI) of a cluster or a router' })
        .option('node', { type: 'string', describe: 'node to load; default: the master, or the router' })
        .option('null', {
          type: 'boolean',
          default: false,
          describe: 'load a server that only answers: what the generator itself can reach',
        })
        .option('transport', { choices: ['tcp', 'ws'] as const, default: 'tcp' as const })
        .option('connections', wholeNumberOr('connections', 100, 1, 'clients'))
        .option('outstanding', wholeNumberOr('outstanding', 1, 1, 'unanswered requests of each'))
        .option('mix', {
          type: 'string',
          default: 'set',
          describe: 'operations and their shares, such as set:1,get:9; fill sets every key once',
        })
        .option('keys', wholeNumberOr('keys', 1_000_000, 1, 'different keys'))
        .option('key-bytes', wholeNumberOr('key-bytes', 16, 1, 'length of a key'))
        .option('value-bytes', wholeNumberOr('value-bytes', 100, 0, 'length of a value'))
        .option('sequence-updates', wholeNumberOr('sequence-updates', 10, 1, 'also keys of a multi-get'))
        .option('range-entries', wholeNumberOr('range-entries', 1000, 1, 'entries that a range asks for'))
        .option('seconds', wholeNumberOr('seconds', 10, 1, 'how long it is measured'))
        .option('warm-up', wholeNumberOr('warm-up', 1, 0, 'seconds before anything is counted'))
        .option('seed', wholeNumberOr('seed', 1, 0, 'of the keys and operations'))
        .option('json', JSON_FLAG),
    async (args) =>
      (await import('./bench-command.ts')).runBench({ ...args, config: args.config, node: args.node }),
  );
}

const parser = yargs(hideBin(process.argv))
  .scriptName('nursery')
  // A key that looks like a number is text all the same.
  .parserConfiguration({ 'parse-positional-numbers': false })
  .version(PRODUCT_VERSION)
  .demandCommand(1, 'name a command')
  .strict()
  .help()
  // Without a message it is a command that failed, and whoever awaits the parser hears of that.
  .fail((message: string | null, error) => {
    if (message === null) throw error;
    console.error(`nursery: ${message}; see nursery --help`);
    process.exit(EXIT_CODES.USAGE);
  });
servers(parser);
nurseryCommands(parser);
dataCommands(parser);
benchCommand(parser);
parser.parseAsync().catch(report);

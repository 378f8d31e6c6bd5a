/**
 * The commands of `nursery` and their options; main.ts starts it. Each command's work is in a file beside this one, loaded when it
 * is asked for, so that `nursery get` never loads the store.
 */
import yargs, { type Argv } from 'yargs';
import { hideBin } from 'yargs/helpers';
import { USER_KEY_MAX, VALUE_MAX } from '../base/limits.ts';
import { PRODUCT_VERSION } from '../version.ts';
import { balanceCommands } from './balance-commands.ts';
import { asking, examples, JSON_FLAG, TIMEOUT } from './common-options.ts';
import { copyCommands } from './copy-commands.ts';
import { functionCommand } from './function-commands.ts';
import { wholeNumber, wholeNumberOr, wholeNumberOrWord } from './numbers.ts';
import { checkOutputAtExit, printLine } from './output.ts';
import { recordCommands } from './record-commands.ts';
import { report, reportAsJson } from './report.ts';
import { rescueCommand } from './rescue-commands.ts';
import { serverCommands } from './server-commands.ts';
import { toolCommands } from './tool-commands.ts';
import { refuseValues, usageError } from './usage.ts';
import { completionCommand, watchCommands } from './watch-commands.ts';
import { protectWords, refuseLostBytes, type Words } from './words.ts';

const MAX = wholeNumber('max', -1, 'at most so many; -1 for all; default: 1000');
const KEY = { type: 'string', demandOption: true, describe: 'text, or 0x… for bytes' } as const;

function nurseryCommands<T>(parser: Argv<T>) {
  return parser
    .command(
      'init <cluster>',
      'give the whole key space to the first cluster of a nursery',
      (command) =>
        asking(command)
          .positional('cluster', { type: 'string', demandOption: true })
          .epilogue(examples(['$0 init ams --config router.ini', 'all keys belong to ams'])),
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
          .option('range', {
            type: 'string',
            requiresArg: true,
            describe: 'FROM..TO, each text or 0x…; empty is open',
          })
          .option('to', { type: 'string', requiresArg: true, describe: 'cluster that gets the range' })
          .option('resume', {
            type: 'boolean',
            default: false,
            describe: 'finish migrations whose migrator has died',
          })
          .option('abort', wholeNumber('abort', 1, 'take back the migration with this number'))
          .option('pause', wholeNumber('pause', 1, 'let the migration with this number rest'))
          .option('continue', wholeNumber('continue', 1, 'let the migration with this number go on'))
          .option('undo', wholeNumber('undo', 1, 'move what the migration with this number moved back again'))
          .option(
            'rate',
            wholeNumberOrWord(
              'rate',
              0,
              'auto',
              'copy so many bytes per second at most; 0: none for now; auto: as many as requests let it',
            ),
          )
          .option('of', wholeNumber('of', 1, 'with --rate: of the migration with this number, from now on'))
          .option('dry-run', {
            type: 'boolean',
            default: false,
            describe: 'say what would be moved, and move nothing',
          })
          .option('timeout', TIMEOUT)
          .epilogue(
            examples(
              ['$0 migrate ams m bru --config router.ini', 'keys from m on go to bru'],
              ['$0 migrate --range a..c --to bru --config router.ini', 'those from a up to c alone'],
              ['$0 migrate --rate 1000000 --of 7 --config router.ini', 'a megabyte per second from now on'],
              ['$0 migrate --undo 7 --config router.ini', 'copies its range back to where it came from'],
              ['$0 migrate --resume --config router.ini', 'after a migrator has died'],
            ),
          ),
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
          })
          .option('timeout', TIMEOUT)
          .epilogue(examples(['$0 remove bru --config router.ini', ''])),
      async (args) => (await import('./migrate-command.ts')).runRemoveCommand(args),
    )
    .command(
      'status',
      'how it is: a verdict, what is wrong and what to type, then map, nodes, and migrations',
      (command) =>
        asking(command)
          .option('watch', { type: 'boolean', describe: 'again and again, until it is interrupted' })
          .option('wait', {
            choices: ['healthy'] as const,
            requiresArg: true,
            describe: 'until all is well, and print it then',
          })
          .option('timeout', TIMEOUT)
          .conflicts('watch', 'wait')
          .implies('timeout', 'wait')
          .epilogue(
            examples(
              ['$0 status --config router.ini', ''],
              ['$0 status --wait healthy --timeout 60 --config router.ini', 'after a restart, say'],
            ),
          ),
      async (args) =>
        (await import('./status-command.ts')).runStatus({
          ...args,
          watch: args.watch === true,
          wait: args.wait === 'healthy',
          timeout: args.timeout ?? null,
        }),
    );
}

function dataCommands<T>(parser: Argv<T>) {
  return parser
    .command(
      'who-master',
      "the master's name; exit code 4 where there is none",
      (command) => asking(command).epilogue(examples(['$0 who-master --config ams.ini', ''])),
      async (args) => (await import('./data-commands.ts')).runWhoMaster(args),
    )
    .command(
      'get <key>',
      'print a value',
      (command) =>
        asking(command)
          .positional('key', KEY)
          .epilogue(
            examples(
              ['$0 get colour --config router.ini', ''],
              ['$0 get 0x00ff --config router.ini', 'a key of two bytes'],
            ),
          ),
      async (args) => (await import('./data-commands.ts')).runGet(args),
    )
    .command(
      'set <key> [value]',
      'store a value: the word, or what is in a file',
      (command) =>
        asking(command)
          .positional('key', KEY)
          .positional('value', { type: 'string', describe: 'text, or 0x… for bytes' })
          .option('from', {
            type: 'string',
            requiresArg: true,
            describe: 'file that holds the value, byte for byte; - for standard input',
          })
          .epilogue(
            examples(
              ['$0 set colour blue --config router.ini', ''],
              ['$0 set picture --from picture.png --config router.ini', ''],
            ),
          ),
      async (args) =>
        (await import('./data-commands.ts')).runSet({ ...args, value: args.value, from: args.from }),
    )
    .command(
      'delete <key>',
      'remove a key; exit code 3 where it is not there',
      (command) =>
        asking(command)
          .positional('key', KEY)
          .epilogue(examples(['$0 delete colour --config router.ini', ''])),
      async (args) => (await import('./data-commands.ts')).runDelete(args),
    )
    .command(
      'prefix <prefix>',
      'list keys that begin with a prefix',
      (command) =>
        asking(command)
          .positional('prefix', KEY)
          .option('max', MAX)
          .epilogue(examples(['$0 prefix user: --max 10 --config router.ini', ''])),
      async (args) => (await import('./data-commands.ts')).runPrefix({ ...args, max: args.max }),
    )
    .command(
      'range [from] [to]',
      'list keys from one on, up to another that is not listed',
      (command) =>
        asking(command)
          .positional('from', { type: 'string', describe: 'text, or 0x… for bytes' })
          .positional('to', { type: 'string', describe: 'text, or 0x… for bytes' })
          .option('max', MAX)
          .option('entries', { type: 'boolean', default: false, describe: 'with values' })
          .epilogue(
            examples(['$0 range a c --entries --config router.ini', 'keys from a up to c, with values']),
          ),
      async (args) =>
        (await import('./data-commands.ts')).runRange({
          ...args,
          from: args.from,
          to: args.to,
          max: args.max,
        }),
    );
}

function benchCommand<T>(parser: Argv<T>) {
  return parser.command(
    'bench',
    'measure a cluster or a router under a closed-loop load',
    (command) =>
      command
        .option('config', {
          type: 'string',
          requiresArg: true,
          describe: 'configuration file (INI) of a cluster or a router',
        })
        .option('node', {
          type: 'string',
          requiresArg: true,
          describe: 'node to load; default: the master, or the router',
        })
        .option('null', {
          type: 'boolean', // without a default: one would count as given, and exclude a configuration
          describe: 'load a server that only answers: what the generator itself can reach',
        })
        .option('compare', {
          type: 'string',
          requiresArg: true,
          describe:
            "etcd, redis or etcd,redis: Debian's packages, and a cluster of three, all started here, under the same loads in turn",
        })
        .option('transport', { choices: ['tcp', 'ws'] as const, default: 'tcp' as const })
        .option('connections', wholeNumber('connections', 1, 'clients; default: 100', 100_000))
        .option(
          'outstanding',
          wholeNumber('outstanding', 1, 'unanswered requests of each; default: 1', 65_536),
        )
        .option('mix', {
          type: 'string',
          requiresArg: true,
          describe:
            'operations and their shares, such as set:1,get:9; fill sets every key once; default: set',
        })
        .option('keys', wholeNumberOr('keys', 1_000_000, 1, 'different keys', 1_000_000_000))
        .option('key-bytes', wholeNumberOr('key-bytes', 16, 1, 'length of a key', USER_KEY_MAX))
        .option('value-bytes', wholeNumberOr('value-bytes', 100, 0, 'length of a value', VALUE_MAX))
        .option(
          'sequence-updates',
          wholeNumberOr('sequence-updates', 10, 1, 'also keys of a multi-get', 100_000),
        )
        .option(
          'range-entries',
          wholeNumberOr('range-entries', 1000, 1, 'entries that a range asks for', 1_000_000),
        )
        .option('seconds', wholeNumberOr('seconds', 10, 1, 'how long it is measured', 1_000_000))
        .option('warm-up', wholeNumberOr('warm-up', 1, 0, 'seconds before anything is counted', 1_000_000))
        .option('seed', wholeNumberOr('seed', 1, 0, 'of the keys and operations'))
        .option('json', JSON_FLAG)
        .conflicts('null', ['config', 'node'])
        .conflicts('compare', ['config', 'node', 'null'])
        .epilogue(
          examples(
            ['$0 bench --config router.ini --mix set:1,get:9', 'one update to nine reads'],
            ['$0 bench --compare etcd,redis --keys 100000', 'seven loads, on each of the three'],
          ),
        ),
    async (args) =>
      (await import('./bench-command.ts')).runBench({
        ...args,
        config: args.config,
        node: args.node,
        null: args.null === true,
        compare: args.compare?.split(',') ?? [],
      }),
  );
}

/** The first command of each group, in the order in which they are listed. */
const GROUPS: readonly (readonly [first: string, title: string])[] = [
  ['node', 'Servers:'],
  ['init', 'A nursery:'],
  ['who-master', 'Data:'],
  ['backup', 'Copies:'],
  ['rescue', 'When all else is lost:'],
  ['log', 'Tools:'],
  ['bench', 'Measuring:'],
];

/** The list of commands under the headings of their groups, which yargs does not know; other help as it is. */
function grouped(help: string): string {
  if (!help.includes('\nCommands:\n')) return help;
  const lines = help.replace('\nCommands:\n', '\n').split('\n');
  const titled = lines.flatMap((line) => {
    const group = GROUPS.find(([first]) => line.startsWith(`  nursery ${first} `));
    return group === undefined ? [line] : ['', group[1], line];
  });
  return titled.join('\n').replaceAll('\n\n\n', '\n\n');
}

/** Options of the command that is being read, which yargs' types leave out. */
function optionsOf(parser: Argv): { readonly key: object; readonly boolean: readonly string[] } {
  return (parser as unknown as { getOptions(): ReturnType<typeof optionsOf> }).getOptions();
}

async function run(given: readonly string[]): Promise<void> {
  refuseLostBytes(given);
  if (given.some((word) => word.includes('://'))) await (await import('./config-url.ts')).fetchConfigs(given);
  const words = protectWords(given);
  const help = await parse(createParser(given, words), words);
  if (help !== '') printLine(grouped(help));
}

/** Help with each entry in one line, whatever the width. */
async function helpOf(given: readonly string[]): Promise<string> {
  const words = protectWords([...given, '--help']);
  return await parse(createParser(given, words).wrap(null), words);
}

function createParser(given: readonly string[], words: Words): Argv {
  const parser = yargs()
    .scriptName('nursery')
    // What it says is read and put into other words; half of it in another language would help nobody.
    .detectLocale(false)
    .parserConfiguration({
      // A key that looks like a number is text all the same.
      'parse-positional-numbers': false,
      'boolean-negation': false,
      'dot-notation': false,
    })
    .version(PRODUCT_VERSION)
    .demandCommand(1, 'name a command')
    .strict()
    .epilogue('nursery COMMAND --help says more, with examples.')
    .help()
    // First of all, so that whatever looks at a word sees what was written.
    .middleware((argv) => {
      refuseValues(words, optionsOf(parser).boolean);
      for (const [name, value] of Object.entries(argv)) {
        if (typeof value === 'string') argv[name] = words.decode(value);
        else if (name === 'names') argv[name] = (value as string[]).map((word) => words.decode(word));
      }
    }, true)
    // Without a message it is a command that failed, and whoever awaits the parser hears of that.
    .fail((message: string | null, error) => {
      if (message === null) throw error;
      throw usageError(message, words, given[0] ?? '', Object.keys(optionsOf(parser).key));
    });
  serverCommands(parser);
  nurseryCommands(parser);
  functionCommand(parser);
  watchCommands(parser);
  balanceCommands(parser);
  recordCommands(parser);
  dataCommands(parser);
  copyCommands(parser);
  rescueCommand(parser);
  toolCommands(parser);
  completionCommand(parser, helpOf);
  benchCommand(parser);
  return parser;
}

/** Does what was asked for; returns help or the version, where that was it. */
async function parse(parser: Argv, words: Words): Promise<string> {
  // With a callback yargs does not print help and version itself, and does not look at whether that worked.
  let help = '';
  await parser.parseAsync([...words.argv], {}, (_error, _argv, output) => {
    help = output;
  });
  return help;
}

/** Reads what the process was called with, and does it. Failures are reported, and end the process. */
export function runCommandLine(): void {
  const given = hideBin(process.argv);
  const end = given.indexOf('--');
  reportAsJson((end < 0 ? given : given.slice(0, end)).includes('--json'));
  process.on('uncaughtException', report);
  process.on('unhandledRejection', report);
  checkOutputAtExit();
  run(given).catch(report);
}

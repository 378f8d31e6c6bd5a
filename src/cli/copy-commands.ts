/** The commands for copies: backups and exports, and the way back. */
import type { Argv } from 'yargs';
import { FatalError } from '../base/errors.ts';
import { asking, CONFIG, examples, JSON_FLAG, namesIn, refuseStray, vowing } from './common-options.ts';
import { wholeNumber } from './numbers.ts';

/** Adds the commands that write copies of what a cluster holds, and bring it back. */
export function copyCommands<T>(parser: Argv<T>) {
  const range = {
    type: 'string',
    requiresArg: true,
    describe: 'FROM..TO alone, each text or 0x…; empty is open',
  } as const;
  return parser
    .command(
      'backup [cluster]',
      'write what a cluster holds to a directory, as of one slot, while it serves',
      (command) =>
        asking(command)
          .positional('cluster', {
            type: 'string',
            describe: 'default: the cluster of the configuration',
          })
          .option('all', { type: 'boolean', default: false, describe: 'every cluster that the map names' })
          .option('to', {
            type: 'string',
            requiresArg: true,
            demandOption: true,
            describe: 'directory, which is made; - for one image on standard output',
          })
          .option('node', {
            type: 'string',
            requiresArg: true,
            describe: 'what this node has, although there may be no master; default: a follower that has all',
          })
          .option('rate', wholeNumber('rate', 1, 'bytes of keys and values per second at most'))
          .epilogue(
            examples(
              ['$0 backup --all --to monday --config router.ini', 'each key in one image'],
              ['$0 backup ams --to ams-monday --config ams.ini', 'of one cluster'],
            ),
          ),
      async (args) =>
        (await import('./backup-command.ts')).runBackup({
          ...args,
          cluster: args.cluster ?? null,
          node: args.node ?? null,
          rate: args.rate ?? null,
        }),
    )
    .command(
      'verify <path>',
      'read a whole backup, or one image of it, and say what is in it',
      (command) =>
        command
          .positional('path', {
            type: 'string',
            demandOption: true,
            describe: 'directory, or file of an image',
          })
          .option('json', JSON_FLAG)
          .epilogue(examples(['$0 verify monday', ''])),
      async (args) => (await import('./verify-command.ts')).runVerify(args),
    )
    .command(
      'restore <path>',
      'make a home from a backup, with which a cluster begins anew; the other nodes join with empty homes',
      (command) =>
        vowing(asking(command))
          .positional('path', {
            type: 'string',
            demandOption: true,
            describe: 'directory of a backup, or file of one image',
          })
          .option('node', {
            type: 'string',
            requiresArg: true,
            describe: 'whose home it becomes; default: the first of the configuration',
          })
          .option('replace', {
            type: 'string',
            requiresArg: true,
            describe: 'in a nursery: the founding whose place is taken, as status shows it; 8 digits do',
          })
          .epilogue(
            examples(
              ['$0 restore monday --config ams.ini --node ams_0', 'without a nursery'],
              [
                '$0 restore monday --config ams.ini --node ams_0 --replace 0f3a9b21',
                'in a nursery; asks for names, and does it',
              ],
            ),
          ),
      async (args) =>
        (await import('./restore-command.ts')).runRestore({
          path: args.path,
          config: args.config,
          json: args.json,
          node: args.node ?? null,
          replace: args.replace ?? null,
          gone: namesIn(args.gone),
          yes: args.yes ?? null,
          dryRun: args['dry-run'],
          timeout: args.timeout ?? null,
        }),
    )
    .command(
      'export',
      'write keys and values of a range to a file, as lines of JSON, out of what is served or of a backup',
      (command) =>
        command
          .option('config', { ...CONFIG, demandOption: false })
          .option('json', JSON_FLAG)
          .option('range', range)
          .option('key', { type: 'string', requiresArg: true, describe: 'this one alone, text or 0x…' })
          .conflicts('key', 'range')
          .option('from', {
            type: 'string',
            requiresArg: true,
            describe: 'directory of a backup, or file of an image or an export; default: what clients see',
          })
          .option('to', {
            type: 'string',
            requiresArg: true,
            demandOption: true,
            describe: 'file, which must not be there yet; - for standard output',
          })
          .epilogue(
            examples(
              ['$0 export --range a..c --to a-to-c --config router.ini', ''],
              ['$0 export --from monday --key apple --to -', 'what a backup has of one key'],
            ),
          ),
      async (args) =>
        (await import('./export-command.ts')).runExport({
          ...args,
          config: args.config,
          range: args.range,
          key: args.key,
          from: args.from,
        }),
    )
    .command(
      'import',
      'store what is in an export or a backup, where the key is not there; or all that an Arakoon cluster has',
      (command) =>
        asking(command)
          .option('range', range)
          .option('from', {
            type: 'string',
            requiresArg: true,
            describe: 'file of an export or an image, or directory of a backup; - for standard input',
          })
          .option('key', { type: 'string', requiresArg: true, describe: 'this one alone, text or 0x…' })
          .conflicts('key', 'range')
          .option('overwrite', {
            type: 'boolean',
            default: false,
            describe: 'keys that are there get the value of the export',
          })
          .option('dry-run', {
            type: 'boolean',
            default: false,
            describe: 'say what would be stored, and store nothing',
          })
          .option('from-arakoon', {
            type: 'string',
            requiresArg: true,
            describe: 'HOST:PORT of the client ports of an Arakoon cluster, with commas between',
          })
          .option('cluster-id', { type: 'string', requiresArg: true, describe: 'its cluster id' })
          .option('state', {
            type: 'string',
            requiresArg: true,
            describe: 'file that says how far it is; default: CLUSTER-ID.import.json',
          })
          .option('final', {
            type: 'boolean', // without a default: one would count as given
            describe: 'its clients have stopped: compare key by key at the end',
          })
          .conflicts('from-arakoon', ['from', 'key', 'range'])
          .implies('from-arakoon', 'cluster-id')
          .implies('cluster-id', 'from-arakoon')
          .implies('state', 'from-arakoon')
          .implies('final', 'from-arakoon')
          .epilogue(
            examples(
              ['$0 import --from a-to-c --config router.ini', ''],
              ['$0 import --from monday --key apple --config router.ini', 'one key, back again'],
              [
                '$0 import --from-arakoon h1:4000 --cluster-id ricky --config router.ini',
                'the way over: passes, until one changes nothing',
              ],
            ),
          ),
      async (args) => {
        const { from, fromArakoon, clusterId = '', state = null, final = false } = args;
        if (fromArakoon !== undefined) {
          refuseStray('import --from-arakoon', args, ['overwrite', 'dry-run']);
          const options = { ...args, fromArakoon, clusterId, state, final };
          await (await import('./import-arakoon-command.ts')).runImportFromArakoon(options);
          return;
        }
        if (from === undefined)
          throw new FatalError(
            'USAGE',
            'import takes --from FILE, or --from-arakoon HOST:PORT --cluster-id ID',
          );
        const { range, key } = args;
        await (await import('./export-command.ts')).runImport({ ...args, from, range, key });
      },
    );
}

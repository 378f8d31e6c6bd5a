#!/usr/bin/env node
/** The `nursery` command. Sole importer of yargs; each command's work is in a file beside this one. */
import yargs, { type Argv } from 'yargs';
import { EXIT_CODES } from '../errors.ts';
import { report } from './report.ts';

const CONFIG = { type: 'string', demandOption: true, describe: 'configuration file (INI)' } as const;

const parser: Argv = yargs(process.argv.slice(2))
  .scriptName('nursery')
  .parserConfiguration({ 'parse-numbers': false, 'parse-positional-numbers': false })
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
  .demandCommand(1, 'name a command')
  .strict()
  .help()
  .fail((message, error) => {
    if (error) throw error;
    console.error(`nursery: ${message}; see nursery --help`);
    process.exit(EXIT_CODES.USAGE);
  });

parser.parseAsync().catch(report);

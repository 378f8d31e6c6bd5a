/**
 * What signals do from the first moment on, imported before all else. It imports nothing of ours: what a module imports is
 * loaded before it runs.
 */
import inspector from 'node:inspector';

/** Commands that run until they are stopped. */
const SERVERS: readonly (string | undefined)[] = ['node', 'router', 'migrator', 'dev'];

/** Whether the command is one that runs until it is stopped; options may stand before it, of which each has one word. */
export const IS_SERVER: boolean = isServer(wordsOf(process.argv.slice(2)));

/** Signals that mean nothing to a server, and would end it. */
export const MEANINGLESS = ['SIGALRM', 'SIGVTALRM', 'SIGIO', 'SIGPWR'] as const;

const ignore = (): void => undefined;

// Without a handler Node opens its debugger, for every user of the machine; whatever the command is.
process.on('SIGUSR1', ignore);
closeInspector();
// One that came before is carried out between two turns of the event loop.
setImmediate(closeInspector);
// A log file is opened anew by them, and is not open yet. `dev` has its own word about SIGHUP: a terminal that is gone ends it.
if (IS_SERVER) for (const signal of ['SIGUSR2', ...MEANINGLESS] as const) process.on(signal, ignore);
if (IS_SERVER && wordsOf(process.argv.slice(2))[0] !== 'dev') process.on('SIGHUP', ignore);

function closeInspector(): void {
  const isWanted = [...process.execArgv, process.env['NODE_OPTIONS'] ?? ''].some((option) =>
    option.includes('--inspect'),
  );
  if (!isWanted && inspector.url() !== undefined) inspector.close();
}

/** With a further word `node` asks one that runs. */
function isServer([command, ...more]: readonly string[]): boolean {
  return SERVERS.includes(command) && (command !== 'node' || more.length === 0);
}

/** The words that are neither options nor, behind one, its value. */
function wordsOf(given: readonly string[]): string[] {
  return given.filter((word, index) => !word.startsWith('-') && !/^--[^=]+$/.test(given[index - 1] ?? ''));
}

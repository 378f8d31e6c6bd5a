/** `nursery dev`: a whole nursery on this machine in one command; `npm start` runs it with its tour. */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { present } from '../base/assert.ts';
import { EXIT_CODES, FatalError, NurseryError } from '../base/errors.ts';
import { LocalNursery } from './dev/local-nursery.ts';
import { printLine } from './output.ts';

type Arguments = {
  readonly dir: string | undefined;
  readonly tour: boolean;
  readonly once: boolean;
  readonly input: string | undefined;
};

/** Boots the nursery, shows it where wanted, and serves until SIGINT, SIGTERM or SIGHUP (its processes would outlive a terminal). */
export async function runDevCommand(args: Arguments): Promise<void> {
  if (args.dir === '') {
    // It would be the working directory, and what it holds.
    throw new NurseryError(
      'BAD_INPUT',
      '--dir is empty (a variable that is not set?); name a directory, or . for this one',
    );
  }
  if (args.dir?.startsWith('~')) {
    // The shell has not expanded it, because of quotes or an equals sign before it.
    throw new NurseryError('BAD_INPUT', `--dir ${args.dir}: ~ is not expanded here; write the path in full`);
  }
  if (!args.tour && (args.once || args.input !== undefined)) {
    throw new FatalError('USAGE', 'dev: --once and --input belong to --tour');
  }
  const interrupted = new Promise<void>((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => resolve());
  });
  const startedMs = performance.now();
  const nursery = await LocalNursery.start(args.dir);
  try {
    introduce(nursery, performance.now() - startedMs);
    await initOnce(nursery);
    const fine = args.tour ? await tour(nursery, args.input) : true;
    if (!fine) process.exitCode = EXIT_CODES.FAILED;
    if (args.tour && args.once) return;
    explain(nursery);
    await interrupted;
  } finally {
    await nursery.stop();
  }
}

async function tour(nursery: LocalNursery, input: string | undefined): Promise<boolean> {
  const { runTour } = await import('./dev/tour.ts');
  return await runTour(
    nursery,
    input ?? join(fileURLToPath(new URL('../../..', import.meta.url)), 'node_modules'),
  );
}

function introduce(nursery: LocalNursery, tookMs: number): void {
  printLine(
    `a nursery of ${nursery.members.length} processes is up after ${(tookMs / 1000).toFixed(1)} s, in ${nursery.dir}`,
  );
  for (const { name, child } of nursery.members) printLine(`  ${name.padEnd(10)} pid ${child.pid}`);
}

/** How long the router may take to hear the map, and how often it is asked (ms). */
const READY_MS = 30_000;
const ASK_EVERY_MS = 100;

/** The first cluster gets everything, unless an earlier run in this directory has seen to it. */
async function initOnce(nursery: LocalNursery): Promise<void> {
  const first = present(nursery.clusters[0], 'first cluster');
  const { code, output } = await nursery.run(['init', '--config', nursery.config, first]);
  if (code !== 0 && code !== EXIT_CODES.REFUSED) throw new NurseryError('REFUSED', output);
  printLine(code === 0 ? output : 'the nursery has its map already');
  await untilReady(nursery.routerPort);
}

/** The router was started together with the keeper: it answers once it has heard the map. */
async function untilReady(port: number): Promise<void> {
  const untilMs = performance.now() + READY_MS;
  for (;;) {
    const health = await fetch(`http://127.0.0.1:${port}/readyz`).catch(() => null);
    await health?.arrayBuffer();
    if (health?.status === 200) return;
    if (performance.now() >= untilMs)
      throw new NurseryError(
        'UNREACHABLE',
        `the router at port ${port} has heard no map within ${READY_MS} ms`,
      );
    await new Promise((resolve) => setTimeout(resolve, ASK_EVERY_MS));
  }
}

function explain(nursery: LocalNursery): void {
  const command = `nursery get --config ${nursery.config}`;
  printLine(`
serving until Ctrl-C
  in a browser:      ${nursery.dashboard}
  Arakoon clients:   127.0.0.1:${nursery.routerPort}, cluster id "nursery", node name "router"
  native clients:    NurseryClient.connect({ addresses: ['127.0.0.1:${nursery.routerPort}'] })
  command line:      ${command} KEY
  what is where:     nursery status --config ${nursery.config}
  try:               kill -9 one of the processes above, and ask again`);
}

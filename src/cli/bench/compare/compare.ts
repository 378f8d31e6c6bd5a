/** `nursery bench --compare`: the same load on servers of several kinds, started here, one after the other for each row. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EXIT_CODES, NurseryError } from '../../../base/errors.ts';
import { complain, printJson, printLine } from '../../output.ts';
import { Load } from '../load.ts';
import { parseMix, type Sizes, Workload } from '../operations.ts';
import type { Contestant } from './contestant.ts';
import { etcd } from './etcd.ts';
import { nursery } from './nursery.ts';
import { redis } from './redis.ts';

const COMPARED: { readonly [name: string]: () => Contestant } = { etcd, redis };

/** One load; null where it is not given, which means each of `ROWS`. */
export type Shape = { readonly mix: string; readonly connections: number; readonly outstanding: number };

export type CompareArguments = Sizes & {
  readonly compare: readonly string[];
  readonly shape: Shape | null;
  readonly seconds: number;
  readonly warmUp: number;
  readonly seed: number;
  readonly json: boolean;
};

/** What is loaded where nothing else is asked for. */
const ROWS: readonly Shape[] = [
  { mix: 'set', connections: 1, outstanding: 1 },
  { mix: 'set', connections: 10, outstanding: 1 },
  { mix: 'set', connections: 100, outstanding: 1 },
  { mix: 'set', connections: 256, outstanding: 1 },
  { mix: 'set', connections: 10, outstanding: 50 },
  { mix: 'get', connections: 1, outstanding: 1 },
  { mix: 'get', connections: 100, outstanding: 1 },
];
/** How all keys are set before anything is measured; longest time for it (s). */
const FILL: Shape = { mix: 'fill', connections: 50, outstanding: 10 };
const FILL_SECONDS_MAX = 3600;

/** What one kind of server did under one load. */
type Measured = Shape & {
  readonly name: string;
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Processor time of all its processes, for each operation (microseconds). */
  readonly cpuUs: number;
  readonly errorCount: number;
  readonly errors: { readonly [why: string]: number };
  /** Share of a core that the load generator used. */
  readonly generatorCpu: number;
};

/**
 * Starts them in a temporary directory, fills them, runs each row on each, and removes everything.
 *
 * @throws NurseryError REFUSED for an operation that one of them does not have; UNREACHABLE where one does not come up
 */
export async function compare(args: CompareArguments): Promise<void> {
  const contestants = [nursery(), ...args.compare.map(contestantOf)];
  const rows = args.shape === null ? ROWS : [args.shape];
  for (const { dialect } of contestants)
    for (const { mix } of rows) new Workload(parseMix(mix), args, args.seed, dialect); // refused before anything runs
  const dir = mkdtempSync(join(tmpdir(), 'nursery-compare-'));
  const end = (): void => {
    for (const { processes } of contestants) processes.kill();
    rmSync(dir, { recursive: true, force: true });
  };
  process.once('exit', end);
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.once(signal, () => process.exit(EXIT_CODES.FAILED));
  for (const contestant of contestants) {
    await contestant.start(dir);
    complain(`${contestant.name} is up: ${contestant.how}; ${args.keys} keys are set`);
    // One key to a request: what the others can do as well.
    await run({ ...args, sequenceUpdates: 1, seconds: FILL_SECONDS_MAX, warmUp: 0 }, FILL, contestant);
  }
  for (const row of rows) {
    const all: Measured[] = [];
    for (const contestant of contestants) all.push(await run(args, row, contestant));
    if (args.json) for (const measured of all) printJson(measured);
    else for (const line of linesOf(row, all)) printLine(line);
  }
  process.off('exit', end);
  end();
}

function contestantOf(name: string): Contestant {
  const create = COMPARED[name];
  if (create !== undefined) return create();
  throw new NurseryError(
    'REFUSED',
    `nothing is known of ${name || 'no name'} to compare with; there are: ${Object.keys(COMPARED).join(', ')}`,
  );
}

async function run(args: CompareArguments, shape: Shape, contestant: Contestant): Promise<Measured> {
  const workload = new Workload(parseMix(shape.mix), args, args.seed, contestant.dialect);
  const load = new Load(workload, {
    ...shape,
    seconds: args.seconds,
    warmUpSeconds: args.warmUp,
    connect: contestant.connect,
    processorMs: () => contestant.processes.processorMs(),
    onProgress: () => undefined,
  });
  const { seconds, tally, generatorCpu, processorMs } = await load.run();
  const { operations, perSecond, latencyMs } = tally.figures(seconds).total;
  return {
    ...shape,
    name: contestant.name,
    perSecond,
    p50Ms: latencyMs.p50,
    p99Ms: latencyMs.p99,
    cpuUs: operations === 0 ? 0 : (processorMs * 1000) / operations,
    errorCount: tally.errorCount,
    errors: tally.errors,
    generatorCpu,
  };
}

/** A row for people: the load, then each kind with how much of its rate ours reaches. */
function linesOf({ mix, connections, outstanding }: Shape, all: readonly Measured[]): string[] {
  const [ours] = all;
  const each = outstanding === 1 ? '' : `, ${outstanding} outstanding of each`;
  const lines = all.map((measured) => {
    const { name, perSecond, p50Ms, p99Ms, cpuUs, generatorCpu, errors } = measured;
    const ratio = measured === ours ? '' : `, ours ${((ours?.perSecond ?? 0) / perSecond).toFixed(2)} times`;
    const failed = Object.entries(errors).map(([why, times]) => `; ${times} × ${why}`);
    const cpu = `${Math.round(cpuUs)} µs of CPU each, generator ${Math.round(generatorCpu * 100)} % of a core`;
    const rate = `${Math.round(perSecond).toLocaleString('en-US')}/s`;
    const latency = `p50 ${p50Ms.toFixed(2)} ms, p99 ${p99Ms.toFixed(2)} ms`;
    return `  ${name.padEnd(8)}${rate.padStart(10)}, ${latency}, ${cpu}${ratio}${failed.join('')}`;
  });
  return [`${mix}, ${connections} connection${connections === 1 ? '' : 's'}${each}`, ...lines];
}

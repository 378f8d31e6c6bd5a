/** `nursery bench`: a closed-loop load, and what it measured. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { NurseryError } from '../base/errors.ts';
import { arakoonWire } from './bench/arakoon-wire.ts';
import type { Place } from './bench/client.ts';
import { compare } from './bench/compare/compare.ts';
import { MasterFinder, placeOf } from './bench/find-master.ts';
import { LinkLoadClient } from './bench/link-client.ts';
import { Load, type LoadOptions, type LoadResult, type Second } from './bench/load.ts';
import { parseMix, type Sizes, Workload } from './bench/operations.ts';
import type { Figures } from './bench/tally.ts';
import { TcpLoadClient } from './bench/tcp-client.ts';
import { readTarget } from './connections.ts';
import { complain, printJson, printLine } from './output.ts';

/** The command's options, as yargs reads them. */
export type BenchArguments = Sizes & {
  readonly config: string | undefined;
  readonly node: string | undefined;
  readonly null: boolean;
  /** Others that are measured beside a cluster of ours, all of them started here. */
  readonly compare: readonly string[];
  readonly transport: 'tcp' | 'ws';
  /** Left out: 100 connections, one outstanding request of each, and sets; of a comparison, all of its rows. */
  readonly connections: number | undefined;
  readonly outstanding: number | undefined;
  readonly mix: string | undefined;
  readonly seconds: number;
  readonly warmUp: number;
  readonly seed: number;
  readonly json: boolean;
};

/**
 * Runs one load to its end and prints what it measured. Progress goes to standard error, a line per second.
 *
 * @throws NurseryError REFUSED for options that make no load
 */
export async function runBench(args: BenchArguments): Promise<void> {
  check(args);
  const { connections = 100, outstanding = 1, mix = 'set' } = args;
  if (args.compare.length > 0) {
    const isGiven = [args.connections, args.outstanding, args.mix].some((given) => given !== undefined);
    await compare({ ...args, shape: isGiven ? { connections, outstanding, mix } : null });
    return;
  }
  const workload = new Workload(parseMix(mix), args, args.seed);
  const nullServer = args.null ? await startNullServer(args.valueBytes) : null;
  try {
    const find = nullServer === null ? finder(args) : () => Promise.resolve(nullServer.place);
    await find(); // whom nobody can reach, nobody can measure
    const { transport, seconds, warmUp, json } = args;
    const options: LoadOptions = {
      connections,
      outstanding,
      seconds,
      warmUpSeconds: warmUp,
      connect: async (load, lost) => {
        const place = await find();
        return transport === 'tcp'
          ? new TcpLoadClient(load, place, arakoonWire, lost)
          : new LinkLoadClient(load, place, lost);
      },
      onProgress: (second) => complain(json ? JSON.stringify(second) : lineOf(second)),
    };
    print(await new Load(workload, options).run(), json);
  } finally {
    nullServer?.process.disconnect();
  }
}

function check(args: BenchArguments): void {
  if (String(args.keys - 1).length > args.keyBytes) {
    throw new NurseryError('REFUSED', `${args.keys} keys need more than ${args.keyBytes} bytes each`);
  }
  if (args.transport === 'ws' && (args.null || args.compare.length > 0)) {
    throw new NurseryError('REFUSED', `${args.null ? 'the null server speaks' : 'others speak'} TCP only`);
  }
}

function finder(args: BenchArguments): () => Promise<Place> {
  if (args.config === undefined)
    throw new NurseryError('REFUSED', 'name a configuration, or --null, or --compare');
  const { front, isRouter } = readTarget(args.config);
  const [first] = front.nodes;
  const name = args.node ?? (isRouter ? first?.name : undefined);
  if (name === undefined) return new MasterFinder(front).find;
  const place = placeOf(front, name);
  return () => Promise.resolve(place);
}

async function startNullServer(
  valueBytes: number,
): Promise<{ readonly process: ChildProcess; readonly place: Place }> {
  const file = fileURLToPath(new URL('./bench/null-server.js', import.meta.url));
  const child = fork(file, [String(valueBytes)]);
  const [port] = (await once(child, 'message')) as [number];
  return { process: child, place: { host: '127.0.0.1', port, cluster: 'null' } };
}

function lineOf({ seconds, perSecond, p99Ms, errors }: Second): string {
  return `${Math.round(seconds)} s: ${count(perSecond)}/s, p99 ${ms(p99Ms)}, ${errors} errors`;
}

function print({ seconds, tally, generatorCpu }: LoadResult, json: boolean): void {
  const { total, byOperation } = tally.figures(seconds);
  const { errors, errorCount, longestSilenceMs } = tally;
  if (json) {
    printJson({ seconds, ...total, byOperation, errors, errorCount, longestSilenceMs, generatorCpu });
    return;
  }
  for (const [name, figures] of Object.entries(byOperation)) printLine(`${name}: ${describe(figures)}`);
  if (Object.keys(byOperation).length !== 1) printLine(`all: ${describe(total)}`);
  for (const [why, times] of Object.entries(errors)) printLine(`error: ${why}, ${times} times`);
  printLine(`longest time without an answer: ${ms(longestSilenceMs)}`);
  printLine(`generator: ${Math.round(generatorCpu * 100)} % of one core`);
}

function describe({ operations, perSecond, unitsPerSecond, latencyMs }: Figures): string {
  const units = unitsPerSecond === perSecond ? '' : ` (${count(unitsPerSecond)} keys/s)`;
  const { p50, p90, p99, p999, max } = latencyMs;
  const latency = `p50 ${ms(p50)}, p90 ${ms(p90)}, p99 ${ms(p99)}, p99.9 ${ms(p999)}, max ${ms(max)}`;
  return `${count(operations)} in all, ${count(perSecond)}/s${units}; ${latency}`;
}

function count(value: number): string {
  return Math.round(value).toLocaleString('en-US');
}

function ms(value: number): string {
  return `${value.toFixed(value < 10 ? 2 : 1)} ms`;
}

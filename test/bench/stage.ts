/** What scenarios have in common: clusters sized for measuring, loads in processes of their own, figures of nodes. */
import { readFileSync } from 'node:fs';
import type { Percentiles } from '../../src/cli/bench/histogram.ts';
import type { Field } from '../../src/protocol/arakoon/statistics.ts';
import { TestCluster } from '../support/clusters.ts';
import type { Lab, NurseryProcess } from '../support/processes.ts';
import type { Report } from './report.ts';

/** How long a load runs unless the scenario says otherwise (s). */
export const SECONDS = 6;
/** For rates: what is to be measured has been compiled before, which takes seconds on busy cores. */
export const WARM = { 'warm-up': 5 } as const;
/** Keys of the big scenarios. */
export const KEYS = 1_000_000;

/** Longest that setting all keys of a scenario may take (s). */
const FILL_SECONDS_MAX = 1200;

/** What a scenario works with. */
export type Stage = { readonly lab: Lab; readonly report: Report };

/** What `nursery bench --json` prints. */
export type Measured = {
  readonly seconds: number;
  readonly operations: number;
  readonly perSecond: number;
  readonly unitsPerSecond: number;
  readonly latencyMs: Percentiles;
  readonly errors: { readonly [why: string]: number };
  readonly errorCount: number;
  readonly longestSilenceMs: number;
  readonly generatorCpu: number;
};

export type LoadArguments = { readonly [option: string]: string | number };

/** A load that runs; `file` null loads a server that only answers. */
export class RunningLoad {
  readonly #process: NurseryProcess;
  readonly #seconds: number;

  constructor(lab: Lab, file: string | null, options: LoadArguments) {
    const all: LoadArguments = { seconds: SECONDS, ...options };
    const args = Object.entries(all).flatMap(([name, value]) => [`--${name}`, String(value)]);
    const target = file === null ? ['--null'] : ['--config', file];
    this.#process = lab.start('bench', ['bench', ...target, '--json', ...args]);
    this.#seconds = Number(all['seconds']);
  }

  /** @throws Error where the load could not be run */
  async result(): Promise<Measured> {
    const { code, stdout, stderr } = await this.#process.finished(this.#seconds * 1000 + 60_000);
    const line = stdout.trim().split('\n').at(-1) ?? '';
    if (code !== 0 || !line.startsWith('{'))
      throw new Error(`bench ended with ${code}: ${stderr.slice(-500)}`);
    return JSON.parse(line) as Measured;
  }
}

export function load(lab: Lab, file: string | null, options: LoadArguments): Promise<Measured> {
  return new RunningLoad(lab, file, options).result();
}

/** Sets every one of `keys` keys once. Returns keys per second. */
export async function fill(lab: Lab, file: string, keys: number): Promise<number> {
  const options = {
    mix: 'fill',
    keys,
    'sequence-updates': 100,
    connections: 8,
    seconds: FILL_SECONDS_MAX,
    'warm-up': 0,
  };
  const { unitsPerSecond, errors, errorCount } = await load(lab, file, options);
  if (errorCount > 0) throw new Error(`fill: ${JSON.stringify(errors)}`);
  return unitsPerSecond;
}

/** Three nodes with the product's own sizes, where tests have small ones. */
export function startCluster(lab: Lab, clusterId: string, leaseSeconds = 2): Promise<TestCluster> {
  return TestCluster.start(lab, { clusterId, extra: benchSettings(leaseSeconds) });
}

export function benchSettings(leaseSeconds: number): { readonly [key: string]: string } {
  return { lease_period: String(leaseSeconds), tlog_max_size: '64_000_000' };
}

/**
 * Shares of a core that the main threads of `pids` had from now until `end` is called, and for which they were ready and had to
 * wait, on average. Linux counts both (`/proc/PID/schedstat`, ns).
 */
export function coreShares(pids: readonly number[]): { end(): { ran: number; waited: number } } {
  const read = (): [ran: number, waited: number] => {
    const all = pids.map((pid) => readFileSync(`/proc/${pid}/schedstat`, 'utf8').split(' ').map(Number));
    return [
      all.reduce((sum, [ran = 0]) => sum + ran, 0),
      all.reduce((sum, [, waited = 0]) => sum + waited, 0),
    ];
  };
  const beganMs = performance.now();
  const before = read();
  return {
    end: () => {
      const after = read();
      const ns = (performance.now() - beganMs) * 1e6 * pids.length;
      return { ran: (after[0] - before[0]) / ns, waited: (after[1] - before[1]) / ns };
    },
  };
}

/** A node's statistics by name, those that are numbers. */
export async function figuresOf(cluster: TestCluster, node: string): Promise<Map<string, number>> {
  const fields = await cluster.ask(node, (client) => client.statistics());
  return new Map(
    fields.flatMap((field: Field) => (typeof field.value === 'number' ? [[field.name, field.value]] : [])),
  );
}

/** Sum over all nodes of what their statistics say. */
export async function totalOf(cluster: TestCluster, name: string): Promise<number> {
  const figures = await Promise.all(cluster.nodes.map((node) => figuresOf(cluster, node.name)));
  return figures.reduce((sum, figure) => sum + (figure.get(name) ?? 0), 0);
}

/** The greatest of heap and external memory over all nodes (MiB). */
export async function memoryOf(cluster: TestCluster): Promise<number> {
  const figures = await Promise.all(cluster.nodes.map((node) => figuresOf(cluster, node.name)));
  const bytes = figures.map(
    (figure) => (figure.get('heap_bytes') ?? 0) + (figure.get('external_bytes') ?? 0),
  );
  return Math.max(...bytes) / 1024 / 1024;
}

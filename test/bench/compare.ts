/** Ours beside Debian's etcd and Redis, in turn on this machine: ratios, which a slow machine changes less than rates. */
import type { Stage } from './stage.ts';

/** Different keys, all of them there before anything is measured. */
const KEYS = 200_000;
/** How long each row of each kind is measured (s), and how long all of it may take (ms). */
const SECONDS = 10;
const WITHIN_MS = 20 * 60_000;

/** A line of `nursery bench --compare --json`. */
type Line = {
  readonly name: string;
  readonly mix: string;
  readonly connections: number;
  readonly outstanding: number;
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly cpuUs: number;
  readonly errorCount: number;
};

/** What is wanted of ours, by row: its rate over that of etcd and of Redis, its processor time (microseconds), its latency (ms). */
const TARGETS: { readonly [row: string]: Partial<Wanted> } = {
  'set, 1 × 1': { etcd: 2, p50Ms: 0.45, p99Ms: 1.5 },
  'set, 100 × 1': { etcd: 6, cpuUs: 35, p99Ms: 8 },
  'set, 256 × 1': { etcd: 6, cpuUs: 26, p99Ms: 15 },
  'set, 10 × 50': { etcd: 6, cpuUs: 15 },
  'get, 100 × 1': { redis: 1 },
};
type Wanted = {
  readonly etcd: number;
  readonly redis: number;
  readonly cpuUs: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
};

export async function compare({ lab, report }: Stage): Promise<void> {
  report.begin(
    `beside etcd and Redis, ${KEYS} keys of 16 bytes with 100-byte values (connections × outstanding)`,
  );
  const options = ['--keys', String(KEYS), '--seconds', String(SECONDS), '--warm-up', '3'];
  const ran = await lab.run(['bench', '--compare', 'etcd,redis', '--json', ...options], WITHIN_MS);
  if (ran.code !== 0) throw new Error(ran.stderr.trim());
  const rows = new Map<string, Map<string, Line>>();
  for (const text of ran.stdout.trim().split('\n')) {
    const line = JSON.parse(text) as Line;
    const row = `${line.mix}, ${line.connections} × ${line.outstanding}`;
    rows.set(row, (rows.get(row) ?? new Map<string, Line>()).set(line.name, line));
  }
  for (const [row, lines] of rows) {
    const ours = lines.get('nursery');
    if (ours === undefined) throw new Error(`${row}: nothing of ours was measured`);
    const { etcd, redis, ...own } = TARGETS[row] ?? {};
    const add = (what: string, unit: string, measured: number, target: number | undefined, more: boolean) =>
      report.add({
        what: `${row}: ${what}`,
        unit,
        measured,
        better: more ? 'more' : 'less',
        ...(target === undefined ? {} : { target }),
      });
    add('rate', 'per second', ours.perSecond, undefined, true);
    add('over etcd', 'times', ours.perSecond / (lines.get('etcd')?.perSecond ?? 0), etcd, true);
    add('over Redis', 'times', ours.perSecond / (lines.get('redis')?.perSecond ?? 0), redis, true);
    add('processor time of all three nodes', 'µs each', ours.cpuUs, own.cpuUs, false);
    add('p50', 'ms', ours.p50Ms, own.p50Ms, false);
    add('p99', 'ms', ours.p99Ms, own.p99Ms, false);
    for (const { name, errorCount } of lines.values())
      add(`errors of ${name}`, 'count', errorCount, 0, false);
  }
}

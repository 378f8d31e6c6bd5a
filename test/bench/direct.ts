/** One cluster of three nodes, loaded straight at the master. */
import { fill, KEYS, load, memoryOf, type Stage, startCluster, totalOf, WARM } from './stage.ts';

/** What the load generator reaches against a server that only answers: everything else is at most this. */
export async function generator({ lab, report }: Stage): Promise<void> {
  report.begin('load generator, against a server that only answers');
  for (const [mix, connections] of [
    ['set', 100],
    ['get', 100],
    ['get', 1],
  ] as const) {
    const { perSecond, generatorCpu } = await load(lab, null, { ...WARM, mix, connections, seconds: 3 });
    const what = `${mix}s, ${connections} connection${connections === 1 ? '' : 's'}`;
    report.add({ what, unit: 'per second', measured: perSecond, better: 'more' });
    report.add({ what: 'share of one core that it uses', unit: '', measured: generatorCpu, better: 'less' });
  }
}

/** How long sets run before they are measured: until the keys of the beginning are in the store's file. */
const SETTLE_SECONDS = 15;

type Case = {
  readonly what: string;
  readonly options: { readonly [option: string]: string | number };
  readonly perSecond?: number;
  readonly unitsPerSecond?: number;
  readonly p50Ms?: number;
  readonly p99Ms?: number;
};

const CASES: readonly Case[] = [
  { what: 'sets, 100 connections', options: { connections: 100 }, perSecond: 36_000, p99Ms: 10 },
  { what: 'sets, 256 connections', options: { connections: 256 }, perSecond: 42_000, p99Ms: 20 },
  {
    what: 'sets, 10 connections, 50 outstanding',
    options: { connections: 10, outstanding: 50 },
    perSecond: 65_000,
  },
  { what: 'sets, 1 connection', options: { connections: 1 }, perSecond: 1900, p50Ms: 0.5 },
  { what: 'gets, 1 connection', options: { connections: 1, mix: 'get' }, perSecond: 13_000 },
  { what: 'gets, 100 connections', options: { connections: 100, mix: 'get' }, perSecond: 80_000 },
  {
    what: 'sequences of 10 sets, 100 connections',
    options: { connections: 100, mix: 'sequence', 'sequence-updates': 10 },
    perSecond: 6000,
  },
  {
    what: 'range_entries of 1,000 entries, 4 connections',
    options: { connections: 4, mix: 'range-entries', 'range-entries': 1000 },
    unitsPerSecond: 600_000,
  },
];

/** Rates and latencies; then what an update costs in messages and syncs, and what a node costs in memory. */
export async function direct({ lab, report }: Stage, only: string): Promise<void> {
  const cluster = await startCluster(lab, 'direct');
  const filled = await fill(lab, cluster.file, KEYS);
  report.begin('straight at the master, 1,000,000 keys of 16 bytes with 100-byte values');
  report.add({ what: 'keys set by sequences of 100', unit: 'per second', measured: filled, better: 'more' });
  report.add({
    what: 'memory of a node after them',
    unit: 'MiB',
    target: 250,
    measured: await memoryOf(cluster),
    better: 'less',
  });
  await load(lab, cluster.file, { seconds: SETTLE_SECONDS });
  for (const { what, options, perSecond, unitsPerSecond, p50Ms, p99Ms } of CASES) {
    if (!what.includes(only)) continue;
    const measured = await load(lab, cluster.file, { ...WARM, ...options });
    const { p50, p99 } = measured.latencyMs;
    if (perSecond !== undefined) {
      report.add({
        what,
        unit: 'per second',
        target: perSecond,
        measured: measured.perSecond,
        better: 'more',
      });
    }
    if (unitsPerSecond !== undefined) {
      const entries = measured.unitsPerSecond;
      report.add({ what, unit: 'entries/s', target: unitsPerSecond, measured: entries, better: 'more' });
    }
    if (p50Ms !== undefined)
      report.add({ what: `${what}: p50`, unit: 'ms', target: p50Ms, measured: p50, better: 'less' });
    if (p99Ms !== undefined)
      report.add({ what: `${what}: p99`, unit: 'ms', target: p99Ms, measured: p99, better: 'less' });
  }
  report.begin('cost of an update, over all three nodes, as their statistics say');
  for (const { connections, messages, syncs } of [
    { connections: 1, messages: 6, syncs: 3.5 },
    { connections: 256, messages: 0.5, syncs: 0.3 },
  ]) {
    await load(lab, cluster.file, { connections });
    const what = `${connections} connection${connections === 1 ? '' : 's'}`;
    report.add({
      what: `${what}: messages`,
      unit: 'per update',
      target: messages,
      measured: await totalOf(cluster, 'messages_per_update'),
      better: 'less',
    });
    report.add({
      what: `${what}: disk syncs`,
      unit: 'per update',
      target: syncs,
      measured: await totalOf(cluster, 'syncs_per_update'),
      better: 'less',
    });
  }
  await cluster.killAll();
}

/** Memory under a steady load: does it rise? Ten minutes where there is time, one otherwise. */
export async function memory({ lab, report }: Stage, minutes: number): Promise<void> {
  const cluster = await startCluster(lab, 'memory');
  report.begin(`memory of a node, steady load for ${minutes} min`);
  const options = { connections: 50, keys: 100_000, seconds: (minutes * 60) / 3 };
  await load(lab, cluster.file, { ...options, seconds: 20 }); // what a node takes once, and keeps
  const seen: number[] = [];
  for (let third = 0; third < 3; third += 1) {
    await load(lab, cluster.file, options);
    seen.push(await memoryOf(cluster));
  }
  const [first = 0, , last = 0] = seen;
  report.add({
    what: 'heap and external at the end',
    unit: 'MiB',
    target: 250,
    measured: last,
    better: 'less',
  });
  report.add({
    what: 'the last third over the first',
    unit: 'factor',
    target: 1.25,
    measured: last / first,
    better: 'less',
  });
  await cluster.killAll();
}

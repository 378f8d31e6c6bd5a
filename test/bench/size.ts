/** What a set costs at any size: random keys among more and more of them, all of which are there. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { present } from '../../src/base/assert.ts';
import { processorMsOf } from '../../src/process/processor-time.ts';
import type { TestCluster } from '../support/clusters.ts';
import { fill, load, type Stage, startCluster } from './stage.ts';

/** Keys of each step, in millions, up to what is asked for. */
const MILLIONS = [0.5, 1, 2, 4, 8, 16, 20];
/** Of a key and its value (bytes). */
const ROW_BYTES = 116;
/** How long each step is measured (s), behind what has been flushed meanwhile. */
const MEASURED = { connections: 20, outstanding: 10, seconds: 20, 'warm-up': 10 } as const;

/** What the nodes of a cluster have used so far: processor time (ms), bytes that were written to the disk. */
type Used = { readonly cpuMs: number; readonly written: number };

/** @param most millions of keys of the last step */
export async function size({ lab, report }: Stage, most: number): Promise<void> {
  report.begin('random sets among so many keys, 20 connections × 10 outstanding, three nodes');
  const cluster = await startCluster(lab, 'size');
  let first: { readonly cpuUs: number; readonly perSecond: number } | null = null;
  for (const millions of MILLIONS.filter((count) => count <= most)) {
    const keys = millions * 1_000_000;
    await fill(lab, cluster.file, keys);
    const before = usedBy(cluster);
    const ran = await load(lab, cluster.file, { ...MEASURED, keys });
    const after = usedBy(cluster);
    // The load warms up before it counts, at the same rate.
    const sets = (ran.operations / MEASURED.seconds) * (MEASURED.seconds + MEASURED['warm-up']);
    const cpuUs = ((after.cpuMs - before.cpuMs) * 1000) / sets;
    const add = (
      what: string,
      unit: string,
      measured: number,
      target?: number,
      better: 'more' | 'less' = 'less',
    ) =>
      report.add({
        what: `${millions} M: ${what}`,
        unit,
        measured,
        better,
        ...(target === undefined ? {} : { target }),
      });
    add('sets', 'per second', ran.perSecond, first === null ? undefined : 0.7 * first.perSecond, 'more');
    add(
      'processor time of all three nodes',
      'µs a set',
      cpuUs,
      first === null ? undefined : 1.5 * first.cpuUs,
    );
    add('p99', 'ms', ran.latencyMs.p99);
    add('p99.9', 'ms', ran.latencyMs.p999, 100);
    add('anonymous memory of the largest node', 'MB', anonymousBytes(cluster) / 1e6, 350);
    add('store on disk over its rows', 'times', storeBytes(cluster) / (keys * ROW_BYTES), 2.5);
    add(
      'written to the disk over what was set, a node',
      'times',
      (after.written - before.written) / 3 / (sets * ROW_BYTES),
      14,
    );
    report.addErrors(ran);
    first ??= { cpuUs, perSecond: ran.perSecond };
  }
}

function pidsOf(cluster: TestCluster): number[] {
  return cluster.nodes.map(({ name }) => present(cluster.process(name).pid, 'pid'));
}

function usedBy(cluster: TestCluster): Used {
  const cpuMs = pidsOf(cluster).reduce((sum, pid) => sum + processorMsOf(pid), 0);
  return { cpuMs, written: writtenTo(present(cluster.nodes[0], 'node').home) };
}

/** What the device below `path` has written since the machine started (bytes): `/proc/PID/io` counts a mapped page many times. */
function writtenTo(path: string): number {
  const { dev } = statSync(path);
  const device = `${dev >> 8}:${dev & 0xff}`;
  return Number(readFileSync(`/sys/dev/block/${device}/stat`, 'utf8').trim().split(/\s+/)[6]) * 512;
}

/** Of the node that has most. */
function anonymousBytes(cluster: TestCluster): number {
  const each = pidsOf(cluster).map((pid) =>
    Number(/^RssAnon:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]),
  );
  return Math.max(...each) * 1024;
}

/** Of the node that has most: all files of its store. */
function storeBytes({ nodes }: TestCluster): number {
  const each = nodes.map(({ home }) =>
    readdirSync(join(home, 'store')).reduce((sum, file) => sum + statSync(join(home, 'store', file)).size, 0),
  );
  return Math.max(...each);
}

/** The range map at the size of a very big nursery, in this process alone. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { decode, encode } from '../../src/protocol/codec.ts';
import { carve, lookup, type RangeMap, rangeMapCodec } from '../../src/rangemap.ts';
import type { Stage } from './stage.ts';

const RANGES = 100_000;
const CLUSTERS = 1000;
const LOOKUPS = 2_000_000;
const CHANGES = 300;

export function rangeMap({ report }: Pick<Stage, 'report'>): void {
  report.begin('range map of 100,000 ranges over 1,000 clusters');
  const before = heapBytes();
  const bytes = encode(rangeMapCodec, bigMap());
  let beganMs = performance.now();
  let map = decode(rangeMapCodec, bytes);
  const decodeMs = performance.now() - beganMs;
  const heap = heapBytes() - before - bytes.length;

  const keys = Array.from({ length: 1000 }, (_, i) => keyOf((i * 7919) % RANGES));
  let found = 0;
  beganMs = performance.now();
  for (let i = 0; i < LOOKUPS; i += 1) found += lookup(map, keys[i % keys.length] as string)?.epoch ?? 0;
  const lookupUs = ((performance.now() - beganMs) * 1000) / LOOKUPS;
  if (found < 0) throw new Error('epochs are not negative');

  beganMs = performance.now();
  for (let i = 0; i < CHANGES; i += 1) {
    const at = (i * 331) % (RANGES - 1);
    map = carve(map, { lo: keyOf(at), hi: keyOf(at + 1) }, `c${i % CLUSTERS}`, map.version + 1);
  }
  const changeMs = (performance.now() - beganMs) / CHANGES;
  report.add({ what: 'lookup', unit: 'µs', target: 1, measured: lookupUs, better: 'less' });
  report.add({ what: 'applying one change', unit: 'ms', target: 1, measured: changeMs, better: 'less' });
  report.add({
    what: 'memory of the map',
    unit: 'MiB',
    target: 100,
    measured: heap / 2 ** 20,
    better: 'less',
  });
  report.add({ what: 'the map on the wire', unit: 'MiB', measured: bytes.length / 2 ** 20, better: 'less' });
  report.add({ what: 'decoding it', unit: 'ms', measured: decodeMs, better: 'less' });
}

function keyOf(index: number): string {
  return String(index).padStart(16, '0');
}

function bigMap(): RangeMap {
  const entries = Array.from({ length: RANGES }, (_, i) => ({
    lo: i === 0 ? '' : keyOf(i),
    hi: i === RANGES - 1 ? null : keyOf(i + 1),
    owner: `c${i % CLUSTERS}`,
    epoch: i,
  }));
  return { version: 1, entries };
}

/** The heap, after what is garbage is gone. */
function heapBytes(): number {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  collect();
  return process.memoryUsage().heapUsed;
}

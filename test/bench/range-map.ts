/** The range map at the size of a very big nursery, in this process alone. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { Machine } from '../../node/machine/machine.ts';
import { INITIAL_STATE, storeState } from '../../node/machine/system-state.ts';
import { MemoryStore } from '../../node/store/memory-store.ts';
import { createRouter, step } from '../../router/core/step.ts';
import { changeBetween, MapFollower } from '../../src/client/map-follower.ts';
import { NO_ROWS } from '../../src/keyspace/digest.ts';
import { carve, lookup, RangeMap, rangeMapCodec } from '../../src/keyspace/rangemap.ts';
import {
  type AdminAnswer,
  type AdminCommand,
  type ClusterConfig,
  decodeAnswer,
  mapPushCodec,
} from '../../src/protocol/admin/admin.ts';
import { encodeBatch } from '../../src/protocol/arakoon/batch.ts';
import { encodeUpdate } from '../../src/protocol/arakoon/updates.ts';
import type { Answer } from '../../src/protocol/arakoon/values.ts';
import { VERSION } from '../../src/version.ts';
import { decode, encode } from '../../src/wire/codec.ts';
import { NO_RUNNER } from '../support/no-runner.ts';
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
  keeperChanges({ report });
}

/** What a change costs keeper and router: applied and persisted there, pushed, taken in here. */
function keeperChanges({ report }: Pick<Stage, 'report'>): void {
  const store = new MemoryStore();
  const configs = new Map(
    Array.from({ length: CLUSTERS }, (_, i): [string, ClusterConfig] => [`c${i}`, configOf(`c${i}`)]),
  );
  const rows = new Map(Machine.found(Machine.genesis({ nursery: true })));
  const state = { ...INITIAL_STATE, map: bigMap(), lastMid: RANGES, configs };
  storeState(INITIAL_STATE, state, (key, value) => rows.set(key, value));
  store.commit(rows, 0);
  let beganMs = performance.now();
  const machine = new Machine(store, NO_RUNNER);
  const loadMs = performance.now() - beganMs;
  const router = createRouter({ name: 'r', clusterId: 'bench', version: VERSION, nowMs: 0 });
  const follower = new MapFollower();
  let before = machine.keeperMap();
  beganMs = performance.now();
  encode(mapPushCodec, { kind: 'whole', ...before });
  const wholeMs = performance.now() - beganMs;
  const first = follower.whole(before);
  if (first === null) throw new Error('a first map is news');
  beganMs = performance.now();
  step(router, { kind: 'map', nowMs: 0, ...first });
  const adoptMs = performance.now() - beganMs;

  const apply = (command: AdminCommand): AdminAnswer => {
    const work = machine.apply(store.slot + 1, encodeBatch([encodeUpdate({ kind: 'admin', command })]));
    let next = work.next();
    while (next.done !== true) next = work.next();
    store.commit(next.value.changes, store.slot + 1);
    next.value.commit();
    return decodeAnswer((next.value.answers[0] as Answer).bytes);
  };
  const spentMs = { keeper: 0, push: 0, router: 0 };
  let bytes = 0;
  for (let i = 0; i < CHANGES; i += 1) {
    const at = (i * 331) % (RANGES - 1);
    const [source, target] = [`c${at % CLUSTERS}`, `c${(at + 1) % CLUSTERS}`];
    const range = { lo: `${keyOf(at)}5`, hi: keyOf(at + 1) };
    const planned = apply({ kind: 'plan', source, target, ...range });
    if (planned.kind !== 'planned') throw new Error(`plan: ${JSON.stringify(planned)}`);
    const { mid } = planned;
    apply({ kind: 'claim', mid, tokenSeen: 0 });
    const receipt = { sealSlot: 0, digest: NO_ROWS, pauseMs: 0, pauseAtLeast: false };
    beganMs = performance.now();
    const published = apply({ kind: 'publish', mid, token: 1, receipt });
    const appliedMs = performance.now();
    if (published.kind !== 'ok') throw new Error(`publish: ${JSON.stringify(published)}`);
    const after = machine.keeperMap();
    const push = encode(mapPushCodec, { kind: 'change', ...changeBetween(before, after) });
    before = after;
    const pushedMs = performance.now();
    const change = decode(mapPushCodec, push);
    const news = change.kind === 'change' ? follower.change(change) : null;
    if (news === null || news === 'behind') throw new Error('a change follows the one before');
    step(router, { kind: 'map', nowMs: i, ...news });
    spentMs.keeper += appliedMs - beganMs;
    spentMs.push += pushedMs - appliedMs;
    spentMs.router += performance.now() - pushedMs;
    bytes += push.length;
    apply({ kind: 'finish', mid, token: 1 });
  }
  const each = (what: string, ms: number): void =>
    report.add({ what, unit: 'ms', target: 1, measured: ms / CHANGES, better: 'less' });
  each('a change at the keeper: applied and persisted', spentMs.keeper);
  each('a change at the keeper: told to watchers', spentMs.push);
  each('a change at a router', spentMs.router);
  report.add({ what: 'a change on the wire', unit: 'bytes', measured: bytes / CHANGES, better: 'less' });
  report.add({ what: 'the keeper starts with the map', unit: 'ms', measured: loadMs, better: 'less' });
  report.add({ what: 'the first whole push', unit: 'ms', measured: wholeMs, better: 'less' });
  report.add({ what: 'a router takes in a whole map', unit: 'ms', measured: adoptMs, better: 'less' });
}

function configOf(cluster: string): ClusterConfig {
  const nodes = [1, 2, 3].map((i) => ({ name: `${cluster}n${i}`, ips: ['10.0.0.1'], port: 4000 + i }));
  return { cluster, nodes };
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
  return RangeMap.of(1, entries);
}

/** The heap, after what is garbage is gone. */
function heapBytes(): number {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  collect();
  return process.memoryUsage().heapUsed;
}

/** What a set and a get cost in one process, without a network or a disk: read from bytes, routed, applied (ns). */
import { Machine } from '../../node/machine/machine.ts';
import { MemoryStore } from '../../node/store/memory-store.ts';
import type { Work } from '../../node/store/types.ts';
import { classify } from '../../router/core/classify.ts';
import { createRouter, step } from '../../router/core/step.ts';
import type { Router } from '../../router/core/types.ts';
import { RangeMap } from '../../src/keyspace/rangemap.ts';
import { encodeBatch } from '../../src/protocol/arakoon/batch.ts';
import { OK, okBytes, okOptionalText } from '../../src/protocol/arakoon/replies.ts';
import { decodeRequest, encodeRequest, scanRequest, updateOf } from '../../src/protocol/arakoon/requests.ts';
import { encodeUpdate } from '../../src/protocol/arakoon/updates.ts';
import type { Answer } from '../../src/protocol/arakoon/values.ts';
import { VERSION } from '../../src/version.ts';
import { NO_RUNNER } from '../support/no-runner.ts';
import type { Stage } from './stage.ts';

const KEYS = 256;
const BATCH = 64;
/** Each figure is the median of so many rounds, each of so many rounds over all keys. */
const ROUNDS = 15;
const REPEATS = 50;
const CONSISTENT = { kind: 'consistent' } as const;

/** The steps in the life of a `set` and a `get`, each over all keys once. */
export function protocolSteps(): { readonly [what: string]: () => void } {
  const keys = Array.from({ length: KEYS }, (_, i) => `user/${String((i * 7919) % KEYS).padStart(12, '0')}`);
  const value = Buffer.alloc(100, 'v');
  const sets = keys.map((key) => encodeRequest({ kind: 'set', key, value }));
  const gets = keys.map((key) => encodeRequest({ kind: 'get', consistency: CONSISTENT, key }));
  const sequences = keys.map((key) => {
    const updates = [0, 1, 2, 3].map((i) => ({ kind: 'set', key: key + i, value }) as const);
    const update = encodeUpdate({ kind: 'sequence', updates });
    return encodeRequest({ kind: 'sequence', update });
  });
  const batches: Buffer[] = [];
  for (let at = 0; at < KEYS; at += BATCH) {
    const updates = keys.slice(at, at + BATCH).map((key) => encodeUpdate({ kind: 'set', key, value }));
    batches.push(encodeBatch(updates));
  }
  const store = new MemoryStore();
  store.commit(Machine.found(Machine.genesis({ nursery: false })), 0);
  const machine = new Machine(store, NO_RUNNER);
  const applyAll = (): void => {
    for (const batch of batches) {
      const applied = finished(machine.apply(store.slot + 1, batch));
      store.commit(applied.changes, store.slot + 1);
      applied.commit();
    }
  };
  applyAll();
  const router = readyRouter();
  const requests = gets.map((frame) => decodeRequest(frame));
  const stored = okBytes(value);
  return {
    'set: read': () => {
      for (const frame of sets) {
        scanRequest(frame, 0, frame.length);
        updateOf(decodeRequest(frame), frame);
      }
    },
    'set: classified': () => {
      for (const frame of sets) classify(frame);
    },
    'set: routed and answered': () => {
      for (const frame of sets) pass(router, frame, OK);
    },
    'set: applied': applyAll,
    'get: read': () => {
      for (const frame of gets) {
        scanRequest(frame, 0, frame.length);
        decodeRequest(frame);
      }
    },
    'get: classified': () => {
      for (const frame of gets) classify(frame);
    },
    'get: routed and answered': () => {
      for (const frame of gets) pass(router, frame, stored);
    },
    'get: answered': () => {
      for (const request of requests) machine.read(request, store);
    },
    'set: encoded': () => {
      for (const key of keys) encodeRequest({ kind: 'set', key, value });
    },
    'get: encoded': () => {
      for (const key of keys) encodeRequest({ kind: 'get', consistency: CONSISTENT, key });
    },
    'sequence of 4 sets: read and checked': () => {
      for (const frame of sequences) updateOf(decodeRequest(frame), frame);
    },
  };
}

/** Medians of all steps: processor time for one request (ns), which others on the machine hardly change. */
export function protocolCosts(): Map<string, number> {
  const steps = Object.entries(protocolSteps());
  const rounds = new Map<string, number[]>(steps.map(([what]) => [what, []]));
  for (let round = -2; round < ROUNDS; round += 1) {
    for (const [what, run] of steps) {
      const began = process.cpuUsage();
      for (let repeat = 0; repeat < REPEATS; repeat += 1) run();
      const { user, system } = process.cpuUsage(began);
      const ns = ((user + system) * 1000) / (REPEATS * KEYS);
      if (round >= 0) rounds.get(what)?.push(ns); // before, what runs is compiled
    }
  }
  return new Map([...rounds].map(([what, ns]) => [what, ns.sort((a, b) => a - b)[ROUNDS >> 1] as number]));
}

export function protocol({ report }: Pick<Stage, 'report'>): void {
  report.begin('a set and a get in one process');
  for (const [what, measured] of protocolCosts()) report.add({ what, unit: 'ns', measured, better: 'less' });
}

function readyRouter(): Router {
  const router = createRouter({ name: 'r', clusterId: 'bench', version: VERSION, nowMs: 0 });
  const entries = Array.from({ length: 16 }, (_, i) => ({
    lo: i === 0 ? '' : `user/${String(i * 16).padStart(12, '0')}`,
    hi: i === 15 ? null : `user/${String((i + 1) * 16).padStart(12, '0')}`,
    owner: 'a',
    epoch: i,
  }));
  const clusters = [{ cluster: 'a', nodes: [{ name: 'n', ips: ['10.0.0.1'], port: 4000 }] }];
  const map = { map: RangeMap.of(1, entries), clusters };
  const connect = step(router, { kind: 'map', nowMs: 0, map, changed: null });
  const peer = connect.find((effect) => effect.kind === 'connect')?.peer ?? 0;
  const asked = step(router, { kind: 'up', nowMs: 0, peer }).find((effect) => effect.kind === 'send');
  const call = asked?.call ?? 0;
  step(router, { kind: 'reply', nowMs: 0, call, bytes: okOptionalText('n').bytes, hint: null });
  return router;
}

/** One request through the router, to its answer. */
function pass(router: Router, body: Uint8Array, answer: Answer): void {
  const sent = step(router, { kind: 'request', nowMs: 1, request: 1, origin: 7, leftMs: null, body });
  const effect = sent[0];
  if (effect?.kind !== 'send') throw new Error('a router that is ready sends on what it is asked');
  step(router, { kind: 'reply', nowMs: 1, call: effect.call, bytes: answer.bytes, hint: null });
}

function finished<T>(work: Work<T>): T {
  let next = work.next();
  while (next.done !== true) next = work.next();
  return next.value;
}

/** What a node of many ranges is asked with, in this process: everything that a status answer and a scrape look at. */

import { Load } from '../../node/serve/load.ts';
import type { RequestContext } from '../../node/serve/request-context.ts';
import type { Owned } from '../../src/identity/founding.ts';
import { clientBudgets } from '../../src/process/budget.ts';
import type { Operations } from '../../src/protocol/arakoon/operations.ts';
import { failure, OK, okBytes } from '../../src/protocol/arakoon/replies.ts';
import type { RequestKind } from '../../src/protocol/arakoon/request-table.ts';
import { wake } from '../node/paxos/rig.ts';

/** Keys of such a node, over all of its ranges. */
export const LARGE_KEYS = 10_000_000;

/** Requests that it was asked, and has answered so and so. */
const ASKED: readonly RequestKind[] = [
  ...(['get', 'set', 'delete', 'exists', 'sequence', 'multiGet', 'range', 'rangeEntries'] as const),
  ...(['prefixKeys', 'testAndSet', 'adminQuery', 'whoMaster', 'run', 'statistics', 'ping'] as const),
];

export type LargeNode = {
  readonly context: RequestContext;
  readonly load: Load;
  /** Begins of its ranges, ascending. */
  readonly keys: readonly string[];
};

/** A master that owns `ranges`, each of which was asked for something; what it has not, nobody here asks for. */
export function largeNode(ranges: number, operations: Operations): LargeNode {
  const keys = Array.from({ length: ranges }, (_, at) => `customer/${String(at).padStart(6, '0')}`);
  const owned: Owned[] = keys.map((lo, at) => ({
    lo,
    hi: keys[at + 1] ?? null,
    epoch: at + 1,
    sealedBy: null,
  }));
  let nowMs = 0;
  const load = new Load(
    () => nowMs,
    () => owned,
  );
  for (nowMs = 0; nowMs < 600_000; nowMs += 1000) load.look();
  for (const [at, key] of keys.entries()) {
    for (let count = 0; count <= at % 7; count += 1) load.answered('get', key, 100, OK);
  }
  for (const kind of ASKED) {
    operations.answered(kind, 0.001, 0, okBytes(Buffer.alloc(8)));
    operations.answered(kind, 0.001, 0, failure('GOING_DOWN', ''));
  }
  const perRange = LARGE_KEYS / ranges;
  const counts = {
    ranges: owned,
    counts: owned.map(() => ({ keys: perRange, bytes: 116 * perRange })),
    atMs: 0,
  };
  const replica = wake();
  const context = {
    clusterId: 'large',
    node: 'a',
    nowMs: () => nowMs,
    wallMs: () => 1_700_000_000_000 + nowMs,
    store: { slot: 1 },
    load,
    counts: () => counts,
    introduction: { label: '', founding: 'x'.repeat(32), keeper: 'y'.repeat(32), notes: [], refusal: null },
    driver: {
      replica,
      standing: 'sound',
      master: () => 'a',
      mayRead: () => true,
      firstLogSlot: 1,
      durableSlot: 1,
      waitsForRoom: null,
      counters: {},
      machine: {
        owned: () => owned,
        backup: null,
        state: { adopted: 0, keepers: [] },
        strangersWhy: null,
        migrations: new Map(),
      },
    },
    syncs: () => ({ log: 0, store: 0 }),
    recording: { operations },
    budgets: clientBudgets(),
    seats: () => ({ open: 1, clientsMax: 2, turnedAway: 0, letGo: 0 }),
  };
  return { context: context as unknown as RequestContext, load, keys };
}

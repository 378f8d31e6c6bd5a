/** Random histories of a store, checked step by step against a plain sorted model. */
import * as fc from 'fast-check';
import * as assert from 'uvu/assert';
import {
  type DurableStore,
  type Snapshot,
  STORE_KEY_MAX,
  type StoreKey,
  type View,
} from '../../../node/store/types.ts';

/** What a history consists of. Slots are relative to the present one. */
export type Step =
  | { readonly kind: 'commit'; readonly changes: readonly (readonly [StoreKey, Uint8Array | null])[] }
  /** The log is durable up to `lag` slots below the present one; `wait` says whether the flush ends before the next step. */
  | { readonly kind: 'flush'; readonly lag: number; readonly wait: boolean }
  | { readonly kind: 'snapshot' }
  /** Compares the snapshot opened `index` (modulo) before with the model of its slot, and closes it where `close`. */
  | { readonly kind: 'check'; readonly index: number; readonly close: boolean }
  | { readonly kind: 'scan'; readonly from: StoreKey; readonly to: StoreKey | null; readonly limit: number };

/** The store under test, with what a history needs beside the interface. */
export type Subject = DurableStore & { flush(durableSlot: number): Promise<void> | void };

type Rows = Map<StoreKey, Uint8Array>;

const tables = fc.constantFrom('\x01', '\x02', '\x04');
const characters = fc.constantFrom('\x00', 'a', 'b', '\xff');
const shortKeys = fc
  .tuple(tables, fc.array(characters, { maxLength: 3 }))
  .map(([table, rest]) => table + rest.join(''));
const longKeys = fc.constantFrom(
  `\x01${'a'.repeat(STORE_KEY_MAX - 1)}`,
  `\x01${'\xff'.repeat(STORE_KEY_MAX - 1)}`,
);
const keys = fc.oneof({ weight: 20, arbitrary: shortKeys }, { weight: 1, arbitrary: longKeys });
/** Also what no key can be: empty, below every table, longer than a key. */
const bounds = fc.oneof(
  { weight: 6, arbitrary: keys },
  { weight: 2, arbitrary: keys.map((key) => `${key}\0`) },
  { weight: 1, arbitrary: fc.constantFrom('', '\0', '\x03', '\xff') },
);
const values = fc.oneof(
  { weight: 12, arbitrary: fc.uint8Array({ maxLength: 4 }) },
  {
    weight: 1,
    arbitrary: fc.integer({ min: 10_000, max: 300_000 }).map((length) => new Uint8Array(length).fill(length)),
  },
);
const changes = fc.array(fc.tuple(keys, fc.option(values, { nil: null, freq: 3 })), { maxLength: 12 });

/** Histories of at most `maxLength` steps. */
export function histories(maxLength: number): fc.Arbitrary<Step[]> {
  const step: fc.Arbitrary<Step> = fc.oneof(
    { weight: 6, arbitrary: fc.record({ kind: fc.constant('commit' as const), changes }) },
    {
      weight: 2,
      arbitrary: fc.record({
        kind: fc.constant('flush' as const),
        lag: fc.nat({ max: 3 }),
        wait: fc.boolean(),
      }),
    },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('snapshot' as const) }) },
    {
      weight: 2,
      arbitrary: fc.record({
        kind: fc.constant('check' as const),
        index: fc.nat({ max: 9 }),
        close: fc.boolean(),
      }),
    },
    {
      weight: 4,
      arbitrary: fc.record({
        kind: fc.constant('scan' as const),
        from: bounds,
        to: fc.option(bounds, { nil: null }),
        limit: fc.integer({ min: 1, max: 20 }),
      }),
    },
  );
  return fc.array(step, { maxLength });
}

/** Runs a history. Returns the model at every slot, for what comes after a crash or a restart. */
export async function runHistory(store: Subject, steps: readonly Step[]): Promise<Rows[]> {
  const models: Rows[] = [new Map()];
  const snapshots: Snapshot[] = [];
  const flushes: (Promise<void> | void)[] = [];
  let durableSlot = 0;
  for (const step of steps) {
    const rows = models.at(-1) as Rows;
    if (step.kind === 'commit') {
      const next = new Map(rows);
      for (const [key, value] of step.changes) {
        if (value === null) next.delete(key);
        else next.set(key, value);
      }
      store.commit(new Map(step.changes), store.slot + 1);
      models.push(next);
    } else if (step.kind === 'flush') {
      durableSlot = Math.max(durableSlot, store.slot - step.lag);
      const flush = store.flush(durableSlot);
      flushes.push(flush);
      if (step.wait) await flush;
      assert.ok(store.flushedSlot <= durableSlot, 'nothing enters the base before the log has it');
    } else if (step.kind === 'snapshot') {
      snapshots.push(store.snapshot());
    } else if (step.kind === 'check') {
      const index = snapshots.length - 1 - (step.index % Math.max(1, snapshots.length));
      const snapshot = snapshots[index];
      if (snapshot === undefined) continue;
      checkAll(snapshot, models[snapshot.slot] as Rows);
      if (step.close) {
        snapshot.close();
        snapshots.splice(index, 1);
      }
    } else {
      checkScan(store, rows, step);
    }
    assert.is(store.slot, models.length - 1);
  }
  checkAll(store, models.at(-1) as Rows);
  await Promise.all(flushes);
  checkAll(store, models.at(-1) as Rows);
  for (const snapshot of snapshots) {
    checkAll(snapshot, models[snapshot.slot] as Rows);
    snapshot.close();
  }
  return models;
}

/** Every row, both ways, and every look-up. */
export function checkAll(view: View, rows: ReadonlyMap<StoreKey, Uint8Array>): void {
  checkScan(view, rows, { from: '', to: null, limit: Number.MAX_SAFE_INTEGER });
  for (const [key, value] of rows) assert.ok(same(view.get(key), value), `value of ${JSON.stringify(key)}`);
  for (const key of ['\x01', '\x01a\0b', '\x05', '\0slot', '']) {
    if (!rows.has(key)) assert.is(view.get(key), undefined);
  }
}

function checkScan(
  view: View,
  rows: ReadonlyMap<StoreKey, Uint8Array>,
  { from, to, limit }: { from: StoreKey; to: StoreKey | null; limit: number },
): void {
  const expected = [...rows]
    .filter(([key]) => key >= from && (to === null || key < to))
    .sort(([a], [b]) => (a < b ? -1 : 1));
  compare(
    collect((at, visit) => view.scan(at as StoreKey, to, visit), from, limit),
    expected.slice(0, limit),
  );
  compare(
    collect((at, visit) => view.scanDown(from, at, visit), to, limit),
    expected.reverse().slice(0, limit),
  );
}

type Visit = (key: StoreKey, value: Uint8Array) => boolean;

/** Goes on where a scan ended because it had passed over many removed rows. */
function collect(
  scan: (at: StoreKey | null, visit: Visit) => StoreKey | null,
  begin: StoreKey | null,
  limit: number,
): [StoreKey, Uint8Array][] {
  const found: [StoreKey, Uint8Array][] = [];
  let at = begin;
  do {
    at = scan(at, (key, value) => {
      assert.ok(found.length < limit, 'a scan ends when it is told to');
      found.push([key, value]);
      return found.length < limit;
    });
  } while (at !== null);
  return found;
}

function compare(found: [StoreKey, Uint8Array][], expected: [StoreKey, Uint8Array][]): void {
  assert.equal(
    found.map(([key]) => key),
    expected.map(([key]) => key),
  );
  for (const [index, [key, value]] of found.entries()) {
    assert.ok(same(value, (expected[index] as [StoreKey, Uint8Array])[1]), `value of ${JSON.stringify(key)}`);
  }
}

function same(a: Uint8Array | undefined, b: Uint8Array): boolean {
  return a !== undefined && Buffer.compare(a, b) === 0;
}

/** The digest of a stretch: what it covers, and what changes it. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { snapshotRow } from '../../../node/life/members-row.ts';
import { digestRows, SCRUB_BYTES_MAX, type StretchDigest } from '../../../node/scrub/rows.ts';
import { MemoryStore } from '../../../node/store/memory-store.ts';
import { PASSED_MAX, type StoreKey, TABLES, type View } from '../../../node/store/types.ts';
import { type Random, seeded } from '../../support/seeded.ts';
import { bytes, TestCluster } from '../machine/cluster.ts';

const SCRUB = { kind: 'admin', command: { kind: 'scrub', from: '', rowsMax: 10 } } as const;

function digestOf(view: View, from: StoreKey, rowsMax: number): StretchDigest & { turns: number } {
  const work = digestRows(view, { from, rowsMax });
  let turns = 1;
  let next = work.next();
  for (; next.done !== true; next = work.next()) turns += 1;
  return { ...next.value, turns };
}

/** The digests of all stretches, from the beginning of the store to its end. */
function round(view: View, rowsMax: number): StretchDigest[] {
  const found: StretchDigest[] = [];
  for (let from: StoreKey | null = ''; from !== null; from = found.at(-1)?.next ?? null) {
    const { next, digest } = digestOf(view, from, rowsMax);
    found.push({ next, digest });
  }
  return found;
}

function storeOf(rows: ReadonlyMap<StoreKey, Uint8Array>): MemoryStore {
  return new MemoryStore({ slot: 5, rows: [...rows].sort(([a], [b]) => (a < b ? -1 : 1)) });
}

function randomRows(random: Random): Map<StoreKey, Uint8Array> {
  const tables = Object.values(TABLES);
  const rows = new Map<StoreKey, Uint8Array>();
  const count = 1 + random.below(60);
  while (rows.size < count) {
    const table = tables[random.below(tables.length)] as StoreKey;
    const length = random.below(4);
    let key = table;
    for (let at = 0; at < length; at += 1) key += String.fromCharCode(random.below(256));
    rows.set(
      key,
      Uint8Array.from({ length: random.below(5) }, () => random.below(256)),
    );
  }
  return rows;
}

seeded(
  'replicas with the same rows find the same, wherever the rows lie; one bit more or less is found',
  (random) => {
    for (let run = 0; run < 200; run += 1) {
      const rows = randomRows(random);
      const rowsMax = 1 + random.below(20);
      const flushed = storeOf(rows);
      const gathered = new MemoryStore();
      gathered.commit(new Map([...rows].reverse()), 1);
      const found = round(flushed, rowsMax);
      assert.is(found.length, Math.ceil(rows.size / rowsMax));
      assert.equal(round(gathered, rowsMax), found);

      const keys = [...rows.keys()];
      const key = keys[random.below(keys.length)] as StoreKey;
      const value = rows.get(key) as Uint8Array;
      const changed = new Map(rows);
      if (value.length === 0 || random.below(4) === 0) {
        changed.delete(key);
      } else {
        const flipped = Uint8Array.from(value);
        const at = random.below(value.length);
        flipped[at] = (flipped[at] as number) ^ (1 << random.below(8));
        changed.set(key, flipped);
      }
      assert.not.equal(round(storeOf(changed), rowsMax), found, `row ${JSON.stringify(key)} of ${rows.size}`);
    }
  },
);

test("a replica's own rows count for nothing, not even at the end of a stretch", () => {
  const rows = new Map([
    [`${TABLES.SYSTEM}a`, bytes('1')],
    [`${TABLES.SYSTEM}z`, bytes('2')],
  ]);
  const { key, value } = snapshotRow(12);
  const other = storeOf(new Map([...rows, [key, value]]));
  for (const rowsMax of [1, 2, 3]) assert.equal(round(other, rowsMax), round(storeOf(rows), rowsMax));
});

test('keys and values are told apart by their lengths', () => {
  const one = storeOf(new Map([[`${TABLES.DATA}ab`, bytes('c')]]));
  const two = storeOf(new Map([[`${TABLES.DATA}a`, bytes('bc')]]));
  assert.is.not(digestOf(one, '', 10).digest, digestOf(two, '', 10).digest);
});

test('a stretch ends at its bytes too, and long ones let others run', () => {
  const value = new Uint8Array(10_000);
  const rows = new Map(Array.from({ length: 500 }, (_, n) => [`${TABLES.DATA}${1000 + n}`, value] as const));
  const { next, turns } = digestOf(storeOf(rows), '', 10_000);
  assert.is(next, `${TABLES.DATA}${1000 + Math.ceil(SCRUB_BYTES_MAX / 10_005)}`);
  assert.ok(turns > 5, `${turns} turns`);
});

test('the command changes nothing, and asks every replica for the same rows of the same slot', () => {
  const clusters = [new TestCluster(), new TestCluster()] as const;
  for (const cluster of clusters) {
    cluster.set('k', 'v');
    assert.is(cluster.machine.scrub, null);
    const before = round(cluster.store, 1000);
    cluster.apply({ kind: 'set', key: 'k', value: bytes('v') }, SCRUB);
    assert.equal(round(cluster.store, 1000), before);
    assert.equal(cluster.machine.scrub, { slot: 2, from: '', rowsMax: 10 });
    cluster.set('l', 'w');
    assert.is(cluster.machine.scrub?.slot, 2, 'an older order names its slot');
  }
});

test('what is removed and not flushed yet changes neither digests nor where stretches end', () => {
  const keys = Array.from(
    { length: 3 * PASSED_MAX },
    (_, n) => `${TABLES.DATA}${String(n).padStart(5, '0')}`,
  );
  const removed = keys.slice(PASSED_MAX, 2 * PASSED_MAX + 2);
  const [flushed, not] = [true, false].map((isFlushed) => {
    const store = storeOf(new Map(keys.map((key) => [key, bytes('v')])));
    store.commit(new Map(removed.map((key) => [key, null])), 6);
    if (isFlushed) store.flush(6);
    return store;
  }) as [MemoryStore, MemoryStore];
  assert.equal(round(not, PASSED_MAX), round(flushed, PASSED_MAX));
});

test.run();

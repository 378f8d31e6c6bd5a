import * as fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { StoreKey, View, Visit } from '../../../node/store/types.ts';
import { RETURN_CODES } from '../../../src/base/errors.ts';
import {
  decodeBool,
  decodeBytes,
  decodeEntries,
  decodeInt64,
  decodeInterval,
  decodeKeys,
  decodeMultiGet,
  decodeMultiGetOptions,
  decodeNurseryConfig,
  decodeRevEntries,
  decodeRouting,
  decodeVoid,
} from '../../../src/protocol/arakoon/replies.ts';
import type { RangeQuery } from '../../../src/protocol/arakoon/requests.ts';
import type { Update } from '../../../src/protocol/arakoon/updates.ts';
import { wholeOf } from '../../../src/protocol/arakoon/values.ts';
import { bytes, failureOf, finish, row, TestCluster } from './cluster.ts';
import { give, headerOf } from './migrations.ts';

const consistency = { kind: 'consistent' } as const;
const KEYS = ['', '\0', 'a', 'a\0', 'ab', 'b', '\xff', '\xff\0', '\xff\xff'] as const;
const bound = fc.option(fc.constantFrom(...KEYS));
const query = fc.record({
  first: bound,
  firstIncluded: fc.boolean(),
  last: bound,
  lastIncluded: fc.boolean(),
  max: fc.integer({ min: -2, max: 10 }),
});

function clusterWith(keys: Iterable<string>): TestCluster {
  const cluster = new TestCluster();
  cluster.apply(...[...keys].map((key): Update => ({ kind: 'set', key, value: bytes(`v${key}`) })));
  return cluster;
}

function within(
  key: string,
  { first, firstIncluded, last, lastIncluded }: Omit<RangeQuery, 'consistency' | 'max'>,
): boolean {
  const isAbove = first === null || key > first || (firstIncluded && key === first);
  const isBelow = last === null || key < last || (lastIncluded && key === last);
  return isAbove && isBelow;
}

test('ranges agree with a plain model: bounds, flags, and the cut by max before anything is turned round', () => {
  fc.assert(
    fc.property(fc.uniqueArray(fc.constantFrom(...KEYS)), query, (present, asked) => {
      const cluster = clusterWith(present);
      const found = present.filter((key) => within(key, asked)).sort();
      const cut = (keys: string[]): string[] => (asked.max < 0 ? keys : keys.slice(0, asked.max));
      const up = { consistency, ...asked };
      assert.equal(decodeKeys(cluster.read({ kind: 'range', ...up }).bytes), cut(found));
      const entries = decodeEntries(cluster.read({ kind: 'rangeEntries', ...up }).bytes);
      assert.equal(
        entries.map(([key]) => key),
        cut(found),
      );
      for (const [key, value] of entries) assert.equal(Buffer.from(value), bytes(`v${key}`));
      const down = {
        ...up,
        first: asked.last,
        firstIncluded: asked.lastIncluded,
        last: asked.first,
        lastIncluded: asked.firstIncluded,
      };
      const reversed = decodeRevEntries(cluster.read({ kind: 'revRangeEntries', ...down }).bytes);
      assert.equal(
        reversed.map(([key]) => key),
        cut(found.reverse()),
      );
    }),
    { numRuns: 200 },
  );
});

test('prefixKeys gives the keys with a prefix, of 0xff too, and at most max of them', () => {
  const cluster = clusterWith(KEYS);
  const read = (prefix: string, max: number): string[] =>
    decodeKeys(cluster.read({ kind: 'prefixKeys', consistency, prefix, max }).bytes);
  for (const prefix of KEYS) {
    const expected = KEYS.filter((key) => key.startsWith(prefix)).sort();
    assert.equal(read(prefix, -1), expected);
    assert.equal(read(prefix, 1), expected.slice(0, 1));
    assert.equal(read(prefix, 0), []);
  }
});

test('single keys: values, absence, assertions', () => {
  const cluster = clusterWith(['a']);
  assert.equal(
    Buffer.from(decodeBytes(cluster.read({ kind: 'get', consistency, key: 'a' }).bytes)),
    bytes('va'),
  );
  const missing = failureOf(cluster.read({ kind: 'get', consistency, key: 'b' }));
  assert.equal(missing, { code: RETURN_CODES.NOT_FOUND, message: 'Not_found' });
  assert.ok(decodeBool(cluster.read({ kind: 'exists', consistency, key: 'a' }).bytes));
  assert.not(decodeBool(cluster.read({ kind: 'exists', consistency, key: 'b' }).bytes));
  decodeVoid(cluster.read({ kind: 'assert', consistency, key: 'a', expected: bytes('va') }).bytes);
  decodeVoid(cluster.read({ kind: 'assert', consistency, key: 'b', expected: null }).bytes);
  decodeVoid(cluster.read({ kind: 'assertExists', consistency, key: 'a' }).bytes);
  const refusals = [
    cluster.read({ kind: 'assert', consistency, key: 'a', expected: null }),
    cluster.read({ kind: 'assert', consistency, key: 'a', expected: bytes('other') }),
    cluster.read({ kind: 'assert', consistency, key: 'b', expected: bytes('') }),
    cluster.read({ kind: 'assertExists', consistency, key: 'b' }),
  ];
  assert.equal(
    refusals.map(failureOf),
    ['a', 'a', 'b', 'b'].map((message) => ({ code: RETURN_CODES.ASSERTION_FAILED, message })),
  );
});

test('multi reads keep the order of the request; of several missing keys the last is named', () => {
  const cluster = clusterWith(['a', 'b']);
  const values = decodeMultiGet(cluster.read({ kind: 'multiGet', consistency, keys: ['b', 'a', 'b'] }).bytes);
  assert.equal(
    values.map((value) => value.toString()),
    ['vb', 'va', 'vb'],
  );
  const options = cluster.read({ kind: 'multiGetOption', consistency, keys: ['x', 'a', 'y'] });
  assert.equal(
    decodeMultiGetOptions(options.bytes).map((value) => value?.toString() ?? null),
    [null, 'va', null],
  );
  const missing = cluster.read({ kind: 'multiGet', consistency, keys: ['x', 'a', 'y', 'b'] });
  assert.equal(failureOf(missing), { code: RETURN_CODES.NOT_FOUND, message: 'y' });
});

test('a long read pauses, and stays with the image and the ownership it began with', () => {
  const cluster = new TestCluster();
  const sets: Update[] = [];
  for (let n = 0; n < 2000; n += 1)
    sets.push({ kind: 'set', key: `k${String(n).padStart(4, '0')}`, value: bytes('') });
  cluster.apply(...sets);
  const all = { consistency, first: null, firstIncluded: true, last: null, lastIncluded: true, max: -1 };
  const image = cluster.store.snapshot();
  const work = cluster.machine.read({ kind: 'range', ...all }, image);
  assert.not('bytes' in work, 'the read is not over at once');
  cluster.update({ kind: 'deletePrefix', prefix: '' });
  assert.is(decodeKeys(finish(work).bytes).length, 2000);
  image.close();
  assert.is(decodeKeys(cluster.read({ kind: 'range', ...all }).bytes).length, 0);
});

test('no row is looked at but those of the reply: the next one may be long', () => {
  const cluster = new TestCluster();
  for (const key of ['a', 'b', 'c', 'd'])
    cluster.update({ kind: 'set', key, value: Buffer.alloc(300 * 1024) }); // one fills a slice
  const seen: StoreKey[] = [];
  const noting =
    (visit: Visit): Visit =>
    (key, value) => {
      seen.push(key);
      return visit(key, value);
    };
  const view: View = {
    get: (key) => cluster.store.get(key),
    scan: (from, to, visit) => cluster.store.scan(from, to, noting(visit)),
    scanDown: (from, to, visit) => cluster.store.scanDown(from, to, noting(visit)),
  };
  const bounds = { first: null, firstIncluded: true, last: null, lastIncluded: true };
  for (const kind of ['range', 'rangeEntries', 'revRangeEntries'] as const) {
    for (const max of [1, 3, -1]) {
      const read = cluster.machine.read({ kind, consistency, ...bounds, max }, view);
      if (!('bytes' in read)) finish(read);
      assert.is(seen.splice(0).length, max < 0 ? 4 : max, `${kind} of ${max}`);
    }
  }
});

test('a result that fits no frame is refused, and says what to do', () => {
  const cluster = new TestCluster();
  const value = Buffer.alloc(8 * 1024 * 1024 - 1);
  for (const key of ['a', 'b', 'c', 'd', 'e']) cluster.update({ kind: 'set', key, value });
  const all = { consistency, first: null, firstIncluded: true, last: null, lastIncluded: true };
  for (const kind of ['rangeEntries', 'revRangeEntries'] as const) {
    const { code, message } = failureOf(cluster.read({ kind, ...all, max: -1 }));
    assert.is(code, RETURN_CODES.BAD_INPUT);
    assert.match(message, /fewer entries/);
    assert.is(cluster.read({ kind, ...all, max: 3 }).bytes[0], 0);
  }
  assert.is(decodeKeys(cluster.read({ kind: 'range', ...all, max: -1 }).bytes).length, 5, 'keys alone fit');
  const many = failureOf(
    cluster.read({ kind: 'multiGetOption', consistency, keys: ['a', 'b', 'c', 'd', 'e'] }),
  );
  assert.match(many.message, /fewer keys/);
});

test('the key count leaves out what is staged, sealed or under clean-up', () => {
  const cluster = new TestCluster({ nursery: true });
  give(cluster, { lo: '', hi: 'k' }, 1);
  cluster.set('a', '');
  cluster.set('b', '');
  const count = (): number => decodeInt64(cluster.read({ kind: 'getKeyCount' }).bytes);
  const header = headerOf(2);
  cluster.expect({ kind: 'beginImport', ...header }, 'importing');
  const rows = [row('k', '1'), row('l', '2')];
  cluster.expect({ kind: 'page', ...header, seq: 1, asOf: 1, page: 0, from: 'k', to: 't', rows }, 'ok');
  assert.is(count(), 2, 'staged');
  cluster.expect({ kind: 'abandon', ...header }, 'closed');
  assert.equal(cluster.machine.cleanups, [2]);
  assert.is(count(), 2, 'under clean-up');
  const out = headerOf(3, { lo: 'b', hi: 'k' });
  cluster.expect({ kind: 'beginExport', ...out }, 'exporting');
  assert.is(count(), 2, 'exported, and served');
  const { base } = cluster.query({ kind: 'scanBase', mid: 3, minSlot: 0 }, 'base');
  cluster.expect({ kind: 'setBase', ...out, base }, 'ok');
  cluster.expect({ kind: 'seal', ...out, rowsMax: 9, bytesMax: 9 }, 'sealed');
  assert.is(count(), 1, 'sealed');
});

test('the interval is that of the one range a cluster has; several that do not touch have none', () => {
  const cluster = new TestCluster({ nursery: true });
  assert.is(failureOf(cluster.read({ kind: 'getInterval' })).code, RETURN_CODES.NOT_SUPPORTED);
  give(cluster, { lo: 'b', hi: 'd' }, 1);
  const only = { publicBegin: 'b', publicEnd: 'd', privateBegin: 'b', privateEnd: 'd' };
  assert.equal(decodeInterval(cluster.read({ kind: 'getInterval' }).bytes), only);
  give(cluster, { lo: 'x', hi: null }, 2);
  assert.is(failureOf(cluster.read({ kind: 'getInterval' })).code, RETURN_CODES.NOT_SUPPORTED);
  const open = { publicBegin: null, publicEnd: null, privateBegin: null, privateEnd: null };
  assert.equal(decodeInterval(new TestCluster().read({ kind: 'getInterval' }).bytes), open);
});

test('routing and nursery configuration come from the map; before init there is none', () => {
  const keeper = new TestCluster();
  assert.is(failureOf(keeper.read({ kind: 'getRouting' })).code, RETURN_CODES.NOT_FOUND);
  assert.is(failureOf(keeper.read({ kind: 'getNurseryConfig' })).code, RETURN_CODES.NOT_FOUND);
  const nodes = [{ name: 'n1', ips: ['10.0.0.2', '10.0.0.1'], port: 4000 }];
  for (const cluster of ['left', 'right']) keeper.expect({ kind: 'setClusterConfig', cluster, nodes }, 'ok');
  keeper.expect({ kind: 'initMap', cluster: 'left' }, 'planned');
  keeper.expect({ kind: 'plan', source: 'left', target: 'right', lo: 'm', hi: null }, 'planned');
  keeper.expect({ kind: 'claim', mid: 2, tokenSeen: 0 }, 'claimed');
  const receipt = { sealSlot: 1, digest: { sum: 0n, count: 0, bytes: 0 }, pauseMs: 1, pauseAtLeast: false };
  keeper.expect({ kind: 'publish', mid: 2, token: 1, receipt }, 'ok');
  const parts = [
    { lo: '', owner: 'left' },
    { lo: 'm', owner: 'right' },
  ];
  assert.equal(decodeRouting(keeper.read({ kind: 'getRouting' }).bytes), parts);
  assert.equal(decodeNurseryConfig(keeper.read({ kind: 'getNurseryConfig' }).bytes), {
    parts,
    clusters: [
      { cluster: 'left', nodes },
      { cluster: 'right', nodes },
    ],
  });
});

test('a fringe is what lies on one side of a boundary, the utmost first, of what is served alone', () => {
  const cluster = clusterWith(KEYS);
  const keysOf = (boundary: string | null, direction: number): string[] =>
    decodeEntries(cluster.read({ kind: 'getFringe', boundary, direction }).bytes).map(([key]) => key);
  const up = [...KEYS].sort();
  for (const boundary of KEYS) {
    assert.equal(
      keysOf(boundary, 0),
      up.filter((key) => key < boundary),
    );
    assert.equal(keysOf(boundary, 1), up.filter((key) => key >= boundary).reverse());
  }
  assert.equal([keysOf(null, 0), keysOf(null, 1)], [up, [...up].reverse()]);
  const failed = failureOf(cluster.read({ kind: 'getFringe', boundary: null, direction: 2 }));
  assert.is(failed.code, RETURN_CODES.BAD_INPUT);

  const parted = new TestCluster({ nursery: true });
  give(parted, { lo: 'b', hi: 'd' }, 1);
  give(parted, { lo: 'm', hi: null }, 2);
  for (const key of ['b', 'c', 'm', 'z']) parted.set(key, `v${key}`);
  const entries = (direction: number): string[] =>
    decodeEntries(parted.read({ kind: 'getFringe', boundary: 'c', direction }).bytes).map(
      ([key, value]) => `${key} ${Buffer.from(value)}`,
    );
  assert.equal(entries(0), ['b vb']);
  assert.equal(entries(1), ['z vz', 'm vm', 'c vc']);
  const out = headerOf(3, { lo: 'm', hi: null });
  parted.expect({ kind: 'beginExport', ...out }, 'exporting');
  const { base } = parted.query({ kind: 'scanBase', mid: 3, minSlot: 0 }, 'base');
  parted.expect({ kind: 'setBase', ...out, base }, 'ok');
  parted.expect({ kind: 'seal', ...out, rowsMax: 9, bytesMax: 9 }, 'sealed');
  assert.equal(entries(1), ['c vc'], 'sealed');
});

test('a fringe that is longer than a mebibyte ends there', () => {
  const cluster = new TestCluster();
  for (let index = 10; index < 40; index += 1) cluster.set(`k${index}`, 'v'.repeat(100_000));
  const answer = cluster.read({ kind: 'getFringe', boundary: null, direction: 1 });
  const entries = decodeEntries(wholeOf(answer));
  assert.is(entries[0]?.[0], 'k39');
  assert.ok(entries.length >= 11 && entries.length < 20, `${entries.length} entries`);
});

test('what the machine does not answer is not supported', () => {
  const cluster = new TestCluster();
  assert.is(failureOf(cluster.read({ kind: 'getDb' })).code, RETURN_CODES.NOT_SUPPORTED);
  assert.is(failureOf(cluster.queryAnswer({ kind: 'nodeStatus' })).code, RETURN_CODES.NOT_SUPPORTED);
});

test('of several ranges that touch the interval is what they span, in their order', () => {
  const cluster = new TestCluster({ nursery: true });
  give(cluster, { lo: 'a', hi: 'b' }, 1);
  give(cluster, { lo: 'b', hi: 'c' }, 2);
  give(cluster, { lo: 'c', hi: 'd' }, 3);
  const interval = (): ReturnType<typeof decodeInterval> =>
    decodeInterval(cluster.read({ kind: 'getInterval' }).bytes);
  assert.equal([interval().publicBegin, interval().publicEnd], ['a', 'd']);
  give(cluster, { lo: 'e', hi: 'f' }, 4);
  assert.is(failureOf(cluster.read({ kind: 'getInterval' })).code, RETURN_CODES.NOT_SUPPORTED);
});

test('short reads are answered at once, without work that somebody would have to go on with', () => {
  const cluster = new TestCluster();
  cluster.set('a', '1');
  const query = { consistency, first: null, firstIncluded: true, last: null, lastIncluded: true, max: -1 };
  for (const request of [
    { kind: 'range', ...query },
    { kind: 'multiGet', consistency, keys: ['a'] },
    { kind: 'getKeyCount' },
  ] as const) {
    assert.ok('bytes' in cluster.machine.read(request, cluster.store), request.kind);
  }
});

test.run();

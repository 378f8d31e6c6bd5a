/** The source's side: each command against each state it may meet. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { digestOfRange, rowsIn } from '../../../node/machine/rows.ts';
import type { View } from '../../../node/store/types.ts';
import { RETURN_CODES } from '../../../src/base/errors.ts';
import { type Digest, NO_ROWS, subtractDigests } from '../../../src/keyspace/digest.ts';
import { decodeAnswer } from '../../../src/protocol/admin/admin.ts';
import type { Update } from '../../../src/protocol/arakoon/updates.ts';
import { bytes, failureOf, finish, TestCluster } from './cluster.ts';
import { base, cleanUp, headerOf, round, seal } from './migrations.ts';

const header = headerOf(5, { peer: 'target' });
const RANGE = { lo: 'k', hi: 't' };
const consistency = { kind: 'consistent' } as const;

function exporting(): TestCluster {
  const cluster = new TestCluster();
  cluster.set('a', 'outside');
  cluster.set('k', '1');
  cluster.set('l', '2');
  cluster.expect({ kind: 'beginExport', ...header }, 'exporting');
  return cluster;
}

function sealed(): TestCluster {
  const cluster = exporting();
  base(cluster, header);
  seal(cluster, header);
  return cluster;
}

function digestIn(view: View): Digest {
  const work = digestOfRange(view, RANGE);
  for (let next = work.next(); ; next = work.next()) if (next.done === true) return next.value;
}

/** Dirty keys with their present values. */
function dirty(cluster: TestCluster, from = 'k'): [string, string | null][] {
  const { rows } = cluster.query(
    { kind: 'readDirty', mid: 5, from, rowsMax: 1000, bytesMax: 100_000, minSlot: 0 },
    'rows',
  );
  return rows.map(({ key, value }) => [key, value === null ? null : Buffer.from(value).toString()]);
}

test('beginExport begins with nothing dirty', () => {
  const cluster = new TestCluster();
  assert.equal(cluster.command({ kind: 'beginExport', ...header }), {
    kind: 'exporting',
    beginSlot: 1,
    base: null,
    sealed: null,
    dirtyRows: 0,
    dirtyBytes: 0,
    lo: 'k',
    hi: 't',
  });
});

test('(!) a repeated beginExport is only the fence: beginSlot, dirty rows and delta stay', () => {
  const cluster = exporting();
  cluster.set('k', 'changed');
  const before = cluster.machine.state.exports.get(5);
  const again = cluster.expect({ kind: 'beginExport', ...header, token: 2 }, 'exporting');
  assert.equal([again.beginSlot, again.dirtyRows], [4, 1]);
  assert.equal(cluster.machine.state.exports.get(5), before);
  cluster.expect({ kind: 'beginExport', ...header, token: 1 }, 'fenced');
});

test('beginExport is busy where not all of the range is owned and served, or another export overlaps', () => {
  const nothing = new TestCluster({ nursery: true });
  assert.match(nothing.expect({ kind: 'beginExport', ...header }, 'busy').why, /not all/);
  const cluster = exporting();
  const overlapping = headerOf(6, { lo: 's', hi: null });
  assert.match(cluster.expect({ kind: 'beginExport', ...overlapping }, 'busy').why, /migration 5 moves/);
  cluster.expect({ kind: 'beginExport', ...headerOf(7, { lo: 't', hi: null }) }, 'exporting');
  base(cluster, header);
  seal(cluster, header);
  assert.match(cluster.expect({ kind: 'beginExport', ...overlapping }, 'busy').why, /not all/);
});

const CHANGES: { readonly [name: string]: { update: Update; dirty: [string, string | null][] } } = {
  'a new row': { update: { kind: 'set', key: 'm', value: bytes('3') }, dirty: [['m', '3']] },
  'another value': { update: { kind: 'set', key: 'k', value: bytes('3') }, dirty: [['k', '3']] },
  'a removal': { update: { kind: 'delete', key: 'k' }, dirty: [['k', null]] },
  'test and set': {
    update: { kind: 'testAndSet', key: 'l', expected: bytes('2'), wanted: bytes('3') },
    dirty: [['l', '3']],
  },
  'a test that fails': {
    update: { kind: 'testAndSet', key: 'l', expected: null, wanted: bytes('3') },
    dirty: [],
  },
  replace: { update: { kind: 'replace', key: 'l', wanted: null }, dirty: [['l', null]] },
  'confirm of what is there': { update: { kind: 'confirm', key: 'l', value: bytes('2') }, dirty: [] },
  'the same value again': { update: { kind: 'set', key: 'l', value: bytes('2') }, dirty: [] },
  'a prefix delete': {
    update: { kind: 'deletePrefix', prefix: '' },
    dirty: [
      ['k', null],
      ['l', null],
    ],
  },
  'a row outside': { update: { kind: 'set', key: 't', value: bytes('3') }, dirty: [] },
  'a sequence': {
    update: {
      kind: 'sequence',
      updates: [
        { kind: 'delete', key: 'k' },
        { kind: 'set', key: 's', value: bytes('4') },
      ],
    },
    dirty: [
      ['k', null],
      ['s', '4'],
    ],
  },
  'a sequence that is rolled back': {
    update: {
      kind: 'sequence',
      updates: [
        { kind: 'delete', key: 'k' },
        { kind: 'delete', key: 'none' },
      ],
    },
    dirty: [],
  },
  'there and back': {
    update: {
      kind: 'sequence',
      updates: [
        { kind: 'delete', key: 'k' },
        { kind: 'set', key: 'k', value: bytes('1') },
      ],
    },
    dirty: [],
  },
};
for (const [name, change] of Object.entries(CHANGES)) {
  test(`from beginExport on every changed row is dirty, and delta is exact: ${name}`, () => {
    const cluster = exporting();
    const before = digestIn(cluster.store);
    cluster.update(change.update);
    assert.equal(dirty(cluster), change.dirty);
    const record = cluster.machine.state.exports.get(5);
    const difference = subtractDigests(digestIn(cluster.store), before);
    assert.equal(record?.delta, difference);
    assert.is(record?.dirtyRows, change.dirty.length);
    const bytesOf = change.dirty.reduce((sum, [key, value]) => sum + key.length + (value?.length ?? 0), 0);
    assert.is(record?.dirtyBytes, bytesOf);
  });
}

test('changes of one batch before and after beginExport are told apart', () => {
  const cluster = new TestCluster();
  cluster.apply(
    { kind: 'set', key: 'k', value: bytes('before') },
    { kind: 'admin', command: { kind: 'beginExport', ...header } },
    { kind: 'set', key: 'l', value: bytes('after') },
  );
  assert.equal(dirty(cluster), [['l', 'after']]);
  const record = cluster.machine.state.exports.get(5);
  assert.equal(subtractDigests(digestIn(cluster.store), record?.delta ?? NO_ROWS).count, 1);
});

test('changes of one batch before a seal are in its digest, and those behind it are refused', () => {
  const cluster = exporting();
  base(cluster, header);
  const [, , late] = cluster.apply(
    { kind: 'set', key: 'k', value: bytes('last') },
    { kind: 'admin', command: { kind: 'seal', ...header, rowsMax: 10, bytesMax: 100 } },
    { kind: 'set', key: 'k', value: bytes('late') },
  );
  assert.is(late?.bytes[0], RETURN_CODES.OUT_OF_RANGE);
  const status = cluster.status(header).exporting;
  assert.equal(status?.sealed, { sealSlot: cluster.slot, digest: digestIn(cluster.store) });
});

test('the base is the same constant from every image', () => {
  const cluster = exporting();
  const first = cluster.query({ kind: 'scanBase', mid: 5, minSlot: 0 }, 'base');
  cluster.set('k', 'other');
  cluster.set('p', 'new');
  cluster.delete('l');
  const second = cluster.query({ kind: 'scanBase', mid: 5, minSlot: 0 }, 'base');
  cluster.expect({ kind: 'trim', ...header, from: 'k', to: 't', slot: cluster.slot }, 'ok');
  const third = cluster.query({ kind: 'scanBase', mid: 5, minSlot: 0 }, 'base');
  assert.equal(second.base, first.base);
  assert.equal(third.base, first.base, '(!) trimming the dirty table does not change it');
  assert.ok(second.slot > first.slot);
});

test('the base of a snapshot is that of the image, not of the present state', () => {
  const cluster = exporting();
  const snapshot = cluster.store.snapshot();
  const { base: expected } = cluster.query({ kind: 'scanBase', mid: 5, minSlot: 0 }, 'base');
  cluster.set('k', 'later');
  const work = cluster.machine.query({ kind: 'scanBase', mid: 5, minSlot: 0 }, snapshot.slot, snapshot);
  const answer = decodeAnswer(finish(work).bytes);
  assert.equal(answer, { kind: 'base', slot: snapshot.slot, base: expected });
  assert.equal(cluster.query({ kind: 'scanBase', mid: 5, minSlot: 0 }, 'base').base, expected);
});

test('the first base is kept; a different second one is an alarm, and the range is never sealed', () => {
  const cluster = exporting();
  const known = base(cluster, header);
  cluster.expect({ kind: 'setBase', ...header, base: known }, 'ok');
  const other = { ...known, sum: known.sum + 1n };
  assert.match(cluster.expect({ kind: 'setBase', ...header, base: other }, 'refused').why, /differ/);
  assert.match(
    cluster.expect({ kind: 'seal', ...header, rowsMax: 10, bytesMax: 100 }, 'refused').why,
    /differ/,
  );
  assert.equal(cluster.status(header).exporting?.base, known);
  cluster.expect({ kind: 'unseal', ...header }, 'closed');
});

test('(!) trim drops only what was not changed since the slot that was read', () => {
  const cluster = exporting();
  cluster.set('k', 'early');
  cluster.set('l', 'early');
  const read = cluster.slot;
  cluster.set('l', 'late');
  cluster.expect({ kind: 'trim', ...header, from: 'k', to: 't', slot: read }, 'ok');
  assert.equal(dirty(cluster), [['l', 'late']]);
  assert.is(cluster.status(header).exporting?.dirtyRows, 1);
});

test('trim reaches from its first key to before its last', () => {
  const cluster = exporting();
  for (const key of ['k', 'l', 'l\0', 'm']) cluster.set(key, 'x');
  cluster.expect({ kind: 'trim', ...header, from: 'l', to: 'm', slot: cluster.slot }, 'ok');
  assert.equal(
    dirty(cluster).map(([key]) => key),
    ['k', 'm'],
  );
  cluster.expect({ kind: 'trim', ...header, from: 'm', to: 'm', slot: cluster.slot }, 'ok');
  assert.equal(dirty(cluster).length, 2, 'an empty interval drops nothing');
});

test('seal is behind while the base is unknown or too much is dirty', () => {
  const cluster = exporting();
  cluster.set('k', 'xyz');
  const limits = { rowsMax: 1, bytesMax: 4 };
  assert.equal(cluster.command({ kind: 'seal', ...header, ...limits }), {
    kind: 'behind',
    dirtyRows: 1,
    dirtyBytes: 4,
  });
  base(cluster, header);
  cluster.expect({ kind: 'seal', ...header, rowsMax: 0, bytesMax: 4 }, 'behind');
  cluster.expect({ kind: 'seal', ...header, rowsMax: 1, bytesMax: 3 }, 'behind');
  cluster.expect({ kind: 'seal', ...header, ...limits }, 'sealed');
});

test('seal answers the same every time', () => {
  const cluster = sealed();
  const first = cluster.expect({ kind: 'seal', ...header, rowsMax: 0, bytesMax: 0 }, 'sealed');
  cluster.set('a', 'x');
  assert.equal(cluster.command({ kind: 'seal', ...header, token: 2, rowsMax: 0, bytesMax: 0 }), first);
  assert.equal(first.digest, digestIn(cluster.store));
});

test('(!) from the seal on no row of the range changes, and none is read', () => {
  const cluster = sealed();
  const before = rowsIn(cluster.store, RANGE);
  const updates: Update[] = [
    { kind: 'set', key: 'k', value: bytes('x') },
    { kind: 'delete', key: 'k' },
    { kind: 'deletePrefix', prefix: '' },
    { kind: 'deletePrefix', prefix: 'k' },
    { kind: 'sequence', updates: [{ kind: 'replace', key: 's\xff', wanted: bytes('') }] },
  ];
  for (const update of updates) {
    assert.is(failureOf(cluster.update(update)).code, RETURN_CODES.OUT_OF_RANGE, update.kind);
  }
  assert.is(failureOf(cluster.read({ kind: 'get', consistency, key: 'k' })).code, RETURN_CODES.OUT_OF_RANGE);
  assert.equal(rowsIn(cluster.store, RANGE), before);
  cluster.set('t', 'the rest is served');
});

test('unseal serves again at the old epoch, and drops what the export kept', () => {
  const cluster = sealed();
  assert.equal(cluster.command({ kind: 'unseal', ...header }), { kind: 'closed', outcome: 'unsealed' });
  assert.equal(cluster.machine.owned(), [{ lo: '', hi: null, epoch: 0, sealedBy: null }]);
  assert.is(cluster.status(header).exporting, null);
  assert.equal(
    cluster.dump().filter(([key]) => key.startsWith('\x03')),
    [],
  );
  cluster.set('k', 'served');
});

test('(!) cancel is unseal where nothing is sealed; from the seal on it changes nothing', () => {
  const cluster = sealed();
  const { exporting } = cluster.status(header);
  const before = cluster.dump();
  const answer = cluster.expect({ kind: 'cancel', ...header }, 'sealed');
  assert.equal(answer, { kind: 'sealed', ...exporting?.sealed });
  assert.equal(cluster.dump(), before);
  cluster.expect({ kind: 'cancel', ...header, hi: null }, 'refused');

  for (const begins of [true, false]) {
    const other = new TestCluster();
    if (begins) other.expect({ kind: 'beginExport', ...header }, 'exporting');
    assert.equal(other.command({ kind: 'cancel', ...header }), { kind: 'closed', outcome: 'unsealed' });
    other.expect({ kind: 'beginExport', ...header }, 'closed');
    other.expect({ kind: 'seal', ...header, rowsMax: 9, bytesMax: 99 }, 'closed');
    other.set('k', 'served');
  }
});

test('(!) unseal counts also when no export exists: a late beginExport then does nothing', () => {
  const cluster = new TestCluster();
  assert.equal(cluster.command({ kind: 'unseal', ...header }), { kind: 'closed', outcome: 'unsealed' });
  assert.equal(cluster.command({ kind: 'beginExport', ...header }), { kind: 'closed', outcome: 'unsealed' });
  assert.is(cluster.status(header).exporting, null);
});

test('release wants the seal; then the range is forgotten, cleaned up, and pointed away', () => {
  const open = exporting();
  open.expect({ kind: 'release', ...header }, 'none');
  const cluster = sealed();
  assert.equal(cluster.command({ kind: 'release', ...header }), { kind: 'closed', outcome: 'released' });
  assert.equal(
    cluster.machine.owned().map(({ lo, hi }) => [lo, hi]),
    [
      ['', 'k'],
      ['t', null],
    ],
  );
  assert.equal(cluster.machine.forward(), [{ lo: 'k', hi: 't', owner: 'target', epoch: 5 }]);
  assert.ok(cluster.status(header).cleaning);
  cleanUp(cluster);
  assert.not(cluster.status(header).cleaning);
  assert.equal(
    rowsIn(cluster.store, { lo: '', hi: null }).map(([key]) => key),
    ['a'],
  );
  assert.equal(
    cluster.dump().filter(([key]) => key.startsWith('\x03')),
    [],
  );
});

test('(!) pages are refused below the slot that the caller has seen', () => {
  const cluster = exporting();
  const minSlot = cluster.slot + 1;
  const queries = [
    { kind: 'readPage', mid: 5, ...RANGE, from: 'k', bytesMax: 100, minSlot },
    { kind: 'readDirty', mid: 5, from: 'k', rowsMax: 10, bytesMax: 100, minSlot },
    { kind: 'scanBase', mid: 5, minSlot },
  ] as const;
  for (const query of queries) {
    assert.is(failureOf(cluster.queryAnswer(query)).code, RETURN_CODES.INCONSISTENT_READ, query.kind);
    assert.is(cluster.queryAnswer({ ...query, minSlot: cluster.slot }).bytes[0], 0, query.kind);
    cluster.query({ ...query, mid: 6, minSlot: 0 }, 'none');
  }
});

test('a page is named by its end key: the successor of its last row, or the end of the range', () => {
  const cluster = exporting();
  const query = { kind: 'readPage', mid: 5, ...RANGE, from: 'k', bytesMax: 1, minSlot: 0 } as const;
  const first = cluster.query(query, 'rows');
  assert.equal([first.rows.map(({ key }) => key), first.to, first.asOf], [['k'], 'k\0', cluster.slot]);
  const second = cluster.query({ ...query, from: 'k\0' }, 'rows');
  assert.equal([second.rows.map(({ key }) => key), second.to], [['l'], 't']);
  assert.equal(cluster.query({ ...query, from: 't' }, 'rows').to, 't');
  assert.is(cluster.query({ ...query, bytesMax: 0 }, 'rows').rows.length, 1, 'every page gets on');
});

test('pages hold at most so many rows', () => {
  const cluster = new TestCluster();
  const sets = Array.from(
    { length: 4500 },
    (_, n): Update => ({ kind: 'set', key: `k${String(n).padStart(4, '0')}`, value: bytes('') }),
  );
  cluster.apply(...sets);
  cluster.expect({ kind: 'beginExport', ...header }, 'exporting');
  const keys: string[] = [];
  let pages = 0;
  for (let from = 'k'; from !== 't'; pages += 1) {
    const query = { kind: 'readPage', mid: 5, ...RANGE, from, bytesMax: 1 << 30, minSlot: 0 } as const;
    const { rows, to } = cluster.query(query, 'rows');
    keys.push(...rows.map(({ key }) => key));
    from = to as string;
  }
  assert.is(pages, 3);
  assert.equal(keys, [...new Set(keys)].sort());
  assert.is(keys.length, 4500);
});

test('dirty rows come in pages too, in order, longest keys included', () => {
  const cluster = exporting();
  const stem = `k${'\xff'.repeat(3999)}`;
  const keys = [
    'k\0',
    'k\xff',
    stem,
    `${stem}\0`,
    `${stem}a`,
    `${stem}a\0`,
    `${stem}\xff`,
    'l',
    'l\0',
    's\xff',
  ];
  for (const key of [...keys].reverse()) cluster.set(key, 'x');
  const found: string[] = [];
  for (let from = 'k'; from !== 't'; ) {
    const query = { kind: 'readDirty', mid: 5, from, rowsMax: 2, bytesMax: 1 << 20, minSlot: 0 } as const;
    const { rows, to } = cluster.query(query, 'rows');
    assert.ok(rows.length <= 2);
    found.push(...rows.map(({ key }) => key));
    from = to as string;
  }
  assert.equal(found, keys);
  cluster.expect({ kind: 'trim', ...header, from: `${stem}\0`, to: `${stem}a\0`, slot: cluster.slot }, 'ok');
  assert.equal(dirty(cluster).length, keys.length - 2);
  assert.is(cluster.status(header).exporting?.dirtyRows, keys.length - 2);
});

test('rounds shrink to what changed meanwhile', () => {
  const source = exporting();
  const target = new TestCluster({ nursery: true });
  target.expect({ kind: 'beginImport', ...header }, 'importing');
  for (let n = 0; n < 10; n += 1) source.set(`m${n}`, 'x');
  assert.is(round(source, target, header), 10);
  source.set('m3', 'y');
  assert.is(round(source, target, header), 1);
  assert.is(round(source, target, header), 0);
});

test('each export keeps book of its own range alone', () => {
  const cluster = exporting();
  const other = headerOf(6, { lo: 'a', hi: 'c' });
  cluster.expect({ kind: 'beginExport', ...other }, 'exporting');
  cluster.set('b', '12');
  const counts = (mid: number): unknown => {
    const record = cluster.machine.state.exports.get(mid);
    return [record?.dirtyRows, record?.dirtyBytes];
  };
  assert.equal(
    [counts(5), counts(6)],
    [
      [0, 0],
      [1, 3],
    ],
  );
  cluster.set('k', '123');
  assert.equal(
    [counts(5), counts(6)],
    [
      [1, 4],
      [1, 3],
    ],
  );
});

test('dirty rows are read up to the limit that is asked for, at least one', () => {
  const cluster = exporting();
  for (const key of ['l', 'm', 'n']) cluster.set(key, '1');
  const read = (rowsMax: number, bytesMax: number): unknown => {
    const query = { kind: 'readDirty', mid: 5, from: 'k', rowsMax, bytesMax, minSlot: 0 } as const;
    const { rows, to } = cluster.query(query, 'rows');
    return [rows.length, to];
  };
  assert.equal(read(1, 1000), [1, 'm']);
  assert.equal(read(2, 1000), [2, 'n']);
  assert.equal(read(3, 1000), [3, 't']);
  assert.equal(read(0, 1000), [1, 'm']);
  assert.equal(read(1000, 0), [1, 'm']);
  assert.equal(read(1000, 4), [2, 'n'], 'a row has two bytes');
  assert.equal(read(1000, 5), [3, 't'], 'the last one may go beyond it');
});

test('ranges that were released point away in their order, whichever went first', () => {
  const cluster = new TestCluster();
  for (const [mid, lo, hi] of [
    [5, 'p', 't'],
    [6, 'c', 'e'],
    [7, 'h', 'k'],
  ] as const) {
    const of = headerOf(mid, { lo, hi, peer: `to${mid}` });
    cluster.expect({ kind: 'beginExport', ...of }, 'exporting');
    base(cluster, of);
    seal(cluster, of);
    cluster.expect({ kind: 'release', ...of }, 'closed');
  }
  assert.equal(
    cluster.machine.forward().map(({ lo, owner, epoch }) => [lo, owner, epoch]),
    [
      ['c', 'to6', 6],
      ['h', 'to7', 7],
      ['p', 'to5', 5],
    ],
  );
});

test.run();

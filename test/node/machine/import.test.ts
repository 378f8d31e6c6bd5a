/** The target's side: each command against each state it may meet. */

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { digestOfRange, rowsIn } from '../../../node/machine/rows.ts';
import { dataKey } from '../../../node/machine/store-keys.ts';
import { PASSED_MAX } from '../../../node/store/types.ts';
import { RETURN_CODES } from '../../../src/base/errors.ts';
import { USER_KEY_MAX, VALUE_MAX } from '../../../src/base/limits.ts';
import { addDigests, digestOfRow, NO_ROWS } from '../../../src/keyspace/digest.ts';
import {
  type AdminAnswer,
  decodeAnswer,
  PAGE_COPY,
  PAGE_DIRTY,
  type Row,
} from '../../../src/protocol/admin/admin.ts';
import { decodeInt } from '../../../src/protocol/arakoon/replies.ts';
import { bytes, row, TestCluster } from './cluster.ts';
import { cleanUp, give, headerOf, move, type Of } from './migrations.ts';

const header = headerOf(5);
const consistency = { kind: 'consistent' } as const;

function pageOf(changed: Partial<Of<'page'>> = {}): Of<'page'> {
  return {
    kind: 'page',
    ...header,
    seq: 1,
    asOf: 10,
    page: PAGE_COPY,
    from: 'k',
    to: 'm',
    rows: [],
    ...changed,
  };
}

function importing(): TestCluster {
  const cluster = new TestCluster({ nursery: true });
  cluster.expect({ kind: 'beginImport', ...header }, 'importing');
  return cluster;
}

/** An import that has taken k = 1, l = 2 and everything else there is. */
function complete(): { cluster: TestCluster; activate: Of<'activate'> } {
  const cluster = importing();
  cluster.expect(pageOf({ to: 't', rows: [row('k', '1'), row('l', '2')] }), 'ok');
  const digest = addDigests(digestOfRow(0, 'k', bytes('1')), digestOfRow(0, 'l', bytes('2')));
  return { cluster, activate: { kind: 'activate', ...header, seq: 1, sealSlot: 20, digest } };
}

const stagedIn = (cluster: TestCluster): [string, string][] =>
  rowsIn(cluster.store, { lo: 'k', hi: 't' }).map(([key, value]) => [key, Buffer.from(value).toString()]);

test('whether it may begin: not while rows that nobody owns lie in the range, which is asked for at the target alone', () => {
  const cluster = new TestCluster({ nursery: true });
  const may = (as: 'source' | 'target', lo = 'k', hi: string | null = 't') =>
    cluster.queryAnswer({ kind: 'mayBegin', mid: 5, lo, hi, as });
  const answer = (reply: ReturnType<typeof may>): AdminAnswer => decodeAnswer(reply.bytes);
  assert.is(answer(may('target')).kind, 'ok');
  cluster.store.commit(new Map([[dataKey('l'), bytes('1')]]), cluster.slot + 1);
  assert.equal(answer(may('target')), { kind: 'busy', why: 'rows that nobody owns lie in [k..t)' });
  assert.equal(cluster.command({ kind: 'beginImport', ...header }), answer(may('target')));
  assert.is(answer(may('target', 'm')).kind, 'ok');
  assert.is(answer(may('target', 't', 'k')).kind, 'ok', 'no range: it is refused for good');
});

test('whether it may begin is asked of many removed rows with pauses', () => {
  const cluster = new TestCluster({ nursery: true });
  const keys = Array.from({ length: 3 * PASSED_MAX }, (_, n) => dataKey(`k${String(n).padStart(4, '0')}`));
  cluster.store.commit(new Map(keys.map((key) => [key, bytes('1')])), 1);
  cluster.store.flush(1);
  cluster.store.commit(new Map(keys.map((key) => [key, null])), 2);
  const query = { kind: 'mayBegin', mid: 5, lo: 'k', hi: 't', as: 'target' } as const;
  const work = cluster.machine.query(query, cluster.slot, cluster.store);
  assert.ok('next' in work);
  let turns = 1;
  let next = work.next();
  for (; next.done !== true; next = work.next()) turns += 1;
  assert.is(decodeAnswer(next.value.bytes).kind, 'ok');
  assert.ok(turns >= 3, `${turns} turns`);
});

test('beginImport makes an empty staging', () => {
  const cluster = new TestCluster({ nursery: true });
  assert.equal(cluster.command({ kind: 'beginImport', ...header }), {
    kind: 'importing',
    seq: 0,
    cursor: 'k',
    asOf: 0,
    running: NO_ROWS,
    lo: 'k',
    hi: 't',
  });
});

test('beginImport of an import that is there is only the fence', () => {
  const cluster = importing();
  cluster.expect(pageOf({ rows: [row('k', '1')] }), 'ok');
  const again = cluster.expect({ kind: 'beginImport', ...headerOf(5, { token: 2 }) }, 'importing');
  assert.equal([again.seq, again.cursor, again.asOf, again.running.count], [1, 'm', 10, 1]);
  cluster.expect(pageOf({ seq: 2, from: 'm', to: 't' }), 'fenced');
});

test('beginImport is busy where any of the range is owned', () => {
  const cluster = new TestCluster({ nursery: true });
  give(cluster, { lo: 's', hi: null });
  assert.match(cluster.expect({ kind: 'beginImport', ...header }, 'busy').why, /owned/);
  cluster.expect({ kind: 'beginImport', ...headerOf(6, { hi: 's' }) }, 'importing');
});

test('beginImport is busy where an import or a clean-up overlaps', () => {
  const cluster = importing();
  const other = headerOf(6, { lo: 's', hi: 'z' });
  assert.match(cluster.expect({ kind: 'beginImport', ...other }, 'busy').why, /migration 5 imports/);
  cluster.expect({ kind: 'abandon', ...header }, 'closed');
  assert.match(
    cluster.expect({ kind: 'beginImport', ...other }, 'busy').why,
    /migration 5 is still cleaning up/,
  );
  cleanUp(cluster);
  cluster.expect({ kind: 'beginImport', ...other }, 'importing');
});

test('(!) beginImport is busy where any row at all lies in the range', () => {
  const cluster = new TestCluster({ nursery: true });
  cluster.store.commit(new Map([['\x01s\xff', bytes('stray')]]), 1);
  assert.match(cluster.expect({ kind: 'beginImport', ...header }, 'busy').why, /rows/);
  cluster.expect({ kind: 'beginImport', ...headerOf(6, { hi: 's\xff' }) }, 'importing');
});

test('a page puts and removes rows, moves the cursor, and keeps the running digest exact', () => {
  const cluster = importing();
  cluster.expect(pageOf({ rows: [row('k', '1'), row('l', '2')] }), 'ok');
  cluster.expect(
    pageOf({
      seq: 2,
      page: PAGE_DIRTY,
      from: 'k',
      to: 't',
      rows: [row('k', 'changed'), row('l', null), row('q', 'new')],
    }),
    'ok',
  );
  const status = cluster.status(header).importing;
  assert.is(status?.cursor, 'm', 'dirty rows do not move it');
  assert.is(status?.seq, 2);
  assert.equal(stagedIn(cluster), [
    ['k', 'changed'],
    ['q', 'new'],
  ]);
  const work = digestOfRange(cluster.store, { lo: 'k', hi: 't' });
  let next = work.next();
  while (next.done !== true) next = work.next();
  assert.equal(status?.running, next.value);
});

test('a doubled page does nothing', () => {
  const cluster = importing();
  cluster.expect(pageOf({ rows: [row('k', '1')] }), 'ok');
  cluster.expect(pageOf({ seq: 2, from: 'm', to: 't', rows: [row('m', '2')] }), 'ok');
  const before = cluster.dump();
  cluster.expect(pageOf({ rows: [row('k', 'other')] }), 'ok');
  cluster.expect(pageOf({ seq: 2, rows: [row('k', 'other')] }), 'ok');
  assert.equal(cluster.dump(), before);
});

test('a page out of turn is a gap, and says where the import is', () => {
  const cluster = importing();
  assert.equal(cluster.command(pageOf({ seq: 2 })), { kind: 'gap', seq: 0, cursor: 'k', asOf: 0 });
});

test('(!) a page read at an older slot than one before is stale', () => {
  const cluster = importing();
  cluster.expect(pageOf({ asOf: 10 }), 'ok');
  const late = pageOf({ seq: 2, asOf: 9, from: 'm', to: 't', rows: [row('m', 'old')] });
  assert.equal(cluster.command(late), { kind: 'stale', seq: 1, cursor: 'm', asOf: 10 });
  assert.equal(cluster.command({ ...late, page: PAGE_DIRTY }).kind, 'stale');
  cluster.expect({ ...late, asOf: 10 }, 'ok');
});

test('(!) a copied page begins at the cursor', () => {
  const cluster = importing();
  for (const from of ['l', 'm']) assert.is(cluster.command(pageOf({ from, to: 't' })).kind, 'gap');
  assert.is(cluster.status(header).importing?.cursor, 'k');
});

const UNSOUND: { readonly [name: string]: Partial<Of<'page'>> } = {
  'a row before its interval': { rows: [row('j', '')] },
  'a row behind its interval': { rows: [row('m', '')] },
  'a row behind its interval, after one that lies in it': { rows: [row('k', ''), row('m', '')] },
  'an end outside the range': { to: 'u' },
  'an open end outside the range': { to: null },
  'a copy without keys': { to: 'k' },
  'rows without an interval': { page: PAGE_DIRTY, from: 'l', to: 'l', rows: [row('l', '')] },
  'a beginning outside the range': { page: PAGE_DIRTY, from: 'j' },
  'an unknown kind of page': { page: 7 },
  'an unknown kind of row': { rows: [{ ...(row('k', '') as Row), kind: 9 }] },
};
for (const [name, changed] of Object.entries(UNSOUND)) {
  test(`a page that cannot be right is refused: ${name}`, () => {
    const cluster = importing();
    const before = cluster.dump();
    assert.is(cluster.command(pageOf(changed)).kind, 'refused');
    assert.equal(cluster.dump(), before);
  });
}

test('staged rows are not served, not counted, and not deleted by a prefix delete', () => {
  const { cluster } = complete();
  give(cluster, { lo: 't', hi: null }, 9);
  give(cluster, { lo: '', hi: 'k' }, 10);
  assert.is(cluster.read({ kind: 'get', consistency, key: 'k' }).bytes[0], RETURN_CODES.OUT_OF_RANGE);
  assert.is(cluster.update({ kind: 'deletePrefix', prefix: '' }).bytes[0], RETURN_CODES.OUT_OF_RANGE);
  assert.is(cluster.update({ kind: 'deletePrefix', prefix: 'k' }).bytes[0], RETURN_CODES.OUT_OF_RANGE);
  assert.is(decodeInt(cluster.update({ kind: 'deletePrefix', prefix: 'j' }).bytes), 0);
  assert.is(stagedIn(cluster).length, 2);
});

test('activate makes the staging owned and served, at the epoch of its migration', () => {
  const { cluster, activate } = complete();
  assert.equal(cluster.command(activate), { kind: 'closed', outcome: 'activated' });
  assert.equal(cluster.machine.owned(), [{ lo: 'k', hi: 't', epoch: 5, sealedBy: null }]);
  assert.is(cluster.status(header).importing, null);
  assert.is(cluster.read({ kind: 'get', consistency, key: 'l' }).bytes[0], 0);
});

const MISMATCHES: { readonly [name: string]: Partial<Of<'activate'>> } = {
  'another number of pages': { seq: 2 },
  'another sum': { digest: { ...complete().activate.digest, sum: 1n } },
  'another count': { digest: { ...complete().activate.digest, count: 3 } },
  'other bytes': { digest: { ...complete().activate.digest, bytes: 5 } },
};
for (const [name, changed] of Object.entries(MISMATCHES)) {
  test(`activate is refused on apply: ${name}`, () => {
    const { cluster, activate } = complete();
    const before = cluster.dump();
    assert.equal(cluster.command({ ...activate, ...changed }), { kind: 'mismatch', mine: activate.digest });
    assert.equal(cluster.dump(), before);
    cluster.expect(activate, 'closed');
  });
}

test('activate is refused while the copy has not come to the end', () => {
  const cluster = importing();
  cluster.expect(pageOf(), 'ok');
  assert.is(
    cluster.command({ kind: 'activate', ...header, seq: 1, sealSlot: 20, digest: NO_ROWS }).kind,
    'mismatch',
  );
});

test('a range that is open at its end is complete when the cursor is', () => {
  const cluster = new TestCluster({ nursery: true });
  const open = headerOf(5, { hi: null });
  cluster.expect({ kind: 'beginImport', ...open }, 'importing');
  cluster.expect(pageOf({ ...open, to: null, rows: [row('\xff\xff\xff', '')] }), 'ok');
  assert.is(cluster.status(open).importing?.cursor, null);
  const digest = digestOfRow(0, '\xff\xff\xff', bytes(''));
  cluster.expect({ kind: 'activate', ...open, seq: 1, sealSlot: 20, digest }, 'closed');
});

test('whichever of activate and abandon is chosen first stands for ever', () => {
  const first = complete();
  first.cluster.expect(first.activate, 'closed');
  assert.equal(first.cluster.command({ kind: 'abandon', ...header }), {
    kind: 'closed',
    outcome: 'activated',
  });
  assert.is(first.cluster.machine.owned().length, 1);
  const second = complete();
  second.cluster.expect({ kind: 'abandon', ...header }, 'closed');
  assert.equal(second.cluster.command(second.activate), { kind: 'closed', outcome: 'abandoned' });
  assert.equal(second.cluster.machine.owned(), []);
});

test('(!) abandon counts also when no import exists: a late beginImport then does nothing', () => {
  const cluster = new TestCluster({ nursery: true });
  assert.equal(cluster.command({ kind: 'abandon', ...header }), { kind: 'closed', outcome: 'abandoned' });
  assert.equal(cluster.machine.cleanups, []);
  assert.equal(cluster.command({ kind: 'beginImport', ...header }), { kind: 'closed', outcome: 'abandoned' });
  assert.is(cluster.status(header).importing, null);
});

test('(!) what was staged for a migration below the floor goes: it was aborted without this cluster', () => {
  const cluster = importing();
  cluster.expect(pageOf({ rows: [row('k', '1')] }), 'ok');
  const later = headerOf(9, { lo: 'x', hi: 'y' });
  cluster.expect({ kind: 'beginImport', ...later, floor: 5 }, 'importing');
  assert.is(cluster.status(header).importing?.seq, 1, 'the floor itself is not below it');
  cluster.expect({ kind: 'beginImport', ...later, floor: 6 }, 'importing');
  assert.equal([cluster.status(header).importing, cluster.status(header).cleaning], [null, true]);
  assert.is(cluster.status(later).importing?.seq, 0);
  cluster.expect({ kind: 'cleanupStep', mid: 5, rowsMax: 10 }, 'ok');
  assert.equal(stagedIn(cluster), []);
  assert.equal(cluster.command({ kind: 'abandon', ...header }), { kind: 'closed', outcome: null });
});

test('what was staged is deleted step by step after an abandon', () => {
  const { cluster } = complete();
  cluster.expect(pageOf({ seq: 2, page: PAGE_DIRTY, to: 't', rows: [row('q', '3')] }), 'ok');
  cluster.expect({ kind: 'abandon', ...header }, 'closed');
  assert.ok(cluster.status(header).cleaning);
  cluster.expect({ kind: 'cleanupStep', mid: 5, rowsMax: 2 }, 'ok');
  assert.equal(stagedIn(cluster), [['q', '3']]);
  assert.equal(cluster.machine.cleanups, [5]);
  cluster.expect({ kind: 'cleanupStep', mid: 5, rowsMax: 2 }, 'ok');
  assert.equal(stagedIn(cluster), []);
  assert.equal(cluster.machine.cleanups, []);
});

test('(!) a clean-up step that comes late deletes nothing', () => {
  const { cluster } = complete();
  cluster.expect({ kind: 'abandon', ...header }, 'closed');
  cleanUp(cluster);
  const source = new TestCluster();
  source.set('k', 'new');
  move(source, cluster, headerOf(6));
  cluster.expect({ kind: 'cleanupStep', mid: 5, rowsMax: 100 }, 'none');
  assert.equal(stagedIn(cluster), [['k', 'new']]);
});

test('steps of a clean-up change the same on every replica, whatever each has flushed', () => {
  const keys = Array.from({ length: 4 * PASSED_MAX }, (_, n) => `k${String(n).padStart(4, '0')}`);
  const removed = keys.slice(PASSED_MAX, 2 * PASSED_MAX + 2);
  const replicas = ['flushes', 'never does'].map((habit) => ({ habit, cluster: importing() }));
  for (const { cluster } of replicas) {
    cluster.expect(pageOf({ rows: keys.map((key) => row(key, 'v')) }), 'ok');
    cluster.store.flush(cluster.slot);
    const page = { seq: 2, page: PAGE_DIRTY, to: 't', rows: removed.map((key) => row(key, null)) };
    cluster.expect(pageOf(page), 'ok');
    cluster.expect({ kind: 'abandon', ...header }, 'closed');
  }
  for (let step = 0; replicas.some(({ cluster }) => cluster.machine.cleanups.length > 0); step += 1) {
    assert.ok(step < 10, 'a clean-up ends');
    const images = replicas.map(({ habit, cluster }) => {
      if (habit === 'flushes') cluster.store.flush(cluster.slot);
      cluster.expect({ kind: 'cleanupStep', mid: 5, rowsMax: PASSED_MAX }, 'ok');
      return cluster.dump();
    });
    assert.equal(images[0], images[1]);
  }
  for (const { cluster } of replicas) assert.equal(stagedIn(cluster), []);
});

test('a page of many rows pauses', () => {
  const cluster = importing();
  const rows = Array.from({ length: 2000 }, (_, n) => row(`k${String(n).padStart(4, '0')}`, 'v'));
  cluster.expect(pageOf({ rows }), 'ok');
  assert.ok(cluster.turns >= 4, `${cluster.turns} turns for 2,000 rows`);
});

test('(!) a copy that comes over rows of dirty pages takes their digests back', () => {
  const cluster = importing();
  const dirty = { page: PAGE_DIRTY, rows: [row('o', 'early')], from: 'o', to: 'p' };
  cluster.expect(pageOf({ ...dirty, seq: 1 }), 'ok');
  cluster.expect(pageOf({ seq: 2, to: 't', rows: [row('n', '1'), row('o', 'copied')] }), 'ok');
  const digest = addDigests(digestOfRow(0, 'n', bytes('1')), digestOfRow(0, 'o', bytes('copied')));
  assert.equal(cluster.status(header).importing?.running, digest);
  assert.equal(stagedIn(cluster), [
    ['n', '1'],
    ['o', 'copied'],
  ]);
  cluster.expect({ kind: 'activate', ...header, seq: 2, sealSlot: 20, digest }, 'closed');
});

test('rows that could not be stored, or lie elsewhere, are refused with their page', () => {
  const cluster = importing();
  const refused = (changed: Partial<Of<'page'>>, why: RegExp): void => {
    assert.match(cluster.expect(pageOf(changed), 'refused').why, why);
  };
  refused({ rows: [row('k', 'v'.repeat(VALUE_MAX + 1))] }, /value of/);
  refused({ rows: [row(`k${'x'.repeat(USER_KEY_MAX)}`, 'v')] }, /key of/);
  refused({ rows: [row('j', 'v')] }, /outside its interval/);
  refused({ rows: [row('m', 'v')] }, /outside its interval/);
  refused({ rows: [{ ...row('k', 'v'), kind: 1 }] }, /kind of row/);
  refused({ page: 2 }, /kind of page/);
  refused({ page: PAGE_DIRTY, from: 'j', to: 'l' }, /outside the range/);
  refused({ to: 'u' }, /outside the range/);
  refused({ to: null }, /outside the range/);
  refused({ to: 'k' }, /empty/);
  refused({ page: PAGE_DIRTY, from: 'l', to: 'l', rows: [row('l', 'v')] }, /empty/);
  cluster.expect(pageOf({ page: PAGE_DIRTY, from: 'l', to: 'l' }), 'ok');
  cluster.expect(pageOf({ seq: 2, to: 'l', rows: [row(`k${'x'.repeat(USER_KEY_MAX - 1)}`, 'v')] }), 'ok');
  cluster.expect(pageOf({ seq: 3, from: 'l', rows: [row('l', 'v'.repeat(VALUE_MAX))] }), 'ok');
});

test.run();

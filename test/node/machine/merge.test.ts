/** Merges: what a keeper plans, what an owner makes one, and what becomes of it where the owner dies. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { MERGED_MAX } from '../../../src/protocol/admin/migration.ts';
import { TestCluster } from './cluster.ts';
import { cleanUp, give, headerOf, move } from './migrations.ts';

const nodes = [{ name: 'n1', ips: ['10.0.0.1'], port: 4000 }];
const WHOLE = { lo: '', hi: null };

const owned = ({ machine }: TestCluster): string[] =>
  machine
    .owned()
    .map(({ lo, hi, epoch, sealedBy }) => `${lo}..${hi ?? ''} ${epoch} ${sealedBy ?? ''}`.trim());

/** Owns [a, f) at 1, [f, k) at 2, [k, t) at 3. */
function owner(): TestCluster {
  const cluster = new TestCluster({ nursery: true });
  give(cluster, { lo: 'a', hi: 'f' }, 1);
  give(cluster, { lo: 'f', hi: 'k' }, 2);
  give(cluster, { lo: 'k', hi: 't' }, 3);
  cluster.set('g', 'a row');
  return cluster;
}

const merge = (mid: number, lo: string, hi: string | null) =>
  ({ kind: 'merge', ...headerOf(mid, { lo, hi }) }) as const;

test('what is owned in the range has one epoch from then on, and rows stay as they are', () => {
  const cluster = owner();
  assert.equal(cluster.command(merge(7, 'a', 'k')), { kind: 'closed', outcome: 'merged' });
  assert.equal(owned(cluster), ['a..k 7', 'k..t 3']);
  assert.equal(cluster.command(merge(7, 'a', 'k')), { kind: 'closed', outcome: 'merged' });
  cluster.set('g', 'again');
  assert.equal(cluster.command(merge(8, 'a', 't')), { kind: 'closed', outcome: 'merged' });
  assert.equal(owned(cluster), ['a..t 8']);
});

test('it waits for what lies across the range, and says the same when it is asked first', () => {
  const cluster = owner();
  const other = new TestCluster({ nursery: true });
  const asked = (lo: string, hi: string | null) =>
    cluster.machine.query({ kind: 'mayBegin', mid: 7, lo, hi, as: 'owner' }, cluster.slot, cluster.store);
  const busy = (lo: string, hi: string | null, why: RegExp): void => {
    assert.match(cluster.expect(merge(7, lo, hi), 'busy').why, why);
    assert.ok(asked(lo, hi) !== null);
    assert.match(cluster.query({ kind: 'mayBegin', mid: 7, lo, hi, as: 'owner' }, 'busy').why, why);
  };
  busy('a', 'z', /not all of/);
  const moving = headerOf(5, { lo: 'f', hi: 'k' });
  cluster.expect({ kind: 'beginExport', ...moving }, 'exporting');
  busy('a', 't', /migration 5 moves/);
  cluster.expect({ kind: 'unseal', ...moving }, 'closed');
  cluster.query({ kind: 'mayBegin', mid: 7, lo: 'a', hi: 't', as: 'owner' }, 'ok');
  move(cluster, other, headerOf(6, { lo: 'f', hi: 'k' }));
  busy('a', 't', /not all of/);
  cleanUp(cluster);
  assert.equal(owned(cluster), ['a..f 1', 'k..t 3']);
});

test('whoever gives up comes first: a merge that is late does nothing', () => {
  const cluster = owner();
  cluster.expect({ kind: 'cancel', ...headerOf(7, { lo: 'a', hi: 'k' }) }, 'closed');
  assert.equal(cluster.command(merge(7, 'a', 'k')), { kind: 'closed', outcome: 'unsealed' });
  cluster.expect(merge(8, 'a', 'k'), 'closed');
  const late = { kind: 'cancel', ...headerOf(8, { lo: 'a', hi: 'k' }) } as const;
  assert.equal(cluster.command(late), { kind: 'closed', outcome: 'merged' });
  cluster.expect({ ...merge(9, 'a', 't'), token: 2 }, 'closed');
  assert.is(cluster.command({ ...merge(10, 'a', 't'), floor: 11 }).kind, 'closed');
  assert.equal(owned(cluster), ['a..t 9'], 'below the floor');
});

/** A keeper of A and B, whose map gives A three ranges: moved to B, and back. */
function keeper(): TestCluster {
  const cluster = new TestCluster();
  for (const id of ['A', 'B']) cluster.expect({ kind: 'setClusterConfig', cluster: id, nodes }, 'ok');
  cluster.expect({ kind: 'initMap', cluster: 'A' }, 'planned');
  publish(cluster, { kind: 'plan', source: 'A', target: 'B', lo: 'k', hi: 't' });
  publish(cluster, { kind: 'plan', source: 'B', target: 'A', lo: 'k', hi: 't' });
  return cluster;
}

const receipt = { sealSlot: 0, digest: { sum: 0n, count: 0, bytes: 0 }, pauseMs: 0, pauseAtLeast: false };

function publish(cluster: TestCluster, command: Parameters<TestCluster['command']>[0]): void {
  const { mid } = cluster.expect(command, 'planned');
  cluster.expect({ kind: 'claim', mid, tokenSeen: 0 }, 'claimed');
  cluster.expect({ kind: 'publish', mid, token: 1, receipt }, 'ok');
  cluster.expect({ kind: 'finish', mid, token: 1 }, 'ok');
}

const mapOf = ({ machine }: TestCluster): string[] =>
  machine.keeperMap().map.entries.map(({ lo, hi, owner: id, epoch }) => `${lo}..${hi ?? ''} ${id} ${epoch}`);

test('the keeper keeps what was merged, and has one entry where it is published', () => {
  const cluster = keeper();
  assert.equal(mapOf(cluster), ['..k A 1', 'k..t A 3', 't.. A 1']);
  publish(cluster, { kind: 'planMerge', cluster: 'A', ...WHOLE });
  assert.equal(mapOf(cluster), ['.. A 4']);
  const [record] = cluster.query({ kind: 'getMigration', mid: 4 }, 'migrations').migrations;
  assert.equal(record?.merges, [
    { lo: '', epoch: 1 },
    { lo: 'k', epoch: 3 },
    { lo: 't', epoch: 1 },
  ]);
  assert.equal([record?.source, record?.target, record?.phase], ['A', 'A', 'done']);
});

test('a merge takes whole entries of one cluster, not many, and none that a migration has', () => {
  const cluster = keeper();
  const why = (lo: string, hi: string | null, id = 'A'): string =>
    cluster.expect({ kind: 'planMerge', cluster: id, lo, hi }, 'refused').why;
  assert.match(why('k', 't'), /is 1 entries/);
  assert.match(why('t', 'k'), /empty/);
  assert.match(why('b', 't'), /begins or ends within/);
  assert.match(why('', 'p'), /begins or ends within/);
  assert.match(why('', 't', 'B'), /B does not own all/);
  const { mid } = cluster.expect({ kind: 'plan', source: 'A', target: 'B', lo: 'a', hi: 'b' }, 'planned');
  assert.match(why('', 't'), /is moving/);
  cluster.expect({ kind: 'planMerge', cluster: 'A', lo: 'k', hi: null }, 'planned');
  assert.match(
    cluster.expect({ kind: 'plan', source: 'A', target: 'B', lo: 'u', hi: 'v' }, 'refused').why,
    /is merging/,
  );
  cluster.expect({ kind: 'claim', mid, tokenSeen: 0 }, 'claimed');
  for (let at = 0; at < MERGED_MAX; at += 1) {
    const lo = `a${String(at).padStart(2, '0')}`;
    const hi = `a${String(at + 1).padStart(2, '0')}`;
    if (at === 0) cluster.expect({ kind: 'recordAbort', mid, token: 1, why: '', told: true }, 'ok');
    publish(cluster, { kind: 'plan', source: 'A', target: 'B', lo, hi });
    publish(cluster, { kind: 'plan', source: 'B', target: 'A', lo, hi });
  }
  assert.match(why('', 'k'), new RegExp(`is ${MERGED_MAX + 2} entries`));
});

test('too late to abort says why', () => {
  const cluster = keeper();
  const { mid } = cluster.expect({ kind: 'planMerge', cluster: 'A', ...WHOLE }, 'planned');
  cluster.expect({ kind: 'claim', mid, tokenSeen: 0 }, 'claimed');
  cluster.expect({ kind: 'publish', mid, token: 1, receipt }, 'ok');
  assert.match(
    cluster.expect({ kind: 'wish', mid, wish: 'abort', why: '' }, 'refused').why,
    /its ranges are one/,
  );
});

test.run();

/** The machine as a whole: determinism, what is visible when, and moves between two of them. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Machine } from '../../../node/machine/machine.ts';
import { rowsIn } from '../../../node/machine/rows.ts';
import { MemoryStore } from '../../../node/store/memory-store.ts';
import { RETURN_CODES } from '../../../src/base/errors.ts';
import { WHOLE } from '../../../src/keyspace/range.ts';
import type { AdminCommand, Hint } from '../../../src/protocol/admin/admin.ts';
import { asFollower, encodeBatch } from '../../../src/protocol/arakoon/batch.ts';
import { encodeUpdate, type Update } from '../../../src/protocol/arakoon/updates.ts';
import { NO_RUNNER } from '../../support/no-runner.ts';
import { type Random, seeded } from '../../support/seeded.ts';
import { bytes, TestCluster } from './cluster.ts';
import { activation, base, cleanUp, copy, give, headerOf, move, round, seal } from './migrations.ts';

const consistency = { kind: 'consistent' } as const;

const hintOf = (cluster: TestCluster, key: string): Hint | null => {
  const answer = cluster.read({ kind: 'get', consistency, key });
  assert.is(answer.bytes[0], RETURN_CODES.OUT_OF_RANGE);
  assert.equal(
    cluster.update({ kind: 'set', key, value: bytes('') }).hint,
    answer.hint,
    'updates hint as reads do',
  );
  return answer.hint;
};
const isServed = (cluster: TestCluster, key: string): boolean =>
  cluster.read({ kind: 'exists', consistency, key }).bytes[0] === 0;

test('followers of an update outside the ranges are refused with it; others are evaluated as ever', () => {
  const cluster = new TestCluster();
  const other = new TestCluster({ nursery: true });
  const at = (key: string): Buffer => encodeUpdate({ kind: 'set', key, value: bytes('v') });
  const codes = (to: TestCluster, ...updates: Uint8Array[]): (number | undefined)[] =>
    to.applyEncoded(...updates).map((answer) => answer.bytes[0]);
  const { OK, OUT_OF_RANGE, NOT_FOUND, BAD_INPUT } = RETURN_CODES;
  const missing = encodeUpdate({ kind: 'delete', key: 'x' });
  assert.equal(codes(cluster, missing, asFollower(at('a')), asFollower(missing)), [NOT_FOUND, OK, NOT_FOUND]);
  assert.equal(codes(other, at('a'), asFollower(at('b')), asFollower(missing), at('c')), [
    OUT_OF_RANGE,
    OUT_OF_RANGE,
    OUT_OF_RANGE,
    OUT_OF_RANGE,
  ]);
  assert.equal(codes(cluster, asFollower(asFollower(at('a')))), [BAD_INPUT], 'only once');

  move(cluster, other, headerOf(5));
  const moved = at('k');
  const kept = at('a');
  assert.equal(codes(cluster, kept, asFollower(moved), asFollower(kept), kept), [
    OK,
    OUT_OF_RANGE,
    OUT_OF_RANGE,
    OK,
  ]);
});

test('what a client sees at each moment of a move that goes through', () => {
  const source = new TestCluster();
  const target = new TestCluster({ nursery: true });
  source.set('k', '1');
  const header = headerOf(5);
  const at = (owner: string, confirmed: boolean): Hint => ({
    entry: { lo: 'k', hi: 't', owner, epoch: 5 },
    confirmed,
  });
  target.expect({ kind: 'beginImport', ...header, peer: 'F' }, 'importing');
  source.expect({ kind: 'beginExport', ...header, peer: 'T' }, 'exporting');
  copy(source, target, header);
  base(source, header);
  assert.ok(isServed(source, 'k'), 'served by the source while it copies');
  assert.equal(hintOf(target, 'k'), at('F', false));
  const sealed = seal(source, header);
  assert.equal(hintOf(source, 'k'), at('T', false), '(!) sealed, not active: the hint is tentative');
  assert.equal(hintOf(target, 'k'), at('F', false));
  target.expect(activation(target, header, sealed), 'closed');
  assert.equal(hintOf(source, 'k'), at('T', false));
  assert.ok(isServed(target, 'k'));
  source.expect({ kind: 'release', ...header }, 'closed');
  assert.equal(hintOf(source, 'k'), at('T', true), 'released: confirmed');
  assert.is(hintOf(target, 'a'), null, 'nothing is known of other keys');
});

test('what a client sees at each moment of a move that is aborted', () => {
  const source = new TestCluster();
  const target = new TestCluster({ nursery: true });
  const header = headerOf(5, { peer: 'T' });
  target.expect({ kind: 'beginImport', ...header }, 'importing');
  source.expect({ kind: 'beginExport', ...header }, 'exporting');
  copy(source, target, header);
  base(source, header);
  seal(source, header);
  target.expect({ kind: 'abandon', ...header }, 'closed');
  assert.is(hintOf(source, 'k')?.confirmed, false, 'abandoned, not yet unsealed');
  assert.is(hintOf(target, 'k'), null);
  source.expect({ kind: 'unseal', ...header }, 'closed');
  assert.ok(isServed(source, 'k'));
  assert.is(hintOf(target, 'k'), null);
});

test('a range that comes back is served again, and no longer pointed away', () => {
  const left = new TestCluster();
  const right = new TestCluster({ nursery: true });
  left.set('k', '1');
  move(left, right, headerOf(2, { peer: 'right' }));
  right.set('l', '2');
  move(right, left, headerOf(3, { peer: 'left' }));
  assert.equal(left.machine.forward(), []);
  assert.equal(right.machine.forward(), [{ lo: 'k', hi: 't', owner: 'left', epoch: 3 }]);
  assert.equal(
    rowsIn(left.store, WHOLE).map(([key]) => key),
    ['k', 'l'],
  );
  assert.equal(rowsIn(right.store, WHOLE), []);
  assert.equal(
    left.machine.owned().map(({ epoch }) => epoch),
    [0, 3, 0],
  );
});

const KEYS = ['', 'j', 'k', 'k\0', 'k\xff', 'm', 's\xff', 't', '\xff', '\xff\xff'];

function randomUpdate(random: Random): Update {
  const key = random.pick(KEYS);
  const value = bytes(String(random.below(5)));
  const choices: (() => Update)[] = [
    () => ({ kind: 'set', key, value }),
    () => ({ kind: 'delete', key }),
    () => ({ kind: 'replace', key, wanted: random.chance(0.5) ? value : null }),
    () => ({ kind: 'testAndSet', key, expected: random.chance(0.5) ? null : value, wanted: value }),
    () => ({ kind: 'deletePrefix', prefix: random.chance(0.1) ? '' : key === '' ? 'k' : key }),
    () => ({ kind: 'sequence', updates: [randomUpdate(random), randomUpdate(random)] }),
  ];
  return random.pick(choices)();
}

seeded('under random writes, the target has at activation what the source had at the seal', (random) => {
  for (let run = 0; run < 30; run += 1) {
    const source = new TestCluster();
    const target = new TestCluster({ nursery: true });
    const write = (): void => {
      for (let n = random.below(6); n > 0; n -= 1)
        source.apply(...Array.from({ length: 1 + random.below(3) }, () => randomUpdate(random)));
      if (random.chance(0.3)) source.restart();
      if (random.chance(0.3)) target.restart();
    };
    const header = headerOf(5, random.chance(0.5) ? { lo: '', hi: null } : {});
    write();
    target.expect({ kind: 'beginImport', ...header }, 'importing');
    source.expect({ kind: 'beginExport', ...header }, 'exporting');
    const { importing } = target.status(header);
    assert.ok(importing);
    write();
    copy(source, target, header, 1 + random.below(10));
    write();
    base(source, header);
    write();
    round(source, target, header, 1 + random.below(3));
    write();
    const atSeal = rowsIn(source.store, header);
    const sealed = seal(source, header);
    write();
    round(source, target, header);
    const { importing: last } = target.status(header);
    assert.equal(last?.running, sealed.digest);
    target.expect(activation(target, header, sealed), 'closed');
    assert.equal(rowsIn(target.store, header), atSeal);
    assert.equal(rowsIn(source.store, header), atSeal, 'the source stays as it was at the seal');
    source.expect({ kind: 'release', ...header }, 'closed');
    cleanUp(source);
    assert.equal(rowsIn(source.store, header), []);
    assert.equal(
      source.dump().filter(([key]) => key.startsWith('\x03')),
      [],
    );
  }
});

seeded('a machine that starts again from the image goes on exactly as one that never stopped', (random) => {
  const one = new TestCluster();
  const other = new TestCluster();
  for (let n = 0; n < 60; n += 1) {
    const mid = 1 + random.below(4);
    const header = headerOf(mid, {
      token: 1 + random.below(2),
      lo: random.pick(['', 'k']),
      hi: random.pick([null, 't']),
    });
    const command = random.pick<AdminCommand>([
      { kind: 'beginExport', ...header },
      { kind: 'beginImport', ...header },
      { kind: 'abandon', ...header },
      { kind: 'unseal', ...header },
      { kind: 'cancel', ...header },
      { kind: 'noteBackup', slot: random.below(9), takenMs: n },
      { kind: 'setClusterConfig', cluster: random.pick(['Z', 'é', 'A']), nodes: [] },
      { kind: 'initMap', cluster: 'A' },
      { kind: 'plan', source: 'A', target: 'Z', lo: 'k', hi: 't' },
    ]);
    const update: Update = random.chance(0.5) ? randomUpdate(random) : { kind: 'admin', command };
    const answers = one.apply(update);
    assert.equal(other.apply(update), answers);
    other.restart();
    assert.equal(other.dump(), one.dump());
    assert.equal(other.machine.state, one.machine.state);
  }
});

test('the last backup is remembered; one of an older slot that is told later is not', () => {
  const cluster = new TestCluster();
  assert.is(cluster.machine.backup, null);
  for (const [slot, takenMs] of [
    [5, 100],
    [3, 200],
  ] as const) {
    cluster.expect({ kind: 'noteBackup', slot, takenMs }, 'ok');
    assert.equal(cluster.machine.backup, { slot: 5, takenMs: 100 });
  }
  cluster.expect({ kind: 'noteBackup', slot: 5, takenMs: 300 }, 'ok');
  assert.equal(cluster.machine.backup, { slot: 5, takenMs: 300 });
});

test('nothing of a slot is visible before it is committed', () => {
  const cluster = new TestCluster();
  const sets = Array.from(
    { length: 3000 },
    (_, n): Update => ({ kind: 'set', key: `k${n}`, value: bytes('') }),
  );
  const header = headerOf(5);
  const begin: Update = { kind: 'admin', command: { kind: 'beginExport', ...header } };
  const work = cluster.machine.apply(1, encodeBatch([begin, ...sets].map(encodeUpdate)));
  assert.not(work.next().done, 'the work is not over at once');
  assert.equal(rowsIn(cluster.store, WHOLE), []);
  assert.is(cluster.machine.exportRange(5), null);
  let next = work.next();
  while (next.done !== true) next = work.next();
  assert.is(cluster.machine.exportRange(5), null);
  cluster.store.commit(next.value.changes, 1);
  next.value.commit();
  assert.equal(cluster.machine.exportRange(5), { lo: 'k', hi: 't' });
  assert.is(cluster.machine.state.exports.get(5)?.dirtyRows, 3000);
});

test('what apply changes is the same whatever it was paused between', () => {
  const run = (): [string, string][] => {
    const store = new MemoryStore();
    store.commit(Machine.found(Machine.genesis({ nursery: false })), 0);
    const machine = new Machine(store, NO_RUNNER);
    const updates = Array.from(
      { length: 1200 },
      (_, n): Update => ({ kind: 'set', key: `k${n % 700}`, value: bytes(`${n}`) }),
    );
    const work = machine.apply(1, encodeBatch(updates.map(encodeUpdate)));
    let next = work.next();
    while (next.done !== true) {
      machine.read({ kind: 'get', consistency, key: 'k1' }, store);
      next = work.next();
    }
    return [...next.value.changes].map(([key, value]) => [
      key,
      value === null ? '' : Buffer.from(value).toString(),
    ]);
  };
  assert.equal(run(), run());
});

test('what is to be scrubbed is told once its slot is committed, until another order comes', () => {
  const cluster = new TestCluster();
  assert.is(cluster.machine.scrub, null);
  cluster.expect({ kind: 'scrub', from: 'a', rowsMax: 10 }, 'ok');
  const first = { slot: cluster.slot, from: 'a', rowsMax: 10 };
  assert.equal(cluster.machine.scrub, first);
  cluster.set('b', '');
  assert.equal(cluster.machine.scrub, first);
  cluster.expect({ kind: 'scrub', from: 'b', rowsMax: 7 }, 'ok');
  assert.equal(cluster.machine.scrub, { slot: cluster.slot, from: 'b', rowsMax: 7 });
});

test('rangeStatus tells all that a cluster knows of a migration', () => {
  const cluster = new TestCluster({ nursery: true });
  give(cluster, { lo: 'a', hi: 'm' }, 1);
  const header = headerOf(5, { lo: 'm', hi: 't', token: 3, floor: 2 });
  cluster.expect({ kind: 'beginImport', ...header }, 'importing');
  const status = cluster.query({ kind: 'rangeStatus', mid: 5, lo: 'b', hi: 't' }, 'rangeStatus');
  assert.equal(status.owned, [{ lo: 'a', hi: 'm', epoch: 1, sealedBy: null }]);
  assert.equal(
    [status.slot, status.token, status.floor, status.cleaning, status.closed],
    [4, 3, 2, false, null],
  );
  assert.is(status.importing?.lo, 'm');
  assert.equal(cluster.query({ kind: 'rangeStatus', mid: 5, lo: 'm', hi: null }, 'rangeStatus').owned, []);
});

test.run();

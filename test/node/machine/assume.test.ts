/** How the first cluster of a nursery comes to own everything. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { bytes, TestCluster } from './cluster.ts';
import { base, give, headerOf, move, seal } from './migrations.ts';

const WHOLE_AT = (epoch: number) => [{ lo: '', hi: null, epoch, sealedBy: null }];

test('a cluster that owns nothing assumes everything, and says so again', () => {
  const cluster = new TestCluster({ nursery: true });
  cluster.expect({ kind: 'assume', epoch: 1 }, 'ok');
  cluster.expect({ kind: 'assume', epoch: 1 }, 'ok');
  assert.equal(cluster.machine.owned(), WHOLE_AT(1));
  cluster.set('a', '1');
});

test('a cluster that had everything before there was a nursery keeps its rows and takes the epoch', () => {
  const cluster = new TestCluster({ nursery: false });
  cluster.set('a', '1');
  cluster.expect({ kind: 'assume', epoch: 1 }, 'ok');
  assert.equal(cluster.machine.owned(), WHOLE_AT(1));
});

test('one that comes late does not bring back what has moved away', () => {
  const source = new TestCluster({ nursery: true });
  source.expect({ kind: 'assume', epoch: 1 }, 'ok');
  const target = new TestCluster({ nursery: true });
  move(source, target, headerOf(2, { lo: '', hi: null }));
  assert.equal(source.machine.owned(), []);
  assert.match(source.expect({ kind: 'assume', epoch: 1 }, 'refused').why, /over/);
  assert.equal(source.machine.owned(), []);
  target.command({ kind: 'abandon', ...headerOf(3, { floor: 3 }) });
  target.expect({ kind: 'assume', epoch: 1 }, 'refused');
});

test('refused where something else is here already', () => {
  const importing = new TestCluster({ nursery: true });
  importing.expect({ kind: 'beginImport', ...headerOf(2) }, 'importing');
  assert.match(importing.expect({ kind: 'assume', epoch: 1 }, 'refused').why, /migration 2 imports/);
  const exporting = new TestCluster({ nursery: false });
  exporting.expect({ kind: 'beginExport', ...headerOf(2) }, 'exporting');
  exporting.expect({ kind: 'assume', epoch: 1 }, 'refused');
  const stray = new TestCluster({ nursery: true });
  stray.store.commit(new Map([['\x01k', bytes('')]]), 1);
  assert.match(stray.expect({ kind: 'assume', epoch: 1 }, 'refused').why, /nobody owns/);
});

test('what looks like everything and is not, or is not served, is no reason to say that it was assumed', () => {
  for (const range of [
    { lo: 'k', hi: null },
    { lo: '', hi: 'k' },
  ]) {
    const cluster = new TestCluster({ nursery: true });
    give(cluster, range, 4);
    cluster.expect({ kind: 'assume', epoch: 4 }, 'refused');
    cluster.expect({ kind: 'assume', epoch: 5 }, 'refused');
    assert.equal(cluster.machine.owned(), [{ ...range, epoch: 4, sealedBy: null }]);
  }
  const parted = new TestCluster({ nursery: true });
  give(parted, { lo: '', hi: 'k' }, 4);
  give(parted, { lo: 'k', hi: null }, 5);
  parted.expect({ kind: 'assume', epoch: 4 }, 'refused');
  const sealedOne = new TestCluster({ nursery: true });
  sealedOne.expect({ kind: 'assume', epoch: 1 }, 'ok');
  const header = headerOf(2, { lo: '', hi: null });
  sealedOne.expect({ kind: 'beginExport', ...header }, 'exporting');
  base(sealedOne, header);
  seal(sealedOne, header);
  sealedOne.expect({ kind: 'assume', epoch: 1 }, 'refused');
});

test('an epoch below the floor is over, although none was assumed here', () => {
  const cluster = new TestCluster({ nursery: true });
  cluster.command({ kind: 'abandon', ...headerOf(9, { floor: 9 }) });
  assert.match(cluster.expect({ kind: 'assume', epoch: 8 }, 'refused').why, /over/);
  cluster.expect({ kind: 'assume', epoch: 9 }, 'ok');
});

test.run();

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { AdminCommand, Header } from '../../../src/protocol/admin/admin.ts';
import { TestCluster } from './cluster.ts';

const [K, ME, PEER] = ['keeper', 'mine', 'theirs'];
type Plain = Extract<AdminCommand, { kind: 'under' }>['command'];

const header = (more: Partial<Header> = {}): Header => ({
  mid: 5,
  token: 1,
  floor: 2,
  lo: 'a',
  hi: 'k',
  peer: 'B',
  ...more,
});

function under(
  command: Plain,
  more: { keeper?: string; founding?: string; peer?: string } = {},
): AdminCommand {
  return { kind: 'under', keeper: K, founding: ME, peer: PEER, ...more, command };
}

function bound(): TestCluster {
  const cluster = new TestCluster({ nursery: true });
  cluster.expect({ kind: 'bind', keeper: { cluster: 'K', founding: K, nodes: [] }, mine: ME }, 'ok');
  return cluster;
}

test('the first keeper that takes a cluster has it for ever', () => {
  const cluster = bound();
  const keeper = { cluster: 'K', founding: 'another', nodes: [] };
  cluster.expect({ kind: 'bind', keeper, mine: ME }, 'refused');
  cluster.restart();
  assert.is(cluster.machine.bound?.keeper.founding, K);
  const nodes = [{ name: 'k', ips: ['::1'], port: 1 }];
  cluster.expect({ kind: 'bind', keeper: { cluster: 'K', founding: K, nodes }, mine: ME }, 'ok');
  assert.equal(cluster.machine.bound?.keeper.nodes, nodes);
});

test('before it is bound a cluster takes nothing in another name than of old', () => {
  const cluster = new TestCluster({ nursery: true });
  cluster.expect(under({ kind: 'assume', epoch: 1 }), 'busy');
  cluster.expect({ kind: 'assume', epoch: 1 }, 'ok'); // as a log of before has it
});

test('what is meant for another founding, or comes from another keeper, does nothing at all', () => {
  const cluster = bound();
  const before = cluster.dump();
  for (const wrong of [{ keeper: 'other' }, { founding: 'other' }, { peer: '' }]) {
    for (const kind of ['beginImport', 'abandon', 'beginExport', 'unseal', 'release'] as const) {
      cluster.expect(under({ kind, ...header() }, wrong), 'refused');
    }
    if (wrong.peer === undefined) cluster.expect(under({ kind: 'assume', epoch: 1 }, wrong), 'refused');
  }
  cluster.expect({ kind: 'beginImport', ...header() }, 'refused');
  cluster.expect({ kind: 'assume', epoch: 1 }, 'refused');
  cluster.expect(under({ kind: 'cleanupStep', mid: 1, rowsMax: 1 }), 'refused');
  assert.equal(cluster.dump(), before, 'not even floor and token');
});

test('a move goes on with the founding that it began with, and its forward names it', () => {
  const target = bound();
  target.expect(under({ kind: 'beginImport', ...header() }), 'importing');
  target.restart();
  target.expect(under({ kind: 'beginImport', ...header({ token: 9 }) }, { peer: 'other' }), 'refused');
  target.expect(under({ kind: 'abandon', ...header({ token: 9 }) }, { peer: 'other' }), 'refused');
  assert.is(target.machine.state.tokens.get(5), 1);
  target.expect(under({ kind: 'beginImport', ...header() }), 'importing');

  const source = bound();
  source.expect(under({ kind: 'assume', epoch: 1 }, { peer: '' }), 'ok');
  source.expect(under({ kind: 'beginExport', ...header() }), 'exporting');
  const base = { sum: 0n, count: 0, bytes: 0 };
  source.expect(under({ kind: 'setBase', ...header(), base }), 'ok');
  source.expect(under({ kind: 'seal', ...header(), rowsMax: 1, bytesMax: 1 }, { peer: 'other' }), 'refused');
  source.expect(under({ kind: 'seal', ...header(), rowsMax: 1, bytesMax: 1 }), 'sealed');
  source.expect(under({ kind: 'release', ...header() }), 'closed');
  source.restart();
  const forward = [{ lo: 'a', hi: 'k', owner: 'B', epoch: 5, founding: PEER }];
  assert.equal(source.machine.forward(), forward);
});

test('a move that began before there were foundings learns its other end', () => {
  const target = new TestCluster({ nursery: true });
  target.expect({ kind: 'beginImport', ...header() }, 'importing');
  target.expect({ kind: 'bind', keeper: { cluster: 'K', founding: K, nodes: [] }, mine: ME }, 'ok');
  target.expect(under({ kind: 'beginImport', ...header() }), 'importing');
  assert.is(target.machine.state.imports.get(5)?.founding, PEER);
  target.expect(under({ kind: 'abandon', ...header() }, { peer: 'other' }), 'refused');
});

test.run();

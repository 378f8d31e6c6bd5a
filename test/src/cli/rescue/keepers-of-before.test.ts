/** Whether the keeper that clusters belong to lives, and which of its nodes must be off. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Given } from '../../../../src/cli/rescue/bound.ts';
import {
  type Answering,
  nodesBefore,
  refuseLivingKeeper,
} from '../../../../src/cli/rescue/keepers-of-before.ts';
import type { NodeAddress, NodeStatus } from '../../../../src/protocol/admin/admin.ts';

const node = (name: string, port: number): NodeAddress => ({ name, ips: ['10.0.0.1'], port });
const NODES = [node('keeper_0', 1), node('keeper_1', 2), node('keeper_2', 3)];
const KEEPER = { cluster: 'keeper', founding: 'k2', nodes: NODES };

function answers(place: NodeAddress, founding: string | null, role = 'master'): Answering {
  const said = { cluster: 'keeper', node: place.name, founding, role };
  return { place, status: founding === null ? null : (said as NodeStatus) };
}

function given(nodes: readonly NodeAddress[]): Given {
  const nursery = { cluster: 'keeper', nodes: [...nodes] };
  return { file: 'ams.ini', config: { cluster: 'ams', nodes: [] }, nursery };
}

const AMS = { cluster: 'ams', founding: 'a1', keeper: 'k1', keepers: [], adopted: 0, file: 'E/ams.ini' };
const BRU = { ...AMS, cluster: 'bru', file: 'E/bru.ini' };

function refusal(...answering: readonly Answering[]): string {
  try {
    refuseLivingKeeper([AMS, BRU], answering, 'k2');
    return '';
  } catch (error) {
    return (error as Error).message;
  }
}

test('a keeper of which a node answers is not lost', () => {
  const [first, second] = NODES as [NodeAddress, NodeAddress];
  assert.match(
    refusal(answers(first, 'k1'), answers(second, 'k1', 'follower')),
    /^ams, bru belong to keeper keeper, founding k1, and keeper_0 \(master\), keeper_1 \(follower\) of that very founding answer: either the wrong file was given \(E\/ams\.ini, E\/bru\.ini\), or this keeper is not lost\. .*rescue promote.*Nothing was done$/,
  );
  assert.match(
    refusal(answers(first, 'k2'), answers(second, 'k1', 'candidate')),
    /keeper_1 \(candidate\) of that/,
  );
});

test('nodes of the new founding, of nobody, and silence are no refusal', () => {
  const [first, second, third] = NODES as [NodeAddress, NodeAddress, NodeAddress];
  assert.is(refusal(answers(first, 'k2'), answers(second, ''), answers(third, null)), '');
  refuseLivingKeeper([{ ...AMS, keeper: 'k2' }], [answers(first, 'k2')], 'k2');
});

test('who runs as a node of the new keeper, by name and address, need not be off', () => {
  const [first, second, third] = NODES as [NodeAddress, NodeAddress, NodeAddress];
  const promoted = [answers(first, 'k2'), answers(second, null), answers(third, '')];
  assert.equal(nodesBefore([given(NODES)], KEEPER, promoted), {
    gone: ['keeper_1', 'keeper_2'],
    members: ['keeper_0'],
  });
  const elsewhere = [node('keeper_0', 11)];
  const moved = nodesBefore([given(NODES)], { ...KEEPER, nodes: elsewhere }, [
    answers(elsewhere[0] as NodeAddress, 'k2'),
  ]);
  assert.equal(moved, { gone: ['keeper_0', 'keeper_1', 'keeper_2'], members: [] });
  const silent = nodesBefore([{ ...given([]), nursery: null }], KEEPER, []);
  assert.equal(silent.gone, ['keeper_0', 'keeper_1', 'keeper_2'], 'where no file says where it was');
});

test.run();

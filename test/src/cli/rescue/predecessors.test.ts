/** Which keepers a new one stands for, from what clusters have known. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type Bound, predecessorsOf } from '../../../../src/cli/rescue/predecessors.ts';

const bound = (cluster: string, keeper: string, keepers: string[] = [], adopted = 0): Bound => ({
  cluster,
  founding: `${cluster}1`,
  keeper,
  keepers,
  adopted,
});

test('the keeper that all belong to', () => {
  const found = predecessorsOf([bound('a', 'k1'), bound('b', 'k1')], 'k2');
  assert.equal(found, { from: 'k1', replaced: ['k1'], order: 1 });
});

test('typed again after all have come over, it is still the one before', () => {
  const found = predecessorsOf([bound('a', 'k2', ['k0', 'k1'], 4), bound('b', 'k2', ['k0', 'k1'], 5)], 'k2');
  assert.equal(found, { from: 'k1', replaced: ['k0', 'k1'], order: 6 });
});

test('begun anew with another keeper while some had come to the first one', () => {
  const found = predecessorsOf([bound('a', 'k2', ['k1'], 1), bound('b', 'k1')], 'k3');
  assert.equal(found, { from: 'k1', replaced: ['k2', 'k1'], order: 2 });
});

test('those of two nurseries are refused, also where both have come to the new keeper', () => {
  const alien = [bound('a', 'k1'), bound('b', 'x1')];
  assert.throws(() => predecessorsOf(alien, 'k2'), /more than one nursery: k1; x1/);
  const both = [bound('a', 'k2', ['k1'], 1), bound('b', 'k2', ['x1'], 1)];
  assert.throws(() => predecessorsOf(both, 'k2'), /more than one nursery/);
});

test("a keeper that takes nobody's place is none", () => {
  assert.throws(() => predecessorsOf([bound('a', 'k2')], 'k2'), /never came from another one/);
});

test.run();

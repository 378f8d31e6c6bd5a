/** With whose functions a new keeper goes on. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { newestFunctions, whyNotNewest } from '../../../../src/cli/rescue/newest-functions.ts';
import type { Told } from '../../../../src/cli/rescue/rebuild.ts';

function told(cluster: string, keeper: string, version: number): Told {
  const nothing = { owned: [], exports: [], imports: [], closed: [], tokens: [], forward: [] };
  const rest = { floor: 0, lastMid: 0, adopted: 0, keepers: [] };
  const functions = { keeper, version };
  return {
    cluster,
    belongings: { founding: `${cluster}1`, unconfirmed: '', ...nothing, ...rest, functions },
  };
}

test('those of the cluster that has come furthest, whichever keeper that was under', () => {
  const all = [told('a', 'k1', 4), told('b', 'k2', 6), told('c', 'k1', 5), told('d', 'k2', 6)];
  assert.is(newestFunctions(all)?.cluster, 'b', 'the first of two');
  assert.is(newestFunctions(all.slice(0, 1))?.cluster, 'a');
});

test('what a cluster had before it came to any keeper is its own', () => {
  assert.is(newestFunctions([told('a', '', 9), told('b', 'k1', 2)])?.cluster, 'b');
  assert.is(newestFunctions([told('a', '', 9), told('b', 'k1', 0)]), null);
  assert.is(newestFunctions([]), null);
});

test('what a node has that lags behind what its cluster told is not gone on with', () => {
  const from = told('a', 'k1', 5);
  assert.is(whyNotNewest(from, 'a1', { version: 5, functions: [] }), null);
  const why = whyNotNewest(from, 'a1', { version: 4, functions: [] });
  assert.is(why, 'a1 has functions at version 4, not 5: type the same again');
});

test.run();

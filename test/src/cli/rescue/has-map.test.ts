/** What is said of a keeper that has a map already. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type Mapped, whyNotDone, whyTaken } from '../../../../src/cli/rescue/has-map.ts';
import type { Bound } from '../../../../src/cli/rescue/predecessors.ts';

const KEEPER: Mapped = { cluster: 'keeper', founding: 'k2', isRescued: true, owners: ['dal'] };
const bound = (cluster: string, keeper: string, keepers: string[] = []): Bound => ({
  cluster,
  founding: `${cluster}1`,
  keeper,
  keepers,
  adopted: keepers.length,
});

test('it was done before where every cluster belongs to this very founding', () => {
  const named = [bound('ams', 'k2', ['k1']), bound('bru', 'k2', ['k1'])];
  assert.is(whyTaken(KEEPER, named), null);
  assert.is(whyNotDone(KEEPER, named), null);
});

test('old homes of a keeper whose place was taken are not where it was done', () => {
  const named = [bound('ams', '455c', ['k1', 'k2']), bound('bru', '455c', ['k1', 'k2'])];
  assert.is(
    whyTaken(KEEPER, named),
    'ams, bru belong to founding 455c: at the addresses of keeper keeper answer homes of founding k2, whose place was taken. Stop these nodes, never start those homes again, and start the nodes whose homes are of founding 455c; nothing was done',
  );
});

test('clusters of another keeper are named, with the founding that they belong to', () => {
  const others = [bound('ams', 'x1'), bound('bru', 'x1')];
  assert.is(whyTaken(KEEPER, others), null);
  assert.match(
    whyNotDone(KEEPER, others) ?? '',
    /has its map \(dal\), but ams, bru belong to founding x1\. Name the files of its own clusters/,
  );
  assert.match(
    whyNotDone(KEEPER, [bound('ams', 'k2'), bound('bru', 'x1')]) ?? '',
    /ams belongs to founding k2, but bru belongs to founding x1\. Leave out the file of bru/,
  );
});

test('a map that nursery init made is of no use to clusters of a lost keeper, and what to do is said', () => {
  const made = { ...KEEPER, isRescued: false };
  assert.match(
    whyNotDone(made, [bound('ams', 'k1'), bound('bru', 'k1')]) ?? '',
    /of no use to ams, bru: ams, bru belong to founding k1\. .*stop the nodes of keeper, empty their homes, start them, and type the same again; what was written to the clusters of its map \(dal\) since stays theirs/,
  );
  assert.match(whyNotDone(made, [bound('dal', 'k2')]) ?? '', /it is not lost, and takes nobody's place/);
});

test.run();

/** Somebody who types commands heeds what the commands do. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Told } from '../../../src/cli/rescue/rebuild.ts';
import { WHOLE } from '../../../src/keyspace/range.ts';
import { RangeMap } from '../../../src/keyspace/rangemap.ts';
import type { AdminAnswer } from '../../../src/protocol/admin/admin.ts';
import type { Nursery } from './nursery.ts';
import { functionsFrom, rebuildKeeper } from './rescuer.ts';

const FUNCTION = { name: 'f', version: 4, source: Buffer.from('f') };

/** A cluster that has come to a new keeper with the functions of version 5. */
const TOLD: Told = {
  cluster: 'A',
  belongings: {
    ...{ founding: 'a1', unconfirmed: '', owned: [], exports: [], imports: [], closed: [], tokens: [] },
    ...{ forward: [], floor: 0, lastMid: 0, adopted: 1, keepers: ['k1'] },
    functions: { keeper: 'k1', version: 5 },
  },
};

/** A page that the node which is asked has at `version`. */
function page(version: number, functions: (typeof FUNCTION)[]): AdminAnswer {
  return { kind: 'functionsPage', keeper: 'k1', version, functions, names: ['f'] };
}

/** What the new keeper goes on with; null: the command is to be typed again. */
function goneOnWith(...answers: readonly AdminAnswer[]): unknown {
  const script = functionsFrom([TOLD]);
  let next = script.next();
  for (const answer of answers) next = script.next(answer);
  assert.ok(next.done);
  return next.value;
}

test('a master that lost its store after its cluster had told answers of before: no keeper begins with that (nursery, 9600000089)', () => {
  assert.is(goneOnWith(page(4, [FUNCTION]), page(4, [])), null);
  assert.equal(goneOnWith(page(5, [FUNCTION]), page(5, [])), { version: 5, functions: [FUNCTION] });
});

/** Whether the rescue of a keeper is through once this keeper shows a map, while `inForce` is the founding that counts. */
function isDoneBy(founding: string, inForce: string): unknown {
  const nursery = { watch: { cluster: () => ({ founding: inForce }) } } as unknown as Nursery;
  const script = rebuildKeeper(nursery);
  script.next();
  const map = RangeMap.of(20, [{ ...WHOLE, owner: 'A', epoch: 1, founding: 'a1' }]);
  const next = script.next({ kind: 'keeperMap', map, clusters: [], nursery: { founding, replaced: [] } });
  assert.ok(next.done);
  return next.value;
}

test('a map of homes of before that answer beside the new keeper is not taken for its own: the command is typed again (nursery, 793)', () => {
  assert.is(isDoneBy('k1', 'k2'), false);
  assert.is(isDoneBy('k2', 'k2'), true);
});

test.run();

/** What a promotion leaves behind: what the map gives to the founding, and no survivor has got. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { missedBy } from '../../../../src/cli/rescue/missed.ts';
import { printRange } from '../../../../src/keyspace/range.ts';
import { RangeMap } from '../../../../src/keyspace/rangemap.ts';
import { type Migration, NO_PROGRESS } from '../../../../src/protocol/admin/admin.ts';

const map = RangeMap.of(5, [
  { lo: '', hi: 'c', owner: 'ams', epoch: 1, founding: 'a' },
  { lo: 'c', hi: 'h', owner: 'bru', epoch: 7, founding: 'b' },
  { lo: 'h', hi: 'm', owner: 'bru', epoch: 3, founding: 'b0' },
  { lo: 'm', hi: null, owner: 'bru', epoch: 2, founding: 'b' },
]);

/** A survivor that has applied so much, and owns from m on, and that. */
function survivor(applied: number, ...ranges: (readonly [lo: string, hi: string | null, epoch: number])[]) {
  const owned = ranges.map(([lo, hi, epoch]) => ({ lo, hi, epoch, sealedBy: null }));
  return { applied, founding: 'b', owned };
}

function missed(left: readonly ReturnType<typeof survivor>[], migrations: readonly Migration[] = []): string {
  return missedBy({ map, migrations }, 'bru', left).map(printRange).join(' ');
}

test('a range whose coming no survivor has applied is left behind; what a founding before had was left before', () => {
  assert.is(missed([survivor(5, ['m', null, 2])]), '[c..h)');
  assert.is(missed([survivor(5, ['m', null, 2]), survivor(9, ['c', 'h', 7], ['m', null, 2])]), '');
  assert.is(missed([survivor(5, ['c', 'h', 4], ['m', null, 2])]), '[c..h)', 'it was away in between');
});

test('a merge that the survivors have missed leaves nothing behind', () => {
  const merge: Migration = {
    ...{ mid: 7, source: 'bru', target: 'bru', lo: 'c', hi: 'h', phase: 'done', token: 1, heartbeat: 0 },
    ...{ wish: 'run', why: '', receipt: null, progress: NO_PROGRESS },
    merges: [
      { lo: 'c', epoch: 4 },
      { lo: 'e', epoch: 5 },
    ],
  };
  const left = [survivor(5, ['c', 'e', 4], ['e', 'h', 5], ['m', null, 2])];
  assert.is(missed(left), '[c..h)');
  assert.is(missed(left, [merge]), '');
});

test.run();

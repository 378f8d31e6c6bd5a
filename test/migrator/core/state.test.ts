/** The state of a coordinator is data: it can be copied, compared and printed, and it is all that there is. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { SETTINGS } from '../../../migrator/core/settings.ts';
import { createCoordination, hasEnded, limitsOf, stageOf } from '../../../migrator/core/state.ts';
import { step } from '../../../migrator/core/step.ts';
import { MID, Rig } from './rig.ts';

test('what it is told of at its beginning', () => {
  const plain = createCoordination({ mid: 7, startedAtMs: 77, claimAtOnce: true });
  assert.equal([plain.mid, plain.claimAtOnce, plain.seen, plain.settings], [7, true, null, SETTINGS]);
  assert.equal([stageOf(plain), hasEnded(plain), plain.report.progress.startedAtMs], ['planned', false, 77]);
  const seen = { token: 1, heartbeat: 2, atMs: 3 };
  const settings = { sealRowsMax: 1, sealBytesMax: 2, sealRowsWanted: 3 };
  const other = createCoordination({ mid: 7, startedAtMs: 0, claimAtOnce: false, seen, settings });
  assert.equal([other.seen, limitsOf(other)], [seen, { rowsMax: 1, bytesMax: 2, rowsWanted: 3 }]);
});

test('a copy of it does the same, at every step of a move', () => {
  const rig = new Rig({ settings: { pageBytes: 1, sealRowsWanted: 0 } });
  let copy = structuredClone(rig.coordinator);
  let steps = 0;
  rig.onStep = (event, effects) => {
    const copied = step(copy, event);
    assert.equal(structuredClone(copied), structuredClone(effects));
    const now = structuredClone(rig.coordinator);
    assert.equal(structuredClone(copy), now);
    copy = now;
    steps += 1;
  };
  rig.start();
  rig.run(1000);
  while (rig.source.machine.cleanups.length > 0)
    rig.source.expect({ kind: 'cleanupStep', mid: MID, rowsMax: 10 }, 'ok');
  rig.run(1000);
  assert.ok(hasEnded(rig.coordinator) && steps > 30, `${steps} steps`);
});

test.run();

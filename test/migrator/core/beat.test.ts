/** How often a coordinator beats, and when it is taken for dead. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { beatMs, beatsSlower, claimAfterMs, GIVEN_UP } from '../../../migrator/core/beat.ts';
import { SETTINGS } from '../../../migrator/core/settings.ts';
import { NO_PROGRESS } from '../../../src/protocol/admin/admin.ts';

const busy = { ...NO_PROGRESS, stage: 'copying', waitingFor: '' };
const waiting = { ...busy, waitingFor: 'target B' };

test('only who waits, and before the check that precedes the seal, beats slower', () => {
  for (const stage of ['preparing', 'copying', 'catching up', 'paused']) {
    assert.equal([beatsSlower({ ...waiting, stage }), beatsSlower({ ...busy, stage })], [true, false], stage);
  }
  for (const stage of ['planned', 'sealing', 'sealed', 'publishing', 'aborting'])
    assert.not(beatsSlower({ ...waiting, stage }), stage);
});

test('a beat is late only once the record says that it may be', () => {
  const slow = SETTINGS.heartbeatMs * SETTINGS.waitingBeats;
  assert.is(beatMs(SETTINGS, waiting, waiting), slow);
  assert.is(beatMs(SETTINGS, busy, waiting), SETTINGS.heartbeatMs);
  assert.is(beatMs(SETTINGS, waiting, busy), SETTINGS.heartbeatMs);
  assert.is(beatMs(SETTINGS, busy, busy), SETTINGS.heartbeatMs);
});

test('while clients of the range wait, or are about to, it beats faster', () => {
  for (const stage of ['sealing', 'sealed'])
    assert.is(beatMs(SETTINGS, waiting, { ...waiting, stage }), SETTINGS.sealedHeartbeatMs, stage);
});

test('what was given up is waited for by nobody', () => {
  assert.is(claimAfterMs(SETTINGS, { ...waiting, stage: GIVEN_UP }), 0);
});

test('who beats slower is waited for as much longer', () => {
  assert.is(claimAfterMs(SETTINGS, busy), SETTINGS.claimAfterMs);
  assert.is(claimAfterMs(SETTINGS, waiting), SETTINGS.claimAfterMs * SETTINGS.waitingBeats);
});

test.run();

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Heartbeats } from '../../../node/serve/heartbeats.ts';
import { type Migration, NO_PROGRESS } from '../../../src/protocol/admin/admin.ts';
import { UNSAID } from '../../../src/protocol/admin/migration.ts';

function records(...given: readonly Partial<Migration>[]): Map<number, Migration> {
  const usual: Migration = {
    mid: 1,
    source: 'ams',
    target: 'bru',
    lo: '',
    hi: null,
    phase: 'active',
    token: 1,
    heartbeat: 1,
    wish: 'run',
    why: '',
    progress: NO_PROGRESS,
    receipt: null,
  };
  return new Map(given.map((one) => [one.mid ?? 1, { ...usual, ...one }]));
}

test('a migration whose heartbeat stands still is named, with since when', () => {
  const beats = new Heartbeats();
  beats.look(records({}, { mid: 2 }), 0);
  assert.equal(beats.notes(4_999), []);
  beats.look(records({}, { mid: 2, heartbeat: 2 }), 3_000);
  assert.equal(beats.notes(7_900), [
    'migration 1: no migrator has noted progress for 7 s; nursery migrate --config FILE --resume goes on with it',
  ]);
  assert.is(beats.notes(8_000).length, 2);
});

test('of one that an operator holds up it is said how he lets it go on', () => {
  const beats = new Heartbeats();
  beats.look(records({ wish: 'pause' }, { mid: 2, asked: { ...UNSAID, rate: 0 } }), 0);
  beats.look(records({ wish: 'pause' }, { mid: 2, asked: { ...UNSAID, rate: 0 } }), 2_000);
  const held =
    'no migrator has noted progress for 5 s, and an operator holds it up; nursery migrate --config FILE';
  assert.equal(beats.notes(5_000), [
    `migration 1: ${held} --continue 1, and --resume, go on with it`,
    `migration 2: ${held} --rate BYTES --of 2, and --resume, go on with it`,
  ]);
});

test('another migrator, and the end of a migration, are signs of life', () => {
  const beats = new Heartbeats();
  beats.look(records({}, { mid: 2 }), 0);
  beats.look(records({ token: 2 }, { mid: 2, phase: 'done' }), 6_000);
  assert.equal(beats.notes(10_999), []);
  assert.is(beats.notes(11_000).length, 1);
});

test.run();

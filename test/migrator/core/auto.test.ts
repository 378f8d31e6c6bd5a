/** What is moved that nobody has asked for: enough, never to and fro, and nothing for counters that lie. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type AutoState, autoIdle, LOOKS_MIN } from '../../../migrator/core/auto.ts';
import { RECENT_MAX } from '../../../src/protocol/admin/auto.ts';
import { asks, looks, WISH, World } from './auto-rig.ts';

const HOUR_MS = 3_600_000;

test('one that is silent counts with what it had, and neither gives nor takes', () => {
  const world = new World({ seed: 1, clusters: 3, ranges: 30, wish: {} });
  world.weigh({ c0: 300, c1: 100, c2: 100 });
  world.look(0);
  world.silence('c0');
  // Of the two others alone c1 would have too much.
  world.weigh({ c0: 300, c1: 140, c2: 60 });
  assert.is(looks(world, 10), 0);
  assert.match(world.verdict.why, /c0 has/);
});

test('nothing moves to another pool, also where one of a pool is silent', () => {
  const world = new World({ seed: 1, clusters: 4, ranges: 40, wish: {} });
  world.pools = { c2: 'us', c3: 'us' };
  world.weigh({ c0: 100e9, c1: 100e9, c2: 10e9, c3: 10e9 });
  assert.is(looks(world, 10), 0);
  assert.is(world.verdict.kind, 'even');
  world.weigh({ c0: 100e9, c1: 100e9, c2: 16e9, c3: 4e9 });
  assert.ok(looks(world, 10) > 0);
  for (const { source, target } of world.seen().migrations) assert.equal([source, target], ['c2', 'c3']);
  const other = new World({ seed: 1, clusters: 4, ranges: 40, wish: {} });
  other.pools = world.pools;
  other.weigh({ c0: 100e9, c1: 100e9, c2: 10e9, c3: 10e9 });
  other.look(0);
  other.silence('c3');
  assert.is(looks(other, 10), 0, 'it counts within its own pool still');
  assert.is(other.verdict.kind, 'even');
});

test('it begins after some looks in a row, and what began goes on below where it began', () => {
  const world = new World({ seed: 1, clusters: 3, ranges: 30, wish: { movesMax: 1 } });
  world.weigh({ c0: 140e9, c1: 80e9, c2: 80e9 });
  for (let look = 1; look < LOOKS_MIN; look += 1) {
    assert.is(world.look(0), 0);
    assert.is(world.verdict.kind, 'waits');
  }
  world.weigh({ c0: 100e9, c1: 100e9, c2: 100e9 });
  assert.is(world.look(0), 0);
  assert.is(world.verdict.kind, 'even', 'it begins anew');
  world.weigh({ c0: 140e9, c1: 80e9, c2: 80e9 });
  assert.is(looks(world, LOOKS_MIN), 1);
  world.weigh({ c0: 120e9, c1: 90e9, c2: 90e9 });
  assert.is(looks(world, LOOKS_MIN), 1, 'between where it stops and where it begins');
  world.weigh({ c0: 108e9, c1: 96e9, c2: 96e9 });
  assert.is(looks(world, 5), 0);
  world.weigh({ c0: 120e9, c1: 90e9, c2: 90e9 });
  assert.is(looks(world, 5), 0, 'it has stopped');
});

test('what a person has moved is left alone for the cool-down', () => {
  const world = new World({ seed: 1, clusters: 2, ranges: 8, wish: { coolDownSeconds: 3600 } });
  world.weigh({ c0: 200, c1: 0 });
  world.movedByPerson('c0');
  assert.is(looks(world, 30), 0);
  assert.is(world.verdict.kind === 'stuck' || world.verdict.kind === 'waits', true, world.verdict.kind);
  assert.ok(
    world.verdicts.some(({ why }) => /have moved within the cool-down/.test(why)),
    world.verdict.why,
  );
  world.pass(HOUR_MS);
  assert.ok(looks(world, 10) > 0);
});

test('nothing begins while it is off, in quiet hours, with its moves open, or once they brought enough for a day', () => {
  const idle = (wish: Partial<typeof WISH>, more: Partial<Parameters<typeof autoIdle>[0]> = {}): string =>
    autoIdle({ wish: { ...WISH, ...wish }, migrations: [], isCut: false, wallMs: 12 * HOUR_MS, ...more })
      ?.kind ?? '';
  const open = asks({ mid: 2, phase: 'active', reason: 'auto' });
  const done = asks({ mid: 3, phase: 'done', reason: 'auto', endedMs: 11 * HOUR_MS, bytes: 100 });
  assert.is(idle({}), '');
  assert.is(idle({ isOn: false }), 'off');
  assert.is(idle({ quiet: { from: 12, to: 13 } }), 'quiet');
  assert.is(idle({ quiet: { from: 13, to: 12 } }), '');
  assert.is(idle({ quiet: { from: 22, to: 13 } }), 'quiet');
  assert.is(idle({ movesMax: 1 }, { migrations: [open] }), 'open');
  assert.is(
    idle({ movesMax: 1 }, { migrations: [{ ...open, asked: undefined } as never] }),
    '',
    "a person's",
  );
  assert.is(idle({ bytesPerDay: 101 }, { migrations: [done] }), '');
  assert.is(idle({ bytesPerDay: 100 }, { migrations: [done] }), 'spent');
  assert.is(idle({ bytesPerDay: 100 }, { migrations: [done], wallMs: 36 * HOUR_MS }), '');
  // Of which nobody knows what came before them.
  assert.is(idle({ coolDownSeconds: 7200 }, { migrations: [done], isCut: true }), 'crowded');
  assert.is(idle({ coolDownSeconds: 60 }, { migrations: [done], isCut: true }), '');
  assert.is(idle({ coolDownSeconds: 60, bytesPerDay: 1000 }, { migrations: [done], isCut: true }), 'spent');
  assert.ok(RECENT_MAX > 64, 'more than may be open at once');
});

test('small neighbours of one owner become one while all is even, and nothing that has moved lately', () => {
  const world = new World({ seed: 3, clusters: 3, ranges: 60, wish: { by: 'size' }, isScattered: false });
  world.weigh({ c0: 9, c1: 9, c2: 9 });
  assert.ok(world.entries > 50);
  looks(world, 200);
  assert.is(world.entries, 3);
  assert.is(world.verdict.kind, 'even');
  const large = new World({ seed: 3, clusters: 3, ranges: 60, wish: { by: 'size' }, isScattered: false });
  large.weigh({ c0: 1e9, c1: 1e9, c2: 1e9 });
  looks(large, 300);
  assert.ok(
    large.entries >= (3 * 20) / 2,
    `${large.entries} ranges of a twentieth of a cluster each are no small ones`,
  );
});

test('its state can be printed, and read again', () => {
  const world = new World({ seed: 1, clusters: 3, ranges: 30, wish: {} });
  looks(world, 2);
  const state = world.stateOf(0);
  assert.equal(JSON.parse(JSON.stringify(state)) as AutoState, state);
  assert.ok(state.lastKnown.length === 3);
});

test.run();

/** What is moved that nobody has asked for: enough, never to and fro, and nothing for counters that lie. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
  AUTO_BEGINNING,
  type AutoState,
  autoIdle,
  judgeAuto,
  LOOKS_MIN,
  planAuto,
} from '../../../migrator/core/auto.ts';
import { RECENT_MAX } from '../../../src/protocol/admin/auto.ts';
import { asks, WISH, World } from './auto-rig.ts';

/** Rounds of moving load, of fifty clusters. */
const ROUNDS = Number(process.env['AUTO_ROUNDS'] ?? 300);
const [CLUSTERS, RANGES] = (process.env['AUTO_SIZE'] ?? '200x20000').split('x').map(Number) as [
  number,
  number,
];
/** Processor time of a whole look (ms for each 1,000 ranges), on a machine that does other things, too. */
const LOOK_MS = 15;
const HOUR_MS = 3_600_000;

/** So many looks of one planner, a minute apart; the moves that were begun. */
function looks(world: World, count: number, lie?: (world: World, round: number) => void): number {
  let begun = 0;
  for (let round = 0; round < count; round += 1) {
    lie?.(world, round);
    begun += world.look(0);
    world.pass(60_000);
  }
  return begun;
}

for (const by of ['size', 'load'] as const) {
  test(`by ${by}: a skewed nursery becomes even, and nothing moves at a standing load from then on`, () => {
    for (let seed = 1; seed <= 2; seed += 1) {
      const world = new World({ seed, clusters: 12, ranges: 200, wish: { by } });
      assert.ok(world.most() > 1.3, `seed ${seed}: skewed`);
      looks(world, 300);
      assert.ok(world.most() <= 1.3, `seed ${seed}: ${world.most()}`);
      assert.is(looks(world, 150), 0, `seed ${seed}: nothing more`);
      assert.is(world.back, 0);
    }
  });
}

test('fifty clusters under a load that moves: what has moved stays for the cool-down, with two planners', () => {
  const world = new World({
    seed: 7,
    clusters: 50,
    ranges: 300,
    planners: 2,
    wish: { by: 'load', movesMax: 8 },
  });
  let moved = 0;
  let uneven = 0;
  for (let round = 0; round < ROUNDS; round += 1) {
    world.drift();
    moved += world.look(0) + world.look(1);
    world.pass(60_000);
    if (world.most() > 2) uneven += 1;
  }
  assert.is(world.back, 0, 'nothing moves within its cool-down');
  assert.ok(moved > ROUNDS / 20, `${moved} moves`);
  console.log(`${ROUNDS} rounds: ${moved} moves, ${uneven} rounds with a cluster above twice the mean`);
  // Then it stands still.
  looks(world, 150);
  assert.is(looks(world, 60), 0, 'nothing moves at a standing load');
});

test('counters that lie by a fifth, come late or are missing move little, and nothing to and fro', () => {
  for (let seed = 1; seed <= 2; seed += 1) {
    const world = new World({ seed, clusters: 12, ranges: 200, planners: 2, wish: { by: 'load' } });
    looks(world, 300);
    const before = world.most();
    const begun = looks(world, 400, (each, round) => each.lie(round));
    assert.is(world.back, 0);
    assert.ok(
      world.most() <= Math.max(before, 1.3) * 1.2,
      `seed ${seed}: ${before} before, ${world.most()} after`,
    );
    assert.ok(begun <= 40, `seed ${seed}: ${begun} moves for nothing`);
    console.log(`seed ${seed}: ${begun} moves for nothing`);
  }
});

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

test('a look at many clusters and ranges is over soon', () => {
  const world = new World({ seed: 1, clusters: CLUSTERS, ranges: RANGES, wish: { by: 'load' } });
  const seen = world.seen();
  let state: AutoState = AUTO_BEGINNING;
  for (let look = 1; look < LOOKS_MIN; look += 1) state = judgeAuto(state, seen).state;
  const times = Array.from({ length: 5 }, () => {
    const before = process.cpuUsage();
    const plan = planAuto(judgeAuto(state, seen), { buckets: new Map(), freeOf: new Map() });
    assert.is(plan.verdict.kind, 'moves');
    return process.cpuUsage(before).user / 1000;
  }).sort((a, b) => a - b);
  console.log(`${CLUSTERS} clusters, ${RANGES} ranges: ${times[2]?.toFixed(1)} ms of a processor`);
  assert.ok((times[0] ?? 0) <= (LOOK_MS * RANGES) / 1000, `took ${times[0]} ms`);
});

test.run();

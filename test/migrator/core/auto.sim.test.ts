/** Planners that move by themselves, over many rounds: enough moves, never to and fro, and nothing for counters that lie. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { AUTO_BEGINNING, type AutoState, judgeAuto, planAuto } from '../../../migrator/core/auto.ts';
import { LOOKS_MIN } from '../../../migrator/core/auto-known.ts';
import { looks, World } from './auto-rig.ts';

/** Rounds of moving load, of fifty clusters. */
const ROUNDS = Number(process.env['AUTO_ROUNDS'] ?? 300);
const [CLUSTERS, RANGES] = (process.env['AUTO_SIZE'] ?? '200x20000').split('x').map(Number) as [
  number,
  number,
];
/** Processor time of a whole look (ms for each 1,000 ranges), on a machine that does other things, too. */
const LOOK_MS = 15;

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

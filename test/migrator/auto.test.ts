/** Planners that move by themselves, against real state machines: what they ask, when, and that several never add up. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type AutoLooked, AutoPlanner, lookForAuto } from '../../migrator/auto.ts';
import { AUTO_BEGINNING } from '../../migrator/core/auto.ts';
import { LOOKS_MIN } from '../../migrator/core/auto-known.ts';
import { Operations } from '../../migrator/operations.ts';
import { worldOf } from '../../migrator/process-world.ts';
import type { NurseryError } from '../../src/base/errors.ts';
import { WHOLE } from '../../src/keyspace/range.ts';
import type { AdminQuery } from '../../src/protocol/admin/admin.ts';
import { isOpen } from '../../src/protocol/admin/migration.ts';
import { until } from '../support/wait.ts';
import { BUCKET, counts, rowsOf } from './counting.ts';
import { LocalNursery } from './local-nursery.ts';

const FAST = { heartbeatMs: 5, claimAfterMs: 40, pollMs: 2, retryMinMs: 1, retryMaxMs: 5 };
/** Stopped after each test, however it ends. */
const planners: AutoPlanner[] = [];
test.after.each(() => {
  for (const each of planners.splice(0)) each.stop();
});
const TIMES = { lookMs: 4, soonMs: 4 };

/** A nursery whose first cluster holds so many keys, and whose clusters count. */
function filled(keys: number): { readonly nursery: LocalNursery; readonly operations: Operations } {
  const nursery = new LocalNursery();
  for (let key = 0; key < keys; key += 1) nursery.a.set(`k${String(key).padStart(3, '0')}`);
  for (const cluster of [nursery.a, nursery.b, nursery.c]) counts(cluster);
  return { nursery, operations: new Operations(nursery, FAST) };
}

/** A planner that runs what it has planned. */
function planner({ nursery, operations }: ReturnType<typeof filled>): {
  readonly planner: AutoPlanner;
  readonly looks: AutoLooked[];
  readonly mids: number[];
} {
  const looks: AutoLooked[] = [];
  const mids: number[] = [];
  const world = { ...worldOf(nursery), chance: () => 0.001 };
  const listener = {
    planned: (mid: number) => {
      mids.push(mid);
      void operations.seeThrough(mid);
    },
    looked: (looked: AutoLooked) => void looks.push(looked),
    broken: assert.unreachable,
  };
  const made = new AutoPlanner(world, listener, TIMES);
  planners.push(made);
  return { planner: made, looks, mids };
}

const look = (nursery: LocalNursery, times = 1): Promise<AutoLooked> =>
  new Promise((resolve, reject) => {
    const done = (looked: AutoLooked | Error): void =>
      looked instanceof Error ? reject(looked) : resolve(looked);
    lookForAuto(worldOf(nursery), AUTO_BEGINNING, done, times);
  });

test('two planners make a nursery even, one move per cluster at a time, and then nothing moves', async () => {
  const rig = filled(300);
  const { nursery, operations } = rig;
  let most = 0;
  nursery.keeper.before = () => {
    const open = [...nursery.keeper.sim.state.migrations.values()].filter(isOpen);
    const ends = open.flatMap(({ source, target }) => (source === target ? [source] : [source, target]));
    assert.is(new Set(ends).size, ends.length, 'a cluster in two moves');
    most = Math.max(most, open.length);
  };
  await operations.setAuto({ isOn: true, movesMax: 2 });
  const both = [planner(rig), planner(rig)];
  for (const each of both) each.planner.hear(1);
  const keysAt = (): number[] =>
    [nursery.a, nursery.b, nursery.c].map((cluster) => rowsOf(cluster, WHOLE).length);
  await until('it to be even', () => {
    const records = [...nursery.keeper.sim.state.migrations.values()];
    return keysAt().every((keys) => keys <= 110 + BUCKET) && !records.some(isOpen);
  });
  assert.ok(most <= 2);
  const records = [...nursery.keeper.sim.state.migrations.values()];
  assert.equal([...new Set(records.map(({ asked }) => asked?.reason))], ['auto']);
  assert.is(
    keysAt().reduce((sum, keys) => sum + keys, 0),
    300,
  );
  const before = both.map(({ looks }) => looks.length);
  await until('both to look again', () =>
    both.every(({ looks }, at) => looks.length > (before[at] ?? 0) + 4),
  );
  const moves = [...nursery.keeper.sim.state.migrations.values()].filter(
    ({ merges }) => merges === undefined,
  );
  assert.ok(moves.length <= 3, `${moves.length} moves for two clusters that were empty`);
});

test('while nobody wishes it, nobody is asked anything; once it is off, nobody is asked again', async () => {
  const rig = filled(30);
  const { nursery, operations } = rig;
  const asked: AdminQuery['kind'][] = [];
  const query = nursery.keeper.query.bind(nursery.keeper);
  nursery.keeper.query = async (of) => {
    asked.push(of.kind);
    return await query(of);
  };
  const { planner: each, looks } = planner(rig);
  each.hear(0);
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.equal(asked, []);
  each.hear(1); // of a node that lags
  await until('a look', () => looks.length > 0);
  assert.equal(asked, ['getAuto']);
  assert.is(looks[0]?.verdict.kind, 'off');
  await operations.setAuto({ isOn: true });
  await operations.setAuto({ isOn: false });
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.is(looks.length, 1);
});

test('a wish that is new is looked at soon, and a keeper that is silent asked again', async () => {
  const rig = filled(30);
  const { planner: each, looks } = planner(rig);
  rig.nursery.keeper.isDown = true;
  each.hear(1);
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.is(looks.length, 0);
  rig.nursery.keeper.isDown = false;
  await rig.operations.setAuto({ isOn: true });
  each.hear(2);
  await until('a look', () => looks.length > 0);
});

test('one look says what planners would do that have looked for long enough, and changes nothing', async () => {
  const { nursery, operations } = filled(90);
  assert.is((await operations.auto()).verdict.kind, 'off');
  await operations.setAuto({ isOn: true, who: 'me' });
  assert.is((await look(nursery)).verdict.kind, 'waits');
  const shown = await operations.auto();
  assert.equal([shown.verdict.kind, shown.wish.who, shown.wish.number], ['moves', 'me', 1]);
  assert.equal(
    shown.moves.map(({ source }) => source),
    ['a'],
  );
  assert.is(nursery.keeper.sim.state.migrations.size, 0);
  nursery.a.isDown = true;
  const blind = await look(nursery, LOOKS_MIN);
  assert.equal([blind.verdict.kind, blind.moves], ['waits', []], 'nobody knows what it has');
});

test('once a day is spent it looks as seldom as where all is even', async () => {
  const { nursery, operations } = filled(90);
  await operations.setAuto({ isOn: true, bytesPerDay: 1 });
  const world = worldOf(nursery);
  const verdicts: string[] = [];
  const delays: number[] = [];
  const listener = {
    planned: () => assert.unreachable(),
    looked: ({ verdict }: AutoLooked) => void verdicts.push(verdict.kind),
    broken: assert.unreachable,
  };
  const after: typeof world.after = (ms, run) => {
    delays.push(ms);
    return world.after(Math.min(ms, 1), run);
  };
  const each = new AutoPlanner({ ...world, after, chance: () => 0.5 }, listener, {
    lookMs: 9000,
    soonMs: 100,
  });
  planners.push(each);
  each.hear(1);
  await until('a look after one that found the day spent', () => verdicts.at(-2) === 'spent');
  each.stop();
  const first = verdicts.indexOf('spent');
  // The first delay is that before the first look.
  assert.equal(delays.slice(1, first + 2), [...new Array(first).fill(100), 9000]);
});

test('what is set at the same time by others is set again; what makes no sense is refused', async () => {
  const { nursery, operations } = filled(3);
  let isFirst = true;
  nursery.keeper.before = (command) => {
    if (command.kind !== 'setAuto' || !isFirst) return;
    isFirst = false;
    nursery.keeper.sim.command({ ...command, wish: { ...command.wish, movesMax: 5 } });
  };
  await operations.setAuto({ isOn: true });
  const { wish } = await operations.auto();
  assert.equal([wish.number, wish.isOn, wish.movesMax], [2, true, 5]);
  const refusal = operations.setAuto({ coolDownSeconds: 1 }).then(
    () => assert.unreachable(),
    (error: NurseryError) => error.message,
  );
  assert.match((await refusal) ?? '', /a cool-down of 1 seconds: 60 to/);
});

test.run();

/** What is moved that nobody has asked for: enough, never to and fro, and nothing for counters that lie. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { AUTO_BEGINNING, type AutoState, autoIdle, judgeAuto } from '../../../migrator/core/auto.ts';
import { dayOf } from '../../../migrator/core/auto-day.ts';
import { LOOKS_MIN } from '../../../migrator/core/auto-known.ts';
import { type Migration, NO_PROGRESS } from '../../../src/protocol/admin/admin.ts';
import { RECENT_MAX } from '../../../src/protocol/admin/auto.ts';
import { UNSAID } from '../../../src/protocol/admin/migration.ts';
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
    world.verdicts.some(({ why }) => /\d ranges moved within the cool-down/.test(why)),
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
  const why = autoIdle({ wish: { ...WISH, movesMax: 1 }, migrations: [open], isCut: false, wallMs: 0 })?.why;
  assert.is(why, '1 of its moves is open, of 1 that may be');
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

test('what its open moves are going to bring counts for the day, and none begins while nobody knows that of one', () => {
  const PER_DAY = 40e9;
  const wish = { bytesPerDay: PER_DAY, movesMax: 3, coolDownSeconds: 60 };
  const world = new World({ seed: 1, clusters: 6, ranges: 60, wish });
  world.weigh({ c0: 200e9, c1: 150e9, c2: 50e9, c3: 50e9, c4: 50e9, c5: 50e9 });
  const brought = (): number =>
    world.seen().migrations.reduce((sum, { receipt }) => sum + (receipt?.digest.bytes ?? 0), 0);
  looks(world, LOOKS_MIN - 1);
  assert.ok(world.look(0) > 0);
  assert.is(world.look(0), 0);
  assert.is(world.verdict.kind, 'open');
  assert.match(world.verdict.why, /nobody knows yet how much migration \d+ brings/);
  for (let round = 0; round < 300; round += 1) {
    world.look(0);
    world.copy();
    world.pass(20_000);
    assert.ok(brought() <= PER_DAY, `round ${round}: ${brought()} bytes`);
  }
  assert.ok(brought() > PER_DAY / 2, `only ${brought()} bytes`);
  assert.is(world.verdict.kind, 'spent');
  world.pass(25 * HOUR_MS);
  assert.ok(looks(world, 10) > 0, 'another day');
});

test('of a plan so many moves begin as the day has left, and none of them is larger', () => {
  const begun = (bytesPerDay: number | null): number[] => {
    const world = new World({ seed: 1, clusters: 9, ranges: 200, wish: { bytesPerDay, movesMax: 3 } });
    const few = { c2: 50e9, c3: 50e9, c4: 50e9, c5: 50e9, c6: 50e9, c7: 50e9, c8: 50e9 };
    world.weigh({ c0: 90e9, c1: 90e9, ...few });
    looks(world, LOOKS_MIN);
    return world.seen().migrations.map(({ receipt }) => receipt?.digest.bytes ?? 0);
  };
  const [first = 0, second = 0] = begun(null);
  assert.is(begun(first + second + 1).length, 2);
  assert.is(begun(first + second - 1e9).length, 1);
  const smaller = begun(first / 2);
  assert.is(smaller.length, 1);
  assert.ok((smaller[0] ?? 0) <= first / 2);
});

test('a move that is larger than what is left of the day does not begin, and people are told how large it is', () => {
  const world = new World({ seed: 1, clusters: 2, ranges: 4, wish: { bytesPerDay: 5 } });
  world.weigh({ c0: 200e9, c1: 0 });
  assert.is(looks(world, 10), 0);
  assert.is(world.verdict.kind, 'spent');
  assert.match(world.verdict.why, /the next move brings about \d{9,} bytes, of 5 that are left/);
});

test('a day is what was copied, also by moves that went back, and what open ones will bring', () => {
  const wallMs = 100 * HOUR_MS;
  const progress = { ...NO_PROGRESS, startedAtMs: wallMs - HOUR_MS, bytesCopied: 7, keysCopied: 2 };
  const of = (more: Partial<Migration>, ended = progress.startedAtMs): number | null => {
    const record = asks({ mid: 4, phase: 'done', reason: 'auto', endedMs: ended, bytes: 100, ...more });
    const { bytes, unknown } = dayOf([record], wallMs);
    return unknown === null ? bytes : -unknown;
  };
  assert.is(of({}), 100);
  assert.is(of({ asked: UNSAID }), 0, "a person's");
  assert.is(of({ merges: [] }), 0);
  assert.is(of({}, wallMs - 24 * HOUR_MS), 0);
  assert.is(of({}, wallMs - 24 * HOUR_MS + 1), 100);
  for (const phase of ['aborted', 'lost'] as const) assert.is(of({ phase, progress, receipt: null }), 7);
  const open = { phase: 'active', receipt: null } as const;
  assert.is(of({ ...open, progress: { ...progress, keysTotal: 20 } }), 70);
  assert.is(of({ ...open, progress: { ...progress, keysTotal: 1 } }), 7, 'it has grown');
  assert.is(of({ ...open, progress }), -4);
  assert.is(of({ ...open, progress: { ...progress, keysCopied: 0, keysTotal: 20 } }), -4);
  assert.is(of({ phase: 'published', progress }), 100);
});

test('what nobody knows yet of an open move waits for nobody without a bound', () => {
  const migrations = [asks({ mid: 2, phase: 'active', reason: 'auto' })];
  const seen = { wish: WISH, migrations, isCut: false, wallMs: 0 };
  assert.is(autoIdle(seen), null);
  assert.is(autoIdle({ ...seen, wish: { ...WISH, bytesPerDay: 1e12 } })?.kind, 'open');
});

test('nothing begins while an owner has never said what it has', () => {
  const world = new World({ seed: 1, clusters: 3, ranges: 30, wish: {} });
  // Of the two others alone c1 would have too much.
  world.weigh({ c0: 300, c1: 140, c2: 60 });
  world.silence('c0');
  assert.is(looks(world, 10), 0);
  assert.equal([world.verdict.kind, world.verdict.why], ['waits', 'nobody has said yet what c0 has']);
  const seen = world.seen();
  // Who owns nothing holds nothing up.
  const empty = { ...seen, toldOf: new Map([...seen.toldOf, ['c9', null]]) };
  assert.match(judgeAuto(AUTO_BEGINNING, empty).verdict?.why ?? '', /what c0 has/);
});

test('a planner without a past goes on where evening out has begun, and one with a past does not', () => {
  const world = new World({ seed: 1, clusters: 3, ranges: 30, wish: { movesMax: 1 } });
  world.weigh({ c0: 120e9, c1: 90e9, c2: 90e9 }); // between where it stops and where it begins
  const seen = world.seen();
  const at = (record: Partial<Migration> & { endedMs?: number }, state = AUTO_BEGINNING): boolean => {
    const made = asks({
      mid: 9,
      phase: 'done',
      reason: 'auto',
      lo: 'x',
      source: 'q',
      target: 'r',
      ...record,
    });
    const judged = judgeAuto(state, { ...seen, wish: { ...seen.wish, movesMax: 2 }, migrations: [made] });
    return judged.state.isEvening;
  };
  const endedMs = seen.wallMs - 119_000;
  assert.is(at({ endedMs }), true);
  assert.is(at({ endedMs: seen.wallMs - 120_000 }), false);
  assert.is(at({ endedMs: 0, phase: 'active' }), true);
  assert.is(at({ endedMs, merges: [] }), false);
  assert.is(at({ endedMs, asked: UNSAID }), false);
  const past = judgeAuto(AUTO_BEGINNING, seen).state;
  assert.is(at({ endedMs }, past), false, 'it has seen for itself that it stopped');
  world.weigh({ c0: 100e9, c1: 100e9, c2: 100e9 });
  assert.is(
    judgeAuto(AUTO_BEGINNING, {
      ...world.seen(),
      migrations: [asks({ mid: 9, phase: 'done', reason: 'auto', endedMs })],
    }).state.isEvening,
    false,
  );
});

test.run();

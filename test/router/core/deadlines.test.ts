/** How long a request may take: from its arrival on, whatever it waits for, and in whichever order. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { LIMITS } from '../../../router/core/types.ts';
import type { Key } from '../../../src/base/bytes.ts';
import { RETURN_CODES } from '../../../src/base/errors.ts';
import { EMPTY_MAP } from '../../../src/keyspace/rangemap.ts';
import { decodeVoid } from '../../../src/protocol/arakoon/replies.ts';
import { decodeRequest, encodeRequest } from '../../../src/protocol/arakoon/requests.ts';
import { returnCodeOf } from '../../../src/protocol/arakoon/values.ts';
import { mapOf, World } from '../world.ts';

const ORIGIN = 7;
const { NOT_MASTER, GOING_DOWN, MAYBE_APPLIED } = RETURN_CODES;
const set = (key: Key): Buffer => encodeRequest({ kind: 'set', key, value: Buffer.from('v') });
const get = (key: Key): Buffer => encodeRequest({ kind: 'get', consistency: { kind: 'consistent' }, key });

/** A nursery of A, up to `k`, and B; C owns nothing. */
function nursery(): World {
  const world = new World();
  world.found(mapOf(['', 'A'], ['k', 'B']), 'C');
  world.sends.length = 0;
  return world;
}

const codeOf = (world: World, request: number): number => returnCodeOf(world.answerTo(request).bytes);

function messageOf(world: World, request: number): string {
  try {
    decodeVoid(world.answerTo(request).bytes);
  } catch (error) {
    return (error as Error).message;
  }
  return '';
}

/** The updates sent so far, of runs each. */
const updatesSent = (world: World): number =>
  world.sends.filter(({ body }) => ['set', 'run'].includes(decodeRequest(body).kind)).length;

test('updates pipelined to a cluster without a master are all answered when the time of the first is up', () => {
  const world = nursery();
  world.cluster('A').master = null;
  const asked = ['a', 'b', 'c', 'd', 'e'].map((key) => world.ask(set(key), ORIGIN));
  world.run(LIMITS.patienceMs - 1);
  for (const request of asked) {
    assert.is(codeOf(world, request), NOT_MASTER);
    assert.match(messageOf(world, request), /^None: .*cluster A.*not executed/);
  }
  assert.equal(world.answered, asked, 'in their order');
  assert.is(world.router.lanes.size, 0);
  assert.is(world.router.queuedBytes, 0);
});

test('updates pipelined for a range that moves too, and those behind them for others', () => {
  const world = nursery();
  world.cluster('A').owned = [];
  const entry = { lo: '', hi: 'k', owner: 'C', epoch: 9 };
  world.cluster('A').hints = [{ range: entry, hint: { entry, confirmed: false } }];
  const asked = ['a', 'b', 'x'].map((key) => world.ask(set(key), ORIGIN));
  world.run(LIMITS.patienceMs - 1);
  assert.equal(
    asked.map((request) => codeOf(world, request)),
    [GOING_DOWN, GOING_DOWN, GOING_DOWN],
  );
  assert.match(messageOf(world, asked[0] as number), /moving from A to C.*not executed/);
  assert.match(messageOf(world, asked[2] as number), /cluster B: .*behind.*not executed/);
  assert.is(world.cluster('B').executed.length, 0, 'what its client has given up is not begun');
});

test('updates behind one that a node does not answer are answered with it, and were not executed', () => {
  const world = nursery();
  world.intercept = (send) => (decodeRequest(send.body).kind === 'set' ? 'drop' : null);
  const asked = ['a', 'b', 'c'].map((key) => world.ask(set(key), ORIGIN));
  world.run(LIMITS.patienceMs - 1);
  assert.equal(
    asked.map((request) => codeOf(world, request)),
    [MAYBE_APPLIED, GOING_DOWN, GOING_DOWN],
  );
  assert.match(messageOf(world, asked[0] as number), /node A1 of cluster A did not answer/);
});

test('the time counts from the arrival, not from when a request had its turn', () => {
  const world = nursery();
  world.cluster('A').master = null;
  const first = world.ask(set('a'), ORIGIN);
  world.run(LIMITS.patienceMs / 2);
  const second = world.ask(set('b'), ORIGIN);
  world.run(LIMITS.patienceMs / 2 - 1);
  assert.is(codeOf(world, first), NOT_MASTER);
  assert.not.ok(world.answers.has(second));
  world.cluster('A').master = 'A1';
  world.run(200);
  assert.is(codeOf(world, second), RETURN_CODES.OK);
});

test('whoever says how long it waits is answered before that', () => {
  for (const leftMs of [60, 1000, 5000, 30_000]) {
    for (const body of [set('a'), get('a')]) {
      const world = nursery();
      world.cluster('A').master = null;
      const asked = world.ask(body, 0, leftMs);
      world.run(leftMs * 0.75);
      assert.not.ok(world.answers.has(asked), `not before its time: ${leftMs} ms`);
      world.run(leftMs * 0.25);
      assert.is(codeOf(world, asked), NOT_MASTER, `${leftMs} ms`);
    }
  }
});

test('what was handed to a master is waited for until shortly before its client gives up', () => {
  for (const leftMs of [60, 1000, 30_000]) {
    const world = nursery();
    world.intercept = (send) => (decodeRequest(send.body).kind === 'set' ? 'drop' : null);
    const asked = world.ask(set('a'), 0, leftMs);
    world.run(leftMs);
    assert.is(codeOf(world, asked), MAYBE_APPLIED);
    const { deadlineMs } = world.sends[0] as { deadlineMs: number };
    assert.ok(deadlineMs < leftMs && deadlineMs > leftMs * 0.8, 'and the node is told how long that is');
    assert.is(updatesSent(world), 1);
  }
});

test('nothing is handed to a master that could not answer in time', () => {
  const world = nursery();
  world.cluster('A').master = null;
  const asked = world.ask(set('a'), 0, 1000);
  world.run(795);
  assert.not.ok(world.answers.has(asked));
  world.cluster('A').master = 'A1';
  world.run(300);
  assert.is(codeOf(world, asked), NOT_MASTER);
  assert.is(world.cluster('A').executed.length, 0);
});

test('a patience beyond all measure is bounded', () => {
  const world = nursery();
  world.cluster('A').master = null;
  const asked = world.ask(set('a'), 0, Number.MAX_SAFE_INTEGER);
  world.run(LIMITS.patienceMaxMs);
  assert.is(codeOf(world, asked), NOT_MASTER);
});

test('whoever waits shorter than a router for its first map is answered in time, too', () => {
  const world = new World();
  const asked = world.ask(set('a'), 0, 500);
  world.run(499);
  assert.is(codeOf(world, asked), GOING_DOWN);
});

test('a router that has begun waits a moment for its first map; then it says at once that it has none', () => {
  const world = new World();
  const early = world.ask(set('a'));
  world.run(LIMITS.firstMapMs - 1);
  assert.not.ok(world.answers.has(early));
  world.run(100);
  assert.is(codeOf(world, early), GOING_DOWN);
  assert.match(messageOf(world, early), /no map yet: the keeper.*not executed/);
  const late = world.ask(set('a'));
  assert.is(codeOf(world, late), GOING_DOWN);

  world.giveMap(EMPTY_MAP.at(1));
  const empty = world.ask(set('a'));
  assert.match(messageOf(world, empty), /not initialised.*not executed/);
  world.found(mapOf(['', 'A']));
  assert.is(returnCodeOf(world.get(set('a')).bytes), RETURN_CODES.OK);
});

test.run();

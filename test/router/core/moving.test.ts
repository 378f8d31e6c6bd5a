/** Ranges that move: whom the router asks, what it believes, and when it forgets. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { movingWhy, onRangeError } from '../../../router/core/moving.ts';
import { createTask } from '../../../router/core/tasks.ts';
import type { Moving, Peer } from '../../../router/core/types.ts';
import type { Key } from '../../../src/base/bytes.ts';
import { RETURN_CODES } from '../../../src/base/errors.ts';
import { ownsAll } from '../../../src/keyspace/rangemap.ts';
import type { Hint } from '../../../src/protocol/admin/admin.ts';
import { failure } from '../../../src/protocol/arakoon/replies.ts';
import { decodeRequest, encodeRequest } from '../../../src/protocol/arakoon/requests.ts';
import { returnCodeOf } from '../../../src/protocol/arakoon/values.ts';
import { mapOf, World } from '../world.ts';

const RANGE = { lo: '', hi: 'k' } as const;
const set = (key: Key): Buffer => encodeRequest({ kind: 'set', key, value: Buffer.from('v') });

function hint(
  owner: string,
  epoch: number,
  confirmed: boolean,
  range: { lo: Key; hi: Key | null } = RANGE,
): Hint {
  return { entry: { ...range, owner, epoch }, confirmed };
}

/** A of ['', k), which it has given up in migration 9 to C; B of the rest. C serves nothing yet. */
function moving(limits = {}): World {
  const world = new World(limits);
  world.found(mapOf(['', 'A'], ['k', 'B']), 'C');
  world.cluster('A').owned = [];
  world.cluster('A').hints = [{ range: RANGE, hint: hint('C', 9, false) }];
  world.sends.length = 0;
  return world;
}

/** Clusters that were asked whether they serve a range, in order. */
function probed(world: World): string[] {
  return world.sends.flatMap(({ body, peer }) =>
    decodeRequest(body).kind === 'exists' ? [world.peers.get(peer)?.cluster ?? ''] : [],
  );
}

function only(world: World): Moving {
  assert.is(world.router.moving.length, 1);
  return world.router.moving[0] as Moving;
}

test('why it was given up: from where to where, or that nobody has it', () => {
  const base = { range: RANGE, candidates: ['C', 'A'] } as unknown as Moving;
  assert.match(movingWhy({ ...base, mid: 9 }).message, /is moving from A to C/);
  assert.match(movingWhy({ ...base, mid: 1 }).message, /is moving from A to C/);
  assert.match(movingWhy({ ...base, mid: 0 }).message, /is served by none of C, A/);
});

test('target and source are asked in turn, ever more slowly', () => {
  const world = moving();
  world.ask(set('a'));
  world.run(100);
  const asked = probed(world);
  assert.equal(asked.slice(0, 4), ['C', 'A', 'C', 'A']);
  assert.ok(asked.length >= 5 && asked.length <= 12, `${asked.length} questions in 100 ms`);
  assert.ok(only(world).pauseMs <= 50);
  world.run(1000);
  assert.is(only(world).pauseMs, 50);
});

test('one question at a time, about the beginning of the range', () => {
  const world = moving();
  world.intercept = ({ body }) => (decodeRequest(body).kind === 'exists' ? 'drop' : null);
  world.ask(set('a'));
  world.run(900);
  assert.equal(probed(world), ['C']);
  const [probe] = world.sends.filter(({ body }) => decodeRequest(body).kind === 'exists');
  assert.is((decodeRequest(probe?.body ?? new Uint8Array()) as { key: Key }).key, '');
  world.run(300);
  assert.is(probed(world)[1], 'A', 'where it is not answered the next one is asked');
});

test('a range that nobody waits for any longer is forgotten', () => {
  const world = moving();
  const asked = world.ask(set('a'));
  world.run(60);
  only(world);
  world.run(20_000);
  assert.is(returnCodeOf(world.answerTo(asked).bytes), RETURN_CODES.GOING_DOWN);
  assert.is(world.router.moving.length, 0);
});

test('whoever serves it gets the requests, although the map says otherwise, until it refuses one', () => {
  const world = moving();
  const asked = world.ask(set('a'));
  world.run(20);
  world.cluster('C').owned = [RANGE];
  world.run(200);
  assert.is(returnCodeOf(world.answerTo(asked).bytes), 0);
  assert.is(only(world).owner, 'C');
  assert.ok(ownsAll(world.router.effective, RANGE, 'C') && ownsAll(world.router.view, RANGE, 'A'));
  world.sends.length = 0;
  world.get(set('b'));
  assert.is(world.sends.length, 1, 'the next goes there at once');
  world.get(set('x'));
  assert.is(world.cluster('B').data.size, 1, 'what lies outside is not touched by it');
  world.cluster('C').owned = [];
  world.cluster('A').owned = [RANGE];
  world.cluster('A').hints = [];
  assert.is(returnCodeOf(world.get(set('c')).bytes), 0);
  assert.ok(ownsAll(world.router.effective, RANGE, 'A'));
});

test('what the map says in the end ends it: at the migration’s epoch, or the same owner', () => {
  const published = moving();
  published.ask(set('a'));
  published.run(20);
  published.giveMap(mapOf(['', 'C'], ['k', 'B']).at(2));
  assert.is(published.router.moving.length, 1, 'an older epoch than that of the migration is no answer');
  const news = new World();
  news.found(mapOf(['', 'A'], ['k', 'B']), 'C');
  news.cluster('A').owned = [];
  news.cluster('A').hints = [{ range: RANGE, hint: hint('C', 1, false) }];
  news.ask(set('a'));
  news.run(20);
  assert.is(news.router.moving.length, 1);
  news.giveMap(mapOf(['', 'A'], ['k', 'B']).at(2));
  assert.is(news.router.moving.length, 0, 'this epoch is that of the migration');
  const agreed = moving();
  agreed.ask(set('a'));
  agreed.run(20);
  agreed.cluster('C').owned = [RANGE];
  agreed.run(200);
  agreed.giveMap(mapOf(['', 'C'], ['k', 'B']).at(3));
  assert.is(agreed.router.moving.length, 0, 'the map says what was seen');
});

test('a newer map has it asked again at once', () => {
  const world = moving();
  world.ask(set('a'));
  world.run(1000);
  const { probeAtMs } = only(world);
  world.sends.length = 0;
  world.giveMap(mapOf(['', 'A'], ['k', 'C']).at(2));
  assert.ok(probeAtMs > world.nowMs || only(world).isProbing);
  assert.ok(only(world).isProbing || probed(world).length === 1);
});

test('a candidate’s hint is learnt where it is confirmed, and asked where it is not', () => {
  const confirmed = moving();
  const first = confirmed.ask(set('a'));
  confirmed.run(20);
  confirmed.cluster('A').hints = [{ range: RANGE, hint: hint('B', 12, true) }];
  confirmed.cluster('B').owned = [{ lo: '', hi: null }];
  confirmed.run(100);
  assert.is(returnCodeOf(confirmed.answerTo(first).bytes), 0);
  assert.ok(ownsAll(confirmed.router.view, RANGE, 'B'));
  const tentative = moving();
  tentative.ask(set('a'));
  tentative.run(20);
  tentative.cluster('C').hints = [{ range: RANGE, hint: hint('B', 12, false) }];
  tentative.run(50);
  assert.equal(only(tentative).candidates, ['B', 'C']);
});

test('a hint about something else is none', () => {
  const world = moving();
  const elsewhere = { lo: 'b', hi: 'c' };
  world.cluster('A').hints = [{ range: RANGE, hint: hint('C', 9, false, elsewhere) }];
  world.ask(set('a'));
  world.run(5);
  assert.equal(only(world).candidates, ['A', 'B', 'C'], 'nobody said who has it: all are asked');
  assert.is(only(world).mid, 0);
});

test('the same move is noted once, another of the same range anew', () => {
  const world = moving();
  world.ask(set('a'));
  world.run(5);
  const noted = only(world);
  world.run(5);
  assert.is(only(world), noted);
  world.ask(set('b'));
  world.run(5);
  assert.is(only(world), noted);
});

test('what was on its way to the source when the move was noted does not begin it anew', () => {
  const world = moving();
  let delays = [1, 5];
  world.delayMs = () => delays.shift() ?? 1;
  world.ask(set('a'));
  world.ask(set('b'));
  world.run(3);
  const noted = only(world);
  assert.is(world.router.counters.redirects, 1);
  delays = [];
  world.run(10);
  assert.is(world.router.counters.redirects, 2, 'the other one is refused');
  assert.is(only(world), noted);
  assert.not(noted.isOver);
});

test('who refuses a key of one range that it was seen to serve is still believed about the others', () => {
  const world = moving();
  const upper = { lo: 'k', hi: null };
  world.cluster('B').owned = [];
  world.cluster('B').hints = [{ range: upper, hint: hint('C', 10, false, upper) }];
  world.cluster('C').owned = [RANGE, upper];
  world.get(set('a'));
  world.get(set('x'));
  const [first, second] = world.router.moving;
  assert.equal([first?.owner, second?.owner], ['C', 'C']);
  world.cluster('C').owned = [upper];
  world.cluster('A').owned = [RANGE];
  world.cluster('A').hints = [];
  assert.is(returnCodeOf(world.get(set('b')).bytes), 0);
  assert.equal([first?.isOver, second?.isOver], [true, false]);
});

test('a part of a range that moves again is no longer routed to whom all of it was seen at, whoever says so', () => {
  const world = moving();
  const [upper, across] = [
    { lo: 't', hi: null },
    { lo: 'f', hi: 'p' },
  ];
  world.cluster('C').owned = [RANGE, upper];
  world.cluster('B').owned = [{ lo: 'k', hi: 't' }];
  world.cluster('B').hints = [{ range: upper, hint: hint('C', 10, false, upper) }];
  world.get(set('a'));
  world.get(set('x'));
  const [seen, other] = world.router.moving;
  assert.equal([seen?.owner, other?.owner], ['C', 'C']);
  world.cluster('B').owned = [];
  world.cluster('B').hints = [{ range: across, hint: hint('A', 20, false, across) }];
  world.ask(set('m'));
  world.run(5);
  assert.equal([seen?.isOver, other?.isOver], [true, false]);
  assert.equal(
    world.router.moving.map(({ mid }) => mid),
    [10, 20],
  );
});

test('a request that is refused too often in a row begins to be counted anew', () => {
  const world = new World();
  world.found(mapOf(['', 'A'], ['k', 'B']), 'C');
  const peer = [...world.router.peers.values()].find(({ name }) => name === 'A1') as Peer;
  const times = { arrivedMs: 0, holdUntilMs: 1e9, answerByMs: 1e9 };
  const what = { request: 1, origin: 0, isUpdate: true, isStale: false, body: set('a'), keys: ['a'] };
  const task = createTask({ ...times, ...what, ranges: [], to: null, gather: null, indices: [] });
  const counts: number[] = [];
  for (let refusal = 0; refusal < 6; refusal += 1) {
    onRangeError(world.router, task, peer, null, world.nowMs);
    counts.push(task.redirects);
  }
  assert.equal(counts, [1, 2, 3, 4, 0, 1]);
});

test('a range that moves again is no longer routed to whom it was seen at', () => {
  const world = moving();
  world.ask(set('a'));
  world.run(20);
  world.cluster('C').owned = [RANGE];
  world.run(200);
  const seen = only(world);
  world.cluster('C').owned = [];
  world.cluster('C').hints = [{ range: RANGE, hint: hint('B', 15, false) }];
  const again = world.ask(set('b'));
  world.run(30);
  assert.ok(seen.isOver);
  assert.is(only(world).owner, null);
  world.cluster('B').owned = [{ lo: '', hi: null }];
  world.run(200);
  assert.is(returnCodeOf(world.answerTo(again).bytes), 0);
});

test('while no master of a candidate is known the next one is asked', () => {
  const world = moving();
  world.cluster('C').master = null;
  world.link('C1', false);
  world.ask(set('a'));
  world.run(200);
  assert.equal([...new Set(probed(world))], ['A']);
  world.cluster('C').owned = [RANGE];
  world.cluster('C').master = 'C2';
  world.run(1000);
  assert.is(only(world).owner, 'C');
});

test('a candidate that is not master is followed by the name it gives', () => {
  const world = moving();
  world.cluster('C').owned = [RANGE];
  world.cluster('C').master = 'C2';
  const asked = world.ask(set('a'));
  world.run(200);
  assert.is(returnCodeOf(world.answerTo(asked).bytes), 0);
});

test('a link that was given up says nothing any more', () => {
  const world = moving();
  const [gone] = [...world.peers].filter(([, { node }]) => node === 'C1').map(([peer]) => peer);
  world.clusters.delete('C');
  world.giveMap(mapOf(['', 'A'], ['k', 'B']).at(2));
  world.event({ kind: 'up', nowMs: world.nowMs, peer: gone as number });
  world.event({ kind: 'down', nowMs: world.nowMs, peer: gone as number });
  world.event({
    kind: 'reply',
    nowMs: world.nowMs,
    call: 9999,
    bytes: failure('NOT_MASTER', 'x').bytes,
    hint: null,
  });
  world.event({ kind: 'lost', nowMs: world.nowMs, call: 9999, why: 'closed', sent: true });
});

test('while everybody’s master is known nobody is asked for it; while one is not, every half second', () => {
  const world = new World();
  world.found(mapOf(['', 'A'], ['k', 'B']));
  world.run(1000);
  world.sends.length = 0;
  world.run(5000);
  assert.is(world.sends.length, 0);
  world.cluster('A').master = null;
  world.link('A1', false);
  world.run(5000);
  const { length } = world.sends;
  assert.ok(length >= 18 && length <= 24, `${length} questions to two nodes in 5 s`);
  world.ask(set('a'));
  world.sends.length = 0;
  world.run(1000);
  assert.ok(
    world.sends.length >= 36 && world.sends.length <= 44,
    `${world.sends.length} while a request waits`,
  );
});

test('a read that a node does not answer is asked again as long as its client waits, and no longer', () => {
  const world = new World({ readMs: 1000 });
  world.found(mapOf(['', 'A'], ['k', 'B']));
  world.intercept = ({ body }) => (decodeRequest(body).kind === 'get' ? 'drop' : null);
  const asked = world.ask(encodeRequest({ kind: 'get', consistency: { kind: 'consistent' }, key: 'a' }));
  world.run(30_000);
  assert.is(returnCodeOf(world.answerTo(asked).bytes), RETURN_CODES.GOING_DOWN);
  const gets = world.sends.filter(({ body }) => decodeRequest(body).kind === 'get').length;
  assert.ok(gets >= 2 && gets <= 12, `${gets} attempts`);
});

test.run();

/** Runs: what goes together, and what comes back. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Key } from '../../../src/base/bytes.ts';
import { RETURN_CODES } from '../../../src/base/errors.ts';
import { failure, OK } from '../../../src/protocol/arakoon/replies.ts';
import { decodeRequest, encodeRequest } from '../../../src/protocol/arakoon/requests.ts';
import { RUN_UPDATES_MAX, runReply } from '../../../src/protocol/arakoon/run.ts';
import { returnCodeOf } from '../../../src/protocol/arakoon/values.ts';
import { mapOf, World } from '../world.ts';

const ORIGIN = 7;
const set = (key: Key, value = 'v'): Buffer => encodeRequest({ kind: 'set', key, value: Buffer.from(value) });

/** A nursery of A, up to `k`, and B; C owns nothing. */
function nursery(): World {
  const world = new World();
  world.found(mapOf(['', 'A'], ['k', 'B']), 'C');
  world.sends.length = 0;
  return world;
}

/** The keys of each update request sent, runs as lists. */
function sent(world: World): (Key | Key[])[] {
  return world.sends.flatMap(({ body }): (Key | Key[])[] => {
    const request = decodeRequest(body);
    if (request.kind === 'set') return [request.key];
    if (request.kind !== 'run') return [];
    return [request.requests.map((inner) => (decodeRequest(inner) as { key: Key }).key)];
  });
}

const codes = (world: World, requests: readonly number[]): number[] =>
  requests.map((request) => returnCodeOf(world.answerTo(request).bytes));

test('what gathers behind an update goes as one run, up to the first of another owner', () => {
  const world = nursery();
  const asked = ['a', 'b', 'c', 'x', 'd'].map((key) => world.ask(set(key), ORIGIN));
  world.run(100);
  assert.equal(sent(world), ['a', ['b', 'c'], 'x', 'd']);
  assert.equal(world.answered, asked);
  assert.equal(codes(world, asked), [0, 0, 0, 0, 0]);
  assert.is(world.router.lanes.size, 0);
  assert.is(world.router.queuedBytes, 0);
});

test('requests of native links are independent', () => {
  const world = nursery();
  for (const key of ['a', 'b', 'c']) world.ask(set(key));
  assert.equal(sent(world), ['a', 'b', 'c']);
});

test('a run has a greatest number of updates, and of bytes', () => {
  const world = nursery();
  for (let count = 0; count < RUN_UPDATES_MAX + 2; count += 1) world.ask(set('a'), ORIGIN);
  world.run(100);
  assert.equal(
    sent(world).map((keys) => keys.length),
    [1, RUN_UPDATES_MAX, 1],
  );
  const bytes = nursery();
  for (const key of ['a', 'b', 'c', 'd']) bytes.ask(set(key, 'v'.repeat(100 * 1024)), ORIGIN);
  bytes.run(100);
  assert.equal(sent(bytes), ['a', ['b', 'c'], 'd']);
});

test('nothing behind an update whose range is refused is done before it, and all goes on in order', () => {
  const world = nursery();
  const [a, c] = [world.cluster('A'), world.cluster('C')];
  a.owned = [
    { lo: '', hi: 'c' },
    { lo: 'd', hi: 'k' },
  ];
  const entry = { lo: 'c', hi: 'd', owner: 'C', epoch: 9 };
  a.hints = [{ range: { lo: 'c', hi: 'd' }, hint: { entry, confirmed: false } }];
  const asked = ['a', 'b', 'c', 'd', 'e'].map((key) => world.ask(set(key), ORIGIN));
  world.run(100);
  assert.equal(world.answered, asked.slice(0, 2), 'what was before it is answered');
  assert.equal([...a.data.keys()], ['a', 'b']);
  c.owned = [{ lo: 'c', hi: 'd' }];
  world.run(200);
  assert.equal(world.answered, asked);
  assert.equal(
    world.executed.flatMap((request) => (request.kind === 'set' ? [request.key] : [])),
    ['a', 'b', 'c', 'd', 'e'],
  );
  assert.equal(sent(world).at(-1), ['d', 'e']);
});

test('a run that a node is not master for follows the master, in order', () => {
  const world = nursery();
  const asked = ['a', 'b', 'c'].map((key) => world.ask(set(key), ORIGIN));
  world.run(1); // the first is served, and its answer is on the way
  world.cluster('A').master = 'A2';
  world.run(200);
  assert.equal(codes(world, asked), [0, 0, 0]);
  assert.equal(world.answered, asked);
});

test('a run that is lost after it was sent may have been applied, all of it', () => {
  const world = nursery();
  let updates = 0;
  world.intercept = (send) => {
    if (decodeRequest(send.body).kind !== 'run') return null;
    updates += 1;
    return 'lose-answer';
  };
  const asked = ['a', 'b', 'c'].map((key) => world.ask(set(key), ORIGIN));
  world.run(200);
  const { OK: ok, MAYBE_APPLIED } = RETURN_CODES;
  assert.equal(codes(world, asked), [ok, MAYBE_APPLIED, MAYBE_APPLIED]);
  assert.is(updates, 1);
  assert.is(world.router.lanes.size, 0);
});

test('of a run that was not sent every update comes again', () => {
  const world = nursery();
  const asked = ['a', 'b', 'c'].map((key) => world.ask(set(key), ORIGIN));
  world.run(1);
  for (const peer of world.peers.values()) if (peer.node === 'A1') peer.isUp = false;
  world.run(10);
  for (const [peer, { node }] of world.peers) {
    if (node !== 'A1') continue;
    (world.peers.get(peer) as { isUp: boolean }).isUp = true;
    world.event({ kind: 'up', nowMs: world.nowMs, peer });
  }
  world.run(200);
  assert.equal(codes(world, asked), [0, 0, 0]);
  assert.equal(world.answered, asked);
});

test('a definite refusal within a run holds up nothing', () => {
  const world = nursery();
  const cluster = world.cluster('A');
  const serve = cluster.serve.bind(cluster);
  const bad = failure('BAD_INPUT', 'too long');
  cluster.serve = (node, body) =>
    decodeRequest(body).kind === 'run' ? runReply([OK, bad, OK]) : serve(node, body);
  const asked = ['a', 'b', 'c', 'd'].map((key) => world.ask(set(key), ORIGIN));
  world.run(100);
  assert.equal(codes(world, asked), [0, 0, RETURN_CODES.BAD_INPUT, 0]);
});

test('what is no reply to a run leaves its updates unknown; a refusal of the whole run is for each', () => {
  const answers = [
    Buffer.alloc(7),
    Buffer.concat([runReply([OK]).bytes]),
    failure('BAD_INPUT', 'no run').bytes,
  ];
  const { MAYBE_APPLIED, BAD_INPUT } = RETURN_CODES;
  for (const [index, bytes] of answers.entries()) {
    const world = nursery();
    const cluster = world.cluster('A');
    const serve = cluster.serve.bind(cluster);
    cluster.serve = (node, body) =>
      decodeRequest(body).kind === 'run' ? { bytes, hint: null } : serve(node, body);
    const asked = ['a', 'b', 'c'].map((key) => world.ask(set(key), ORIGIN));
    world.run(100);
    const code = index < 2 ? MAYBE_APPLIED : BAD_INPUT;
    assert.equal(codes(world, asked), [0, code, code]);
  }
});

test('an update that finds no room behind others of its connection is refused, and never executed', () => {
  const body = set('b', 'v'.repeat(100));
  const refused = (room: number): boolean => {
    const world = new World({ queuedBytes: room });
    world.found(mapOf(['', 'A'], ['k', 'B']));
    const asked = [set('a'), body, set('c')].map((each) => world.ask(each, ORIGIN));
    const isRefused = world.answers.has(asked[1] as number);
    world.run(100);
    const keys = world.executed.flatMap((request) => (request.kind === 'set' ? [request.key] : []));
    assert.equal(keys, isRefused ? ['a', 'c'] : ['a', 'b', 'c']);
    assert.equal(codes(world, asked), [0, isRefused ? RETURN_CODES.GOING_DOWN : 0, 0]);
    return isRefused;
  };
  assert.is(refused(body.length + set('c').length), false);
  assert.is(refused(body.length - 1), true);
});

test.run();

/** Nodes of a cluster: links that come and go with the configuration, masters that move, and who is asked for them. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { readyMaster } from '../../../router/core/clusters.ts';
import { health } from '../../../router/core/local.ts';
import { answerWithinMs, codeOf } from '../../../router/core/tasks.ts';
import { type Cluster, LIMITS } from '../../../router/core/types.ts';
import type { Key } from '../../../src/base/bytes.ts';
import { RETURN_CODES } from '../../../src/base/errors.ts';
import { failure, OK } from '../../../src/protocol/arakoon/replies.ts';
import { decodeRequest, encodeRequest } from '../../../src/protocol/arakoon/requests.ts';
import { returnCodeOf } from '../../../src/protocol/arakoon/values.ts';
import { mapOf, World } from '../world.ts';

const MAP = mapOf(['', 'A'], ['k', 'B']);
const set = (key: Key): Buffer => encodeRequest({ kind: 'set', key, value: Buffer.from('v') });

function nursery(): World {
  const world = new World();
  world.found(MAP);
  world.run(1000);
  world.sends.length = 0;
  return world;
}

const clusterOf = (world: World, id: string): Cluster => world.router.clusters.get(id) as Cluster;

/** Gives a map in which node A1 is another machine, or is gone. */
function without(world: World, change: 'moved' | 'gone'): void {
  const nodes = world.cluster('A').nodes.flatMap((name, index) => {
    if (name !== 'A1') return [{ name, ips: ['127.0.0.1'], port: 4000 + index }];
    return change === 'gone' ? [] : [{ name, ips: ['127.0.0.9'], port: 4000 }];
  });
  const clusters = [...(world.router.keeper?.clusters ?? [])].map((config) =>
    config.cluster === 'A' ? { ...config, nodes } : config,
  );
  world.event({ kind: 'map', nowMs: world.nowMs, map: { map: MAP.at(2), clusters }, changed: [] });
}

test('a link that is not wanted any more ends when the last answer on it has come', () => {
  for (const change of ['moved', 'gone'] as const) {
    const world = nursery();
    const [peer] = [...world.peers].filter(([, { node }]) => node === 'A1').map(([id]) => id);
    const asked = world.ask(set('a'));
    without(world, change);
    assert.ok(world.peers.has(peer as number), 'an update is under way');
    assert.is(clusterOf(world, 'A').master, null);
    world.run(100);
    assert.is(returnCodeOf(world.answerTo(asked).bytes), 0);
    assert.not(world.peers.has(peer as number));
  }
});

test('a link where nothing is under way ends at once; what stays the same stays', () => {
  const world = nursery();
  const before = new Map([...world.peers].map(([id, { node }]) => [node, id]));
  without(world, 'moved');
  const after = new Map([...world.peers].map(([id, { node }]) => [node, id]));
  const same = [...before].filter(([node, id]) => after.get(node) === id).map(([node]) => node);
  assert.equal(same.sort(), ['A2', 'A3', 'B1', 'B2', 'B3']);
  assert.is(clusterOf(world, 'B').master?.name, 'B1', 'of another cluster nothing is forgotten');
  assert.ok((after.get('A1') as number) > Math.max(...before.values()));
});

test('whoever is named by a node that refuses is believed where no master is known, and not where one is ready', () => {
  for (const [known, believed] of [
    [null, 'A2'],
    ['A1', 'A2'],
    ['A3', 'A3'],
  ]) {
    const world = nursery();
    const cluster = clusterOf(world, 'A');
    const asked = world.ask(set('a'));
    const { call } = world.sends.at(-1) ?? { call: 0 };
    cluster.master = known === null ? null : (cluster.peers.get(known ?? '') ?? null);
    const { bytes } = failure('NOT_MASTER', 'A2');
    world.event({ kind: 'reply', nowMs: world.nowMs, call, bytes, hint: null });
    assert.is(cluster.master?.name, believed);
    assert.not(world.answers.has(asked));
  }
});

test('what a full link held back is looked at again when its pause is over, whatever comes before', () => {
  const world = nursery();
  world.ask(set('a'));
  const { call } = world.sends.at(-1) ?? { call: 0 };
  const lost = { kind: 'lost', call, why: 'overloaded', sent: false } as const;
  world.event({ ...lost, nowMs: world.nowMs });
  const { pausedUntilMs } = clusterOf(world, 'A');
  assert.ok(pausedUntilMs > world.nowMs + 1);
  world.event({ kind: 'timer', nowMs: world.nowMs + 1 });
  assert.is(world.router.wakeAtMs, pausedUntilMs);
});

test('the master is ready while its link is up; after that was lost, once it says again that it is master', () => {
  const world = nursery();
  const cluster = clusterOf(world, 'A');
  assert.is(readyMaster(cluster)?.name, 'A1');
  world.link('A1', false);
  assert.is(readyMaster(cluster), null);
  world.cluster('A').master = null; // it was restarted, and waits for its keeper
  world.link('A1', true);
  assert.equal(health(world.router), { ok: false, why: 'no master of cluster A is known' });
  world.run(1000);
  assert.is(readyMaster(cluster), null);
  world.cluster('A').master = 'A1';
  world.run(1000);
  assert.is(readyMaster(cluster)?.name, 'A1');
  assert.ok(health(world.router).ok);
});

test('of a node that is down another’s word is believed for want of a better one', () => {
  const world = nursery();
  world.cluster('A').master = 'A2';
  world.link('A1', false);
  world.link('A2', false);
  world.run(1000);
  assert.is(readyMaster(clusterOf(world, 'A')), null);
  const asked = world.ask(set('a'));
  world.run(200);
  world.link('A2', true);
  world.run(200);
  assert.is(returnCodeOf(world.answerTo(asked).bytes), 0);
  assert.is(readyMaster(clusterOf(world, 'A'))?.name, 'A2');
});

test('what says nothing of a master, or nonsense, is as good as no answer', () => {
  for (const reply of [
    failure('GOING_DOWN', 'bye'),
    { bytes: Buffer.alloc(3), hint: null },
    { bytes: Buffer.from([0, 0, 0, 0, 9]), hint: null },
  ]) {
    const world = nursery();
    const cluster = world.cluster('A');
    const serve = cluster.serve.bind(cluster);
    let asked = 0;
    cluster.serve = (node, body) => {
      if (decodeRequest(body).kind !== 'whoMaster') return serve(node, body);
      asked += 1;
      return asked < 5 ? reply : serve(node, body);
    };
    world.link('A1', false);
    cluster.master = 'A2';
    world.run(2500);
    assert.ok(asked >= 5);
    assert.is(readyMaster(clusterOf(world, 'A'))?.name, 'A2');
  }
});

test('a refusal that names nobody known, or the node itself, has all of them asked', () => {
  for (const named of ['None', 'A1', 'stranger']) {
    const world = nursery();
    const cluster = world.cluster('A');
    const serve = cluster.serve.bind(cluster);
    cluster.master = 'A3';
    cluster.serve = (node, body) =>
      node === 'A1' && decodeRequest(body).kind === 'set' ? failure('NOT_MASTER', named) : serve(node, body);
    const asked = world.ask(set('a'));
    world.run(200);
    assert.is(returnCodeOf(world.answerTo(asked).bytes), 0, named);
    assert.is(world.updatesSent('a'), 2);
  }
});

test('the code of a reply has four bytes, the lowest first; a shorter one is an unknown failure', () => {
  assert.is(codeOf(Uint8Array.of(1, 2, 3, 4)), 0x04030201);
  assert.is(codeOf(Uint8Array.of(0, 0, 0, 0x80, 9)), 0x80000000);
  assert.is(codeOf(OK.bytes), 0);
  assert.is(codeOf(Uint8Array.of(0, 0, 0)), RETURN_CODES.UNKNOWN_FAILURE);
});

test('how long an answer may take: less than the client waits, and than any may', () => {
  const of = (leftMs: number | null): number => answerWithinMs(LIMITS, leftMs);
  assert.ok(of(null) < LIMITS.patienceMs && of(null) > LIMITS.patienceMs * 0.8);
  assert.is(of(null), of(LIMITS.patienceMs));
  assert.is(of(1e9), of(LIMITS.patienceMaxMs));
  assert.ok(of(1000) < 1000 && of(1000) > 500);
});

test.run();

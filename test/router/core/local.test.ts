/** What the router answers by itself: about itself, truthfully, at any time. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { health, statistics, unmappedWhy } from '../../../router/core/local.ts';
import { RETURN_CODES } from '../../../src/base/errors.ts';
import { EMPTY_MAP } from '../../../src/keyspace/rangemap.ts';
import { type AdminAnswer, decodeAnswer } from '../../../src/protocol/admin/admin.ts';
import * as replies from '../../../src/protocol/arakoon/replies.ts';
import { encodeRequest, type Request } from '../../../src/protocol/arakoon/requests.ts';
import { mapOf, World } from '../world.ts';

function nursery(): World {
  const world = new World();
  world.found(mapOf(['', 'A'], ['k', 'B']), 'C');
  return world;
}

function ask(world: World, request: Request): Uint8Array {
  const asked = world.ask(encodeRequest(request));
  return world.answerTo(asked).bytes;
}

test('it is well once every owner has a master', () => {
  const world = nursery();
  assert.equal(health(world.router), { ok: true, why: '' });
  assert.is(replies.decodeText(ask(world, { kind: 'currentState' })), 'ROUTING');
  world.cluster('C').master = null;
  world.link('C1', false);
  assert.ok(health(world.router).ok, 'C owns nothing');
  world.link('B1', false);
  assert.equal(health(world.router), { ok: false, why: 'no master of cluster B is known' });
  assert.is(replies.decodeBool(ask(world, { kind: 'expectProgressPossible' })), false);
  assert.match(
    replies.decodeText(ask(world, { kind: 'currentState' })),
    /^ROUTING, but no master of cluster B/,
  );
});

test('an owner without addresses is named', () => {
  const world = nursery();
  world.clusters.delete('B');
  world.giveMap(mapOf(['', 'A'], ['k', 'B']).at(2));
  assert.match(health(world.router).why, /no addresses of cluster B/);
  world.giveMap(mapOf(['', 'A'], ['k', 'Z']).at(3));
  assert.match(health(world.router).why, /no addresses of cluster Z/);
});

test('without a map it says so, and gives none', () => {
  const world = new World();
  assert.match(unmappedWhy(world.router) ?? '', /the keeper has not answered/);
  assert.match(health(world.router).why, /the keeper has not answered/);
  const empty = new World();
  empty.giveMap(EMPTY_MAP.at(1));
  assert.match(unmappedWhy(empty.router) ?? '', /not initialised/);
  for (const kind of ['getRouting', 'getNurseryConfig'] as const) {
    for (const each of [world, empty]) {
      assert.is(replies.returnCodeOf(ask(each, { kind })), RETURN_CODES.GOING_DOWN);
    }
  }
  const getMap: Request = { kind: 'adminQuery', query: { kind: 'getMap' } };
  assert.is(replies.returnCodeOf(ask(world, getMap)), RETURN_CODES.GOING_DOWN);
  assert.is(unmappedWhy(nursery().router), null);
});

test('it gives the map that it has, with the addresses; nothing else of an administrator', () => {
  const world = nursery();
  const answer = decodeAnswer(ask(world, { kind: 'adminQuery', query: { kind: 'getMap' } }));
  assert.is(answer.kind, 'keeperMap');
  const { map, clusters } = answer as Extract<AdminAnswer, { kind: 'keeperMap' }>;
  assert.equal([map.version, clusters.map(({ cluster }) => cluster)], [1, ['A', 'B', 'C']]);
  const parts = replies.decodeNurseryConfig(ask(world, { kind: 'getNurseryConfig' }));
  assert.equal(
    parts.clusters.map(({ cluster }) => cluster),
    ['A', 'B', 'C'],
  );
  const other: Request = { kind: 'adminQuery', query: { kind: 'listMigrations' } };
  assert.is(replies.returnCodeOf(ask(world, other)), RETURN_CODES.NOT_SUPPORTED);
  const interval = replies.decodeInterval(ask(world, { kind: 'getInterval' }));
  assert.equal(Object.values(interval), [null, null, null, null]);
});

test('its statistics say who is connected, where it counts them', () => {
  const { router } = new World();
  const seats = { open: 3, clientsMax: 9, turnedAway: 1, letGo: 2, stalledLetGo: 4 };
  const names = (of: typeof router) =>
    statistics(of).flatMap(({ name, value }) => (/^connections$|let_go/.test(name) ? [[name, value]] : []));
  assert.equal(names({ ...router, seats: seats as never }), [
    ['connections', 3],
    ['connections_let_go', 2],
    ['stalled_let_go', 4],
  ]);
  assert.equal(names({ ...router, seats: null }), []);
});

test('its statistics say what there is', () => {
  const world = nursery();
  world.cluster('A').owned = [];
  world.link('B1', false);
  world.ask(encodeRequest({ kind: 'set', key: 'a', value: Buffer.from('v') }), 7);
  world.run(10);
  const fields = new Map(statistics(world.router).map((field) => [field.name, field.value]));
  const { held, heldBytes, inFlight } = world.router;
  assert.equal(
    ['router', 'map_version', 'requests', 'updates', 'holds', 'holds_refused', 'held', 'held_bytes'].map(
      (name) => fields.get(name),
    ),
    ['R', 1, 1, 1, 1, 0, held, heldBytes],
  );
  assert.is(held, 1);
  assert.equal(
    ['in_flight', 'connections_with_updates', 'ranges_moving'].map((name) => fields.get(name)),
    [inFlight.size, 1, 1],
  );
  assert.equal(fields.get('masters'), [
    { kind: 'text', name: 'A', value: 'A1' },
    { kind: 'text', name: 'B', value: 'None' },
    { kind: 'text', name: 'C', value: 'C1' },
  ]);
  assert.is(
    new Map(statistics(new World().router).map(({ name, value }) => [name, value])).get('map_version'),
    0,
  );
});

test.run();

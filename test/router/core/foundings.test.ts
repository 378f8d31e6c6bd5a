/** Keys whose founding is not in force: whom the router does not send to, and how long clients wait. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { health } from '../../../router/core/local.ts';
import type { Key } from '../../../src/base/bytes.ts';
import { RETURN_CODES } from '../../../src/base/errors.ts';
import { type MapEntry, RangeMap } from '../../../src/keyspace/rangemap.ts';
import type { KeeperMap } from '../../../src/protocol/admin/admin.ts';
import { encodeRequest } from '../../../src/protocol/arakoon/requests.ts';
import { returnCodeOf } from '../../../src/protocol/arakoon/values.ts';
import { mapOf, World } from '../world.ts';

const MAP = mapOf(['', 'A'], ['k', 'B']);
const set = (key: Key): Buffer => encodeRequest({ kind: 'set', key, value: Buffer.from('v') });

/** The map in `version`, with A's entries of one founding and another one of A in force. */
function mapWith(world: World, version: number, foundings: { entry: string; inForce: string }): KeeperMap {
  const entries = MAP.entries.map(
    (entry): MapEntry => (entry.owner === 'A' ? { ...entry, founding: foundings.entry } : entry),
  );
  const clusters = [...world.clusters.values()].map(({ id, nodes }) => ({
    cluster: id,
    ...(id === 'A' ? { founding: foundings.inForce } : {}),
    nodes: nodes.map((name, index) => ({ name, ips: ['127.0.0.1'], port: 4000 + index })),
  }));
  return { map: RangeMap.of(version, entries), clusters };
}

function give(world: World, version: number, foundings: { entry: string; inForce: string }): void {
  world.event({ kind: 'map', nowMs: world.nowMs, map: mapWith(world, version, foundings), changed: null });
}

/** A nursery in which ['', k) belongs to a founding of A that is not in force. */
function dead(): World {
  const world = new World();
  world.found(MAP);
  give(world, 2, { entry: 'a1', inForce: 'a2' });
  world.run(100);
  world.sends.length = 0;
  return world;
}

test('nothing is sent to a dead founding; its keys wait, and the others are served', () => {
  const world = dead();
  const waits = world.ask(set('a'));
  const reads = world.ask(encodeRequest({ kind: 'get', consistency: { kind: 'noGuarantees' }, key: 'b' }));
  assert.is(returnCodeOf(world.get(set('z')).bytes), RETURN_CODES.OK);
  assert.is(world.answers.has(waits) || world.answers.has(reads), false);
  world.run(60_000);
  for (const request of [waits, reads]) {
    const { bytes } = world.answerTo(request);
    assert.is(returnCodeOf(bytes), RETURN_CODES.GOING_DOWN);
    assert.match(Buffer.from(bytes).toString('latin1'), /founding that is not in force; not executed/);
  }
  assert.equal(world.updatesSent('a'), 0);
  assert.equal(
    world.executed.filter((request) => 'key' in request && request.key !== 'z'),
    [],
  );
});

test('what spans a dead founding waits as a whole', () => {
  const world = dead();
  const bounds = { first: null, firstIncluded: true, last: null, lastIncluded: true, max: -1 };
  const ranged = world.ask(encodeRequest({ kind: 'range', consistency: { kind: 'consistent' }, ...bounds }));
  const several = world.ask(
    encodeRequest({ kind: 'multiGetOption', consistency: { kind: 'consistent' }, keys: ['a', 'z'] }),
  );
  world.run(1000);
  assert.is(world.answers.has(ranged) || world.answers.has(several), false);
  give(world, 3, { entry: 'a2', inForce: 'a2' });
  world.run(1000);
  assert.is(returnCodeOf(world.answerTo(ranged).bytes), RETURN_CODES.OK);
  assert.is(returnCodeOf(world.answerTo(several).bytes), RETURN_CODES.OK);
});

test('it says so of itself, until a map names the founding that is in force', () => {
  const world = dead();
  const { ok, why } = health(world.router);
  assert.is(ok, false);
  assert.match(why, /belongs to a founding of A that is not in force/);
  const waits = world.ask(set('a'));
  world.run(100);
  give(world, 3, { entry: 'a2', inForce: 'a2' });
  world.run(100);
  assert.is(returnCodeOf(world.answerTo(waits).bytes), RETURN_CODES.OK);
  assert.is(health(world.router).ok, true);
});

test('with another founding of a cluster its links are opened anew, for that founding alone', () => {
  const world = new World();
  world.found(MAP);
  give(world, 2, { entry: 'a1', inForce: 'a1' });
  world.run(100);
  const foundingsOf = (id: string): Set<string> =>
    new Set([...world.peers.values()].flatMap(({ cluster, founding }) => (cluster === id ? [founding] : [])));
  assert.equal(foundingsOf('A'), new Set(['a1']));
  const others = [...world.peers].filter(([, { cluster }]) => cluster === 'B').map(([id]) => id);
  give(world, 3, { entry: 'a1', inForce: 'a2' });
  world.run(100);
  assert.equal(foundingsOf('A'), new Set(['a2']));
  assert.ok(
    others.every((id) => world.peers.has(id)),
    'of B nothing changes',
  );
});

test('a hint to a founding that is not in force is not learnt', () => {
  const world = dead();
  const range = { lo: 'k', hi: null };
  const entry = { ...range, owner: 'A', epoch: 9, founding: 'a1' };
  world.cluster('B').owned = [];
  world.cluster('B').hints = [{ range, hint: { entry, confirmed: true } }];
  const asked = world.ask(set('z'));
  world.run(1000);
  assert.is(world.executed.length, 0);
  assert.is(world.answers.has(asked), false);
  assert.is(
    world.router.view.entries.some(({ epoch }) => epoch === 9),
    false,
  );
});

test.run();

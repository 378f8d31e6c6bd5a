/** What spans clusters is answered as one store would answer it, byte for byte. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type Key, keyToBytes, printKey } from '../../../src/base/bytes.ts';
import { RETURN_CODES } from '../../../src/base/errors.ts';
import { type MapEntry, RangeMap } from '../../../src/keyspace/rangemap.ts';
import { type Consistency, encodeRequest, type Request } from '../../../src/protocol/arakoon/requests.ts';
import { returnCodeOf } from '../../../src/protocol/arakoon/values.ts';
import { type Random, seeded } from '../../support/seeded.ts';
import { execute, World } from '../world.ts';

const CONSISTENT: Consistency = { kind: 'consistent' };
/** Few letters, so that bounds, prefixes and separators meet; with the least and the greatest byte. */
const LETTERS = ['\0', 'a', 'b', '\xfe', '\xff'];

function randomKey(random: Random): Key {
  let key = '';
  for (let length = random.below(4); length > 0; length -= 1) key += random.pick(LETTERS);
  return key;
}

function randomMap(random: Random): RangeMap {
  const separators = new Set<Key>();
  for (let count = random.below(7); count > 0; count -= 1) separators.add(randomKey(random));
  separators.delete('');
  const los = ['', ...[...separators].sort()];
  const entries = los.map((lo, index): MapEntry => {
    return { lo, hi: los[index + 1] ?? null, owner: random.pick(['A', 'B', 'C']), epoch: index + 1 };
  });
  return RangeMap.of(1, entries);
}

function randomRequest(random: Random): Request {
  const key = (): Key => randomKey(random);
  const bound = (): Key | null => (random.chance(0.2) ? null : key());
  const max = random.chance(0.4) ? -1 - random.below(2) : random.below(12);
  const consistency: Consistency = random.pick([
    CONSISTENT,
    { kind: 'noGuarantees' },
    { kind: 'atLeast', slot: 7 },
  ]);
  const query = {
    consistency,
    first: bound(),
    firstIncluded: random.chance(0.5),
    last: bound(),
    lastIncluded: random.chance(0.5),
    max,
  };
  const keys = Array.from({ length: random.below(6) }, key);
  switch (random.below(7)) {
    case 0:
      return { kind: 'range', ...query };
    case 1:
      return { kind: 'rangeEntries', ...query };
    case 2:
      return { kind: 'revRangeEntries', ...query };
    case 3:
      return { kind: 'prefixKeys', consistency, prefix: key(), max };
    case 4:
      return { kind: 'multiGet', consistency, keys };
    case 5:
      return { kind: 'multiGetOption', consistency, keys };
    default:
      return { kind: 'getKeyCount' };
  }
}

for (let round = 0; round < 20; round += 1) {
  seeded(`any request over any map, round ${round}`, (random) => {
    const world = new World();
    const map = randomMap(random);
    world.found(map);
    const model = new Map<Key, Uint8Array>();
    const share = random.next();
    for (const a of ['', ...LETTERS]) {
      for (const b of ['', ...LETTERS]) {
        for (const c of ['', ...LETTERS]) {
          const key = a + b + c;
          if (random.chance(share)) model.set(key, keyToBytes(key));
        }
      }
    }
    for (const { id, data } of world.clusters.values()) {
      for (const [key, value] of model) {
        const entry = map.entries.findLast(({ lo }) => lo <= key);
        if (entry?.owner === id) data.set(key, value);
      }
    }
    for (let count = 0; count < 60; count += 1) {
      const request = randomRequest(random);
      const answer = world.get(encodeRequest(request));
      const separators = map.entries.map(({ lo, owner }) => `${printKey(lo)} ${owner}`).join(', ');
      const what = `${JSON.stringify(request)} over ${separators}`;
      const expected = execute(model, request);
      assert.equal(
        Buffer.from(answer.bytes).toString('latin1'),
        Buffer.from(expected.bytes).toString('latin1'),
        what,
      );
    }
  });
}

test('a part asks only for what is still missing, and none is asked after enough', () => {
  const world = new World();
  const entries = ['', 'h', 'p'].map((lo, index): MapEntry => {
    return { lo, hi: ['h', 'p', null][index] ?? null, owner: ['A', 'B', 'C'][index] ?? '', epoch: index + 1 };
  });
  const map = RangeMap.of(1, entries);
  world.found(map);
  for (const key of ['a', 'b', 'i', 'j', 'q']) {
    for (const cluster of world.clusters.values()) cluster.data.set(key, Buffer.from(key));
  }
  for (const { id, data } of world.clusters.values()) {
    for (const key of [...data.keys()]) {
      if (map.entries.findLast(({ lo }) => lo <= key)?.owner !== id) data.delete(key);
    }
  }
  const query = { consistency: CONSISTENT, first: null, firstIncluded: true, last: null, lastIncluded: true };
  world.get(encodeRequest({ kind: 'range', ...query, max: 3 }));
  const asked = [...world.clusters.values()].map(({ executed }) =>
    executed.flatMap((request) => (request.kind === 'range' ? [request.max] : [])),
  );
  assert.equal(asked, [[3], [1], []]);
});

test('a part that is no reply fails the whole', () => {
  const world = new World();
  world.found(
    RangeMap.of(1, [
      { lo: '', hi: 'k', owner: 'A', epoch: 1 },
      { lo: 'k', hi: null, owner: 'B', epoch: 2 },
    ]),
  );
  const query = {
    consistency: CONSISTENT,
    first: null,
    firstIncluded: true,
    last: null,
    lastIncluded: true,
    max: -1,
  };
  const requests: Request[] = [
    { kind: 'multiGet', consistency: CONSISTENT, keys: ['a', 'x'] },
    { kind: 'range', ...query },
    { kind: 'getKeyCount' },
  ];
  for (const request of requests) {
    const cluster = world.cluster('B');
    const serve = cluster.serve.bind(cluster);
    cluster.serve = (node, body) =>
      body[0] === 2 ? serve(node, body) : { bytes: Buffer.alloc(5), hint: null };
    const answer = world.get(encodeRequest(request));
    cluster.serve = serve;
    assert.is(returnCodeOf(answer.bytes), RETURN_CODES.UNKNOWN_FAILURE, request.kind);
  }
});

test('an answer may be as large as the limit, and no larger', () => {
  const sizes = (gatheredBytes: number): number[] => {
    const world = new World({ gatheredBytes });
    world.found(
      RangeMap.of(1, [
        { lo: '', hi: 'k', owner: 'A', epoch: 1 },
        { lo: 'k', hi: null, owner: 'B', epoch: 2 },
      ]),
    );
    for (const key of ['a', 'x']) world.cluster(key === 'a' ? 'A' : 'B').data.set(key, Buffer.alloc(10));
    const query = {
      consistency: CONSISTENT,
      first: null,
      firstIncluded: true,
      last: null,
      lastIncluded: true,
      max: -1,
    };
    const requests: Request[] = [
      { kind: 'multiGetOption', consistency: CONSISTENT, keys: ['a', 'x'] },
      { kind: 'rangeEntries', ...query },
    ];
    return requests.map((request) => returnCodeOf(world.get(encodeRequest(request)).bytes));
  };
  // Each part of the entries has 4 + 1 + 4 + 10 bytes; of the values a list of one, 8 + 1 + 4 + 10, with its code.
  assert.equal(sizes(38), [RETURN_CODES.BAD_INPUT, 0]);
  assert.equal(sizes(37), [RETURN_CODES.BAD_INPUT, RETURN_CODES.BAD_INPUT]);
  assert.equal(sizes(46), [0, 0]);
  assert.equal(sizes(45), [RETURN_CODES.BAD_INPUT, 0]);
});

test.run();

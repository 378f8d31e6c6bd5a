import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Key } from '../../../src/base/bytes.ts';
import { RETURN_CODES } from '../../../src/base/errors.ts';
import { EMPTY_MAP } from '../../../src/keyspace/rangemap.ts';
import type { Hint } from '../../../src/protocol/admin/admin.ts';
import * as replies from '../../../src/protocol/arakoon/replies.ts';
import {
  type Consistency,
  decodeRequest,
  encodeRequest,
  type Request,
} from '../../../src/protocol/arakoon/requests.ts';
import { encodeUpdate, type Update } from '../../../src/protocol/arakoon/updates.ts';
import { mapOf, World } from '../world.ts';

const CONSISTENT: Consistency = { kind: 'consistent' };
const get = (key: Key): Buffer => encodeRequest({ kind: 'get', consistency: CONSISTENT, key });
const set = (key: Key, value = 'v'): Buffer => encodeRequest({ kind: 'set', key, value: Buffer.from(value) });
const sequence = (...updates: Update[]): Buffer =>
  encodeRequest({ kind: 'sequence', update: encodeUpdate({ kind: 'sequence', updates }) });
const setUpdate = (key: Key): Update => ({ kind: 'set', key, value: Buffer.from('v') });

function codeOf(world: World, request: number): number {
  return replies.returnCodeOf(world.answerTo(request).bytes);
}

function messageOf(answer: replies.Answer): string {
  try {
    replies.decodeVoid(answer.bytes);
  } catch (error) {
    return (error as Error).message;
  }
  return '';
}

function hint(lo: Key, hi: Key | null, owner: string, epoch: number, confirmed: boolean): Hint {
  return { entry: { lo, hi, owner, epoch }, confirmed };
}

/** A nursery of A, up to `k`, and B; C owns nothing. */
function nursery(limits = {}): World {
  const world = new World(limits);
  world.found(mapOf(['', 'A'], ['k', 'B']), 'C');
  return world;
}

test('a request goes to the master of the owner, byte for byte, once', () => {
  const world = nursery();
  world.sends.length = 0;
  const body = set('x');
  assert.equal(replies.returnCodeOf(world.get(body).bytes), 0);
  assert.is(world.sends.length, 1);
  assert.is(world.sends[0]?.body, body);
  assert.is(world.cluster('B').data.size, 1);
});

test('before the first map requests wait for it', () => {
  const world = new World();
  const early = world.ask(set('a'));
  world.run(900);
  assert.not.ok(world.answers.has(early));
  world.found(mapOf(['', 'A']));
  assert.is(codeOf(world, early), 0);
});

test('a nursery that is initialised while the router watches is served', () => {
  const world = new World();
  world.cluster('A').owned = [{ lo: '', hi: null }];
  world.giveMap(EMPTY_MAP.at(1));
  world.run(20);
  const early = world.ask(set('a'));
  world.giveMap(mapOf(['', 'A']).at(2));
  world.run(20);
  assert.is(codeOf(world, early), 0);
  assert.is(world.router.view.entries.length, 1);
});

test('a new master is followed by the name in the refusal', () => {
  const world = nursery();
  world.cluster('A').master = 'A2';
  assert.is(replies.returnCodeOf(world.get(set('a')).bytes), 0);
  world.sends.length = 0;
  world.get(set('b'));
  assert.is(world.sends.length, 1, 'the next goes there at once');
});

test('without a master a request waits for one, and shortly before its client gives up it hears that there is none', () => {
  const world = nursery();
  world.cluster('A').master = null;
  const first = world.ask(set('a'));
  world.run(3_000);
  assert.not.ok(world.answers.has(first));
  world.cluster('A').master = 'A3';
  world.run(200);
  assert.is(codeOf(world, first), 0);

  world.cluster('A').master = null;
  const second = world.ask(set('a'));
  world.run(10_200);
  assert.is(codeOf(world, second), RETURN_CODES.NOT_MASTER);
  assert.match(messageOf(world.answerTo(second)), /^None: no master of cluster A .*not executed/);
});

test('refusals that lead in a circle end in a wait, not in a storm', () => {
  const world = nursery();
  const circle = ['A2', 'A3', 'A1'];
  world.intercept = () => null;
  const cluster = world.cluster('A');
  let turn = 0;
  cluster.serve = (_node, body) => {
    if (body[0] === 2) return replies.okOptionalText('A1');
    turn += 1;
    return replies.failure('NOT_MASTER', circle[turn % 3] as string);
  };
  world.sends.length = 0;
  const asked = world.ask(set('a'));
  world.run(1_000);
  assert.not.ok(world.answers.has(asked));
  assert.ok(world.sends.length < 250, `${world.sends.length} sends in a second`);
});

test('an update whose link is lost after it was sent is never sent again', () => {
  for (const fate of ['lose-request', 'lose-answer'] as const) {
    const world = nursery();
    world.intercept = (send) => (send.body[0] === 9 ? fate : null);
    const asked = world.ask(set('a'));
    world.run(20_000);
    assert.is(codeOf(world, asked), RETURN_CODES.MAYBE_APPLIED);
    assert.is(world.updatesSent('a'), 1);
  }
});

test('an update without an answer is answered "maybe" when its time is over, not sooner', () => {
  const world = nursery();
  world.intercept = (send) => (send.body[0] === 9 ? 'drop' : null);
  const asked = world.ask(set('a'));
  world.run(9_400);
  assert.not.ok(world.answers.has(asked));
  world.run(200);
  assert.is(codeOf(world, asked), RETURN_CODES.MAYBE_APPLIED);
  assert.is(world.updatesSent('a'), 1);
});

test('a read is asked again when its link is lost', () => {
  const world = nursery();
  world.get(set('a'));
  let losses = 2;
  world.intercept = (send) => {
    if (send.body[0] !== 8 || losses === 0) return null;
    losses -= 1;
    return 'lose-answer';
  };
  // The link comes up again after each loss.
  const asked = world.ask(get('a'));
  for (let round = 0; round < 10; round += 1) {
    world.run(20);
    world.link('A1', false);
    world.link('A1', true);
  }
  world.run(100);
  assert.is(codeOf(world, asked), 0);
});

test('an update that was certainly not sent is sent later', () => {
  const world = nursery();
  world.link('A1', false);
  const asked = world.ask(set('a'));
  world.run(100);
  assert.not.ok(world.answers.has(asked));
  world.link('A1', true);
  world.run(100);
  assert.is(codeOf(world, asked), 0);
  assert.is(world.cluster('A').executed.length, 1);
});

test('a node that is going down did not execute it: it is sent again elsewhere', () => {
  const world = nursery();
  const cluster = world.cluster('A');
  const serve = cluster.serve.bind(cluster);
  cluster.serve = (node, body) => {
    if (node !== 'A1') return serve(node, body);
    cluster.master = 'A2';
    return replies.failure('GOING_DOWN', 'bye');
  };
  assert.is(replies.returnCodeOf(world.get(set('a')).bytes), 0);
  assert.is(cluster.executed.length, 1);
});

test('NoGuarantees is served by any node while there is no master', () => {
  const world = nursery();
  world.get(set('a'));
  world.cluster('A').master = null;
  world.link('A1', false);
  const asked = world.ask(encodeRequest({ kind: 'get', consistency: { kind: 'noGuarantees' }, key: 'a' }));
  world.run(20);
  assert.is(codeOf(world, asked), 0);
});

test('AtLeast is forwarded as Consistent', () => {
  const world = nursery();
  world.get(set('a'));
  world.sends.length = 0;
  const atLeast: Consistency = { kind: 'atLeast', slot: 1_000_000 };
  for (const request of [
    { kind: 'get', consistency: atLeast, key: 'a' },
    { kind: 'exists', consistency: atLeast, key: 'a' },
    { kind: 'multiGet', consistency: atLeast, keys: ['a'] },
    { kind: 'prefixKeys', consistency: atLeast, prefix: 'a', max: -1 },
  ] as const satisfies Request[]) {
    assert.is(replies.returnCodeOf(world.get(encodeRequest(request)).bytes), 0);
    const expected = encodeRequest({ ...request, consistency: CONSISTENT } as Request);
    assert.equal(Buffer.from(world.sends.at(-1)?.body ?? []), expected);
  }
});

test('a confirmed hint is followed, and stored', () => {
  const world = nursery();
  world.cluster('A').owned = [{ lo: '', hi: 'f' }];
  world.cluster('C').owned = [{ lo: 'f', hi: 'k' }];
  world.cluster('A').hints = [{ range: { lo: 'f', hi: 'k' }, hint: hint('f', 'k', 'C', 9, true) }];
  assert.is(replies.returnCodeOf(world.get(set('g')).bytes), 0);
  world.sends.length = 0;
  world.get(set('h'));
  assert.is(world.sends.length, 1, 'the next goes there at once');
});

test('where nobody says who has a range all clusters are asked, and what is found is not stored', () => {
  const world = nursery();
  world.cluster('B').owned = [];
  world.cluster('C').owned = [{ lo: 'k', hi: null }];
  const before = world.router.view;
  assert.is(replies.returnCodeOf(world.get(set('x')).bytes), 0);
  assert.is(world.cluster('C').data.size, 1);
  assert.equal(world.router.view, before);
});

test('a confirmed hint of a lower epoch is not stored', () => {
  const world = nursery();
  world.cluster('C').owned = [{ lo: '', hi: null }];
  world.cluster('B').owned = [];
  world.cluster('B').hints = [{ range: { lo: '', hi: null }, hint: hint('k', null, 'C', 1, true) }];
  const before = world.router.view;
  world.ask(set('x'));
  world.run(300);
  assert.equal(world.router.view, before);
});

test('after four redirects in a row a request waits, however good the hints look', () => {
  const world = nursery();
  let epoch = 10;
  for (const [id, other] of [
    ['A', 'C'],
    ['C', 'A'],
  ] as const) {
    const cluster = world.cluster(id);
    const serve = cluster.serve.bind(cluster);
    cluster.serve = (node, body) => {
      if (body[0] === 2) return serve(node, body);
      epoch += 1;
      return replies.failure('OUT_OF_RANGE', 'a', hint('', 'k', other, epoch, true));
    };
  }
  world.sends.length = 0;
  const asked = world.ask(set('a'));
  world.run(12); // there and back five times
  assert.is(world.updatesSent('a'), 5);
  world.run(10_500);
  assert.is(codeOf(world, asked), RETURN_CODES.GOING_DOWN);
});

test('a tentative hint is tried and never stored', () => {
  const world = nursery();
  const [a, c] = [world.cluster('A'), world.cluster('C')];
  // Sealed at A, not yet active at C.
  a.owned = [];
  a.hints = [{ range: { lo: '', hi: 'k' }, hint: hint('', 'k', 'C', 9, false) }];
  c.hints = [{ range: { lo: '', hi: 'k' }, hint: hint('', 'k', 'A', 9, false) }];
  const before = world.router.view;
  const asked = world.ask(set('a'));
  world.run(100);
  assert.not.ok(world.answers.has(asked));
  // Activated, while the keeper says nothing.
  c.owned = [{ lo: '', hi: 'k' }];
  world.run(100);
  assert.is(codeOf(world, asked), 0);
  assert.equal(world.router.view, before);
  // Aborted in spite of all: what was seen is forgotten, and A is asked.
  c.owned = [];
  c.hints = [];
  a.owned = [{ lo: '', hi: 'k' }];
  const after = world.ask(set('b'));
  world.run(200);
  assert.is(codeOf(world, after), 0);
  assert.is(a.executed.length, 1 + a.executed.filter(({ kind }) => kind === 'exists').length);
  assert.is(world.router.moving.length, 0);
});

test('while a range moves one question at a time goes out, and the held ones follow in order', () => {
  const world = nursery();
  const [a, c] = [world.cluster('A'), world.cluster('C')];
  a.owned = [];
  a.hints = [{ range: { lo: '', hi: 'k' }, hint: hint('', 'k', 'C', 9, false) }];
  world.sends.length = 0;
  const asked = ['a', 'b', 'c', 'd', 'e'].map((key) => world.ask(set(key)));
  world.run(400);
  const updates = ['a', 'b', 'c', 'd', 'e'].map((key) => world.updatesSent(key));
  assert.ok(
    updates.every((count) => count === 1),
    'each was refused once',
  );
  const probes = world.sends.length - 5;
  assert.ok(probes >= 5 && probes <= 40, `${probes} questions in 400 ms`);
  const later = world.ask(set('f'));
  world.run(50);
  assert.is(world.updatesSent('f'), 0, 'a later one waits without being tried');
  c.owned = [{ lo: '', hi: 'k' }];
  world.run(100);
  const keys = c.executed.flatMap((request) => (request.kind === 'set' ? [request.key] : []));
  assert.equal(keys, ['a', 'b', 'c', 'd', 'e', 'f']);
  for (const request of [...asked, later]) assert.is(codeOf(world, request), 0);
});

test('a request waits for a moving range, then it is told to come again', () => {
  const world = nursery();
  world.cluster('A').owned = [];
  world.cluster('A').hints = [{ range: { lo: '', hi: 'k' }, hint: hint('', 'k', 'C', 9, false) }];
  const asked = world.ask(set('a'));
  world.run(8_500);
  assert.not.ok(world.answers.has(asked));
  world.run(500);
  assert.is(codeOf(world, asked), RETURN_CODES.GOING_DOWN);
  assert.match(messageOf(world.answerTo(asked)), /range .* is moving from A to C; not executed/);
  assert.is(world.router.held, 0);
  world.run(100);
  assert.is(world.router.moving.length, 0, 'nobody waits, nobody asks');
});

test('held requests are bounded in number and bytes', () => {
  const moving = (limits: object): World => {
    const world = nursery(limits);
    world.cluster('A').owned = [];
    world.cluster('A').hints = [{ range: { lo: '', hi: 'k' }, hint: hint('', 'k', 'C', 9, false) }];
    world.ask(set('a'));
    world.run(5);
    return world;
  };
  const few = moving({ heldMax: 3 });
  const asked = ['b', 'c', 'd', 'e'].map((key) => few.ask(set(key)));
  few.run(5);
  const refused = asked.filter((request) => few.answers.has(request));
  assert.equal(refused, asked.slice(2));
  for (const request of refused) assert.is(codeOf(few, request), RETURN_CODES.GOING_DOWN);

  const small = moving({ heldBytes: 300 });
  const large = small.ask(set('b', 'x'.repeat(400)));
  assert.is(codeOf(small, large), RETURN_CODES.GOING_DOWN);
  assert.not.ok(small.answers.has(small.ask(set('c'))));
});

test('updates of one connection take effect in order, others do not wait for them', () => {
  const world = nursery();
  let delay = 0;
  world.delayMs = () => {
    delay = delay === 1 ? 30 : 1;
    return delay;
  };
  const mine = ['a', 'b', 'x', 'c'].map((key) => world.ask(set(key), 7));
  const other = world.ask(set('d'), 8);
  world.run(1);
  assert.is(world.sends.filter(({ body }) => body[0] === 9).length, 2, 'one of each connection is under way');
  world.run(1_000);
  const order = world.answered.filter((request) => mine.includes(request));
  assert.equal(order, mine);
  assert.ok(world.answered.indexOf(other) < world.answered.indexOf(mine[1] as number));
  assert.is(world.router.lanes.size, 0);
});

test('an update behind a held one of its connection is not executed before it', () => {
  const world = nursery();
  const [a, c] = [world.cluster('A'), world.cluster('C')];
  a.owned = [{ lo: '', hi: 'f' }];
  a.hints = [{ range: { lo: 'f', hi: 'k' }, hint: hint('f', 'k', 'C', 9, false) }];
  const held = world.ask(set('g'), 1);
  const behind = world.ask(set('a'), 1);
  world.run(200);
  assert.not.ok(world.answers.has(behind));
  c.owned = [{ lo: 'f', hi: 'k' }];
  world.run(200);
  assert.equal([codeOf(world, held), codeOf(world, behind)], [0, 0]);
  assert.equal(world.answered, [held, behind]);
});

test('what spans clusters and changes something is refused, and names them', () => {
  const world = nursery();
  const spanning: [string, Buffer][] = [
    ['sequence', sequence(setUpdate('a'), setUpdate('x'))],
    ['nested', sequence(setUpdate('a'), { kind: 'sequence', updates: [setUpdate('x')] })],
    ['assertRange', sequence(setUpdate('a'), { kind: 'assertRange', prefix: '', keys: [] })],
    ['deletePrefix', encodeRequest({ kind: 'deletePrefix', prefix: '' })],
    ['userFunction', encodeRequest({ kind: 'userFunction', name: 'f', argument: null })],
    ['only a function', sequence({ kind: 'userFunction', name: 'f', argument: null })],
  ];
  world.sends.length = 0;
  for (const [name, body] of spanning) {
    const answer = world.get(body);
    assert.is(replies.returnCodeOf(answer.bytes), RETURN_CODES.BAD_INPUT, name);
    assert.match(messageOf(answer), /A, B/, name);
  }
  assert.is(world.sends.length, 0);
  assert.is(replies.returnCodeOf(world.get(sequence(setUpdate('x'), setUpdate('y'))).bytes), 0);
  assert.is(replies.returnCodeOf(world.get(sequence()).bytes), 0, 'an empty one names nothing');
  assert.is(replies.returnCodeOf(world.get(encodeRequest({ kind: 'deletePrefix', prefix: 'b' })).bytes), 0);
});

test('a sequence that waits for a range is refused when its keys have parted', () => {
  const world = nursery();
  const [a, c] = [world.cluster('A'), world.cluster('C')];
  a.owned = [{ lo: '', hi: 'f' }];
  a.hints = [{ range: { lo: 'f', hi: 'k' }, hint: hint('f', 'k', 'C', 9, false) }];
  const asked = world.ask(sequence(setUpdate('a'), setUpdate('g')));
  world.run(50);
  assert.not.ok(world.answers.has(asked));
  c.owned = [{ lo: 'f', hi: 'k' }];
  world.run(200);
  assert.is(codeOf(world, asked), RETURN_CODES.BAD_INPUT);
  assert.match(messageOf(world.answerTo(asked)), /A, C/);
});

test('multi_get of several missing keys names the last one, from whichever cluster', () => {
  const world = nursery();
  world.get(set('a', '1'));
  world.get(set('x', '2'));
  const ask = (...keys: Key[]): replies.Answer =>
    world.get(encodeRequest({ kind: 'multiGet', consistency: CONSISTENT, keys }));
  assert.is(messageOf(ask('z', 'a', 'b', 'x')), 'b');
  assert.is(messageOf(ask('b', 'a', 'z', 'x')), 'z');
  const values = replies.decodeMultiGet(ask('x', 'a', 'x').bytes);
  assert.equal(
    values.map((value) => Buffer.from(value).toString()),
    ['2', '1', '2'],
  );
});

test('keys are counted over all clusters', () => {
  const world = nursery();
  for (const key of ['a', 'b', 'x']) world.get(set(key));
  assert.is(replies.decodeInt64(world.get(encodeRequest({ kind: 'getKeyCount' })).bytes), 3);
});

test('one part that fails fails the whole, and what is late is dropped', () => {
  const world = nursery();
  world.cluster('B').master = null;
  const asked = world.ask(encodeRequest({ kind: 'multiGet', consistency: CONSISTENT, keys: ['a', 'x'] }));
  world.run(10_200);
  assert.is(codeOf(world, asked), RETURN_CODES.NOT_MASTER);
  world.cluster('B').master = 'B1';
  world.run(1_000);
  assert.is(world.router.held, 0);
});

test('an answer that grows too large is refused with the limit', () => {
  const world = nursery({ gatheredBytes: 1000 });
  for (const key of ['a', 'x']) world.get(set(key, 'v'.repeat(800)));
  const query = { consistency: CONSISTENT, first: null, firstIncluded: true, last: null, lastIncluded: true };
  const answer = world.get(encodeRequest({ kind: 'rangeEntries', ...query, max: -1 }));
  assert.is(replies.returnCodeOf(answer.bytes), RETURN_CODES.BAD_INPUT);
  assert.match(messageOf(answer), /1000 bytes/);
});

test('the router answers for itself', () => {
  const world = nursery();
  world.sends.length = 0;
  const ask = (request: Request): Uint8Array => world.get(encodeRequest(request)).bytes;
  assert.is(replies.decodeOptionalText(ask({ kind: 'whoMaster' })), 'R');
  assert.is(
    replies.decodeText(ask({ kind: 'ping', client: 'me', cluster: 'nursery' })),
    'a router in a test',
  );
  assert.is(
    replies.returnCodeOf(ask({ kind: 'ping', client: 'me', cluster: 'x' })),
    RETURN_CODES.UNKNOWN_FAILURE,
  );
  assert.is(replies.decodeVersion(ask({ kind: 'version' })).major, 1);
  assert.is(replies.decodeBool(ask({ kind: 'expectProgressPossible' })), true);
  assert.equal(replies.decodeRouting(ask({ kind: 'getRouting' })), [
    { lo: '', owner: 'A' },
    { lo: 'k', owner: 'B' },
  ]);
  assert.is(replies.decodeNurseryConfig(ask({ kind: 'getNurseryConfig' })).clusters.length, 3);
  const names = replies.decodeStatistics(ask({ kind: 'statistics' })).map(({ name }) => name);
  assert.ok(names.includes('requests') && names.includes('held_bytes'));
  for (const kind of ['getTxid', 'dropMaster', 'optimizeDb', 'getDb', 'flushStore'] as const) {
    const answer = world.get(encodeRequest({ kind }));
    assert.is(replies.returnCodeOf(answer.bytes), RETURN_CODES.NOT_SUPPORTED);
    assert.match(
      messageOf(answer),
      kind.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
    );
  }
  assert.is(world.sends.length, 0);
});

test('malformed requests are answered, not forwarded', () => {
  const world = nursery();
  world.sends.length = 0;
  const cases: [Buffer, number][] = [
    [Buffer.alloc(0), RETURN_CODES.BAD_INPUT],
    [Buffer.from('hello world'), RETURN_CODES.NO_MAGIC],
    [set('a').subarray(0, 8), RETURN_CODES.BAD_INPUT],
    [Buffer.from([0xee, 0, 0xff, 0xb1]), RETURN_CODES.NOT_SUPPORTED],
  ];
  for (const [body, code] of cases) assert.is(replies.returnCodeOf(world.get(body).bytes), code);
  assert.is(world.sends.length, 0);
});

test('links follow the client configurations', () => {
  const world = nursery();
  const before = [...world.peers.keys()];
  world.clusters.delete('C');
  world.giveMap(mapOf(['', 'A'], ['k', 'B']).at(2));
  const after = [...world.peers.values()].map(({ cluster }) => cluster);
  assert.equal(after, ['A', 'A', 'A', 'B', 'B', 'B']);
  world.cluster('C');
  world.giveMap(mapOf(['', 'A'], ['k', 'B']).at(3));
  const fresh = [...world.peers.keys()].filter((peer) => !before.includes(peer));
  assert.is(fresh.length, 3, 'names of links are not reused');
  world.giveMap(mapOf(['', 'B']).at(1));
  assert.is(world.router.keeper?.map.version, 3, 'an older map is not taken');
});

test('an update of which its node does not know what became is counted; a read is asked again', () => {
  const world = nursery();
  const answersOf = (body: Uint8Array): number => {
    const request = world.ask(body);
    const { call } = world.sends.at(-1) ?? { call: 0 };
    const { bytes } = replies.failure('MAYBE_APPLIED', 'who knows');
    world.event({ kind: 'reply', nowMs: world.nowMs, call, bytes, hint: null });
    world.run(100);
    return codeOf(world, request);
  };
  assert.is(answersOf(set('a')), RETURN_CODES.MAYBE_APPLIED);
  assert.is(world.router.counters.maybeApplied, 1);
  assert.is(answersOf(get('a')), RETURN_CODES.OK);
  assert.is(world.router.counters.maybeApplied, 1);
});

test('what spans clusters is refused: by their names, and a call of a function with how to place it', () => {
  const world = nursery();
  const refusalOf = (body: Uint8Array): string => {
    const answer = world.get(body);
    assert.is(replies.returnCodeOf(answer.bytes), RETURN_CODES.BAD_INPUT);
    return messageOf(answer);
  };
  const spans = refusalOf(sequence(setUpdate('a'), setUpdate('x')));
  assert.match(spans, /the update spans the clusters A, B: it must stay within one/);
  const call = encodeRequest({ kind: 'userFunction', name: 'f', argument: null });
  assert.match(refusalOf(call), /the clusters A, B share the keys: a function is called near a key/);
});

test('parts of a request are asked as the client asked: fresh, or as it may be', () => {
  for (const [asked, inParts] of [
    ['noGuarantees', 'noGuarantees'],
    ['consistent', 'consistent'],
    ['atLeast', 'consistent'],
  ] as const) {
    const consistency = (asked === 'atLeast' ? { kind: asked, slot: 7 } : { kind: asked }) as Consistency;
    const bounds = { first: null, firstIncluded: true, last: null, lastIncluded: true, max: -1 };
    for (const request of [
      { kind: 'multiGetOption', consistency, keys: ['a', 'x'] },
      { kind: 'range', consistency, ...bounds },
    ] as const) {
      const world = nursery();
      world.sends.length = 0;
      world.get(encodeRequest(request));
      const kinds = world.sends.map(({ body }) => {
        const part = decodeRequest(body);
        return 'consistency' in part ? part.consistency.kind : part.kind;
      });
      assert.equal(kinds, [inParts, inParts], request.kind);
    }
  }
});

test('a link that takes nothing for so long that the request is late is doubted, unlike one that is lost or full', () => {
  for (const [why, isDoubted] of [
    ['timeout', true],
    ['closed', false],
    ['overloaded', false],
  ] as const) {
    const world = nursery();
    world.ask(set('a'));
    const send = world.sends.at(-1);
    world.event({ kind: 'lost', nowMs: world.nowMs, call: send?.call ?? 0, why, sent: false });
    assert.is(world.router.clusters.get('A')?.master === null, isDoubted, why);
  }
});

test('an overloaded link holds requests back for a moment', () => {
  const world = nursery();
  const asked = world.ask(set('a'));
  const send = world.sends.at(-1);
  assert.ok(send);
  world.event({ kind: 'lost', nowMs: world.nowMs, call: send?.call ?? 0, why: 'overloaded', sent: false });
  const behind = world.ask(set('b'));
  assert.is(world.updatesSent('b'), 0);
  world.run(60);
  assert.equal([codeOf(world, asked), codeOf(world, behind)], [0, 0]);
});

test.run();

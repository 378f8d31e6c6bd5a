import { once } from 'node:events';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { FRAME_MAX, OUTSTANDING_MAX } from '../../../src/base/limits.ts';
import { Budget, unboundedBudgets } from '../../../src/process/budget.ts';
import { MAGIC } from '../../../src/protocol/admin/admin.ts';
import { failure, OK, okBytes } from '../../../src/protocol/arakoon/replies.ts';
import { type Consistency, encodePrologue, encodeRequest } from '../../../src/protocol/arakoon/requests.ts';
import type { Answer, More } from '../../../src/protocol/arakoon/values.ts';
import { until, within } from '../../support/wait.ts';
import { Bench, Raw } from './raw.ts';

const MIB = 1024 * 1024;

const consistency: Consistency = { kind: 'consistent' };
const get = (key: string): Buffer => encodeRequest({ kind: 'get', consistency, key });
const set = (key: string, value = 'v'): Buffer =>
  encodeRequest({ kind: 'set', key, value: Buffer.from(value) });
const echo = (key: string): Buffer => Buffer.from(okBytes(Buffer.from(key)).bytes);

function int(...values: number[]): Buffer {
  const buffer = Buffer.alloc(4 * values.length);
  values.forEach((value, index) => {
    buffer.writeUInt32LE(value >>> 0, 4 * index);
  });
  return buffer;
}

function codeAndText(reply: Buffer): [number, string] {
  assert.is(reply.length, 8 + reply.readUInt32LE(4));
  return [reply.readUInt32LE(0), reply.toString('utf8', 8)];
}

/** What a client gets that sends `bytes` after its prologue, until it is closed. */
async function answersTo(bench: Bench, ...bytes: Buffer[]): Promise<Buffer> {
  const client = await bench.client();
  client.send(...bytes);
  return client.rest();
}

test('a bad prologue closes without a byte', async () => {
  const bench = await new Bench().listen();
  const prologues = [
    int(0xb1ff0001, 1, 5),
    int(0, 1, 5),
    int(0xb1ff0000, 2, 5),
    Buffer.concat([int(0xb1ff0000, 1, 5), Buffer.from('riCky')]),
    Buffer.concat([int(0xb1ff0000, 1, 6), Buffer.from('ricky2')]),
    Buffer.concat([int(0xb1ff0000, 1, 4), Buffer.from('rick')]),
    int(0xb1ff0000, 1, 0xffff_ffff),
    Buffer.from([0xb1, 0xff, 0, 0]),
  ];
  for (const prologue of prologues) {
    const client = await Raw.connect(bench.port.port);
    client.send(prologue);
    assert.is((await client.rest()).length, 0, prologue.toString('hex'));
  }
  assert.is(bench.begun.length, 0);
  await bench.port.close();
});

test('prologue and requests are understood however they are cut', async () => {
  const bench = await new Bench().listen({}, (request) =>
    request.kind === 'get' ? okBytes(Buffer.from(request.key)) : OK,
  );
  const client = await Raw.connect(bench.port.port);
  client.socket.setNoDelay(true);
  const stream = Buffer.concat([encodePrologue('ricky'), set('k', 'some value'), get('a'), get('bb')]);
  for (const byte of stream) {
    client.send(Buffer.from([byte]));
    await new Promise((resolve) => setImmediate(resolve));
  }
  const expected = Buffer.concat([OK.bytes, echo('a'), echo('bb')]);
  assert.equal(await client.read(expected.length), expected);
  client.socket.destroy();
  await bench.port.close();
});

test('a request without the magic gets 01 00 00 00 and a close, after the answers before it', async () => {
  const bench = await new Bench().listen({}, (request) =>
    request.kind === 'get' ? okBytes(Buffer.from(request.key)) : OK,
  );
  assert.is((await answersTo(bench, int(8))).toString('hex'), '01000000');
  assert.is((await answersTo(bench, int(0xb1fe0008))).toString('hex'), '01000000');
  const both = await answersTo(bench, get('a'), int(8), get('b'));
  assert.equal(both, Buffer.concat([echo('a'), int(1)]));
  assert.is(bench.begun.length, 1);
  await bench.port.close();
});

test('an unknown code gets 05 with a text and a close; so do those for links', async () => {
  const bench = await new Bench().listen();
  for (const code of [0x03, 0x0e, 0x46, 0x80, 0x81, 0xffff]) {
    const [returnCode, text] = codeAndText(await answersTo(bench, int(MAGIC | code), get('b')));
    assert.is(returnCode, 0x05);
    assert.match(text, 'not served');
  }
  assert.is(bench.begun.length, 0);
  await bench.port.close();
});

test('an update that is too long is refused and skipped; the connection stays', async () => {
  const bench = await new Bench().listen({}, (request) =>
    request.kind === 'get' ? okBytes(Buffer.from(request.key)) : OK,
  );
  const client = await bench.client();
  const head = Buffer.concat([int(MAGIC | 0x09, 1), Buffer.from('k'), int(FRAME_MAX)]);
  client.send(head);
  const size = head.length + FRAME_MAX;
  const text = `a message of ${size} bytes or more: the limit is ${FRAME_MAX} bytes`;
  const refusal = Buffer.concat([int(0x26, text.length), Buffer.from(text)]);
  assert.equal(await client.read(refusal.length), refusal);
  client.send(Buffer.alloc(FRAME_MAX));
  client.send(get('next'));
  assert.equal(await client.read(echo('next').length), echo('next'));
  assert.equal(bench.kinds, ['get']);
  client.socket.destroy();
  await bench.port.close();
});

test('an announcement of 4 GiB costs no memory: 26 and a close', async () => {
  const bench = await new Bench().listen();
  const before = process.memoryUsage().arrayBuffers;
  for (const announced of [
    int(MAGIC | 0x0a, 0xffff_ffff),
    Buffer.concat([int(MAGIC | 0x09, 0xffff_ffff), Buffer.from('k')]),
    Buffer.concat([int(MAGIC | 0x11), Buffer.from([0]), int(0xffff_ffff)]),
  ]) {
    const [returnCode, text] = codeAndText(await answersTo(bench, announced));
    assert.is(returnCode, 0x26);
    assert.match(text, `the limit is ${FRAME_MAX} bytes`);
  }
  assert.ok(process.memoryUsage().arrayBuffers - before < 16 * 1024 * 1024);
  await bench.port.close();
});

test('answers keep the order of the requests, whatever order they are given in', async () => {
  const bench = await new Bench().listen();
  const client = await bench.client();
  const keys = Array.from({ length: 100 }, (_, index) => `k${index}`);
  client.send(...keys.map((key) => get(key)));
  await bench.whenBegun(100);
  for (const { request, respond } of [...bench.begun].reverse()) {
    respond(okBytes(Buffer.from(request.kind === 'get' ? request.key : '')));
  }
  const expected = Buffer.concat(keys.map(echo));
  assert.equal(await client.read(expected.length), expected);
  client.socket.destroy();
  await bench.port.close();
});

test('updates go together, and so do reads; neither overtakes the other', async () => {
  const bench = await new Bench().listen();
  const client = await bench.client();
  client.send(set('a'), set('b'), get('a'), get('b'), set('c'), get('c'));
  await bench.whenBegun(2);
  assert.equal(bench.kinds, ['set', 'set']);
  bench.begun[1]?.respond(OK);
  bench.begun[0]?.respond(OK);
  assert.is((await client.read(8)).length, 8);
  await bench.whenBegun(4);
  assert.equal(bench.kinds.slice(2), ['get', 'get']);
  bench.begun[2]?.respond(okBytes(Buffer.from('a')));
  bench.begun[3]?.respond(okBytes(Buffer.from('b')));
  await bench.whenBegun(5);
  assert.equal(bench.kinds.slice(4), ['set']);
  bench.begun[4]?.respond(OK);
  await bench.whenBegun(6);
  bench.begun[5]?.respond(okBytes(Buffer.from('c')));
  const expected = Buffer.concat([echo('a'), echo('b'), OK.bytes, echo('c')]);
  assert.equal(await client.read(expected.length), expected);
  client.socket.destroy();
  await bench.port.close();
});

test('after 04 and 09 the connection is closed; after other errors it stays open', async () => {
  const bench = await new Bench().listen({}, (request) => {
    if (request.kind !== 'get') return OK;
    if (request.key === 'moved') return failure('OUT_OF_RANGE', 'moved');
    if (request.key === 'follower') return failure('NOT_MASTER', 'arakoon_1');
    return failure('NOT_FOUND', request.key);
  });
  const missing = Buffer.from(failure('NOT_FOUND', 'x').bytes);
  const follower = await answersTo(bench, get('x'), get('x'), get('follower'), get('x'));
  assert.equal(follower, Buffer.concat([missing, missing, int(4, 9), Buffer.from('arakoon_1')]));
  const moved = await answersTo(bench, get('moved'), get('x'));
  assert.equal(moved, Buffer.concat([int(9, 5), Buffer.from('moved')]));
  await bench.port.close();
});

test('updates under way behind a refusal that ends the connection are answered before its end', async () => {
  for (const code of ['NOT_MASTER', 'OUT_OF_RANGE'] as const) {
    const bench = await new Bench().listen();
    const client = await bench.client();
    client.send(set('a'), set('b'), set('c'), get('d'));
    await bench.whenBegun(3);
    const refusal = failure(code, 'text');
    bench.begun[0]?.respond(refusal);
    bench.begun[2]?.respond(refusal);
    bench.begun[1]?.respond(OK);
    const answers = Buffer.concat([refusal.bytes, OK.bytes, refusal.bytes]);
    assert.equal(await client.read(answers.length), answers);
    assert.equal(await client.rest(), Buffer.alloc(0), 'the read is not begun');
    assert.is(bench.begun.length, 3);
    await bench.port.close();
  }
});

test('unanswered requests of a connection are bounded, and the client is made to wait', async () => {
  const bench = await new Bench().listen({ graceMs: 1 });
  const client = await bench.client();
  const more = 50;
  client.send(...Array.from({ length: OUTSTANDING_MAX + more }, () => get('k')));
  await bench.whenBegun(OUTSTANDING_MAX);
  // More input does not begin more requests: it fills up, until the socket is no longer read.
  const block = Buffer.concat(Array.from({ length: 10_000 }, () => get('k')));
  while (client.socket.write(block));
  assert.is(bench.begun.length, OUTSTANDING_MAX);
  bench.begun[0]?.respond(okBytes(Buffer.from('k')));
  await bench.whenBegun(OUTSTANDING_MAX + 1);
  assert.is(bench.begun.length, OUTSTANDING_MAX + 1);
  assert.equal(await client.read(echo('k').length), echo('k'));
  client.socket.destroy();
  await bench.port.close();
});

test('a client that does not read its answers is read no further, and gets all of them in the end', async () => {
  const value = Buffer.alloc(1024 * 1024, 'v');
  const bench = await new Bench().listen({}, () => okBytes(value));
  const client = await bench.client();
  client.socket.pause();
  const count = 64;
  client.send(...Array.from({ length: count }, () => get('k')));
  await bench.whenBegun(4);
  await new Promise((resolve) => setImmediate(resolve));
  assert.ok(bench.begun.length < count, `${bench.begun.length} requests were begun`);
  client.socket.resume();
  const answer = Buffer.from(okBytes(value).bytes);
  for (let index = 0; index < count; index += 1) assert.equal(await client.read(answer.length), answer);
  assert.is(bench.begun.length, count);
  client.socket.destroy();
  await bench.port.close();
});

test('a client that has said all it wants still gets its answers', async () => {
  const bench = await new Bench().listen();
  const client = await bench.client();
  client.send(set('a'), get('a'));
  client.socket.end();
  await bench.whenBegun(1);
  bench.begun[0]?.respond(OK);
  await bench.whenBegun(2);
  bench.begun[1]?.respond(okBytes(Buffer.from('v')));
  assert.equal(await client.rest(), Buffer.concat([OK.bytes, echo('v')]));
  await bench.port.close();
});

test("an answer to a client that is gone is nobody's", async () => {
  const bench = await new Bench().listen();
  const client = await bench.client();
  client.send(get('a'), get('b'));
  await bench.whenBegun(2);
  client.socket.resetAndDestroy();
  await once(client.socket, 'close');
  const other = await bench.client();
  other.send(get('c'));
  await bench.whenBegun(3);
  for (const { respond } of bench.begun) respond(okBytes(Buffer.from('x')));
  assert.equal(await other.read(echo('x').length), echo('x'));
  assert.is(bench.port.connections.tcp, 1);
  other.socket.destroy();
  await bench.port.close();
});

test('a big value comes through whole', async () => {
  const bench = await new Bench().listen({}, () => OK);
  const client = await bench.client();
  const value = Buffer.alloc(7 * 1024 * 1024, 'x');
  client.send(encodeRequest({ kind: 'set', key: 'k', value }), set('l'));
  assert.is((await client.read(8)).length, 8);
  const first = bench.begun[0]?.request;
  assert.ok(first?.kind === 'set' && value.equals(first.value));
  client.socket.destroy();
  await bench.port.close();
});

test('an answer in pieces comes whole, between others, and is counted until it is read', async () => {
  const replies = new Budget(256 * MIB);
  const budgets = { clients: { ...unboundedBudgets(), replies }, own: unboundedBudgets() };
  const whole = okBytes(
    Buffer.alloc(16 * MIB, Buffer.from(Array.from({ length: 251 }, (_, at) => at))),
  ).bytes;
  const cuts = [0, 8, 9, 8 * MIB, 8 * MIB + 100, whole.length];
  const [first, ...rest] = cuts.slice(1).map((end, index) => whole.slice(cuts[index], end));
  const bench = await new Bench().listen({ budgets }, (request) =>
    request.kind === 'get' ? { bytes: first as Uint8Array, rest, hint: null } : OK,
  );
  const client = await bench.client();
  client.socket.pause();
  client.send(set('a'), get('a'), set('b'));
  await until('what was not read to be counted', () => replies.usedBytes > 4 * MIB);
  client.socket.resume();
  const expected = Buffer.concat([OK.bytes, whole, OK.bytes]);
  assert.ok(expected.equals(await client.read(expected.length)));
  await until('nothing to be owed', () => replies.usedBytes === 0);
  client.socket.destroy();
  await bench.port.close();
});

test('a request behind a long answer is begun once that was taken', async () => {
  const long = okBytes(Buffer.alloc(16 * MIB));
  const bench = await new Bench().listen({}, ({ kind }) => (kind === 'get' ? long : OK));
  const client = await bench.client();
  client.send(get('a'), set('b')); // and nothing more, which would wake it
  await within(20_000, 'both answers', client.read(long.bytes.length + OK.bytes.length));
  assert.equal(bench.kinds, ['get', 'set']);
  client.socket.destroy();
  await bench.port.close();
});

test('long requests are received only where there is room for them; who sends no more is let go', async () => {
  const requests = new Budget(4 * MIB);
  const budgets = { clients: { ...unboundedBudgets(), requests }, own: unboundedBudgets() };
  const bench = await new Bench().listen({ budgets }, () => OK);
  const announced = set('k', 'v'.repeat(3 * MIB));
  const stuck = await bench.client();
  stuck.send(announced.subarray(0, MIB));
  await until('the first to have its room', () => requests.usedBytes >= announced.length);
  const next = await bench.client();
  next.send(announced);
  const short = await bench.client();
  short.send(set('short'));
  assert.equal(await short.read(4), Buffer.from(OK.bytes));
  assert.equal(await next.read(4), Buffer.from(OK.bytes));
  assert.is((await stuck.rest()).length, 0);
  assert.is(requests.letGo, 1);
  await until('all to be given back', () => requests.usedBytes === 0);
  next.socket.destroy();
  short.socket.destroy();
  await bench.port.close();
});

test('what clients do not read is counted until they do, or are gone', async () => {
  const replies = new Budget(256 * MIB);
  const budgets = { clients: { ...unboundedBudgets(), replies }, own: unboundedBudgets() };
  const bench = await new Bench().listen({ budgets }, () => okBytes(Buffer.alloc(16 * MIB)));
  const [reader, lurker] = [await bench.client(), await bench.client()];
  lurker.socket.pause();
  reader.send(get('a'));
  lurker.send(get('a'));
  await reader.read(16 * MIB + 8);
  await until('what was read to be counted no more', () => replies.usedBytes < 18 * MIB);
  assert.ok(replies.usedBytes > 8 * MIB, String(replies.usedBytes));
  lurker.socket.destroy();
  await until('all to be given back', () => replies.usedBytes === 0);
  reader.send(get('a'));
  assert.is((await reader.read(16 * MIB + 8)).length, 16 * MIB + 8);
  reader.socket.destroy();
  await bench.port.close();
});

/** An answer whose pieces are made one at a time; after `count` of them it is complete, or fails. */
function piecemeal(
  count: number,
  ends: 'whole' | 'failed',
): { answer: Answer; made: () => number; ended: () => number } {
  let made = 0;
  let ended = 0;
  const more: More = {
    next: (taken, failed) => {
      setImmediate(() => {
        if (made < count) {
          made += 1;
          taken(Buffer.alloc(MIB, made));
        } else if (ends === 'whole') taken(null);
        else failed();
      });
    },
    end: () => {
      ended += 1;
    },
  };
  return {
    answer: { bytes: Buffer.from(OK.bytes), more, hint: null },
    made: () => made,
    ended: () => ended,
  };
}

test('an answer of pieces is made as the client takes it, and others follow it', async () => {
  const long = piecemeal(64, 'whole');
  const bench = await new Bench().listen({}, (request) =>
    request.kind === 'getDb' ? long.answer : okBytes(Buffer.from('next')),
  );
  const client = await bench.client();
  client.socket.pause();
  client.send(encodeRequest({ kind: 'getDb' }), get('a'));
  await until('the first pieces to be made', () => long.made() >= 4);
  let before = 0;
  await until('the making to pause', () => {
    const isStill = before === long.made();
    before = long.made();
    return isStill;
  });
  assert.ok(long.made() < 32, `${long.made()} were made that nobody took`);
  client.socket.resume();
  const all = await client.read(4 + 64 * MIB + 12);
  for (let n = 1; n <= 64; n += 1) assert.is(all[4 + n * MIB - 1], n);
  assert.equal(all.subarray(4 + 64 * MIB), echo('next'));
  assert.is(long.ended(), 1);
  client.socket.destroy();
  await bench.port.close();
});

test('behind an error that ends the connection no piece follows', async () => {
  const long = piecemeal(3, 'whole');
  const bench = await new Bench().listen();
  const client = await bench.client();
  client.send(get('a'), encodeRequest({ kind: 'getDb' }));
  await bench.whenBegun(2);
  bench.begun[1]?.respond(long.answer);
  const refusal = failure('NOT_MASTER', 'b');
  bench.begun[0]?.respond(refusal);
  assert.equal(await client.rest(), Buffer.from(refusal.bytes));
  await until('it to be let go', () => long.ended() === 1);
  await bench.port.close();
});

test('an answer of pieces ends where they cannot be made, and where the client goes', async () => {
  const broken = piecemeal(2, 'failed');
  const left = piecemeal(1000, 'whole');
  const bench = await new Bench().listen({}, ({ kind }) => (kind === 'getDb' ? broken.answer : left.answer));
  const first = await bench.client();
  first.send(encodeRequest({ kind: 'getDb' }));
  assert.is((await first.rest()).length, 4 + 2 * MIB);
  await until('the broken one to be let go', () => broken.ended() === 1);
  const second = await bench.client();
  second.send(get('a'));
  await second.read(MIB);
  second.socket.destroy();
  await until('the other one to be let go', () => left.ended() === 1);
  assert.ok(left.made() < 1000);
  await bench.port.close();
});

test.run();

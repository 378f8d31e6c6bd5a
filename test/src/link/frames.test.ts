import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { NurseryError } from '../../../src/base/errors.ts';
import { decodeHello, encodeHello } from '../../../src/link/dial.ts';
import {
  Assembly,
  CLOSE,
  decodeHinted,
  encodeHint,
  Gather,
  HEADER_BYTES,
  type Hello,
  MESSAGE_MAX,
  refusal,
  refusalError,
  TYPE,
} from '../../../src/link/frames.ts';
import { hello } from './pair.ts';

function part(type: number, id: number, total: number, piece: Uint8Array): Buffer {
  const header = Buffer.alloc(HEADER_BYTES);
  header[0] = type;
  header.writeUInt32LE(id, 1);
  header.writeUInt32LE(total, 5);
  return Buffer.concat([header, piece]);
}

test('a message is type, id, length and bytes', () => {
  const gather = new Gather();
  gather.put(TYPE.request, 0x01020304, Buffer.from('ab'), Buffer.from('c'));
  gather.put(TYPE.ping, 0, Buffer.alloc(0), null);
  assert.is(gather.take().toString('hex'), '020403020103000000616263' + '050000000000000000');
});

test('what was taken is never written again', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.uint8Array({ maxLength: 9000 }), fc.boolean())), (messages) => {
      const gather = new Gather();
      const pieces: Buffer[] = [];
      const copies: Buffer[] = [];
      const take = (): void => {
        const piece = gather.take();
        pieces.push(piece);
        copies.push(Buffer.from(piece));
      };
      for (const [body, flush] of messages) {
        if (!gather.fits(body.length)) take();
        gather.put(TYPE.post, 7, body, null);
        if (flush) take();
        if (flush) gather.rest();
      }
      take();
      assert.equal(Buffer.concat(pieces), Buffer.concat(copies));
      const sent = messages.reduce((sum, [body]) => sum + HEADER_BYTES + body.length, 0);
      assert.is(Buffer.concat(pieces).length, sent);
    }),
    { numRuns: 50 },
  );
});

test('parts add up to the message, one message after the other', () => {
  const assembly = new Assembly();
  for (const id of [1, 2]) {
    assert.is(assembly.add(part(TYPE.post, id, 5, Buffer.from('he'))), null);
    assert.is(assembly.add(part(TYPE.post, id, 5, Buffer.from('ll'))), null);
    assert.is(assembly.add(part(TYPE.post, id, 5, Buffer.from('o')))?.toString(), 'hello');
    assert.is(assembly.type, TYPE.post);
    assert.is(assembly.id, id);
  }
});

test('parts that do not belong together, or are too much, are refused', () => {
  const begun = (): Assembly => {
    const assembly = new Assembly();
    assembly.add(part(TYPE.post, 1, 5, Buffer.from('he')));
    return assembly;
  };
  const wrong = [
    () => begun().add(part(TYPE.post, 2, 5, Buffer.from('l'))),
    () => begun().add(part(TYPE.request, 1, 5, Buffer.from('l'))),
    () => begun().add(part(TYPE.post, 1, 6, Buffer.from('l'))),
    () => begun().add(part(TYPE.post, 1, 5, Buffer.from('long'))),
    () => begun().add(part(TYPE.post, 1, 5, Buffer.alloc(0))),
    () => begun().add(Buffer.from([1, 2])),
    () => new Assembly().add(part(TYPE.post, 1, MESSAGE_MAX + 1, Buffer.from('l'))),
  ];
  for (const add of wrong) {
    assert.throws(add, (error: unknown) => error instanceof NurseryError && error.code === 'MALFORMED');
  }
});

test('a hint goes before its reply', () => {
  const hint = { entry: { lo: 'a', hi: null, owner: 'b', epoch: 3 }, confirmed: true };
  const decoded = decodeHinted(Buffer.concat([encodeHint(hint), Buffer.from('reply')]));
  assert.equal(decoded.hint, hint);
  assert.is(decoded.bytes.toString(), 'reply');
});

test('a hello is read back, and nothing else is taken for one', () => {
  assert.equal(decodeHello(encodeHello(hello('c'))), hello('c'));
  const bytes = encodeHello(hello('c'));
  for (let end = 0; end < bytes.length; end += 1) assert.is(decodeHello(bytes.subarray(0, end)), null);
  assert.is(decodeHello(Buffer.concat([bytes, Buffer.from('x')])), null);
});

test('what versions 3 and 6 add to a hello is read back, and is missing in what it was not added to', () => {
  const word = fc.stringMatching(/^[0-9a-f]{1,32}$/);
  const memory = fc.record(
    { process: word, round: fc.nat(), proposer: fc.string({ unit: 'binary' }), slot: fc.nat() },
    { noNullPrototype: true },
  );
  const maybe = fc.record(
    { founding: word, keeper: word, memory, engine: word },
    { requiredKeys: [], noNullPrototype: true },
  );
  fc.assert(
    fc.property(fc.oneof(word, fc.constant('')), maybe, (incarnation, more) => {
      const whole: Hello = { ...hello('c'), incarnation, ...more };
      assert.equal(decodeHello(encodeHello(whole)), whole);
    }),
    { numRuns: 1000 },
  );
});

test('a hello that remembers nonsense is none', () => {
  const of = (rest: string): Hello | null => decodeHello(encodeHello({ ...hello('c'), incarnation: rest }));
  assert.equal(of('life founding keeper process 1 2 n.life')?.memory, {
    process: 'process',
    round: 1,
    slot: 2,
    proposer: 'n.life',
  });
  assert.is(of('life founding keeper process 1.5 2 n'), null);
  assert.is(of('life founding keeper process 1 x n'), null);
  assert.is(of('life founding keeper process 1 2 %E0%A4%A'), null);
});

test('two foundings of one cluster do not talk; one that names none talks to both', () => {
  const of = (founding: string): Hello => ({ ...hello('a'), founding });
  assert.is(refusal(of('1'), of('1')), null);
  assert.is(refusal(of('1'), hello('a')), null);
  assert.is(refusal(hello('a'), of('1')), null);
  const other = refusal(of('1'), of('2'));
  assert.is(other?.close, CLOSE.otherFounding);
  assert.is(other?.why, 'founding 2, here 1');
  assert.is(refusalError(CLOSE.otherFounding, other?.why ?? '').code, 'WRONG_CLUSTER');
  // The keeper to which somebody belongs parts nobody: whoever is bound to another one is told so.
  assert.is(refusal({ ...of('1'), keeper: 'k' }, { ...of('1'), keeper: 's' }), null);
});

test('protocol and cluster must fit; an empty cluster id fits any', () => {
  assert.is(refusal(hello('a'), hello('a')), null);
  assert.is(refusal(hello(''), hello('a')), null);
  assert.is(refusal(hello('a'), hello('')), null);
  const cluster = refusal(hello('a'), hello('b'));
  assert.is(refusalError(cluster?.close ?? 0, cluster?.why ?? '').code, 'WRONG_CLUSTER');
  const protocol = refusal(hello('a'), { ...hello('a'), protocol: 99 });
  assert.is(refusalError(protocol?.close ?? 0, protocol?.why ?? '').code, 'NOT_SUPPORTED');
});

test.run();

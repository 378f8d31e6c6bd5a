import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type ErrorCode, NurseryError, RETURN_CODES, TRAITS } from '../../../../src/base/errors.ts';
import * as replies from '../../../../src/protocol/arakoon/replies.ts';
import { scanReply } from '../../../../src/protocol/arakoon/reply-shapes.ts';
import { REQUEST_CODES, type Request } from '../../../../src/protocol/arakoon/requests.ts';
import type { Field } from '../../../../src/protocol/arakoon/statistics.ts';
import { bytesOf, keyOf, optionalBytes, type ResponseVector, VECTORS } from './vectors.ts';

/** Python's decoder: ours, and where the vector has a result, our reply with it. */
type Decoder = {
  readonly request: Request['kind'];
  readonly decode: (reply: Uint8Array) => unknown;
  readonly result: (json: unknown) => unknown;
  readonly encode: ((result: never) => replies.Answer) | null;
};

const DECODERS: { readonly [decoder: string]: Decoder } = {
  decodeVoidResult: {
    request: 'set',
    decode: (reply) => replies.decodeVoid(reply) ?? null,
    result: (json) => json,
    encode: () => replies.OK,
  },
  decodeBoolResult: {
    request: 'exists',
    decode: replies.decodeBool,
    result: (json) => json,
    encode: replies.okBool,
  },
  decodeStringResult: {
    request: 'get',
    decode: replies.decodeBytes,
    result: bytesOf,
    encode: replies.okBytes,
  },
  decodeStringOptionResult: {
    request: 'testAndSet',
    decode: replies.decodeOptionalBytes,
    result: optionalBytes,
    encode: replies.okOptionalBytes,
  },
  decodeIntResult: {
    request: 'deletePrefix',
    decode: replies.decodeInt,
    result: Number,
    encode: replies.okInt,
  },
  decodeInt64Result: {
    request: 'getKeyCount',
    decode: replies.decodeInt64,
    result: Number,
    encode: replies.okInt64,
  },
  decodeStringListResult: {
    request: 'range',
    decode: replies.decodeKeys,
    result: (json) => (json as unknown[]).map(keyOf),
    encode: replies.okKeys,
  },
  decodeStringPairListResult: {
    request: 'rangeEntries',
    decode: replies.decodeEntries,
    result: (json) => (json as [unknown, unknown][]).map(([key, value]) => [keyOf(key), bytesOf(value)]),
    encode: replies.okEntries,
  },
  decodeStringOptionArrayResult: {
    request: 'multiGetOption',
    decode: replies.decodeMultiGetOptions,
    result: (json) => (json as unknown[]).map(optionalBytes),
    encode: replies.okMultiGetOptions,
  },
  decodeVersionResult: {
    request: 'version',
    decode: replies.decodeVersion,
    result: (json) => {
      const [major, minor, patch, text] = json as unknown[];
      const numbers = { major: Number(major), minor: Number(minor), patch: Number(patch) };
      return { ...numbers, text: bytesOf(text).toString('utf8') };
    },
    encode: replies.okVersion,
  },
  decodeGetTxidResult: {
    request: 'getTxid',
    decode: replies.decodeTxid,
    result: (json) => ({ kind: 'atLeast', slot: Number((json as { i: string }).i) }),
    encode: ({ slot }: { slot: number }) => replies.okTxid(slot),
  },
  decodeStatistics: {
    request: 'statistics',
    decode: (reply) => plainFields(replies.decodeStatistics(reply)),
    result: (json) => json,
    encode: null,
  },
  decodeNurseryCfgResult: {
    request: 'getNurseryConfig',
    decode: replies.decodeNurseryConfig,
    result: nurseryOf,
    encode: ({ parts, clusters }: ReturnType<typeof replies.decodeNurseryConfig>) =>
      replies.okNurseryConfig(parts, clusters),
  },
};

/** Where we knowingly read what Python's client does not, or otherwise than it. Servers send none of these. */
const DIFFERENT: { readonly [name: string]: string } = {
  'txid/00': 'a consistent stamp; Python stumbles over a name of its own',
  'txid/01': 'no guarantees, as everywhere else; Python takes it for consistent',
  'bool/02': 'we never make it',
  'string_array/3': 'no reply of ours is a list of strings in wire order',
};

test('return code, message and master of a reply are read wherever it begins, and never beyond its end', () => {
  const refusal = Buffer.from(replies.failure('NOT_MASTER', 'node_ü').bytes);
  assert.is(replies.returnCodeOf(refusal), 0x04);
  assert.is(replies.returnCodeOf(Buffer.concat([Buffer.alloc(3, 0xff), refusal]), 3), 0x04);
  assert.is(replies.returnCodeOf(Buffer.from([0xff, 0xff, 0xff, 0xff])), 0xffff_ffff);
  assert.is(replies.messageOf(refusal).toString('latin1'), 'node_ü');
  const named = replies.failure('NOT_MASTER', 'noeud_\u20ac').bytes;
  assert.is(replies.masterIn(named), 'noeud_\u20ac');
  for (let length = 0; length < named.length; length += 1) {
    const cut = named.subarray(0, length);
    assert.is(replies.masterIn(cut), null);
    if (length < 4) assert.is(failureIn(() => replies.returnCodeOf(cut)).code, 'MALFORMED');
    else assert.is(failureIn(() => replies.messageOf(cut)).code, 'MALFORMED');
  }
});

test('Arakoon vectors: each reply is read or refused as its client does, and made to the same bytes', () => {
  assert.is(VECTORS.responses.length, 60);
  for (const vector of VECTORS.responses) {
    if (vector.name === 'string_array/3') continue;
    const { decode, result, encode } = decoderOf(vector);
    const reply = Buffer.from(vector.response_hex, 'hex');
    if (vector.exception !== undefined && DIFFERENT[vector.name] === undefined) {
      assert.throws(() => decode(reply), isFailure, vector.name);
    } else if (vector.name.startsWith('txid/0')) {
      assert.ok(['consistent', 'noGuarantees'].includes((decode(reply) as { kind: string }).kind));
    } else {
      const wanted = result(vector.result);
      assert.equal(decode(reply), wanted, vector.name);
      if (encode === null || vector.name === 'bool/02') continue;
      assert.equal(Buffer.from(encode(wanted as never).bytes), reply, vector.name);
    }
  }
});

test('Arakoon vectors: each whole reply is told from what follows it, and never before it is whole', () => {
  let scanned = 0;
  for (const vector of VECTORS.responses) {
    if (vector.name.startsWith('truncated') || vector.name === 'error/01_without_message') continue;
    if (vector.name === 'string_array/3') continue;
    const reply = Buffer.from(vector.response_hex, 'hex');
    const code = REQUEST_CODES[decoderOf(vector).request];
    const buffer = Buffer.concat([Buffer.alloc(3), reply, Buffer.alloc(9, 0xee)]);
    assert.equal(scanReply(code, buffer, 3, buffer.length), { kind: 'complete', end: 3 + reply.length });
    for (let length = 0; length < Math.min(reply.length, 300); length += 1) {
      const partial = scanReply(code, buffer, 3, 3 + length);
      if (partial.kind !== 'need') return assert.unreachable(`${vector.name} is complete at ${length}`);
      assert.ok(partial.bytes > length && partial.bytes <= reply.length, vector.name);
    }
    scanned += 1;
  }
  assert.is(scanned, 56);
});

test('errors have the code that the wire says, and its message', () => {
  for (const vector of VECTORS.responses) {
    if (!/^error\/[0-9a-f]{2}$/.test(vector.name)) continue;
    const reply = Buffer.from(vector.response_hex, 'hex');
    const returnCode = Number.parseInt(vector.name.slice('error/'.length), 16);
    const [code] = Object.entries(RETURN_CODES).find(([, value]) => value === returnCode) ?? [];
    const error = failureIn(() => replies.decodeVoid(reply));
    assert.is(error.code, code, vector.name);
    assert.is(error.message, 'the message');
    const made = replies.failure(error.code as keyof typeof RETURN_CODES, 'the message');
    assert.equal(Buffer.from(made.bytes), reply, vector.name);
    assert.is(replies.returnCodeOf(reply), returnCode);
  }
  const unknown = VECTORS.responses.find((vector) => vector.name === 'error/7777') as ResponseVector;
  const error = failureIn(() => replies.decodeVoid(Buffer.from(unknown.response_hex, 'hex')));
  assert.is(error.code, 'UNKNOWN_FAILURE');
  assert.match(error.message, '30583');
});

test('a request without the magic is answered with the code alone', () => {
  const error = failureIn(() => replies.decodeVoid(replies.NO_MAGIC_REPLY));
  assert.is(error.code, 'NO_MAGIC');
  assert.is(replies.NO_MAGIC_REPLY.length, 4);
});

test('every failure of our own reaches a client as a code that promises no more than it does', () => {
  for (const code of Object.keys(TRAITS) as ErrorCode[]) {
    const seen = failureIn(() => replies.decodeVoid(replies.failureOf(new NurseryError(code, 'why')).bytes));
    assert.ok(seen.code in RETURN_CODES, code);
    if (TRAITS[code].applied === 'maybe') assert.is(seen.traits.applied, 'maybe', code);
    if (code in RETURN_CODES) assert.is(seen.code, code);
    assert.is(seen.message, code === 'UNREACHABLE' ? 'None' : 'why');
  }
});

test('a failure carries its hint, and a key in its message keeps its bytes', () => {
  const hint = { entry: { lo: 'a', hi: null, owner: 'c1', epoch: 3 }, confirmed: true };
  const answer = replies.failure('OUT_OF_RANGE', 'k\x00\xff', hint);
  assert.is(answer.hint, hint);
  assert.equal(Buffer.from(answer.bytes), Buffer.from('0900000003000000' + '6b00ff', 'hex'));
  const text = replies.failure('UNKNOWN_FAILURE', 'größer als 1 €');
  assert.is(failureIn(() => replies.decodeVoid(text.bytes)).message, 'größer als 1 €');
});

test('range and prefix replies stand in descending order on the wire, multi_get with the last first', () => {
  const wire = (answer: replies.Answer): string => Buffer.from(answer.bytes.subarray(8)).toString('hex');
  const [a, b] = ['0100000061', '0100000062'];
  assert.is(wire(replies.okKeys(['a', 'b'])), b + a);
  assert.is(
    wire(
      replies.okEntries([
        ['a', Buffer.from('a')],
        ['b', Buffer.from('b')],
      ]),
    ),
    b + b + a + a,
  );
  assert.is(
    wire(
      replies.okRevEntries([
        ['b', Buffer.from('b')],
        ['a', Buffer.from('a')],
      ]),
    ),
    a + a + b + b,
  );
  assert.is(wire(replies.okMultiGet([Buffer.from('a'), Buffer.from('b')])), b + a);
  assert.is(wire(replies.okMultiGetOptions([Buffer.from('a'), null])), `01${a}00`);
});

test('what is encoded is decoded', () => {
  const bytes = fc.uint8Array({ maxLength: 30 }).map((value) => Buffer.from(value));
  const key = bytes.map((value) => value.toString('latin1'));
  const same = <T>(
    any: fc.Arbitrary<T>,
    encode: (value: T) => replies.Answer,
    decode: (reply: Uint8Array) => unknown,
  ): void => {
    fc.assert(fc.property(any, (value) => assert.equal(decode(encode(value).bytes), value)));
  };
  same(bytes, replies.okBytes, replies.decodeBytes);
  same(fc.option(bytes), replies.okOptionalBytes, replies.decodeOptionalBytes);
  same(fc.string({ unit: 'grapheme' }), replies.okText, replies.decodeText);
  same(fc.option(fc.string()), replies.okOptionalText, replies.decodeOptionalText);
  same(fc.maxSafeInteger(), replies.okInt64, replies.decodeInt64);
  same(fc.array(key), replies.okKeys, replies.decodeKeys);
  same(fc.array(fc.tuple(key, bytes)), replies.okEntries, replies.decodeEntries);
  same(fc.array(fc.tuple(key, bytes)), replies.okRevEntries, replies.decodeRevEntries);
  same(fc.array(bytes), replies.okMultiGet, replies.decodeMultiGet);
  same(fc.array(fc.option(bytes)), replies.okMultiGetOptions, replies.decodeMultiGetOptions);
  same(fc.array(fc.nat()), replies.okCollapse, replies.decodeCollapse);
});

test('intervals, routings and statistics survive encoding and decoding', () => {
  const interval = { publicBegin: null, publicEnd: 'm\xff', privateBegin: '', privateEnd: null };
  assert.equal(replies.decodeInterval(replies.okInterval(interval).bytes), interval);
  for (const size of [1, 2, 3, 4, 7, 100]) {
    const parts = Array.from({ length: size }, (_, index) => ({
      lo: index === 0 ? '' : String.fromCharCode(index),
      owner: `c${index % 3}`,
    }));
    assert.equal(replies.decodeRouting(replies.okRouting(parts).bytes), parts);
  }
  const fields: Field[] = [
    { kind: 'int', name: 'n', value: -3 },
    { kind: 'int64', name: 'i', value: 2 ** 40 },
    { kind: 'float', name: 'f', value: 0.25 },
    { kind: 'text', name: 't', value: 'grün' },
    { kind: 'list', name: 'l', value: [{ kind: 'list', name: 'empty', value: [] }] },
  ];
  assert.equal(replies.decodeStatistics(replies.okStatistics(fields).bytes), fields);
});

test('a reply that is cut or too long is malformed, whatever it is', () => {
  const whole: [Uint8Array, (reply: Uint8Array) => unknown][] = [
    [replies.okBytes(Buffer.from('v')).bytes, replies.decodeBytes],
    [replies.okEntries([['k', Buffer.from('v')]]).bytes, replies.decodeEntries],
    [replies.okVersion({ major: 1, minor: 2, patch: 3, text: 't' }).bytes, replies.decodeVersion],
    [
      replies.okNurseryConfig([{ lo: '', owner: 'c' }], [{ cluster: 'c', nodes: [] }]).bytes,
      replies.decodeNurseryConfig,
    ],
    [replies.okStatistics([{ kind: 'int', name: 'n', value: 1 }]).bytes, replies.decodeStatistics],
  ];
  for (const [reply, decode] of whole) {
    for (let length = 0; length < reply.length; length += 1) {
      assert.is(failureIn(() => decode(reply.subarray(0, length))).code, 'MALFORMED');
    }
    assert.is(failureIn(() => decode(Buffer.concat([reply, Buffer.alloc(1)]))).code, 'MALFORMED');
  }
  const huge = Buffer.from(replies.okKeys([]).bytes);
  huge.writeUInt32LE(0xffff_ffff, 4);
  assert.is(failureIn(() => replies.decodeKeys(huge)).code, 'MALFORMED');
  assert.is(failureIn(() => scanReply(REQUEST_CODES.range, huge, 0, 8)).code, 'MALFORMED');
});

function decoderOf(vector: ResponseVector): Decoder {
  const decoder = DECODERS[vector.decoder];
  if (decoder === undefined) throw new Error(`no decoder for ${vector.decoder}`);
  return decoder;
}

function isFailure(error: unknown): boolean {
  return error instanceof NurseryError;
}

function failureIn(body: () => unknown): NurseryError {
  try {
    body();
  } catch (error) {
    if (error instanceof NurseryError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

/** Fields as the vectors show them. */
function plainFields(fields: readonly Field[]): Record<string, unknown> {
  const plain: Record<string, unknown> = {};
  for (const field of fields) {
    if (field.kind === 'list') plain[field.name] = plainFields(field.value);
    else if (field.kind === 'text') plain[field.name] = { hex: Buffer.from(field.value).toString('hex') };
    else if (field.kind === 'float') plain[field.name] = { float: String(field.value) };
    else plain[field.name] = String(field.value);
  }
  return plain;
}

/** The vectors name owners of sample keys only; the parts between follow from the serialized routing. */
function nurseryOf(json: unknown): unknown {
  const { clusters, routing_serialized_hex: routing } = json as {
    clusters: Record<string, Record<string, [string[], number]>>;
    routing_serialized_hex: string;
  };
  return {
    parts: replies.decodeRouting(replies.okBytes(Buffer.from(routing, 'hex')).bytes),
    clusters: Object.entries(clusters).map(([cluster, nodes]) => ({
      cluster,
      nodes: Object.entries(nodes).map(([name, [ips, port]]) => ({ name, ips, port })),
    })),
  };
}

test('Arakoon vectors: the routing gives each key the owner that its client gives it', () => {
  for (const vector of VECTORS.responses.filter(({ decoder }) => decoder === 'decodeNurseryCfgResult')) {
    const { parts } = replies.decodeNurseryConfig(Buffer.from(vector.response_hex, 'hex'));
    const owners = (vector.result as { owner_of: Record<string, string> }).owner_of;
    assert.ok(Object.keys(owners).length > 0);
    for (const [hex, owner] of Object.entries(owners)) {
      const key = Buffer.from(hex, 'hex').toString('latin1');
      assert.is(parts.filter((part) => part.lo <= key).at(-1)?.owner, owner, `${vector.name} ${hex}`);
    }
  }
});

test.run();

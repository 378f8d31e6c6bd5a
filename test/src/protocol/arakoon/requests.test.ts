import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { NurseryError } from '../../../../src/base/errors.ts';
import { FRAME_MAX, UPDATE_MAX, USER_KEY_MAX, VALUE_MAX } from '../../../../src/base/limits.ts';
import { encodeCommand, encodeQuery } from '../../../../src/protocol/admin/admin.ts';
import {
  decodeRequest,
  encodePrologue,
  encodeRequest,
  isUpdate,
  REQUEST_CODES,
  type Request,
  requestName,
  scanRequest,
  updateOf,
} from '../../../../src/protocol/arakoon/requests.ts';
import { decodeUpdate, encodeUpdate } from '../../../../src/protocol/arakoon/updates.ts';
import { OversizedError } from '../../../../src/wire/shape.ts';
import {
  bytesOf,
  consistencyOf,
  keyOf,
  optionalBytes,
  optionalKey,
  type RequestVector,
  updateOfVector,
  VECTORS,
} from './vectors.ts';

const CONSISTENT = { kind: 'consistent' } as const;

test('Arakoon vectors: each request is accepted, understood, and encoded to the same bytes', () => {
  assert.is(VECTORS.requests.length, 260);
  for (const vector of VECTORS.requests) {
    const frame = Buffer.from(vector.request_hex, 'hex');
    if (vector.call === 'sendPrologue') {
      const cluster = bytesOf(vector.args[0]);
      // A cluster id is text; the client does not check it.
      if (cluster.equals(Buffer.from(cluster.toString('utf8'), 'utf8'))) {
        assert.equal(encodePrologue(cluster.toString('utf8')), frame, vector.name);
      }
      continue;
    }
    assert.equal(scanRequest(frame, 0, frame.length), complete(frame), vector.name);
    const request = decodeRequest(frame);
    assert.equal(request, requestOf(vector), vector.name);
    assert.equal(encodeRequest(request), frame, vector.name);
    if (request.kind === 'sequence' || request.kind === 'syncedSequence') {
      const update = updateOfVector({ kind: 'Sequence', ...(vector.args[0] as object) });
      assert.equal(decodeUpdate(request.update), update, vector.name);
      assert.equal(encodeUpdate(update), request.update, vector.name);
    }
  }
});

test('scanRequest: no prefix of a request is complete, and what is needed grows and is never too much', () => {
  const frames: Buffer[] = VECTORS.requests
    .filter((vector) => vector.call !== 'sendPrologue')
    .map((vector): Buffer => Buffer.from(vector.request_hex, 'hex'))
    .filter((frame) => frame.length <= 600)
    .concat(Object.values(everyKind()).map((request) => encodeRequest(request)));
  for (const frame of frames) {
    if (isAdmin(frame)) continue;
    for (const offset of [0, 5]) {
      const buffer = Buffer.concat([Buffer.alloc(offset, 0xee), frame, Buffer.alloc(4, 0xee)]);
      let before = 0;
      for (let length = 0; length < frame.length; length += 1) {
        const scanned = scanRequest(buffer, offset, offset + length);
        if (scanned.kind !== 'need') return assert.unreachable(`complete at ${length} of ${frame.length}`);
        assert.ok(scanned.bytes > length && scanned.bytes <= frame.length, `${scanned.bytes} at ${length}`);
        assert.ok(scanned.bytes >= before);
        before = scanned.bytes;
      }
      const { end, code } = scanRequest(buffer, offset, buffer.length) as { end: number; code: number };
      assert.equal([end, code], [offset + frame.length, frame.readUInt16LE(0)]);
    }
  }
});

test('scanRequest: a big value is asked for at once', () => {
  const frame = encodeRequest({ kind: 'set', key: 'k', value: Buffer.alloc(1_000_000) });
  assert.equal(scanRequest(frame, 0, 13), { kind: 'need', bytes: frame.length });
});

test('scanRequest: announced lengths above the limit are refused at once, with limit and size', () => {
  const announce = (frame: Buffer, at: number, length: number): Buffer => {
    frame.writeUInt32LE(length, at);
    return frame;
  };
  const set = encodeRequest({ kind: 'set', key: 'k', value: Buffer.alloc(0) });
  const cases: [Buffer, number | null][] = [
    [announce(Buffer.from(set), 4, 0xffff_ffff), null],
    [announce(Buffer.from(set), 9, 0xffff_ffff), 13 + 0xffff_ffff],
    [announce(encodeRequest({ kind: 'sequence', update: Buffer.alloc(0) }), 4, 0xffff_ffff), 8 + 0xffff_ffff],
    [announce(encodeRequest({ kind: 'multiGet', consistency: CONSISTENT, keys: [] }), 5, 0xffff_ffff), null],
  ];
  for (const [frame, messageBytes] of cases) {
    const error = errorOf(() => scanRequest(frame, 0, frame.length));
    assert.instance(error, OversizedError);
    assert.is(error.code, 'BAD_INPUT');
    assert.match(error.message, new RegExp(`limit is ${FRAME_MAX} bytes`));
    assert.match(error.message, /429496\d{4}|1717986\d{4}/);
    assert.is((error as OversizedError).messageBytes, messageBytes);
  }
  const long = Buffer.from(set);
  long.writeUInt32LE(FRAME_MAX - 13, 9);
  assert.equal(scanRequest(long, 0, 13), { kind: 'need', bytes: FRAME_MAX });
  long.writeUInt32LE(FRAME_MAX - 12, 9);
  assert.throws(() => scanRequest(long, 0, 13), code('BAD_INPUT'));
});

test('keys and values above their limits are read completely, then refused with limit and size', () => {
  const longKey = 'k'.repeat(USER_KEY_MAX + 1);
  const long = Buffer.alloc(VALUE_MAX + 1);
  const keyed: Request[] = [
    { kind: 'get', consistency: CONSISTENT, key: longKey },
    { kind: 'exists', consistency: CONSISTENT, key: longKey },
    { kind: 'set', key: longKey, value: Buffer.alloc(0) },
    { kind: 'delete', key: longKey },
    { kind: 'confirm', key: longKey, value: Buffer.alloc(0) },
    { kind: 'testAndSet', key: longKey, expected: null, wanted: null },
    { kind: 'replace', key: longKey, wanted: null },
    { kind: 'deletePrefix', prefix: longKey },
    { kind: 'prefixKeys', consistency: CONSISTENT, prefix: longKey, max: -1 },
    { kind: 'assert', consistency: CONSISTENT, key: longKey, expected: null },
    { kind: 'assertExists', consistency: CONSISTENT, key: longKey },
    { kind: 'multiGet', consistency: CONSISTENT, keys: ['a', longKey] },
    { kind: 'multiGetOption', consistency: CONSISTENT, keys: ['a', longKey] },
  ];
  const valued: Request[] = [
    { kind: 'set', key: 'k', value: long },
    { kind: 'confirm', key: 'k', value: long },
    { kind: 'testAndSet', key: 'k', expected: null, wanted: long },
    { kind: 'replace', key: 'k', wanted: long },
  ];
  const check = (request: Request, limit: number): void => {
    const frame = encodeRequest(request);
    assert.equal(scanRequest(frame, 0, frame.length), complete(frame), request.kind);
    const error = errorOf(() => decodeRequest(frame));
    assert.is(error.code, 'BAD_INPUT', request.kind);
    assert.match(error.message, `of ${limit + 1} bytes`, request.kind);
    assert.match(error.message, `limit is ${limit} bytes`, request.kind);
  };
  for (const request of keyed) check(request, USER_KEY_MAX);
  for (const request of valued) check(request, VALUE_MAX);
  const fits: Request = { kind: 'set', key: 'k'.repeat(USER_KEY_MAX), value: long.subarray(1) };
  assert.is(decodeRequest(encodeRequest(fits)).kind, 'set');
});

test('an update above its limit is read completely, then refused with limit and size', () => {
  const frame = encodeRequest({ kind: 'sequence', update: Buffer.alloc(UPDATE_MAX + 1) });
  assert.equal(scanRequest(frame, 0, frame.length), complete(frame));
  const error = errorOf(() => decodeRequest(frame));
  assert.is(error.code, 'BAD_INPUT');
  assert.match(error.message, `${frame.length} bytes: the limit is ${UPDATE_MAX} bytes`);
});

test('long bounds of ranges are replaced by bounds that part the keys in the same way', () => {
  const longest = 'k'.repeat(USER_KEY_MAX);
  const query = { consistency: CONSISTENT, firstIncluded: true, lastIncluded: false, max: -1 };
  const next = { ...query, first: `${longest}\0`, last: `${longest}\0` };
  const up = decodeRequest(encodeRequest({ kind: 'range', ...next }));
  assert.equal(up, {
    ...next,
    kind: 'range',
    first: longest,
    firstIncluded: false,
    last: longest,
    lastIncluded: true,
  });
  const down = decodeRequest(encodeRequest({ kind: 'revRangeEntries', ...next }));
  assert.equal(down, {
    ...next,
    kind: 'revRangeEntries',
    first: longest,
    firstIncluded: true,
    last: longest,
    lastIncluded: false,
  });
});

test('what does not begin with the magic is refused as soon as it can be told', () => {
  for (const head of [0, 0xb1fe0008, 0x4effffff, 0xb0ff0008, 0xfffe0008]) {
    const frame = Buffer.alloc(4);
    frame.writeUInt32LE(head, 0);
    assert.throws(() => scanRequest(frame, 0, 4), code('NO_MAGIC'));
    assert.throws(() => decodeRequest(frame), code('NO_MAGIC'));
  }
  assert.equal(scanRequest(Buffer.from('GET'), 0, 3), { kind: 'need', bytes: 4 });
});

test('further bits beside the magic are masked, as Arakoon masks them', () => {
  for (const kind of ['whoMaster', 'set'] as const) {
    const plain = encodeRequest(kind === 'set' ? { kind, key: 'k', value: Buffer.from('v') } : { kind });
    const masked = Buffer.from(plain);
    masked.writeUInt32LE((masked.readUInt32LE() | 0x4e000000) >>> 0);
    assert.equal(scanRequest(masked, 0, masked.length), scanRequest(plain, 0, plain.length));
    const request = decodeRequest(masked);
    assert.equal(request, decodeRequest(plain));
    assert.equal(updateOf(request, masked), updateOf(request, plain), 'nothing of it enters the log');
  }
});

test('unknown codes are not supported, and named', () => {
  const known = new Set<number>(Object.values(REQUEST_CODES));
  for (const unknown of [0x00, 0x0e, 0x40, 0x46, 0xff, 0xffff]) {
    assert.not.ok(known.has(unknown));
    const frame = Buffer.alloc(4);
    frame.writeUInt32LE((0xb1ff0000 | unknown) >>> 0, 0);
    const error = errorOf(() => scanRequest(frame, 0, 4));
    assert.is(error.code, 'NOT_SUPPORTED');
    assert.match(error.message, `0x${unknown.toString(16).padStart(2, '0')}`);
    assert.throws(() => decodeRequest(frame), code('NOT_SUPPORTED'));
  }
});

test('admin requests are decoded from links, and not offered on a byte stream', () => {
  const command = encodeCommand({ kind: 'initMap', cluster: 'a' });
  assert.equal(decodeRequest(command), {
    kind: 'adminCommand',
    command: { kind: 'initMap', cluster: 'a' },
  });
  const query = encodeQuery({ kind: 'getMap' });
  assert.equal(decodeRequest(query), { kind: 'adminQuery', query: { kind: 'getMap' } });
  for (const frame of [command, query]) {
    assert.throws(() => scanRequest(frame, 0, frame.length), code('NOT_SUPPORTED'));
    assert.equal(encodeRequest(decodeRequest(frame)), frame);
  }
});

test('a request that is cut, too long, or holds what it cannot is a bad input', () => {
  for (const request of Object.values(everyKind())) {
    const frame = encodeRequest(request);
    const longer = Buffer.concat([frame, Buffer.alloc(1)]);
    assert.throws(() => decodeRequest(longer), code('BAD_INPUT'), request.kind);
    for (let length = 0; length < frame.length; length += 1) {
      assert.throws(() => decodeRequest(frame.subarray(0, length)), code('BAD_INPUT'), request.kind);
    }
  }
  const consistency = encodeRequest({ kind: 'get', consistency: CONSISTENT, key: 'k' });
  consistency[4] = 3;
  assert.throws(() => decodeRequest(consistency), code('BAD_INPUT'));
  const option = encodeRequest({ kind: 'replace', key: 'k', wanted: Buffer.from('v') });
  option[9] = 2;
  assert.throws(() => decodeRequest(option), code('BAD_INPUT'));
});

test('every kind of request survives encoding and decoding', () => {
  for (const [kind, request] of Object.entries(everyKind())) {
    assert.is(request.kind, kind);
    assert.equal(decodeRequest(encodeRequest(request)), request, kind);
    assert.is(requestName(REQUEST_CODES[request.kind]).replaceAll('_', ''), kind.toLowerCase());
  }
  assert.equal(Object.keys(everyKind()).sort(), Object.keys(REQUEST_CODES).sort());
});

test('any get, set, range and multiGet survives encoding and decoding', () => {
  const key = fc.uint8Array({ maxLength: 20 }).map((bytes) => Buffer.from(bytes).toString('latin1'));
  const value = fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes));
  const plain = { noNullPrototype: true };
  const consistency = fc.oneof(
    fc.constant({ kind: 'consistent' } as const),
    fc.constant({ kind: 'noGuarantees' } as const),
    fc.maxSafeInteger().map((slot) => ({ kind: 'atLeast', slot }) as const),
  );
  const range = fc.record(
    {
      kind: fc.constantFrom('range', 'rangeEntries', 'revRangeEntries'),
      consistency,
      first: fc.option(key),
      firstIncluded: fc.boolean(),
      last: fc.option(key),
      lastIncluded: fc.boolean(),
      max: fc.integer(),
    },
    plain,
  );
  const request: fc.Arbitrary<Request> = fc.oneof(
    fc.record({ kind: fc.constant('get' as const), consistency, key }, plain),
    fc.record({ kind: fc.constant('set' as const), key, value }, plain),
    fc.record({ kind: fc.constant('multiGet' as const), consistency, keys: fc.array(key) }, plain),
    range as fc.Arbitrary<Request>,
  );
  fc.assert(fc.property(request, (any) => assert.equal(decodeRequest(encodeRequest(any)), any)));
});

test('what goes through the log is logged as the same update, copied', () => {
  const value = Buffer.from('value');
  const cases: [Request, object][] = [
    [
      { kind: 'set', key: 'k', value },
      { kind: 'set', key: 'k', value },
    ],
    [
      { kind: 'delete', key: 'k' },
      { kind: 'delete', key: 'k' },
    ],
    [
      { kind: 'testAndSet', key: 'k', expected: null, wanted: value },
      { kind: 'testAndSet', key: 'k', expected: null, wanted: value },
    ],
    [
      { kind: 'userFunctionNear', key: 'k', name: 'f', argument: value },
      { kind: 'userFunctionNear', key: 'k', name: 'f', argument: value },
    ],
    [
      { kind: 'userFunction', name: 'f', argument: value },
      { kind: 'userFunction', name: 'f', argument: value },
    ],
    [
      { kind: 'confirm', key: 'k', value },
      { kind: 'confirm', key: 'k', value },
    ],
    [
      { kind: 'deletePrefix', prefix: 'p' },
      { kind: 'deletePrefix', prefix: 'p' },
    ],
    [
      { kind: 'replace', key: 'k', wanted: null },
      { kind: 'replace', key: 'k', wanted: null },
    ],
    [{ kind: 'nop' }, { kind: 'nop' }],
    [
      { kind: 'adminCommand', command: { kind: 'forget', mid: 7 } },
      { kind: 'admin', command: { kind: 'forget', mid: 7 } },
    ],
    [
      { kind: 'setNurseryConfig', cluster: 'c', nodes: [{ name: 'n', ips: ['::1'], port: 9 }] },
      {
        kind: 'admin',
        command: { kind: 'setClusterConfig', cluster: 'c', nodes: [{ name: 'n', ips: ['::1'], port: 9 }] },
      },
    ],
  ];
  for (const [request, update] of cases) {
    const frame = encodeRequest(request);
    const logged = updateOf(decodeRequest(frame), frame);
    assert.ok(logged !== null && isUpdate(request), request.kind);
    frame.fill(0xee);
    assert.equal(decodeUpdate(logged), update, request.kind);
  }
});

test('a sequence is logged with the kind that its request says', () => {
  const update = encodeUpdate({ kind: 'sequence', updates: [{ kind: 'delete', key: 'k' }] });
  for (const kind of ['sequence', 'syncedSequence'] as const) {
    const frame = encodeRequest({ kind, update });
    const logged = updateOf(decodeRequest(frame), frame) as Uint8Array;
    frame.fill(0xee);
    assert.equal(decodeUpdate(logged), { kind, updates: [{ kind: 'delete', key: 'k' }] });
  }
});

test('bytes that are no sequence never reach the log', () => {
  const admin = encodeUpdate({ kind: 'admin', command: { kind: 'assume', epoch: 1 } });
  const smuggled = Buffer.concat([Buffer.from([5, 0, 0, 0, 1, 0, 0, 0]), admin]);
  for (const update of [
    Buffer.alloc(0),
    Buffer.from('nonsense'),
    admin,
    smuggled,
    encodeUpdate({ kind: 'nop' }),
  ]) {
    const frame = encodeRequest({ kind: 'sequence', update });
    assert.throws(() => updateOf(decodeRequest(frame), frame), code('BAD_INPUT'));
  }
});

test('reads and what is not of the state do not go through the log', () => {
  let reads = 0;
  for (const request of Object.values(everyKind())) {
    if (isUpdate(request)) continue;
    assert.is(updateOf(request, encodeRequest(request)), null, request.kind);
    reads += 1;
  }
  assert.is(reads, Object.keys(REQUEST_CODES).length - 13);
});

function complete(frame: Buffer) {
  return { kind: 'complete', end: frame.length, code: frame.readUInt16LE(0) };
}

function isAdmin(frame: Buffer): boolean {
  const { adminCommand, adminQuery, run } = REQUEST_CODES;
  return frame[0] === adminCommand || frame[0] === adminQuery || frame[0] === run;
}

function errorOf(body: () => unknown): NurseryError {
  try {
    body();
  } catch (error) {
    if (error instanceof NurseryError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

function code(wanted: string) {
  return (error: unknown): boolean => error instanceof NurseryError && error.code === wanted;
}

/** What the client was told to ask. */
function requestOf({ call, args, name }: RequestVector): Request {
  const [a, b, c] = args;
  const last = args.at(-1);
  switch (call) {
    case 'encodePing':
      return {
        kind: 'ping',
        client: bytesOf(a).toString('utf8'),
        cluster: bytesOf(b).toString('utf8'),
      };
    case 'encodeGet':
      return { kind: 'get', consistency: consistencyOf(last), key: keyOf(a) };
    case 'encodeExists':
      return { kind: 'exists', consistency: consistencyOf(last), key: keyOf(a) };
    case 'encodeAssertExists':
      return { kind: 'assertExists', consistency: consistencyOf(last), key: keyOf(a) };
    case 'encodeAssert':
      return {
        kind: 'assert',
        consistency: consistencyOf(last),
        key: keyOf(a),
        expected: optionalBytes(b),
      };
    case 'encodeDelete':
      return { kind: 'delete', key: keyOf(a) };
    case 'encodeSet':
      return { kind: 'set', key: keyOf(a), value: bytesOf(b) };
    case 'encodeConfirm':
      return { kind: 'confirm', key: keyOf(a), value: bytesOf(b) };
    case 'encodeDeletePrefix':
      return { kind: 'deletePrefix', prefix: keyOf(a) };
    case 'encodeReplace':
      return { kind: 'replace', key: keyOf(a), wanted: optionalBytes(b) };
    case 'encodeTestAndSet':
      return { kind: 'testAndSet', key: keyOf(a), expected: optionalBytes(b), wanted: optionalBytes(c) };
    case 'encodePrefixKeys':
      return { kind: 'prefixKeys', consistency: consistencyOf(last), prefix: keyOf(a), max: b as number };
    case 'encodeUserFunction':
      return { kind: 'userFunction', name: keyOf(a), argument: optionalBytes(b) };
    case 'encodeRange':
    case 'encodeRangeEntries':
    case 'encodeReverseRangeEntries':
      return {
        kind: rangeKind(call),
        consistency: consistencyOf(last),
        first: optionalKey(a),
        firstIncluded: b as boolean,
        last: optionalKey(c),
        lastIncluded: args[3] as boolean,
        max: args[4] as number,
      };
    case 'encodeMultiGet':
      return { kind: 'multiGet', consistency: consistencyOf(last), keys: (a as unknown[]).map(keyOf) };
    case 'encodeMultiGetOption':
      return { kind: 'multiGetOption', consistency: consistencyOf(last), keys: (a as unknown[]).map(keyOf) };
    case 'encodeCollapse':
      return { kind: 'collapse', keep: a as number };
    case 'encodeSequence':
      return {
        kind: b === true ? 'syncedSequence' : 'sequence',
        update: encodeUpdate(updateOfVector({ kind: 'Sequence', ...(a as object) })),
      };
    case 'setInterval': {
      const [publicBegin, publicEnd, privateBegin, privateEnd] = args.map(optionalKey) as (string | null)[];
      const interval = { publicBegin, publicEnd, privateBegin, privateEnd };
      return { kind: 'setInterval', interval } as Request;
    }
    default: {
      const kind = BARE[call] ?? BARE[name];
      if (kind === undefined) throw new Error(`no request is called ${call} (${name})`);
      return { kind } as Request;
    }
  }
}

function rangeKind(call: string): 'range' | 'rangeEntries' | 'revRangeEntries' {
  if (call === 'encodeRange') return 'range';
  return call === 'encodeRangeEntries' ? 'rangeEntries' : 'revRangeEntries';
}

/** Vectors of requests without arguments, by call or by name. */
const BARE: { readonly [call: string]: Request['kind'] } = {
  encodeGetVersion: 'version',
  encodeGetCurrentState: 'currentState',
  encodeWhoMaster: 'whoMaster',
  encodeNOP: 'nop',
  encodeGetTxid: 'getTxid',
  encodeExpectProgressPossible: 'expectProgressPossible',
  encodeStatistics: 'statistics',
  encodeGetKeyCount: 'getKeyCount',
  encodeGetNurseryCfg: 'getNurseryConfig',
  'admin/download_db': 'getDb',
  'admin/optimize_db': 'optimizeDb',
  'admin/defrag_db': 'defragDb',
  'admin/drop_master': 'dropMaster',
  'admin/flush_store': 'flushStore',
};

/** One request of each kind. A kind that is missing does not compile. */
function everyKind(): { readonly [K in Request['kind']]: Request } {
  const bytes = Buffer.from([0, 1, 0x80, 0xff]);
  const key = 'k\x00\xff';
  const atSeven = { kind: 'atLeast', slot: 7 } as const;
  const query = {
    consistency: atSeven,
    first: 'a',
    firstIncluded: true,
    last: null,
    lastIncluded: false,
    max: -1,
  };
  const interval = { publicBegin: null, publicEnd: 'm', privateBegin: '', privateEnd: null };
  return {
    ping: { kind: 'ping', client: 'me', cluster: 'sturdy' },
    run: { kind: 'run', requests: [Buffer.from('a'), Buffer.alloc(0)] },
    whoMaster: { kind: 'whoMaster' },
    exists: { kind: 'exists', consistency: atSeven, key },
    get: { kind: 'get', consistency: CONSISTENT, key },
    set: { kind: 'set', key, value: bytes },
    delete: { kind: 'delete', key },
    range: { kind: 'range', ...query },
    prefixKeys: { kind: 'prefixKeys', consistency: { kind: 'noGuarantees' }, prefix: 'p', max: 3 },
    testAndSet: { kind: 'testAndSet', key, expected: bytes, wanted: null },
    rangeEntries: { kind: 'rangeEntries', ...query },
    sequence: { kind: 'sequence', update: encodeUpdate({ kind: 'sequence', updates: [] }) },
    syncedSequence: { kind: 'syncedSequence', update: encodeUpdate({ kind: 'sequence', updates: [] }) },
    multiGet: { kind: 'multiGet', consistency: atSeven, keys: ['a', '', key] },
    multiGetOption: { kind: 'multiGetOption', consistency: atSeven, keys: ['a', '', key] },
    expectProgressPossible: { kind: 'expectProgressPossible' },
    statistics: { kind: 'statistics' },
    collapse: { kind: 'collapse', keep: 2 },
    userFunction: { kind: 'userFunction', name: 'f', argument: bytes },
    userFunctionNear: { kind: 'userFunctionNear', key: 'k', name: 'f', argument: bytes },
    assert: { kind: 'assert', consistency: atSeven, key, expected: bytes },
    assertExists: { kind: 'assertExists', consistency: atSeven, key },
    getKeyCount: { kind: 'getKeyCount' },
    getDb: { kind: 'getDb' },
    confirm: { kind: 'confirm', key, value: bytes },
    getFringe: { kind: 'getFringe', boundary: 'b', direction: 1 },
    getInterval: { kind: 'getInterval' },
    setInterval: { kind: 'setInterval', interval },
    getRouting: { kind: 'getRouting' },
    setRouting: { kind: 'setRouting', routing: bytes },
    setRoutingDelta: { kind: 'setRoutingDelta', left: 'l', separator: 's', right: 'r' },
    migrateRange: { kind: 'migrateRange', interval, update: bytes },
    setNurseryConfig: {
      kind: 'setNurseryConfig',
      cluster: 'c',
      nodes: [{ name: 'n', ips: ['127.0.0.1', '::1'], port: 4000 }],
    },
    getNurseryConfig: { kind: 'getNurseryConfig' },
    revRangeEntries: { kind: 'revRangeEntries', ...query },
    optimizeDb: { kind: 'optimizeDb' },
    defragDb: { kind: 'defragDb' },
    deletePrefix: { kind: 'deletePrefix', prefix: 'p' },
    version: { kind: 'version' },
    dropMaster: { kind: 'dropMaster' },
    currentState: { kind: 'currentState' },
    replace: { kind: 'replace', key, wanted: bytes },
    nop: { kind: 'nop' },
    flushStore: { kind: 'flushStore' },
    getTxid: { kind: 'getTxid' },
    copyDbToHead: { kind: 'copyDbToHead', keep: 1 },
    userHook: { kind: 'userHook', consistency: CONSISTENT, name: 'h' },
    adminCommand: { kind: 'adminCommand', command: { kind: 'forget', mid: 4 } },
    adminQuery: { kind: 'adminQuery', query: { kind: 'getMigration', mid: 4 } },
  };
}

test.run();

/** What holds of every row of the table of requests, whatever the arguments. */
import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { NurseryError } from '../../../../src/base/errors.ts';
import { hasReplyShape } from '../../../../src/protocol/arakoon/reply-shapes.ts';
import {
  KINDS,
  REQUESTS,
  type RequestKind,
  type RequestOf,
  rowOf,
} from '../../../../src/protocol/arakoon/request-table.ts';
import {
  decodeRequest,
  encodeRequest,
  isUpdate,
  isUpdateCode,
  readByTable,
  scanRequest,
  updateOf,
  writeByTable,
} from '../../../../src/protocol/arakoon/requests.ts';
import { encodeUpdate } from '../../../../src/protocol/arakoon/updates.ts';
import type { Consistency } from '../../../../src/protocol/arakoon/values.ts';
import { Reader, Writer } from '../../../../src/wire/codec.ts';

const bytes = fc.uint8Array({ maxLength: 20 }).map((value) => Buffer.from(value));
const key = bytes.map((value) => value.toString('latin1'));
const keys = fc.array(key, { maxLength: 4 });
const option = fc.option(bytes);
const bound = fc.option(key);
const int = fc.nat(0xffff_ffff);
const update = fc.array(key, { maxLength: 3 }).map((all) => {
  const updates = all.map((each) => ({ kind: 'delete', key: each }) as const);
  return encodeUpdate({ kind: 'sequence', updates });
});
const consistency: fc.Arbitrary<Consistency> = fc.oneof(
  fc.constant({ kind: 'consistent' } as const),
  fc.constant({ kind: 'noGuarantees' } as const),
  fc.maxSafeInteger().map((slot) => ({ kind: 'atLeast', slot }) as const),
);
const interval = fc.record(
  { publicBegin: bound, publicEnd: bound, privateBegin: bound, privateEnd: bound },
  { noNullPrototype: true },
);
const node = fc.record(
  { name: fc.string(), ips: fc.array(fc.string(), { maxLength: 2 }), port: int },
  { noNullPrototype: true },
);
const bounds = {
  consistency,
  first: bound,
  firstIncluded: fc.boolean(),
  last: bound,
  lastIncluded: fc.boolean(),
  max: fc.integer(),
};

/** Arguments of each kind; one that is missing does not compile. */
const ARGUMENTS: {
  readonly [K in RequestKind]: {
    readonly [N in Exclude<keyof RequestOf<K>, 'kind'>]: fc.Arbitrary<RequestOf<K>[N]>;
  };
} = {
  ping: { client: fc.string(), cluster: fc.string() },
  whoMaster: {},
  exists: { consistency, key },
  get: { consistency, key },
  set: { key, value: bytes },
  delete: { key },
  range: bounds,
  prefixKeys: { consistency, prefix: key, max: fc.integer() },
  testAndSet: { key, expected: option, wanted: option },
  rangeEntries: bounds,
  sequence: { update },
  multiGet: { consistency, keys },
  expectProgressPossible: {},
  statistics: {},
  collapse: { keep: int },
  userFunction: { name: key, argument: option },
  userFunctionNear: { key, name: key, argument: option },
  assert: { consistency, key, expected: option },
  setInterval: { interval },
  getRouting: {},
  setRouting: { routing: bytes },
  getKeyCount: {},
  getDb: {},
  confirm: { key, value: bytes },
  getFringe: { boundary: bound, direction: int },
  getInterval: {},
  setNurseryConfig: { cluster: fc.string(), nodes: fc.array(node, { maxLength: 3 }) },
  getNurseryConfig: {},
  setRoutingDelta: { left: key, separator: key, right: key },
  migrateRange: { interval, update: bytes },
  revRangeEntries: bounds,
  syncedSequence: { update },
  optimizeDb: {},
  defragDb: {},
  deletePrefix: { prefix: key },
  version: {},
  assertExists: { consistency, key },
  dropMaster: {},
  multiGetOption: { consistency, keys },
  currentState: {},
  replace: { key, wanted: option },
  nop: {},
  flushStore: {},
  getTxid: {},
  copyDbToHead: { keep: int },
  userHook: { consistency, name: key },
  adminCommand: {
    command: fc.constantFrom({ kind: 'forget', mid: 7 } as const, { kind: 'assume', epoch: 1 } as const),
  },
  adminQuery: {
    query: fc.constantFrom({ kind: 'getMap' } as const, { kind: 'getMigration', mid: 7 } as const),
  },
  run: { requests: fc.array(bytes, { maxLength: 4 }) },
};

const anyRequest = fc.constantFrom(...KINDS).chain((kind) => {
  const args = fc.record(ARGUMENTS[kind] as Record<string, fc.Arbitrary<unknown>>, { noNullPrototype: true });
  return args.map((values) => ({ kind, ...values }) as RequestOf<RequestKind>);
});

test('any request of any kind survives encoding and decoding, and is scanned to its very end', () => {
  fc.assert(
    fc.property(anyRequest, fc.nat(9), (request, before) => {
      const frame = encodeRequest(request);
      assert.equal(decodeRequest(frame), request);
      const stream = Buffer.concat([Buffer.alloc(before, 0xee), frame, Buffer.alloc(9, 0xee)]);
      const { code, linksOnly } = rowOf(request.kind);
      if (linksOnly === true) {
        assert.throws(() => scanRequest(stream, before, stream.length), is('NOT_SUPPORTED'));
        return;
      }
      const end = before + frame.length;
      assert.equal(scanRequest(stream, before, stream.length), { kind: 'complete', end, code });
      for (let cut = before; cut < end; cut += 1) {
        const scanned = scanRequest(stream, before, cut);
        assert.ok(scanned.kind === 'need' && scanned.bytes <= frame.length, `${request.kind} cut at ${cut}`);
      }
    }),
    { numRuns: 1000 },
  );
});

test('what is read and written by hand is what the table says, also of what is cut or bent', () => {
  const quick = anyRequest.filter(({ kind }) => kind === 'get' || kind === 'set');
  fc.assert(
    fc.property(quick, fc.nat(), fc.nat(255), (request, at, byte) => {
      const writer = new Writer();
      writeByTable(writer, request);
      const frame = writer.take();
      assert.equal(encodeRequest(request), frame);
      const { code } = rowOf(request.kind);
      const bent = Buffer.from(frame);
      bent[4 + (at % (frame.length - 4))] = byte;
      for (const bytes of [frame, bent, frame.subarray(0, 4 + (at % (frame.length - 4)))]) {
        assert.equal(
          outcome(() => decodeRequest(bytes)),
          outcome(() => {
            const reader = new Reader(bytes, 4);
            const read = readByTable(reader, code);
            reader.finish();
            return read;
          }),
        );
      }
    }),
    { numRuns: 1000 },
  );
});

test('updates alone are logged, and all of them', () => {
  fc.assert(
    fc.property(anyRequest, (request) => {
      const { code, by } = rowOf(request.kind);
      assert.is(isUpdate(request), by === 'log');
      assert.is(isUpdateCode(code), by === 'log');
      const frame = encodeRequest(request);
      assert.equal(updateOf(request, frame), rowOf(request.kind).logs?.(request, frame) ?? null);
      assert.is(updateOf(request, frame) !== null, by === 'log');
    }),
  );
});

test('a code belongs to one kind, and what a byte stream offers has replies that end', () => {
  assert.is(new Set(KINDS.map((kind) => REQUESTS[kind].code)).size, KINDS.length);
  const endless = KINDS.filter((kind) => !hasReplyShape(REQUESTS[kind].code));
  assert.equal(endless.sort(), ['adminCommand', 'adminQuery', 'getDb', 'run']);
});

/** What comes of `body`: its value, or the refusal. */
function outcome(body: () => unknown): unknown {
  try {
    return body();
  } catch (error) {
    if (!(error instanceof NurseryError)) throw error;
    return `${error.code === 'MALFORMED' ? 'BAD_INPUT' : error.code} ${error.message}`;
  }
}

function is(code: string) {
  return (error: unknown): boolean => error instanceof NurseryError && error.code === code;
}

test.run();

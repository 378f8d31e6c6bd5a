/** What each request is to the router, from its bytes. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { classify, type Plan } from '../../../router/core/classify.ts';
import { successor } from '../../../src/base/bytes.ts';
import { RETURN_CODES } from '../../../src/base/errors.ts';
import { type Range, WHOLE } from '../../../src/keyspace/range.ts';
import { okKeys, okMultiGet, okMultiGetOptions } from '../../../src/protocol/arakoon/replies.ts';
import { type Consistency, encodeRequest, type Request } from '../../../src/protocol/arakoon/requests.ts';
import { encodeUpdate, type Update } from '../../../src/protocol/arakoon/updates.ts';
import { returnCodeOf } from '../../../src/protocol/arakoon/values.ts';

const CONSISTENT: Consistency = { kind: 'consistent' };
const STALE: Consistency = { kind: 'noGuarantees' };
const AT_LEAST: Consistency = { kind: 'atLeast', slot: 1 };
const VALUE = Buffer.from('v');

const UPDATES: readonly Request[] = [
  { kind: 'set', key: 'key', value: VALUE },
  { kind: 'delete', key: 'key' },
  { kind: 'testAndSet', key: 'key', expected: null, wanted: VALUE },
  { kind: 'replace', key: 'key', wanted: VALUE },
  { kind: 'confirm', key: 'key', value: VALUE },
];
const reads = (consistency: Consistency): readonly Request[] => [
  { kind: 'get', consistency, key: 'key' },
  { kind: 'exists', consistency, key: 'key' },
  { kind: 'assert', consistency, key: 'key', expected: VALUE },
  { kind: 'assertExists', consistency, key: 'key' },
];

function planOf(request: Request): Plan {
  return classify(encodeRequest(request));
}

function codeOf(plan: Plan): number | null {
  return plan.kind === 'answer' ? returnCodeOf(plan.answer.bytes) : null;
}

test('an update of one key is forwarded as it came', () => {
  for (const request of UPDATES) {
    const body = encodeRequest(request);
    const plan = classify(body);
    assert.equal(
      plan,
      { kind: 'forward', isUpdate: true, isStale: false, body, keys: ['key'], ranges: [] },
      request.kind,
    );
    assert.is(plan.kind === 'forward' && plan.body, body, 'the very bytes');
  }
});

test('a read of one key is forwarded; only NoGuarantees may be stale', () => {
  for (const consistency of [CONSISTENT, STALE, AT_LEAST]) {
    for (const request of reads(consistency)) {
      const isStale = consistency === STALE;
      const sent = isStale ? request : { ...request, consistency: CONSISTENT };
      const body = encodeRequest(sent as Request);
      const plan = planOf(request);
      assert.equal(plan.kind === 'forward' && Buffer.from(plan.body), body, request.kind);
      assert.equal(
        { ...plan, body: null },
        { kind: 'forward', isUpdate: false, isStale, body: null, keys: ['key'], ranges: [] },
      );
    }
  }
});

test('of frequent requests nothing but the key is read: the node checks the rest', () => {
  for (const request of [...UPDATES, ...reads(CONSISTENT), ...reads(STALE)]) {
    const whole = encodeRequest(request);
    const more = Buffer.concat([whole, Buffer.from('!')]);
    assert.is(classify(more).kind, 'forward', request.kind);
  }
  const unread = Buffer.concat([encodeRequest(reads(AT_LEAST)[0] as Request), Buffer.from('!')]);
  assert.is(
    codeOf(classify(unread)),
    RETURN_CODES.BAD_INPUT,
    'a slot stands before the key: read as a whole',
  );
});

test('lengths of keys have four bytes, the lowest first', () => {
  for (const length of [0, 1, 255, 256, 1023]) {
    const key = 'k'.repeat(length);
    const plan = planOf({ kind: 'delete', key });
    assert.equal(plan.kind === 'forward' && plan.keys, [key]);
  }
  for (let byte = 0; byte < 4; byte += 1) {
    const body = encodeRequest({ kind: 'delete', key: 'key' });
    body[4 + byte] = byte === 0 ? 0x90 : 1;
    assert.is(codeOf(classify(body)), RETURN_CODES.BAD_INPUT, `byte ${byte} of the length`);
  }
});

test('a key that ends with the request is whole; a byte less is refused', () => {
  for (const request of [{ kind: 'delete', key: 'k' }, ...reads(CONSISTENT).slice(0, 2)] as Request[]) {
    const body = encodeRequest(request);
    assert.is(classify(body).kind, 'forward');
    for (let length = 0; length < body.length; length += 1) {
      assert.is(codeOf(classify(body.subarray(0, length))), RETURN_CODES.BAD_INPUT, `${length} bytes`);
    }
  }
});

test('a consistency that there is not is refused, and so is another magic', () => {
  const body = encodeRequest(reads(CONSISTENT)[0] as Request);
  body[4] = 3;
  assert.is(codeOf(classify(body)), RETURN_CODES.BAD_INPUT);
  for (const at of [2, 3]) {
    const strange = encodeRequest(UPDATES[0] as Request);
    strange[at] = (strange[at] as number) ^ 1;
    assert.is(codeOf(classify(strange)), RETURN_CODES.NO_MAGIC);
  }
  const unknown = encodeRequest(UPDATES[0] as Request);
  unknown[1] = 1;
  assert.is(codeOf(classify(unknown)), RETURN_CODES.NOT_SUPPORTED, 'codes have two bytes');
});

test('a hook goes where one cluster has everything, and a call near a key to its owner', () => {
  for (const consistency of [CONSISTENT, STALE]) {
    const body = encodeRequest({ kind: 'userHook', consistency, name: 'h' });
    const isStale = consistency === STALE;
    assert.equal(classify(body), {
      ...{ kind: 'forward', isUpdate: false, isStale, body, keys: [], ranges: [WHOLE] },
    });
  }
  const body = encodeRequest({ kind: 'userFunctionNear', key: 'k', name: 'f', argument: VALUE });
  assert.equal(classify(body), {
    kind: 'forward',
    isUpdate: true,
    isStale: false,
    body,
    keys: ['k'],
    ranges: [],
  });
});

test('other updates: what they name, or any cluster, or one that owns everything', () => {
  const set: Update = { kind: 'set', key: 'a', value: VALUE };
  const call: Update = { kind: 'userFunction', name: 'f', argument: null };
  const sequence = (...updates: Update[]): Request => ({
    kind: 'sequence',
    update: encodeUpdate({ kind: 'sequence', updates }),
  });
  const synced: Request = {
    kind: 'syncedSequence',
    update: encodeUpdate({ kind: 'sequence', updates: [set, { kind: 'deletePrefix', prefix: 'p' }] }),
  };
  const cases: readonly (readonly [Request, keys: readonly string[], ranges: readonly Range[]])[] = [
    [{ kind: 'deletePrefix', prefix: 'p' }, [], [{ lo: 'p', hi: 'q' }]],
    [{ kind: 'nop' }, [''], []],
    [{ kind: 'userFunction', name: 'f', argument: null }, [], [WHOLE]],
    [sequence(set, call), ['a'], []],
    [synced, ['a'], [{ lo: 'p', hi: 'q' }]],
    [sequence({ kind: 'deletePrefix', prefix: 'p' }), [], [{ lo: 'p', hi: 'q' }]],
    [sequence(), [''], []],
    [sequence(call), [], [WHOLE]],
    [sequence({ kind: 'nop' }, call), [], [WHOLE]],
    [sequence({ kind: 'syncedSequence', updates: [call] }), [], [WHOLE]],
    [sequence({ kind: 'sequence', updates: [] }, { kind: 'sequence', updates: [call] }), [], [WHOLE]],
  ];
  for (const [request, keys, ranges] of cases) {
    const body = encodeRequest(request);
    assert.equal(
      classify(body),
      { kind: 'forward', isUpdate: true, isStale: false, body, keys, ranges },
      JSON.stringify(request),
    );
  }
});

test('what should be a sequence and is none is refused', () => {
  const plan = planOf({ kind: 'sequence', update: Buffer.from('nothing of the kind') });
  assert.is(codeOf(plan), RETURN_CODES.BAD_INPUT);
  assert.match(
    plan.kind === 'answer' ? Buffer.from(plan.answer.bytes).toString() : '',
    /not a sequence of updates/,
  );
});

test('a range is [lo, hi) of what its bounds include, from either end', () => {
  const [a, c] = ['a', 'c'];
  const ranges: readonly (readonly [boolean, boolean, Range])[] = [
    [true, false, { lo: a, hi: c }],
    [false, true, { lo: successor(a), hi: successor(c) }],
  ];
  for (const [isLowIn, isHighIn, { lo, hi }] of ranges) {
    const up = { first: a, firstIncluded: isLowIn, last: c, lastIncluded: isHighIn };
    const down = { first: c, firstIncluded: isHighIn, last: a, lastIncluded: isLowIn };
    for (const [kind, bounds] of [
      ['range', up],
      ['rangeEntries', up],
      ['revRangeEntries', down],
    ] as const) {
      const request = { kind, consistency: STALE, ...bounds, max: 5 } as const;
      const body = encodeRequest(request);
      const isDescending = kind === 'revRangeEntries';
      const begin = { isDone: false, isWhole: false, piece: null, chunks: [], count: 0, bytes: 0 };
      const gather = {
        kind: 'range',
        body,
        form: kind,
        isStale: true,
        isDescending,
        lo,
        hi,
        left: 5,
        ...begin,
      };
      assert.equal(classify(body), { kind: 'gather', isStale: true, gather });
    }
  }
});

function range(bounds: object): Plan {
  const all = { first: null, firstIncluded: true, last: null, lastIncluded: true, max: -1 };
  return planOf({ kind: 'range', consistency: CONSISTENT, ...all, ...bounds });
}

function rangeGather(plan: Plan): { lo: string; hi: string | null; left: number; isStale: boolean } | null {
  if (plan.kind !== 'gather' || plan.gather.kind !== 'range') return null;
  const { lo, hi, left, isStale } = plan.gather;
  return { lo, hi, left, isStale };
}

test('no bound is no bound, and any maximum below 0 is all', () => {
  assert.equal(rangeGather(range({})), { lo: '', hi: null, left: -1, isStale: false });
  assert.equal(rangeGather(range({ max: -7 }))?.left, -1);
  assert.equal(rangeGather(range({ max: 1 }))?.left, 1);
});

test('what can hold nothing is answered at once', () => {
  const nothing = okKeys([]);
  for (const bounds of [
    { max: 0 },
    { first: 'b', last: 'a' },
    { first: 'a', last: 'a', lastIncluded: false },
    { first: 'a', firstIncluded: false, last: 'a' },
  ]) {
    const plan = range(bounds);
    assert.equal(plan, { kind: 'answer', answer: nothing }, JSON.stringify(bounds));
  }
  assert.equal(rangeGather(range({ first: 'a', last: 'a' })), {
    lo: 'a',
    hi: successor('a'),
    left: -1,
    isStale: false,
  });
});

test('keys of a prefix are a range of keys', () => {
  const plan = planOf({ kind: 'prefixKeys', consistency: AT_LEAST, prefix: 'p', max: 3 });
  assert.equal(rangeGather(plan), { lo: 'p', hi: 'q', left: 3, isStale: false });
  assert.is(plan.kind === 'gather' && plan.gather.kind === 'range' && plan.gather.form, 'range');
  const sent = encodeRequest({ kind: 'prefixKeys', consistency: CONSISTENT, prefix: 'p', max: 3 });
  assert.equal(
    plan.kind === 'gather' && Buffer.from(plan.gather.body),
    sent,
    'no slot of one cluster for another',
  );
});

test('several keys are gathered; none are answered at once', () => {
  for (const kind of ['multiGet', 'multiGetOption'] as const) {
    for (const consistency of [CONSISTENT, STALE]) {
      const body = encodeRequest({ kind, consistency, keys: ['b', 'a'] });
      const isStale = consistency === STALE;
      const rest = { isDone: false, values: [null, null], pending: 2, bytes: 0 };
      const isOptional = kind === 'multiGetOption';
      const gather = { kind: 'keys', body, isOptional, isStale, keys: ['b', 'a'], ...rest };
      assert.equal(classify(body), { kind: 'gather', isStale, gather });
    }
  }
  const none = { consistency: CONSISTENT, keys: [] };
  assert.equal(planOf({ kind: 'multiGet', ...none }), { kind: 'answer', answer: okMultiGet([]) });
  assert.equal(planOf({ kind: 'multiGetOption', ...none }), {
    kind: 'answer',
    answer: okMultiGetOptions([]),
  });
});

test('keys are counted by everybody; everything else the router answers itself', () => {
  const body = encodeRequest({ kind: 'getKeyCount' });
  const gather = { kind: 'count', body, isDone: false, pending: 0, sum: 0 };
  assert.equal(classify(body), { kind: 'gather', isStale: false, gather });
  assert.equal(planOf({ kind: 'whoMaster' }), { kind: 'local', request: { kind: 'whoMaster' } });
});

test.run();

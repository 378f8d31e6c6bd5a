/** Every operation that names a key or a range obeys ownership, at the awkward boundaries too. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { addOwned, hintFor, Ownership, removeRange, setSealed } from '../../../node/machine/ownership.ts';
import type { SystemState } from '../../../node/machine/system-state.ts';
import { type Key, prefixEnd, successor } from '../../../src/base/bytes.ts';
import { RETURN_CODES } from '../../../src/base/errors.ts';
import { contains, covers, type Range } from '../../../src/keyspace/range.ts';
import type { Owned } from '../../../src/protocol/admin/admin.ts';
import type { Request } from '../../../src/protocol/arakoon/requests.ts';
import type { Update } from '../../../src/protocol/arakoon/updates.ts';
import type { Answer } from '../../../src/protocol/arakoon/values.ts';
import { bytes, failureOf, TestCluster } from './cluster.ts';
import { give } from './migrations.ts';

const consistency = { kind: 'consistent' } as const;
const RANGES: readonly Range[] = [
  { lo: 'k', hi: 't' },
  { lo: '', hi: '\0' },
  { lo: '\0', hi: '\0\0' },
  { lo: 'k', hi: successor('k') },
  { lo: successor('k'), hi: 'k\x01' },
  { lo: '\xff', hi: '\xff\xff' },
  { lo: '\xff\xff', hi: null },
  { lo: '', hi: null },
];
const KEYS: readonly Key[] = [
  '',
  '\0',
  '\0\0',
  '\x01',
  'j\xff',
  'k',
  'k\0',
  'k\0\0',
  'k\x01',
  's\xff',
  't',
  '\xfe',
  '\xff',
  '\xff\0',
  '\xff\xff',
  '\xff\xff\xff',
];

const keyUpdates = (key: Key): Update[] => [
  { kind: 'set', key, value: bytes('v') },
  { kind: 'confirm', key, value: bytes('v') },
  { kind: 'delete', key },
  { kind: 'testAndSet', key, expected: null, wanted: null },
  { kind: 'replace', key, wanted: null },
  { kind: 'assert', key, expected: null },
  { kind: 'assertExists', key },
];
const keyReads = (key: Key): Request[] => [
  { kind: 'get', consistency, key },
  { kind: 'exists', consistency, key },
  { kind: 'assert', consistency, key, expected: null },
  { kind: 'assertExists', consistency, key },
  { kind: 'multiGet', consistency, keys: [key] },
  { kind: 'multiGetOption', consistency, keys: [key] },
];

/** Whether the answer is a range error; then the key that it names. */
function outsideOf(answer: Answer): Key | null {
  if (answer.bytes[0] !== RETURN_CODES.OUT_OF_RANGE) return null;
  return failureOf(answer).message;
}

function clusterWith(range: Range): TestCluster {
  const cluster = new TestCluster({ nursery: true });
  give(cluster, range);
  return cluster;
}

const print = ({ lo, hi }: Range): string => JSON.stringify([lo, hi]);

for (const range of RANGES) {
  test(`single keys, owned ${print(range)}`, () => {
    const cluster = clusterWith(range);
    for (const key of KEYS) {
      const expected = contains(range, key) ? null : key;
      for (const update of keyUpdates(key)) {
        const where = `${update.kind} ${JSON.stringify(key)}`;
        assert.is(outsideOf(cluster.update(update)), expected, where);
        if (update.kind === 'confirm') continue; // not a part of sequences
        const nested: Update = { kind: 'sequence', updates: [{ kind: 'sequence', updates: [update] }] };
        assert.is(outsideOf(cluster.update(nested)), expected, `nested ${where}`);
        assert.is(
          outsideOf(cluster.update({ ...nested, kind: 'syncedSequence' })),
          expected,
          `synced ${where}`,
        );
      }
      for (const request of keyReads(key)) {
        assert.is(outsideOf(cluster.read(request)), expected, `${request.kind} ${JSON.stringify(key)}`);
      }
    }
  });

  test(`prefixes, the empty one included, owned ${print(range)}`, () => {
    for (const prefix of KEYS) {
      const cluster = clusterWith(range);
      const named: Range = { lo: prefix, hi: prefixEnd(prefix) };
      const isOutside = !covers(range, named);
      const where = JSON.stringify(prefix);
      const answers = [
        cluster.update({ kind: 'deletePrefix', prefix }),
        cluster.update({ kind: 'assertRange', prefix, keys: [] }),
        cluster.update({ kind: 'sequence', updates: [{ kind: 'deletePrefix', prefix }] }),
        cluster.read({ kind: 'prefixKeys', consistency, prefix, max: -1 }),
        cluster.read({ kind: 'prefixKeys', consistency, prefix, max: 0 }),
      ];
      for (const answer of answers) assert.is(outsideOf(answer) !== null, isOutside, where);
      const key = outsideOf(answers[0] as Answer);
      if (key !== null)
        assert.ok(contains(named, key) && !contains(range, key), `${where} names a key outside`);
    }
  });

  test(`ranges, open ends included, owned ${print(range)}`, () => {
    const cluster = clusterWith(range);
    const bounds = [null, '', '\0', 'k', 'k\0', 'k\x01', 's', 't', '\xff', '\xff\xff'];
    for (const low of bounds) {
      for (const high of bounds) {
        for (const flags of [0, 1, 2, 3]) {
          const lowIncluded = (flags & 1) === 1;
          const highIncluded = (flags & 2) === 2;
          const lo = low === null ? '' : lowIncluded ? low : successor(low);
          const hi = high === null ? null : highIncluded ? successor(high) : high;
          const isEmpty = hi !== null && hi <= lo;
          const isOutside = !isEmpty && !covers(range, { lo, hi });
          const up = { first: low, firstIncluded: lowIncluded, last: high, lastIncluded: highIncluded };
          const down = { first: high, firstIncluded: highIncluded, last: low, lastIncluded: lowIncluded };
          const requests: Request[] = [
            { kind: 'range', consistency, ...up, max: -1 },
            { kind: 'rangeEntries', consistency, ...up, max: 3 },
            { kind: 'revRangeEntries', consistency, ...down, max: -1 },
          ];
          for (const request of requests) {
            const where = `${request.kind} ${JSON.stringify([low, lowIncluded, high, highIncluded])}`;
            assert.is(outsideOf(cluster.read(request)) !== null, isOutside, where);
          }
        }
      }
    }
  });
}

test('a sequence is refused whole where one key is outside, even behind an update that would fail', () => {
  const cluster = clusterWith({ lo: 'k', hi: 't' });
  const sequence = cluster.update({
    kind: 'sequence',
    updates: [
      { kind: 'set', key: 'k', value: bytes('1') },
      { kind: 'delete', key: 'm' },
      { kind: 'nop' },
      { kind: 'delete', key: 't' },
    ],
  });
  assert.is(outsideOf(sequence), 't');
  assert.is(outsideOf(cluster.read({ kind: 'exists', consistency, key: 'k' })), null);
  assert.is(cluster.read({ kind: 'exists', consistency, key: 'k' }).bytes[4], 0, 'nothing was executed');
});

test('multi reads name the first key outside', () => {
  const cluster = clusterWith({ lo: 'k', hi: 't' });
  for (const kind of ['multiGet', 'multiGetOption'] as const) {
    assert.is(outsideOf(cluster.read({ kind, consistency, keys: ['k', 't', 'a'] })), 't');
  }
});

test('ranges that touch serve what spans them, whatever their epochs; a gap does not', () => {
  const owned: Owned[] = [
    { lo: 'a', hi: 'c', epoch: 1, sealedBy: null },
    { lo: 'c', hi: 'e', epoch: 2, sealedBy: null },
    { lo: 'f', hi: null, epoch: 3, sealedBy: null },
  ];
  const ownership = new Ownership(owned);
  assert.is(ownership.firstOutside({ lo: 'b', hi: 'd' }), null);
  assert.is(ownership.firstOutside({ lo: 'b', hi: 'e\0' }), 'e');
  assert.is(ownership.firstOutside({ lo: 'b', hi: null }), 'e');
  assert.is(ownership.firstOutside({ lo: 'g', hi: null }), null);
  assert.is(ownership.firstOutside({ lo: '', hi: 'b' }), '');
  for (const [key, served] of [
    ['a', true],
    ['e', false],
    ['f', true],
    ['', false],
    ['\xff', true],
  ] as const) {
    assert.is(ownership.serves(key), served, key);
    assert.is(ownership.serves(key), served, `${key} again`);
  }
});

test('a sealed range is not served, and an unsealed one has its old epoch and no new cuts', () => {
  const whole: Owned[] = [{ lo: '', hi: null, epoch: 4, sealedBy: null }];
  const sealed = setSealed(whole, { lo: 'b', hi: 'd' }, 9);
  assert.equal(sealed, [
    { lo: '', hi: 'b', epoch: 4, sealedBy: null },
    { lo: 'b', hi: 'd', epoch: 4, sealedBy: 9 },
    { lo: 'd', hi: null, epoch: 4, sealedBy: null },
  ]);
  assert.is(new Ownership(sealed).firstOutside({ lo: '', hi: null }), 'b');
  assert.equal(setSealed(sealed, { lo: 'b', hi: 'd' }, null), whole);
});

test('ranges of different epochs are kept apart when one is added, and cut when one is removed', () => {
  const added = addOwned([{ lo: 'c', hi: null, epoch: 1, sealedBy: null }], {
    lo: 'a',
    hi: 'c',
    epoch: 2,
    sealedBy: null,
  });
  assert.equal(
    added.map(({ lo, epoch }) => [lo, epoch]),
    [
      ['a', 2],
      ['c', 1],
    ],
  );
  assert.equal(
    removeRange(added, { lo: 'b', hi: 'd' }).map(({ lo, hi }) => [lo, hi]),
    [
      ['a', 'b'],
      ['d', null],
    ],
  );
});

test('where a key may be instead: of a move that holds it back, or of a range that was released', () => {
  const move = (range: object, more: object): never => ({ lo: 'f', hi: 'k', ...range, ...more }) as never;
  const state = {
    exports: new Map([
      [5, move({}, { target: 'b', seal: { slot: 1 } })],
      [6, move({ lo: 'k', hi: 'm' }, { target: 'b', seal: null })],
    ]),
    imports: new Map([[7, move({ lo: 'm', hi: 'p' }, { source: 'c', founding: 'c1' })]]),
    forward: [{ lo: 'p', hi: 's', owner: 'd', epoch: 3 }],
  } as unknown as SystemState;
  const hinted = (key: string): unknown => hintFor(state, key);
  assert.equal(hinted('f'), { entry: { lo: 'f', hi: 'k', owner: 'b', epoch: 5 }, confirmed: false });
  assert.equal(hinted('m'), {
    entry: { lo: 'm', hi: 'p', owner: 'c', epoch: 7, founding: 'c1' },
    confirmed: false,
  });
  assert.equal(hinted('p'), { entry: { lo: 'p', hi: 's', owner: 'd', epoch: 3 }, confirmed: true });
  assert.equal(['', 'e', 'k', 's'].map(hinted), [null, null, null, null], 'nothing is known of these');
});

test('a cluster with a nursery owns nothing at first, one without owns everything at epoch 0', () => {
  assert.equal(new TestCluster({ nursery: true }).machine.owned(), []);
  assert.equal(new TestCluster({ nursery: false }).machine.owned(), [
    { lo: '', hi: null, epoch: 0, sealedBy: null },
  ]);
});

test.run();

/** What is too long for one turn gives the same updates as what is not. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { decodePaced } from '../../../node/machine/long-decode.ts';
import { Pace } from '../../../node/machine/pace.ts';
import type { Work } from '../../../node/store/types.ts';
import { NurseryError } from '../../../src/base/errors.ts';
import { decodeUpdate, encodeUpdate, type Update } from '../../../src/protocol/arakoon/updates.ts';
import { bytes } from './cluster.ts';

function run<T>(work: Work<T>): { value: T; turns: number } {
  for (let turns = 1; ; turns += 1) {
    const next = work.next();
    if (next.done === true) return { value: next.value, turns };
  }
}

const set = (n: number): Update => ({ kind: 'set', key: `key${n}`, value: bytes('v') });
const sets = Array.from({ length: 3000 }, (_, n) => set(n));
const LONG: { readonly [name: string]: Update } = {
  'a long sequence': { kind: 'sequence', updates: sets },
  'a long synced sequence': { kind: 'syncedSequence', updates: sets },
  'long sequences in a sequence': {
    kind: 'sequence',
    updates: [
      set(1),
      { kind: 'sequence', updates: sets },
      { kind: 'syncedSequence', updates: sets },
      { kind: 'nop' },
    ],
  },
};
for (const [name, update] of Object.entries(LONG)) {
  test(`${name} is decoded with pauses`, () => {
    const encoded = encodeUpdate(update);
    const { value, turns } = run(decodePaced(encoded, new Pace()));
    assert.equal(value, decodeUpdate(encoded));
    assert.ok(turns >= 6, `${turns} turns`);
  });
}

test('one long value is decoded at once', () => {
  const update: Update = { kind: 'set', key: 'k', value: Buffer.alloc(100_000, 1) };
  const { value, turns } = run(decodePaced(encodeUpdate(update), new Pace()));
  assert.is(turns, 1);
  assert.equal(value, update);
});

/** A sequence of 10,000 bytes that is wrong somewhere. */
const BROKEN: { readonly [name: string]: Buffer } = {
  'cut short': encodeUpdate({ kind: 'sequence', updates: sets }).subarray(0, 10_000),
  'longer than it says': Buffer.concat([encodeUpdate({ kind: 'sequence', updates: sets }), Buffer.alloc(1)]),
  'of very many updates': Buffer.concat([
    Buffer.from([5, 0, 0, 0, 255, 255, 255, 255]),
    Buffer.alloc(10_000),
  ]),
  'nested too deep': Buffer.concat([
    ...Array.from({ length: 65 }, () => Buffer.from([5, 0, 0, 0, 1, 0, 0, 0])),
    encodeUpdate({ kind: 'sequence', updates: sets }),
  ]),
  'with a confirm inside': Buffer.concat([
    Buffer.from([5, 0, 0, 0, 1, 0, 0, 0]),
    encodeUpdate({ kind: 'confirm', key: 'k', value: Buffer.alloc(10_000) }),
  ]),
};
for (const [name, encoded] of Object.entries(BROKEN)) {
  test(`a long sequence ${name} is refused as a short one would be`, () => {
    const refusal = (decode: () => unknown): string => {
      try {
        decode();
      } catch (error) {
        assert.instance(error, NurseryError);
        return (error as NurseryError).code;
      }
      return 'understood';
    };
    assert.is(
      refusal(() => run(decodePaced(encoded, new Pace()))),
      'MALFORMED',
    );
    assert.is(
      refusal(() => decodeUpdate(encoded)),
      'MALFORMED',
    );
  });
}

test('a sequence that says it has one update more than fits is malformed, whatever is left of it', () => {
  const encoded = encodeUpdate({ kind: 'sequence', updates: sets });
  for (let left = 0; left < 8; left += 1) {
    const more = Buffer.concat([encoded, Buffer.alloc(left, 5)]);
    more.writeUInt32LE(sets.length + 1, 4);
    assert.throws(
      () => run(decodePaced(more, new Pace())),
      (error: unknown) => error instanceof NurseryError && error.code === 'MALFORMED',
    );
  }
});

test.run();

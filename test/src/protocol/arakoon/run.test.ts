import * as fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { NurseryError } from '../../../../src/base/errors.ts';
import type { Hint } from '../../../../src/protocol/admin/admin.ts';
import { failure, OK, okInt } from '../../../../src/protocol/arakoon/replies.ts';
import { decodeRequest } from '../../../../src/protocol/arakoon/requests.ts';
import {
  decodeRunReply,
  encodeRun,
  RUN_UPDATES_MAX,
  runReply,
} from '../../../../src/protocol/arakoon/run.ts';

const malformed = (error: unknown): boolean => error instanceof NurseryError && error.code === 'MALFORMED';
const HINT: Hint = { entry: { lo: 'a', hi: 'b', owner: 'C', epoch: 7 }, confirmed: true };

test('a run is decoded into the requests that it was made of', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 50 }), { maxLength: RUN_UPDATES_MAX }), (requests) => {
      const decoded = decodeRequest(encodeRun(requests));
      if (decoded.kind !== 'run') throw new Error(decoded.kind);
      assert.equal(
        decoded.requests.map((each) => [...each]),
        requests.map((each) => [...each]),
      );
    }),
  );
  const many = encodeRun(new Array(RUN_UPDATES_MAX + 1).fill(Buffer.alloc(0)));
  assert.throws(
    () => decodeRequest(many),
    (error: unknown) => (error as NurseryError).code === 'BAD_INPUT',
  );
});

test('a reply has one reply for each update, up to the first passing refusal and its hint', () => {
  const missing = failure('NOT_FOUND', 'k');
  const all = [OK, missing, okInt(7)];
  assert.equal(
    decodeRunReply(runReply(all).bytes, 3).map((each) => [...each]),
    all.map(({ bytes }) => [...bytes]),
  );
  const outside = failure('OUT_OF_RANGE', 'k', HINT);
  const cut = runReply([OK, outside, failure('OUT_OF_RANGE', 'held back'), failure('BAD_INPUT', 'long')]);
  assert.is(decodeRunReply(cut.bytes, 4).length, 2);
  assert.equal(cut.hint, HINT);
  assert.is(decodeRunReply(cut.bytes, 2).length, 2, 'or the last one is');
});

test('that something was executed behind a refusal cannot be said', () => {
  assert.throws(() => runReply([failure('NOT_MASTER', 'n'), OK]), /after a refusal/);
});

test('too few or too many replies are malformed', () => {
  for (const [answers, count] of [
    [[OK], 2],
    [[OK, OK], 1],
    [[], 1],
  ] as const) {
    assert.throws(() => decodeRunReply(runReply([...answers]).bytes, count), malformed);
  }
  assert.throws(() => decodeRunReply(Buffer.alloc(5), 1), malformed);
});

test.run();

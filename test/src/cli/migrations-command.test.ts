/** Who asked for a move, as `nursery migrations` says it. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { askedFor, proofOf } from '../../../src/cli/migrations-command.ts';
import { UNSAID } from '../../../src/protocol/admin/migration.ts';

test('who asked, and why, as far as anybody has said', () => {
  assert.is(askedFor({}), '');
  assert.is(askedFor({ asked: UNSAID }), '');
  const asked = { ...UNSAID, who: 'me@here', reason: 'plan' } as const;
  assert.is(askedFor({ asked }), ', asked for by me@here (plan)');
  assert.is(askedFor({ asked: { ...asked, undoes: 3 } }), ', asked for by me@here (plan), takes back 3');
});

test('what an order of a rescue brings was asked for by that order; what it settled was not', () => {
  const rescue = { order: 7, dead: 'source', epoch: 0, isThere: false, isCopy: true } as const;
  assert.is(askedFor({ rescue }), ', asked for by order 7 (rescue lost)');
  const asked = { ...UNSAID, who: 'me@here' };
  assert.is(askedFor({ asked, rescue: { ...rescue, isCopy: false } }), ', asked for by me@here (person)');
});

test('what source and target agreed on, which a merge has nothing of', () => {
  const digest = { sum: 0xabcdn << 112n, count: 2, bytes: 70 };
  const receipt = { sealSlot: 9, digest, pauseMs: 1, pauseAtLeast: false, tookMs: 1500 };
  assert.is(proofOf({ receipt }), ', took 1.5 s, 70 bytes, sealed at slot 9, digest abcd0000…');
  assert.is(proofOf({ receipt, merges: [] }), ', took 1.5 s');
  assert.is(proofOf({ receipt: null }), '');
});

test.run();

/** Who asked for a move, as `nursery migrations` says it. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { askedFor } from '../../../src/cli/migrations-command.ts';
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

test.run();

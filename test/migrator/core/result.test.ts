/** What a coordinator says of the end. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { resultOf } from '../../../migrator/core/result.ts';
import { NO_ROWS } from '../../../src/keyspace/digest.ts';
import { NO_PROGRESS, type Receipt } from '../../../src/protocol/admin/admin.ts';
import { RECORD } from './samples.ts';

test('how it ended, and why', () => {
  const receipt: Receipt = { sealSlot: 7, digest: NO_ROWS, pauseMs: 4, pauseAtLeast: false };
  const done = { ...RECORD, phase: 'done', receipt } as const;
  const of = { mid: 2, progress: NO_PROGRESS };
  assert.equal(resultOf(done, NO_PROGRESS), { ...of, outcome: 'done', why: '', receipt });
  const late = resultOf({ ...done, wish: 'abort', why: 'asked' }, NO_PROGRESS);
  assert.equal([late.outcome, late.why], ['done', 'too late to abort: the target had taken over']);
  const aborted = resultOf(
    { ...RECORD, phase: 'aborted', wish: 'abort', why: 'asked', receipt },
    NO_PROGRESS,
  );
  assert.equal(aborted, { ...of, outcome: 'aborted', why: 'asked', receipt: null });
});

test.run();

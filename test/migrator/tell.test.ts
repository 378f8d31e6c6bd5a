/** A target that was silent is told of an abort: by what it answers the keeper knows that it knows, or it is tried again. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Request } from '../../migrator/core/calls.ts';
import { tellTarget } from '../../migrator/tell.ts';
import { NurseryError } from '../../src/base/errors.ts';
import type { AdminAnswer, AdminCommand, Migration } from '../../src/protocol/admin/admin.ts';
import { NO_PROGRESS } from '../../src/protocol/admin/migration.ts';

const RECORD: Migration = {
  mid: 7,
  source: 'ams',
  target: 'bru',
  lo: 'k',
  hi: 'p',
  phase: 'aborted',
  token: 3,
  heartbeat: 9,
  wish: 'abort',
  why: 'asked',
  progress: NO_PROGRESS,
  receipt: null,
  foundings: { keeper: 'K', source: 'A', target: 'B' },
  isUntold: true,
};
const SILENT = new NurseryError('UNREACHABLE', 'silent');

/** What was asked of whom, and how it ended. */
function told(
  answers: { readonly bru: AdminAnswer | Error; readonly keeper?: AdminAnswer | Error },
  record: Migration = RECORD,
): { readonly asked: [string, AdminCommand][]; readonly error: Error | null | undefined } {
  const asked: [string, AdminCommand][] = [];
  let error: Error | null | undefined;
  const ask = (
    cluster: string,
    request: Request,
    _deadlineMs: number,
    done: (answer: AdminAnswer | Error) => void,
  ): void => {
    if (request.kind === 'command') asked.push([cluster, request.command]);
    done(cluster === '' ? (answers.keeper ?? { kind: 'ok' }) : answers.bru);
  };
  tellTarget({ ask }, record, (why) => {
    error = why;
  });
  return { asked, error };
}

const ABANDON = { kind: 'abandon', mid: 7, token: 3, floor: 0, lo: 'k', hi: 'p', peer: 'ams' } as const;

test('the target abandons, in the name of the founding that is meant, and the keeper notes that it knows', () => {
  for (const bru of [
    { kind: 'closed', outcome: 'abandoned' },
    { kind: 'closed', outcome: null },
    { kind: 'fenced', token: 4 },
  ] as const) {
    const { asked, error } = told({ bru });
    assert.equal(asked, [
      ['bru', { kind: 'under', keeper: 'K', founding: 'B', peer: 'A', command: ABANDON }],
      ['', { kind: 'noteTold', mid: 7 }],
    ]);
    assert.is(error, null);
  }
  const { foundings: _, ...old } = RECORD;
  assert.equal(told({ bru: { kind: 'closed', outcome: 'abandoned' } }, old).asked[0], ['bru', ABANDON]);
});

test('one that has activated what is recorded as aborted is an alarm, and nothing is noted', () => {
  const { asked, error } = told({ bru: { kind: 'closed', outcome: 'activated' } });
  assert.is(asked.length, 1);
  assert.is((error as NurseryError).code, 'DAMAGED');
  assert.match((error as NurseryError).message, /^ALARM: .* two clusters own its range$/);
});

test('one that is silent, or says something else, is not taken for told', () => {
  for (const bru of [SILENT, { kind: 'refused', why: 'who are you' }, { kind: 'busy', why: 'x' }] as const) {
    const { asked, error } = told({ bru });
    assert.is(asked.length, 1);
    assert.instance(error, NurseryError);
  }
  assert.is(told({ bru: { kind: 'closed', outcome: null }, keeper: SILENT }).error, SILENT);
});

test.run();

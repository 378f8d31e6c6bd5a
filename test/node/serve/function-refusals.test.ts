/** Functions that cannot be put, and calls that a node must not propose. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { INITIAL_STATE } from '../../../node/machine/system-state.ts';
import { functionRefusal } from '../../../node/serve/function-refusals.ts';
import { RETURN_CODES } from '../../../src/base/errors.ts';
import { SOURCE_MAX } from '../../../src/protocol/admin/functions.ts';
import {
  decodeRequest,
  encodeRequest,
  type Request,
  updateOf,
} from '../../../src/protocol/arakoon/requests.ts';
import { encodeUpdate, type Update } from '../../../src/protocol/arakoon/updates.ts';
import { returnCodeOf } from '../../../src/protocol/arakoon/values.ts';
import { NO_RUNNER } from '../../support/no-runner.ts';

function codeOf(request: Request, inForce: string): number | null {
  const frame = encodeRequest(request);
  const update = updateOf(decodeRequest(frame), frame) ?? assert.unreachable('it is an update');
  const runner = {
    ...NO_RUNNER,
    engine: 'mine',
    whyNot: (source: Uint8Array) => (source.length > 3 ? 'no' : null),
  };
  const refusal = functionRefusal(request, update as Uint8Array, {
    runner,
    state: { ...INITIAL_STATE, engine: inForce },
  });
  return refusal === null ? null : returnCodeOf(refusal.bytes);
}

const CALL: Update = { kind: 'userFunction', name: 'f', argument: null };
const sequenceOf = (...updates: Update[]): Request => ({
  kind: 'sequence',
  update: encodeUpdate({ kind: 'sequence', updates }),
});

test('a call is not proposed where another engine is in force; all else is', () => {
  const requests: Request[] = [
    { kind: 'userFunction', name: 'f', argument: null },
    { kind: 'userFunctionNear', key: 'k', name: 'f', argument: null },
    sequenceOf(CALL),
    sequenceOf({ kind: 'nop' }, { kind: 'sequence', updates: [CALL] }),
  ];
  for (const request of requests) {
    assert.is(codeOf(request, 'mine'), null);
    assert.is(codeOf(request, ''), null, 'there is none in force: the call says so');
    assert.is(codeOf(request, 'another'), RETURN_CODES.GOING_DOWN, 'it is sent again');
  }
  const others: Request[] = [
    { kind: 'set', key: 'k', value: Buffer.from('v') },
    sequenceOf({ kind: 'nop' }),
    { kind: 'nop' },
  ];
  for (const request of others) assert.is(codeOf(request, 'another'), null);
});

test('what can be no function is refused before anything is proposed', () => {
  const put = (length: number): Request => ({
    kind: 'adminCommand',
    command: { kind: 'putFunction', name: 'f', source: Buffer.alloc(length) },
  });
  assert.is(codeOf(put(3), 'another'), null);
  assert.is(codeOf(put(4), 'mine'), RETURN_CODES.BAD_INPUT);
  assert.is(codeOf(put(SOURCE_MAX + 1), 'mine'), RETURN_CODES.BAD_INPUT);
  const other: Request = { kind: 'adminCommand', command: { kind: 'removeFunction', name: 'f' } };
  assert.is(codeOf(other, 'another'), null);
});

test.run();

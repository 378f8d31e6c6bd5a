/** What a history of calls is found guilty of, and what not. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { RETURN_CODES } from '../../../src/base/errors.ts';
import { Rare } from '../base/rare.ts';
import { Violation } from '../base/violation.ts';
import { NO_STEPS, type Operation } from './asking.ts';
import { History } from './history.ts';

const OK = answer(RETURN_CODES.OK, '');
const UNKNOWN = answer(RETURN_CODES.BAD_INPUT, 'unknown function f');

function answer(code: number, text: string): Buffer {
  const head = Buffer.alloc(8);
  head.writeUInt32LE(code, 0);
  head.writeUInt32LE(text.length, 4);
  return Buffer.concat([head, Buffer.from(text)]);
}

function calling(id: number, key: string | null): Operation {
  return {
    id,
    name: `call ${id}`,
    body: Buffer.alloc(0),
    isUpdate: false,
    isStale: false,
    writes: new Map(),
    called: { name: 'f', key },
    read: () => ({ outcome: 'done', steps: NO_STEPS }),
  };
}

/** One call after the other: near which key, asked of which cluster, and what came of it. */
function judged(...calls: readonly [key: string | null, cluster: string | null, answer: Buffer][]) {
  const history = new History(new Rare(), []);
  for (const [index, [key, cluster, bytes]] of calls.entries()) {
    const call = history.called('c', calling(index, key), index, { stream: null, cluster });
    history.answered(call, bytes, true, index);
  }
  return found(history);
}

/** What is found; null: nothing. */
function found(history: History): string | null {
  try {
    history.checkAll();
    return null;
  } catch (error) {
    if (error instanceof Violation) return error.check;
    throw error;
  }
}

test('a function that was called near a key is missed wherever that key is asked for', () => {
  assert.is(judged(['k', 'A', OK], ['k', 'B', UNKNOWN]), 'function-missing');
  assert.is(judged(['k', null, OK], ['k', 'B', UNKNOWN]), 'function-missing');
  assert.is(judged(['k', 'A', OK], ['l', 'B', UNKNOWN]), null);
});

test('a function that is called near no key is missed where it was: in one cluster, or through routers (nursery, 9400001171)', () => {
  assert.is(judged(['', null, OK], [null, 'B', UNKNOWN]), null, 'B has other keys, and may be behind');
  assert.is(judged([null, 'A', OK], [null, 'B', UNKNOWN]), null);
  assert.is(judged([null, 'B', OK], [null, 'B', UNKNOWN]), 'function-missing');
  assert.is(judged([null, null, OK], [null, null, UNKNOWN]), 'function-missing');
});

test('a function that was removed everywhere is found by nobody who calls it after that (nursery, 9900000195)', () => {
  const removed = (isGoneFirst: boolean): string | null => {
    const history = new History(new Rare(), []);
    history.functionGoes('f');
    if (isGoneFirst) history.functionIsGone('f');
    const call = history.called('c', calling(1, 'k'), 1);
    if (!isGoneFirst) history.functionIsGone('f');
    history.answered(call, OK, true, 2);
    return found(history);
  };
  assert.is(removed(true), 'function-gone');
  assert.is(removed(false), null, 'it may have been carried out before');
});

test.run();

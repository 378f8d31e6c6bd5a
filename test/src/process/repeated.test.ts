import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Repeated } from '../../../src/process/repeated.ts';

test('what happens again and again is said once, then now and then with how often', () => {
  let nowMs = 0;
  const said: number[] = [];
  const repeated = new Repeated(
    (times) => said.push(times),
    () => nowMs,
    1000,
  );
  for (let n = 0; n < 35; n += 1) {
    repeated.happened();
    nowMs += 100;
  }
  assert.equal(said, [1, 10, 10, 10]);
});

test('after its end the next time is a first one', () => {
  const said: number[] = [];
  const repeated = new Repeated(
    (times) => said.push(times),
    () => 0,
  );
  assert.not(repeated.ended(), 'nothing had begun');
  repeated.happened();
  repeated.happened();
  assert.ok(repeated.ended());
  assert.not(repeated.ended());
  repeated.happened();
  assert.equal(said, [1, 1]);
});

test('something else is said at once, and the same again is not', () => {
  const said: string[] = [];
  const repeated = new Repeated(
    (times, what) => said.push(`${what} ${times}`),
    () => 0,
  );
  for (const what of ['a', 'a', 'b', 'b', 'a']) repeated.happened(what);
  assert.equal(said, ['a 1', 'b 1', 'a 1']);
});

test.run();

/** What an operator should know is said when it changes, and then once a minute. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Notes } from '../../../node/serve/notes.ts';
import type { Logger } from '../../../src/process/log.ts';

/** Notes on a clock of their own, and what they logged. */
function notes(): { notes: Notes; logged: string[]; run(ms: number): void } {
  const logged: string[] = [];
  let nowMs = 0;
  const say = (_facts: object, text: string): void => void logged.push(text);
  const logger: Logger = { info: say, warn: say, error: say, debug: say };
  return { notes: new Notes(logger, () => nowMs), logged, run: (ms) => (nowMs += ms) };
}

test('a note that stays is logged at once, and then once a minute', () => {
  const { notes: all, logged, run } = notes();
  for (let second = 0; second < 150; second += 1) {
    all.set('keeper', 'it is silent');
    run(1000);
  }
  assert.is(logged.length, 3);
  assert.equal(all.all, ['it is silent']);
});

test('what changes with every attempt is shown, and is no news', () => {
  const { notes: all, logged, run } = notes();
  for (let second = 0; second < 50; second += 1) {
    all.set(
      'keeper',
      `it is silent (${second % 2 === 0 ? 'no answer' : 'the link was lost'})`,
      1e9,
      'silent',
    );
    run(1000);
  }
  assert.equal(logged, ['it is silent (no answer)']);
  assert.equal(all.all, ['it is silent (the link was lost)']);
  all.set('keeper', 'it is another one');
  assert.is(logged.length, 2);
});

test('a note is over when its time is, or it is cleared', () => {
  const { notes: all, run } = notes();
  all.set('peer', 'it went back in time', 5000);
  all.set('home', 'it is full');
  run(5001);
  assert.equal(all.all, ['it is full']);
  all.clear('home');
  assert.equal(all.all, []);
});

test.run();

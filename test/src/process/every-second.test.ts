/** One timer for all that looks every second. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { everySecond } from '../../../src/process/every-second.ts';

test('all are called in one wake-up, in order, until they end it', async () => {
  const calls: { readonly who: string; readonly turn: number }[] = [];
  let turn = 0;
  const alive = setInterval(() => {
    turn += 1; // timers of one wake-up come one after the other
  }, 1);
  await new Promise<void>((resolve) => {
    const ends: (() => void)[] = [];
    const begin = (who: string): void => {
      ends.push(
        everySecond(() => {
          calls.push({ who, turn });
          if (who === 'b') ends[2]?.(); // before its turn
          if (calls.length < 4) return;
          for (const end of [...ends, ...ends]) end();
          resolve();
        }),
      );
    };
    begin('a');
    setTimeout(() => {
      begin('b');
      begin('c');
    }, 100);
  });
  clearInterval(alive);
  assert.equal(
    calls.map(({ who }) => who),
    ['a', 'b', 'a', 'b'],
  );
  assert.is(calls[0]?.turn, calls[1]?.turn);
  assert.is(calls[2]?.turn, calls[3]?.turn);
});

test.run();

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { sideBySide } from '../../migrator/side-by-side.ts';

test('so many run at a time, and results come in order', async () => {
  let running = 0;
  let most = 0;
  const tasks = Array.from({ length: 20 }, (_, index) => async (): Promise<number> => {
    running += 1;
    most = Math.max(most, running);
    for (let turn = 0; turn < 20 - index; turn += 1) await null;
    running -= 1;
    return index;
  });
  assert.equal(
    await sideBySide(tasks, 4),
    tasks.map((_, index) => index),
  );
  assert.is(most, 4);
  assert.equal(await sideBySide([], 4), []);
});

test('a failure stops none of the others, and the first in order is thrown', async () => {
  const ended: number[] = [];
  const task = (index: number, fails: boolean) => async (): Promise<void> => {
    for (let turn = 0; turn < 10 - index; turn += 1) await null;
    ended.push(index);
    if (fails) throw new Error(`task ${index}`);
  };
  try {
    await sideBySide([task(0, false), task(1, true), task(2, true), task(3, false)], 2);
    assert.unreachable();
  } catch (error) {
    assert.is((error as Error).message, 'task 1');
  }
  assert.equal(ended.sort(), [0, 1, 2, 3]);
});

test.run();

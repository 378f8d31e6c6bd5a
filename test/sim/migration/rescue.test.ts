/** Whatever end of a move is lost, at whichever of its steps: it is settled, and every key has one owner or none. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type Loss, RescuedMove } from './rescue.ts';

const STEPS_MAX = 400;
const LAGS: readonly (number | null)[] = [null, 0, 1, 2, 5];

for (const end of ['a', 'b'] as const) {
  for (const lag of LAGS) {
    const what = lag === null ? 'is gone' : `has a survivor that lacks ${lag} slots`;
    test(`${end === 'a' ? 'the source' : 'the target'} ${what}, at every step of a move`, () => {
      const ends = new Map<string, number>();
      let commands = 1;
      for (; commands < STEPS_MAX; commands += 1) {
        const move = new RescuedMove();
        const isUnderWay = move.advance(commands);
        move.write();
        const { rows } = move;
        const loss: Loss = { end, lag: lag === null ? null : Math.min(lag, move.lagMax(end)) };
        move.lose(loss);
        try {
          move.check(loss, rows);
        } catch (error) {
          (error as Error).message += ` (after ${commands} commands; ${move.phase}; ${move.result})`;
          throw error;
        }
        ends.set(move.phase, (ends.get(move.phase) ?? 0) + 1);
        if (!isUnderWay) break;
      }
      assert.ok(commands < STEPS_MAX, 'the move comes to its end');
      assert.ok((ends.get('done') ?? 0) > 0, `it was done before: ${JSON.stringify([...ends])}`);
    });
  }
}

test.run();

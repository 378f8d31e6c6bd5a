/** Whatever end of a move is lost, at whichever of its steps: it is settled, and every key has one owner or none. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type Loss, RescuedMove } from './rescue.ts';

const STEPS_MAX = 400;
const LAGS: readonly (number | null)[] = [null, 0, 1, 2, 5];

/** Loses these ends, one after the other, after every command of a move. */
function loseAtEveryStep(losses: readonly Loss[]): void {
  const ends = new Map<string, number>();
  let commands = 1;
  for (; commands < STEPS_MAX; commands += 1) {
    const move = new RescuedMove();
    const isUnderWay = move.advance(commands);
    move.write();
    const { rows } = move;
    try {
      move.lose(...losses);
      move.check(losses, rows);
    } catch (error) {
      (error as Error).message += ` (after ${commands} commands; ${move.phase}; ${move.result})`;
      throw error;
    }
    ends.set(move.phase, (ends.get(move.phase) ?? 0) + 1);
    if (!isUnderWay) break;
  }
  assert.ok(commands < STEPS_MAX, 'the move comes to its end');
  const isDone = ends.has('done') || ends.has('unknown');
  assert.ok(isDone, `it was done before: ${JSON.stringify([...ends])}`);
}

function saying({ end, lag }: Loss): string {
  const what = lag === null ? 'is gone' : `has a survivor that lacks ${lag} slots`;
  return `the ${{ a: 'source', b: 'target', keeper: 'keeper' }[end]} ${what}`;
}

for (const end of ['a', 'b'] as const) {
  for (const lag of LAGS)
    test(`${saying({ end, lag })}, at every step of a move`, () => loseAtEveryStep([{ end, lag }]));
}

for (const [end, other] of [
  ['a', 'b'],
  ['b', 'a'],
] as const) {
  for (const lag of [null, 0, 2]) {
    for (const otherLag of [null, 0]) {
      const losses: Loss[] = [
        { end, lag },
        { end: other, lag: otherLag },
      ];
      test(`${losses.map(saying).join(', then ')}, at every step of a move`, () => loseAtEveryStep(losses));
    }
  }
}

const KEEPER: Loss = { end: 'keeper', lag: null };

test('the keeper is gone, at every step of a move', () => loseAtEveryStep([KEEPER]));

for (const end of ['a', 'b'] as const) {
  for (const lag of LAGS) {
    for (const losses of [
      [KEEPER, { end, lag }],
      [{ end, lag }, KEEPER],
    ])
      test(`${losses.map(saying).join(', then ')}, at every step of a move`, () => loseAtEveryStep(losses));
  }
}

test.run();

/** Whatever end of a move is lost, at whichever of its steps: it is settled, and every key has one owner or none. */
import { test } from 'uvu';
import { type Loss, loseAtEveryStep } from './rescue.ts';

const LAGS: readonly (number | null)[] = [null, 0, 1, 2, 5];

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

for (const losses of [
  ...LAGS.map((lag): Loss[] => [{ end: 'a', lag }]),
  [KEEPER],
  ...[null, 0, 1, 2].flatMap((lag): Loss[][] => [
    [KEEPER, { end: 'a', lag }],
    [{ end: 'a', lag }, KEEPER],
  ]),
])
  test(`${losses.map(saying).join(', then ')}, at every step of a merge`, () =>
    loseAtEveryStep(losses, 'merge'));

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

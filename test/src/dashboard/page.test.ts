/** What the page computes: rates and times between polls, where ranges lie, and how hostile text is written. */
import * as fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Answered, ShownRange } from '../../../src/dashboard/document.ts';
import { edgesOf, rangeAt } from '../../../src/dashboard/page/columns.ts';
import { darkness, Heat, ROW_S, ROWS_MAX } from '../../../src/dashboard/page/heat.ts';
import { History, POINTS_MAX, quantile } from '../../../src/dashboard/page/history.ts';
import {
  printAge,
  printable,
  printBytes,
  printCount,
  printRange,
  printSeconds,
} from '../../../src/dashboard/page/words.ts';

const BOUNDS_S = [0.001, 0.01, 0.1];

function answered(atMs: number, reads: readonly number[], failed = 0): Answered {
  return { atMs, boundsS: BOUNDS_S, reads, updates: [0, 0, 0, 0], failed };
}

test('rates are what was counted between two polls, by the clock of who counted', () => {
  const history = new History();
  history.add(answered(1000, [100, 0, 0, 0]), 7);
  history.add(answered(3000, [300, 0, 0, 0], 4), 9);
  assert.is(history.points.length, 1);
  const [point] = history.points;
  assert.equal([point?.atS, point?.readsPerS, point?.updatesPerS, point?.failedPerS], [9, 100, 0, 2]);
  assert.equal([point?.readHalfS, point?.updateHalfS], [0.0005, null]);
});

test('the same answer twice is no time; a process that began anew, and a silent one, are gaps', () => {
  const history = new History();
  history.add(answered(1000, [100, 0, 0, 0]), 1);
  history.add(answered(1000, [100, 0, 0, 0]), 2);
  history.add(answered(500, [3, 0, 0, 0]), 3);
  history.add(answered(1500, [2, 0, 0, 0]), 4); // less than before, at a later time of another process
  history.miss(5);
  history.add(answered(2500, [9, 0, 0, 0]), 6);
  history.add(answered(3500, [10, 0, 0, 0]), 7);
  history.add(answered(90_000, [99, 0, 0, 0]), 8); // it has run for longer, and answered more
  assert.equal(
    history.points.map(({ atS, readsPerS }) => [atS, readsPerS]),
    [
      [3, null],
      [4, null],
      [5, null],
      [6, 7],
      [7, 1],
      [8, null],
    ],
  );
});

test('no more is remembered than can be shown', () => {
  const history = new History();
  for (let at = 0; at < POINTS_MAX + 10; at += 1) history.add(answered(at, [at, 0, 0, 0]), at);
  assert.is(history.points.length, POINTS_MAX);
  assert.is(history.points.at(-1)?.atS, POINTS_MAX + 9);
});

test('a share of all is answered within a time that lies in its bucket', () => {
  assert.is(quantile([0, 0, 0, 0], BOUNDS_S, 0.5), null);
  assert.is(quantile([0, 4, 0, 0], BOUNDS_S, 0.5)?.toFixed(4), '0.0055');
  assert.is(quantile([99, 0, 1, 0], BOUNDS_S, 0.99), 0.001);
  assert.is(
    quantile([0, 0, 0, 5], BOUNDS_S, 0.5),
    0.1,
    'what took longer than the last bound took at least that',
  );
});

const range = (keys: number | null): ShownRange => ({
  ...{ lo: '', hi: null, owner: 'a', epoch: 1, ranges: 1, keys, bytes: keys },
  ...{ perSecond: null, sealedBy: null, isServedByNobody: false },
});

test('ranges fill the picture, in order, none without a width, and what lies under a point is found', () => {
  const many = fc.array(fc.option(fc.nat(1e9)), { minLength: 1, maxLength: 300 });
  fc.assert(
    fc.property(many, fc.integer({ min: 50, max: 3000 }), (keys, width) => {
      for (const by of ['keys', 'bytes', 'ranges'] as const) {
        const edges = edgesOf(keys.map(range), width, by);
        assert.is(edges.length, keys.length + 1);
        assert.ok(Math.abs((edges.at(-1) as number) - width) < 1e-6 * width);
        for (const [at, edge] of edges.slice(0, -1).entries()) {
          const next = edges[at + 1] as number;
          assert.ok(next > edge, `${at} has a width`);
          assert.is(rangeAt(edges, edge + (next - edge) / 2), at);
        }
      }
    }),
  );
  assert.is(rangeAt([0], 5), -1);
  assert.is(rangeAt([0, 5, 10], 99), 1);
});

test('text from elsewhere cannot hide, turn around or move what stands beside it', () => {
  assert.is(printable('a\u202eb\u200bc\u0000d\u2028'), 'a\\u{202e}b\\u{200b}c\\u{0}d\\u{2028}');
  assert.is(printable('\ud800'), '\\u{d800}');
  assert.is(printable('<b>é 語</b>'), '<b>é 語</b>');
  assert.is(printRange({ lo: '', hi: null }), '[start .. end)');
  assert.is(printRange({ lo: 'x'.repeat(50), hi: 'y' }), `[${'x'.repeat(40)}… .. y)`);
});

test('numbers are short', () => {
  assert.equal([0, 0.25, 9999, 12_345, 2e6, 3e9].map(printCount), [
    '0',
    '0.3',
    '9999',
    '12.3 k',
    '2.00 M',
    '3.00 G',
  ]);
  assert.equal([0, 1023, 1536, 2 ** 30].map(printBytes), ['0 bytes', '1023 bytes', '1.5 KiB', '1.0 GiB']);
  assert.equal([-5, 119_000, 120_000, 7_200_000, 172_800_000].map(printAge), [
    '0 s',
    '119 s',
    '2 min',
    '2 h',
    '2 d',
  ]);
  assert.equal([0.00025, 0.0123, 0.1, 1.25].map(printSeconds), ['0.25 ms', '12 ms', '100 ms', '1.3 s']);
});

/** Ranges from each of these keys to the next one, with so many requests a second. */
function busy(rates: { readonly [lo: string]: number | null }): ShownRange[] {
  const los = Object.keys(rates);
  return los.map((lo, at) => ({ ...range(1), lo, hi: los[at + 1] ?? null, perSecond: rates[lo] ?? null }));
}

test('the heat map has a row for each ten seconds, empty ones where nobody answered, and ten minutes of them', () => {
  const heat = new Heat();
  const ratesOfRows = (): (number | null)[][] =>
    heat.rows.map((row) => heat.ratesIn(row, busy({ '': 0, k: 0 })));
  heat.add(busy({ '': 900, k: 900 }), 100);
  heat.add(busy({ '': 5, k: 7 }), 100 + ROW_S - 1);
  assert.equal(ratesOfRows(), [[5, 7]], 'the last poll within ten seconds tells of all of them');
  heat.add(busy({ '': 1, k: 0 }), 100 + ROW_S);
  heat.add(busy({ '': 2, k: null }), 100 + 4 * ROW_S);
  assert.equal(ratesOfRows(), [
    [5, 7],
    [1, 0],
    [null, null],
    [null, null],
    [2, null],
  ]);
  assert.is(heat.most, 7);
  heat.add(busy({ '': 3, k: 3 }), 50); // the page's clock was put back
  assert.equal(ratesOfRows().at(-1), [3, 3]);
  for (let row = 1; row <= 2 * ROWS_MAX; row += 1) heat.add(busy({ '': row, k: 0 }), 50 + row * ROW_S);
  assert.is(heat.rows.length, ROWS_MAX);
  assert.is(heat.most, 2 * ROWS_MAX);
  heat.add(busy({ '': 1, k: 0 }), 1e9);
  assert.is(heat.rows.length, ROWS_MAX, 'a laptop that slept');
  assert.is(heat.most, 1);
});

test('a row of other ranges is shown where they lay', () => {
  const heat = new Heat();
  heat.add(busy({ '': 1, f: 9, k: 4 }), 0);
  const [row] = heat.rows;
  const shown = (rates: { readonly [lo: string]: number }): (number | null)[] =>
    row === undefined ? [] : heat.ratesIn(row, busy(rates));
  assert.equal(shown({ '': 0, f: 0, k: 0 }), [1, 9, 4]);
  assert.equal(shown({ '': 0, k: 0 }), [9, 4], 'merged since: the busiest of them');
  assert.equal(shown({ '': 0 }), [9]);
  assert.equal(shown({ '': 0, c: 0, f: 0, h: 0, k: 0, z: 0 }), [1, 1, 9, 9, 4, 4], 'parted since');
  assert.equal(shown({ '': 0, g: 0 }), [9, 9]);
});

test('what is asked more is darker, and what is not asked is not drawn', () => {
  assert.is(darkness(0, 100), 0);
  const dark = [0.1, 1, 10, 100].map((rate) => darkness(rate, 100));
  assert.equal(dark, [...dark].sort());
  assert.ok((dark[0] ?? 0) > 0.15 && dark.at(-1) === 1, dark.join());
  assert.is(darkness(5, 0), 1);
});

test.run();

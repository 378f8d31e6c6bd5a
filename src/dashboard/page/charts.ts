/** Rates and times of what clients asked of this process, over the last twenty minutes, as this page has seen them. */
import type uPlotClass from 'uplot';
import { byId, setText } from './dom.ts';
import type { History, Point } from './history.ts';
import { printCount, printSeconds, printTime } from './words.ts';

/** Comes as a script of its own: see index.html. */
declare const uPlot: typeof uPlotClass;

const HEIGHT = 150;
/** How much time is shown at the least (s). */
const SPAN_S = 60;
/** Room for the words of the axis of values, and of the one of time (pixels). */
const VALUES_WIDE = 58;
const TIMES_HIGH = 24;

type Line = {
  readonly label: string;
  readonly colour: string;
  readonly of: (point: Point) => number | null;
  readonly dash?: number[];
};

const RATES: readonly Line[] = [
  { label: 'reads', colour: 'reads', of: ({ readsPerS }) => readsPerS },
  { label: 'updates', colour: 'updates', of: ({ updatesPerS }) => updatesPerS },
  { label: 'failed', colour: 'notServing', of: ({ failedPerS }) => failedPerS },
];
const TIMES: readonly Line[] = [
  { label: 'reads, 99 %', colour: 'reads', of: ({ readMostS }) => readMostS },
  { label: 'half', colour: 'reads', of: ({ readHalfS }) => readHalfS, dash: [3, 3] },
  { label: 'updates, 99 %', colour: 'updates', of: ({ updateMostS }) => updateMostS },
  { label: 'half ', colour: 'updates', of: ({ updateHalfS }) => updateHalfS, dash: [3, 3] },
];

/** Two charts, one below the other where there is little room. */
export class ChartsView {
  readonly #history: History;
  #charts: readonly { readonly chart: uPlotClass; readonly lines: readonly Line[] }[] = [];

  constructor(history: History) {
    this.#history = history;
    this.#make();
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => this.#make());
    new ResizeObserver(() => this.#fit()).observe(byId('rates'));
  }

  show(): void {
    for (const { chart, lines } of this.#charts) chart.setData(this.#dataOf(lines));
    const last = this.#history.points.at(-1);
    setText(byId('rates-words'), `A second: ${last === undefined ? 'not known yet' : ratesOf(last)}`);
    setText(byId('latencies-words'), `Times: ${last === undefined ? 'not known yet' : timesOf(last)}`);
  }

  #make(): void {
    for (const { chart } of this.#charts) chart.destroy();
    const style = getComputedStyle(document.documentElement);
    const colour = (name: string): string => style.getPropertyValue(`--${name}`).trim();
    const charts = [
      { id: 'rates', lines: RATES, print: (value: number) => printCount(value), scale: {} },
      { id: 'latencies', lines: TIMES, print: printSeconds, scale: { distr: 3 } },
    ] as const;
    this.#charts = charts.map(({ id, lines, print, scale }) => {
      const parent = byId(id);
      const axis = {
        stroke: colour('faint'),
        grid: { stroke: colour('line'), width: 1 },
        ticks: { show: false },
        font: '11px system-ui, sans-serif',
      };
      const options: uPlotClass.Options = {
        width: parent.clientWidth || 300,
        height: HEIGHT,
        cursor: { sync: { key: 'traffic' }, y: false, drag: { x: false, y: false } },
        legend: { live: false },
        scales: {
          x: { range: () => this.#span() },
          y: { ...scale, range: id === 'rates' ? (_self, _from, to) => [0, Math.max(1, to * 1.1)] : bounds },
        },
        axes: [
          {
            ...axis,
            size: TIMES_HIGH,
            space: 80,
            values: (_self, splits) => splits.map((atS) => (atS <= SPAN_S ? '' : printTime(atS * 1000))),
          },
          {
            ...axis,
            size: VALUES_WIDE,
            // Of times the powers of ten alone: of all others lines would be drawn, too.
            filter: (_self, splits) =>
              splits.map((value) => (id === 'rates' || isPower(value) ? value : null)),
            grid: {
              ...axis.grid,
              filter: (_self, splits) =>
                splits.map((value) => (id === 'rates' || isPower(value) ? value : null)),
            },
            values: (_self, splits) => splits.map((value) => (value === null ? '' : print(value))),
          },
        ],
        series: [
          {},
          ...lines.map((line) => ({
            label: line.label,
            stroke: colour(line.colour),
            width: 1.5,
            points: { show: false },
            ...(line.dash === undefined ? {} : { dash: line.dash }),
          })),
        ],
      };
      return { chart: new uPlot(options, this.#dataOf(lines), parent), lines };
    });
  }

  #dataOf(lines: readonly Line[]): uPlotClass.AlignedData {
    const { points } = this.#history;
    return [points.map(({ atS }) => atS), ...lines.map(({ of }) => points.map(of))];
  }

  /** Before the first point it is any time, of which the axis says nothing. */
  #span(): [number, number] {
    const { points } = this.#history;
    const to = points.at(-1)?.atS ?? SPAN_S;
    return [Math.min(to - SPAN_S, points[0]?.atS ?? 0), to];
  }

  #fit(): void {
    for (const { chart } of this.#charts) {
      const width = chart.root.parentElement?.clientWidth ?? 0;
      if (width > 0 && width !== chart.width) chart.setSize({ width, height: HEIGHT });
    }
  }
}

function isPower(value: number): boolean {
  return Math.abs(Math.log10(value) - Math.round(Math.log10(value))) < 1e-6;
}

/** Times have no zero: from a power of ten to another one. */
function bounds(_self: uPlotClass, from: number | null, to: number | null): [number, number] {
  const least = Math.min(from ?? 1e-3, 1e-3);
  const most = Math.max(to ?? 1e-2, 1e-2);
  return [10 ** Math.floor(Math.log10(Math.max(1e-6, least))), 10 ** Math.ceil(Math.log10(most))];
}

function ratesOf({ readsPerS, updatesPerS, failedPerS }: Point): string {
  if (readsPerS === null || updatesPerS === null || failedPerS === null) return 'not known now';
  return `${printCount(readsPerS)} reads, ${printCount(updatesPerS)} updates, ${printCount(failedPerS)} failed`;
}

function timesOf({ readHalfS, readMostS, updateHalfS, updateMostS }: Point): string {
  const words = (what: string, half: number | null, most: number | null): string[] =>
    half === null || most === null ? [] : [`${what} ${printSeconds(half)}, 99 % ${printSeconds(most)}`];
  const all = [...words('reads', readHalfS, readMostS), ...words('updates', updateHalfS, updateMostS)];
  return all.length === 0 ? 'nothing was asked' : all.join('; ');
}

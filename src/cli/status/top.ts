/** Who is busy: clusters, their ranges and their hottest keys, the busiest first; for people and for scripts. */
import { answeringOf, type ClusterSeen, type Facts } from '../../health/facts.ts';
import { type Busy, type HotKey, hottestOf, loadOf, rangeLoads } from '../../health/load.ts';
import type { RangeLoad } from '../../protocol/admin/node-facts.ts';
import { jsonKey, jsonRange, shortKey, shortRange } from '../forms.ts';
import { printBytes } from './amounts.ts';
import { printRate } from './load.ts';
import { printable } from './text.ts';

/** Keys of each cluster that people are shown. */
const KEYS_SHOWN = 5;
/** Columns of a range or key at the least, however narrow the terminal. */
const NAME_MIN = 12;

/** What one cluster does. */
export type ClusterLoad = Busy & {
  readonly cluster: string;
  /** The busiest first. */
  readonly ranges: readonly RangeLoad[];
  readonly hottest: readonly HotKey[];
  /** Nodes that did not answer, whose part is missing. */
  readonly silent: readonly string[];
};

/** The load of each cluster, the busiest first. */
export function clusterLoads({ clusters }: Facts): ClusterLoad[] {
  return clusters
    .filter(({ isElsewhere }) => !isElsewhere)
    .map(clusterLoad)
    .sort((a, b) => requestsOf(b) - requestsOf(a));
}

function clusterLoad(seen: ClusterSeen): ClusterLoad {
  const { cluster, nodes } = seen;
  const ranges = rangeLoads(seen).sort((a, b) => requestsOf(b) - requestsOf(a));
  const answering = new Set(answeringOf(seen).map(({ name }) => name));
  const silent = nodes.map(({ name }) => name).filter((name) => !answering.has(name));
  return { cluster, ...loadOf(ranges), ranges, hottest: hottestOf(seen), silent };
}

function requestsOf({ reads, writes }: Busy): number {
  return reads.s10 + writes.s10;
}

/** Why each node that was asked says nothing, where none of all says anything; null where one does. */
export function silenceOf({ clusters }: Facts): string[] | null {
  const nodes = clusters.flatMap((cluster) => cluster.nodes);
  if (nodes.some(({ facts }) => facts !== null)) return null;
  return nodes.map(({ name, why }) => `${name}: ${printable(why)}`);
}

/** What stands in the place of figures while nobody answers: they would be zeros that nobody has counted. */
export function silentLines(whys: readonly string[], screen: Screen): string[] {
  const lines = ['nobody answers; all are asked again and again', ...whys.map((why) => `  ${why}`)];
  return lines.flatMap((line) => folded(line, screen)).slice(0, screen.lines);
}

/** How it is laid out: `columns` and `lines` at most, and headings in bold or not. */
export type Screen = { readonly columns: number; readonly lines: number; readonly isBold: boolean };

const HEADINGS = ['reads/s', 'writes/s', 'bytes/s', 'of 1 min', 'of 10 min'];

/** All of it in lines: a table of clusters, one of ranges as far as there is room, and the hottest keys. */
export function topLines(loads: readonly ClusterLoad[], screen: Screen): string[] {
  const keys = loads.flatMap(({ cluster, hottest }) =>
    hottest.slice(0, KEYS_SHOWN).map(({ key, perSecond }) => ({ cluster, key, perSecond })),
  );
  const clusters = loads.map((each) => ({
    name: `${each.cluster}${each.silent.length === 0 ? '' : ` (without ${each.silent.join(', ')})`}`,
    figures: figuresOf(each),
  }));
  const keyRows = keys.map(({ cluster, key, perSecond }) => ({
    name: `${cluster} ${shortKey(key)}`,
    figures: [printRate(perSecond)],
  }));
  // Headings, blank lines between, and the clusters themselves.
  const left = Math.max(1, screen.lines - clusters.length - keyRows.length - (keys.length === 0 ? 3 : 5));
  const ranges = loads
    .flatMap((each) => each.ranges.map((range) => ({ cluster: each.cluster, range })))
    .sort((a, b) => requestsOf(b.range) - requestsOf(a.range))
    .slice(0, left)
    .map(({ cluster, range }) => ({ name: `${cluster} ${shortRange(range)}`, figures: figuresOf(range) }));
  return [
    ...rowsOf('cluster', HEADINGS, clusters, screen),
    '',
    ...rowsOf('busiest ranges', HEADINGS, ranges, screen),
    ...(keys.length === 0 ? [] : ['', ...rowsOf('hottest keys', ['at least/s'], keyRows, screen)]),
  ].slice(0, screen.lines);
}

type Row = { readonly name: string; readonly figures: readonly string[] };

/** A heading and rows: the figures right, and names in what is left of the width. */
function rowsOf(title: string, headings: readonly string[], rows: readonly Row[], screen: Screen): string[] {
  const all: Row[] = [{ name: title, figures: headings }, ...rows];
  const widths = headings.map((_, at) => Math.max(...all.map(({ figures }) => figures[at]?.length ?? 0)));
  const used = widths.reduce((sum, width) => sum + width + 2, 0);
  const longest = Math.max(...all.map(({ name }) => name.length));
  const width = Math.max(NAME_MIN, Math.min(longest, screen.columns - used));
  return all.map(({ name, figures }, at) => {
    const shown = name.length > width ? `${name.slice(0, width - 1)}…` : name.padEnd(width);
    const line = [shown, ...figures.map((figure, of) => figure.padStart(widths[of] ?? 0))].join('  ');
    const seen = within(line, screen);
    return at === 0 && screen.isBold ? `\x1b[1m${seen}\x1b[0m` : seen;
  });
}

/** A line in as many as the width of the terminal asks for: a reason that is cut is none. */
function folded(line: string, { columns }: Screen): string[] {
  if (line.length <= columns) return [line];
  const count = Math.ceil(line.length / columns);
  return Array.from({ length: count }, (_, at) => line.slice(at * columns, (at + 1) * columns));
}

/** A line that would be longer than the terminal is wide would go on in the next one, and push the first ones off. */
function within(line: string, { columns }: Screen): string {
  return line.slice(0, columns);
}

function figuresOf({ reads, writes, bytes }: Busy): string[] {
  const over = (of: 'm1' | 'm10'): string => printRate(reads[of] + writes[of]);
  return [printRate(reads.s10), printRate(writes.s10), printBytes(bytes.s10), over('m1'), over('m10')];
}

/** The same as one value; docs/commands.md says what each field is. */
export function topToJson(loads: readonly ClusterLoad[], atMs: number): object {
  return {
    atMs,
    clusters: loads.map(({ ranges, hottest, ...load }) => ({
      ...load,
      ranges: ranges.map((range) => ({ ...range, ...jsonRange(range) })),
      hottest: hottest.map(({ key, perSecond }) => ({ key: jsonKey(key), perSecond })),
    })),
  };
}

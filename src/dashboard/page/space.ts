/** The key space from its first key to its end: a lane for each cluster, in it what it owns, and below what is known of one range. */
import type { Document, ShownMove, ShownRange } from '../document.ts';
import { edgesOf, rangeAt, type Weight } from './columns.ts';
import { byId, List, make, setAttribute, setHidden, setText, within } from './dom.ts';
import { HeatView } from './heat-view.ts';
import { printable, printBytes, printCount, printKey, printRange } from './words.ts';

/** A lane (pixels), and what is left free above and below what is in it. */
const LANE = 30;
const GAP = 4;
/** Colours that clusters have in turn; style.css says what they are. */
const COLOURS = 8;
/** Rows of the table that are shown at a time. */
const ROWS = 25;
/** How wide what moves is hatched (pixels). */
const HATCH = 6;

type Lane = { readonly cluster: string; readonly words: string; readonly colour: number };

/** Draws what the last poll has said; anew where the window, or the colours of the system, change. */
export class SpaceView {
  readonly #picture = byId('picture');
  readonly #canvas = within<HTMLCanvasElement>(this.#picture, 'canvas');
  readonly #heat = new HeatView();
  readonly #lanesList: List<Lane>;
  readonly #rows: List<ShownRange>;
  #lanes: readonly Lane[] = [];
  #ranges: readonly ShownRange[] = [];
  #moves: readonly ShownMove[] = [];
  #edges: number[] = [0];
  #by: Weight = 'keys';
  /** By its first key: it is the same range though others come and go. */
  #selected: string | null = null;
  #hovered = -1;
  #page = 0;

  constructor() {
    this.#lanesList = new List(byId('lanes'), ({ cluster }) => cluster, laneItem);
    this.#rows = new List(within(byId('ranges'), 'tbody'), ({ lo }) => lo, rowItem);
    for (const input of byId('widths').querySelectorAll('input')) {
      input.addEventListener('change', () => {
        this.#by = input.value as Weight;
        this.draw();
      });
    }
    this.#picture.addEventListener('keydown', (event) => this.#key(event));
    this.#picture.addEventListener('pointermove', (event) =>
      this.#hover(rangeAt(this.#edges, event.offsetX)),
    );
    this.#picture.addEventListener('pointerleave', () => this.#hover(-1));
    this.#picture.addEventListener('click', (event) => this.#select(rangeAt(this.#edges, event.offsetX)));
    byId('earlier').addEventListener('click', () => this.#turn(-1));
    byId('later').addEventListener('click', () => this.#turn(1));
    byId('ranges').addEventListener('toggle', () => this.#turn(0));
    new ResizeObserver(() => this.draw()).observe(this.#picture);
  }

  /** @param atS by the page's clock (s) */
  show({ map, clusters, moves }: Document, atS: number): void {
    this.#ranges = map.entries;
    this.#heat.add(map.entries, atS);
    this.#moves = moves?.open ?? [];
    const owners = new Set(map.entries.map(({ owner }) => owner));
    // The keeper of a nursery owns nothing, as a rule: a lane for it would say so each day.
    const shown = clusters.filter(({ cluster, isKeeper, isElsewhere }) => {
      return !isElsewhere && (!isKeeper || owners.has(cluster));
    });
    // By name, so that a colour stays where it is.
    const names = [
      ...new Set([...shown.map(({ cluster }) => cluster), ...[...owners].flatMap((owner) => owner ?? [])]),
    ].sort();
    this.#lanes = names.map((cluster, at) => ({
      cluster,
      words: wordsOf(cluster, map.entries),
      colour: at % COLOURS,
    }));
    this.#lanesList.show(this.#lanes);
    this.draw();
    this.#turn(0);
  }

  draw(): void {
    const { clientWidth } = this.#picture;
    const height = this.#lanes.length * LANE;
    if (clientWidth === 0) return;
    this.#edges = edgesOf(this.#ranges, clientWidth, this.#by);
    const ratio = devicePixelRatio;
    const [pixels, lines] = [Math.round(clientWidth * ratio), Math.round(height * ratio)];
    if (this.#canvas.width !== pixels) this.#canvas.width = pixels;
    if (this.#canvas.height !== lines) this.#canvas.height = lines;
    this.#canvas.style.height = `${height}px`;
    const context = this.#canvas.getContext('2d');
    if (context === null) return;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, clientWidth, height);
    const style = getComputedStyle(this.#picture);
    const colour = (name: string): string => style.getPropertyValue(`--${name}`);
    this.#drawLanes(context, clientWidth, colour);
    this.#drawRanges(context, colour);
    this.#drawMoves(context, colour);
    this.#drawSelected(context, height, colour);
    this.#heat.draw(this.#ranges, this.#edges, colour);
    this.#describe();
  }

  #drawLanes(context: CanvasRenderingContext2D, width: number, colour: (name: string) => string): void {
    context.fillStyle = colour('lane');
    for (const at of this.#lanes.keys()) context.fillRect(0, at * LANE + GAP, width, LANE - 2 * GAP);
  }

  #drawRanges(context: CanvasRenderingContext2D, colour: (name: string) => string): void {
    const rows = new Map(this.#lanes.map(({ cluster }, at) => [cluster, at]));
    const fills = this.#lanes.map((lane) => colour(`cluster-${lane.colour}`));
    const wrong = colour('notServing');
    for (const [at, range] of this.#ranges.entries()) {
      const [from, to] = [this.#edges[at] as number, this.#edges[at + 1] as number];
      const isWrong = range.sealedBy !== null || range.isServedByNobody;
      const lanes = range.owner === null ? [...rows.values()] : [rows.get(range.owner) ?? 0];
      for (const lane of lanes) {
        context.fillStyle = isWrong ? wrong : (fills[lane] as string);
        context.globalAlpha = range.owner === null ? 0.4 : 1;
        // A hair between neighbours, where there is room for one.
        const hair = to - from > 4 ? 1 : 0;
        context.fillRect(from, lane * LANE + GAP, to - from - hair, LANE - 2 * GAP);
      }
    }
    context.globalAlpha = 1;
  }

  /** What moves is hatched in the lane that it moves to. */
  #drawMoves(context: CanvasRenderingContext2D, colour: (name: string) => string): void {
    for (const { lo, hi, target } of this.#moves) {
      const lane = this.#lanes.findIndex(({ cluster }) => cluster === target);
      if (lane < 0) continue;
      const first = this.#ranges.findIndex((range) => range.lo === lo);
      const last = hi === null ? this.#ranges.length : this.#ranges.findIndex((range) => range.lo === hi);
      // One that takes a part of a range has no edges of its own yet: it is drawn over the range that it lies in.
      const from = this.#edges[first >= 0 ? first : this.#within(lo)] ?? 0;
      const to =
        this.#edges[last > first && last > 0 ? last : this.#within(hi ?? lo) + 1] ?? this.#edges.at(-1) ?? 0;
      context.save();
      context.beginPath();
      context.rect(from, lane * LANE + GAP, to - from, LANE - 2 * GAP);
      context.clip();
      context.strokeStyle = colour(`cluster-${this.#lanes[lane]?.colour}`);
      context.lineWidth = 2;
      for (let x = from - LANE; x < to; x += HATCH) {
        context.beginPath();
        context.moveTo(x, (lane + 1) * LANE);
        context.lineTo(x + LANE, lane * LANE);
        context.stroke();
      }
      context.strokeRect(from + 1, lane * LANE + GAP + 1, to - from - 2, LANE - 2 * GAP - 2);
      context.restore();
    }
  }

  #drawSelected(context: CanvasRenderingContext2D, height: number, colour: (name: string) => string): void {
    const at = this.#hovered >= 0 ? this.#hovered : this.#selectedAt();
    const [from, to] = [this.#edges[at], this.#edges[at + 1]];
    if (from === undefined || to === undefined) return;
    context.strokeStyle = colour('text');
    context.lineWidth = 2;
    context.strokeRect(from + 1, 1, Math.max(1, to - from - 2), height - 2);
  }

  /** The range in which a key lies, as far as its text tells: it is only for drawing. */
  #within(key: string): number {
    let at = 0;
    while (at + 1 < this.#ranges.length && (this.#ranges[at + 1] as ShownRange).lo <= key) at += 1;
    return at;
  }

  #selectedAt(): number {
    return this.#selected === null ? -1 : this.#ranges.findIndex(({ lo }) => lo === this.#selected);
  }

  #hover(at: number): void {
    if (at === this.#hovered) return;
    this.#hovered = at;
    this.draw();
  }

  #select(at: number): void {
    this.#selected = this.#ranges[at]?.lo ?? null;
    this.draw();
  }

  #key(event: KeyboardEvent): void {
    const last = this.#ranges.length - 1;
    const at = this.#selectedAt();
    const steps: { readonly [key: string]: number } = {
      ArrowRight: at + 1,
      ArrowUp: at + 1,
      ArrowLeft: at - 1,
      ArrowDown: at - 1,
      PageUp: at + 10,
      PageDown: at - 10,
      Home: 0,
      End: last,
    };
    const to = steps[event.key];
    if (to === undefined) return;
    event.preventDefault();
    this.#hovered = -1;
    this.#select(Math.max(0, Math.min(last, to)));
  }

  #describe(): void {
    const selected = this.#selectedAt();
    const range = this.#ranges[this.#hovered >= 0 ? this.#hovered : selected];
    const many = this.#ranges.length;
    setText(
      byId('range'),
      range === undefined ? 'Point at a range, or choose one with the arrow keys.' : describe(range),
    );
    setAttribute(this.#picture, 'aria-valuemax', String(Math.max(1, many)));
    setAttribute(this.#picture, 'aria-valuenow', String(Math.max(1, selected + 1)));
    const chosen = this.#ranges[selected];
    const words = chosen === undefined ? 'none is chosen' : `${selected + 1} of ${many}: ${describe(chosen)}`;
    setAttribute(this.#picture, 'aria-valuetext', words);
  }

  #turn(by: number): void {
    const pages = Math.max(1, Math.ceil(this.#ranges.length / ROWS));
    this.#page = Math.max(0, Math.min(pages - 1, this.#page + by));
    if (!byId<HTMLDetailsElement>('ranges').open) return;
    const from = this.#page * ROWS;
    const rows = this.#ranges.slice(from, from + ROWS);
    this.#rows.show(rows);
    setText(byId('shown'), `${from + 1} to ${from + rows.length} of ${this.#ranges.length}`);
    byId<HTMLButtonElement>('earlier').disabled = this.#page === 0;
    byId<HTMLButtonElement>('later').disabled = this.#page === pages - 1;
    setHidden(within(byId('ranges'), '.pages'), pages === 1);
  }
}

function laneItem({ cluster }: Lane) {
  const swatch = make('span');
  const words = make('span', 'amount');
  const element = make('li', '', swatch, make('span', 'name', printable(cluster)), words);
  const update = (lane: Lane): void => {
    setAttribute(swatch, 'class', `swatch cluster-${lane.colour}`);
    setText(words, lane.words);
  };
  return { element, update };
}

/** How much a cluster has. */
function wordsOf(cluster: string, entries: readonly ShownRange[]): string {
  const own = entries.filter(({ owner }) => owner === cluster);
  const ranges = own.reduce((sum, range) => sum + range.ranges, 0);
  if (ranges === 0) return 'nothing';
  const many = `${ranges} ${ranges === 1 ? 'range' : 'ranges'}`;
  if (own.some(({ keys }) => keys === null)) return many;
  const keys = own.reduce((sum, range) => sum + (range.keys ?? 0), 0);
  const bytes = own.reduce((sum, range) => sum + (range.bytes ?? 0), 0);
  return `${many}, ${printCount(keys)} keys, ${printBytes(bytes)}`;
}

function describe(range: ShownRange): string {
  const { owner, epoch, ranges, keys, bytes, perSecond, sealedBy, isServedByNobody } = range;
  const wrong = [
    ...(sealedBy === null ? [] : [`sealed for move ${sealedBy}: nobody serves it`]),
    ...(isServedByNobody ? ['nobody serves it'] : []),
  ];
  return [
    printRange(range),
    ...(ranges === 1 ? [] : [`${ranges} ranges`]),
    owner === null ? 'of several clusters' : printable(owner),
    keys === null ? 'not counted yet' : `${printCount(keys)} keys, ${printBytes(bytes ?? 0)}`,
    ...(perSecond === null ? [] : [`${printCount(perSecond)} requests a second`]),
    `epoch ${epoch}`,
    ...wrong,
  ].join(' · ');
}

function rowItem() {
  const cells = ['key', 'key', '', '', 'number', 'number', 'number'].map((className) =>
    make('td', className),
  );
  const update = (range: ShownRange): void => {
    const { lo, hi, owner, epoch, keys, bytes, perSecond } = range;
    const texts = [
      lo === '' ? 'start' : printKey(lo),
      hi === null ? 'end' : printKey(hi),
      owner === null ? 'several' : printable(owner),
      String(epoch),
      keys === null ? '–' : printCount(keys),
      bytes === null ? '–' : printBytes(bytes),
      perSecond === null ? '–' : printCount(perSecond),
    ];
    for (const [at, text] of texts.entries()) setText(cells[at] as HTMLElement, text);
    for (const [at, key] of [lo, hi ?? ''].entries())
      setAttribute(cells[at] as HTMLElement, 'title', printable(key));
  };
  return { element: make('tr', '', ...cells), update };
}

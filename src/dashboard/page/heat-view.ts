/** The heat map below the key space: in each column a part of it, from top to bottom the last ten minutes. */
import type { ShownRange } from '../document.ts';
import { byId, setText } from './dom.ts';
import { darkness, Heat, ROWS_MAX } from './heat.ts';
import { printable, printCount, printRange } from './words.ts';

/** Opaque, as bytes of an image are counted. */
const OPAQUE = 255;

/** Draws it, as wide as the key space. */
export class HeatView {
  readonly #heat = new Heat();
  readonly #canvas = byId<HTMLCanvasElement>('heat');

  /** Takes what a poll said. */
  add(ranges: readonly ShownRange[], atS: number): void {
    this.#heat.add(ranges, atS);
    setText(byId('heat-words'), wordsOf(ranges, this.#heat.most));
  }

  /** @param edges where each range begins in the key space (pixels), and where the last ends */
  draw(ranges: readonly ShownRange[], edges: readonly number[], colour: (name: string) => string): void {
    const width = Math.max(1, Math.round(edges.at(-1) ?? 0));
    // One line for each row, which style.css stretches.
    this.#canvas.width = width;
    this.#canvas.height = ROWS_MAX;
    const context = this.#canvas.getContext('2d');
    if (context === null) return;
    const [red, green, blue] = bytesOf(context, colour('heat'));
    const image = context.createImageData(width, ROWS_MAX);
    const { most, rows } = this.#heat;
    for (const [at, row] of rows.entries()) {
      const line = ROWS_MAX - rows.length + at;
      for (const [index, rate] of this.#heat.ratesIn(row, ranges).entries()) {
        const alpha = Math.round(OPAQUE * darkness(rate ?? 0, most));
        const [from, to] = [Math.round(edges[index] ?? 0), Math.round(edges[index + 1] ?? 0)];
        for (let x = from; x < to; x += 1) image.data.set([red, green, blue, alpha], 4 * (line * width + x));
      }
    }
    context.putImageData(image, 0, 0);
  }
}

/** A colour of style.css as red, green and blue. */
function bytesOf(
  context: CanvasRenderingContext2D,
  colour: string,
): readonly [red: number, green: number, blue: number] {
  context.fillStyle = colour; // reads back as #rrggbb
  const [red = 0, green = 0, blue = 0] = [1, 3, 5].map((at) =>
    Number.parseInt(String(context.fillStyle).slice(at, at + 2), 16),
  );
  return [red, green, blue];
}

function wordsOf(ranges: readonly ShownRange[], most: number): string {
  const [busiest] = [...ranges].sort((one, other) => (other.perSecond ?? 0) - (one.perSecond ?? 0));
  const rate = busiest?.perSecond ?? 0;
  const now =
    busiest === undefined || rate === 0
      ? 'nobody asks for anything now'
      : `busiest now: ${printRange(busiest)}${busiest.owner === null ? '' : ` at ${printable(busiest.owner)}`}, ${printCount(rate)} requests a second`;
  const before = most === 0 ? '' : `; darkest: ${printCount(most)} a second`;
  return `Load over the last ten minutes, as this page has seen it, the newest at the bottom: ${now}${before}.`;
}

/** How fast a copy is, and how long it will still take: for people. */
import type { Rate } from '../src/client/moves.ts';
import type { Progress } from '../src/protocol/admin/admin.ts';

type Sample = { readonly atMs: number; readonly keys: number; readonly bytes: number };

/** Time that a rate is taken over (ms). */
const WINDOW_MS = 3000;

/** Takes the progress reports of one migration as they come. */
export class RateMeter {
  #samples: Sample[] = [];

  /** The rate as of this report, which was made at `nowMs`. */
  add({ keysCopied, bytesCopied, keysTotal }: Progress, nowMs: number): Rate {
    const sample = { atMs: nowMs, keys: keysCopied, bytes: bytesCopied };
    this.#samples = [...this.#samples.filter(({ atMs }) => nowMs - atMs <= WINDOW_MS), sample];
    const first = this.#samples[0] as Sample;
    const seconds = (nowMs - first.atMs) / 1000;
    if (seconds <= 0) return { keysPerSecond: 0, bytesPerSecond: 0, secondsLeft: null };
    const keysPerSecond = (keysCopied - first.keys) / seconds;
    const bytesPerSecond = (bytesCopied - first.bytes) / seconds;
    const isKnown = keysTotal > 0 && keysPerSecond > 0;
    const secondsLeft = isKnown ? Math.max(keysTotal - keysCopied, 0) / keysPerSecond : null;
    return { keysPerSecond, bytesPerSecond, secondsLeft };
  }
}

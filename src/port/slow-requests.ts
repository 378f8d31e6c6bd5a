/** Requests that took long, in the log: for which key, and where the time went; so many lines a second, and no more. */
import { type Key, printKey } from '../base/bytes.ts';
import type { Logger } from '../process/log.ts';
import { keyOfRead, keyOfUpdate } from '../protocol/arakoon/quick.ts';
import { REQUEST_CODES, type RequestKind, requestName, rowOf } from '../protocol/arakoon/request-table.ts';

/** Lines in any second at most: where everything is slow, a few say it. */
const LINES_MAX = 5;
const SECOND_MS = 1000;
/** Characters of a key in a line at most. */
export const KEY_SHOWN_MAX = 200;

/**
 * When the batch of an update was taken to be proposed, when it was chosen, and when it was applied (monotonic, ms). What lies
 * between: it waits for its turn; it is sent, synced and accepted; it waits to be applied, and is.
 */
export type Stages = { readonly takenMs: number; readonly chosenMs: number; readonly appliedMs: number };

/** A request that was answered. */
export type Timed = {
  readonly kind: RequestKind;
  /** Read where `key` is null, and the request is of one key; null where it is not kept. */
  readonly frame: Uint8Array | null;
  readonly key: Key | null;
  readonly begunMs: number;
  readonly endedMs: number;
  /** Null where nobody knows. */
  readonly stages: Stages | null;
};

/** Logs them for one process. */
export class SlowRequests {
  readonly #logger: Pick<Logger, 'info'>;
  #secondMs = Number.NEGATIVE_INFINITY;
  #lines = 0;
  #leftOut = 0;

  constructor(logger: Pick<Logger, 'info'>) {
    this.#logger = logger;
  }

  /** One more. Each line says how many were left out before it. */
  took(timed: Timed): void {
    const { kind, begunMs, endedMs } = timed;
    if (endedMs - this.#secondMs >= SECOND_MS) {
      this.#secondMs = endedMs;
      this.#lines = 0;
    }
    if (this.#lines >= LINES_MAX) {
      this.#leftOut += 1;
      return;
    }
    this.#lines += 1;
    const leftOut = this.#leftOut;
    this.#leftOut = 0;
    const key = keyIn(timed);
    this.#logger.info(
      {
        request: requestName(REQUEST_CODES[kind]),
        ...(key === null ? {} : { key: printKey(key).slice(0, KEY_SHOWN_MAX) }),
        tookMs: Math.round(endedMs - begunMs),
        ...partsOf(timed),
        ...(leftOut === 0 ? {} : { leftOut }),
      },
      'a request took long',
    );
  }
}

/** The key of a request, read from its frame where nobody has said it; null where it names none, or several. */
export function keyIn({ kind, frame, key }: Pick<Timed, 'kind' | 'frame' | 'key'>): Key | null {
  const { names, by } = rowOf(kind);
  if (key !== null || frame === null || names !== 'key') return key;
  return by === 'log' ? keyOfUpdate(frame) : keyOfRead(frame);
}

function partsOf({ begunMs, endedMs, stages }: Timed): object {
  // What came after the batch was taken, and was answered beside it, is of none.
  if (stages === null || stages.takenMs < begunMs) return {};
  const { takenMs, chosenMs, appliedMs } = stages;
  return {
    queueMs: Math.round(takenMs - begunMs),
    chooseMs: Math.round(chosenMs - takenMs),
    applyMs: Math.round(appliedMs - chosenMs),
    answerMs: Math.round(endedMs - appliedMs),
  };
}

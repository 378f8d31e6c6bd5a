/** Times what a process is asked, logs what took long, and reports its figures from time to time. */
import type { Key } from '../base/bytes.ts';
import type { Collection } from '../process/collections.ts';
import type { Logger } from '../process/log.ts';
import { Operations, writtenBytes } from '../protocol/arakoon/operations.ts';
import type { RequestKind } from '../protocol/arakoon/request-table.ts';
import type { Field } from '../protocol/arakoon/statistics.ts';
import type { Answer } from '../protocol/arakoon/values.ts';
import { keyIn, SlowRequests, type Stages } from './slow-requests.ts';

/** What takes longer is logged (ms), as Arakoon does. */
export const SLOW_MS = 1000;
/** A longer frame is not kept until its answer, only to say its key if that should be slow: whoever has taken it lets it go (bytes). */
const FRAME_KEPT_MAX = 4096;

export type RecordingOptions = {
  readonly logger: Logger;
  /** What takes longer is logged (ms). Default: a second. */
  readonly slowMs?: number;
  /** Monotonic (ms). */
  nowMs(): number;
  /** For people (ms since 1970). */
  wallMs(): number;
};

/** The one recorder of a process. */
export class Recording {
  readonly operations: Operations;
  /** Hears of each answer to a request of so many bytes that names a key, the first of which is `key`. */
  heard: (kind: RequestKind, key: Key, bytes: number, answer: Answer) => void = () => undefined;
  readonly #options: RecordingOptions;
  /** Where the time of what is being answered went; null: nobody knows. */
  stages: () => Stages | null = () => null;
  readonly #slow: SlowRequests;
  readonly #slowMs: number;
  readonly #collections = { minor: 0, major: 0 };

  constructor(options: RecordingOptions) {
    this.#options = options;
    this.operations = new Operations(options.wallMs() / 1000);
    this.#slow = new SlowRequests(options.logger);
    this.#slowMs = options.slowMs ?? SLOW_MS;
  }

  /**
   * What hears the answer to `frame`, which begins now: it is counted, then passed on.
   *
   * @param key the first key that it names; null: none, or nobody wants to hear of it
   */
  timed(
    kind: RequestKind,
    frame: Uint8Array,
    respond: (answer: Answer) => void,
    key: Key | null = null,
  ): (answer: Answer) => void {
    const { nowMs, wallMs } = this.#options;
    const begunMs = nowMs();
    const written = writtenBytes(kind, frame);
    const bytes = frame.length;
    const named = bytes > FRAME_KEPT_MAX ? keyIn({ kind, frame, key }) : key;
    const kept = bytes > FRAME_KEPT_MAX ? null : frame;
    return (answer) => {
      const endedMs = nowMs();
      const tookMs = endedMs - begunMs;
      this.operations.answered(kind, tookMs / 1000, written, answer);
      this.operations.lastAt(wallMs() / 1000);
      if (tookMs > this.#slowMs)
        this.#slow.took({ kind, frame: kept, key: named, begunMs, endedMs, stages: this.stages() });
      if (key !== null) this.heard(kind, key, bytes, answer);
      respond(answer);
    };
  }

  /** Garbage was collected. */
  collected(kind: Collection): void {
    this.#collections[kind] += 1;
  }

  /**
   * All that Arakoon's statistics have, in the order in which its tools read it; more may follow.
   *
   * @param seen the slot that each node was last known to have
   */
  fields(seen: readonly { readonly node: string; readonly slot: number }[]): Field[] {
    const { heapUsed, external } = process.memoryUsage();
    const int = (name: string, value: number): Field => ({ name, kind: 'int', value });
    return [
      ...this.operations.periodFields(),
      { name: 'mem_allocated', kind: 'float', value: (heapUsed + external) / 1024 },
      int('mem_maxrss', process.resourceUsage().maxRSS),
      int('mem_minor_collections', this.#collections.minor),
      int('mem_major_collections', this.#collections.major),
      int('mem_compactions', 0), // part of the major ones, of which the engine does not say how many
      {
        name: 'node_is',
        kind: 'list',
        value: seen.map(({ node, slot }): Field => ({ name: node, kind: 'int64', value: slot })),
      },
    ];
  }

  /** Logs the figures since the last report, and begins those of the next one. */
  report(): void {
    const { logger, wallMs } = this.#options;
    logger.info({ statistics: plain(this.operations.periodFields()) }, 'statistics');
    this.operations.beginAnew(wallMs() / 1000);
  }
}

/** Fields as an object, for a line of the log: what was not asked is left out. */
function plain(fields: readonly Field[]): { readonly [name: string]: unknown } {
  const entries = fields.flatMap((field): [string, unknown][] => {
    if (field.kind !== 'list') return [[field.name, field.value]];
    const value = plain(field.value);
    return value['n'] === 0 ? [] : [[field.name, value]];
  });
  return Object.fromEntries(entries);
}

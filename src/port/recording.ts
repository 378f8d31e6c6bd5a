/** Times what a process is asked, logs what took long, and reports its figures from time to time. */
import type { Collection } from '../process/collections.ts';
import type { Logger } from '../process/log.ts';
import { Repeated } from '../process/repeated.ts';
import { Operations, writtenBytes } from '../protocol/arakoon/operations.ts';
import { REQUEST_CODES, type RequestKind, requestName } from '../protocol/arakoon/request-table.ts';
import type { Field } from '../protocol/arakoon/statistics.ts';
import type { Answer } from '../protocol/arakoon/values.ts';

/** What takes longer is logged (ms), as Arakoon does; of several of one kind within a minute the first, and how many they were. */
const SLOW_MS = 1000;

export type RecordingOptions = {
  readonly logger: Logger;
  /** Monotonic (ms). */
  nowMs(): number;
  /** For people (ms since 1970). */
  wallMs(): number;
};

/** The one recorder of a process. */
export class Recording {
  readonly operations: Operations;
  readonly #options: RecordingOptions;
  readonly #slow = new Map<RequestKind, Repeated>();
  /** How long the last slow one took (ms). */
  #slowMs = 0;
  readonly #collections = { minor: 0, major: 0 };

  constructor(options: RecordingOptions) {
    this.#options = options;
    this.operations = new Operations(options.wallMs() / 1000);
  }

  /** What hears the answer to `frame`, which begins now: it is counted, then passed on. */
  timed(kind: RequestKind, frame: Uint8Array, respond: (answer: Answer) => void): (answer: Answer) => void {
    const { nowMs, wallMs } = this.#options;
    const begunMs = nowMs();
    const written = writtenBytes(kind, frame);
    return (answer) => {
      const tookMs = nowMs() - begunMs;
      this.operations.answered(kind, tookMs / 1000, written, answer);
      this.operations.lastAt(wallMs() / 1000);
      if (tookMs > SLOW_MS) this.#tookLong(kind, tookMs);
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

  #tookLong(kind: RequestKind, tookMs: number): void {
    this.#slowMs = tookMs;
    let slow = this.#slow.get(kind);
    if (slow === undefined) {
      const { logger, nowMs } = this.#options;
      const request = requestName(REQUEST_CODES[kind]);
      slow = new Repeated((times) => {
        logger.info({ request, tookMs: Math.round(this.#slowMs), times }, 'a request took long');
      }, nowMs);
      this.#slow.set(kind, slow);
    }
    slow.happened();
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

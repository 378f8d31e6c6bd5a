/**
 * What was asked of a process, and how long it took: the figures of Arakoon's statistics, and the same of each operation since the
 * start. Pure: whoever asks it tells the time.
 */
import { RETURN_CODES } from '../../base/errors.ts';
import { REQUEST_CODES, type RequestKind, requestName } from './request-table.ts';
import type { Field } from './statistics.ts';
import { type Answer, RETURN_CODE_BYTES, returnCodeOf } from './values.ts';

/** What stands for the least of nothing: Arakoon's tools show it as "n/a". */
const NO_MINIMUM = Number.MAX_VALUE;

/** Number, least, greatest, mean and variance of what was measured, none of which is kept (Welford's method). */
export class Figures {
  n = 0;
  min = NO_MINIMUM;
  max = 0;
  /** Sum of the squares of the distances from the mean. */
  m2 = 0;
  avg = 0;

  /** Takes one measurement. */
  add(value: number): void {
    this.n += 1;
    if (value < this.min) this.min = value;
    if (value > this.max) this.max = value;
    const distance = value - this.avg;
    this.avg += distance / this.n;
    this.m2 += distance * (value - this.avg);
  }

  /** Of a sample; 0 where there is none, or one alone. */
  get variance(): number {
    return this.n < 2 ? 0 : this.m2 / (this.n - 1);
  }

  /** As Arakoon lists them, `n` in so many bits. */
  fields(kind: 'int' | 'int64'): Field[] {
    const float = (name: string, value: number): Field => ({ name, kind: 'float', value });
    return [
      { name: 'n', kind, value: this.n },
      float('min', this.min),
      float('max', this.max),
      float('m2', this.m2),
      float('avg', this.avg),
      float('var', this.variance),
    ];
  }
}

/** Arakoon's groups of operations, in the order in which its tools read them. */
const GROUPS = [
  'set_info',
  'get_info',
  'del_info',
  'seq_info',
  'mget_info',
  'mget_option_info',
  'tas_info',
  'replace_info',
  'range_info',
  'range_entries_info',
  'rev_range_entries_info',
  'prefix_info',
  'delete_prefix_info',
] as const;
type Group = (typeof GROUPS)[number];

/** Arakoon's means of sizes, in the order in which its tools read them: bytes of values, or numbers of keys. */
const SIZES = [
  'avg_set_size',
  'avg_get_size',
  'avg_range_size',
  'avg_range_entries_size',
  'avg_rev_range_entries_size',
  'avg_prefix_size',
  'avg_del_prefix_size',
] as const;
type Size = (typeof SIZES)[number];

/** Where Arakoon counts an operation; it does not count others by themselves. */
const COUNTED: { readonly [K in RequestKind]?: { readonly group: Group; readonly size?: Size } } = {
  set: { group: 'set_info', size: 'avg_set_size' },
  confirm: { group: 'set_info', size: 'avg_set_size' },
  get: { group: 'get_info', size: 'avg_get_size' },
  delete: { group: 'del_info' },
  sequence: { group: 'seq_info' },
  syncedSequence: { group: 'seq_info' },
  multiGet: { group: 'mget_info' },
  multiGetOption: { group: 'mget_option_info' },
  testAndSet: { group: 'tas_info' },
  replace: { group: 'replace_info' },
  range: { group: 'range_info', size: 'avg_range_size' },
  rangeEntries: { group: 'range_entries_info', size: 'avg_range_entries_size' },
  revRangeEntries: { group: 'rev_range_entries_info', size: 'avg_rev_range_entries_size' },
  prefixKeys: { group: 'prefix_info', size: 'avg_prefix_size' },
  deletePrefix: { group: 'delete_prefix_info', size: 'avg_del_prefix_size' },
};

/** Since the last report. */
class Period {
  readonly startS: number;
  lastS: number;
  readonly harvest = new Figures();
  readonly all = new Figures();
  readonly groups = new Map<Group, Figures>(GROUPS.map((group) => [group, new Figures()]));
  readonly sizes = new Map<Size, Figures>(SIZES.map((size) => [size, new Figures()]));

  constructor(wallS: number) {
    this.startS = wallS;
    this.lastS = wallS;
  }

  fields(): Field[] {
    const float = (name: string, value: number): Field => ({ name, kind: 'float', value });
    const list = (name: string, figures: Figures): Field => {
      return { name, kind: 'list', value: figures.fields('int') };
    };
    return [
      float('start', this.startS),
      float('last', this.lastS),
      ...[...this.sizes].map(([name, { avg }]) => float(name, avg)),
      list('harvest_stats', this.harvest),
      ...[...this.groups].map(([name, figures]) => list(name, figures)),
      list('op_info', this.all),
    ];
  }
}

/** Upper bounds of the buckets that times are counted in (s); the last bucket has none. */
export const LATENCY_BOUNDS_S = [
  0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10,
] as const;

/** Times in buckets: an addition for each, and nothing is kept. */
export class Latencies {
  readonly counts = new Float64Array(LATENCY_BOUNDS_S.length + 1);
  seconds = 0;

  add(seconds: number): void {
    let at = 0;
    while (at < LATENCY_BOUNDS_S.length && seconds > (LATENCY_BOUNDS_S[at] as number)) at += 1;
    this.counts[at] = (this.counts[at] as number) + 1;
    this.seconds += seconds;
  }
}

type Total = {
  readonly figures: Figures;
  failed: number;
  readonly ok: Latencies;
  readonly notOk: Latencies;
};

/** Records every operation of a process, once. */
export class Operations {
  #period: Period;
  /** Since the start; as many as there are kinds of requests. */
  readonly #totals = new Map<RequestKind, Total>();

  /** @param wallS what the clock on the wall says (seconds since 1970) */
  constructor(wallS: number) {
    this.#period = new Period(wallS);
  }

  /** How many of this kind were answered since the start, with success or not. */
  count(kind: RequestKind): number {
    const total = this.#totals.get(kind);
    return total === undefined ? 0 : total.figures.n + total.failed;
  }

  /**
   * An operation was answered.
   *
   * @param seconds how long that took
   * @param written bytes of the value in it, where it has one (`writtenBytes`)
   */
  answered(kind: RequestKind, seconds: number, written: number, answer: Answer): void {
    let total = this.#totals.get(kind);
    if (total === undefined) {
      total = { figures: new Figures(), failed: 0, ok: new Latencies(), notOk: new Latencies() };
      this.#totals.set(kind, total);
    }
    if (returnCodeOf(answer.bytes) !== RETURN_CODES.OK) {
      total.failed += 1;
      total.notOk.add(seconds);
      return;
    }
    total.figures.add(seconds);
    total.ok.add(seconds);
    const counted = COUNTED[kind];
    if (counted === undefined) return;
    this.#period.all.add(seconds);
    this.#period.groups.get(counted.group)?.add(seconds);
    if (counted.size !== undefined) this.#period.sizes.get(counted.size)?.add(sizeOf(kind, written, answer));
  }

  /** How long each operation took since the start, by whether it succeeded; those that were asked. */
  latencies(): {
    readonly kind: RequestKind;
    readonly operation: string;
    readonly outcome: 'ok' | 'failed';
    readonly counts: Float64Array;
    readonly seconds: number;
  }[] {
    return [...this.#totals].flatMap(([kind, { figures, failed, ok, notOk }]) => {
      const operation = requestName(REQUEST_CODES[kind]);
      return [
        ...(figures.n > 0 ? [{ kind, operation, outcome: 'ok' as const, ...ok }] : []),
        ...(failed > 0 ? [{ kind, operation, outcome: 'failed' as const, ...notOk }] : []),
      ];
    });
  }

  /** So many updates went into one slot. */
  harvested(updates: number): void {
    this.#period.harvest.add(updates);
  }

  /** When something was last asked, by the clock on the wall (seconds since 1970). */
  lastAt(wallS: number): void {
    this.#period.lastS = wallS;
  }

  /** The figures that Arakoon begins anew with each report, in its order. */
  periodFields(): Field[] {
    return this.#period.fields();
  }

  /** The same of each operation since the start, by the name that Arakoon's clients have for it. */
  totalFields(): Field {
    const value = [...this.#totals]
      .map(([kind, { figures, failed }]): Field => {
        const count: Field = { name: 'failed', kind: 'int64', value: failed };
        const fields = [...figures.fields('int64'), count];
        return { name: requestName(REQUEST_CODES[kind]), kind: 'list', value: fields };
      })
      .sort((one, other) => (one.name < other.name ? -1 : 1));
    return { name: 'since_start', kind: 'list', value };
  }

  /** A report was made: the figures of the next one begin. */
  beginAnew(wallS: number): void {
    this.#period = new Period(wallS);
  }
}

/** Bytes of the value that a request's frame carries, where its size is counted; to be asked before the frame is used again. */
export function writtenBytes(kind: RequestKind, frame: Uint8Array): number {
  if ((kind !== 'set' && kind !== 'confirm') || frame.length < 12) return 0;
  return frame.length - 12 - readInt(frame, 4); // magic, and two lengths
}

/** Bytes of a value, or how many keys. */
function sizeOf(kind: RequestKind, written: number, { bytes, rest = [] }: Answer): number {
  if (kind === 'set' || kind === 'confirm') return written;
  if (kind !== 'get') return readInt(bytes, RETURN_CODE_BYTES);
  const length = rest.reduce((sum, piece) => sum + piece.length, bytes.length);
  return length - RETURN_CODE_BYTES - 4;
}

function readInt(bytes: Uint8Array, offset: number): number {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getUint32(offset, true);
}

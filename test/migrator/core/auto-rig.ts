/** A nursery of numbers under planners that move by themselves: a keeper that takes their plans as the real one does, and a clock. */
import {
  AUTO_BEGINNING,
  type AutoSeen,
  type AutoState,
  judgeAuto,
  planAuto,
} from '../../../migrator/core/auto.ts';
import type { Told } from '../../../migrator/core/weigh.ts';
import { overlaps, type Range } from '../../../src/keyspace/range.ts';
import { carve, type MapEntry, RangeMap } from '../../../src/keyspace/rangemap.ts';
import { type Migration, NO_PROGRESS } from '../../../src/protocol/admin/admin.ts';
import { type AutoWish, NO_AUTO } from '../../../src/protocol/admin/auto.ts';
import { isMerge, isOpen, UNSAID } from '../../../src/protocol/admin/migration.ts';
import type { AutoVerdict, PlannedMove } from '../../../src/protocol/admin/moves.ts';
import { createRandom, type Random } from '../../support/random.ts';

export const WISH: AutoWish = { ...NO_AUTO, number: 1, isOn: true };
/** How long a move takes (ms). */
export const MOVE_MS = 45_000;
/** Records that are kept beside the open ones. */
const RECORDS = 500;
/** Cells of keys that carry weight, for each range at the beginning. */
const CELLS = 4;

type Bare = {
  readonly mid: number;
  readonly phase: Migration['phase'];
  readonly reason: 'person' | 'auto';
  readonly endedMs?: number;
  readonly bytes?: number;
} & Partial<Migration>;

/** A record of a move; `endedMs` by the wall clock. */
export function asks({ mid, phase, reason, endedMs = 0, bytes = 1, ...more }: Bare): Migration {
  return {
    mid,
    source: 'a',
    target: 'b',
    lo: '',
    hi: null,
    phase,
    token: 1,
    heartbeat: 1,
    wish: 'run',
    why: '',
    progress: { ...NO_PROGRESS, startedAtMs: endedMs },
    receipt: { sealSlot: 1, digest: { sum: 0n, count: 1, bytes }, pauseMs: 1, pauseAtLeast: false },
    asked: { ...UNSAID, reason },
    ...more,
  };
}

/** A cell weighs as much by size as by load, so that one judge does for both. */
type Cell = { readonly key: string; weight: number };
type Filled = { readonly entry: MapEntry; readonly cells: readonly Cell[]; readonly weight: number };

export type WorldOptions = {
  readonly seed: number;
  readonly clusters: number;
  readonly ranges: number;
  readonly planners?: number;
  readonly wish: Partial<AutoWish>;
  /** Whether neighbours have different owners, mostly. Default: yes. */
  readonly isScattered?: boolean;
};

export class World {
  readonly #random: Random;
  readonly #wish: AutoWish;
  readonly #ids: readonly string[];
  readonly #cells: Cell[];
  readonly #states: AutoState[];
  readonly #silent = new Set<string>();
  /** By cluster: by what its counters are wrong at this moment, and what it said a minute ago, where it says that now. */
  readonly #lies = new Map<string, number>();
  readonly #said = new Map<string, Told>();
  readonly #late = new Set<string>();
  #map: RangeMap;
  #records: Migration[] = [];
  /** When each open move ends (ms). */
  readonly #ends = new Map<number, number>();
  #lastMid = 1;
  #nowMs = 1e12;
  /** Moves of what had moved within the cool-down. */
  back = 0;
  readonly verdicts: AutoVerdict[] = [];
  /** Of clusters that are not in the pool without a name. */
  pools: Readonly<Record<string, string>> = {};

  constructor({ seed, clusters, ranges, planners = 1, wish, isScattered = true }: WorldOptions) {
    this.#random = createRandom(seed);
    this.#wish = { ...WISH, ...wish };
    this.#ids = Array.from({ length: clusters }, (_, n) => `c${n}`);
    this.#states = Array.from({ length: planners }, () => AUTO_BEGINNING);
    const keyOf = (n: number): string => `k${String(n).padStart(7, '0')}`;
    this.#cells = Array.from({ length: ranges * CELLS }, (_, n) => ({
      key: keyOf(n),
      weight: 1 + 200 * this.#random.next() ** 3,
    }));
    const ownerOf = (n: number): string =>
      isScattered
        ? // The first ones have more.
          (this.#ids[Math.floor(this.#random.next() ** 1.6 * clusters)] as string)
        : (this.#ids[Math.floor((n * clusters) / ranges)] as string);
    this.#map = RangeMap.of(
      1,
      Array.from({ length: ranges }, (_, n): MapEntry => {
        const lo = n === 0 ? '' : keyOf(n * CELLS);
        return { lo, hi: n === ranges - 1 ? null : keyOf((n + 1) * CELLS), owner: ownerOf(n), epoch: n + 1 };
      }),
    );
    this.#lastMid = ranges + 1;
  }

  get verdict(): AutoVerdict {
    return this.verdicts.at(-1) as AutoVerdict;
  }

  get entries(): number {
    return this.#map.entries.length;
  }

  stateOf(planner: number): AutoState {
    return this.#states[planner] as AutoState;
  }

  /** What the fullest cluster has in truth, as a share of the mean. */
  most(): number {
    const sums = [...this.#sums().values()];
    return Math.max(...sums) / (sums.reduce((total, each) => total + each, 0) / sums.length);
  }

  /** Scales what each cluster has. */
  weigh(wanted: Readonly<Record<string, number>>): void {
    const sums = this.#sums();
    for (const { entry, cells } of this.#weights())
      for (const cell of cells) cell.weight *= (wanted[entry.owner] ?? 0) / (sums.get(entry.owner) || 1);
    this.#weighed = null;
  }

  /** From one round to the next each cell is asked for a little more or less, and now and then a piece of the keys becomes hot. */
  drift(): void {
    this.#weighed = null;
    for (const cell of this.#cells)
      cell.weight = Math.max(0.5, cell.weight * (0.97 + 0.06 * this.#random.next()));
    if (!this.#random.chance(0.05)) return;
    const from = this.#random.below(this.#cells.length);
    const factor = this.#random.pick([0.2, 4]);
    for (const cell of this.#cells.slice(from, from + 40))
      cell.weight = Math.min(500, Math.max(0.5, cell.weight * factor));
  }

  /** Some say nothing, some what they said a minute ago, and the others are wrong by up to a fifth. */
  lie(_round: number): void {
    this.#silent.clear();
    this.#late.clear();
    for (const id of this.#ids) {
      this.#lies.set(id, 0.8 + 0.4 * this.#random.next());
      if (this.#random.chance(0.1)) this.#silent.add(id);
      else if (this.#random.chance(0.2)) this.#late.add(id);
    }
  }

  silence(id: string): void {
    this.#silent.add(id);
  }

  /** Every range of a cluster has just come to it, since somebody wanted that. */
  movedByPerson(id: string): void {
    for (const { lo, hi, owner } of this.#map.entries) {
      if (owner !== id) continue;
      this.#lastMid += 1;
      this.#records.push(
        asks({
          mid: this.#lastMid,
          phase: 'done',
          reason: 'person',
          endedMs: this.#nowMs,
          source: 'x',
          target: id,
          lo,
          hi,
        }),
      );
    }
  }

  /** One look of a planner, whose plan comes to the keeper at once; how many moves that begins. */
  look(planner: number): number {
    const seen = this.seen();
    const judged = judgeAuto(this.stateOf(planner), seen);
    const plan = planAuto(judged, {
      buckets: new Map(judged.split.map((id) => [id, this.#bucketsOf(id)])),
      freeOf: new Map(),
    });
    this.#states[planner] = plan.state;
    this.verdicts.push(plan.verdict);
    return plan.moves.filter((move) => this.#take(move, seen.map.version) && move.source !== move.target)
      .length;
  }

  pass(ms: number): void {
    for (const id of this.#ids) if (!this.#late.has(id)) this.#said.set(id, this.#toldBy(id));
    this.#nowMs += ms;
    for (const [mid, endMs] of this.#ends) if (endMs <= this.#nowMs) this.#end(mid, endMs);
  }

  seen(): AutoSeen {
    const told = (id: string): Told | null =>
      this.#silent.has(id) ? null : this.#late.has(id) ? (this.#said.get(id) ?? null) : this.#toldBy(id);
    return {
      wish: this.#wish,
      migrations: this.#records,
      isCut: false,
      wallMs: this.#nowMs,
      map: this.#map,
      toldOf: new Map(this.#ids.map((id) => [id, told(id)])),
    };
  }

  /** As the keeper does: for the present map, within the bound, and with nobody who takes part in another one. */
  #take(move: PlannedMove, mapVersion: number): boolean {
    const open = this.#records.filter(isOpen);
    const ends = [move.source, move.target];
    const isFree = !open.some(({ source, target }) => ends.includes(source) || ends.includes(target));
    if (mapVersion !== this.#map.version || open.length >= this.#wish.movesMax || !isFree) return false;
    const isMerging = move.source === move.target;
    const cooledMs = this.#nowMs - this.#wish.coolDownSeconds * 1000;
    const isBack = (each: Migration): boolean =>
      !isMerge(each) && each.progress.startedAtMs > cooledMs && overlaps(each, move);
    if (this.#records.some(isBack)) this.back += 1;
    this.#lastMid += 1;
    const bytes = Math.round(this.#weightIn(move));
    this.#records.push(
      asks({
        ...move,
        mid: this.#lastMid,
        phase: 'active',
        reason: 'auto',
        endedMs: this.#nowMs,
        bytes,
        ...(isMerging ? { merges: [] } : {}),
      }),
    );
    this.#ends.set(this.#lastMid, this.#nowMs + (isMerging ? 1000 : MOVE_MS));
    return true;
  }

  #end(mid: number, endMs: number): void {
    this.#ends.delete(mid);
    const at = this.#records.findIndex((each) => each.mid === mid);
    const record = this.#records[at] as Migration;
    const { lo, hi, target, progress, receipt } = record;
    this.#map = carve(this.#map, { lo, hi }, target, mid);
    this.#records[at] = {
      ...record,
      phase: 'done',
      receipt: receipt && { ...receipt, tookMs: endMs - progress.startedAtMs },
    };
    if (this.#records.length > RECORDS) this.#records = this.#records.slice(-RECORDS);
  }

  /** From now on it is known what an open move brings: it has copied a tenth. */
  copy(): void {
    this.#records = this.#records.map((record) => {
      if (!isOpen(record)) return record;
      const bytesCopied = (record.receipt?.digest.bytes ?? 0) / 10;
      return { ...record, progress: { ...record.progress, keysCopied: 1, keysTotal: 10, bytesCopied } };
    });
  }

  #weightIn({ lo, hi }: Range): number {
    return this.#cells.reduce((sum, { key, weight }) => sum + (isIn({ lo, hi }, key) ? weight : 0), 0);
  }

  #sums(): Map<string, number> {
    const sums = new Map(this.#ids.map((id) => [id, 0]));
    for (const [id, filled] of this.#byOwner())
      sums.set(
        id,
        filled.reduce((sum, { weight }) => sum + weight, 0),
      );
    return sums;
  }

  /** What each entry of the map has; both are in the order of keys. */
  #weights(): Filled[] {
    let at = 0;
    return this.#map.entries.map((entry) => {
      const cells: Cell[] = [];
      let weight = 0;
      for (; at < this.#cells.length && isIn(entry, (this.#cells[at] as Cell).key); at += 1) {
        cells.push(this.#cells[at] as Cell);
        weight += (this.#cells[at] as Cell).weight;
      }
      return { entry, cells, weight };
    });
  }

  /** By owner; made once for each state of things. */
  #weighed: { readonly version: number; readonly by: ReadonlyMap<string, Filled[]> } | null = null;

  #toldBy(id: string): Told {
    const lie = this.#lies.get(id) ?? 1;
    const theirs = (this.#byOwner().get(id) ?? []).map(({ entry, weight }) => ({
      entry,
      weight: weight * lie,
    }));
    const rates = (rate: number) => ({ s10: rate, m1: rate, m10: rate });
    return {
      pool: this.pools[id] ?? '',
      atMs: this.#nowMs,
      counts: theirs.map(({ entry: { lo, hi }, weight }) => ({ lo, hi, keys: CELLS, bytes: weight })),
      load: {
        ranges: theirs.map(({ entry: { lo, hi, epoch }, weight }) => {
          return { lo, hi, epoch, reads: rates(weight), writes: rates(0), bytes: rates(0) };
        }),
        hottest: [],
      },
    };
  }

  #byOwner(): ReadonlyMap<string, Filled[]> {
    const { version } = this.#map;
    if (this.#weighed?.version === version) return this.#weighed.by;
    const by = new Map<string, Filled[]>();
    for (const each of this.#weights()) {
      const theirs = by.get(each.entry.owner);
      if (theirs === undefined) by.set(each.entry.owner, [each]);
      else theirs.push(each);
    }
    this.#weighed = { version, by };
    return by;
  }

  #bucketsOf(id: string): { lo: string; keys: number; bytes: number }[] {
    const lie = this.#lies.get(id) ?? 1;
    return (this.#byOwner().get(id) ?? []).flatMap(({ entry, cells }) =>
      cells.map(({ key, weight }, at) => ({
        lo: at === 0 ? entry.lo : key,
        keys: 1,
        bytes: weight * lie,
      })),
    );
  }
}

function isIn({ lo, hi }: Range, key: string): boolean {
  return key >= lo && (hi === null || key < hi);
}

/** So many looks of one planner, a minute apart; the moves that were begun. */
export function looks(world: World, count: number, lie?: (world: World, round: number) => void): number {
  let begun = 0;
  for (let round = 0; round < count; round += 1) {
    lie?.(world, round);
    begun += world.look(0);
    world.pass(60_000);
  }
  return begun;
}

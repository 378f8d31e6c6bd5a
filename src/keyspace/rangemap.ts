/** The range map: a partition of the whole key space, each range with its owner and the epoch at which it got it. */

import { type Facts, invariant } from '../base/assert.ts';
import type { Key } from '../base/bytes.ts';
import { printKey } from '../base/bytes.ts';
import { storedWithFounding, storedWithMore, withFounding } from '../identity/founding.ts';
import {
  type Codec,
  type Coded,
  i64,
  key,
  list,
  malformed,
  option,
  struct,
  text,
  Writer,
} from '../wire/codec.ts';
import { boundAtMost, covers, intersect, printRange, type Range, subtract } from './range.ts';

const entryCodec = struct({ lo: key, hi: option(key), owner: text, epoch: i64 });
/** Layout of a map entry on the wire. */
export const mapEntryCodec = withFounding(entryCodec);
/** The same as a row of the store. */
export const storedEntryCodec = storedWithFounding(entryCodec);
/** Entries in one row: foundings, where there are any, follow behind all of them. */
export const storedEntriesCodec: Codec<MapEntry[]> = storedWithMore(
  list(entryCodec),
  list(text),
  (entries: MapEntry[]) =>
    entries.some(({ founding }) => founding !== undefined)
      ? entries.map(({ founding }) => founding ?? '')
      : null,
  (entries, foundings) =>
    entries.map((entry, index): MapEntry => {
      const founding = foundings[index] ?? '';
      return founding === '' ? entry : { ...entry, founding };
    }),
);

/**
 * One range of the map: the cluster id of its owner and which founding of it, and the id of the migration that brought it
 * there.
 */
export type MapEntry = Coded<typeof mapEntryCodec>;

/** Most entries in one chunk of a map. A larger one is cut in two. */
const CHUNK_MAX = 512;

type Chunk = readonly MapEntry[];

/**
 * Entries sorted by `lo`, without gap or overlap, from the empty key to unbounded; or no entry at all, before
 * `init`. The version rises with every change. Never changed in place: a change copies the chunks that it touches and
 * shares the others, so that it costs the same in a map of 100,000 ranges. A small map is one chunk.
 */
export class RangeMap {
  readonly version: number;
  /** None is empty. */
  readonly chunks: readonly Chunk[];
  #entries: readonly MapEntry[] | null = null;
  #starts: readonly Key[] | null = null;

  /** @param chunks as in `chunks`; for maps made of others. `RangeMap.of` takes any entries. */
  constructor(version: number, chunks: readonly Chunk[]) {
    this.version = version;
    this.chunks = chunks;
  }

  static of(version: number, entries: readonly MapEntry[]): RangeMap {
    return new RangeMap(version, cut(entries));
  }

  get isEmpty(): boolean {
    return this.chunks.length === 0;
  }

  /** All entries, in order; put together when first asked for. */
  get entries(): readonly MapEntry[] {
    this.#entries ??= this.chunks.length === 1 ? (this.chunks[0] as Chunk) : this.chunks.flat();
    return this.#entries;
  }

  /** Where each chunk begins: a search reads nothing else until it has found the chunk. */
  get starts(): readonly Key[] {
    this.#starts ??= this.chunks.map(startOf);
    return this.#starts;
  }

  /** The same entries at another version. */
  at(version: number): RangeMap {
    return new RangeMap(version, this.chunks);
  }
}

const entriesCodec = list(mapEntryCodec);

/** Layout of a map: i64 version, u32 count, entries. */
export const rangeMapCodec: Codec<RangeMap> = {
  write: (writer, { version, chunks }) => {
    i64.write(writer, version);
    writer.u32(chunks.reduce((sum, { length }) => sum + length, 0));
    for (const chunk of chunks) writer.raw(encodedChunk(chunk));
  },
  read: (reader) => {
    const version = i64.read(reader);
    const entries = entriesCodec.read(reader);
    if (!isPartition(entries)) throw malformed('a map that is no partition of the key space');
    return RangeMap.of(version, entries);
  },
};

/** So that a big map of which little has changed is not encoded all over again, which takes tens of milliseconds. */
const ENCODED = new WeakMap<Chunk, Buffer>();

function encodedChunk(chunk: Chunk): Buffer {
  const known = ENCODED.get(chunk);
  if (known !== undefined) return known;
  const writer = new Writer(64 * chunk.length);
  for (const entry of chunk) mapEntryCodec.write(writer, entry);
  const bytes = writer.take();
  ENCODED.set(chunk, bytes);
  return bytes;
}

/** Before `init`: nobody owns anything. */
export const EMPTY_MAP: RangeMap = RangeMap.of(0, []);

/** The entry that holds `wanted`, or null in an empty map. Binary search: O(log n). */
export function lookup(map: RangeMap, wanted: Key): MapEntry | null {
  if (map.isEmpty) return null;
  const chunk = map.chunks[chunkOf(map, wanted)] as Chunk;
  return chunk[indexIn(chunk, wanted)] as MapEntry;
}

/** The entries that share a key with `range`, in order. */
export function entriesIn(map: RangeMap, range: Range): MapEntry[] {
  const found: MapEntry[] = [];
  if (map.isEmpty) return found;
  let at = chunkOf(map, range.lo);
  let index = indexIn(map.chunks[at] as Chunk, range.lo);
  for (; at < map.chunks.length; at += 1) {
    const chunk = map.chunks[at] as Chunk;
    for (; index < chunk.length; index += 1) {
      const entry = chunk[index] as MapEntry;
      if (intersect(entry, range) === null) return found;
      found.push(entry);
    }
    index = 0;
  }
  return found;
}

/** Whether `cluster` owns all of `range`. */
export function ownsAll(map: RangeMap, range: Range, cluster: string): boolean {
  const entries = entriesIn(map, range);
  return entries.length > 0 && entries.every((entry) => entry.owner === cluster);
}

/**
 * The map with `range` given to `owner`, of that founding, at `epoch`, one version higher. Neighbours keep their epochs and are
 * never merged.
 */
export function carve(
  map: RangeMap,
  range: Range,
  owner: string,
  epoch: number,
  founding?: string,
): RangeMap {
  const replaced = entriesIn(map, range).flatMap((entry) =>
    subtract(entry, range).map((rest): MapEntry => ({ ...entry, ...rest })),
  );
  const carved: MapEntry = {
    lo: range.lo,
    hi: range.hi,
    owner,
    epoch,
    ...(founding === undefined ? {} : { founding }),
  };
  const before = replaced.filter((piece) => piece.lo < range.lo);
  const after = replaced.filter((piece) => piece.lo >= range.lo);
  return replace(map, [...before, carved, ...after], map.version + 1);
}

/**
 * The map at `version` with `entries` in place of all that lies in their span. They follow one another without a gap,
 * and the span begins and ends where entries of the map do; in an empty map it is everything.
 */
export function replace(map: RangeMap, entries: readonly MapEntry[], version: number): RangeMap {
  const first = entries[0];
  const last = entries.at(-1);
  if (first === undefined || last === undefined) return map.at(version);
  if (map.isEmpty) return RangeMap.of(version, entries);
  const { chunks } = map;
  const begin = chunkOf(map, first.lo);
  let end = begin;
  while (end + 1 < chunks.length && (last.hi === null || startOf(chunks[end + 1] as Chunk) < last.hi))
    end += 1;
  const before = (chunks[begin] as Chunk).filter(({ lo }) => lo < first.lo);
  const after = (chunks[end] as Chunk).filter(({ lo }) => last.hi !== null && lo >= last.hi);
  const fresh = cut([...before, ...entries, ...after]);
  return new RangeMap(version, chunks.toSpliced(begin, end - begin + 1, ...fresh));
}

/**
 * What `replace` must put into `before` to get `after`, of which `before` is an earlier version. Costs what differs, since
 * chunks that both share are not looked into.
 */
export function difference(before: RangeMap, after: RangeMap): readonly MapEntry[] {
  const [mine, theirs] = [before.chunks, after.chunks];
  let head = 0;
  while (head < mine.length && mine[head] === theirs[head]) head += 1;
  let tail = 0;
  const most = Math.min(mine.length, theirs.length) - head;
  while (tail < most && mine[mine.length - 1 - tail] === theirs[theirs.length - 1 - tail]) tail += 1;
  const old = mine.slice(head, mine.length - tail).flat();
  const fresh = theirs.slice(head, theirs.length - tail).flat();
  let from = 0;
  while (from < old.length && old[from] === fresh[from]) from += 1;
  let upTo = 0;
  while (upTo < Math.min(old.length, fresh.length) - from && old.at(-1 - upTo) === fresh.at(-1 - upTo))
    upTo += 1;
  return fresh.slice(from, fresh.length - upTo);
}

/** Whether `entries` follow one another without a gap, none of them empty. */
function isRow(entries: readonly MapEntry[]): boolean {
  return entries.every(({ lo, hi }, index) => {
    const next = entries[index + 1];
    return next === undefined ? hi === null || lo < hi : hi === next.lo && lo < hi;
  });
}

/** Whether they are a partition of the whole key space (or none). */
function isPartition(entries: readonly MapEntry[]): boolean {
  return entries.length === 0 || (entries[0]?.lo === '' && entries.at(-1)?.hi === null && isRow(entries));
}

/** Whether `replace` may put `entries` into `map`: what others send may be anything. */
export function fits(map: RangeMap, entries: readonly MapEntry[]): boolean {
  const first = entries[0];
  const last = entries.at(-1);
  if (first === undefined || last === undefined) return true;
  if (map.isEmpty) return isPartition(entries);
  const begins = (key: Key): boolean => lookup(map, key)?.lo === key;
  return isRow(entries) && begins(first.lo) && (last.hi === null || begins(last.hi));
}

/** Asserts that the map is a partition of the whole key space (or empty). */
export function checkPartition(map: RangeMap): void {
  let expected: Key | null = '';
  for (const [index, entry] of map.entries.entries()) {
    const facts = (): Facts => ({ version: map.version, index, entry: printRange(entry) });
    invariant(entry.lo === expected, 'a map entry begins where the one before ends', facts);
    invariant(entry.hi === null || entry.lo < entry.hi, 'a map entry is not empty', facts);
    expected = entry.hi;
  }
  invariant(map.isEmpty || expected === null, 'the last map entry is unbounded', () => ({
    version: map.version,
    end: expected === null ? null : printKey(expected),
  }));
}

/** The clusters of the map, each once, in order of their first range. */
export function ownersOf(map: RangeMap): string[] {
  const owners = new Set<string>();
  for (const chunk of map.chunks) for (const { owner } of chunk) owners.add(owner);
  return [...owners];
}

/** Whether `range` lies within one entry; then that entry. */
export function soleEntry(map: RangeMap, range: Range): MapEntry | null {
  const entry = lookup(map, range.lo);
  return entry !== null && covers(entry, range) && boundAtMost(range.hi, entry.hi) ? entry : null;
}

/** `entries` as chunks: one where they fit, else as many as needed at half of what fits, to leave room. */
function cut(entries: readonly MapEntry[]): Chunk[] {
  if (entries.length <= CHUNK_MAX) return entries.length === 0 ? [] : [entries];
  const chunks: Chunk[] = [];
  for (let at = 0; at < entries.length; at += CHUNK_MAX / 2)
    chunks.push(entries.slice(at, at + CHUNK_MAX / 2));
  return chunks;
}

function startOf(chunk: Chunk): Key {
  return (chunk[0] as MapEntry).lo;
}

/** Index of the chunk that holds `wanted`. */
function chunkOf({ starts }: RangeMap, wanted: Key): number {
  let low = 1;
  let high = starts.length - 1;
  while (low <= high) {
    const middle = (low + high) >>> 1;
    if ((starts[middle] as Key) <= wanted) low = middle + 1;
    else high = middle - 1;
  }
  return high < 0 ? 0 : high;
}

/** Index of the entry of `chunk` that holds `wanted`, where one does. */
function indexIn(chunk: Chunk, wanted: Key): number {
  let low = 1;
  let high = chunk.length - 1;
  while (low <= high) {
    const middle = (low + high) >>> 1;
    if ((chunk[middle] as MapEntry).lo <= wanted) low = middle + 1;
    else high = middle - 1;
  }
  return high < 0 ? 0 : high;
}

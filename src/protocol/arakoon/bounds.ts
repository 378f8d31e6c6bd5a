/** The arguments of requests for a range. */
import { type Key, successor } from '../../base/bytes.ts';
import { USER_KEY_MAX } from '../../base/limits.ts';
import type { Range } from '../../keyspace/range.ts';
import { bound, consistency, count, flag, type Layout, layout } from './arguments.ts';
import type { RangeQuery } from './values.ts';

const asSent = layout({
  consistency,
  first: bound,
  firstIncluded: flag,
  last: bound,
  lastIncluded: flag,
  max: count,
});

/** From `first`, the low end, upwards. */
export const ascending: Layout<RangeQuery> = {
  ...asSent,
  receive: (reader, kind) => shortened(asSent.read(reader, kind), false),
};

/** From `first`, the high end, downwards. */
export const descending: Layout<RangeQuery> = {
  ...asSent,
  receive: (reader, kind) => shortened(asSent.read(reader, kind), true),
};

/** The keys that a range request names, null where its bounds leave none. `revRangeEntries` begins at the high end. */
export function rangeOfQuery(query: RangeQuery & { readonly kind: string }): Range | null {
  const isReversed = query.kind === 'revRangeEntries';
  const low = isReversed ? query.last : query.first;
  const high = isReversed ? query.first : query.last;
  const lowIncluded = isReversed ? query.lastIncluded : query.firstIncluded;
  const highIncluded = isReversed ? query.firstIncluded : query.lastIncluded;
  const lo = low === null ? '' : lowIncluded ? low : successor(low);
  const hi = high === null ? null : highIncluded ? successor(high) : high;
  return hi === null || lo < hi ? { lo, hi } : null;
}

/**
 * No key is as long as a long bound, so none equals it; a key lies below it exactly where it is at most the bound's
 * beginning. Such bounds are honest: the successor of a key of greatest length is one.
 */
function shortened<Q extends RangeQuery>(query: Q, isDescending: boolean): Q {
  const { first, last } = query;
  if (!isLong(first) && !isLong(last)) return query;
  return {
    ...query,
    first: beginningOf(first),
    firstIncluded: isLong(first) ? isDescending : query.firstIncluded,
    last: beginningOf(last),
    lastIncluded: isLong(last) ? !isDescending : query.lastIncluded,
  };
}

function isLong(end: Key | null): boolean {
  return end !== null && end.length > USER_KEY_MAX;
}

function beginningOf(end: Key | null): Key | null {
  return end !== null && isLong(end) ? end.slice(0, USER_KEY_MAX) : end;
}

/** The owner's side of a merge: neighbouring ranges of this cluster become one (docs/architecture.md, "Merging ranges"). */
import { overlaps, printRange, type Range } from '../../src/keyspace/range.ts';
import type { AdminAnswer, Header } from '../../src/protocol/admin/admin.ts';
import type { Draft } from './draft.ts';
import { close, exportInTheWay } from './export.ts';
import { rangeOf } from './headers.ts';
import { addOwned, removeRange } from './ownership.ts';

/** Why ranges in `range` cannot be merged now, or null: all of it is owned and served, and nothing of a move lies across it. */
export function mergeInTheWay(draft: Pick<Draft, 'state' | 'ownership'>, range: Range): string | null {
  const why = exportInTheWay(draft, range);
  if (why !== null) return why;
  // Nothing that is owned here is imported or cleaned up as well; were it so, this would not be the place to go on.
  for (const [mid, record] of [...draft.state.imports, ...draft.state.cleanups]) {
    if (overlaps(record, range)) return `migration ${mid} still has ${printRange(record)} here`;
  }
  return null;
}

/**
 * Whatever is owned in the range has one epoch from this slot on, which is above every other that it had: so that who heard of a
 * move of before, and who hears of a later one, need not know of the merge.
 */
export function merge(draft: Draft, header: Header): AdminAnswer {
  const range = rangeOf(header);
  if (range === null) return { kind: 'refused', why: 'the range is empty, or a bound of it is too long' };
  const why = mergeInTheWay(draft, range);
  if (why !== null) return { kind: 'busy', why };
  const { mid } = header;
  const rest = removeRange(draft.state.owned, range);
  draft.update({ owned: addOwned(rest, { ...range, epoch: mid, sealedBy: null }) });
  return close(draft, mid, 'merged');
}

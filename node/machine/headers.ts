/** The checks that every migration command goes through before its own rules, in the order that the protocol fixes. */

import type { Range } from '../../src/keyspace/range.ts';
import { boundAtMost } from '../../src/keyspace/range.ts';
import type { AdminAnswer, Header } from '../../src/protocol/admin/admin.ts';
import type { Draft } from './draft.ts';
import { isBound } from './store-keys.ts';
import { withEntry, withoutBelow } from './system-state.ts';

/**
 * The answer where a command goes no further, or null where its own rules come next.
 *
 * 1. The floor is raised, and what lies below it is forgotten; a migration below it is decided.
 * 2. A token lower than the highest seen is fenced; a higher one is kept, whatever becomes of the command.
 * 3. A migration that is decided here stays so.
 */
export function checkHeader(draft: Draft, header: Header): AdminAnswer | null {
  raiseFloor(draft, header.floor);
  const { mid, token } = header;
  const { floor, tokens, closed } = draft.state;
  if (mid < floor) return { kind: 'closed', outcome: null };
  const seen = tokens.get(mid) ?? 0;
  if (token < seen) return { kind: 'fenced', token: seen };
  if (token > seen) draft.update({ tokens: withEntry(tokens, mid, token) });
  const outcome = closed.get(mid);
  return outcome === undefined ? null : { kind: 'closed', outcome };
}

/** The header's range; null where it is empty, turned round or too long to be stored. */
export function rangeOf(header: Pick<Header, 'lo' | 'hi'>): Range | null {
  const { lo, hi } = header;
  const isRange = (hi === null || lo < hi) && isBound(lo) && isBound(hi);
  return isRange ? { lo, hi } : null;
}

/** The refusal of a command whose range is not that of the record that it touches; null where it is. */
export function sameAsRecord(record: Range, header: Header): AdminAnswer | null {
  if (record.lo === header.lo && boundAtMost(record.hi, header.hi) && boundAtMost(header.hi, record.hi))
    return null;
  return { kind: 'refused', why: `migration ${header.mid} has another range here` };
}

/**
 * Whatever is below the floor is decided. What was staged for a migration there was not activated, or it would be no import any
 * more: the migration was aborted without this cluster, and its rows go.
 */
function raiseFloor(draft: Draft, floor: number): void {
  const { state } = draft;
  if (floor <= state.floor) return;
  const { tokens, closed, imports } = state;
  draft.update({
    floor,
    tokens: withoutBelow(tokens, floor),
    closed: withoutBelow(closed, floor),
    imports: withoutBelow(imports, floor),
  });
  for (const [mid, { lo, hi }] of imports) {
    if (mid < floor) draft.update({ cleanups: withEntry(draft.state.cleanups, mid, { lo, hi }) });
  }
}

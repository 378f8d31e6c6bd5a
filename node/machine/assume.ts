/** How the first cluster of a nursery comes to own the whole key space: without a migration, once. */

import { WHOLE } from '../../src/keyspace/range.ts';
import type { AdminAnswer, AdminCommand } from '../../src/protocol/admin/admin.ts';
import type { Work } from '../store/types.ts';
import type { Draft } from './draft.ts';
import { holdsRow, inTheWay } from './import.ts';

/**
 * Owns everything from now on, at `epoch`; a cluster that owned everything before it had a nursery only takes the epoch.
 * An epoch is assumed once: a command that comes late must not bring back what has moved away since.
 */
export function* assume(
  draft: Draft,
  { epoch }: Extract<AdminCommand, { kind: 'assume' }>,
): Work<AdminAnswer> {
  const { owned, assumed, floor, exports } = draft.state;
  const sole = owned.length === 1 ? owned[0] : undefined;
  const isWhole = sole !== undefined && sole.lo === '' && sole.hi === null && sole.sealedBy === null;
  if (isWhole && sole.epoch === epoch) return { kind: 'ok' };
  if (epoch <= assumed || epoch < floor) {
    return { kind: 'refused', why: `epoch ${epoch} is over: ranges have moved since` };
  }
  if (!(isWhole && sole.epoch === 0 && exports.size === 0)) {
    const why = inTheWay(draft, WHOLE);
    if (why !== null) return { kind: 'refused', why };
    if (yield* holdsRow(draft, WHOLE)) return { kind: 'refused', why: 'rows that nobody owns lie here' };
  }
  draft.update({ owned: [{ ...WHOLE, epoch, sealedBy: null }], forward: [], assumed: epoch });
  return { kind: 'ok' };
}

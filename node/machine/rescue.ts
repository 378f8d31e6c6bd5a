/** The clusters' part of a rescue: what becomes of their state when a founding takes the place of another (docs/architecture.md, "Rescue"). */
import { intersect, type Range, subtract } from '../../src/keyspace/range.ts';
import type { AdminAnswer, AdminCommand, Owned } from '../../src/protocol/admin/admin.ts';
import type { Work } from '../store/types.ts';
import { refused } from './answers.ts';
import { clearDirty } from './dirty.ts';
import type { Draft } from './draft.ts';
import { close } from './export.ts';
import { sameAsRecord } from './headers.ts';
import { removeRange } from './ownership.ts';
import { type Cleanup, type SystemState, withEntry } from './system-state.ts';

type Of<K extends AdminCommand['kind']> = Extract<AdminCommand, { kind: K }>;

/** Of a survivor that begins the founding `founding` with what it holds. In a nursery the keeper has to confirm it first. */
export function promotedState(state: SystemState, founding: string): SystemState {
  const { bound, unconfirmed } = state;
  if (bound === null) return state;
  // Who was promoted before it was confirmed takes the place that the one before would have taken.
  const was = unconfirmed === '' ? bound.mine : unconfirmed;
  return { ...state, bound: { ...bound, mine: founding }, unconfirmed: was };
}

/**
 * The keeper has said which ranges are still this cluster's own, each at a new epoch. Everything else that it had goes: what was
 * moved away since, what it staged, and what it knew of moves, which are settled without it.
 */
export function* confirm(draft: Draft, command: Of<'confirm'>): Work<AdminAnswer> {
  const { state } = draft;
  const { ranges, floorMid, spareMid } = command;
  if (state.unconfirmed === '') return { kind: 'ok' }; // it came twice
  const foreign = ranges.find((range) => missing(range, state.owned).length > 0);
  if (foreign !== undefined) return refused(`order ${command.order} gives a range that is not owned here`);
  for (const mid of state.exports.keys()) yield* clearDirty(draft, mid);
  const gone = [
    ...state.owned.flatMap((own) => missing(own, ranges)),
    ...[...state.imports.values()].map(({ lo, hi }) => ({ lo, hi })),
  ];
  let cleanups: ReadonlyMap<number, Cleanup> = draft.state.cleanups;
  for (const [index, { lo, hi }] of gone.entries())
    cleanups = withEntry(cleanups, spareMid + index, { lo, hi });
  draft.update({
    owned: ranges.map(({ lo, hi, epoch }): Owned => ({ lo, hi, epoch, sealedBy: null })),
    forward: ranges.reduce((forward, range) => removeRange(forward, range), state.forward),
    exports: new Map(),
    imports: new Map(),
    closed: new Map(),
    tokens: new Map(),
    cleanups,
    floor: Math.max(floorMid, state.floor),
    unconfirmed: '',
  });
  return { kind: 'ok' };
}

/** What of `range` none of `others` covers. */
function missing(range: Range, others: readonly Range[]): Range[] {
  return others.reduce<Range[]>(
    (rest, other) => rest.flatMap((part) => subtract(part, other)),
    [{ lo: range.lo, hi: range.hi }],
  );
}

/**
 * By an order: the target of a sealed range is dead, whatever it did since. The range is served again, as of the seal, and at a new
 * epoch, so that whatever was heard of the target loses.
 */
export function* takeBack(draft: Draft, command: Of<'takeBack'>): Work<AdminAnswer> {
  const { mid, epoch } = command;
  const record = draft.state.exports.get(mid);
  if (record === undefined || record.seal === null) return { kind: 'none' };
  const foreign = sameAsRecord(record, command);
  if (foreign !== null) return foreign;
  yield* clearDirty(draft, mid);
  const { owned, exports } = draft.state;
  const back = owned.flatMap((own): Owned[] => {
    const common = intersect(own, record);
    return common === null ? [] : [{ ...common, epoch, sealedBy: null }];
  });
  draft.update({
    owned: [...removeRange(owned, record), ...back].sort((a, b) => (a.lo < b.lo ? -1 : 1)),
    exports: withEntry(exports, mid, null),
  });
  return close(draft, mid, 'takenBack');
}

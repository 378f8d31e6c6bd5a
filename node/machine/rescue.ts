/** The clusters' part of a rescue: what becomes of their state when a founding takes the place of another (docs/architecture.md, "Rescue"). */

import type { Founded } from '../../src/identity/founding.ts';
import { intersect, overlaps, printRange, type Range } from '../../src/keyspace/range.ts';
import { ascending, highest, without } from '../../src/keyspace/sweep.ts';
import {
  type AdminAnswer,
  type AdminCommand,
  type Belongings,
  KEEPERS_MAX,
  type Owned,
} from '../../src/protocol/admin/admin.ts';
import type { Work } from '../store/types.ts';
import { refused } from './answers.ts';
import { clearDirty } from './dirty.ts';
import type { Draft } from './draft.ts';
import { close } from './export.ts';
import { sameAsRecord } from './headers.ts';
import { removeRange } from './ownership.ts';
import { isKeeper } from './registry.ts';
import { type Cleanup, INITIAL_STATE, type SystemState, withEntry } from './system-state.ts';

type Of<K extends AdminCommand['kind']> = Extract<AdminCommand, { kind: K }>;

/**
 * Of a survivor that begins the founding `founding` with what it holds. In a nursery the keeper has to confirm it first. One of the
 * keeper itself may lack moves that were planned, and maps that were published: it forgets all but functions and how far the numbers had
 * come, as a keeper that begins with empty homes, and clusters tell it what they have.
 */
export function promotedState(state: SystemState, founding: string): SystemState {
  const { bound, unconfirmed, lastMid } = state;
  if (bound === null) return state;
  if (isKeeper(state)) {
    const keeper = { ...bound.keeper, founding };
    const staged = [...state.imports].map(([mid, { lo, hi }]): [number, Cleanup] => [mid, { lo, hi }]);
    const cleanups = new Map([...state.cleanups, ...staged].sort(([a], [b]) => a - b));
    const { functions, functionsVersion, engine } = state;
    const own = { functions, functionsVersion, engine, cleanups };
    return { ...INITIAL_STATE, ...own, bound: { keeper, mine: founding }, lastMid };
  }
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
  const { order, floorMid, spareMid } = command.given;
  const ranges = ascending(command.given.ranges);
  const { bound } = state;
  // It may have been on its way while another keeper took the place of that one, which gives it other epochs.
  if (bound === null || bound.keeper.founding !== command.keeper || bound.mine !== command.founding) {
    return refused(`order ${order} is of keeper ${command.keeper}, for founding ${command.founding}`);
  }
  if (state.unconfirmed === '') return { kind: 'ok' }; // it came twice
  if (without(ranges, state.owned).length > 0)
    return refused(`order ${order} gives a range that is not owned here`);
  for (const mid of state.exports.keys()) yield* clearDirty(draft, mid);
  const gone = [
    ...without(state.owned, ranges),
    ...[...state.imports.values()].map(({ lo, hi }) => ({ lo, hi })),
  ];
  const cleanups = new Map([
    ...state.cleanups,
    ...gone.map(({ lo, hi }, index): [number, Cleanup] => [spareMid + index, { lo, hi }]),
  ]);
  draft.update({
    owned: ranges.map(({ lo, hi, epoch }): Owned => ({ lo, hi, epoch, sealedBy: null })),
    forward: without(state.forward, ranges),
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

/**
 * By an order: another keeper takes the place of the one that is lost. Of two orders the later one counts, so that two rescues never
 * mix; the same again is answered with what is so by then.
 */
export function adopt(draft: Draft, { order, from: expected, keeper }: Of<'adopt'>): AdminAnswer {
  const { bound, adopted, keepers } = draft.state;
  if (bound === null) return refused('this cluster is in no nursery');
  if (bound.mine === bound.keeper.founding) return refused('this cluster is a keeper itself');
  if (order < adopted) return refused(`order ${adopted} came later: this one, ${order}, is over`);
  const isThere = bound.keeper.founding === keeper.founding;
  if (!isThere && bound.keeper.founding !== expected) {
    return refused(`this cluster belongs to the nursery ${bound.keeper.founding}, not to ${expected}`);
  }
  const others = keepers.filter((founding) => founding !== bound.keeper.founding);
  const from = [...others, bound.keeper.founding].slice(-KEEPERS_MAX);
  draft.update({ bound: { ...bound, keeper }, adopted: order, keepers: isThere ? keepers : from });
  return { kind: 'belongings', ...belongingsOf(draft.state, bound.mine) };
}

/**
 * By the order of the rescue that this cluster came to its keeper by: another one owns the range as well, and this one yields. It
 * serves none of it from this slot on, and its rows go. Whoever is not confirmed is told by that what is its own.
 */
export function yieldRange(draft: Draft, command: Of<'yieldRange'>): AdminAnswer {
  const { order, keeper, founding, mid, to } = command;
  const { bound, adopted, unconfirmed, owned, forward, exports, imports, cleanups } = draft.state;
  if (bound === null || bound.keeper.founding !== keeper || bound.mine !== founding)
    return refused(`order ${order} is of keeper ${keeper}, for founding ${founding}`);
  if (adopted !== order) return refused(`order ${adopted} came later: this one, ${order}, is over`);
  if (unconfirmed !== '') return { kind: 'ok' };
  const moving = [...exports, ...imports].find(([, record]) => overlaps(record, to));
  if (moving !== undefined) return refused(`migration ${moving[0]} is about ${printRange(to)}`);
  if (!owned.some((own) => overlaps(own, to))) return { kind: 'ok' }; // it came twice
  draft.update({
    owned: removeRange(owned, to),
    forward: ascending([...removeRange(forward, to), to]),
    cleanups: withEntry(cleanups, mid, { lo: to.lo, hi: to.hi }),
  });
  return { kind: 'ok' };
}

function belongingsOf(state: SystemState, founding: string): Belongings {
  const { owned, exports, imports, cleanups, closed, tokens, forward, floor } = state;
  const { assumed, unconfirmed, adopted, keepers, functionsVersion } = state;
  const end = (
    [mid, record]: readonly [number, Range & Founded],
    peer: string,
  ): Belongings['exports'][number] => ({
    mid,
    lo: record.lo,
    hi: record.hi,
    peer,
    founding: record.founding ?? '',
  });
  const epochs = [...owned, ...forward].map(({ epoch }) => epoch);
  const mids = [closed, tokens, exports, imports, cleanups].flatMap((each) => [...each.keys()]);
  return {
    founding,
    unconfirmed,
    owned: [...owned],
    exports: [...exports].map((entry) => end(entry, entry[1].target)),
    imports: [...imports].map((entry) => end(entry, entry[1].source)),
    closed: [...closed].map(([mid, outcome]) => ({ mid, outcome })),
    tokens: [...tokens].map(([mid, token]) => ({ mid, token })),
    forward: [...forward],
    floor,
    lastMid: highest([floor, assumed, ...mids, ...epochs]),
    adopted,
    keepers: [...keepers],
    functions: functionsVersion,
  };
}

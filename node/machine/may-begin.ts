/**
 * Whether a migration could begin at a cluster now: what `beginExport`, `beginImport` and `merge` would answer, for a coordinator that
 * waits. To ask costs no slot.
 */
import type { AdminAnswer, AdminQuery } from '../../src/protocol/admin/admin.ts';
import type { StoreKey, View, Work } from '../store/types.ts';
import { exportInTheWay } from './export.ts';
import { functionsInTheWay } from './functions.ts';
import { rangeOf } from './headers.ts';
import { inTheWay, rowsInTheWay } from './import.ts';
import { mergeInTheWay } from './merge.ts';
import { Ownership } from './ownership.ts';
import { dataRange, scanSlice } from './store-keys.ts';
import { inForce, type SystemState } from './system-state.ts';

type Query = Extract<AdminQuery, { kind: 'mayBegin' }>;

/** Rows looked at in one slice. */
const SLICE_ROWS = 500;

/** `ok` where the command may be sent, also where it would be refused for good or says that it has begun; else `busy`. */
export function* mayBegin(
  { state, view }: { readonly state: SystemState; readonly view: View },
  query: Query,
): Work<AdminAnswer> {
  const range = rangeOf(query);
  const isBegun = state.exports.has(query.mid) || state.imports.has(query.mid) || state.closed.has(query.mid);
  if (range === null || isBegun) return { kind: 'ok' };
  let why: string | null;
  if (query.as !== 'target') {
    const inTheWayOf = query.as === 'source' ? exportInTheWay : mergeInTheWay;
    why = inTheWayOf({ state, ownership: new Ownership(inForce(state)) }, range);
  } else {
    why = functionsInTheWay(state, query.functions ?? 0) ?? inTheWay({ state }, range);
    const { from, to } = dataRange(range);
    for (let next: StoreKey | null = from; next !== null && why === null; ) {
      next = scanSlice(view, { from: next, to }, { rowsMax: SLICE_ROWS }, () => {
        why = rowsInTheWay(range);
      });
      if (next !== null) yield;
    }
  }
  return why === null ? { kind: 'ok' } : { kind: 'busy', why };
}

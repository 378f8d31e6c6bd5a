/** The target's side of a migration: what it does when its commands are applied. */

import { whyUnstorable } from '../../src/base/limits.ts';
import { DigestSum, NO_ROWS, sameDigest } from '../../src/keyspace/digest.ts';
import { boundAtMost, contains, overlaps, printRange, type Range } from '../../src/keyspace/range.ts';
import {
  type AdminAnswer,
  type AdminCommand,
  type Header,
  type importStatusCodec,
  PAGE_COPY,
  PAGE_DIRTY,
} from '../../src/protocol/admin/admin.ts';
import type { Coded } from '../../src/wire/codec.ts';
import type { StoreKey, Work } from '../store/types.ts';
import type { Draft } from './draft.ts';
import { close } from './export.ts';
import { functionsInTheWay } from './functions.ts';
import { rangeOf, sameAsRecord } from './headers.ts';
import { addOwned, removeRange } from './ownership.ts';
import { dataRange } from './store-keys.ts';
import { type ImportRecord, withEntry } from './system-state.ts';

/** What is said around a command: the founding of the source ('': nobody has one), and how far its functions of users are. */
export type Meant = { readonly peer: string; readonly functions: number };

type Of<K extends AdminCommand['kind']> = Extract<AdminCommand, { kind: K }>;

/** Rows looked at in one slice, where a range should be empty but removed rows may be in the way. */
const SLICE_ROWS = 500;
const NONE: AdminAnswer = { kind: 'none' };

/** An import as answers show it. */
export function importStatus(record: ImportRecord): Coded<typeof importStatusCodec> {
  const { lo, hi, seq, cursor, asOf, running } = record;
  return { lo, hi, seq, cursor, asOf, running };
}

/**
 * Makes an empty staging, where nothing at all is in the way. Repeated, it says how far the staging is.
 */
export function* beginImport(
  draft: Draft,
  command: Of<'beginImport'>,
  { peer: founding, functions }: Meant,
): Work<AdminAnswer> {
  const { mid, peer } = command;
  const existing = draft.state.imports.get(mid);
  if (existing !== undefined) {
    return sameAsRecord(existing, command) ?? { kind: 'importing', ...importStatus(existing) };
  }
  const range = rangeOf(command);
  if (range === null) return { kind: 'refused', why: 'the range is empty, or a bound of it is too long' };
  const behind = functionsInTheWay(draft.state, functions);
  if (behind !== null) return { kind: 'busy', why: behind };
  const why = inTheWay(draft, range) ?? ((yield* holdsRow(draft, range)) ? rowsInTheWay(range) : null);
  if (why !== null) return { kind: 'busy', why };
  const { lo, hi } = range;
  const fresh = { lo, hi, source: peer, seq: 0, cursor: lo, asOf: 0, running: NO_ROWS };
  const record: ImportRecord = founding === '' ? fresh : { ...fresh, founding };
  draft.update({ imports: withEntry(draft.state.imports, mid, record) });
  return { kind: 'importing', ...importStatus(record) };
}

/** Takes rows into the staging. Pages are numbered, so that one that is late, doubled or out of order does nothing. */
export function* page(draft: Draft, command: Of<'page'>): Work<AdminAnswer> {
  const { mid, seq, asOf, to } = command;
  const record = draft.state.imports.get(mid);
  if (record === undefined) return NONE;
  const foreign = sameAsRecord(record, command);
  if (foreign !== null) return foreign;
  if (seq <= record.seq) return { kind: 'ok' };
  const here = { seq: record.seq, cursor: record.cursor, asOf: record.asOf };
  if (seq !== record.seq + 1) return { kind: 'gap', ...here };
  if (asOf < record.asOf) return { kind: 'stale', ...here };
  if (command.page === PAGE_COPY && command.from !== record.cursor) return { kind: 'gap', ...here };
  const why = unsound(record, command);
  if (why !== null) return { kind: 'refused', why: `page ${seq} of migration ${mid}: ${why}` };
  const running = yield* stage(draft, record.running, command);
  const cursor = command.page === PAGE_COPY ? to : record.cursor;
  const next = { ...record, seq, asOf, cursor, running };
  draft.update({ imports: withEntry(draft.state.imports, mid, next) });
  return { kind: 'ok' };
}

/** The point of no return: the staging becomes owned, if it is what the source had at the seal. */
export function activate(draft: Draft, command: Of<'activate'>, { functions }: Meant): AdminAnswer {
  const { mid, seq, digest } = command;
  const { imports, owned, forward } = draft.state;
  const record = imports.get(mid);
  if (record === undefined) return NONE;
  const foreign = sameAsRecord(record, command);
  if (foreign !== null) return foreign;
  const { lo, hi, running } = record;
  const isComplete = record.seq === seq && record.cursor === hi;
  if (!isComplete || !sameDigest(running, digest)) return { kind: 'mismatch', mine: running };
  const why = functionsInTheWay(draft.state, functions);
  if (why !== null) return { kind: 'busy', why };
  draft.update({
    owned: addOwned(owned, { lo, hi, epoch: mid, sealedBy: null }),
    imports: withEntry(imports, mid, null),
    forward: removeRange(forward, record),
  });
  return close(draft, mid, 'activated');
}

/** Gives up: also where nothing was imported yet, so that a late `beginImport` does nothing. */
export function abandon(draft: Draft, header: Header): AdminAnswer {
  const { mid } = header;
  const { imports, cleanups } = draft.state;
  const record = imports.get(mid);
  if (record !== undefined) {
    const foreign = sameAsRecord(record, header);
    if (foreign !== null) return foreign;
    const { lo, hi } = record;
    draft.update({
      imports: withEntry(imports, mid, null),
      cleanups: withEntry(cleanups, mid, { lo, hi }),
    });
  }
  return close(draft, mid, 'abandoned');
}

/** Whether any row lies in `range`, whoever's it is. */
export function* holdsRow(draft: Draft, range: Range): Work<boolean> {
  const { tx, pace } = draft;
  yield* tx.prepareScan(pace);
  let found = false;
  const { from, to } = dataRange(range);
  let next: StoreKey | null = from;
  while (next !== null && !found) {
    next = tx.scanSlice({ from: next, to }, { rowsMax: SLICE_ROWS }, () => {
      found = true;
    });
    if (next !== null && !found && pace.rows(SLICE_ROWS)) yield;
  }
  return found;
}

/** What of this cluster's lies across `range`, or null. */
export function inTheWay({ state }: Pick<Draft, 'state'>, range: Range): string | null {
  const { owned, exports, imports, cleanups } = state;
  const own = owned.find((entry) => overlaps(entry, range));
  if (own !== undefined) return `${printRange(own)} is owned here already`;
  const across = (what: string, records: ReadonlyMap<number, Range>): string | null => {
    for (const [mid, record] of records) {
      if (overlaps(record, range)) return `migration ${mid} ${what} ${printRange(record)} here`;
    }
    return null;
  };
  return across('exports', exports) ?? across('imports', imports) ?? across('is still cleaning up', cleanups);
}

/** Why an import must wait where rows lie in its range. */
export function rowsInTheWay(range: Range): string {
  return `rows that nobody owns lie in ${printRange(range)}`;
}

/**
 * Puts and removes rows, and returns the digest of the staging with them. Where the copy comes first, as it mostly does,
 * one look says that there is no row to be replaced.
 */
function* stage(
  draft: Draft,
  before: ImportRecord['running'],
  { page, from, to, rows }: Of<'page'>,
): Work<ImportRecord['running']> {
  const isFresh = page === PAGE_COPY && !(yield* holdsRow(draft, { lo: from, hi: to }));
  const { tx, pace } = draft;
  const running = new DigestSum(before);
  for (const { key, value } of rows) {
    let old: Uint8Array | undefined;
    if (isFresh) tx.putRow(key, value);
    else old = tx.exchangeRow(key, value);
    if (old !== undefined) running.subtract(key, old);
    if (value !== null) running.add(key, value);
    if (pace.digest((old?.length ?? 0) + (value?.length ?? 0))) yield;
  }
  return running.total();
}

/** Why a page cannot be taken, or null. */
function unsound(record: ImportRecord, command: Of<'page'>): string | null {
  const { from, to, rows } = command;
  if (command.page !== PAGE_COPY && command.page !== PAGE_DIRTY) return `no kind of page is ${command.page}`;
  const range = rangeOf({ lo: from, hi: to });
  if (range === null && (rows.length > 0 || command.page === PAGE_COPY)) return 'its interval is empty';
  if (from < record.lo || !boundAtMost(to, record.hi)) return 'it reaches outside the range';
  for (const { kind, key, value } of rows) {
    if (kind !== 0) return `no kind of row is ${kind}`;
    if (range !== null && !contains(range, key)) return 'a row lies outside its interval';
    const why = whyUnstorable(key, value);
    if (why !== null) return why;
  }
  return null;
}

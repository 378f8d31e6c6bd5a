/** The source's side of a migration: what it does when its commands are applied. */

import { invariant } from '../../src/base/assert.ts';
import type { Key } from '../../src/base/bytes.ts';
import { printKey } from '../../src/base/bytes.ts';
import { addDigests, type Digest, NO_ROWS, sameDigest, subtractDigests } from '../../src/keyspace/digest.ts';
import { contains, overlaps, printRange, type Range } from '../../src/keyspace/range.ts';
import type {
  AdminAnswer,
  AdminCommand,
  exportStatusCodec,
  Header,
  Outcome,
} from '../../src/protocol/admin/admin.ts';
import type { Coded } from '../../src/wire/codec.ts';
import type { Work } from '../store/types.ts';
import { clearDirty, markDirty, trimDirty } from './dirty.ts';
import type { Draft } from './draft.ts';
import { versionInNursery } from './functions.ts';
import { rangeOf, sameAsRecord } from './headers.ts';
import { removeRange, setSealed } from './ownership.ts';
import { type ExportRecord, newExport, withEntry } from './system-state.ts';
import type { RowDigest } from './transaction.ts';

type Of<K extends AdminCommand['kind']> = Extract<AdminCommand, { kind: K }>;

type Seal = NonNullable<ExportRecord['seal']>;

const NONE: AdminAnswer = { kind: 'none' };
const OK: AdminAnswer = { kind: 'ok' };

/** An export as answers show it. */
export function exportStatus(record: ExportRecord): Coded<typeof exportStatusCodec> {
  const { lo, hi, beginSlot, base, seal, dirtyRows, dirtyBytes } = record;
  return { lo, hi, beginSlot, base, sealed: seal, dirtyRows, dirtyBytes };
}

/**
 * Enters what the updates so far changed in exported ranges: each changed row becomes dirty in this slot, and delta
 * gains the digest of the new row and loses that of the old. To run before every command, and at the end of the slot.
 */
export function* settle(draft: Draft): Work<void> {
  const touched = draft.tx.takeTouched();
  if (touched.size === 0) return;
  // Gathered beside the state: to make a new state for every row would cost more than the row.
  const books = new Map(draft.state.exports);
  for (const [key, before] of touched) {
    const after = draft.tx.digestOf(key);
    if (!sameRow(before, after)) {
      for (const [mid, record] of books) {
        if (contains(record, key)) books.set(mid, entered(draft, mid, record, key, before, after));
      }
    }
    if (draft.pace.digest(after?.bytes ?? 0)) yield;
  }
  draft.update({ exports: books });
}

/** Why an export of `range` must wait, or null. */
export function exportInTheWay(
  { state, ownership }: Pick<Draft, 'state' | 'ownership'>,
  range: Range,
): string | null {
  if (ownership.firstOutside(range) !== null) {
    return `not all of ${printRange(range)} is owned and served here`;
  }
  for (const [other, record] of state.exports) {
    if (overlaps(record, range)) return `migration ${other} moves ${printRange(record)}`;
  }
  return null;
}

/**
 * Begins to keep book of changes. Repeated, it changes nothing: what is dirty stays so. `founding` is the target's, '' where
 * nobody has one.
 */
export function beginExport(draft: Draft, command: Of<'beginExport'>, founding: string): AdminAnswer {
  const { mid, peer } = command;
  const { state, ownership, slot } = draft;
  const existing = state.exports.get(mid);
  if (existing !== undefined) {
    return sameAsRecord(existing, command) ?? exportingAs(draft, existing);
  }
  const range = rangeOf(command);
  if (range === null) return { kind: 'refused', why: 'the range is empty, or a bound of it is too long' };
  const why = exportInTheWay({ state, ownership }, range);
  if (why !== null) return { kind: 'busy', why };
  const record = newExport(range, peer, founding, slot);
  draft.update({ exports: withEntry(state.exports, mid, record) });
  return exportingAs(draft, record);
}

/** Where it is sealed already, a coordinator goes on with the seal from here: as `sealedAs`. */
function exportingAs({ state }: Draft, record: ExportRecord): AdminAnswer {
  return { kind: 'exporting', ...exportStatus(record), functions: versionInNursery(state) };
}

/** Keeps the digest that changes are added to. Every image gives the same one; where it does not, replicas differ. */
export function setBase(draft: Draft, command: Of<'setBase'>): AdminAnswer {
  const record = draft.state.exports.get(command.mid);
  if (record === undefined) return NONE;
  const foreign = sameAsRecord(record, command);
  if (foreign !== null) return foreign;
  const { base } = command;
  if (record.base === null) {
    replace(draft, command.mid, { ...record, base });
    return OK;
  }
  if (sameDigest(record.base, base)) return OK;
  replace(draft, command.mid, { ...record, diverged: true });
  return diverged(command.mid);
}

/** Forgets that rows are dirty which the target has taken: those not changed since the slot they were read at. */
export function* trim(draft: Draft, command: Of<'trim'>): Work<AdminAnswer> {
  const { mid, from, to, slot } = command;
  const record = draft.state.exports.get(mid);
  if (record === undefined) return NONE;
  const foreign = sameAsRecord(record, command);
  if (foreign !== null) return foreign;
  const range = rangeOf({ lo: from, hi: to });
  if (range === null) return OK; // an empty page
  const { rows, bytes } = yield* trimDirty(draft, mid, range, slot);
  replace(draft, mid, {
    ...record,
    dirtyRows: record.dirtyRows - rows,
    dirtyBytes: record.dirtyBytes - bytes,
  });
  return OK;
}

/** With how far the functions of users are here: whatever clients could call before the seal is among them. */
function sealedAs({ state }: Draft, seal: Seal): AdminAnswer {
  return { kind: 'sealed', ...seal, functions: versionInNursery(state) };
}

/** Stops serving the range, where what is still to be sent is within the limits. The answer never changes afterwards. */
export function seal(draft: Draft, command: Of<'seal'>): AdminAnswer {
  const { mid, rowsMax, bytesMax } = command;
  const { state, slot } = draft;
  const record = state.exports.get(mid);
  if (record === undefined) return NONE;
  const foreign = sameAsRecord(record, command);
  if (foreign !== null) return foreign;
  if (record.seal !== null) return sealedAs(draft, record.seal);
  if (record.diverged) return diverged(mid);
  const { base, delta, dirtyRows, dirtyBytes } = record;
  if (base === null || dirtyRows > rowsMax || dirtyBytes > bytesMax) {
    return { kind: 'behind', dirtyRows, dirtyBytes };
  }
  const sealed = { sealSlot: slot, digest: addDigests(base, delta) };
  draft.update({
    owned: setSealed(state.owned, record, mid),
    exports: withEntry(state.exports, mid, { ...record, seal: sealed }),
  });
  return sealedAs(draft, sealed);
}

/** Gives up: the range is served again, also where it was never exported, so that a late `beginExport` does nothing. */
export function* unseal(draft: Draft, header: Header): Work<AdminAnswer> {
  const record = draft.state.exports.get(header.mid);
  if (record !== undefined) {
    const foreign = sameAsRecord(record, header);
    if (foreign !== null) return foreign;
    yield* clearDirty(draft, header.mid);
    const { owned, exports } = draft.state;
    draft.update({
      owned: record.seal === null ? owned : setSealed(owned, record, null),
      exports: withEntry(exports, header.mid, null),
    });
  }
  return close(draft, header.mid, 'unsealed');
}

/**
 * Gives up, where the range is not sealed: no seal can follow, and hence no activation, so the target need not be asked. Where it
 * is, nothing happens: the target may have activated.
 */
export function* cancel(draft: Draft, header: Header): Work<AdminAnswer> {
  const record = draft.state.exports.get(header.mid);
  if (record !== undefined && record.seal !== null) {
    return sameAsRecord(record, header) ?? sealedAs(draft, record.seal);
  }
  return yield* unseal(draft, header);
}

/** Lets the range go: from here on it is the target's, and the rows that lie here are deleted in the background. */
export function* release(draft: Draft, header: Header): Work<AdminAnswer> {
  const { mid } = header;
  const record = draft.state.exports.get(mid);
  if (record === undefined) return NONE;
  const foreign = sameAsRecord(record, header);
  if (foreign !== null) return foreign;
  if (record.seal === null) return NONE;
  yield* clearDirty(draft, mid);
  const { owned, exports, cleanups, forward } = draft.state;
  const { lo, hi, target, founding } = record;
  const gone = { lo, hi, owner: target, epoch: mid, ...(founding === undefined ? {} : { founding }) };
  draft.update({
    owned: removeRange(owned, record),
    exports: withEntry(exports, mid, null),
    cleanups: withEntry(cleanups, mid, { lo, hi }),
    forward: [...removeRange(forward, record), gone].sort((a, b) => (a.lo < b.lo ? -1 : 1)),
  });
  return close(draft, mid, 'released');
}

/** Records an outcome, for ever. */
export function close(draft: Draft, mid: number, outcome: Outcome): AdminAnswer {
  invariant(!draft.state.closed.has(mid), 'a migration is closed once', () => ({
    mid,
    before: draft.state.closed.get(mid) ?? null,
    now: outcome,
  }));
  draft.update({ closed: withEntry(draft.state.closed, mid, outcome) });
  return { kind: 'closed', outcome };
}

function entered(
  draft: Draft,
  mid: number,
  record: ExportRecord,
  key: Key,
  before: RowDigest,
  after: RowDigest,
): ExportRecord {
  invariant(record.seal === null, 'no row of a sealed range changes', () => ({
    mid,
    key: printKey(key),
    sealSlot: record.seal?.sealSlot ?? null,
  }));
  const counts = markDirty(draft, mid, key, after?.bytes ?? key.length);
  return {
    ...record,
    delta: subtractDigests(addDigests(record.delta, after ?? NO_ROWS), before ?? NO_ROWS),
    dirtyRows: record.dirtyRows + counts.rows,
    dirtyBytes: record.dirtyBytes + counts.bytes,
  };
}

function replace(draft: Draft, mid: number, record: ExportRecord): void {
  draft.update({ exports: withEntry(draft.state.exports, mid, record) });
}

function sameRow(before: Digest | null, after: Digest | null): boolean {
  return before === null || after === null ? before === after : sameDigest(before, after);
}

function diverged(mid: number): AdminAnswer {
  return {
    kind: 'refused',
    why: `migration ${mid}: replicas of the source differ (two digests of one range); the range is never sealed, abort`,
  };
}

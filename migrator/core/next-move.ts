/**
 * What to do next about a migration, decided from what its clusters answered and from nothing else
 * (docs/architecture.md, "Moving a range"). A coordinator that has just taken over runs the same lines as one
 * that has worked from the start.
 */

import { unreachable } from '../../src/base/assert.ts';
import type {
  exportStatusCodec,
  importStatusCodec,
  Migration,
  Outcome,
  Rescued,
} from '../../src/protocol/admin/admin.ts';
import { isMerge } from '../../src/protocol/admin/migration.ts';
import type { Coded } from '../../src/wire/codec.ts';

export type ImportStatus = Coded<typeof importStatusCodec>;
export type ExportStatus = Coded<typeof exportStatusCodec>;

/** How the migration ended at a cluster; `forgotten`: so long ago that only the floor is left of it. */
export type Closed = Outcome | 'forgotten';

/** The target's part, as its last answer under this token says. */
export type TargetView = { readonly importing: ImportStatus | null; readonly closed: Closed | null };

/** The source's part. `cleaning` is null until it was asked after the release. */
export type SourceView = {
  readonly exporting: ExportStatus | null;
  readonly closed: Closed | null;
  readonly cleaning: boolean | null;
};

/** What a seal may leave to be sent while nobody serves the range. */
export type SealLimits = {
  readonly rowsMax: number;
  readonly bytesMax: number;
  /** Another round is worth its while above this, as long as rounds shrink. */
  readonly rowsWanted: number;
};

/** Everything a decision is made from. */
export type Observed = {
  readonly record: Migration;
  /** Whether the keeper was asked after every other answer used here. */
  readonly recordFresh: boolean;
  /** Null until the target has answered a command that carries this coordinator's token. */
  readonly target: TargetView | null;
  /** Null until the source has answered. */
  readonly source: SourceView | null;
  /** Whether `source` was asked after the copy, or the last round, ended: its dirty rows are those of now. */
  readonly sourceFresh: boolean;
  /** Whether pages of a round are on their way, or are to be trimmed. */
  readonly isMidRound: boolean;
  /** Whether less than half as much is dirty as when the last round began; true before the first. */
  readonly isShrinking: boolean;
  /** Whether the source has been silent so long that nothing which can do without it shall wait; and the target. */
  readonly sourceSilent: boolean;
  readonly targetSilent: boolean;
  /** Whether, since the last round, the target answered a consistent status and the keeper noted that the seal is next. */
  readonly checked: boolean;
  /** Whether the source is known to have sealed: from then on the target decides. */
  readonly isSealed: boolean;
  /** Whether the target has taken every dirty row, each read at or above the slot of the seal. */
  readonly lastRowsSent: boolean;
  /** Why this must not go on (digests that differ, a refusal), or null. */
  readonly abortWhy: string | null;
  readonly limits: SealLimits;
};

/** What is to be done. The numbers are the lines of the coordinator's loop. */
export type Move =
  /** 2. Makes the staging, or learns how far it is; and fences older coordinators off the target. */
  | { readonly kind: 'beginImport' }
  /** 3. Begins to keep book of changes; and fences older coordinators off the source. */
  | { readonly kind: 'beginExport' }
  /** 4. Copies on from the target's cursor, and scans the base beside it. */
  | { readonly kind: 'copy' }
  /** 4. All is copied; the digest that the changes are added to is not known yet. */
  | { readonly kind: 'base' }
  /** 5. Sends what has changed since. */
  | { readonly kind: 'round' }
  /** 6. Makes sure that target and keeper answer, for from the seal on nobody serves. */
  | { readonly kind: 'check' }
  | { readonly kind: 'seal' }
  /** 7. */
  | { readonly kind: 'lastRows' }
  | { readonly kind: 'activate' }
  /** 8. */
  | { readonly kind: 'publish' }
  /** 9. */
  | { readonly kind: 'release' }
  | { readonly kind: 'awaitCleanup' }
  | { readonly kind: 'finish' }
  /** A0. Before the seal the source decides alone: where it gives up, no seal and no activation can follow. */
  | { readonly kind: 'cancel' }
  /** A1, A2, A3. In this order: once the target has abandoned, it can never activate, and the source may serve again. */
  | { readonly kind: 'abandon' }
  | { readonly kind: 'unseal' }
  | { readonly kind: 'recordAbort' }
  /** The owner makes one range of several; nothing is copied. */
  | { readonly kind: 'merge' }
  /** One end is dead, by an order: what was sealed for it comes back; and the keeper records that the move is settled. */
  | { readonly kind: 'takeBack' }
  | { readonly kind: 'settle' }
  /** Wanted by an operator, possible before the seal only. */
  | { readonly kind: 'pause' }
  /** What is known is too old to decide. */
  | { readonly kind: 'askKeeper' }
  | { readonly kind: 'askSource' }
  | { readonly kind: 'end' }
  /** Two facts that exclude each other. Stops and repairs nothing. */
  | { readonly kind: 'alarm'; readonly why: string };

/** The next move. Total: every combination of answers has one. */
export function nextMove(now: Observed): Move {
  const { phase, rescue } = now.record;
  if (isMerge(now.record)) return nextOfMerge(now);
  // What the dead one did nobody can ask, and facts of before the order need not fit those after it.
  const contradiction = rescue === undefined ? contradictionIn(now) : null;
  if (contradiction !== null) return { kind: 'alarm', why: contradiction };
  switch (phase) {
    case 'done':
    case 'aborted':
    case 'lost':
      return { kind: 'end' };
    case 'published':
      return rescue === undefined || rescue.isThere ? afterPublish(now) : withoutOne(now, rescue);
    case 'active':
      return rescue === undefined ? whileActive(now) : withoutOne(now, rescue);
    default:
      return unreachable(phase);
  }
}

/**
 * The first pair of facts that cannot both hold, or null. An outcome at a cluster never changes, and neither
 * does a phase that excludes it, so it does not matter which was asked first; the two places where it does
 * ask the keeper again before they speak of a contradiction.
 */
function contradictionIn({ record, recordFresh, target, source }: Observed): string | null {
  const facts = `keeper: ${record.phase}, target ${record.target}: ${target?.closed ?? 'open'}, source ${record.source}: ${source?.closed ?? 'open'}`;
  const activated = target?.closed === 'activated';
  const abandoned = target?.closed === 'abandoned';
  if (activated && record.phase === 'aborted') return `activated, and recorded as aborted (${facts})`;
  if (abandoned && record.phase !== 'active' && record.phase !== 'aborted') {
    return `abandoned, and recorded as published (${facts})`;
  }
  if (activated && source?.closed === 'unsealed') return `activated, and unsealed (${facts})`;
  if (abandoned && source?.closed === 'released') return `abandoned, and released (${facts})`;
  if (!recordFresh) return null;
  if (source?.closed === 'released' && record.phase === 'active')
    return `released before publishing (${facts})`;
  const forgotten = target?.closed === 'forgotten' || source?.closed === 'forgotten';
  if (forgotten && (record.phase === 'active' || record.phase === 'published')) {
    return `forgotten before it ended (${facts})`;
  }
  return null;
}

function whileActive(now: Observed): Move {
  const { record, target, source } = now;
  if (target?.closed === 'forgotten' || source?.closed === 'forgotten') return { kind: 'askKeeper' };
  if (target?.closed === 'activated') {
    // The receipt wants the digest of the seal. A source that is down must not keep the map from being right.
    return source === null && !now.sourceSilent ? { kind: 'askSource' } : { kind: 'publish' };
  }
  if (target?.closed === 'abandoned') {
    return source?.closed === 'unsealed' ? { kind: 'recordAbort' } : { kind: 'unseal' };
  }
  if (source?.closed === 'released') return { kind: 'askKeeper' };
  if (source?.closed === 'unsealed') {
    // Who is silent cannot activate, and is told later.
    return now.targetSilent ? { kind: 'recordAbort' } : { kind: 'abandon' };
  }
  if (record.wish === 'abort' || now.abortWhy !== null) {
    // A source that is silent cannot say whether the target has taken over already; the target can.
    return now.isSealed || now.sourceSilent ? { kind: 'abandon' } : { kind: 'cancel' };
  }
  const importing = target?.importing ?? null;
  if (importing === null) {
    // An earlier migrator may have begun to abort: the source knows, where the target does not answer.
    return source === null && now.targetSilent ? { kind: 'askSource' } : { kind: 'beginImport' };
  }
  const exporting = source?.exporting ?? null;
  if (exporting === null) return { kind: 'beginExport' };
  if (exporting.sealed !== null) return now.lastRowsSent ? { kind: 'activate' } : { kind: 'lastRows' };
  if (record.wish === 'pause') return { kind: 'pause' };
  if (importing.cursor !== record.hi) return { kind: 'copy' };
  if (exporting.base === null) return { kind: 'base' };
  if (now.isMidRound) return { kind: 'round' };
  if (!now.sourceFresh) return { kind: 'askSource' };
  const { rowsMax, bytesMax, rowsWanted } = now.limits;
  if (exporting.dirtyRows > rowsMax || exporting.dirtyBytes > bytesMax) return { kind: 'round' };
  if (exporting.dirtyRows > rowsWanted && now.isShrinking && !now.checked) return { kind: 'round' };
  return now.checked ? { kind: 'seal' } : { kind: 'check' };
}

/** Of a merge the owner's log decides, which is source and target. */
function nextOfMerge({ record, recordFresh, source, abortWhy }: Observed): Move {
  const { phase, wish } = record;
  const closed = source?.closed ?? null;
  if ((closed === 'merged' && phase === 'aborted') || (closed === 'unsealed' && phase === 'published')) {
    return { kind: 'alarm', why: `${closed} at ${record.source}, and recorded as ${phase}` };
  }
  if (phase === 'published') return { kind: 'finish' };
  if (phase !== 'active') return { kind: 'end' };
  switch (closed) {
    case 'merged':
      return { kind: 'publish' };
    case 'unsealed':
      return { kind: 'recordAbort' };
    case null:
      if (wish === 'abort' || abortWhy !== null) return { kind: 'cancel' };
      return wish === 'pause' ? { kind: 'pause' } : { kind: 'merge' };
    default:
      return recordFresh
        ? { kind: 'alarm', why: `${closed} at ${record.source} before it ended` }
        : { kind: 'askKeeper' };
  }
}

/**
 * One end is dead, and the other one's log decides: a source that had not sealed keeps the range, and one that had takes it back; a
 * target that had activated has it, and one that had not abandons.
 */
function withoutOne({ record, source, target, isSealed }: Observed, { dead }: Rescued): Move {
  if (dead === 'source') {
    if (record.phase === 'published') return { kind: 'finish' };
    if (target?.closed === 'activated') return { kind: 'publish' };
    if (target?.closed === 'abandoned') return { kind: 'settle' };
    return target?.closed === 'forgotten' ? { kind: 'askKeeper' } : { kind: 'abandon' };
  }
  switch (source?.closed ?? null) {
    case 'takenBack':
      return { kind: 'settle' };
    case 'unsealed':
      return { kind: 'recordAbort' };
    case 'released': // before the order: the range is the target's, and nobody serves it
      return record.phase === 'published' ? { kind: 'finish' } : { kind: 'askKeeper' };
    case null:
      return isSealed ? { kind: 'takeBack' } : { kind: 'cancel' };
    default:
      return { kind: 'askKeeper' };
  }
}

function afterPublish({ source }: Observed): Move {
  if (source?.closed === 'forgotten') return { kind: 'askKeeper' };
  if (source?.closed !== 'released') return { kind: 'release' };
  return source.cleaning === false ? { kind: 'finish' } : { kind: 'awaitCleanup' };
}

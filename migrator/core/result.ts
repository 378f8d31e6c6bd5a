/** How a migration ended. */
import type { Migration, Progress, Receipt } from '../../src/protocol/admin/admin.ts';

/** `why` says what led to an abort, or that one came too late; else it is empty. */
export type MigrationResult = {
  readonly mid: number;
  readonly outcome: 'done' | 'aborted';
  readonly why: string;
  /** Proof of a move that is done; null after an abort. */
  readonly receipt: Receipt | null;
  readonly progress: Progress;
};

/** The result of a migration whose record says that it has ended. */
export function resultOf(record: Migration, progress: Progress): MigrationResult {
  const { mid, phase, wish, receipt } = record;
  const isDone = phase === 'done';
  const why = isDone && wish === 'abort' ? 'too late to abort: the target had taken over' : record.why;
  return { mid, outcome: isDone ? 'done' : 'aborted', why, receipt: isDone ? receipt : null, progress };
}

/** How a migration ended. */
import type { Migration, Progress } from '../../src/protocol/admin/admin.ts';
import { isMerge } from '../../src/protocol/admin/migration.ts';
import type { MigrationResult } from '../../src/protocol/admin/moves.ts';

/** The result of a migration whose record says that it has ended. */
export function resultOf(record: Migration, progress: Progress): MigrationResult {
  const { mid, phase, wish, receipt } = record;
  const isDone = phase === 'done';
  const tooLate = isMerge(record) ? 'the ranges are one' : 'the target had taken over';
  const why = isDone && wish === 'abort' ? `too late to abort: ${tooLate}` : record.why;
  return {
    mid,
    outcome: isDone ? 'done' : phase === 'lost' ? 'lost' : 'aborted',
    why,
    receipt: isDone ? receipt : null,
    progress,
  };
}

/** How a migration ended. */
import type { Progress, Receipt } from '../../src/protocol/admin.ts';

/** `why` says what led to an abort, or that one came too late; else it is empty. */
export type MigrationResult = {
  readonly mid: number;
  readonly outcome: 'done' | 'aborted';
  readonly why: string;
  /** Proof of a move that is done; null after an abort. */
  readonly receipt: Receipt | null;
  readonly progress: Progress;
};

/** Moves of ranges, as whoever asks for them and whoever carries them out speak of them. */
import type { Range } from '../../keyspace/range.ts';
import type { Progress, Receipt } from './admin.ts';

/** One range to be moved, wholly owned by `source`. */
export type PlannedMove = Range & { readonly source: string; readonly target: string };

/** How a migration ended. `why` says what led to an abort, or that one came too late; else it is empty. */
export type MigrationResult = {
  readonly mid: number;
  /** `lost`: one of its ends is dead, by an order. */
  readonly outcome: 'done' | 'aborted' | 'lost';
  readonly why: string;
  /** Proof of a move that is done; null after an abort. */
  readonly receipt: Receipt | null;
  readonly progress: Progress;
};

/** What can be asked of moves of ranges: by the command line, and by whatever else runs in its process. */
import type { Key } from '../base/bytes.ts';
import type { Range } from '../keyspace/range.ts';
import type { Migration, Progress } from '../protocol/admin/admin.ts';
import type { MigrationResult, PlannedMove } from '../protocol/admin/moves.ts';

/** How fast rows are copied, over the last few seconds. `secondsLeft` is null while the total is unknown, or nothing moves. */
export type Rate = {
  readonly keysPerSecond: number;
  readonly bytesPerSecond: number;
  readonly secondsLeft: number | null;
};

/** What to move: as Arakoon's `migrate LEFT SEPARATOR RIGHT`, or any range to any cluster. */
export type MoveRequest =
  | { readonly kind: 'separator'; readonly left: string; readonly separator: Key; readonly right: string }
  | { readonly kind: 'range'; readonly range: Range; readonly target: string };

/** Whom to tell. */
export type MoveOptions = {
  /** A move has its id, and begins. */
  readonly onPlanned?: (mid: number, move: PlannedMove) => void;
  readonly onProgress?: (mid: number, progress: Progress, rate: Rate) => void;
  /** A move has ended. */
  readonly onResult?: (result: MigrationResult) => void;
  /** Stops at once; what was begun can be resumed. */
  readonly signal?: AbortSignal;
};

export type MigrateOptions = MoveOptions & {
  /** Only records the moves at the keeper; whoever watches it runs them. */
  readonly detach?: boolean;
};

/** One move of a dry run, and how many keys its two clusters hold now; null for one that does not answer. */
export type DryMove = PlannedMove & {
  readonly sourceKeys: number | null;
  readonly targetKeys: number | null;
};

/** What became of a pause, or of its end: it is so; its migrator is alive and has not got there yet; nobody works on it. */
export type Heeded = 'done' | 'wanted' | 'nobody';

/**
 * Moves of one nursery. Each resolves when what it is for has happened.
 *
 * Whatever runs a migration rejects with a NurseryError: FENCED where another migrator works on it; REFUSED where a cluster
 * will not have it; UNREACHABLE where a cluster is silent for too long; DAMAGED where facts exclude each other; GOING_DOWN
 * where `signal` was raised. None of them ends the migration: it can be resumed.
 */
export interface Moves {
  /**
   * Moves what is asked for, one range after the other.
   *
   * @throws NurseryError REFUSED where it cannot be done, before anything is moved; those of running a migration
   */
  migrate(request: MoveRequest, options?: MigrateOptions): Promise<MigrationResult[]>;
  /** What `migrate` would do. @throws NurseryError REFUSED where it would be refused */
  dryRun(request: MoveRequest): Promise<DryMove[]>;
  /**
   * Moves all that a cluster owns to its neighbours, then drops it from the keeper's list.
   *
   * @throws NurseryError as `migrate`; an aborted move leaves the cluster in the nursery
   */
  remove(
    what: { readonly cluster: string; readonly separator: Key | null },
    options?: MoveOptions,
  ): Promise<MigrationResult[]>;
  /**
   * Goes on with a migration that nobody works on any more, or with all of them where `mid` is null, side by side.
   *
   * @throws NurseryError FENCED where another migrator is alive; those of running a migration. Of several the first, after
   *   the others have come to their end
   */
  resume(mid: number | null, options?: MoveOptions): Promise<MigrationResult[]>;
  /** Lets a migration stop copying; its migrator stays alive. It cannot where the range is sealed already, and then goes on. */
  pause(mid: number): Promise<void>;
  /** Takes a pause back. */
  unpause(mid: number): Promise<void>;
  /**
   * Watches whether a migrator does what `pause` or `unpause` has asked for. That nobody works on the migration shows after
   * the time for which a heartbeat may stand still: 5 s at most.
   *
   * @throws NurseryError REFUSED where the keeper knows no such migration
   */
  watchWish(mid: number): Promise<Heeded>;
  /**
   * Asks for an abort, and resolves with how the migration ended: aborted, or done where it was too late. Takes it over where
   * its migrator is dead.
   *
   * @throws NurseryError REFUSED where it has ended or the map has changed already; those of running a migration
   */
  abort(mid: number, why: string, options?: MoveOptions): Promise<MigrationResult>;
  /** Every migration that the keeper knows, ended ones included, each with its progress. */
  list(): Promise<Migration[]>;
}

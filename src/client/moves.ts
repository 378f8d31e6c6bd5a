/** What can be asked of moves of ranges: by the command line, and by whatever else runs in its process. */
import type { Key } from '../base/bytes.ts';
import { NurseryError } from '../base/errors.ts';
import { printRange, type Range } from '../keyspace/range.ts';
import type { Migration, Progress } from '../protocol/admin/admin.ts';
import type { AutoSettings, AutoWish } from '../protocol/admin/auto.ts';
import type { Asked } from '../protocol/admin/migration.ts';
import type { AutoVerdict, MigrationResult, NurseryPlan, PlannedMove } from '../protocol/admin/moves.ts';

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

/** What is to be evened out between clusters: none shall have more than the mean and `threshold`, as a share of it. */
export type Evened = { readonly by: 'size' | 'load'; readonly threshold: number };

/** Whom to tell. */
export type MoveOptions = {
  /** A move has its id, and begins. */
  readonly onPlanned?: (mid: number, move: PlannedMove) => void;
  readonly onProgress?: (mid: number, progress: Progress, rate: Rate) => void;
  /** A move has ended. */
  readonly onResult?: (result: MigrationResult) => void;
  /** The target of a move that was aborted without it knows that by now, and has dropped what it had staged. */
  readonly onTold?: (told: { readonly mid: number; readonly target: string }) => void;
  /** Stops at once; what was begun can be resumed. */
  readonly signal?: AbortSignal;
  /** How the move, or merge, was asked for: its record keeps that. */
  readonly asked?: Asked;
};

export type MigrateOptions = MoveOptions & {
  /** Only records the moves at the keeper; whoever watches it runs them. */
  readonly detach?: boolean;
};

/** One move of a dry run, as far as its clusters count and answer now: null is what nobody says. */
export type DryMove = PlannedMove & {
  /** Keys that its two clusters hold in all. */
  readonly sourceKeys: number | null;
  readonly targetKeys: number | null;
  /** Whether the target's master says anything: a move to a cluster without one waits for it. */
  readonly targetAnswers: boolean;
  /** What would move. */
  readonly keys: number | null;
  readonly bytes: number | null;
  /** How long the copy may take (without end at a rate of 0: null), at how many bytes per second, and what that rests on: the rate asked for, or the last moves. */
  readonly seconds: number | null;
  readonly bytesPerSecond: number | null;
  readonly basis: 'rate' | 'moves' | null;
  /** How long clients may have to wait for the range at its end (ms), as in the last moves. */
  readonly pauseMs: number | null;
  /** Room that it needs (bytes), and what the fullest disk of the target has left beside what other open moves bring. */
  readonly neededBytes: number | null;
  readonly freeBytes: number | null;
};

/** @throws NurseryError REFUSED where the target of one of them has no room for it; nothing is refused for what nobody knows */
export function expectRoom(moves: readonly DryMove[]): void {
  for (const move of moves) {
    const why = whyNoRoom(move);
    if (why !== null) throw new NurseryError('REFUSED', why);
  }
}

/** Why the target of a move has no room for it; null where it has, or nobody knows. */
export function whyNoRoom(
  move: PlannedMove & Pick<DryMove, 'bytes' | 'neededBytes' | 'freeBytes'>,
): string | null {
  const { source, target, bytes, neededBytes, freeBytes } = move;
  if (neededBytes === null || freeBytes === null || neededBytes <= freeBytes) return null;
  return `${target} has no room for ${printRange(move)} of ${source}: ${bytes} bytes of rows may take ${neededBytes} until logs and stores are tidied up, and the fullest of its disks has ${Math.max(0, Math.floor(freeBytes))} bytes left beside what other open moves bring. Make room there, or move less`;
}

/** What people wish of rebalancing by itself, and what would be done now by a planner that has looked for long enough. */
export type AutoShown = {
  readonly wish: AutoWish;
  readonly verdict: AutoVerdict;
  readonly moves: readonly PlannedMove[];
  /** Whether a router or a migrator is connected to the keeper, and may do so; null where it is off, or nobody can say. */
  readonly isAttended: boolean | null;
};

/**
 * What became of a pause, or of its end: it is so; its migrator is alive and has not got there yet; nobody works on it; it is not
 * paused, and copies nothing all the same, since its rate is 0.
 */
export type Heeded = 'done' | 'wanted' | 'nobody' | 'rateIsZero';

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
  /**
   * Moves the range of a migration back to where it came from: a move of its own, with a number of its own, that copies all of it anew.
   *
   * @throws NurseryError REFUSED where it is not done, or any part has moved since, which names the present owners; those of
   *   running a migration
   */
  undo(mid: number, options?: MoveOptions): Promise<MigrationResult[]>;
  /**
   * What `migrate` would do, and how that would go; whether there is room is for the caller to ask (`expectRoom`).
   *
   * @param rate bytes per second, where one would be given
   * @throws NurseryError REFUSED where it would be refused otherwise
   */
  dryRun(request: MoveRequest, rate?: number | null): Promise<DryMove[]>;
  /**
   * Makes one range of the two that meet at `separator`; where it is null, of all neighbours of one owner, but for those of which
   * something is under way elsewhere.
   *
   * @throws NurseryError REFUSED where it cannot be done; those of running a migration
   */
  merge(separator: Key | null, options?: MoveOptions): Promise<MigrationResult[]>;
  /** What `merge` would begin with. @throws NurseryError REFUSED where it would be refused */
  dryMerge(separator: Key | null): Promise<readonly (Range & { readonly cluster: string })[]>;
  /**
   * What would be moved to even out how much clusters have, or are asked for, as their masters count.
   *
   * @throws NurseryError where the keeper is silent
   */
  planRebalance(evened: Evened): Promise<NurseryPlan>;
  /**
   * Carries such plans out, until nothing is left to do. Where others change the map meanwhile, it is planned anew.
   *
   * @throws NurseryError as `migrate`
   */
  rebalance(
    evened: Evened,
    options?: MoveOptions & { readonly onPlan?: (plan: NurseryPlan) => void },
  ): Promise<MigrationResult[]>;
  /** @throws NurseryError where the keeper is silent */
  auto(): Promise<AutoShown>;
  /**
   * Wishes otherwise of rebalancing by itself; what is not said stays as it is.
   *
   * @throws NurseryError REFUSED where that makes no sense, or others change it again and again; MAYBE_APPLIED
   */
  setAuto(change: Partial<AutoSettings>): Promise<void>;
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
   * Goes on with a migration that nobody works on any more, or with all of them where `mid` is null, side by side; there targets of
   * aborted ones are told besides (`onTold`).
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
   * Has so many bytes of keys and values copied per second at most, whoever works on it, from its next heartbeat on; 0: none for
   * now; null: the copy gives way to requests, as one does for which nobody has asked a rate. What has been copied by then is not
   * affected, nor are the last rows.
   *
   * @throws NurseryError REFUSED where the keeper knows no such migration, or nothing of it is copied any more
   */
  setRate(mid: number, rate: number | null): Promise<void>;
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

/** Moves of ranges, as whoever asks for them and whoever carries them out speak of them. */
import type { Key } from '../../base/bytes.ts';
import type { Range } from '../../keyspace/range.ts';
import type { Progress, Receipt } from './admin.ts';

/** One range to be moved, wholly owned by `source`. */
export type PlannedMove = Range & { readonly source: string; readonly target: string };

/** Room that a target must have for rows: in its log, in its store, and until both are tidied up (bytes per byte of rows). */
export const RESERVE = 2.5;

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

/** Keys and bytes of a part of the key space; `load`: what it weighs where a plan is not by size. */
export type Amount = { readonly keys: number; readonly bytes: number; readonly load?: number };

/** One move of a plan, and what it is thought to bring; moves of one wave share no cluster, and are run side by side. */
export type RebalanceMove = PlannedMove & Amount & { readonly wave: number };

/** How even it is: what the emptiest and the fullest cluster have, as shares of the mean. */
export type Spread = {
  readonly mean: number;
  readonly least: number;
  readonly most: number;
  /** The fullest; '' where nobody has anything. */
  readonly fullest: string;
};

/** Moves that even a nursery out, in the order of their waves. */
export type RebalancePlan = {
  readonly moves: readonly RebalanceMove[];
  readonly before: Spread;
  readonly after: Spread;
  /** Clusters that keep too much: no room elsewhere, nothing that can be cut, or too many moves. */
  readonly stuck: readonly string[];
};

/** What rebalancing by itself does at a moment, and why, in words for people. */
export type AutoVerdict = {
  readonly kind:
    | 'off'
    | 'quiet'
    /** As many of its moves are open as may be. */
    | 'open'
    /** More has moved lately than can be looked at. */
    | 'crowded'
    /** What may move in a day has. */
    | 'spent'
    | 'even'
    /** Uneven, and not for long enough yet. */
    | 'waits'
    /** Uneven, and those that have too much are left alone this time. */
    | 'busy'
    /** Uneven, and nothing can be moved. */
    | 'stuck'
    | 'moves'
    | 'merges';
  readonly why: string;
};

/** A range that stays where it is: `key` has the share `share` of the `load` requests a second that it is asked for. */
export type HotRange = Range & {
  readonly owner: string;
  readonly load: number;
  readonly key: Key;
  readonly share: number;
};

/** A plan of a nursery, made from the map of that version. */
export type NurseryPlan = RebalancePlan & {
  /** What is evened out: bytes, or requests a second. */
  readonly by: 'size' | 'load';
  /** Of a plan by load, what cannot be spread. */
  readonly hot: readonly HotRange[];
  readonly mapVersion: number;
  /** Clusters that did not say what they have: they neither give nor take. */
  readonly unknown: readonly string[];
  /** Clusters with an open move, or by load with one less than a minute ago, which are left alone this time. */
  readonly busy: readonly string[];
};

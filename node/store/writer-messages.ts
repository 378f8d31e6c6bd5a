/** What a store and the thread that writes it say to each other. */
import type { Bucket, RowCount } from './buckets.ts';
import type { RunPolicy } from './run-policy.ts';
import type { AddedRun } from './run-writer.ts';
import type { RunNote } from './runs.ts';
import type { Span } from './spread.ts';
import type { StoreKey } from './types.ts';

/** What the thread begins with. */
export type WriterStart = { readonly dir: string; readonly policy: RunPolicy };

/** What the thread is told, in order. */
export type WriterCommand =
  | { readonly kind: 'rows'; readonly page: Uint8Array }
  /** The rows since the last commit, and the slot where there is one, become durable in one transaction. */
  | { readonly kind: 'commit'; readonly slot: number | null }
  /** Rows of the next run; it becomes part of the store with `commitRun`, as the image of that slot. */
  | { readonly kind: 'runRows'; readonly page: Uint8Array }
  | { readonly kind: 'commitRun'; readonly slot: number }
  /** Tells how the rows of a flush lie among those that are there. */
  | { readonly kind: 'spread'; readonly spans: readonly Span[] }
  /** No new reader will ask for runs that this version of their list does not have. */
  | { readonly kind: 'seen'; readonly version: number }
  /** Whether somebody reads an older image. */
  | { readonly kind: 'pinned'; readonly isPinned: boolean }
  /** Whose rows are counted from now on: told at once, and after each commit. */
  | {
      readonly kind: 'count';
      readonly id: number;
      readonly ranges: readonly { readonly from: StoreKey; readonly to: StoreKey }[];
    }
  /** Tells all buckets. */
  | { readonly kind: 'buckets' }
  | { readonly kind: 'close' };

/** What the thread says: once per start, commit, and question for a spread; and by itself. */
export type WriterAnswer =
  | { readonly kind: 'ready' }
  | { readonly kind: 'committed'; readonly runs: RunNews | null }
  | { readonly kind: 'spread'; readonly spread: number }
  /** Runs have been merged. */
  | { readonly kind: 'runs'; readonly runs: RunNews }
  /** There are so many runs that the next one has to wait for the merge; how much of that has passed (0 to 1). */
  | { readonly kind: 'pace'; readonly part: number }
  /** Of the ranges that `count` gave under `id`; null while the store is being counted. */
  | { readonly kind: 'counts'; readonly id: number; readonly counts: RowCount[] | null }
  /** In the order in which they were asked for; null while the store is being counted. */
  | { readonly kind: 'buckets'; readonly buckets: Bucket[] | null }
  /** Nothing of the transaction was written. `code` is LMDB's, or the system's `errno`. */
  | { readonly kind: 'failed'; readonly message: string; readonly code: number | null }
  /** Runs could not be merged, or a table not emptied: it is tried again. */
  | { readonly kind: 'workFailed'; readonly message: string; readonly code: number | null };

/** The runs of the newest image, newest first, where they are not as they were; and what it took. */
export type RunNews = {
  readonly version: number;
  readonly runs: readonly RunNote[];
  /** The one that has come. */
  readonly added: AddedRun | null;
  /** Transactions for it. */
  readonly commits: number;
};

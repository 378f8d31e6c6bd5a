/** What requests are answered with: the parts of a node that serving needs. */
import type { Recording } from '../../src/port/recording.ts';
import type { Budgets } from '../../src/process/budget.ts';
import type { Condition, CountedBucket, SharedPlaces } from '../../src/protocol/admin/node-facts.ts';
import type { SeatFigures } from '../../src/protocol/arakoon/statistics.ts';
import type { Driver } from '../driver/driver.ts';
import type { FairShare } from '../driver/fair-share.ts';
import type { Scheduler } from '../driver/scheduler.ts';
import type { UpdateCost } from '../driver/update-cost.ts';
import type { Introduction } from '../identity/introduction.ts';
import type { StoreFigures } from '../store/lmdb-store.ts';
import type { RangeCounts } from '../store/range-counts.ts';
import type { Store } from '../store/types.ts';
import type { Heartbeats } from './heartbeats.ts';
import type { Load } from './load.ts';
import type { MapWatchers } from './map-watchers.ts';
import type { Noted } from './notes.ts';
import type { Seals } from './seals.ts';
import type { SlowDowns } from './slow-downs.ts';
import type { Visitors } from './visitors.ts';

export type RequestContext = {
  readonly clusterId: string;
  readonly node: string;
  /** Cluster of the keeper that its file names; null where it names none. */
  readonly nursery: string | null;
  readonly driver: Driver;
  readonly store: Store;
  /** Carries out what our own processes ask for, and another one what clients want to read. */
  readonly scheduler: Scheduler;
  readonly reads: Scheduler;
  /** Hears of what is short, which long reads give way to. */
  readonly share: Pick<FairShare, 'short'>;
  /** A single node that refuses all updates. */
  readonly readOnly: boolean;
  /** Limits of the configuration, at or below those of the product (bytes). */
  readonly valueBytesMax: number;
  readonly updateBytesMax: number;
  readonly watchers: MapWatchers;
  readonly slowDowns: SlowDowns;
  /** Whose node this is, and whether it may serve. */
  readonly introduction: Pick<
    Introduction,
    'label' | 'founding' | 'keeper' | 'notes' | 'refusal' | 'callers'
  > & {
    /** For what this founding waits before it serves; null where it does not. */
    readonly succession?: { readonly why: string | null };
    /** For what it waits before it serves, and what it has noted. Default: nothing. */
    readonly waits?: string | null;
    readonly noted?: readonly Noted[];
  };
  readonly seals: Seals;
  /** Where this is a keeper: which migrations stand still. Default: nobody looks. */
  readonly heartbeats?: Pick<Heartbeats, 'notes'> & Partial<Pick<Heartbeats, 'still'>>;
  /** What is so that ought not to be, as last looked at, and whose links are open. Default: nobody looks. */
  readonly conditions?: { readonly all: Condition[] };
  readonly visitors?: Pick<Visitors, 'all'>;
  /** Figures of the store, for metrics. Default: there are none. */
  readonly storeFigures?: () => StoreFigures;
  /** What the store counts by itself, with when that was so (`nowMs`). Default: it counts nothing. */
  readonly counts?: () => RangeCounts | null;
  /** Where the node is. Default: nobody says. */
  readonly places?: SharedPlaces;
  /** How busy ranges are. Default: nobody counts. */
  readonly load?: Pick<Load, 'told' | 'totals'>;
  /** Tells how what the store counts lies, once; null where it does not know yet. Default: nobody does. */
  readonly buckets?: (hear: (buckets: CountedBucket[] | null) => void) => void;
  nowMs(): number;
  /** The clock on the wall, for people (ms since 1970). */
  wallMs(): number;
  /** Calls `run` once, `delayMs` from now. */
  after(delayMs: number, run: () => void): void;
  /** Counts and times what is asked. */
  readonly recording: Recording;
  /** Syncs of the disk since the start. */
  syncs(): { readonly log: number; readonly store: number };
  readonly cost: UpdateCost;
  /** What became of connections. Default: nothing is known. */
  seats?(): SeatFigures;
  /** Memory of the connections of clients and routers. */
  readonly budgets: Budgets;
  /** Writes the store's overlay to disk. */
  flush(): Promise<void>;
  /** Drops log segments that the store no longer needs, but for the newest `keep`; `dropped` hears of each, resolves with how many went. */
  collapse(keep: number, dropped?: () => void): Promise<number>;
  /**
   * Rewrites the store's file without the room that is not in use.
   *
   * @throws NurseryError where that cannot be now: it is as it was
   */
  compact(): Promise<void>;
};

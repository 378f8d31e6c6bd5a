/** What lies outside of a migrator: clock and clusters, as its driver asks for them, and as they are in a process. */
import type { Timers } from '../src/process/timers.ts';
import type { AdminAnswer, AdminCommand, AdminQuery, Migration } from '../src/protocol/admin/admin.ts';
import type { Request } from './core/calls.ts';

/**
 * Whether any migration needs a migrator, as the keeper says; which wish to rebalance by itself is in force (0: none); or why nobody of
 * the keeper can be watched for that.
 */
export type MovesNews =
  | { readonly kind: 'moves'; readonly areAny: boolean }
  | { readonly kind: 'auto'; readonly wish: number }
  | { readonly kind: 'silent'; readonly why: string };

/** What is asked of clusters: as a coordinator does, or of one node by its name. */
export type WorldRequest =
  | Request
  | { readonly kind: 'query'; readonly query: AdminQuery; readonly node: string };

/** Everything outside. */
export type World = Timers & {
  /** Wall clock (ms): stands in records, for people. */
  wallMs(): number;
  /**
   * Asks a cluster, '' the keeper. `done` is called once, later: with the answer, or why there is none, at the latest after
   * `deadlineMs`. A command may have been carried out then.
   */
  ask(
    cluster: string,
    request: WorldRequest,
    deadlineMs: number,
    done: (answer: AdminAnswer | Error) => void,
  ): void;
  /**
   * Looks whether the target of a migration has room for what it is to bring. `done` is called once, later: with why it has not, or null,
   * also where nobody can say.
   */
  findRoom(migration: Migration, done: (why: string | null) => void): void;
};

/** Tells whether there is anything to do for a migrator. */
export type MovesWatch = {
  /** Tells of moves as soon as anything is known, and whenever it changes, until what it returns is called. */
  watchMoves(listener: (news: MovesNews) => void): () => void;
};

/** How a request is to be sent. */
export type SendOptions = {
  /** Whom to ask: the master, any node that answers, or any but the master where one does, or the node of that name. */
  readonly to?: 'master' | 'any' | 'follower' | (string & {});
  /** After this long without an answer it fails with TIMEOUT. */
  readonly deadlineMs?: number;
};

/** A cluster as the migrator sees it. Both reject where no answer comes; a command may then have been carried out. */
export interface Cluster {
  command(command: AdminCommand, options?: SendOptions): Promise<AdminAnswer>;
  query(query: AdminQuery, options?: SendOptions): Promise<AdminAnswer>;
}

/** The clusters of a nursery. */
export type Clusters = {
  readonly keeper: Cluster;
  /** A cluster by its id. @throws NurseryError UNREACHABLE where nobody knows its addresses */
  cluster(id: string): Cluster | Promise<Cluster>;
};

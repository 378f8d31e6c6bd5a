/**
 * What a page of the dashboard is told at each poll, as JSON: the facts of `nursery status`, in the same form as far as it fits
 * (docs/commands.md, "Status"), cut down to what a page can show. Types only: the page's sources import them, too.
 *
 * Times that end in `Ms` are milliseconds since 1970 by the clock of whoever is named; keys are in the one form of JSON.
 */

/** `hi` is null where the range is open. */
export type KeyRange = { readonly lo: string; readonly hi: string | null };

export type Since = { readonly sinceMs: number; readonly ageMs: number; readonly by: string };

export type ShownFinding = {
  readonly kind: string;
  readonly severity: 'notServing' | 'atRisk' | 'note';
  readonly subject: string;
  readonly what: string;
  readonly since: Since | null;
  readonly todo: string | null;
  readonly command: string | null;
};

/** A range of the map, or several neighbours where there are more than a page can show. */
export type ShownRange = KeyRange & {
  /** Null where it stands for ranges of several clusters. */
  readonly owner: string | null;
  readonly epoch: number;
  /** For how many ranges of the map it stands. */
  readonly ranges: number;
  /** Null where nobody has counted them yet. */
  readonly keys: number | null;
  readonly bytes: number | null;
  /** Reads and writes a second, over the last ten seconds, of all nodes that say so; null where none does. */
  readonly perSecond: number | null;
  /** The migration for which it is sealed, so that nobody serves it; else null. */
  readonly sealedBy: number | null;
  readonly isServedByNobody: boolean;
};

export type ShownCondition = {
  readonly kind: string;
  readonly subject: string;
  readonly detail: string;
  readonly sinceMs: number;
};

export type ShownNode = {
  readonly name: string;
  /** Why it said nothing; then all that follows is null or empty. */
  readonly why: string;
  readonly version: string | null;
  readonly atMs: number | null;
  readonly conditions: readonly ShownCondition[];
  readonly status: {
    readonly role: string;
    readonly isMaster: boolean;
    readonly applied: number;
    readonly chosen: number;
    /** Chosen slots that its master has not heard to be applied there; null where no master says. */
    readonly lag: number | null;
    readonly waitsFor: string | null;
    readonly label: string;
    readonly ranges: number;
  } | null;
};

export type ShownCluster = {
  readonly cluster: string;
  readonly founding: string | null;
  readonly isKeeper: boolean;
  /** The file names its nodes at addresses that the keeper does not know. */
  readonly isElsewhere: boolean;
  readonly copies: { readonly members: number; readonly fit: number; readonly mayFail: number } | null;
  /** When the last backup that was noted there was taken. */
  readonly backupMs: number | null;
  readonly nodes: readonly ShownNode[];
};

export type ShownMove = KeyRange & {
  readonly mid: number;
  readonly source: string;
  readonly target: string;
  readonly phase: string;
  readonly wish: string;
  readonly why: string;
  readonly stage: string;
  /** For whom, since when, and why; '' for nobody. */
  readonly waitingFor: string;
  /** How fast it is copied at most, and why; '' for nothing to say. */
  readonly pace: string;
  readonly keysCopied: number;
  readonly bytesCopied: number;
  /** 0 where it is not known yet. */
  readonly keysTotal: number;
  readonly dirtyRows: number;
  readonly pauseMs: number;
  readonly pauseAtLeast: boolean;
  readonly startedAtMs: number;
  /** Since when nobody has worked on it; null where somebody does. */
  readonly still: Since | null;
};

export type Visitor = {
  readonly role: string;
  readonly node: string;
  readonly from: string;
  /** How long it has been connected to a node of the keeper. */
  readonly ageMs: number;
};

/** What clients have been answered by the process itself since its start. */
export type Answered = {
  /** Monotonic. */
  readonly atMs: number;
  /** Upper bounds of the counts (s). */
  readonly boundsS: readonly number[];
  /** How many took at most as long as each bound, and longer than the one before; one more than there are bounds. */
  readonly reads: readonly number[];
  readonly updates: readonly number[];
  /** Reads and updates that were refused or failed; they are in neither of the others. */
  readonly failed: number;
};

/** An action of this process that did not come to a good end after its answer had left. */
export type Failed = { readonly what: string; readonly why: string; readonly atMs: number };

export type Document = {
  /** When it was gathered, by the clock of the process, and how long that took. */
  readonly atMs: number;
  readonly tookMs: number;
  readonly process: { readonly kind: 'router' | 'node'; readonly name: string; readonly version: string };
  /** Whether it takes actions from whoever has its token. */
  readonly takesActions: boolean;
  readonly verdict: { readonly state: 'healthy' | 'atRisk' | 'notServing'; readonly words: string };
  readonly findings: readonly ShownFinding[];
  readonly keeperSilent: string | null;
  readonly nursery: string | null;
  /** `version` null outside a nursery, and where no map was heard: then it is what clusters say that they own. */
  readonly map: {
    readonly version: number | null;
    /** All ranges that there are; fewer entries may stand for them. */
    readonly ranges: number;
    readonly entries: readonly ShownRange[];
  };
  readonly clusters: readonly ShownCluster[];
  /** Null where the keeper is silent, or there is none. */
  readonly moves: {
    readonly open: readonly ShownMove[];
    /** Open ones that are not listed. */
    readonly more: number;
    /** The newest of those that have ended. */
    readonly ended: readonly ShownMove[];
  } | null;
  readonly visitors: readonly Visitor[];
  readonly failed: readonly Failed[];
  readonly answered: Answered;
};

/** The numbers of a coordinator. Times in milliseconds. */

export type Settings = {
  /** Between two notes to the keeper. */
  readonly heartbeatMs: number;
  /** The same while the range is sealed, or about to be. */
  readonly sealedHeartbeatMs: number;
  /** While it waits, before anybody waits for it, a note goes out at every so-manieth beat; others wait so much longer, too. */
  readonly waitingBeats: number;
  /** A migration whose heartbeat stands still for this long may be claimed. */
  readonly claimAfterMs: number;
  /** Who is to leave while the range is sealed goes on for so long at most, until somebody serves it. */
  readonly leaveSealedMs: number;
  /** Size of a page of the copy (bytes of keys and values). */
  readonly pageBytes: number;
  /** Rows of a page of a round. */
  readonly dirtyRowsMax: number;
  /** Pages that may be under way to the target at a time. */
  readonly pagesInFlightMax: number;
  /** What a seal may leave to be sent while nobody serves: this bounds the pause. */
  readonly sealRowsMax: number;
  readonly sealBytesMax: number;
  /** Above this another round is run before the seal, as long as each leaves less than half of the one before. */
  readonly sealRowsWanted: number;
  /** Rounds in a row that do not shrink before the source slows its writers (further). */
  readonly stuckRounds: number;
  readonly slowDownMinMs: number;
  readonly slowDownMaxMs: number;
  /** Before an unanswered request is repeated: doubled from the first to the second. */
  readonly retryMinMs: number;
  readonly retryMaxMs: number;
  /** Between two questions for what takes its time (clean-up, a target that is busy, a pause). */
  readonly pollMs: number;
  /** After this long without any answer of a cluster the coordinator gives up, unless the range is sealed. */
  readonly giveUpMs: number;
  /** Copies at most this many bytes a second where nobody has asked a rate; null: it gives way to requests instead. */
  readonly bytesPerSecondMax: number | null;
  /** A copy without a rate gives way where requests wait for longer: between the two, by what they waited before (courtesy.ts). */
  readonly waitedMinMs: number;
  readonly waitedMaxMs: number;
  /** It copies so many bytes a second all the same: it ends, whatever requests wait for. */
  readonly courteousBytesMin: number;
};

export const SETTINGS: Settings = {
  heartbeatMs: 300,
  sealedHeartbeatMs: 100,
  waitingBeats: 10,
  claimAfterMs: 1000,
  leaveSealedMs: 300,
  pageBytes: 512 * 1024,
  dirtyRowsMax: 4000,
  pagesInFlightMax: 2,
  sealRowsMax: 500,
  sealBytesMax: 256 * 1024,
  sealRowsWanted: 50,
  stuckRounds: 3,
  slowDownMinMs: 2,
  slowDownMaxMs: 100,
  retryMinMs: 20,
  retryMaxMs: 1000,
  pollMs: 100,
  giveUpMs: 600_000,
  bytesPerSecondMax: null,
  waitedMinMs: 5,
  waitedMaxMs: 200,
  courteousBytesMin: 256 * 1024,
};

/** In a process that serves clients: what it has to do at a time for a copy is short. */
export const BESIDE_CLIENTS: Partial<Settings> = {
  pageBytes: 128 * 1024,
  dirtyRowsMax: 1000,
  pagesInFlightMax: 1,
};

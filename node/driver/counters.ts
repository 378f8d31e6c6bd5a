/** What a driver has done since its process began. */
export function newCounters() {
  return {
    messagesSent: 0,
    turns: 0,
    slotsApplied: 0,
    updatesApplied: 0,
    batchesProposed: 0,
    scrubSteps: 0,
    /** Stretches of rows in which this node differed from a majority, or from anyone where there was none. */
    scrubDifferences: 0,
    storeRebuilds: 0,
  };
}

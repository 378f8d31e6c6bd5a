/**
 * Work that can wait gives way to connections that are being accepted. The event loop accepts one connection each round, so that a round
 * that is filled with other work keeps everybody waiting who comes, a router that lost its link among them.
 */

/** Rounds in a row for which work gives way, at most: a crowd that never ends does not end the work of others. */
const ROUNDS_MAX = 32;

let arrivals = 0;

/** A connection was accepted. */
export function arrived(): void {
  arrivals += 1;
}

/** Runs `work` in one of the next rounds: the first in which nobody was accepted, and after `ROUNDS_MAX` in any case. */
export function afterArrivals(work: () => void): void {
  giveWay(work, ROUNDS_MAX);
}

function giveWay(work: () => void, roundsLeft: number): void {
  const before = arrivals;
  setImmediate(() => {
    if (arrivals === before || roundsLeft === 0) work();
    else giveWay(work, roundsLeft - 1);
  });
}

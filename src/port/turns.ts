/** Turns of connections that are due; taken together after the present round of events. */
let turns: (() => void)[] = [];

/**
 * Calls `turn` after the present round of events, with all others that are due then. Answers of one round leave one
 * after the other, not each after its request: the first write wakes the client's process, and the others find it
 * awake. A wake-up costs more than answering a small read.
 */
export function takeTurn(turn: () => void): void {
  turns.push(turn);
  if (turns.length === 1) setImmediate(takeTurns);
}

function takeTurns(): void {
  const due = turns;
  turns = [];
  for (const turn of due) turn();
}

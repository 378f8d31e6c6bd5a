/** An empty home whose cluster somebody else is: whether there is anything to wait for. */
import type { IntroductionOptions } from './contract.ts';

/** With `--bootstrap`, how long other empty homes may take to answer (ms); as the consensus core. */
const BOOTSTRAP_WAIT_MS = 3000;

/**
 * All homes that could found are empty: they are not a part of a cluster that is only being waited for. The others have heard
 * that this one is: if it stopped before, they would wait for it.
 */
export function wouldFound({
  driver,
  node,
  bootstrap,
  nowMs,
}: Pick<IntroductionOptions, 'driver' | 'node' | 'bootstrap' | 'nowMs'>): boolean {
  const { config, emptyHomes, saidEmptyTo, startedMs } = driver.replica;
  const voters = config.wished.filter((name) => !config.learners.includes(name));
  const all = voters.every((name) => name === node || (emptyHomes.has(name) && saidEmptyTo.has(name)));
  return all || (bootstrap && nowMs() - startedMs >= BOOTSTRAP_WAIT_MS);
}

/** What a simulation relies on about itself and about what it runs; its trace holds the facts. */
import { InvariantError } from '../../../src/base/assert.ts';

/** @throws InvariantError naming `what` should have held */
export function invariant(condition: unknown, what: string): asserts condition {
  if (!condition) throw new InvariantError(`invariant broken: ${what}`);
}

/** What must hold, said where the code relies on it. A broken invariant is our bug: it ends the process. */

/** Thrown where an invariant does not hold. Nobody catches it: a process never goes on from a state it believed impossible. */
export class InvariantError extends Error {
  override readonly name = 'InvariantError';
}

/**
 * Ends the caller where `condition` is false. Stays on in production.
 *
 * @throws InvariantError naming `what` should have held
 */
export function invariant(condition: unknown, what: string): asserts condition {
  if (!condition) throw new InvariantError(`invariant broken: ${what}`);
}

/** Marks the branch that the types exclude: `default: return unreachable(event)`. */
export function unreachable(value: never): never {
  throw new InvariantError(`unreachable: ${JSON.stringify(value)}`);
}

/**
 * The value, which the surrounding code knows to be there.
 *
 * @throws InvariantError where it is not
 */
export function present<T>(value: T | undefined | null, what: string): T {
  invariant(value !== undefined && value !== null, `${what} is present`);
  return value;
}

/** What must hold, said where the code relies on it. A broken invariant is our bug: it ends the process. */

/** Thrown where an invariant does not hold. Nobody catches it: a process never goes on from a state it believed impossible. */
export class InvariantError extends Error {
  override readonly name = 'InvariantError';
}

/** Plain values that say of whom and of what something is told, by name. */
export type Facts = { readonly [name: string]: string | number | bigint | boolean | null };

/**
 * Ends the caller where `condition` is false. Stays on in production.
 *
 * @param facts what whoever reads the message must know: who, and the numbers that do not fit; asked for only then
 * @throws InvariantError naming `what` should have held, with the facts
 */
export function invariant(condition: unknown, what: string, facts: () => Facts): asserts condition {
  if (!condition) throw new InvariantError(`invariant broken: ${what} (${printFacts(facts())})`);
}

/** Facts in one line: `node ams, slot 7`. */
export function printFacts(facts: Facts): string {
  return Object.entries(facts)
    .map(([name, value]) => `${name} ${value === '' ? "''" : value}`)
    .join(', ');
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
  if (value === undefined || value === null) throw new InvariantError(`invariant broken: ${what} is present`);
  return value;
}

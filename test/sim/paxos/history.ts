/** What schedules of histories have in common. */
import { check } from '../base/violation.ts';
import { type Hand, LEASE_MS } from './hand.ts';

/** @throws Violation where it does not hold */
export function holds(condition: boolean, what: string): void {
  check(condition, 'history', () => what);
}

/** Somebody serves, and an update is chosen. */
export function serves(hand: Hand, what: string): void {
  holds(hand.propose() !== null, `${what}: nobody serves`);
  hand.run(LEASE_MS);
  holds(hand.reader !== null, `${what}: nobody serves any more`);
}

/** Answers that several parts of the machine give. */
import type { AdminAnswer } from '../../src/protocol/admin/admin.ts';

/** Not at all, and why. */
export function refused(why: string): AdminAnswer {
  return { kind: 'refused', why };
}

/** Counts what happened, so that a run of many seeds can say what it never tried. */

import type { Effect, Event } from '../../../node/paxos/contract.ts';
import { isShort, ownLife, type Replica } from '../../../node/paxos/replica.ts';
import { compareBallots } from '../../../node/paxos/values.ts';
import { textOf } from '../paxos/checker.ts';

/** Number of times that each named thing happened. */
export class Rare {
  readonly counts = new Map<string, number>();

  note(what: string): void {
    this.counts.set(what, (this.counts.get(what) ?? 0) + 1);
  }

  /** Adds what another run counted. */
  add(other: Rare): void {
    for (const [what, count] of other.counts) this.counts.set(what, (this.counts.get(what) ?? 0) + count);
  }
}

/** Notes what a member has just met in an election, or lacks. */
export function noteRare(rare: Rare, replica: Replica, event: Event, effects: readonly Effect[]): void {
  if (event.kind === 'start' && isShort(replica)) rare.note('short');
  if (event.kind !== 'message' || event.message.kind !== 'promise') return;
  const { message, from } = event;
  if (effects.some((effect) => effect.kind === 'persist' && effect.entry.kind === 'learn'))
    rare.note('learnt from half');
  const { role } = replica;
  if ((role.kind !== 'preparing' && role.kind !== 'master') || !role.promises.has(from)) return;
  if (compareBallots(role.ballot, message.ballot) !== 0) return;
  const own = ownLife(replica);
  for (const [node, { accepted }] of role.promises) {
    if (node === from) continue;
    for (const entry of accepted) {
      const other = message.accepted.find(({ slot }) => slot === entry.slot);
      if (other === undefined || textOf(other.value) === textOf(entry.value)) continue;
      rare.note('two values reported for a slot');
      if (entry.ballot.node === own && compareBallots(other.ballot, entry.ballot) > 0)
        rare.note('an old master is told what its successor proposed in its place');
    }
  }
}

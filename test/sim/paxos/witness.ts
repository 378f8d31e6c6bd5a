/** What others heard one life of a node promise and accept: it must remember that after any restart. */

import type { Recovered } from '../../../node/paxos/contract.ts';
import type { Message } from '../../../node/paxos/messages.ts';
import {
  type Ballot,
  compareBallots,
  NO_BALLOT,
  type NodeName,
  type Slot,
} from '../../../node/paxos/values.ts';
import { invariant } from '../base/invariant.ts';

/** One per home; a wiped home has nothing to remember. */
export class Witness {
  #promised: Ballot = NO_BALLOT;
  readonly #accepted = new Map<Slot, Ballot>();

  /** The node said this to somebody. */
  hear(message: Message): void {
    switch (message.kind) {
      case 'promise':
        this.#hearPromise(message.ballot);
        return;
      case 'granted':
        if (message.votes) this.#hearPromise(message.ballot);
        return;
      case 'accepted': {
        this.#hearPromise(message.ballot);
        const before = this.#accepted.get(message.slot) ?? NO_BALLOT;
        if (compareBallots(message.ballot, before) > 0) this.#accepted.set(message.slot, message.ballot);
        return;
      }
      default:
        return;
    }
  }

  /** The node starts with this. @throws InvariantError where it has forgotten something */
  check(node: NodeName, recovered: Recovered): void {
    const { promised, accepted, applied, chosen, firstLogSlot } = recovered;
    const isKept = compareBallots(promised, this.#promised) >= 0;
    invariant(isKept, `${node} remembers its promise to ${JSON.stringify(this.#promised)}`);
    const known = new Map(accepted.map(({ slot, ballot }) => [slot, ballot]));
    for (const [slot, ballot] of this.#accepted) {
      if (slot <= applied || slot < firstLogSlot) this.#accepted.delete(slot);
      else if (slot > chosen && known.get(slot) !== null) {
        const kept = known.get(slot) ?? NO_BALLOT;
        invariant(compareBallots(kept, ballot) >= 0, `${node} remembers what it accepted in slot ${slot}`);
      }
    }
  }

  #hearPromise(ballot: Ballot): void {
    if (compareBallots(ballot, this.#promised) > 0) this.#promised = ballot;
  }
}

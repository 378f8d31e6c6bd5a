/** What must hold over all simulated nodes at once, asserted at each event that could break it. */

import type { Effect } from '../../../node/paxos/contract.ts';
import {
  type MembersState,
  membersStateCodec,
  type NodeName,
  type Slot,
  type Value,
  valueCodec,
} from '../../../node/paxos/values.ts';
import { encode } from '../../../src/wire/codec.ts';
import { invariant } from '../base/invariant.ts';
import { check } from '../base/violation.ts';

type Apply = Extract<Effect, { kind: 'apply' }>;

/** One slot as the first node to apply it had it. */
type Chosen = { readonly value: string; readonly members: MembersState; readonly membersText: string };

/** The client's view and the cluster's history, which no single node knows. */
export class Checker {
  /** By slot; slot 0 is the founding. */
  readonly #history: Chosen[] = [];
  /** Slot at which each proposal was applied first. */
  readonly #slotOf = new Map<number, Slot>();
  readonly #refused = new Set<number>();
  /** Highest slot that a client was told of, by acknowledgement or by a read. */
  #seen: Slot = 0;
  #freshFrom = Number.POSITIVE_INFINITY;
  #freshSlot: Slot | null = null;
  acknowledged = 0;
  /** Slots that were chosen, and that an order gave up. */
  lost = 0;
  /** Foundings that a survivor took the place of. */
  readonly #over = new Set<string>();
  /** By the life of a node that is being promoted: from which slot on its history is its own. */
  readonly #parted = new Map<
    string,
    { from: Slot; readonly slots: (Chosen & { readonly id: number | null })[] }
  >();

  /** Number of slots that anyone has applied. */
  get height(): Slot {
    return this.#history.length - 1;
  }

  /** Highest slot whose effect a client knows. */
  get seen(): Slot {
    return this.#seen;
  }

  get isFounded(): boolean {
    return this.#history.length > 0;
  }

  /** The founding that clients know: the last one that a survivor began, else the first. */
  get cluster(): string {
    return this.#at(0).members.cluster;
  }

  /** A node that is being promoted applies what it takes for chosen: from some slot on a history of its own. */
  appliedParted(life: string, { slot, value, members }: Apply): void {
    const text = textOf(value);
    const parted = this.#parted.get(life) ?? { from: slot, slots: [] };
    if (parted.slots.length === 0 && this.#history[slot]?.value === text) return;
    if (parted.slots.length === 0) parted.from = slot;
    this.#parted.set(life, parted);
    const index = slot - parted.from;
    const known = parted.slots[index]?.value ?? this.#history[slot]?.value;
    const isKnown = index < 0 || index < parted.slots.length;
    check(!isKnown || known === text, 'promotion', () => `slot ${slot} is ${text}, and was ${known}`);
    if (isKnown) return;
    const membersText = encode(membersStateCodec, members).toString('latin1');
    parted.slots.push({ value: text, members, membersText, id: proposalIn(value) });
  }

  /**
   * That node is the first member of a new founding, with what it held at `slot`; one slot above, where `members` are in force. What
   * was chosen above, or otherwise, is lost by order.
   */
  promoted(life: string, slot: Slot, members: MembersState): void {
    this.#over.add(this.cluster);
    const parted = this.#parted.get(life);
    const first = parted === undefined || parted.slots.length === 0 ? slot + 1 : parted.from;
    const dropped = this.#history.splice(first);
    for (const [id, at] of [...this.#slotOf]) if (at >= first) this.#slotOf.delete(id);
    for (const { id, ...chosen } of parted?.slots ?? []) {
      if (id !== null) this.#slotOf.set(id, this.#history.length);
      this.#history.push(chosen);
    }
    invariant(this.height === slot, `slot ${slot} is the last of ${this.height}`);
    const membersText = encode(membersStateCodec, members).toString('latin1');
    this.#history.push({ value: 'promoted', members, membersText });
    this.#history[0] = { value: 'founding', members, membersText };
    this.#seen = this.height;
    this.lost += Math.max(0, dropped.length - (slot + 1 - first));
    this.#parted.clear();
  }

  /** From now on `freshSlot` waits for a proposal with this number or a higher one. */
  watchFrom(id: number): void {
    this.#freshFrom = id;
  }

  /** Slot of the first acknowledged proposal that `watchFrom` asked for; null where there is none yet. */
  get freshSlot(): Slot | null {
    return this.#freshSlot;
  }

  /** The members in force after `slot`. */
  membersAt(slot: Slot): MembersState {
    return this.#at(slot).members;
  }

  /** The value that everybody applied, or has to apply, at `slot`. */
  valueAt(slot: Slot): string {
    return this.#at(slot).value;
  }

  /**
   * The same cluster is founded everywhere and always. One that a founder forgot by a crash before it was durable, when nobody
   * had heard of it, was not founded.
   *
   * @param isKept whether that founding is on any disk, or known to any process
   */
  founded(node: NodeName, state: MembersState, isKept: (founding: MembersState) => boolean): void {
    if (this.#over.has(state.cluster)) return;
    const membersText = encode(membersStateCodec, state).toString('latin1');
    const first = this.#history[0];
    if (first === undefined || (this.height === 0 && !isKept(first.members))) {
      this.#history[0] = { value: 'founding', members: state, membersText };
      return;
    }
    const known = first.membersText;
    check(
      membersText === known,
      'one-cluster',
      () => `${node} joins another cluster: ${JSON.stringify(state)}`,
    );
  }

  /** All nodes apply equal values at equal slots; a proposal is applied once, and not if it was refused. */
  applied(node: NodeName, { slot, value, members }: Apply): void {
    if (members.cluster !== this.cluster) return; // of a founding that is over: nobody serves it
    const text = textOf(value);
    const membersText = encode(membersStateCodec, members).toString('latin1');
    const known = this.#history[slot];
    if (known !== undefined) {
      check(
        known.value === text,
        'replicas-agree',
        () => `slot ${slot} on ${node}: ${text}, elsewhere ${known.value}`,
      );
      check(
        known.membersText === membersText,
        'replicas-agree',
        () =>
          `members at ${slot} are ${JSON.stringify(members)} on ${node}, elsewhere ${JSON.stringify(known.members)}`,
      );
      return;
    }
    check(
      slot === this.#history.length,
      'replicas-agree',
      () => `${node} applies slot ${slot} after ${this.height}`,
    );
    this.#history.push({ value: text, members, membersText });
    const id = proposalIn(value);
    if (id === null) return;
    const other = this.#slotOf.get(id);
    check(other === undefined, 'once', () => `proposal ${id} is applied at ${slot} and at ${other}`);
    check(
      !this.#refused.has(id),
      'refused-applied',
      () => `proposal ${id} was refused and is applied at ${slot}`,
    );
    this.#slotOf.set(id, slot);
  }

  /** The client of this proposal was told that it is done. */
  acknowledge(node: NodeName, id: number, slot: Slot): void {
    const at = this.#slotOf.get(id);
    check(
      at === slot,
      'acknowledged',
      () => `${node} acknowledges proposal ${id} at ${slot}, it stands at ${at}`,
    );
    this.#seen = Math.max(this.#seen, slot);
    this.acknowledged += 1;
    if (id >= this.#freshFrom) this.#freshSlot ??= slot;
  }

  /** The client of this proposal was told that it certainly did not happen. */
  refuse(id: number): void {
    const at = this.#slotOf.get(id);
    check(at === undefined, 'refused-applied', () => `proposal ${id} is refused, and was applied at ${at}`);
    this.#refused.add(id);
  }

  /** A consistent read on `node`, whose state machine is at `slot`: it sees all that any client knows. */
  read(node: NodeName, slot: Slot): void {
    check(
      slot >= this.#seen,
      'linearizable',
      () => `consistent read on ${node} at slot ${slot}, a client has seen ${this.#seen}`,
    );
    this.#seen = slot;
  }

  #at(slot: Slot): Chosen {
    const chosen = this.#history[slot];
    invariant(chosen !== undefined, `slot ${slot} was applied by somebody`);
    return chosen;
  }
}

/** A batch that carries the number of its proposal. */
export function proposalBytes(id: number): Uint8Array {
  return new Uint8Array(Uint32Array.of(id).buffer);
}

function proposalIn(value: Value): number | null {
  if (value.kind !== 'batch') return null;
  const { bytes } = value;
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getUint32(0, true);
}

/** Equal for equal values. */
export function textOf(value: Value): string {
  const id = proposalIn(value);
  if (id !== null) return `batch ${id}`;
  return `${value.kind} ${encode(valueCodec, value).toString('latin1')}`;
}

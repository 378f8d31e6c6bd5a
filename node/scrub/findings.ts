/** What the members of a cluster found at agreed slots, side by side; pure. */
import { bytes, type Coded, decode, encode, i64, key, option, struct } from '../../src/wire/codec.ts';
import type { NodeName, Slot } from '../paxos/values.ts';
import type { StoreKey } from '../store/types.ts';

/** Slots that are remembered; the lowest goes first. One that a peer answers later than that is compared in a later round. */
const SLOTS_MAX = 64;

const findingCodec = struct({ slot: i64, from: key, next: option(key), digest: bytes });

/** One replica's digest of the rows in `[from, next)` of the image of `slot`; `digest` in hexadecimal digits. */
export type Finding = {
  readonly slot: Slot;
  readonly from: StoreKey;
  readonly next: StoreKey | null;
  readonly digest: string;
};

/** A finding as nodes tell it each other. */
export function encodeFinding(finding: Finding): Buffer {
  return encode(findingCodec, { ...finding, digest: Buffer.from(finding.digest, 'hex') });
}

/** @throws NurseryError MALFORMED */
export function decodeFinding(body: Uint8Array): Finding {
  const { digest, ...rest }: Coded<typeof findingCodec> = decode(findingCodec, body);
  return { ...rest, digest: Buffer.from(digest).toString('hex') };
}

/** What a slot's findings say of this node's store. */
export type Verdict =
  /** Not enough is known, and nothing speaks against this node. */
  | { readonly kind: 'open' }
  /** A majority of the members holds what this node holds; `others` are members that do not. */
  | { readonly kind: 'same'; readonly others: readonly NodeName[] }
  /** A majority agrees, and not with this node. */
  | { readonly kind: 'differs'; readonly mine: Finding; readonly theirs: Finding }
  /** Members differ and none has a majority. `final`: nor can one come about, all have spoken. */
  | { readonly kind: 'split'; readonly final: boolean; readonly findings: ReadonlyMap<NodeName, Finding> };

/** Findings of all nodes by slot. */
export class Findings {
  readonly #node: NodeName;
  readonly #slots = new Map<Slot, Map<NodeName, Finding>>();

  /** @param node the one whose store is judged */
  constructor(node: NodeName) {
    this.#node = node;
  }

  /** Enters what a node found, in the place of what it said before; false where it said the same. */
  add(from: NodeName, finding: Finding): boolean {
    const said = this.#slots.get(finding.slot) ?? new Map<NodeName, Finding>();
    const before = said.get(from);
    if (before !== undefined && alike(before, finding)) return false;
    said.set(from, finding);
    this.#slots.set(finding.slot, said);
    if (this.#slots.size > SLOTS_MAX) this.#slots.delete(Math.min(...this.#slots.keys()));
    return true;
  }

  /** What this node found at a slot that is remembered. */
  own(slot: Slot): Finding | null {
    return this.#slots.get(slot)?.get(this.#node) ?? null;
  }

  /** Judges this node's store by a slot; only findings of `members`, those in force, have a weight. */
  verdict(slot: Slot, members: readonly NodeName[]): Verdict {
    const said = this.#slots.get(slot);
    const mine = said?.get(this.#node);
    if (said === undefined || mine === undefined) return { kind: 'open' };
    const findings = new Map([...said].filter(([node]) => members.includes(node)));
    const quorum = Math.floor(members.length / 2) + 1;
    let most = 0;
    for (const candidate of findings.values()) {
      const votes = [...findings.values()].filter((finding) => alike(finding, candidate)).length;
      most = Math.max(most, votes);
      if (votes < quorum) continue;
      if (!alike(candidate, mine)) return { kind: 'differs', mine, theirs: candidate };
      const others = [...findings].filter(([, finding]) => !alike(finding, mine)).map(([node]) => node);
      return { kind: 'same', others };
    }
    if (most === findings.size) return { kind: 'open' }; // all that have spoken agree
    const silent = members.length - findings.size;
    return { kind: 'split', final: most + silent < quorum, findings };
  }
}

/** Whether two nodes found the same rows. */
export function alike(a: Finding, b: Finding): boolean {
  return a.from === b.from && a.next === b.next && a.digest === b.digest;
}

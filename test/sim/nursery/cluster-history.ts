/** A cluster as its slots say it, whichever node was first to apply each: what every other node is compared with. */

import { MEMBERS_KEY } from '../../../node/life/members-row.ts';
import { inForce, loadState, type SystemState } from '../../../node/machine/system-state.ts';
import { type MembersState, membersStateCodec, type Slot } from '../../../node/paxos/values.ts';
import type { Image } from '../../../node/store/memory-store.ts';
import { type Changes, type StoreKey, TABLES, type View } from '../../../node/store/types.ts';
import { decode } from '../../../src/wire/codec.ts';
import { check } from '../base/violation.ts';
import { FLIPPED_ROW, OWN_ROW } from './hardware.ts';
import { addHash, mix, rowHash, takeHash } from './hash.ts';
import { Versions } from './versions.ts';

/** A changed row of the data table. */
export type RowChange = {
  readonly key: string;
  readonly before: Uint8Array | null;
  readonly after: Uint8Array | null;
};

/** Of which founding an image is, of which slot, and which foundings took its place since, before the one that begins with it. */
export type Origin = {
  readonly history: ClusterHistory;
  readonly slot: Slot;
  readonly between: readonly ClusterHistory[];
};

export class ClusterHistory {
  readonly id: string;
  /** The id, with a mark for each founding before this one. */
  readonly name: string;
  /** Slot of the image that it begins with: 0, unless its founding took the place of another one. */
  readonly first: Slot;
  /** What that image is of. */
  readonly origin: Origin | null;
  /** Hash of what each slot changed, and of all rows after it. */
  readonly #changes: number[] = [];
  readonly #images: number[] = [];
  readonly #rows = new Map<StoreKey, Uint8Array>();
  /** User keys with values, after the highest slot. */
  readonly data = new Map<string, Uint8Array>();
  /** The same after each slot. */
  readonly versions = new Versions();
  /** The members, from each slot on. */
  readonly #members: { readonly slot: number; readonly state: MembersState }[] = [];
  /** The highest slot whose state was looked at. */
  checked = -1;
  /** After the highest slot. */
  state: SystemState | null = null;
  /** Data rows that the highest slot changed. */
  lastChanges: readonly RowChange[] = [];

  /** @param image what a survivor, or a backup, begins a founding with; null for one that begins with nothing */
  constructor(
    id: string,
    {
      image = null,
      name = id,
      origin = null,
    }: {
      readonly image?: Image | null;
      readonly name?: string;
      readonly origin?: Origin | null;
    } = {},
  ) {
    this.id = id;
    this.name = name;
    this.first = image?.slot ?? 0;
    this.origin = origin;
    if (image === null) return;
    this.#apply(new Map(image.rows.filter(([key]) => key !== OWN_ROW)));
    this.#changes.push(0); // nobody commits that slot
    this.state = loadState(this.view);
    this.checked = this.first;
    this.versions.owns(this.first, inForce(this.state));
  }

  /** The founding whose slots these are; '' before there is one. */
  get founding(): string {
    return this.#members.at(-1)?.state.cluster ?? '';
  }

  /** Highest slot that anybody has applied; -1 before the cluster was founded. */
  get top(): number {
    return this.first + this.#changes.length - 1;
  }

  /** A node has committed a slot. True where it was the first to. */
  committed(node: string, changes: Changes, slot: number): boolean {
    if (slot < this.first && slot === 0) return false; // what an empty home begins with, before it copies
    const hash = hashOf(changes);
    const known = this.#changes[slot - this.first];
    if (known !== undefined) {
      check(
        known === hash,
        'replicas-agree',
        () => `slot ${slot} of ${this.id} changes other rows on ${node} than elsewhere`,
      );
      return false;
    }
    check(
      slot === this.top + 1,
      'replicas-agree',
      () => `${node} applies slot ${slot}, others are at ${this.top}`,
    );
    this.#changes.push(hash);
    this.#apply(changes);
    return true;
  }

  /** The image at `slot` of some node, which opened, flushed or installed it. */
  checkImage(node: string, what: string, image: Image): void {
    if (image.rows.length === 0 || (image.slot === 0 && this.first > 0)) return;
    let sum = 0;
    for (const [key, value] of image.rows) {
      if (key !== OWN_ROW && key !== FLIPPED_ROW) sum = addHash(sum, rowHash(key, value));
    }
    check(
      this.#images[image.slot - this.first] === sum,
      'image-agrees',
      () => `${node} ${what} an image of slot ${image.slot} with other rows than that slot has`,
    );
  }

  /** Members in force after `slot`; null before the cluster was founded. */
  membersAt(slot: number): MembersState | null {
    return this.#members.findLast((each) => each.slot <= slot)?.state ?? null;
  }

  /** All rows after the highest slot, as one number. */
  get imageHash(): number {
    return this.#images.at(-1) ?? 0;
  }

  row(key: StoreKey): Uint8Array | undefined {
    return this.#rows.get(key);
  }

  /** The rows after the highest slot, for what reads a store. Sorted anew by each scan: for few rows. */
  readonly view: View = {
    get: (key) => this.#rows.get(key),
    scan: (from, to, visit) => {
      const keys = [...this.#rows.keys()].filter((key) => key >= from && (to === null || key < to)).sort();
      for (const key of keys) if (!visit(key, this.#rows.get(key) as Uint8Array)) break;
      return null;
    },
    scanDown: (from, to, visit) => {
      const keys = [...this.#rows.keys()].filter((key) => key >= from && (to === null || key < to)).sort();
      for (const key of keys.reverse()) if (!visit(key, this.#rows.get(key) as Uint8Array)) break;
      return null;
    },
  };

  #apply(changes: Changes): void {
    const slot = this.first + this.#images.length;
    let sum = this.#images.at(-1) ?? 0;
    const lastChanges: RowChange[] = [];
    for (const [key, value] of changes) {
      const before = this.#rows.get(key);
      if (before !== undefined) sum = takeHash(sum, rowHash(key, before));
      if (value === null) this.#rows.delete(key);
      else {
        this.#rows.set(key, value);
        sum = addHash(sum, rowHash(key, value));
      }
      if (key === MEMBERS_KEY && value !== null)
        this.#members.push({ slot, state: decode(membersStateCodec, value) });
      if (key[0] !== TABLES.DATA) continue;
      const userKey = key.slice(1);
      lastChanges.push({ key: userKey, before: before ?? null, after: value });
      if (value === null) this.data.delete(userKey);
      else this.data.set(userKey, value);
    }
    this.#images.push(sum);
    this.lastChanges = lastChanges;
    this.versions.changed(slot, lastChanges);
  }
}

/** Without the row of the members: a node that has just started writes it once more. Images compare that one too. */
function hashOf(changes: Changes): number {
  let hash = 0;
  for (const [key, value] of changes) {
    if (key === MEMBERS_KEY) continue;
    hash = mix(hash, value === null ? rowHash(key, NOTHING) + 1 : rowHash(key, value));
  }
  return hash;
}

const NOTHING = new Uint8Array(0);

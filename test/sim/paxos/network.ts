/** A network between simulated members: loses, repeats, delays and reorders what is sent. */
import type { Message } from '../../../node/paxos/messages.ts';
import type { Incarnation, NodeName } from '../../../node/paxos/values.ts';
import type { Random } from '../../support/random.ts';
import type { Schedule } from '../base/schedule.ts';

/** How bad it is at present. */
export type Weather = {
  readonly lossShare: number;
  readonly repeatShare: number;
  readonly delayMaxMs: number;
  /** Share of messages that take up to `lateMaxMs`. */
  readonly lateShare: number;
  readonly lateMaxMs: number;
  /** A kind of message that gets through no more; null: none. */
  readonly lostKind: Message['kind'] | null;
};

export const CALM: Weather = {
  lossShare: 0,
  repeatShare: 0,
  delayMaxMs: 5,
  lateShare: 0,
  lateMaxMs: 0,
  lostKind: null,
};

/** A message on its way; the link it came on named its sender and the sender's incarnation. */
export type Parcel = {
  readonly from: NodeName;
  readonly incarnation: Incarnation;
  readonly to: NodeName;
  readonly message: Message;
};

/** Of each kind of message so many are kept, to be delivered once more. */
const COPIES_MAX = 16;

/** All links of one cluster. */
export class Network {
  readonly #schedule: Schedule;
  readonly #random: Random;
  readonly #deliver: (parcel: Parcel) => void;
  /** How many faults cut each direction at present. */
  readonly #cuts = new Map<string, number>();
  /** Some of what was sent, by kind. */
  readonly #copies = new Map<Message['kind'], Parcel[]>();
  /** What gets lost beside the weather, by rules that are in force for a while. */
  readonly #losses = new Set<(parcel: Parcel) => boolean>();
  weather: Weather = CALM;

  constructor(schedule: Schedule, random: Random, deliver: (parcel: Parcel) => void) {
    this.#schedule = schedule;
    this.#random = random;
    this.#deliver = deliver;
  }

  /** Whether anything gets from one node to the other at present. */
  reaches(from: NodeName, to: NodeName): boolean {
    return (this.#cuts.get(`${from}>${to}`) ?? 0) === 0;
  }

  /** Cuts one direction between two nodes; what is under way is lost. */
  cut(from: NodeName, to: NodeName): void {
    this.#cuts.set(`${from}>${to}`, (this.#cuts.get(`${from}>${to}`) ?? 0) + 1);
  }

  /** Takes back one cut. */
  mend(from: NodeName, to: NodeName): void {
    this.#cuts.set(`${from}>${to}`, Math.max(0, (this.#cuts.get(`${from}>${to}`) ?? 0) - 1));
  }

  /** Ends all cuts, and all other losses. */
  heal(): void {
    this.#cuts.clear();
    this.#losses.clear();
  }

  /** Loses what `isLost` says, until that is taken back. */
  lose(isLost: (parcel: Parcel) => boolean): void {
    this.#losses.add(isLost);
  }

  /** Takes back one `lose`. */
  keep(isLost: (parcel: Parcel) => boolean): void {
    this.#losses.delete(isLost);
  }

  /** Of every kind of message some copies come once more, however long ago they were sent. */
  deliverCopies(): void {
    for (const parcels of this.#copies.values()) {
      for (const parcel of parcels) if (this.#random.chance(0.3)) this.#carry(parcel);
    }
  }

  send(parcel: Parcel): void {
    const { lossShare, repeatShare } = this.weather;
    if (!this.reaches(parcel.from, parcel.to) || this.#random.chance(lossShare)) return;
    if (parcel.message.kind === this.weather.lostKind) return;
    for (const isLost of this.#losses) if (isLost(parcel)) return;
    this.#copy(parcel);
    this.#carry(parcel);
    if (this.#random.chance(repeatShare)) this.#carry(parcel);
  }

  /** Keeps it in the place of any other of its kind, so that old ones are among those that are kept. */
  #copy(parcel: Parcel): void {
    const { kind } = parcel.message;
    const copies = this.#copies.get(kind) ?? [];
    this.#copies.set(kind, copies);
    if (copies.length < COPIES_MAX) copies.push(parcel);
    else if (this.#random.chance(0.05)) copies[this.#random.below(COPIES_MAX)] = parcel;
  }

  #carry(parcel: Parcel): void {
    const { delayMaxMs, lateShare, lateMaxMs } = this.weather;
    const slowestMs = this.#random.chance(lateShare) ? lateMaxMs : delayMaxMs;
    this.#schedule.after(0.1 + this.#random.next() * slowestMs, () => {
      if (this.reaches(parcel.from, parcel.to)) this.#deliver(parcel);
    });
  }
}

/** A network between simulated members: loses, repeats, delays and reorders what is sent. */
import type { Message } from '../../../node/paxos/messages.ts';
import type { Incarnation, NodeName } from '../../../node/paxos/types.ts';
import type { Random } from '../../support/random.ts';
import type { Schedule } from '../schedule.ts';

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

/** All links of one cluster. */
export class Network {
  readonly #schedule: Schedule;
  readonly #random: Random;
  readonly #deliver: (parcel: Parcel) => void;
  /** How many faults cut each direction at present. */
  readonly #cuts = new Map<string, number>();
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

  /** Ends all cuts. */
  heal(): void {
    this.#cuts.clear();
  }

  send(parcel: Parcel): void {
    const { lossShare, repeatShare } = this.weather;
    if (!this.reaches(parcel.from, parcel.to) || this.#random.chance(lossShare)) return;
    if (parcel.message.kind === this.weather.lostKind) return;
    this.#carry(parcel);
    if (this.#random.chance(repeatShare)) this.#carry(parcel);
  }

  #carry(parcel: Parcel): void {
    const { delayMaxMs, lateShare, lateMaxMs } = this.weather;
    const slowestMs = this.#random.chance(lateShare) ? lateMaxMs : delayMaxMs;
    this.#schedule.after(0.1 + this.#random.next() * slowestMs, () => {
      if (this.reaches(parcel.from, parcel.to)) this.#deliver(parcel);
    });
  }
}

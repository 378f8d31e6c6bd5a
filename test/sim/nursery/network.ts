/** The network of a simulated nursery: messages between members, and links with requests and pushes on them. */
import type { LinkResult } from '../../../src/link/link.ts';
import { type Answer, wholeOf } from '../../../src/protocol/arakoon/values.ts';
import type { Random } from '../../support/random.ts';
import type { Schedule } from '../base/schedule.ts';
import type { Host } from './host.ts';
import { CALM, type Weather } from './plan.ts';

/** How long a link may be silent before both ends give it up (ms). */
const SILENT_MS = 1500;
/** After this long a silent link has been given up (ms): it takes half as long to one and a half times as long as `SILENT_MS`. */
export const SILENCE_NOTICED_MS = 1.5 * SILENT_MS;
/** What keeps its order comes so much later than what was sent before it (ms). */
const STEP_MS = 0.001;
/** Between two attempts to dial (ms). */
const REDIAL_MS = 120;

/** A process that takes requests. */
export interface Server extends Host {
  /** `leftMs`: how long the caller waits. */
  request(body: Buffer, respond: (answer: Answer) => void, link: Link, leftMs: number): void;
  linkClosed(link: Link): void;
}

/** Who reaches whom, and how fast. Names are those of machines. */
export class Network {
  readonly schedule: Schedule;
  readonly random: Random;
  readonly #cuts = new Set<string>();
  /** Who reaches some others alone, whatever is cut or healed, and whom. */
  readonly #exiles = new Map<string, (name: string) => boolean>();
  weather: Weather = CALM;
  /** Whether messages of one node to another one arrive as they were sent, as they do in life; what is sent may overtake otherwise. */
  keepsOrder = false;
  readonly #lastMs = new Map<string, number>();
  /** Pushes of the map come this much later (ms). */
  pushLagMs = 0;

  constructor(schedule: Schedule, random: Random) {
    this.schedule = schedule;
    this.random = random;
  }

  reaches(from: string, to: string): boolean {
    if (this.#exiles.size > 0 && (this.#exiles.get(from)?.(to) ?? this.#exiles.get(to)?.(from)) === false)
      return false;
    return this.#cuts.size === 0 || !this.#cuts.has(`${from}>${to}`);
  }

  /** From now on `name` reaches, and is reached by, none but those. */
  exile(name: string, isFriend: (name: string) => boolean): void {
    this.#exiles.set(name, isFriend);
  }

  comeBack(name: string): void {
    this.#exiles.delete(name);
  }

  get isCut(): boolean {
    return this.#cuts.size > 0;
  }

  /** Cuts one direction; what is under way is lost. */
  cut(from: string, to: string): void {
    this.#cuts.add(`${from}>${to}`);
  }

  mend(from: string, to: string): void {
    this.#cuts.delete(`${from}>${to}`);
  }

  heal(): void {
    this.#cuts.clear();
  }

  /** A message that may be lost, doubled, late or overtaken. */
  carry(from: string, to: string, deliver: () => void): void {
    const { lossShare, repeatShare } = this.weather;
    if (!this.reaches(from, to) || this.random.chance(lossShare)) return;
    this.#carryOnce(from, to, deliver);
    if (repeatShare > 0 && this.random.chance(repeatShare)) this.#carryOnce(from, to, deliver);
  }

  #carryOnce(from: string, to: string, deliver: () => void): void {
    let atMs = this.schedule.nowMs + this.delayMs();
    if (this.keepsOrder) {
      // As links are in life: a heartbeat that overtook the end of its mastership would keep others waiting for a lease.
      const way = `${from}>${to}`;
      atMs = Math.max(atMs, (this.#lastMs.get(way) ?? 0) + STEP_MS);
      this.#lastMs.set(way, atMs);
    }
    this.schedule.at(atMs, () => {
      if (this.reaches(from, to)) deliver();
    });
  }

  /** How long a message takes in the present weather. */
  delayMs(): number {
    const { delayMaxMs, lateShare, lateMaxMs } = this.weather;
    const slowestMs = lateShare > 0 && this.random.chance(lateShare) ? lateMaxMs : delayMaxMs;
    return 0.1 + this.random.next() * slowestMs;
  }
}

/** One direction of a link: when the last of what is on its way arrives, and what arrives with it, as in one packet. */
type Way = { atMs: number; packet: (() => void)[] };

type Pending = { readonly done: (result: LinkResult) => void };

export type LinkEvents = {
  /** Whether who answers there is who is looked for, by what its hello says. */
  fits?(server: Server): boolean;
  up?(): void;
  down?(): void;
  posted?(topic: number, body: Buffer): void;
};

/** A connection from one process to whatever runs at an address: in order, without loss, until it breaks. */
export class Link {
  /** As `Link.peer` and `Link.id` of src/link, as far as anybody asks. */
  readonly id: number;
  readonly #network: Network;
  readonly #client: Host;
  readonly #address: string;
  readonly #at: () => Server | null;
  readonly #events: LinkEvents;
  readonly #pending = new Map<number, Pending>();
  #server: Server | null = null;
  #life = 0;
  #lastCall = 0;
  readonly #there: Way = { atMs: 0, packet: [] };
  readonly #back: Way = { atMs: 0, packet: [] };
  #isClosed = false;
  #isBreaking = false;

  constructor(
    network: Network,
    client: Host,
    to: { readonly address: string; readonly id: number; at(): Server | null },
    events: LinkEvents = {},
  ) {
    this.#network = network;
    this.#client = client;
    this.#address = to.address;
    this.id = to.id;
    this.#at = to.at;
    this.#events = events;
    client.onDeath.push(() => this.#clientDied());
    this.#dial();
  }

  get isUp(): boolean {
    return this.#server !== null;
  }

  /** Names the connection: another one each time it was dialled anew. */
  get connection(): string {
    return `${this.id}/${this.#life}`;
  }

  get address(): string {
    return this.#address;
  }

  /** Answered once: with a reply, or that there is none. Returns what cancels it; the server may carry it out all the same. */
  request(body: Buffer, deadlineMs: number, done: (result: LinkResult) => void): () => void {
    const server = this.#server;
    if (server === null) {
      done({ kind: 'failed', why: 'closed', sent: false });
      return () => undefined;
    }
    this.#lastCall += 1;
    const call = this.#lastCall;
    const life = this.#life;
    this.#pending.set(call, { done });
    const { random, weather } = this.#network;
    if (weather.resetShare > 0 && random.chance(weather.resetShare)) {
      // It breaks with this request on its way, before or after it is carried out.
      this.#network.schedule.after(random.next() * 30, () => this.#break(life));
    }
    this.#client.local(deadlineMs, () => this.#settle(call, { kind: 'failed', why: 'timeout', sent: true }));
    this.#carry(this.#client.name, this.#address, this.#there, life, () => {
      server.run(() => {
        server.request(body, (answer) => this.#answer(server, life, call, answer), this, deadlineMs);
      });
    });
    return () => this.#pending.delete(call);
  }

  /** From the server to the client; as the real link's. False where it is dropped. */
  post(topic: number, body: Buffer): boolean {
    const server = this.#server;
    if (server === null) return false;
    const life = this.#life;
    this.#network.schedule.after(this.#network.pushLagMs * this.#network.random.next(), () => {
      this.#carry(this.#address, this.#client.name, this.#back, life, () => {
        this.#client.run(() => this.#events.posted?.(topic, body));
      });
    });
    return true;
  }

  /** Breaks it, as a middlebox does. */
  reset(): void {
    this.#break(this.#life);
  }

  close(): void {
    this.#isClosed = true;
    this.#break(this.#life);
  }

  #answer(server: Server, life: number, call: number, answer: Answer): void {
    if (server.isDead || life !== this.#life) return;
    const bytes = wholeOf(answer) as Buffer;
    this.#carry(this.#address, this.#client.name, this.#back, life, () => {
      this.#client.run(() => this.#settle(call, { kind: 'reply', bytes, hint: answer.hint }));
    });
  }

  #settle(call: number, result: LinkResult): void {
    const pending = this.#pending.get(call);
    if (pending === undefined) return;
    this.#pending.delete(call);
    pending.done(result);
  }

  /**
   * In order; a link that is cut falls silent, and breaks when that is noticed. What would overtake comes with what is before
   * it, in the same turn.
   */
  #carry(from: string, to: string, way: Way, life: number, deliver: () => void): void {
    const { schedule, weather, random } = this.#network;
    const atMs = schedule.nowMs + 0.1 + random.next() * Math.min(weather.delayMaxMs, 200);
    const arrive = (): void => {
      if (life !== this.#life) return;
      if (this.#network.reaches(from, to)) deliver();
      else this.#fallSilent(life);
    };
    if (atMs <= way.atMs && way.packet.length > 0) {
      way.packet.push(arrive);
      return;
    }
    const packet = [arrive];
    way.atMs = Math.max(atMs, way.atMs);
    way.packet = packet;
    schedule.at(way.atMs, () => {
      for (const each of packet.splice(0)) each();
    });
  }

  #fallSilent(life: number): void {
    if (this.#isBreaking) return;
    this.#isBreaking = true;
    this.#network.schedule.after(SILENT_MS * (0.5 + this.#network.random.next()), () => this.#break(life));
  }

  #break(life: number): void {
    const server = this.#server;
    if (server === null || life !== this.#life) return;
    this.#server = null;
    this.#life += 1;
    this.#isBreaking = false;
    if (!server.isDead) server.run(() => server.linkClosed(this));
    const pending = [...this.#pending.values()];
    this.#pending.clear();
    if (this.#client.isDead) return;
    this.#client.run(() => {
      for (const { done } of pending) done({ kind: 'failed', why: 'closed', sent: true });
      this.#events.down?.();
    });
    if (!this.#isClosed) this.#dial();
  }

  #clientDied(): void {
    this.#isClosed = true;
    const server = this.#server;
    this.#server = null;
    this.#life += 1;
    this.#pending.clear();
    if (server !== null && !server.isDead) server.run(() => server.linkClosed(this));
  }

  #dial(): void {
    const { random } = this.#network;
    this.#client.local(REDIAL_MS * (0.2 + random.next()), () => {
      if (this.#isClosed || this.#server !== null) return;
      const server = this.#at();
      const reaches =
        this.#network.reaches(this.#client.name, this.#address) &&
        this.#network.reaches(this.#address, this.#client.name);
      const fits = server === null || server.isDead || this.#events.fits?.(server) !== false;
      if (server === null || server.isDead || server.isPaused || !reaches || !fits) {
        this.#dial();
        return;
      }
      this.#server = server;
      const life = this.#life;
      server.onDeath.push(() => {
        // The kernel closes the sockets of a dead process; a client that is cut off learns it by silence.
        const { schedule, random: chance } = this.#network;
        const known = this.#network.reaches(this.#address, this.#client.name);
        schedule.after(known ? chance.next() * 5 : SILENT_MS, () => this.#break(life));
      });
      this.#events.up?.();
    });
  }
}

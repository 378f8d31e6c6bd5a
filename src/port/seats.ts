/**
 * Who may be connected at a time: a number of clients, some of our own processes beyond them, and a few that are on their
 * way out. Where all seats are taken the client that was idle for longest has to go for the next one, but never one with a
 * request under way; where there is none, the next one is turned away.
 */
import type { Duplex } from 'node:stream';
import type { ConnectionLimits } from '../process/descriptors.ts';
import type { SeatFigures } from '../protocol/arakoon/statistics.ts';

/** Who was active within this time is not idle (ms): seats would only change hands. */
const IDLE_MIN_MS = 1000;
/** How often at most all seats are looked through for idle ones (ms), and how many are remembered then. */
const SEARCH_EVERY_MS = 100;
const FOUND_MAX = 256;

/** A connection that may be asked to go. */
export type Guest = {
  /** When something last came or went (ms, monotonic). */
  activeMs(): number;
  /** A request is under way, or an answer has not been taken. */
  isBusy(): boolean;
  /** It is closed, with what little courtesy there is time for. */
  letGo(): void;
};

type Seat = {
  /** `new`: nobody knows yet what it will be. `leaving`: counts as gone, but for its descriptor. */
  kind: 'new' | 'client' | 'own' | 'leaving';
  guest: Guest | null;
};

/** The seats of one port. */
export class Seats {
  readonly #limits: () => ConnectionLimits;
  readonly #nowMs: () => number;
  /** In the order in which they came. */
  readonly #seats = new Map<Duplex, Seat>();
  #clients = 0;
  #own = 0;
  #turnedAway = 0;
  #letGo = 0;
  /** In the order in which they were told to go. */
  readonly #leaving = new Set<Duplex>();
  #found: Duplex[] = [];
  #searchedMs = Number.NEGATIVE_INFINITY;

  /** @param limits asked at every turn, since they may change */
  constructor(limits: () => ConnectionLimits, nowMs: () => number) {
    this.#limits = limits;
    this.#nowMs = nowMs;
  }

  get figures(): SeatFigures {
    return {
      open: this.#seats.size,
      clientsMax: this.#limits().clients,
      turnedAway: this.#turnedAway,
      letGo: this.#letGo,
    };
  }

  /** A connection was accepted. Where that is one too many even to be told so: false, and it is to be destroyed. */
  enter(socket: Duplex): boolean {
    const { clients, own, spare } = this.#limits();
    if (this.#seats.size >= clients + own + spare && !this.#dropSilent() && !this.#makeRoom()) {
      this.#turnedAway += 1;
      return false;
    }
    this.#seats.set(socket, { kind: 'new', guest: null });
    return true;
  }

  /**
   * It says what it is. False where there is no seat for it: it is to be told, and closed.
   *
   * @param guest null for one that is never asked to go
   */
  take(socket: Duplex, kind: 'client' | 'own', guest: Guest | null): boolean {
    const seat = this.#seats.get(socket);
    if (seat === undefined) return true; // closed already
    if (seat.kind !== 'new') {
      seat.guest = guest;
      return seat.kind !== 'leaving';
    }
    const { clients, own } = this.#limits();
    const hasRoom = kind === 'client' ? this.#clients < clients : this.#clients + this.#own < clients + own;
    if (!hasRoom && !this.#makeRoom()) {
      this.#turnedAway += 1;
      this.#sendAway(socket, seat);
      return false;
    }
    seat.kind = kind;
    seat.guest = guest;
    if (kind === 'client') this.#clients += 1;
    else this.#own += 1;
    return true;
  }

  /** Keeps a limit that was lowered: those that are one too many go, as far as they are idle. */
  shrink(): void {
    const { clients, own, spare } = this.#limits();
    while (this.#seats.size > clients + own + spare && this.#dropSilent());
    while (this.#clients + this.#own > clients + own && this.#makeRoom());
  }

  /** The connection is closed. */
  leave(socket: Duplex): void {
    const seat = this.#seats.get(socket);
    if (seat === undefined) return;
    this.#uncount(seat);
    this.#leaving.delete(socket);
    this.#seats.delete(socket);
  }

  /** Only so many may take their time over it: they would stand in the way of those who have seats. */
  #sendAway(socket: Duplex, seat: Seat): void {
    seat.kind = 'leaving';
    this.#leaving.add(socket);
    const [oldest] = this.#leaving;
    if (oldest === undefined || this.#leaving.size <= this.#limits().spare) return;
    this.leave(oldest);
    oldest.destroy();
  }

  /** Closes the oldest connection of which nothing has come; false where there is none. */
  #dropSilent(): boolean {
    for (const [socket, seat] of this.#seats) {
      if (seat.kind !== 'new') continue;
      this.#letGo += 1;
      this.leave(socket);
      socket.destroy();
      return true;
    }
    return false;
  }

  /** Lets the one go that was idle for longest; false where nobody is idle. */
  #makeRoom(): boolean {
    const nowMs = this.#nowMs();
    if (this.#found.length === 0 && nowMs - this.#searchedMs >= SEARCH_EVERY_MS) this.#search(nowMs);
    for (let socket = this.#found.shift(); socket !== undefined; socket = this.#found.shift()) {
      const seat = this.#seats.get(socket);
      if (seat === undefined || !isIdle(seat, nowMs)) continue; // gone, or active again
      this.#uncount(seat);
      this.#letGo += 1;
      seat.guest?.letGo();
      this.#sendAway(socket, seat);
      return true;
    }
    return false;
  }

  /** Looks through all seats for those that were idle for longest. */
  #search(nowMs: number): void {
    this.#searchedMs = nowMs;
    const idle: { readonly socket: Duplex; readonly sinceMs: number }[] = [];
    for (const [socket, seat] of this.#seats) {
      if (isIdle(seat, nowMs)) idle.push({ socket, sinceMs: seat.guest?.activeMs() ?? 0 });
    }
    idle.sort((a, b) => a.sinceMs - b.sinceMs);
    this.#found = idle.slice(0, FOUND_MAX).map(({ socket }) => socket);
  }

  #uncount({ kind }: Seat): void {
    if (kind === 'client') this.#clients -= 1;
    else if (kind === 'own') this.#own -= 1;
  }
}

function isIdle({ kind, guest }: Seat, nowMs: number): boolean {
  if (guest === null || (kind !== 'client' && kind !== 'own')) return false;
  return !guest.isBusy() && nowMs - guest.activeMs() >= IDLE_MIN_MS;
}

/**
 * Memory that the connections of a process share, bounded in sum: each connection has an account, and what is short
 * passes at once, what is long only where there is room; else it waits in turn (docs/architecture.md, "Memory in sum").
 */
import { Collecting } from './collect.ts';

const MIB = 1024 * 1024;

/** Bytes of unread replies and of reads under way, over all connections of a process, above which long replies wait. */
export const REPLIES_MAX = 256 * MIB;
/** Bytes of requests that are being received or under way, over all connections of a process, above which long ones wait. */
export const REQUESTS_BYTES_MAX = 256 * MIB;
/** The same for our own processes' share, which no client's can use up (migrators, members). */
export const OWN_MAX = 64 * MIB;
/** What is up to this long passes (bytes), as long as less than `SHORT_SHARE` of the budget is in use. */
export const SHORT_BYTES = 256 * 1024;
/** How far short ones may go beyond the budget. */
const SHORT_SHARE = 1.25;
/** Bytes on one account above which nothing long is added to it, so that one connection never takes everything. */
const ACCOUNT_MAX = 96 * MIB;
/** Who has taken nothing for this long is let go while others wait (ms): with so many of them half as long, and so on. */
export const STALL_MS = 1000;
const STALL_MIN_MS = 200;
const STALL_HALVED_BY = 16;
/** Whoever holds less is not let go for it (bytes). */
const HOLDING_BYTES = 16 * 1024;
/** How long a request waits for its turn whose client does not say how long it waits (ms): less than most do. */
export const WAIT_MS = 8000;
/** While anything waits, the budget looks this often who has stalled, given up or waited too long (ms). */
const SWEEP_MS = 100;

/** Why an account's holder is let go. */
export const STALLED = 'took nothing while others waited for the memory';

/** Whose memory is counted: a connection, which can be closed. */
export type Holder = {
  /** Whether it is up to the other end to go on: to read, or to send the rest of its request. */
  isAwaited(): boolean;
  /** Closes the connection at once: others wait for the memory that it holds. */
  letGo(why: string): void;
};

/** For whom a request is carried out. */
export type Asker = {
  /** Where its reply is counted until it is read. */
  readonly replies: Account;
  /** Whether nobody waits for the answer any more. */
  readonly isOver: () => boolean;
  /** Whether a reply longer than SHORT_BYTES is not wanted: TOO_LONG is the answer then. */
  readonly isShort: boolean;
  /** How long it may wait for its turn (ms). */
  readonly waitMs: number;
};

/** The two budgets of a process's connections. */
export type Budgets = { readonly replies: Budget; readonly requests: Budget };

/** How long somebody waits for its turn (ms), and whether it still does. */
export type Patience = Pick<Asker, 'isOver' | 'waitMs'>;

type Waiter = {
  readonly bytes: number;
  readonly untilMs: number;
  readonly isOver: () => boolean;
  readonly done: (isGranted: boolean) => void;
};

/** Accounts that wait, each with what it waits for, in order; accounts have their turns one after the other. */
type Queue = Map<Account, Waiter[]>;

/** A bound on the sum of what accounts hold. */
export class Budget {
  readonly #maxBytes: number;
  readonly #accounts = new Set<Account>();
  readonly #long: Queue = new Map();
  readonly #short: Queue = new Map();
  readonly #collecting = new Collecting();
  #usedBytes = 0;
  #letGo = 0;
  #grantDue = false;
  #sweeper: NodeJS.Timeout | null = null;

  /** @param maxBytes infinite where nothing is to be bounded */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Bytes that all accounts hold and have reserved. */
  get usedBytes(): number {
    return this.#usedBytes;
  }

  /** How many requests wait for room. */
  get waiting(): number {
    let count = 0;
    for (const queue of [this.#long, this.#short])
      for (const waiters of queue.values()) count += waiters.length;
    return count;
  }

  /** Connections that were let go so far. */
  get letGo(): number {
    return this.#letGo;
  }

  /** Whether even short ones must wait. */
  get isExhausted(): boolean {
    return this.#usedBytes >= this.#maxBytes * SHORT_SHARE || this.#short.size > 0;
  }

  /** An account, to be closed with its connection. @param holder null: never let go */
  open(holder: Holder | null): Account {
    return new Account(this, holder);
  }

  /** Called by accounts. Counts `bytes`, of either sign. */
  count(bytes: number): void {
    this.#usedBytes += bytes;
    if (this.#maxBytes === Number.POSITIVE_INFINITY) return;
    this.#collecting.changed(this.#usedBytes);
    if (bytes < 0) this.#scheduleGrants();
  }

  /** Called by accounts: which of them hold anything that its holder should take. */
  holds(account: Account, isHolding: boolean): void {
    if (isHolding) this.#accounts.add(account);
    else this.#accounts.delete(account);
  }

  /** Called by accounts. Whether there is room for so much, and nobody waits for it. */
  hasRoom(account: Account, bytes: number): boolean {
    return this.#long.size === 0 && this.#fits(account, bytes);
  }

  /** Called by accounts. */
  wait(account: Account, isLong: boolean, entry: Waiter): void {
    const queue = isLong ? this.#long : this.#short;
    const waiters = queue.get(account);
    if (waiters === undefined) queue.set(account, [entry]);
    else waiters.push(entry);
    this.#sweeper ??= setInterval(() => this.#sweep(), SWEEP_MS);
    this.#scheduleGrants();
  }

  /** Called by accounts: what waits on one that is closed hears that it has no turn. */
  forget(account: Account): void {
    this.#accounts.delete(account);
    for (const queue of [this.#long, this.#short]) {
      const waiters = queue.get(account) ?? [];
      queue.delete(account);
      for (const { done } of waiters) setImmediate(() => done(false));
    }
  }

  #fits(account: Account, bytes: number): boolean {
    const isEmpty = account.bytes === 0;
    return this.#usedBytes + bytes <= this.#maxBytes && (isEmpty || account.bytes + bytes <= ACCOUNT_MAX);
  }

  #scheduleGrants(): void {
    if (this.#grantDue || this.#long.size + this.#short.size === 0) return;
    this.#grantDue = true;
    setImmediate(() => {
      this.#grantDue = false;
      this.#grant();
    });
  }

  /** Short ones first, then long ones: the first that lacks room in the budget holds up those behind it, so that it gets some. */
  #grant(): void {
    serve(this.#short, () => (this.#usedBytes < this.#maxBytes * SHORT_SHARE ? 'grant' : 'stop'));
    serve(this.#long, (account, { bytes }) => {
      if (this.#usedBytes + bytes > this.#maxBytes) return 'stop';
      if (!this.#fits(account, bytes)) return 'skip';
      account.reserve(bytes);
      return 'grant';
    });
  }

  /** Ends what has waited too long or is over, and lets go of those who hold most of what others need, and take nothing. */
  #sweep(): void {
    const nowMs = performance.now();
    for (const queue of [this.#long, this.#short]) {
      for (const [account, waiters] of [...queue]) {
        const late = waiters.filter(({ isOver, untilMs }) => isOver() || untilMs <= nowMs);
        const left = waiters.filter((waiter) => !late.includes(waiter));
        if (left.length > 0) queue.set(account, left);
        else queue.delete(account);
        for (const { done } of late) done(false);
      }
    }
    const isWaitedFor = this.#long.size + this.#short.size > 0;
    if (!isWaitedFor && this.#sweeper !== null) {
      clearInterval(this.#sweeper);
      this.#sweeper = null;
    }
    const isFull = this.#usedBytes + this.#needed() > this.#maxBytes;
    if (isWaitedFor && isFull) this.#letGoStalled(nowMs);
    this.#scheduleGrants();
  }

  #needed(): number {
    for (const [first] of this.#long.values()) if (first !== undefined) return first.bytes;
    return SHORT_BYTES;
  }

  #letGoStalled(nowMs: number): void {
    let missing = this.#usedBytes + this.#needed() - this.#maxBytes;
    const patienceMs = STALL_MS / (1 + (this.#long.size + this.#short.size) / STALL_HALVED_BY);
    const sinceMs = nowMs - Math.max(STALL_MIN_MS, patienceMs);
    const stalled = [...this.#accounts].filter((account) => account.hasStalledSince(sinceMs));
    stalled.sort((a, b) => b.bytes - a.bytes);
    for (const account of stalled) {
      if (missing <= 0) return;
      missing -= account.bytes;
      this.#letGo += 1;
      account.letGo();
    }
  }
}

/** What one connection holds. */
export class Account {
  readonly #budget: Budget;
  readonly #holder: Holder | null;
  #heldBytes = 0;
  #reservedBytes = 0;
  #progressAtMs = 0;
  #isClosed = false;

  constructor(budget: Budget, holder: Holder | null) {
    this.#budget = budget;
    this.#holder = holder;
  }

  /** What it holds and has reserved. */
  get bytes(): number {
    return this.#heldBytes + this.#reservedBytes;
  }

  /** Whether even what is short must wait. */
  get isExhausted(): boolean {
    return this.#budget.isExhausted;
  }

  /** Counts `bytes` as held, in place of what was before, whether there is room or not. */
  set(bytes: number): void {
    const before = this.#heldBytes;
    if (bytes === before || this.#isClosed) return;
    this.#heldBytes = bytes;
    this.#budget.count(bytes - before);
    const isHolding = bytes >= HOLDING_BYTES;
    if (this.#holder === null || isHolding === before >= HOLDING_BYTES) return;
    if (isHolding) this.#progressAtMs = performance.now();
    this.#budget.holds(this, isHolding);
  }

  /** The holder took, or sent, some of it. */
  progressed(): void {
    if (this.#heldBytes >= HOLDING_BYTES) this.#progressAtMs = performance.now();
  }

  /** Whether there is room for so much, and nobody waits for it. */
  hasRoom(bytes: number): boolean {
    return this.#budget.hasRoom(this, bytes);
  }

  /** Sets `bytes` aside for what will be held, where there is room and nobody waits for it. */
  tryReserve(bytes: number): boolean {
    if (!this.hasRoom(bytes)) return false;
    this.reserve(bytes);
    return true;
  }

  /** Sets `bytes` aside, whether there is room or not. */
  reserve(bytes: number): void {
    if (this.#isClosed) return;
    this.#reservedBytes += bytes;
    this.#budget.count(bytes);
  }

  /** Gives back what was set aside. */
  release(bytes: number): void {
    if (this.#isClosed) return;
    this.#reservedBytes -= bytes;
    this.#budget.count(-bytes);
  }

  /**
   * Waits in turn for `bytes`, which are reserved when `done` is called with true. It is called once, never before this
   * returns: with false after `waitMs`, where `isOver`, and when the account is closed.
   */
  wait(bytes: number, patience: Patience, done: (isGranted: boolean) => void): void {
    this.#wait(true, bytes, patience, done);
  }

  /** The same until what is short may pass again; nothing is reserved. */
  waitShort(patience: Patience, done: (isGranted: boolean) => void): void {
    this.#wait(false, 0, patience, done);
  }

  #wait(
    isLong: boolean,
    bytes: number,
    { isOver, waitMs }: Patience,
    done: (isGranted: boolean) => void,
  ): void {
    if (this.#isClosed) {
      setImmediate(() => done(false));
      return;
    }
    this.#budget.wait(this, isLong, { bytes, isOver, untilMs: performance.now() + waitMs, done });
  }

  /** Called by the budget. */
  hasStalledSince(sinceMs: number): boolean {
    return this.#progressAtMs <= sinceMs && this.#holder?.isAwaited() === true;
  }

  /** Called by the budget. */
  letGo(): void {
    this.#holder?.letGo(STALLED);
  }

  /** Gives everything back, and forgets what waits. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#budget.forget(this);
    this.#budget.count(-this.bytes);
    this.#heldBytes = 0;
    this.#reservedBytes = 0;
  }
}

/** Budgets of a process for its clients, and for routers, which have many of them. */
export function clientBudgets(): Budgets {
  return { replies: new Budget(REPLIES_MAX), requests: new Budget(REQUESTS_BYTES_MAX) };
}

/** Budgets for our own processes, so that members and migrators never wait behind clients. */
export function ownBudgets(): Budgets {
  return { replies: new Budget(OWN_MAX), requests: new Budget(OWN_MAX) };
}

/** Budgets that bound nothing. */
export function unboundedBudgets(): Budgets {
  const replies = new Budget(Number.POSITIVE_INFINITY);
  return { replies, requests: replies };
}

/** Memory that a reply keeps: short ones share theirs with others, of a long one all that it lies in is kept. */
export function bytesKept(reply: Uint8Array): number {
  return reply.length > SHORT_BYTES / 4 ? reply.buffer.byteLength : reply.length;
}

/** Grants the first of each account in turn, until one may not have it. */
function serve(queue: Queue, judge: (account: Account, first: Waiter) => 'grant' | 'skip' | 'stop'): void {
  // An account that is put behind the others is met again.
  for (const [account, waiters] of queue) {
    const first = waiters[0] as Waiter;
    const isOver = first.isOver();
    const verdict = isOver ? 'grant' : judge(account, first);
    if (verdict === 'stop') return;
    if (verdict === 'skip') continue;
    waiters.shift();
    queue.delete(account);
    if (waiters.length > 0) queue.set(account, waiters);
    first.done(!isOver);
  }
}

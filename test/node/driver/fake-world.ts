/** A driver's surroundings under the test's control: the log's completion, the turns of the loop, the clock. */

import * as assert from 'uvu/assert';
import { Driver } from '../../../node/driver/driver.ts';
import type { World } from '../../../node/driver/world.ts';
import { Machine } from '../../../node/machine/machine.ts';
import type { Message } from '../../../node/paxos/messages.ts';
import { createReplica } from '../../../node/paxos/step.ts';
import { type LogRecord, NO_BALLOT } from '../../../node/paxos/values.ts';
import { MemoryStore } from '../../../node/store/memory-store.ts';
import { NurseryError } from '../../../src/base/errors.ts';
import { SILENT } from '../../../src/process/log.ts';
import { NO_RUNNER } from '../../support/no-runner.ts';

/** One driver, with handles to everything around it. */
export class FakeWorld {
  nowMs = 1000;
  /** By how much the wall clock is ahead of the monotonic one (ms). */
  aheadMs = 1e12;
  isFull = false;
  readonly sent: { readonly to: string; readonly message: Message }[] = [];
  readonly written: LogRecord[] = [];
  /** What was logged at the levels info and error. */
  readonly said: { readonly facts: object; readonly message: string }[] = [];
  /** Slots that were said to be applied. */
  readonly applied: number[] = [];
  /** Slots up to which the home was said to be all that is left. */
  readonly promotions: number[] = [];
  /** Rounds of events that were said to be handled. */
  rounds = 0;
  readonly stops: { readonly exit: string; readonly cause: Error }[] = [];
  readonly store = new MemoryStore();
  readonly driver: Driver;
  /** Whom the file of the driver's node names; a test may add to it. */
  readonly wished: string[] = [];
  #turns: (() => void)[] = [];
  #appends: { readonly entries: readonly LogRecord[]; readonly done: (error: Error | null) => void }[] = [];
  #timers: (() => void)[] = [];

  readonly #say = (facts: object, message: string): void => {
    this.said.push({ facts, message });
  };

  /** @param members names of all members; the driver is the first one's */
  constructor(members: readonly string[], { nursery = false }: { readonly nursery?: boolean } = {}) {
    const defer = (run: () => void): void => {
      this.#turns.push(run);
    };
    const world: World = {
      nowMs: () => this.nowMs,
      wallMs: () => this.nowMs + this.aheadMs,
      defer,
      after: (_delayMs, run) => {
        this.#timers.push(run);
        return () => assert.unreachable('no timer of the driver is taken back');
      },
      log: {
        append: (entries, done) => this.#appends.push({ entries, done }),
        readSlots: async () => [],
        firstSlot: 1,
        isFull: false,
      },
      store: this.store,
      logger: { ...SILENT, info: this.#say, error: this.#say },
      send: (to, message) => this.sent.push({ to, message }),
      installSnapshot: () => undefined,
      applied: (slot) => this.applied.push(slot),
      promoted: (slot) => this.promotions.push(slot),
      turned: () => {
        this.rounds += 1;
      },
      stop: (exit, cause) => this.stops.push({ exit, cause }),
    };
    Object.defineProperty(world.log, 'isFull', { get: () => this.isFull });
    this.wished.push(...members);
    const replica = createReplica(
      {
        node: members[0] as string,
        wished: this.wished,
        leaseMs: 1000,
        driftMs: 20,
        windowMax: 16,
        bootstrap: false,
        asksFirst: nursery,
        genesis: Machine.genesis({ nursery }),
        forcedMaster: null,
        preferredMasters: [],
        learners: [],
      },
      {
        incarnation: null,
        founded: null,
        promised: NO_BALLOT,
        accepted: [],
        chosen: 0,
        superseded: [],
        applied: 0,
        members: null,
        firstLogSlot: 1,
        floorMembers: null,
      },
    );
    this.driver = new Driver(world, replica, new Machine(this.store, NO_RUNNER));
    this.driver.submit({ kind: 'start', random: 0, freshIncarnation: 'f'.repeat(32) });
  }

  /** Runs turns of the loop until none is due. */
  turn(): void {
    for (let turns = 0; this.#turns.length > 0 && turns < 1000; turns += 1)
      (this.#turns.shift() as () => void)();
  }

  /** How many appends wait for the disk; the driver has one under way at most. */
  get appending(): number {
    return this.#appends.length;
  }

  /** The disk has written what it was given, or fails. */
  disk(error: Error | null = null): void {
    const append = this.#appends.shift();
    if (append === undefined) return;
    if (error === null) this.written.push(...append.entries);
    append.done(error);
    this.turn();
  }

  /** Timers run off. */
  timers(): void {
    const due = this.#timers;
    this.#timers = [];
    for (const run of due) run();
    this.turn();
  }

  /** Time goes on, ticking, with a disk that answers at once. */
  pass(forMs: number): void {
    for (let passed = 0; passed < forMs; passed += 10) {
      this.nowMs += 10;
      this.driver.submit({ kind: 'tick', random: 0 });
      this.turn();
      while (this.appending > 0) this.disk();
    }
  }
}

/** What the log says where the reserve would be touched. */
export function diskFull(): NurseryError {
  return new NurseryError('DISK_FULL', 'no room');
}

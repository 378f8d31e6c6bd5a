/** A node of a cluster in a nursery, and a keeper that answers as a test says. */
import * as assert from 'uvu/assert';
import type { Question, Word } from '../../../node/identity/contract.ts';
import { Introduction } from '../../../node/identity/introduction.ts';
import { OverForEver } from '../../../node/identity/over.ts';
import type { KeeperRef, Verdict } from '../../../src/identity/founding.ts';
import { SILENT } from '../../../src/process/log.ts';
import type { AdminAnswer, AdminCommand } from '../../../src/protocol/admin/admin.ts';
import { encodeUpdate } from '../../../src/protocol/arakoon/updates.ts';
import { FakeWorld } from '../driver/fake-world.ts';

/** The life of the node, and the founding of its cluster once it has one. */
export const LIFE = 'f'.repeat(32);
export const KEEPER: KeeperRef = { cluster: 'keeper', founding: 'k'.repeat(32), nodes: [] };
/** Another one of that name. */
export const STAGING: KeeperRef = { ...KEEPER, founding: 's'.repeat(32) };

/** A keeper's answer. @param isNew whether it has no map yet */
export function says(verdict: Verdict, why = '', keeper = KEEPER, isNew = false): AdminAnswer {
  return { kind: 'standing', verdict, keeper, why, isNew, version: 0, members: [], presences: [] };
}

/** A node of a cluster `ams`, the first of `members`, and a keeper that answers as the test says. */
export class Meeting {
  readonly world: FakeWorld;
  readonly introduction: Introduction;
  readonly asked: Question[] = [];
  readonly told: { readonly word: Word; readonly atMs: number }[] = [];
  /** `over`: the founding that its home remembers as over for ever, if it does. */
  readonly stops: {
    readonly exit: string;
    readonly why: string;
    readonly atMs: number;
    readonly over: string | null;
  }[] = [];
  #answers: (() => void)[] = [];
  /** What the keeper answers; a text: why there is none. */
  answer: (question: Question) => AdminAnswer | string = () => 'silent';

  constructor(members: readonly string[] = ['a'], withoutKeeper = false) {
    this.world = new FakeWorld(members, { nursery: true });
    this.introduction = new Introduction({
      clusterId: 'ams',
      node: 'a',
      home: '/homes/a',
      incarnation: LIFE,
      process: 'p',
      ips: ['10.0.0.1'],
      port: 4000,
      label: '',
      nursery: { cluster: 'keeper', nodes: [] },
      learners: [],
      bootstrap: false,
      withoutKeeper,
      restMs: 2000,
      driver: this.world.driver,
      store: this.world.store,
      logger: SILENT,
      nowMs: () => this.world.nowMs,
      wallMs: () => 1,
      random: () => 0.5,
      connect: () => ({
        ask: (question, done) => {
          this.asked.push(question);
          this.#answers.push(() => done(this.answer(question)));
        },
        close: () => undefined,
      }),
      tell: (word) => this.told.push({ word, atMs: this.world.nowMs }),
      stop: (exit, error) =>
        this.stops.push({
          exit,
          why: error.message,
          atMs: this.world.nowMs,
          over: error instanceof OverForEver ? error.founding : null,
        }),
    });
    this.pass(0);
  }

  pass(forMs: number): void {
    this.world.pass(0);
    for (let passed = 0; passed <= forMs; passed += 50) {
      this.world.pass(50);
      const due = this.#answers;
      this.#answers = [];
      if (this.stops.length > 0) continue;
      for (const answer of due) answer();
      this.introduction.tick();
    }
  }

  /** Founded, and bound to `KEEPER`. */
  bound(): this {
    this.answer = () => says('free');
    this.pass(1000);
    this.propose({ kind: 'bind', keeper: KEEPER, mine: LIFE });
    assert.is(this.introduction.keeper, KEEPER.founding);
    return this;
  }

  /** The same as a founding that takes the place of `was`, and that its keeper has not confirmed. */
  unconfirmed(was: string): this {
    this.bound();
    Object.assign(this.world.driver.machine.state, { unconfirmed: was });
    // What was asked before is answered before.
    this.answer = () => 'silent';
    this.pass(1000);
    return this;
  }

  propose(command: AdminCommand): void {
    this.world.driver.propose(encodeUpdate({ kind: 'admin', command }), () => undefined);
    this.pass(200);
  }

  /** Another home is empty, as it answers to a question. */
  hearsEmpty(from: string): void {
    const report = {
      kind: 'report',
      asker: LIFE,
      founded: null,
      active: false,
      chosen: 0,
      bootstrap: false,
      challenge: 0,
    } as const;
    this.world.driver.submit({ kind: 'message', from, incarnation: from.repeat(32), message: report });
    this.pass(0);
  }

  /** Another home, of a founding of two others that works, answers to a question: this one joins it. */
  joins(founding: string, from: string): void {
    const members = ['b', 'c'].map((node) => ({ node, incarnation: node.repeat(32) }));
    const state = { cluster: founding, members, superseded: [] };
    const report = {
      kind: 'report',
      asker: LIFE,
      founded: { state, genesis: new Uint8Array(0) },
      active: true,
      chosen: 0,
      bootstrap: false,
      challenge: 0,
    } as const;
    this.world.driver.submit({ kind: 'message', from, incarnation: from.repeat(32), message: report });
    this.pass(0);
  }

  /** Another empty home asks, and hears that this one is empty. */
  isAskedBy(from: string): void {
    const ask = {
      kind: 'ask',
      cluster: '',
      chosen: 0,
      votes: false,
      eligible: false,
      isRetired: false,
      echo: 0,
    } as const;
    this.world.driver.submit({ kind: 'message', from, incarnation: from.repeat(32), message: ask });
    this.pass(0);
  }
}

/** A founding that took the place of another one: whose word it takes over, and whose it does not. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { IntroductionOptions, KeeperLink, Question } from '../../../node/identity/contract.ts';
import { Succession } from '../../../node/identity/succession.ts';
import { INITIAL_STATE } from '../../../node/machine/system-state.ts';
import { Notes } from '../../../node/serve/notes.ts';
import { SILENT } from '../../../src/process/log.ts';
import type { AdminAnswer } from '../../../src/protocol/admin/admin.ts';
import { decodeUpdate } from '../../../src/protocol/arakoon/updates.ts';

const GIVEN: AdminAnswer = { kind: 'given', order: 3, ranges: [], floorMid: 9, spareMid: 8 };

class Case {
  readonly state = {
    ...INITIAL_STATE,
    unconfirmed: 'a1',
    bound: { keeper: { cluster: 'K', founding: 'k1', nodes: [] }, mine: 'a2' },
  };
  readonly proposed: unknown[] = [];
  readonly asked: Question[] = [];
  nowMs = 0;
  readonly succession: Succession;
  #done: (answer: AdminAnswer | string) => void = () => assert.unreachable('nothing was asked');
  readonly #link: KeeperLink = {
    ask: (question, done) => {
      this.asked.push(question);
      this.#done = done;
    },
    close: () => undefined,
  };

  constructor() {
    const { state } = this;
    const machine = {
      state,
      get unconfirmed() {
        return state.unconfirmed;
      },
      get bound() {
        return state.bound;
      },
    };
    const driver = {
      machine,
      mayRead: () => true,
      propose: (update: Uint8Array) => this.proposed.push(decodeUpdate(update)),
      replica: { members: { superseded: [] }, peers: new Map() },
    };
    const store = { slot: 1, get: () => undefined };
    const options = { driver, store, clusterId: 'a', learners: [], logger: SILENT, wallMs: () => 1 };
    const nowMs = (): number => this.nowMs;
    this.succession = new Succession(
      { ...options, nowMs } as unknown as IntroductionOptions,
      new Notes(SILENT, nowMs),
    );
  }

  ask(): void {
    this.nowMs += 1000;
    this.succession.tick('a2', () => this.#link);
  }

  answer(answer: AdminAnswer | string): void {
    this.#done(answer);
  }
}

test('what its keeper gives it proposes with the names of both', () => {
  const now = new Case();
  now.ask();
  now.answer(GIVEN);
  const { kind: _, ...given } = GIVEN;
  assert.equal(now.proposed, [
    { kind: 'admin', command: { kind: 'confirm', keeper: 'k1', founding: 'a2', given } },
  ]);
});

test('an answer that comes once another keeper has taken the place of who was asked is dropped, and asked for anew', () => {
  const now = new Case();
  now.ask();
  now.state.bound = { ...now.state.bound, keeper: { cluster: 'K', founding: 'k2', nodes: [] } };
  now.answer(GIVEN);
  assert.equal(now.proposed, []);
  now.ask();
  const [, question] = now.asked;
  assert.ok(question?.kind === 'command' && question.command.kind === 'replace');
  assert.is(question.command.keeper, 'k2');
});

test.run();

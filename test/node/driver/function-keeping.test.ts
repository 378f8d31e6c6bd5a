import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { FunctionKeeping } from '../../../node/driver/function-keeping.ts';
import type { Question } from '../../../node/identity/contract.ts';
import { INITIAL_STATE, type SystemState } from '../../../node/machine/system-state.ts';
import type { AdminAnswer, AdminCommand } from '../../../src/protocol/admin/admin.ts';
import { OK } from '../../../src/protocol/arakoon/replies.ts';
import { decodeUpdate } from '../../../src/protocol/arakoon/updates.ts';
import { NO_RUNNER } from '../../support/no-runner.ts';

const SOURCE = Buffer.from('source');
const F: SystemState['functions'] = new Map([['f', { version: 1, source: SOURCE }]]);
const BOUND = { keeper: { cluster: 'k', founding: 'K', nodes: [] }, mine: 'A' };

/** A master of three, what it proposed, and what it asked. */
class Rig {
  nowMs = 0;
  isMaster = true;
  state: SystemState = INITIAL_STATE;
  readonly engines = new Map<string, string>();
  readonly proposed: AdminCommand[] = [];
  readonly prepared: Uint8Array[] = [];
  readonly questions: { question: Question; done: (answer: AdminAnswer | string) => void }[] = [];
  settle: (() => void)[] = [];
  readonly keeping: FunctionKeeping;

  constructor() {
    const rig = this;
    const runner = {
      ...NO_RUNNER,
      engine: 'mine',
      prepare: ({ source }: { source: Uint8Array }) => {
        this.prepared.push(source);
      },
    };
    const driver = {
      mayRead: () => this.isMaster,
      propose: (update: Uint8Array, respond: (answer: typeof OK) => void) => {
        const decoded = decodeUpdate(update);
        if (decoded.kind === 'admin') this.proposed.push(decoded.command);
        this.settle.push(() => respond(OK));
      },
      replica: { members: { members: ['a', 'b', 'c'].map((node) => ({ node, incarnation: node })) } },
      machine: {
        get state() {
          return rig.state;
        },
        runner,
      },
    };
    this.keeping = new FunctionKeeping({
      node: 'a',
      driver: driver as never,
      engineOf: (node) => this.engines.get(node) ?? null,
      keeper: () => ({
        ask: (question, done) => {
          this.questions.push({ question, done });
        },
        close: () => undefined,
      }),
      nowMs: () => this.nowMs,
    });
  }

  tick(): void {
    this.keeping.tick();
  }

  answer(answer: AdminAnswer | string): void {
    this.questions.shift()?.done(answer);
  }
}

test('an engine comes into force once every member has it, and only where there are functions', () => {
  const rig = new Rig();
  rig.engines.set('b', 'mine').set('c', 'mine');
  rig.tick();
  assert.equal(rig.proposed, [], 'there is no function');
  rig.state = { ...INITIAL_STATE, functions: F };
  rig.engines.set('c', 'older');
  rig.tick();
  rig.engines.delete('c');
  rig.tick();
  assert.equal(rig.proposed, [], 'one has another one, or has not spoken');
  rig.engines.set('c', 'mine');
  rig.isMaster = false;
  rig.tick();
  assert.equal(rig.proposed, [], 'it is not master');
  rig.isMaster = true;
  rig.tick();
  rig.tick();
  assert.equal(rig.proposed, [{ kind: 'useEngine', engine: 'mine' }], 'once, while it is under way');
  for (const settle of rig.settle) settle();
  rig.state = { ...rig.state, engine: 'mine' };
  rig.tick();
  assert.is(rig.proposed.length, 1);
});

test('a proposal of which nothing is heard is made again', () => {
  const rig = new Rig();
  rig.state = { ...INITIAL_STATE, functions: F };
  rig.engines.set('b', 'mine').set('c', 'mine');
  rig.tick();
  rig.nowMs = 10_000;
  rig.tick();
  assert.is(rig.proposed.length, 2);
});

test('what came at the keeper is asked for above what is here, and proposed', () => {
  const rig = new Rig();
  const functionsVersion = { keeper: 'K', version: 3 };
  rig.state = { ...INITIAL_STATE, bound: BOUND, functionsVersion };
  rig.tick();
  rig.tick();
  assert.equal(
    rig.questions.map(({ question }) => question),
    [{ kind: 'query', query: { kind: 'functionsAbove', version: 3 } }],
    'once, until it is answered',
  );
  const functions = [{ name: 'f', version: 5, source: SOURCE }];
  rig.answer({ kind: 'functionsPage', keeper: 'K', version: 5, functions, names: ['f'] });
  assert.equal(rig.proposed, [
    { kind: 'takeFunctions', keeper: 'K', from: 3, version: 5, functions, names: ['f'] },
  ]);
  for (const settle of rig.settle) settle();
  rig.state = { ...rig.state, functionsVersion: { keeper: 'K', version: 5 } };
  rig.tick();
  assert.is(rig.questions.length, 1, 'at once, since there may be more');
  rig.answer({ kind: 'functionsPage', keeper: 'K', version: 5, functions: [], names: [] });
  rig.tick();
  assert.is(rig.questions.length, 0, 'nothing new: later');
  rig.nowMs += 1000;
  rig.tick();
  assert.is(rig.questions.length, 1);
});

test('answers that are late, of another keeper, or none at all are not proposed', () => {
  const rig = new Rig();
  rig.state = { ...INITIAL_STATE, bound: BOUND, functionsVersion: { keeper: 'another', version: 9 } };
  const ask = (): void => {
    rig.nowMs += 1000;
    rig.tick();
  };
  ask();
  assert.equal(rig.questions[0]?.question, { kind: 'query', query: { kind: 'functionsAbove', version: 0 } });
  rig.answer('no link');
  ask();
  rig.answer({ kind: 'functionsPage', keeper: 'another', version: 12, functions: [], names: [] });
  ask();
  rig.state = { ...rig.state, functionsVersion: { keeper: 'K', version: 2 } };
  rig.answer({ kind: 'functionsPage', keeper: 'K', version: 2, functions: [], names: [] });
  ask();
  rig.isMaster = false;
  rig.answer({ kind: 'functionsPage', keeper: 'K', version: 4, functions: [], names: [] });
  assert.equal(rig.proposed, []);
});

test('every node loads functions ahead, one at a time, and not twice', () => {
  const rig = new Rig();
  rig.isMaster = false;
  const other = Buffer.from('other');
  rig.state = { ...INITIAL_STATE, functions: new Map([...F, ['g', { version: 2, source: other }]]) };
  rig.tick();
  assert.is(rig.prepared.length, 1);
  rig.tick();
  rig.tick();
  assert.equal(new Set(rig.prepared), new Set([SOURCE, other]));
  rig.state = { ...INITIAL_STATE, functions: F };
  rig.tick();
  assert.is(rig.prepared.length, 2, 'one has gone');
});

test.run();

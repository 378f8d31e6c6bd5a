/** Each invariant is broken once, and says so: a check that cannot fail shows nothing. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { REFUSALS_MAX } from '../../../migrator/core/answers.ts';
import type { Call, Purpose } from '../../../migrator/core/calls.ts';
import { RESTARTS_MAX } from '../../../migrator/core/ends.ts';
import { checkDelta, checkState, observe } from '../../../migrator/core/invariants.ts';
import type { Page, Pipe } from '../../../migrator/core/pipe.ts';
import type { Coordination } from '../../../migrator/core/state.ts';
import { present } from '../../../src/base/assert.ts';
import { Rig } from './rig.ts';

/** A row is a page, and pages stay on their way until they are answered here. */
const ONE_ROW = { pageBytes: 1, dirtyRowsMax: 1 };

/** A copy with a page on its way, and one that is read ahead of it. */
function copying(): Coordination {
  const rig = new Rig({ settings: { ...ONE_ROW, pagesInFlightMax: 1 } });
  rig.intercept = (name) => (name === 'page' ? 'silence' : null);
  rig.start();
  const { sent, ready } = passOf(rig.coordinator);
  assert.equal([sent.length, ready.length], [1, 1]);
  return rig.coordinator;
}

/** A copy with two pages on their way. */
function sending(): Coordination {
  const rig = new Rig({ settings: ONE_ROW });
  rig.intercept = (name) => (name === 'page' ? 'silence' : null);
  rig.start();
  assert.is(passOf(rig.coordinator).sent.length, 2);
  return rig.coordinator;
}

/** It waits for a trim. */
function trimming(): Coordination {
  const rig = new Rig({ settings: { sealRowsMax: 0, sealRowsWanted: 0 } });
  rig.intercept = (name) => {
    if (name === 'scanBase') rig.source.set('k', 'new');
    return name === 'trim' ? 'silence' : null;
  };
  rig.start();
  assert.ok(rig.count('trim') > 0);
  return rig.coordinator;
}

/** A target that is busy. */
function blocked(): Coordination {
  const rig = new Rig();
  rig.intercept = (name) => (name === 'beginImport' ? { kind: 'busy', why: 'cleaning up' } : null);
  rig.start();
  assert.not(present(rig.coordinator.blocked, 'blocked').isFree);
  return rig.coordinator;
}

/** It waits for its token. */
function claiming(): Coordination {
  const rig = new Rig();
  rig.intercept = (name) => (name === 'claim' ? 'silence' : null);
  rig.start();
  assert.is(rig.coordinator.mode, 'claim');
  return rig.coordinator;
}

/** Somebody else may be at work: it looks again later. */
function watching(): Coordination {
  const rig = new Rig({ claimAtOnce: false });
  rig.start();
  return rig.coordinator;
}

/** It aborts, and the source serves again. */
function aborting(): Coordination {
  const rig = new Rig();
  rig.intercept = (name) => {
    if (name === 'recordAbort') return 'silence';
    return name === 'activate' ? { kind: 'refused', why: 'no' } : null;
  };
  rig.start();
  rig.run(1000);
  assert.is.not(rig.coordinator.report.servedSinceMs, null);
  return rig.coordinator;
}

function ended(): Coordination {
  const rig = new Rig({ mid: 77 });
  rig.start();
  assert.is(rig.coordinator.mode, 'ended');
  return rig.coordinator;
}

function passOf({ pipe }: Coordination): Pipe {
  return present(pipe, 'a pass');
}

function callFor({ calls }: Coordination, purpose: Purpose): Call {
  return present(
    calls.open.find((call) => call.purpose === purpose),
    purpose,
  );
}

/** Makes another call of one that is under way. */
function change(state: Coordination, purpose: Purpose, to: Partial<Call>): void {
  Object.assign(callFor(state, purpose), to);
}

function changePage(state: Coordination, index: number, to: Partial<Page>): void {
  const { sent } = passOf(state);
  sent[index] = { ...present(sent[index], 'a page'), ...to };
}

function addCall(state: Coordination, call: Call): void {
  state.calls.open = [...state.calls.open, call];
}

const BREACHES: readonly (readonly [
  what: string,
  of: () => Coordination,
  breach: (state: Coordination) => void,
])[] = [
  [
    'time never goes back',
    copying,
    (it) => {
      it.nowMs -= 1;
    },
  ],
  [
    'a coordinator ends once',
    ended,
    (it) => {
      it.mode = 'look';
    },
  ],
  [
    'attempts are numbered upwards',
    copying,
    (it) => {
      it.calls.attempts -= 1;
    },
  ],
  [
    'an outcome that was heard of stays counted',
    aborting,
    (it) => {
      it.facts.outcomes -= 1;
    },
  ],
  [
    'rounds are counted upwards',
    trimming,
    (it) => {
      it.report.progress = { ...it.report.progress, rounds: 0 };
    },
  ],
  [
    'the first reason to abort stands',
    aborting,
    (it) => {
      it.facts.abortWhy = 'another';
    },
  ],
  [
    'a pause ends once',
    aborting,
    (it) => {
      it.report.servedSinceMs = it.nowMs + 1;
    },
  ],
  [
    'who works knows the record',
    copying,
    (it) => {
      it.facts.record = null;
    },
  ],
  [
    'who claims waits for its token',
    claiming,
    (it) => {
      it.calls.open = [];
    },
  ],
  [
    'who claims waits for its token',
    claiming,
    (it) => {
      it.mode = 'work';
    },
  ],
  [
    'something wakes it',
    watching,
    (it) => {
      it.lookAtMs = it.nowMs;
    },
  ],
  [
    'it begins anew so often at most',
    copying,
    (it) => {
      it.restarts = RESTARTS_MAX + 1;
    },
  ],
  [
    'it is refused so often at most',
    copying,
    (it) => {
      it.refusals = REFUSALS_MAX + 1;
    },
  ],
  [
    'writers are held back so long at most',
    copying,
    (it) => {
      it.delayMs = it.settings.slowDownMaxMs + 1;
    },
  ],
  [
    'writers are held back so long at most',
    copying,
    (it) => {
      it.delayMs = -1;
    },
  ],
  [
    'rounds that are stuck slow writers down',
    copying,
    (it) => {
      it.stuckRounds = it.settings.stuckRounds + 1;
    },
  ],
  [
    'a copy that gives way goes on',
    copying,
    (it) => {
      const rate = it.settings.courteousBytesMin - 1;
      it.courtesy = { ...it.courtesy, rate, because: { cluster: 'B', waitedMs: 9 } };
    },
  ],
  [
    'a copy that gives way goes on',
    copying,
    (it) => {
      const rate = Number.POSITIVE_INFINITY;
      it.courtesy = { ...it.courtesy, rate, because: { cluster: 'B', waitedMs: 9 } };
    },
  ],
  [
    'a copy says to whom it gives way',
    copying,
    (it) => {
      it.courtesy = { ...it.courtesy, rate: it.settings.courteousBytesMin };
    },
  ],
  [
    'who is busy is not commanded',
    blocked,
    (it) => addCall(it, { ...callFor(copying(), 'page'), purpose: 'beginImport' }),
  ],
  [
    'pages are numbered on from what the target has',
    copying,
    (it) => {
      passOf(it).lastSeq += 1;
    },
  ],
  [
    'pages are numbered on from what the target has',
    copying,
    (it) => {
      passOf(it).ready = [];
    },
  ],
  [
    'so many pages are on their way at most',
    copying,
    (it) => {
      const pipe = passOf(it);
      pipe.sent.push(...pipe.ready.splice(0));
    },
  ],
  [
    'one page is read ahead',
    sending,
    (it) => {
      const pipe = passOf(it);
      pipe.ready.push(...pipe.sent.splice(0));
    },
  ],
  [
    'only what a round brought is trimmed',
    copying,
    (it) => passOf(it).trims.push({ from: 'k', to: 'l', slot: 1 }),
  ],
  ['an attempt has been counted', copying, (it) => change(it, 'page', { attempt: it.calls.attempts + 1 })],
  [
    'an attempt has a number of its own',
    sending,
    (it) => {
      for (const call of it.calls.open) call.attempt = it.calls.attempts;
    },
  ],
  [
    'nothing but pages is asked for twice',
    trimming,
    (it) => addCall(it, { ...callFor(it, 'trim'), attempt: null, againAtMs: it.nowMs + 1 }),
  ],
  ['nothing is sent later than now', copying, (it) => change(it, 'page', { sentAtMs: it.nowMs + 1 })],
  [
    'what is due has been repeated',
    copying,
    (it) => change(it, 'page', { attempt: null, againAtMs: it.nowMs }),
  ],
  ['the keeper alone has no name', copying, (it) => change(it, 'page', { cluster: '' })],
  [
    'what is under way carries the token in force',
    copying,
    (it) => {
      it.claim = { ...it.claim, token: it.claim.token + 1 };
    },
  ],
  ['pages have no gap', sending, (it) => changePage(it, 0, { seq: 0 })],
  ['no page is older than the one before', sending, (it) => changePage(it, 1, { asOf: 0 })],
  ['a page begins where the one before ends, or behind', sending, (it) => changePage(it, 1, { from: 'k' })],
  ['a page begins where the one before ends, or behind', sending, (it) => changePage(it, 0, { to: null })],
  ['a page that is under way is remembered', sending, (it) => change(it, 'page', { mark: 99 })],
  [
    'a page that the target lacks is under way',
    sending,
    (it) => {
      it.calls.open = it.calls.open.filter((call) => call !== callFor(it, 'page'));
    },
  ],
  [
    'what is trimmed is at the target',
    trimming,
    (it) => {
      passOf(it).trims = [];
    },
  ],
];

for (const [what, of, breach] of BREACHES) {
  test(what, () => {
    const state = of();
    const before = observe(state);
    const check = (): void => {
      checkDelta(before, state);
      checkState(state);
    };
    assert.not.throws(check);
    breach(state);
    assert.throws(check, `invariant broken: ${what} (`);
    const { mid, claim } = state;
    assert.throws(check, new RegExp(`\\(.*mid ${mid}, range .*, mode .*, token ${claim.token}, .*lastSeq `));
  });
}

test('a step compares itself with what was before', () => {
  const rig = new Rig();
  rig.start();
  rig.coordinator.restarts = RESTARTS_MAX + 1;
  assert.throws(() => rig.tick(), /it begins anew so often at most/);
});

test.run();

/** How a cluster begins, and how a home without a vote gets one: whom it believes, and what it says. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Effect, Recovered, ReplicaConfig } from '../../../node/paxos/contract.ts';
import type { Message } from '../../../node/paxos/messages.ts';
import { mayVote } from '../../../node/paxos/replica.ts';
import { type Replica, step } from '../../../node/paxos/step.ts';
import type { LogRecord, Member, MembersState } from '../../../node/paxos/values.ts';
import {
  askAs,
  ballotOf,
  batch,
  CLUSTER,
  hear,
  LEASE_MS,
  lifeOf,
  type Name,
  STATE,
  sentTo,
  sync,
  tick,
  wake,
} from './rig.ts';
import { last, testWhole } from './whole.ts';

const NEW_LIFE = 'n'.repeat(32);
const OTHER_LIFE = 'o'.repeat(32);
const GENESIS = Uint8Array.of(7);
const NO_BALLOT = { round: 0, node: '' };

/** Node a with an empty home, in a life that its disk durably knows. */
function empty(config: Partial<ReplicaConfig> = {}): Replica {
  const none = { founded: null, members: null, promised: NO_BALLOT } as const;
  return wake({ ...none }, { genesis: GENESIS, ...config });
}

type Report = Extract<Message, { kind: 'report' }>;
function report(more: Partial<Report> = {}): Report {
  return {
    kind: 'report',
    asker: lifeOf('a'),
    founded: null,
    active: false,
    chosen: 0,
    bootstrap: false,
    challenge: 0,
    ...more,
  };
}

function persisted(effects: readonly Effect[]): LogRecord[] {
  return effects.flatMap((effect) => (effect.kind === 'persist' ? [effect.entry] : []));
}

function founding(effects: readonly Effect[]): MembersState | null {
  const [record] = persisted(effects).filter(({ kind }) => kind === 'founded');
  return record?.kind === 'founded' ? record.state : null;
}

function kinds(effects: readonly Effect[], to: Name): string[] {
  return sentTo(effects, to).map(({ kind }) => kind);
}

// ── Founding ─────────────────────────────────────────────────────────────────────────────────────────────────

test('the first by name founds once all others report empty homes, and names their lives', () => {
  const replica = empty();
  assert.is(founding(hear(replica, 'b', report(), 10)), null);
  const effects = hear(replica, 'c', report(), 10);
  assert.equal(founding(effects), { cluster: lifeOf('a'), members: STATE.members, superseded: [] });
  assert.equal(
    effects.filter(({ kind }) => kind === 'found').map((effect) => effect.kind === 'found' && effect.genesis),
    [GENESIS],
  );
});

test('learners are asked before anything is founded: one that has a cluster keeps another one from being founded', () => {
  const config = { wished: ['a', 'b'], learners: ['b'] };
  const early = empty(config);
  assert.is(founding(tick(early, 2900)), null, 'it has not spoken yet');
  assert.is.not(founding(tick(early, 3100)), null, 'it is not waited for without end');
  const empties = empty(config);
  assert.is.not(founding(hear(empties, 'b', report(), 10)), null, 'its home is empty, too');
  const left = empty(config);
  const founded = { state: { ...STATE, cluster: CLUSTER }, genesis: GENESIS };
  assert.equal(
    founding(hear(left, 'b', report({ founded, active: true }), 10))?.cluster,
    CLUSTER,
    'it joins',
  );
});

test('nobody else founds, and learners are no members', () => {
  const second = empty({ wished: ['a', 'b', 'c'], node: 'b' });
  for (const from of ['a', 'c'] as const) {
    const message = report();
    assert.is(
      founding(step(second, { kind: 'message', from, incarnation: lifeOf(from), message, nowMs: 10 })),
      null,
    );
  }
  const learning = empty({ learners: ['c'] });
  assert.equal(
    founding([...hear(learning, 'b', report(), 10), ...tick(learning, 3100)])?.members.map(
      ({ node }) => node,
    ),
    ['a', 'b'],
  );
});

test('(!) without --bootstrap nobody founds while one is missing, however long it takes', () => {
  const replica = empty();
  assert.is(founding(hear(replica, 'b', report(), 10)), null);
  for (const nowMs of [2999, 3000, 3001, 60_000, 3_600_000]) {
    assert.is(founding(tick(replica, nowMs)), null, `after ${nowMs} ms`);
  }
});

test('with --bootstrap it founds without those that are missing, after three seconds', () => {
  const replica = empty({ bootstrap: true });
  hear(replica, 'c', report(), 10);
  assert.is(founding(tick(replica, 2999)), null);
  const state = founding(tick(replica, 3100));
  assert.equal(
    state?.members.map(({ node }) => node),
    ['a', 'c'],
  );
});

test('(!) of several that bootstrap and hear each other the first by name founds', () => {
  const later = empty({ bootstrap: true, node: 'b', wished: ['a', 'b', 'c'] });
  const message = report({ bootstrap: true });
  step(later, { kind: 'message', from: 'a', incarnation: lifeOf('a'), message, nowMs: 10 });
  assert.is(founding(tick(later, 3100)), null);
  const first = empty({ bootstrap: true });
  hear(first, 'b', message, 10);
  assert.ok(founding(tick(first, 3100)));
});

test('a report to a former life is not believed', () => {
  const replica = empty();
  hear(replica, 'b', report({ asker: OTHER_LIFE }), 10);
  assert.is(founding(hear(replica, 'c', report(), 10)), null);
});

// ── Joining ──────────────────────────────────────────────────────────────────────────────────────────────────

const founded = { state: STATE, genesis: GENESIS };

test('(!) a founding that is not active is believed where it names the life that was told of this home', () => {
  const ask: Message = {
    kind: 'ask',
    cluster: '',
    chosen: 0,
    votes: false,
    eligible: false,
    isRetired: false,
    echo: 0,
  };
  const told = empty();
  hear(told, 'b', ask, 10);
  assert.ok(founding(hear(told, 'b', report({ founded }), 10)));
  const other = empty();
  step(other, { kind: 'message', from: 'b', incarnation: OTHER_LIFE, message: ask, nowMs: 10 });
  assert.is(founding(hear(other, 'b', report({ founded }), 10)), null, 'another life of b may found anew');
  assert.ok(founding(hear(other, 'b', report({ founded, active: true }), 10)), 'an active one stands');
  const late = empty();
  step(late, { kind: 'message', from: 'b', incarnation: OTHER_LIFE, message: ask, nowMs: 10 });
  assert.is(founding(hear(late, 'b', report({ founded }), 3009)), null);
  assert.ok(founding(hear(late, 'b', report({ founded }), 3010)), 'it asks no more: that was an older life');
});

test('who joins a founding that names another life of it waits a lease: it may have granted one', () => {
  const member = empty();
  hear(member, 'b', report({ founded, active: true }), 10);
  assert.is(member.waitUntilMs, 0);
  const stranger = wake({ incarnation: NEW_LIFE, founded: null, members: null, promised: NO_BALLOT });
  hear(stranger, 'b', report({ founded, active: true, asker: NEW_LIFE }), 10);
  assert.is(stranger.waitUntilMs, 10 + LEASE_MS);
});

test('nobody votes before all founding members have durably joined', () => {
  const replica = empty();
  hear(replica, 'b', report({ founded }), 10);
  assert.not(mayVote(replica));
  const joined: Message = { kind: 'joined', cluster: CLUSTER, active: false };
  hear(replica, 'b', joined, 10);
  step(replica, { kind: 'message', from: 'c', incarnation: OTHER_LIFE, message: joined, nowMs: 10 });
  sync(replica, 10);
  assert.not(replica.active, 'another life of c is no founding member');
  const effects = hear(replica, 'c', joined, 10);
  assert.ok(replica.active && mayVote(replica));
  assert.equal(sentTo(effects, 'c'), [{ kind: 'joined', cluster: CLUSTER, active: true }]);
  assert.equal(sentTo(hear(replica, 'b', { ...joined, active: true }, 10), 'b'), [], 'who knows is not told');
});

test('its own founding record counts when it is durable; the word of one that knows is enough', () => {
  const joined: Message = { kind: 'joined', cluster: CLUSTER, active: false };
  const replica = empty();
  hear(replica, 'b', report({ founded }), 10);
  for (const from of ['b', 'c'] as const) hear(replica, from, joined, 10);
  assert.not(replica.active);
  sync(replica, 10);
  assert.ok(replica.active);
  const told = empty();
  hear(told, 'b', report({ founded }), 10);
  hear(told, 'b', { ...joined, active: true }, 10);
  assert.ok(told.active);
});

test('until it is active it says that it has joined, ten times a second, once that is durable', () => {
  const replica = empty();
  hear(replica, 'b', report({ founded }), 10);
  const record = replica.nextRecord - 1;
  const effects = tick(replica, 20);
  for (const to of ['b', 'c'] as const) assert.equal(kinds(effects, to), ['joined']);
  for (const effect of effects) if (effect.kind === 'send') assert.is(effect.after, record);
  assert.equal(kinds(tick(replica, 119), 'b'), []);
  assert.equal(kinds(tick(replica, 120), 'b'), ['joined']);
});

// ── Asking ───────────────────────────────────────────────────────────────────────────────────────────────────

test('an empty home asks once its life is durable; who has a vote and lacks nothing is silent', () => {
  const none = { incarnation: null, founded: null, members: null, promised: NO_BALLOT } as const;
  const replica = wake(none);
  const asked = tick(replica, 0).filter((effect) => effect.kind === 'send');
  assert.equal(
    asked.map((effect) => effect.kind === 'send' && effect.after),
    [1, 1],
  );
  const member = wake();
  assert.equal(
    kinds(tick(member, 200), 'b').filter((kind) => kind === 'ask'),
    [],
  );
  const newcomer = wake({ incarnation: NEW_LIFE });
  assert.equal(kinds(tick(newcomer, 200), 'b'), ['ask']);
  const learner = wake({ incarnation: NEW_LIFE }, { learners: ['a'] });
  assert.equal(kinds(tick(learner, 200), 'b'), []);
});

test('an empty home answers that it is empty, and remembers whom it told', () => {
  const replica = empty({ bootstrap: true });
  const ask: Message = {
    kind: 'ask',
    cluster: '',
    chosen: 0,
    votes: false,
    eligible: false,
    isRetired: false,
    echo: 0,
  };
  assert.equal(sentTo(hear(replica, 'c', ask, 10), 'c'), [report({ asker: lifeOf('c'), bootstrap: true })]);
  assert.equal(replica.saidEmptyTo.get('c')?.incarnation, lifeOf('c'));
});

test('(!) nothing is done for a life that does not repeat its number: it may be over', () => {
  const replica = wake();
  const ask = (incarnation: string, echo: number): Effect[] => {
    const message: Message = {
      kind: 'ask',
      cluster: '',
      chosen: 0,
      votes: false,
      eligible: false,
      isRetired: false,
      echo,
    };
    return step(replica, { kind: 'message', from: 'c', incarnation, message, nowMs: 10 });
  };
  const numberOf = (effects: readonly Effect[]): number => {
    const [message] = sentTo(effects, 'c');
    return message?.kind === 'report' ? message.challenge : -1;
  };
  const number = numberOf(ask(NEW_LIFE, 0));
  assert.ok(number > 0);
  assert.not(replica.peers.has('c'));
  assert.is(numberOf(ask(NEW_LIFE, number + 1)), number, 'the same number until it is repeated');
  assert.not(replica.peers.has('c'));
  ask(NEW_LIFE, number);
  assert.is(replica.peers.get('c')?.incarnation, NEW_LIFE);
  assert.is.not(numberOf(ask(OTHER_LIFE, number)), number, 'each life has a number of its own');
  assert.is(replica.peers.get('c')?.incarnation, NEW_LIFE);
  assert.is(numberOf(ask(lifeOf('c'), 0)), 0, 'a life that is listed need repeat nothing');
  assert.is(replica.peers.get('c')?.incarnation, lifeOf('c'));
});

test('an answer’s number is repeated in the next question', () => {
  const replica = wake({ incarnation: NEW_LIFE });
  hear(replica, 'b', report({ asker: NEW_LIFE, challenge: 33, founded, active: true }), 10);
  const [ask] = sentTo(tick(replica, 200), 'b');
  assert.is(ask?.kind === 'ask' && ask.echo, 33);
  const [other] = sentTo(tick(replica, 400), 'c');
  assert.is(other?.kind === 'ask' && other.echo, 0);
});

test('a report of its own cluster, once active, tells what others hold; of another it tells nothing', () => {
  const about = (state: MembersState, active: boolean): [boolean, number] => {
    const replica = wake({ promised: NO_BALLOT });
    hear(replica, 'b', report({ founded: { state, genesis: GENESIS }, active, chosen: 4 }), 10);
    return [replica.active, replica.watermark];
  };
  assert.equal(about(STATE, true), [true, 4]);
  assert.equal(about(STATE, false), [false, 0]);
  assert.equal(about({ ...STATE, cluster: 'y'.repeat(32) }, true), [false, 0]);
});

// ── Clusters of two ──────────────────────────────────────────────────────────────────────────────────────────

const TWO: MembersState = { ...STATE, members: STATE.members.slice(0, 2) };
const ofTwo = (recovered: Partial<Recovered> = {}): Replica =>
  wake({ founded: { state: TWO, genesis: GENESIS }, members: TWO, ...recovered }, { wished: ['a', 'b'] });

const supersedes = (effects: readonly Effect[]): Member[] =>
  persisted(effects).flatMap((record) =>
    record.kind === 'supersede' ? [{ node: record.node, incarnation: record.incarnation }] : [],
  );

test('(!) of two, the other cuts off the former life durably, then tells all that it promised, accepted and knows', () => {
  const accepted = [{ slot: 1, ballot: ballotOf(5, 'b'), value: batch('x') }];
  const replica = ofTwo({ accepted });
  const effects = askAs(replica, 'b', NEW_LIFE, 10);
  assert.equal(supersedes(effects), [{ node: 'b', incarnation: NEW_LIFE }]);
  const adopted = effects.find((effect) => effect.kind === 'send' && effect.message.kind === 'adopted');
  assert.ok(adopted?.kind === 'send');
  assert.is(adopted.after, replica.nextRecord - 1);
  const all = { promised: ballotOf(5, 'b'), accepted, chosen: 0 };
  assert.equal(adopted.message, { kind: 'adopted', cluster: CLUSTER, incarnation: NEW_LIFE, ...all });
  assert.equal(supersedes(askAs(replica, 'b', NEW_LIFE, 20)), [], 'recorded once');
  const former = hear(replica, 'b', { kind: 'canvass', cluster: CLUSTER, chosen: 0 }, 20);
  assert.equal(former, [], 'the former life is not heard any more');
});

const NOT_ADOPTED: { readonly [why: string]: () => readonly [Replica, Name] } = {
  'there are three members': () => [wake(), 'b'],
  'it is no member': () => [ofTwo(), 'c'],
  'the other has no vote itself': () => [ofTwo({ incarnation: OTHER_LIFE }), 'b'],
  'the other is short': () => [ofTwo({ chosen: 4, applied: 3 }), 'b'],
  'its life has ended': () => [
    ofTwo({ members: { ...TWO, superseded: [{ node: 'b', incarnation: NEW_LIFE }] } }),
    'b',
  ],
};
for (const [why, make] of Object.entries(NOT_ADOPTED)) {
  test(`a life that asks is not adopted where ${why}`, () => {
    const [replica, from] = make();
    const effects = askAs(replica, from, NEW_LIFE, 10);
    assert.equal(supersedes(effects), []);
    assert.not(kinds(effects, from).includes('adopted'));
  });
}

test('a life in between, which was never admitted, is over with its successor', () => {
  const replica = ofTwo();
  askAs(replica, 'b', OTHER_LIFE, 10);
  assert.equal(supersedes(askAs(replica, 'b', NEW_LIFE, 20)), [{ node: 'b', incarnation: NEW_LIFE }]);
  assert.equal(askAs(replica, 'b', OTHER_LIFE, 30), []);
});

type Adopted = Extract<Message, { kind: 'adopted' }>;
const adoption = (more: Partial<Adopted> = {}): Adopted => {
  const rest = { promised: ballotOf(6, 'b'), accepted: [], chosen: 0 };
  return { kind: 'adopted', cluster: CLUSTER, incarnation: NEW_LIFE, ...rest, ...more };
};

test('(!) who is adopted promises and accepts all that it is told, and then may vote', () => {
  const held = { slot: 2, ballot: ballotOf(5, 'b'), value: batch('newer') };
  const replica = ofTwo({ incarnation: NEW_LIFE, promised: ballotOf(5, 'b'), accepted: [held] });
  const accepted = [1, 2, 3].map((slot) => ({
    slot,
    ballot: ballotOf(slot + 2, 'b'),
    value: batch(`v${slot}`),
  }));
  const effects = hear(replica, 'b', adoption({ accepted }), 10);
  assert.equal(replica.promised, ballotOf(6, 'b'));
  const slots = persisted(effects).flatMap((record) => (record.kind === 'accept' ? [record.slot] : []));
  assert.equal(slots, [1, 3], 'what it holds of a higher ballot stays');
  assert.equal(supersedes(effects), [{ node: 'a', incarnation: NEW_LIFE }]);
  assert.ok(mayVote(replica) || replica.syncedRecord < replica.nextRecord - 1);
  sync(replica, 10);
  assert.ok(mayVote(replica));
});

test('what it promised itself stays where it is higher', () => {
  const replica = ofTwo({ incarnation: NEW_LIFE, promised: ballotOf(9, 'b') });
  hear(replica, 'b', adoption(), 10);
  assert.equal(replica.promised, ballotOf(9, 'b'));
});

test('who is told of more that is chosen fetches first, and has no vote yet', () => {
  const replica = ofTwo({ incarnation: NEW_LIFE });
  const effects = hear(replica, 'b', adoption({ chosen: 3 }), 10);
  assert.equal(kinds(effects, 'b'), ['fetch']);
  assert.equal(persisted(effects), []);
  assert.is(replica.watermark, 3);
});

test('an adoption of another life, or of who may vote already, is nothing', () => {
  assert.equal(hear(ofTwo({ incarnation: OTHER_LIFE }), 'b', adoption(), 10), []);
  assert.equal(hear(ofTwo(), 'b', adoption({ incarnation: lifeOf('a') }), 10), []);
});

test('the other’s own life is recorded where the list names another', () => {
  const replica = ofTwo({ incarnation: NEW_LIFE });
  const message = adoption();
  const effects = step(replica, { kind: 'message', from: 'b', incarnation: OTHER_LIFE, message, nowMs: 10 });
  assert.equal(supersedes(effects), [
    { node: 'b', incarnation: OTHER_LIFE },
    { node: 'a', incarnation: NEW_LIFE },
  ]);
});

// ── Foundings of the same name ───────────────────────────────────────────────────────────────────────────────

test('messages of another founding are ignored, loudly, once each; most others of another one stop the node', () => {
  const foreign: Message = { kind: 'canvass', cluster: 'y'.repeat(32), chosen: 9 };
  const replica = wake();
  const first = hear(replica, 'b', foreign, 10);
  assert.equal(
    first.map(({ kind }) => kind),
    ['log'],
  );
  assert.equal(hear(replica, 'b', foreign, 10), []);
  assert.is(replica.watermark, 0);
  const second = hear(replica, 'c', foreign, 10);
  assert.equal(
    second.map(({ kind }) => kind),
    ['log', 'stop'],
  );
  const back = wake();
  hear(back, 'b', foreign, 10);
  hear(back, 'b', { ...foreign, cluster: CLUSTER }, 10);
  assert.equal(
    hear(back, 'c', foreign, 10).map(({ kind }) => kind),
    ['log'],
    'b is of this cluster after all',
  );
});

test('of another founding, who is in no file and no list stops nobody', () => {
  const foreign: Message = { kind: 'canvass', cluster: 'y'.repeat(32), chosen: 9 };
  assert.equal(
    hear(ofTwo(), 'c', foreign, 10).map(({ kind }) => kind),
    ['log'],
  );
  assert.equal(
    hear(ofTwo(), 'b', foreign, 10).map(({ kind }) => kind),
    ['log', 'stop'],
  );
});

test('an empty home that founds only with all others holds up no bootstrap', () => {
  const replica = empty({ bootstrap: true, node: 'b', wished: ['a', 'b', 'c'] });
  const message = report();
  step(replica, { kind: 'message', from: 'a', incarnation: lifeOf('a'), message, nowMs: 10 });
  assert.equal(
    founding(tick(replica, 3100))?.members.map(({ node }) => node),
    ['a', 'b'],
  );
});

test('of two, a life that is recorded as the newest need repeat no number, although it is not listed', () => {
  const replica = ofTwo();
  askAs(replica, 'b', NEW_LIFE, 10);
  const ask: Message = {
    kind: 'ask',
    cluster: CLUSTER,
    chosen: 0,
    votes: false,
    eligible: false,
    isRetired: false,
    echo: 0,
  };
  const effects = step(replica, {
    kind: 'message',
    from: 'b',
    incarnation: NEW_LIFE,
    message: ask,
    nowMs: 20,
  });
  const [first, second] = sentTo(effects, 'b');
  assert.is(first?.kind === 'report' && first.challenge, 0);
  assert.is(second?.kind, 'adopted');
});

test('a listed life is believed whatever number it repeats', () => {
  const replica = wake();
  const ask: Message = {
    kind: 'ask',
    cluster: '',
    chosen: 0,
    votes: true,
    eligible: true,
    isRetired: false,
    echo: 99,
  };
  hear(replica, 'c', ask, 10);
  assert.equal(replica.peers.get('c'), {
    incarnation: lifeOf('c'),
    heardMs: 10,
    chosen: 0,
    applied: 0,
    votes: true,
    eligible: true,
  });
  const inactive = wake({ promised: NO_BALLOT });
  hear(inactive, 'c', ask, 10);
  assert.not(inactive.peers.has('c'), 'before all have joined there is nobody to admit');
});

test('an empty home hears reports, questions and nothing else', () => {
  const replica = empty();
  const said: Message[] = [
    { kind: 'prepare', cluster: CLUSTER, ballot: ballotOf(9, 'b'), from: 1 },
    { kind: 'accept', cluster: CLUSTER, ballot: ballotOf(9, 'b'), slot: 1, value: batch('x'), chosen: 0 },
    { kind: 'heartbeat', cluster: CLUSTER, ballot: ballotOf(9, 'b'), chosen: 3, sentAtMs: 0 },
    { kind: 'joined', cluster: CLUSTER, active: true },
  ];
  for (const message of said) assert.equal(hear(replica, 'b', message, 10), [], message.kind);
  assert.equal([replica.active, replica.watermark, replica.promised], [false, 0, NO_BALLOT]);
});

test('the wait for other empty homes counts from when the process began', () => {
  const replica = empty({ bootstrap: true });
  replica.startedMs = 5000;
  assert.is(founding(tick(replica, 7999)), null);
  assert.ok(founding(tick(replica, 8100)));
});

test('of two, a life that asks again is answered again', () => {
  const replica = ofTwo();
  askAs(replica, 'b', NEW_LIFE, 10);
  assert.ok(kinds(askAs(replica, 'b', NEW_LIFE, 20), 'b').includes('adopted'));
});

// ── All that is asked for ────────────────────────────────────────────────────────────────────────────────────

/** A question of b in this life. */
function asks(replica: Replica, incarnation: string, more: Partial<Ask> = {}): readonly Effect[] {
  const message: Ask = {
    kind: 'ask',
    cluster: '',
    chosen: 0,
    votes: false,
    eligible: false,
    isRetired: false,
    echo: 0,
    ...more,
  };
  return step(replica, { kind: 'message', from: 'b', incarnation, message, nowMs: 10 });
}
type Ask = Extract<Message, { kind: 'ask' }>;

/** One of two, which has promised and accepted something. */
function votingOfTwo(): Replica {
  const accepted = [{ slot: 1, ballot: ballotOf(5, 'a'), value: batch('one') }];
  return wake({
    members: TWO,
    founded: { state: TWO, genesis: GENESIS },
    promised: ballotOf(5, 'a'),
    accepted,
  });
}

testWhole([
  [
    'an empty home asks',
    () => tick(empty(), 200),
    'send b, c: ask cluster=- chosen=0 no-votes no-eligible no-isRetired echo=0',
  ],
  [
    'an empty home is asked',
    () => asks(empty(), NEW_LIFE),
    'send b: report asker=n0 founded=- no-active chosen=0 no-bootstrap challenge=0',
  ],
  [
    'the last of the others reports that it is empty',
    () =>
      last(
        empty(),
        (replica) => hear(replica, 'b', report(), 10),
        (replica) => hear(replica, 'c', report(), 10),
      ),
    'say (info) founding a cluster members=3',
    'write #1 founded [a0 b0 c0]',
    'found members=[a0 b0 c0]',
  ],
  [
    'the same before anything may be founded',
    () =>
      last(
        empty({ asksFirst: true }),
        (replica) => hear(replica, 'b', report(), 10),
        (replica) => hear(replica, 'c', report(), 10),
      ),
  ],
  [
    'a report to a former life',
    () =>
      hear(
        empty(),
        'b',
        report({ asker: NEW_LIFE, founded: { state: STATE, genesis: GENESIS }, active: true }),
        10,
      ),
  ],
  [
    'a report of an active cluster: joined',
    () =>
      hear(
        empty(),
        'b',
        report({ founded: { state: STATE, genesis: GENESIS }, active: true, chosen: 4 }),
        10,
      ),
    'write #1 founded [a0 b0 c0]',
    'found members=[a0 b0 c0]',
  ],
  [
    'a report of a cluster that is not active: trusted where it names the lives that were told',
    () => hear(empty(), 'b', report({ founded: { state: STATE, genesis: GENESIS } }), 10),
    'write #1 founded [a0 b0 c0]',
    'found members=[a0 b0 c0]',
  ],
  [
    'three seconds with --bootstrap, and one home was seen',
    () =>
      last(
        empty({ bootstrap: true }),
        (replica) => hear(replica, 'c', report(), 10),
        (replica) => tick(replica, 3000),
      ),
    'send b, c: ask cluster=- chosen=0 no-votes no-eligible no-isRetired echo=0',
    'say (info) founding a cluster members=2',
    'write #1 founded [a0 c0]',
    'found members=[a0 c0]',
  ],
  [
    'the last founding member has joined',
    () =>
      last(
        wake({ promised: NO_BALLOT }),
        (replica) => hear(replica, 'b', { kind: 'joined', cluster: CLUSTER, active: false }, 10),
        (replica) => hear(replica, 'c', { kind: 'joined', cluster: CLUSTER, active: false }, 10),
      ),
    'say (info) cluster is active founding=x0',
    'send c: joined active',
  ],
  [
    'not all have joined, and time has passed',
    () => tick(wake({ promised: NO_BALLOT }), 200),
    'send b, c: joined no-active',
  ],
  [
    'not all have joined',
    () => hear(wake({ promised: NO_BALLOT }), 'b', { kind: 'joined', cluster: CLUSTER, active: false }, 10),
  ],
  [
    'a life that is unknown asks: it is given a number to repeat',
    () => asks(wake(), NEW_LIFE),
    'send b: report asker=n0 founded=[a0 b0 c0] active chosen=0 no-bootstrap challenge=1',
  ],
  [
    'of two, an unknown life repeats its number: recorded, and told all',
    () =>
      last(
        votingOfTwo(),
        (replica) => asks(replica, NEW_LIFE),
        (replica) => asks(replica, NEW_LIFE, { echo: 1 }),
      ),
    'send b: report asker=n0 founded=[a0 b0] active chosen=0 no-bootstrap challenge=1',
    'write #1 supersede b: n0',
    'send b: adopted incarnation=n0 promised=5@a accepted={1 5@a one} chosen=0, once #1 is written',
  ],
  [
    'of two, one asks that has its vote: it is not adopted, though it has told its number',
    () =>
      last(
        votingOfTwo(),
        (replica) => asks(replica, NEW_LIFE),
        (replica) => asks(replica, NEW_LIFE, { echo: 1, votes: true }),
      ),
    'send b: report asker=n0 founded=[a0 b0] active chosen=0 no-bootstrap challenge=1',
  ],
  [
    'of two, one asks that has retired: it is not adopted, though it has told its number',
    () =>
      last(
        votingOfTwo(),
        (replica) => asks(replica, NEW_LIFE),
        (replica) => asks(replica, NEW_LIFE, { echo: 1, isRetired: true }),
      ),
    'send b: report asker=n0 founded=[a0 b0] active chosen=0 no-bootstrap challenge=1',
  ],
  [
    'of two, an unknown life repeats another number',
    () =>
      last(
        votingOfTwo(),
        (replica) => asks(replica, NEW_LIFE),
        (replica) => asks(replica, NEW_LIFE, { echo: 7 }),
      ),
    'send b: report asker=n0 founded=[a0 b0] active chosen=0 no-bootstrap challenge=1',
  ],
  [
    'of two, one that is short vouches for nobody',
    () =>
      last(
        wake({ members: TWO, founded: { state: TWO, genesis: GENESIS }, chosen: 4, applied: 3 }),
        (replica) => asks(replica, NEW_LIFE),
        (replica) => asks(replica, NEW_LIFE, { echo: 1 }),
      ),
    'send b: report asker=n0 founded=[a0 b0] active chosen=3 no-bootstrap challenge=1',
  ],
  [
    'who is adopted records all that it is told, and votes',
    () =>
      hear(
        wake({ incarnation: NEW_LIFE, members: TWO }),
        'b',
        {
          kind: 'adopted',
          cluster: CLUSTER,
          incarnation: NEW_LIFE,
          promised: ballotOf(9, 'b'),
          accepted: [{ slot: 1, ballot: ballotOf(8, 'b'), value: batch('one') }],
          chosen: 0,
        },
        10,
      ),
    'write #1 promise 9@b',
    'write #2 accept 1 8@b one chosen=0',
    'write #3 supersede a: n0',
  ],
  [
    'who is adopted and lacks what is chosen fetches first',
    () =>
      hear(
        wake({ incarnation: NEW_LIFE, members: TWO }),
        'b',
        {
          kind: 'adopted',
          cluster: CLUSTER,
          incarnation: NEW_LIFE,
          promised: ballotOf(9, 'b'),
          accepted: [],
          chosen: 4,
        },
        10,
      ),
    'send b: fetch from=1 request=1',
  ],
  [
    'who has no vote asks everyone',
    () => tick(wake({ incarnation: NEW_LIFE }), 200),
    'send b, c: ask chosen=0 no-votes no-eligible no-isRetired echo=0',
  ],
  ['who has a vote and lacks nothing is silent', () => tick(wake(), 200)],
]);

test.run();

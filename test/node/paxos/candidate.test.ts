/** Elections: each condition under which a node campaigns, and what of the answers counts. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Effect, Recovered, ReplicaConfig } from '../../../node/paxos/contract.ts';
import type { AcceptedEntry, Message } from '../../../node/paxos/messages.ts';
import { hasQuorum, valuesToAdopt } from '../../../node/paxos/promises.ts';
import type { Promised } from '../../../node/paxos/replica.ts';
import { type Replica, step } from '../../../node/paxos/step.ts';
import type { Ballot, NodeName, Value } from '../../../node/paxos/values.ts';
import {
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

/** Node a promised by itself, so that it need not wait for anybody's lease. */
const OWN = { promised: ballotOf(5, 'a') };
/** Long after anybody's turn to campaign. */
const LATER_MS = 10 * LEASE_MS;

function promised(accepted: readonly AcceptedEntry[], more: Partial<Promised> = {}): Promised {
  const admissions = accepted.map(({ value }) => value).filter(({ kind }) => kind === 'admit');
  return { incarnation: lifeOf('b'), accepted, admissions, chosen: 0, floor: 0, upTo: null, ...more };
}

function entry(slot: number, ballot: Ballot, text: string): AcceptedEntry {
  return { slot, ballot, value: batch(text) };
}

function textOf(value: Value): string {
  return value.kind === 'batch' ? Buffer.from(value.bytes).toString() : value.kind;
}

test('P2c: of what is reported for a slot the value of the highest ballot is adopted, whoever reports it first', () => {
  const low = promised([entry(1, ballotOf(2, 'b'), 'low'), entry(2, ballotOf(4, 'b'), 'high')]);
  const high = promised([entry(1, ballotOf(3, 'a'), 'high'), entry(2, ballotOf(4, 'a'), 'low')]);
  for (const order of [
    [low, high],
    [high, low],
  ]) {
    const promises = new Map(order.map((each, index) => [`n${index}`, each]));
    assert.equal(
      valuesToAdopt(promises, 0).map(({ slot, value }) => [slot, textOf(value)]),
      [
        [1, 'high'],
        [2, 'high'],
      ],
    );
  }
});

test('P2c: holes below what is reported become no-ops; what is known chosen is left out', () => {
  const promises = new Map([
    ['b', promised([entry(3, ballotOf(2, 'b'), 'x'), entry(6, ballotOf(2, 'b'), 'y')])],
  ]);
  const adopted = (above: number): unknown =>
    valuesToAdopt(promises, above).map(({ slot, value }) => [slot, textOf(value)]);
  assert.equal(adopted(3), [
    [4, 'noop'],
    [5, 'noop'],
    [6, 'y'],
  ]);
  assert.equal(adopted(5), [[6, 'y']]);
  assert.equal(adopted(6), []);
  assert.equal(valuesToAdopt(new Map(), 4), []);
});

// ── When to campaign ─────────────────────────────────────────────────────────────────────────────────────────

function canvassed(effects: readonly Effect[]): NodeName[] {
  return effects.flatMap((effect) =>
    effect.kind === 'send' && effect.message.kind === 'canvass' ? [effect.to] : [],
  );
}

function heartbeat(ballot: Ballot, chosen = 0): Message {
  return { kind: 'heartbeat', cluster: CLUSTER, ballot, chosen, sentAtMs: 0 };
}

test('it campaigns when its time has come, and asks the other voters', () => {
  const replica = wake(OWN);
  assert.equal(canvassed(tick(replica, 0)), []);
  assert.equal(canvassed(tick(replica, replica.electionAtMs - 1)), []);
  assert.equal(canvassed(tick(replica, replica.electionAtMs)), ['b', 'c']);
  assert.is(replica.role.kind, 'canvassing');
  assert.equal(canvassed(tick(replica, replica.electionAtMs - 1)), [], 'and again only after a while');
});

const STAND_STILL: { readonly [why: string]: () => Replica } = {
  'it is no member in this life': () => wake({ ...OWN, incarnation: 'z'.repeat(32) }),
  'it is short of what its log has dropped': () =>
    wake({ ...OWN, firstLogSlot: 5, floorMembers: STATE, chosen: 4, applied: 3 }),
  'it is short of what its log knows to be chosen': () => wake({ ...OWN, chosen: 4, applied: 3 }),
  'it gave up mastership a moment ago': () => {
    const replica = wake(OWN);
    replica.abstainUntilMs = LATER_MS + 1;
    return replica;
  },
  'it granted a lease to another': () => {
    const replica = wake(OWN);
    hear(replica, 'b', heartbeat(ballotOf(6, 'b')), LATER_MS - LEASE_MS + 1);
    replica.electionAtMs = 0;
    return replica;
  },
  'another is forced master, and would be': () => forced({}),
  'another is forced master, and was not heard of yet': () => wake(OWN, { forcedMaster: 'b' }),
  'another is forced master, cannot, and is silent': () =>
    forced({ eligible: false, heardMs: LATER_MS - LEASE_MS - 1 }),
};

function forced(peer: { readonly eligible?: boolean; readonly heardMs?: number }): Replica {
  const replica = wake(OWN, { forcedMaster: 'b' });
  const known = {
    incarnation: lifeOf('b'),
    heardMs: LATER_MS,
    chosen: 0,
    applied: 0,
    votes: true,
    eligible: true,
  };
  replica.peers.set('b', { ...known, ...peer });
  return replica;
}

for (const [why, make] of Object.entries(STAND_STILL)) {
  test(`it does not campaign where ${why}`, () => {
    const replica = make();
    assert.equal(canvassed(tick(replica, LATER_MS)), []);
    assert.is(replica.role.kind, 'following');
  });
}

const GO_AHEAD: { readonly [why: string]: () => Replica } = {
  'it holds what its log has dropped': () =>
    wake({ ...OWN, firstLogSlot: 5, floorMembers: STATE, chosen: 4, applied: 4 }),
  'the time to stay out is over': () => {
    const replica = wake(OWN);
    replica.abstainUntilMs = LATER_MS;
    return replica;
  },
  'the lease that it granted is over': () => {
    const replica = wake(OWN);
    hear(replica, 'b', heartbeat(ballotOf(6, 'b')), LATER_MS - LEASE_MS);
    replica.electionAtMs = 0;
    return replica;
  },
  'it is the forced master itself': () => wake(OWN, { forcedMaster: 'a' }),
  'the forced master cannot, and says so': () => forced({ eligible: false, heardMs: LATER_MS - LEASE_MS }),
};

for (const [why, make] of Object.entries(GO_AHEAD)) {
  test(`it campaigns where ${why}`, () => {
    assert.equal(canvassed(tick(make(), LATER_MS)), ['b', 'c']);
  });
}

test('a preferred master that was dropped on request waits three leases longer, unless it alone may be master', () => {
  const dropped = (config: Partial<ReplicaConfig>): boolean => {
    const replica = wake(OWN, config);
    replica.isDropped = true;
    return canvassed(tick(replica, replica.electionAtMs + 3 * LEASE_MS - 1)).length > 0;
  };
  assert.is(dropped({ preferredMasters: ['a'] }), false);
  assert.is(dropped({ preferredMasters: ['b'] }), true);
  assert.is(dropped({ preferredMasters: ['a'], forcedMaster: 'a' }), true);
  const replica = wake(OWN, { preferredMasters: ['a'] });
  replica.isDropped = true;
  assert.equal(canvassed(tick(replica, replica.electionAtMs + 3 * LEASE_MS)), ['b', 'c']);
});

// ── Favours ──────────────────────────────────────────────────────────────────────────────────────────────────

function canvassing(recovered: Partial<Recovered> = {}): Replica {
  const replica = wake({ ...OWN, ...recovered });
  tick(replica, LATER_MS);
  assert.is(replica.role.kind, 'canvassing');
  return replica;
}

function favour(granted: boolean, round = 5): Message {
  return { kind: 'favour', cluster: CLUSTER, granted, promised: { round, node: '' }, chosen: 0 };
}

test('a majority of favours of members in their present lives begins phase 1; nothing else does', () => {
  const refused = canvassing();
  hear(refused, 'b', favour(false), LATER_MS);
  hear(refused, 'c', favour(false), LATER_MS);
  assert.is(refused.role.kind, 'canvassing');
  const stranger = canvassing();
  const from = { kind: 'message', nowMs: LATER_MS, message: favour(true) } as const;
  step(stranger, { ...from, from: 'b', incarnation: 'z'.repeat(32) });
  step(stranger, { ...from, from: 'd', incarnation: 'd'.repeat(32) });
  assert.is(stranger.role.kind, 'canvassing');
  const granted = canvassing();
  hear(granted, 'c', favour(true), LATER_MS);
  assert.is(granted.role.kind, 'preparing');
});

test('a late favour changes nothing', () => {
  const replica = wake(OWN);
  hear(replica, 'b', favour(true), 0);
  assert.is(replica.role.kind, 'following');
});

test('the ballot is above all that was heard of, is durable before it is sent, and asks for all that is not chosen', () => {
  const replica = canvassing();
  hear(replica, 'c', favour(false, 40), LATER_MS);
  replica.grant = { ballot: ballotOf(5, 'a'), untilMs: 0 };
  const effects = hear(replica, 'b', favour(true, 7), LATER_MS);
  const ballot = ballotOf(41, 'a');
  assert.equal(replica.promised, ballot);
  assert.is(replica.grant, null);
  const record = effects.find((effect) => effect.kind === 'persist');
  assert.equal(record?.kind === 'persist' && record.entry, { kind: 'promise', ballot });
  for (const to of ['b', 'c'] as const) {
    assert.equal(sentTo(effects, to), [{ kind: 'prepare', cluster: CLUSTER, ballot, from: 1 }]);
  }
  for (const effect of effects) if (effect.kind === 'send') assert.is(effect.after, replica.promisedRecord);
});

test('a member alone is elected without asking anybody', () => {
  const alone = { ...STATE, members: STATE.members.slice(0, 1) };
  const replica = wake(
    { ...OWN, founded: { state: alone, genesis: new Uint8Array(0) }, members: alone },
    { wished: ['a'] },
  );
  tick(replica, LATER_MS);
  sync(replica, LATER_MS);
  assert.is(replica.role.kind, 'master');
});

// ── Promises ─────────────────────────────────────────────────────────────────────────────────────────────────

function preparing(recovered: Partial<Recovered> = {}): Replica {
  const replica = canvassing(recovered);
  hear(replica, 'b', favour(true), LATER_MS);
  sync(replica, LATER_MS);
  assert.is(replica.role.kind, 'preparing');
  return replica;
}

type PromiseMessage = Extract<Message, { kind: 'promise' }>;
function promiseOf(replica: Replica, more: Partial<PromiseMessage> = {}): Message {
  const ballot = replica.promised;
  return {
    kind: 'promise',
    cluster: CLUSTER,
    ballot,
    accepted: [],
    chosen: 0,
    floor: 0,
    upTo: null,
    ...more,
  };
}

function hearPromise(replica: Replica, from: Name, more: Partial<PromiseMessage> = {}): Effect[] {
  return hear(replica, from, promiseOf(replica, more), LATER_MS);
}

test('a majority of promises of its own ballot makes a master', () => {
  const replica = preparing();
  hearPromise(replica, 'b', { ballot: ballotOf(4, 'a') });
  hearPromise(replica, 'b', { ballot: ballotOf(99, 'a') });
  assert.is(replica.role.kind, 'preparing');
  hearPromise(replica, 'b');
  assert.is(replica.role.kind, 'master');
});

test('its own promise counts when it is durable', () => {
  const replica = canvassing();
  hear(replica, 'b', favour(true), LATER_MS);
  hearPromise(replica, 'b');
  assert.is(replica.role.kind, 'preparing');
  sync(replica, LATER_MS);
  assert.is(replica.role.kind, 'master');
});

test('promises of lives that are no members do not count', () => {
  const replica = preparing();
  const message = promiseOf(replica);
  step(replica, { kind: 'message', from: 'b', incarnation: 'z'.repeat(32), message, nowMs: LATER_MS });
  step(replica, { kind: 'message', from: 'd', incarnation: 'd'.repeat(32), message, nowMs: LATER_MS });
  assert.is(replica.role.kind, 'preparing');
});

test('what one of them has as chosen is fetched first, from who has most', () => {
  const replica = preparing();
  const first = hearPromise(replica, 'b', { chosen: 3 });
  assert.equal(
    sentTo(first, 'b').map(({ kind }) => kind),
    ['fetch'],
  );
  assert.is(replica.role.kind, 'preparing');
  assert.is(replica.watermark, 3);
  const [fetch] = sentTo(first, 'b');
  const request = fetch?.kind === 'fetch' ? fetch.request : 0;
  const entries = [1, 2, 3].map((slot) => ({ slot, value: batch(String(slot)) }));
  hear(replica, 'b', { kind: 'entries', request, entries, firstLogSlot: 1, chosen: 3 }, LATER_MS);
  sync(replica, LATER_MS);
  assert.is(replica.role.kind, 'master');
  const other = preparing();
  const slow = { request: 77, from: 'x', untilMs: LATER_MS + 1 };
  other.fetching = slow;
  hearPromise(other, 'c', { chosen: 3 });
  hearPromise(other, 'b', { chosen: 5 });
  assert.equal(other.fetching, slow, 'one question at a time');
  other.fetching = null;
  assert.equal(
    sentTo(step(other, { kind: 'synced', record: other.nextRecord - 1, nowMs: LATER_MS }), 'b').map(
      ({ kind }) => kind,
    ),
    ['fetch'],
  );
});

test('(!) a promise counts only where the candidate holds what the promiser has forgotten, and where it is complete', () => {
  const forgot = preparing();
  hearPromise(forgot, 'b', { floor: 1 });
  assert.is(forgot.role.kind, 'preparing');
  const cut = preparing();
  hearPromise(cut, 'b', { upTo: 9 });
  assert.is(cut.role.kind, 'preparing');
  hearPromise(cut, 'c');
  assert.is(cut.role.kind, 'master', 'what it tells is no hindrance');
  const holds = preparing({ chosen: 2, applied: 2 });
  hearPromise(holds, 'b', { floor: 2, chosen: 2 });
  assert.is(holds.role.kind, 'master');
});

test('(!) promises of a life for which a later admission is known do not count; their values do', () => {
  const admission: Value = {
    kind: 'admit',
    node: 'b',
    incarnation: 'n'.repeat(32),
    ballot: ballotOf(4, 'c'),
  };
  const entryOf = (value: Value): AcceptedEntry => ({ slot: 1, ballot: ballotOf(4, 'c'), value });
  const reported = preparing();
  hearPromise(reported, 'b', { accepted: [entryOf(admission)] });
  assert.is(reported.role.kind, 'preparing', 'reported by itself');
  const own = preparing({ accepted: [entryOf(admission)] });
  hearPromise(own, 'b');
  assert.is(own.role.kind, 'preparing', 'accepted by the candidate');
  hearPromise(own, 'c');
  assert.is(own.role.kind, 'master');
  const present = preparing();
  hearPromise(present, 'b', { accepted: [entryOf({ ...admission, incarnation: lifeOf('b') })] });
  assert.is(present.role.kind, 'master', 'its own admission ends nothing');
  const older = preparing({
    members: { ...STATE, superseded: [{ node: 'b', incarnation: 'n'.repeat(32) }] },
  });
  hearPromise(older, 'b', { accepted: [entryOf(admission)] });
  assert.is(older.role.kind, 'master', 'that of a life which ended before ends nothing');
});

test('a quorum is of the members in force', () => {
  const replica = preparing();
  const promises = new Map([['a', promised([], { incarnation: lifeOf('a') })]]);
  assert.is(hasQuorum(replica, promises), false);
  assert.is(hasQuorum(replica, promises.set('b', promised([]))), true);
  const ended = { ...STATE, superseded: [{ node: 'b', incarnation: lifeOf('b') }] };
  replica.members = ended;
  assert.is(hasQuorum(replica, promises), false);
});

// ── What is chosen can be learnt from half of the others ─────────────────────────────────────────────────────

/** Candidate a, of four members, holds nothing; b promised, and its log has dropped slots 1 and 2. */
function ofFour(): Replica {
  const four = { ...STATE, members: [...STATE.members, { node: 'd', incarnation: 'd'.repeat(32) }] };
  const founded = { state: four, genesis: new Uint8Array(0) };
  const replica = wake({ ...OWN, founded, members: four }, { wished: ['a', 'b', 'c', 'd'] });
  tick(replica, LATER_MS);
  hear(replica, 'b', favour(true), LATER_MS);
  hear(replica, 'c', favour(true), LATER_MS);
  sync(replica, LATER_MS);
  hearPromise(replica, 'b', { floor: 2 });
  return replica;
}

test('(!) where half of the list remembers its votes, the value of the highest ballot there was chosen', () => {
  const replica = ofFour();
  assert.is(replica.chosen, 0, 'a alone is not half of four');
  const accepted = [
    entry(1, ballotOf(2, 'b'), 'one'),
    entry(2, ballotOf(3, 'b'), 'two'),
    entry(3, ballotOf(3, 'b'), 'not known'),
  ];
  const effects = hearPromise(replica, 'c', { accepted });
  assert.is(replica.chosen, 2, 'what b has forgotten, and no more');
  const learnt = effects.flatMap((effect) =>
    effect.kind === 'persist' && effect.entry.kind === 'learn'
      ? [[effect.entry.slot, textOf(effect.entry.value)]]
      : [],
  );
  assert.equal(learnt, [
    [1, 'one'],
    [2, 'two'],
  ]);
});

test('(!) who has forgotten, or whose report ends before the slot, is not of that half', () => {
  const accepted = [entry(1, ballotOf(2, 'b'), 'one')];
  const forgot = ofFour();
  hearPromise(forgot, 'c', { accepted, floor: 1 });
  assert.is(forgot.chosen, 0);
  const cut = ofFour();
  hearPromise(cut, 'c', { accepted, upTo: 0 });
  assert.is(cut.chosen, 0);
  const whole = ofFour();
  hearPromise(whole, 'c', { accepted, upTo: 1 });
  assert.is(whole.chosen, 1);
});

test('what somebody holds is fetched, not guessed', () => {
  const replica = ofFour();
  hearPromise(replica, 'c', { chosen: 1, accepted: [entry(2, ballotOf(2, 'b'), 'two')] });
  assert.is(replica.chosen, 0);
});

test('of what nobody has forgotten nothing is taken for chosen', () => {
  const replica = preparing();
  hearPromise(replica, 'b', { accepted: [entry(1, ballotOf(2, 'b'), 'one')], upTo: 9 });
  assert.is(replica.chosen, 0);
});

test('of what the remembering half never accepted nothing is learnt', () => {
  const replica = ofFour();
  hearPromise(replica, 'c', { accepted: [entry(3, ballotOf(2, 'b'), 'three')] });
  assert.is(replica.chosen, 0);
});

test('a promise tells what its sender holds', () => {
  const replica = preparing();
  hearPromise(replica, 'b', { chosen: 3, floor: 5 });
  assert.equal(replica.holders.get('b'), { chosen: 3, heardMs: LATER_MS });
  assert.is(replica.watermark, 5, 'and what was chosen, though it holds it no more');
});

test('a candidate gives those that it asks half a lease, and a little', () => {
  const { electionAtMs } = preparing();
  assert.ok(electionAtMs >= LATER_MS + LEASE_MS / 2 && electionAtMs < LATER_MS + LEASE_MS);
});

test('(!) no ballot is used twice: the next candidacy has a higher round', () => {
  const replica = preparing();
  const { round } = replica.promised;
  tick(replica, replica.electionAtMs);
  assert.is(replica.role.kind, 'canvassing');
  hear(replica, 'b', favour(true), LATER_MS);
  assert.equal(replica.promised, ballotOf(round + 1, 'a'));
});

test('a candidacy that failed fetches what it lacked from who had most, and leaves the others time', () => {
  const replica = preparing();
  hearPromise(replica, 'b', { chosen: 3 });
  replica.fetching = null;
  const nowMs = replica.electionAtMs;
  const effects = tick(replica, nowMs);
  assert.ok(sentTo(effects, 'b').some(({ kind }) => kind === 'fetch'));
  assert.ok(replica.electionAtMs > nowMs + LEASE_MS / 4 && replica.electionAtMs < nowMs + LEASE_MS / 2);
});

test('what is lacking is fetched from who has most, whoever promised last', () => {
  const replica = preparing();
  hearPromise(replica, 'b', { chosen: 5 });
  replica.fetching = null;
  const effects = hearPromise(replica, 'c', { chosen: 3 });
  const asked = (to: Name) => sentTo(effects, to).filter(({ kind }) => kind === 'fetch').length;
  assert.equal([asked('b'), asked('c')], [1, 0]);
});

test('two of five are no half', () => {
  const members = [...STATE.members, ...['d', 'e'].map((node) => ({ node, incarnation: node.repeat(32) }))];
  const five = { ...STATE, members };
  const wished = members.map(({ node }) => node);
  const replica = wake(
    { ...OWN, founded: { state: five, genesis: new Uint8Array(0) }, members: five },
    { wished },
  );
  tick(replica, LATER_MS);
  for (const from of ['b', 'c'] as const) hear(replica, from, favour(true), LATER_MS);
  sync(replica, LATER_MS);
  hearPromise(replica, 'b', { floor: 1 });
  hearPromise(replica, 'c', { accepted: [entry(1, ballotOf(2, 'b'), 'one')] });
  assert.is(replica.chosen, 0);
});

// ── All that is asked for ────────────────────────────────────────────────────────────────────────────────────

const FAVOUR: Message = {
  kind: 'favour',
  cluster: CLUSTER,
  granted: true,
  promised: ballotOf(7, 'c'),
  chosen: 0,
};

/** Node a has asked whether the others would promise. */
function campaigning(recovered: Partial<Recovered> = {}): Replica {
  const replica = wake({ ...OWN, ...recovered });
  tick(replica, LATER_MS);
  return replica;
}

/** Node a is in phase 1 at ballot 8, which is durable. */
function inPhase1(recovered: Partial<Recovered> = {}): Replica {
  const replica = campaigning(recovered);
  hear(replica, 'b', FAVOUR, LATER_MS);
  sync(replica, LATER_MS);
  return replica;
}

/** Its promise is heard. */
function promised8(
  replica: Replica,
  from: Name,
  more: Partial<Extract<Message, { kind: 'promise' }>> = {},
): readonly Effect[] {
  const none = { accepted: [], chosen: 0, floor: 0, upTo: null };
  return hear(
    replica,
    from,
    { kind: 'promise', cluster: CLUSTER, ballot: ballotOf(8, 'a'), ...none, ...more },
    LATER_MS,
  );
}

testWhole([
  ['its time has come', () => tick(wake(OWN), LATER_MS), 'send b, c: canvass chosen=0'],
  ['its time has not come', () => tick(wake(OWN), 5)],
  [
    'a master that is forced on all is left the election',
    () => tick(wake(OWN, { forcedMaster: 'c' }), LATER_MS),
  ],
  [
    'who is short does not campaign, and says for whom it waits',
    () => tick(wake({ ...OWN, chosen: 4, applied: 3 }), LATER_MS),
    'send b, c: ask chosen=3 votes no-eligible no-isRetired echo=0',
    'say (warn) slots 4 are chosen, nobody reachable holds them: waiting for b (not seen), c (not seen)',
  ],
  [
    'a favour that makes a majority',
    () => hear(campaigning(), 'b', FAVOUR, LATER_MS),
    'write #1 promise 8@a',
    'send b, c: prepare 8@a from=1, once #1 is written',
  ],
  ['a favour that is refused', () => hear(campaigning(), 'b', { ...FAVOUR, granted: false }, LATER_MS)],
  [
    'a favour of one that holds more',
    () => hear(campaigning(), 'b', { ...FAVOUR, chosen: 4 }, LATER_MS),
    'send b: fetch from=1 request=1',
    'write #1 promise 8@a',
    'send b, c: prepare 8@a from=1, once #1 is written',
  ],
  [
    'a promise that makes a majority',
    () => promised8(inPhase1(), 'b'),
    'say (info) became master round=8 adopted=0 holes=0',
    'send b, c: heartbeat 8@a chosen=0 sentAtMs=10000',
    'write #2 accept 1 8@a noop chosen=0',
    'send b, c: accept 8@a 1 noop chosen=0',
  ],
  [
    'a promise that reports values: adopted, and the hole between is filled',
    () =>
      promised8(inPhase1({ accepted: [{ slot: 1, ballot: ballotOf(2, 'b'), value: batch('old') }] }), 'b', {
        accepted: [entry(1, ballotOf(4, 'c'), 'newer'), entry(3, ballotOf(1, 'b'), 'three')],
      }),
    'say (info) became master round=8 adopted=2 holes=1',
    'send b, c: heartbeat 8@a chosen=0 sentAtMs=10000',
    'write #2 accept 1 8@a newer chosen=0',
    'send b, c: accept 8@a 1 newer chosen=0',
    'write #3 accept 2 8@a noop chosen=0',
    'send b, c: accept 8@a 2 noop chosen=0',
    'write #4 accept 3 8@a three chosen=0',
    'send b, c: accept 8@a 3 three chosen=0',
    'write #5 accept 4 8@a noop chosen=0',
    'send b, c: accept 8@a 4 noop chosen=0',
  ],
  ['a promise of another ballot', () => promised8(inPhase1(), 'b', { ballot: ballotOf(7, 'a') })],
  [
    'a promise of who holds more: fetched first',
    () => promised8(inPhase1(), 'b', { chosen: 4 }),
    'send b: fetch from=1 request=1',
  ],
  ['a promise of who has forgotten its votes does not count', () => promised8(inPhase1(), 'b', { floor: 2 })],
  [
    'a promise that does not count, of half that remembers the value: learnt',
    () =>
      last(
        inPhase1(),
        (replica) => promised8(replica, 'b', { floor: 1 }),
        (replica) => promised8(replica, 'c', { accepted: [entry(1, ballotOf(4, 'c'), 'chosen')] }),
      ),
    'write #2 learn 1 chosen chosen=1',
    'apply 1 chosen members=[a0 b0 c0]',
    'say (info) became master round=8 adopted=0 holes=0',
    'send b, c: heartbeat 8@a chosen=1 sentAtMs=10000',
    'write #3 accept 2 8@a noop chosen=1',
    'send b, c: accept 8@a 2 noop chosen=1',
  ],
  [
    'a promise of a life for which an admission is known does not count',
    () =>
      promised8(inPhase1(), 'b', {
        accepted: [
          {
            slot: 1,
            ballot: ballotOf(4, 'c'),
            value: { kind: 'admit', node: 'b', incarnation: 'n'.repeat(32), ballot: ballotOf(4, 'c') },
          },
        ],
      }),
  ],
  [
    'its own promise becomes durable last',
    () =>
      last(
        campaigning(),
        (replica) => hear(replica, 'b', FAVOUR, LATER_MS),
        (replica) => promised8(replica, 'b'),
        (replica) => sync(replica, LATER_MS),
      ),
    'say (info) became master round=8 adopted=0 holes=0',
    'send b, c: heartbeat 8@a chosen=0 sentAtMs=10000',
    'write #2 accept 1 8@a noop chosen=0',
    'send b, c: accept 8@a 1 noop chosen=0',
  ],
]);

test.run();

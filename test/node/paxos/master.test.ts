/** The master: which votes and grants count, what is proposed when, and how it gives up. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Effect, Recovered, ReplicaConfig } from '../../../node/paxos/contract.ts';
import type { AcceptedEntry, Message } from '../../../node/paxos/messages.ts';
import type { Mastering } from '../../../node/paxos/replica.ts';
import { leaseUntilMs } from '../../../node/paxos/replica.ts';
import { masterOf, mayPropose, mayRead, type Replica, step } from '../../../node/paxos/step.ts';
import type { NodeName, Value } from '../../../node/paxos/values.ts';
import {
  ballotOf,
  batch,
  CLUSTER,
  hear,
  LEASE_MS,
  lifeOf,
  type Name,
  proposedIn,
  STATE,
  sentTo,
  sync,
  tick,
  wake,
} from './rig.ts';
import { last, testWhole } from './whole.ts';

const START_MS = 10 * LEASE_MS;
const DRIFT_MS = 20;
const STRANGE_LIFE = 'z'.repeat(32);

type Setting = {
  readonly recovered?: Partial<Recovered>;
  readonly config?: Partial<ReplicaConfig>;
  readonly reported?: readonly AcceptedEntry[];
};

/** Node a has just won phase 1 with b; nothing is voted for yet. */
function elected({ recovered, config, reported }: Setting = {}): {
  replica: Replica;
  role: Mastering;
  first: Effect[];
} {
  const replica = wake({ promised: ballotOf(5, 'a'), ...recovered }, config);
  tick(replica, START_MS);
  const promised = replica.promised;
  const { chosen } = replica;
  hear(replica, 'b', { kind: 'favour', cluster: CLUSTER, granted: true, promised, chosen }, START_MS);
  sync(replica, START_MS);
  const accepted = [...(reported ?? [])];
  const first = hear(
    replica,
    'b',
    { kind: 'promise', cluster: CLUSTER, ballot: replica.promised, accepted, chosen, floor: 0, upTo: null },
    START_MS,
  );
  return { replica, role: masterRole(replica), first };
}

/** The same, with its own first slot chosen and applied, and its lease granted by b. */
function serving(setting: Setting = {}): { replica: Replica; role: Mastering } {
  const { replica, role } = elected(setting);
  for (let slot = replica.chosen + 1; slot < role.nextSlot; slot += 1) vote(replica, 'b', slot);
  sync(replica, START_MS);
  apply(replica);
  grant(replica, 'b', START_MS);
  assert.is(mayPropose(replica, START_MS), 'yes');
  return { replica, role };
}

function masterRole(replica: Replica): Mastering {
  if (replica.role.kind !== 'master') throw new Error(`not master but ${replica.role.kind}`);
  return replica.role;
}

function apply(replica: Replica): void {
  step(replica, { kind: 'applied', slot: replica.chosen, nowMs: START_MS });
}

function vote(replica: Replica, from: Name, slot: number, nowMs = START_MS): Effect[] {
  return hear(
    replica,
    from,
    { kind: 'accepted', cluster: CLUSTER, ballot: masterRole(replica).ballot, slot },
    nowMs,
  );
}

type Granted = Extract<Message, { kind: 'granted' }>;
function granted(replica: Replica, sentAtMs: number, more: Partial<Granted> = {}): Granted {
  const { ballot } = masterRole(replica);
  const { chosen } = replica;
  return {
    kind: 'granted',
    cluster: CLUSTER,
    ballot,
    sentAtMs,
    chosen,
    applied: chosen,
    votes: true,
    eligible: true,
    ...more,
  };
}

function grant(
  replica: Replica,
  from: Name,
  sentAtMs: number,
  more: Partial<Granted> = {},
  nowMs = sentAtMs,
): Effect[] {
  return hear(replica, from, granted(replica, sentAtMs, more), nowMs);
}

function propose(replica: Replica, id: number, text = String(id)): Effect[] {
  const bytes = new TextEncoder().encode(text);
  return step(replica, { kind: 'propose', id, bytes, nowMs: START_MS });
}

function kindsTo(effects: readonly Effect[], to: Name): string[] {
  return sentTo(effects, to).map(({ kind }) => kind);
}

const ofProposals = (effects: readonly Effect[]): (number | null)[] =>
  effects.flatMap((effect) => (effect.kind === 'apply' ? [effect.proposal] : []));

// ── Votes ────────────────────────────────────────────────────────────────────────────────────────────────────

test('a slot is chosen by a majority of members in their present lives, its own vote among them once durable', () => {
  const { replica } = serving();
  propose(replica, 7);
  const slot = replica.chosen + 1;
  assert.equal(ofProposals(vote(replica, 'b', slot)), [], 'b alone is none');
  assert.equal(ofProposals(sync(replica, START_MS)), [7]);
  propose(replica, 8);
  sync(replica, START_MS);
  const { ballot } = masterRole(replica);
  const message: Message = { kind: 'accepted', cluster: CLUSTER, ballot, slot: slot + 1 };
  const from = { kind: 'message', message, nowMs: START_MS } as const;
  assert.equal(ofProposals(step(replica, { ...from, from: 'b', incarnation: STRANGE_LIFE })), []);
  assert.equal(ofProposals(step(replica, { ...from, from: 'd', incarnation: 'd'.repeat(32) })), []);
  const older = { ...message, ballot: ballotOf(5, 'a') };
  assert.equal(ofProposals(hear(replica, 'b', older, START_MS)), []);
  assert.equal(ofProposals(hear(replica, 'c', message, START_MS)), [8]);
});

test('slots are chosen in their order', () => {
  const { replica } = serving();
  for (const id of [1, 2, 3]) propose(replica, id);
  sync(replica, START_MS);
  const first = replica.chosen + 1;
  assert.equal(ofProposals(vote(replica, 'b', first + 2)), []);
  assert.equal(ofProposals(vote(replica, 'b', first + 1)), []);
  assert.equal(ofProposals(vote(replica, 'c', first)), [1, 2, 3]);
  assert.equal(ofProposals(vote(replica, 'c', first)), [], 'a late vote is nothing');
});

test('only what is durable is its own vote', () => {
  const { replica } = serving();
  const before = replica.nextRecord - 1;
  propose(replica, 1);
  propose(replica, 2);
  const slot = replica.chosen + 1;
  vote(replica, 'b', slot);
  vote(replica, 'b', slot + 1);
  assert.equal(ofProposals(step(replica, { kind: 'synced', record: before, nowMs: START_MS })), []);
  assert.equal(ofProposals(step(replica, { kind: 'synced', record: before + 1, nowMs: START_MS })), [1]);
  assert.equal(ofProposals(step(replica, { kind: 'synced', record: before + 2, nowMs: START_MS })), [2]);
});

test('accepts leave at once, to everybody, with what is known chosen', () => {
  const { replica, role } = serving();
  const { chosen } = replica;
  const effects = propose(replica, 1, 'x');
  const { ballot } = role;
  const message = { kind: 'accept', cluster: CLUSTER, ballot, slot: chosen + 1, value: batch('x'), chosen };
  for (const to of ['b', 'c'] as const) assert.equal(sentTo(effects, to), [message]);
  for (const effect of effects) if (effect.kind === 'send') assert.is(effect.after, 0);
});

// ── The lease ────────────────────────────────────────────────────────────────────────────────────────────────

test('the lease counts from when the renewal was sent, less the drift, by the answers of a majority', () => {
  const { replica, role } = serving();
  const untilMs = START_MS + LEASE_MS - DRIFT_MS;
  assert.is(leaseUntilMs(replica, role), untilMs);
  assert.is(mayRead(replica, untilMs - 1), true);
  assert.is(mayRead(replica, untilMs), false);
  assert.is(mayPropose(replica, untilMs), 'not-master');
  assert.equal([masterOf(replica, untilMs - 1), masterOf(replica, untilMs)], ['a', null]);
  grant(replica, 'c', START_MS + 50);
  assert.is(leaseUntilMs(replica, role), untilMs + 50, 'the newest of them');
  grant(replica, 'c', START_MS + 40);
  assert.is(leaseUntilMs(replica, role), untilMs + 50, 'a late answer takes nothing back');
});

test('(!) answers of who has no vote, is no member, or answers another ballot renew nothing', () => {
  const { replica, role } = serving();
  const before = leaseUntilMs(replica, role);
  const laterMs = START_MS + 100;
  grant(replica, 'c', laterMs, { votes: false });
  grant(replica, 'c', laterMs, { ballot: ballotOf(5, 'a') });
  const message = granted(replica, laterMs);
  step(replica, { kind: 'message', from: 'c', incarnation: STRANGE_LIFE, message, nowMs: laterMs });
  step(replica, { kind: 'message', from: 'd', incarnation: 'd'.repeat(32), message, nowMs: laterMs });
  assert.is(leaseUntilMs(replica, role), before);
  grant(replica, 'c', laterMs);
  assert.is(leaseUntilMs(replica, role), before + 100);
});

test('of five, the lease wants the answers of two others', () => {
  const five = {
    ...STATE,
    members: [...STATE.members, ...['d', 'e'].map((node) => ({ node, incarnation: node.repeat(32) }))],
  };
  const wished = ['a', 'b', 'c', 'd', 'e'];
  const replica = wake(
    { promised: ballotOf(5, 'a'), members: five, founded: { state: five, genesis: new Uint8Array(0) } },
    { wished },
  );
  tick(replica, START_MS);
  const each = (message: () => Message): void => {
    for (const from of ['b', 'c'] as const) hear(replica, from, message(), START_MS);
  };
  each(() => ({ kind: 'favour', cluster: CLUSTER, granted: true, promised: ballotOf(5, 'a'), chosen: 0 }));
  sync(replica, START_MS);
  const ballot = replica.promised;
  each(() => ({ kind: 'promise', cluster: CLUSTER, ballot, accepted: [], chosen: 0, floor: 0, upTo: null }));
  const role = masterRole(replica);
  grant(replica, 'b', START_MS);
  assert.is(leaseUntilMs(replica, role), Number.NEGATIVE_INFINITY);
  grant(replica, 'c', START_MS - 30, {}, START_MS);
  assert.is(leaseUntilMs(replica, role), START_MS - 30 + LEASE_MS - DRIFT_MS, 'by the older of the two');
});

test('an answer that is older than a lease tells nothing of its sender', () => {
  const { replica } = serving();
  const heard = (sentAtMs: number, nowMs: number): boolean => {
    replica.peers.delete('c');
    grant(replica, 'c', sentAtMs, {}, nowMs);
    return replica.peers.has('c');
  };
  assert.is(heard(START_MS, START_MS + LEASE_MS), true);
  assert.is(heard(START_MS, START_MS + LEASE_MS + 1), false);
});

test('whoever hears of more that is chosen than it knows steps down, and asks soon', () => {
  const { replica } = serving();
  propose(replica, 9);
  const effects = grant(replica, 'c', START_MS, { chosen: replica.chosen + 1 });
  assert.is(replica.role.kind, 'following');
  assert.equal(
    effects.filter(({ kind }) => kind === 'lost'),
    [{ kind: 'lost', proposals: [9] }],
  );
  assert.is(replica.watermark, replica.chosen + 1);
  assert.ok(replica.electionAtMs > START_MS && replica.electionAtMs < START_MS + LEASE_MS / 16);
});

test('a promise of a higher ballot ends it, one that is not higher does not', () => {
  const { replica, role } = serving();
  const nack = (round: number): Message => ({
    kind: 'nack',
    cluster: CLUSTER,
    promised: ballotOf(round, 'b'),
  });
  hear(replica, 'b', nack(role.ballot.round - 1), START_MS);
  assert.is(replica.role, role);
  hear(replica, 'b', nack(role.ballot.round + 1), START_MS);
  assert.is(replica.role.kind, 'following');
  assert.is(replica.highestRound, role.ballot.round + 1);
});

test('without answers it goes on for two leases, then lets others try for one', () => {
  const { replica } = serving();
  const untilMs = START_MS + LEASE_MS - DRIFT_MS;
  tick(replica, untilMs - 1);
  tick(replica, untilMs - 1 + 2 * LEASE_MS);
  assert.is(replica.role.kind, 'master');
  tick(replica, untilMs + 2 * LEASE_MS);
  assert.is(replica.role.kind, 'following');
  assert.ok(replica.electionAtMs > untilMs + 3 * LEASE_MS);
});

// ── What is proposed when ────────────────────────────────────────────────────────────────────────────────────

const entry = (slot: number, value: Value): AcceptedEntry => ({ slot, ballot: ballotOf(4, 'b'), value });

test('what phase 1 found comes first, in its slots, then one no-op of its own', () => {
  const { first, replica, role } = elected({ reported: [entry(3, batch('x')), entry(1, batch('y'))] });
  const kinds = proposedIn(first).map((value) =>
    value.kind === 'batch' ? Buffer.from(value.bytes).toString() : value.kind,
  );
  assert.equal(kinds, ['y', 'noop', 'x', 'noop']);
  assert.is(role.ownSlot, 4);
  assert.is(mayPropose(replica, START_MS), 'not-master', 'no lease yet');
  grant(replica, 'b', START_MS);
  assert.is(mayPropose(replica, START_MS), 'yes');
  assert.is(mayRead(replica, START_MS), false);
  for (const slot of [1, 2, 3]) vote(replica, 'b', slot);
  sync(replica, START_MS);
  apply(replica);
  assert.is(mayRead(replica, START_MS), false, 'its own slot is not chosen');
  vote(replica, 'b', 4);
  assert.is(mayRead(replica, START_MS), false, 'nor applied');
  apply(replica);
  assert.is(mayRead(replica, START_MS), true);
});

test('the window bounds what is in flight; what waits to be applied counts too', () => {
  const { replica } = serving({ config: { windowMax: 2 } });
  propose(replica, 1);
  assert.is(mayPropose(replica, START_MS), 'yes');
  propose(replica, 2);
  assert.is(mayPropose(replica, START_MS), 'full');
  sync(replica, START_MS);
  vote(replica, 'b', replica.chosen + 1);
  assert.is(mayPropose(replica, START_MS), 'yes');
  replica.applied = replica.chosen - 256;
  assert.is(mayPropose(replica, START_MS), 'yes');
  replica.applied -= 1;
  assert.is(mayPropose(replica, START_MS), 'full');
});

test('(!) nothing is proposed above a change of members that is not decided', () => {
  const { replica, role } = serving({ config: { wished: ['a', 'b', 'c', 'd'] } });
  const life = 'd'.repeat(32);
  replica.peers.set('d', {
    incarnation: life,
    heardMs: START_MS,
    chosen: 0,
    applied: 0,
    votes: false,
    eligible: false,
  });
  const [value] = proposedIn(tick(replica, START_MS));
  assert.equal(value, { kind: 'addMember', node: 'd', incarnation: life });
  assert.is(role.changeSlot, role.nextSlot - 1);
  assert.is(mayPropose(replica, START_MS), 'full');
  assert.equal(proposedIn(tick(replica, START_MS + 1)), []);
  sync(replica, START_MS);
  const effects = vote(replica, 'c', replica.chosen + 1);
  assert.is(role.changeSlot, null);
  assert.is(replica.members.members.length, 4);
  assert.equal(kindsTo(effects, 'b'), [], 'b has promised');
  assert.equal(
    kindsTo(effects, 'c').filter((kind) => kind === 'prepare'),
    ['prepare'],
    'a new list wants its own quorum of promises',
  );
  grant(replica, 'b', START_MS);
  grant(replica, 'c', START_MS);
  assert.is(mayPropose(replica, START_MS), 'full');
  const { ballot } = role;
  hear(
    replica,
    'c',
    { kind: 'promise', cluster: CLUSTER, ballot, accepted: [], chosen: 0, floor: 0, upTo: null },
    START_MS,
  );
  assert.is(mayPropose(replica, START_MS), 'yes');
});

test('an adopted change of members holds up what was found above it', () => {
  const life = 'd'.repeat(32);
  const change: Value = { kind: 'addMember', node: 'd', incarnation: life };
  const { first, replica, role } = elected({
    reported: [entry(1, change), entry(2, batch('x'))],
    config: { wished: ['a', 'b', 'c', 'd'] },
  });
  assert.equal(proposedIn(first), [change]);
  assert.is(role.ownSlot, 0);
  sync(replica, START_MS);
  const message: Message = {
    kind: 'promise',
    cluster: CLUSTER,
    ballot: role.ballot,
    accepted: [],
    chosen: 0,
    floor: 0,
    upTo: null,
  };
  vote(replica, 'b', 1);
  assert.is(role.nextSlot, 2, 'two of four have promised');
  const more = hear(replica, 'c', { ...message, accepted: [entry(3, batch('y'))] }, START_MS);
  assert.equal(
    proposedIn(more).map(({ kind }) => kind),
    ['batch', 'batch', 'noop'],
    'what the new members report is adopted too',
  );
});

// ── Time ─────────────────────────────────────────────────────────────────────────────────────────────────────

test('heartbeats go out eight times a lease, sooner where something was chosen that nobody was told of', () => {
  const { replica, role } = serving();
  role.announced = replica.chosen;
  role.lastHeartbeatMs = START_MS;
  const beats = (nowMs: number): number =>
    kindsTo(tick(replica, nowMs), 'c').filter((kind) => kind === 'heartbeat').length;
  assert.is(beats(START_MS + LEASE_MS / 8 - 1), 0);
  assert.is(beats(START_MS + LEASE_MS / 8), 1);
  assert.is(beats(START_MS + LEASE_MS / 8 + 1), 0);
  role.announced -= 1;
  assert.is(beats(START_MS + LEASE_MS / 8 + 1), 1);
  assert.is(role.announced, replica.chosen);
});

test('a heartbeat says when it was sent, never later than it was, and what is chosen', () => {
  const { replica, role } = serving();
  const effects = tick(replica, START_MS + LEASE_MS + 0.9);
  const [beat] = sentTo(effects, 'b').filter(({ kind }) => kind === 'heartbeat');
  const { ballot } = role;
  assert.equal(beat, {
    kind: 'heartbeat',
    cluster: CLUSTER,
    ballot,
    chosen: replica.chosen,
    sentAtMs: START_MS + LEASE_MS,
  });
});

test('accepts without a quorum are sent again, to those that have not voted', () => {
  const { replica } = serving({ config: { windowMax: 64 } });
  for (let id = 1; id <= 40; id += 1) propose(replica, id);
  const slot = replica.chosen + 1;
  vote(replica, 'b', slot);
  const again = (nowMs: number): [number, number] => {
    const effects = tick(replica, nowMs);
    const count = (to: Name): number => kindsTo(effects, to).filter((kind) => kind === 'accept').length;
    return [count('b'), count('c')];
  };
  assert.equal(again(START_MS + LEASE_MS / 8 - 1), [0, 0]);
  assert.equal(again(START_MS + LEASE_MS / 8), [31, 32], 'so many at a time');
  assert.equal(again(START_MS + LEASE_MS / 8 + 1), [0, 0]);
});

// ── Giving up ────────────────────────────────────────────────────────────────────────────────────────────────

function releases(effects: readonly Effect[]): Message[] {
  return sentTo(effects, 'b').filter(({ kind }) => kind === 'release');
}

test('dropped on request: takes nothing new, finishes what is in flight, then gives its lease back', () => {
  const { replica, role } = serving();
  propose(replica, 1);
  step(replica, { kind: 'dropMaster', nowMs: START_MS });
  assert.ok(replica.isDropped);
  assert.is(mayPropose(replica, START_MS), 'not-master');
  assert.is(masterOf(replica, START_MS), null);
  assert.equal(releases(tick(replica, START_MS + 1)), [], 'a proposal is in flight');
  sync(replica, START_MS + 1);
  vote(replica, 'b', replica.chosen + 1);
  const nowMs = START_MS + 2;
  assert.equal(releases(tick(replica, nowMs)), [
    { kind: 'release', cluster: CLUSTER, ballot: role.ballot, successor: '' },
  ]);
  assert.is(replica.role.kind, 'following');
  assert.is(replica.abstainUntilMs, nowMs + LEASE_MS);
  assert.ok(replica.electionAtMs > replica.abstainUntilMs);
});

test('what is in flight is waited for no longer than a lease', () => {
  const { replica } = serving();
  propose(replica, 5);
  step(replica, { kind: 'dropMaster', nowMs: START_MS });
  grant(replica, 'b', START_MS + 900);
  assert.equal(releases(tick(replica, START_MS + LEASE_MS - 1)), []);
  const effects = tick(replica, START_MS + LEASE_MS);
  assert.is(releases(effects).length, 1);
  assert.equal(
    effects.filter(({ kind }) => kind === 'lost'),
    [{ kind: 'lost', proposals: [5] }],
  );
});

test('dropping who is no master, or is alone, is nothing', () => {
  const follower = wake();
  step(follower, { kind: 'dropMaster', nowMs: 0 });
  assert.not(follower.isDropped);
});

const PREFERRED: {
  readonly [name: string]: readonly [config: Partial<ReplicaConfig>, peer: object, isReleased: boolean];
} = {
  'one that would be': [{ preferredMasters: ['b'] }, {}, true],
  'one that is close behind': [{ preferredMasters: ['b'] }, { chosen: 95 }, true],
  'one that is too far behind': [{ preferredMasters: ['b'] }, { chosen: 94 }, false],
  'one that cannot': [{ preferredMasters: ['b'] }, { eligible: false }, false],
  'one that is silent': [{ preferredMasters: ['b'] }, { heardMs: START_MS - LEASE_MS + 1 }, false],
  itself: [{ preferredMasters: ['a', 'b'] }, {}, false],
  nobody: [{ preferredMasters: [] }, {}, false],
  'another that is unknown': [{ preferredMasters: ['c'] }, {}, false],
  'one, while another is forced': [{ preferredMasters: ['b'], forcedMaster: 'a' }, {}, false],
  'one that is forced': [{ forcedMaster: 'b' }, {}, true],
};

for (const [name, [config, peer, isReleased]] of Object.entries(PREFERRED)) {
  test(`it makes way for ${name}: ${isReleased}`, () => {
    const { replica } = serving();
    Object.assign(replica, { config: { ...replica.config, ...config } });
    replica.chosen = 100;
    replica.applied = 100;
    masterRole(replica).nextSlot = 101;
    replica.peers.clear();
    const known = {
      incarnation: lifeOf('b'),
      heardMs: START_MS,
      chosen: 100,
      applied: 100,
      votes: true,
      eligible: true,
    };
    replica.peers.set('b', { ...known, ...peer });
    tick(replica, START_MS + 1);
    const effects = tick(replica, START_MS + 2);
    assert.is(releases(effects).length, isReleased ? 1 : 0);
    if (isReleased) assert.is((releases(effects)[0] as { successor: NodeName }).successor, 'b');
  });
}

test('(!) a master promises to nobody while it believes in its own lease, and favours nobody', () => {
  const untilMs = START_MS + LEASE_MS - DRIFT_MS;
  const says = (nowMs: number): string[] => {
    const { replica } = serving();
    const prepare: Message = { kind: 'prepare', cluster: CLUSTER, ballot: ballotOf(99, 'c'), from: 1 };
    const favour = sentTo(hear(replica, 'c', { kind: 'canvass', cluster: CLUSTER, chosen: 0 }, nowMs), 'c');
    const promise = kindsTo(hear(replica, 'c', prepare, nowMs), 'c');
    return [...favour.map((message) => String(message.kind === 'favour' && message.granted)), ...promise];
  };
  assert.equal(says(untilMs - 1), ['false']);
  assert.equal(says(untilMs), ['true', 'promise']);
});

test('a master that hears of a higher ballot in force is master no longer', () => {
  const { replica } = serving();
  propose(replica, 3);
  const beat: Message = {
    kind: 'heartbeat',
    cluster: CLUSTER,
    ballot: ballotOf(99, 'c'),
    chosen: 0,
    sentAtMs: 0,
  };
  const effects = hear(replica, 'c', beat, START_MS);
  assert.is(replica.role.kind, 'following');
  assert.equal(
    effects.filter(({ kind }) => kind === 'lost'),
    [{ kind: 'lost', proposals: [3] }],
  );
});

test('a removed master steps down once its removal is chosen', () => {
  const { replica } = elected({ reported: [entry(1, { kind: 'removeMember', node: 'a' })] });
  sync(replica, START_MS);
  vote(replica, 'b', 1);
  assert.is(replica.role.kind, 'following');
  assert.equal(
    replica.members.members.map(({ node }) => node),
    ['b', 'c'],
  );
});

test('where no quorum of a new list promises it steps down after two leases', () => {
  const { replica, role } = serving();
  role.promises.delete('b');
  grant(replica, 'b', START_MS + 1900);
  tick(replica, START_MS + 2 * LEASE_MS);
  assert.is(replica.role.kind, 'master');
  grant(replica, 'b', START_MS + 2 * LEASE_MS + 1);
  tick(replica, START_MS + 2 * LEASE_MS + 1);
  assert.is(replica.role.kind, 'following');
  assert.ok(replica.electionAtMs > START_MS + 2 * LEASE_MS + 1);
});

test('dropping it again does not put off its end', () => {
  const { replica, role } = serving();
  propose(replica, 1);
  step(replica, { kind: 'dropMaster', nowMs: START_MS });
  step(replica, { kind: 'dropMaster', nowMs: START_MS + 500 });
  assert.is(role.draining?.untilMs, START_MS + LEASE_MS);
});

test('of what phase 1 found no more is under way than a window, or one round of re-sending', () => {
  const reported = Array.from({ length: 40 }, (_, n) => entry(n + 1, batch(String(n))));
  const count = (windowMax: number): number =>
    proposedIn(elected({ reported, config: { windowMax } }).first).length;
  assert.equal([count(1), count(36), count(64)], [32, 36, 41]);
});

test('a master learns by choosing: what it asked for before is not waited for', () => {
  const replica = wake({ promised: ballotOf(5, 'a') });
  replica.fetching = { request: 3, from: 'b', untilMs: START_MS * 9 };
  tick(replica, START_MS);
  const from = { cluster: CLUSTER, chosen: 0 } as const;
  hear(replica, 'b', { kind: 'favour', ...from, granted: true, promised: ballotOf(5, 'a') }, START_MS);
  sync(replica, START_MS);
  hear(
    replica,
    'b',
    { kind: 'promise', ...from, ballot: replica.promised, accepted: [], floor: 0, upTo: null },
    START_MS,
  );
  masterRole(replica);
  assert.is(replica.fetching, null);
});

// ── All that is asked for ────────────────────────────────────────────────────────────────────────────────────

/** A master with one update of its own under way. */
function withOne(): Replica {
  const { replica } = serving();
  propose(replica, 7, 'seven');
  return replica;
}

testWhole([
  [
    'phase 1 is won',
    () => elected().first,
    'say (info) became master round=6 adopted=0 holes=0',
    'send b, c: heartbeat 6@a chosen=0 sentAtMs=10000',
    'write #2 accept 1 6@a noop chosen=0',
    'send b, c: accept 6@a 1 noop chosen=0',
  ],
  [
    'phase 1 is won, and has found something',
    () => elected({ reported: [{ slot: 2, ballot: ballotOf(3, 'b'), value: batch('two') }] }).first,
    'say (info) became master round=6 adopted=1 holes=1',
    'send b, c: heartbeat 6@a chosen=0 sentAtMs=10000',
    'write #2 accept 1 6@a noop chosen=0',
    'send b, c: accept 6@a 1 noop chosen=0',
    'write #3 accept 2 6@a two chosen=0',
    'send b, c: accept 6@a 2 two chosen=0',
    'write #4 accept 3 6@a noop chosen=0',
    'send b, c: accept 6@a 3 noop chosen=0',
  ],
  [
    'an update',
    () => propose(serving().replica, 7, 'seven'),
    'write #3 accept 2 6@a seven chosen=1',
    'send b, c: accept 6@a 2 seven chosen=1',
  ],
  [
    'a vote that chooses, its own being durable',
    () =>
      last(
        withOne(),
        (replica) => sync(replica, START_MS),
        (replica) => vote(replica, 'b', 2),
      ),
    'apply 2 seven (own proposal) members=[a0 b0 c0]',
  ],
  ['a vote that does not, its own not being durable', () => vote(withOne(), 'b', 2)],
  [
    'its own vote, which chooses',
    () =>
      last(
        withOne(),
        (replica) => vote(replica, 'b', 2),
        (replica) => sync(replica, START_MS),
      ),
    'apply 2 seven (own proposal) members=[a0 b0 c0]',
  ],
  [
    'a vote for another ballot',
    () =>
      hear(
        withOne(),
        'b',
        { kind: 'accepted', cluster: CLUSTER, ballot: ballotOf(1, 'a'), slot: 2 },
        START_MS,
      ),
  ],
  ['a grant', () => grant(withOne(), 'b', START_MS)],
  [
    'a grant of one that holds more',
    () => grant(withOne(), 'b', START_MS, { chosen: 9 }),
    'lost v7',
    'say (info) mastership ended why=b knows more to be chosen lost=1',
  ],
  [
    'a higher ballot was promised',
    () => hear(withOne(), 'b', { kind: 'nack', cluster: CLUSTER, promised: ballotOf(99, 'b') }, START_MS),
    'lost v7',
    'say (info) mastership ended why=a higher ballot was promised lost=1',
  ],
  [
    'a lower ballot was promised',
    () => hear(withOne(), 'b', { kind: 'nack', cluster: CLUSTER, promised: ballotOf(1, 'b') }, START_MS),
  ],
  [
    'the next heartbeat is due, and what has no votes goes out again',
    () => tick(withOne(), START_MS + LEASE_MS / 8),
    'send b, c: heartbeat 6@a chosen=1 sentAtMs=10125',
    'send b, c: accept 6@a 2 seven chosen=1',
  ],
  [
    'nothing is due',
    () =>
      last(
        serving().replica,
        (replica) => tick(replica, START_MS + 1),
        (replica) => tick(replica, START_MS + 2),
      ),
  ],
  [
    'something was chosen that nobody was told of',
    () =>
      last(
        withOne(),
        (replica) => sync(replica, START_MS),
        (replica) => vote(replica, 'b', 2),
        (replica) => tick(replica, START_MS + 1),
      ),
    'send b, c: heartbeat 6@a chosen=2 sentAtMs=10001',
  ],
  [
    'two leases without a quorum',
    () => tick(withOne(), START_MS + 3 * LEASE_MS),
    'lost v7',
    'say (info) mastership ended why=no quorum answers lost=1',
  ],
  [
    'dropped on request, with nothing under way',
    () =>
      last(
        serving().replica,
        (replica) => step(replica, { kind: 'dropMaster', nowMs: START_MS }),
        (replica) => tick(replica, START_MS + 1),
      ),
    'send b, c: heartbeat 6@a chosen=1 sentAtMs=10001',
    'say (info) mastership ended why=mastership dropped on request lost=0',
    'send b, c: release 6@a successor=-',
  ],
  [
    'dropped on request, with one under way',
    () =>
      last(
        withOne(),
        (replica) => step(replica, { kind: 'dropMaster', nowMs: START_MS }),
        (replica) => tick(replica, START_MS + 1),
      ),
  ],
  [
    'a preferred master has caught up',
    () =>
      last(
        serving({ config: { preferredMasters: ['b'] } }).replica,
        (replica) => tick(replica, START_MS + 1),
        (replica) => tick(replica, START_MS + 2),
      ),
    'say (info) mastership ended why=b is preferred lost=0',
    'send b, c: release 6@a successor=b',
  ],
  [
    'phase 1 is won, and a member is no longer wished',
    () => elected({ config: { wished: ['a', 'b'] } }).first,
    'say (info) became master round=6 adopted=0 holes=0',
    'send b, c: heartbeat 6@a chosen=0 sentAtMs=10000',
    'write #2 accept 1 6@a noop chosen=0',
    'send b, c: accept 6@a 1 noop chosen=0',
    'write #3 accept 2 6@a remove c chosen=0',
    'send b, c: accept 6@a 2 remove c chosen=0',
  ],
  [
    'it slept',
    () =>
      last(
        serving().replica,
        (replica) => tick(replica, START_MS + 1),
        (replica) => step(replica, { kind: 'slept', nowMs: START_MS + 1 }),
        (replica) => tick(replica, START_MS + 2),
      ),
    'send b, c: heartbeat 6@a chosen=1 sentAtMs=10002',
  ],
  [
    'another one is master at a higher ballot',
    () =>
      hear(
        withOne(),
        'b',
        { kind: 'heartbeat', cluster: CLUSTER, ballot: ballotOf(99, 'b'), chosen: 1, sentAtMs: 0 },
        START_MS,
      ),
    'lost v7',
    'say (info) mastership ended why=b is master at a higher ballot lost=1',
    'write #4 promise 99@b',
    'send b: granted 99@b sentAtMs=0 chosen=1 applied=1 votes eligible, once #4 is written',
  ],
]);

test.run();

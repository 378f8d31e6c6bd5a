/** Members as replicated state: what a chosen change does, whom it entitles to vote, and what the master asks for next. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Effect, Recovered, ReplicaConfig } from '../../../node/paxos/contract.ts';
import { changeMembers, entitleIfAdded, wantedChange } from '../../../node/paxos/members.ts';
import { type Mastering, mayVote, type Peer } from '../../../node/paxos/replica.ts';
import { type Replica, step } from '../../../node/paxos/step.ts';
import type { Ballot, Member, MembersState, Value } from '../../../node/paxos/values.ts';
import { ballotOf, CLUSTER, LEASE_MS, lifeOf, STATE, wake } from './rig.ts';
import { outOf, testWhole } from './whole.ts';

const NOW_MS = 5 * LEASE_MS;
const NEW_LIFE = 'n'.repeat(32);
const OLD_LIFE = 'o'.repeat(32);
const BALLOT = ballotOf(7, 'b');

const admit = (node: string, incarnation: string, ballot = BALLOT): Value => ({
  kind: 'admit',
  node,
  incarnation,
  ballot,
});
const add = (node: string, incarnation = NEW_LIFE): Value => ({ kind: 'addMember', node, incarnation });
const remove = (node: string): Value => ({ kind: 'removeMember', node });

function listOf(...members: Member[]): MembersState {
  return { ...STATE, members };
}

const life = (node: string, incarnation: string): Member => ({ node, incarnation });
const A = life('a', lifeOf('a'));
const B = life('b', lifeOf('b'));
const C = life('c', lifeOf('c'));

// ── Who may vote ─────────────────────────────────────────────────────────────────────────────────────────────

/** Node a in a life that did not found the cluster. */
function newcomer(recovered: Partial<Recovered> = {}): Replica {
  return wake({ incarnation: NEW_LIFE, promised: ballotOf(5, 'a'), ...recovered });
}

function records(effects: readonly Effect[]): Member[] {
  return effects.flatMap((effect) =>
    effect.kind === 'persist' && effect.entry.kind === 'supersede'
      ? [life(effect.entry.node, effect.entry.incarnation)]
      : [],
  );
}

function changed(replica: Replica, value: Value, chosenAt: Ballot | null): Member[] {
  const out: Effect[] = [];
  changeMembers(replica, out, value, chosenAt);
  return records(out);
}

const ME = life('a', NEW_LIFE);

test('(!) an admission entitles the life that it names where it is chosen at the ballot that it names', () => {
  const replica = newcomer();
  assert.equal(changed(replica, admit('a', NEW_LIFE), BALLOT), [ME]);
  assert.ok(mayVote(replica));
});

test('(!) one that a later master adopted, or of which only the value is known, entitles nobody', () => {
  for (const chosenAt of [ballotOf(8, 'b'), ballotOf(7, 'c'), ballotOf(6, 'b'), null]) {
    const replica = newcomer();
    assert.equal(changed(replica, admit('a', NEW_LIFE), chosenAt), []);
    assert.equal(replica.members.members[0], ME, 'listed all the same');
    assert.not(mayVote(replica));
    assert.equal(changed(replica, admit('a', NEW_LIFE), BALLOT), [ME], 'an admission again, as it should be');
  }
});

test('the admission of another life, or another node, entitles not this one', () => {
  assert.equal(changed(newcomer(), admit('a', OLD_LIFE), BALLOT), []);
  assert.equal(changed(newcomer(), admit('b', NEW_LIFE), BALLOT), []);
  const over = newcomer({ members: { ...STATE, superseded: [ME] } });
  assert.equal(changed(over, admit('a', NEW_LIFE), BALLOT), []);
  const removed = newcomer({ members: listOf(B, C) });
  assert.equal(changed(removed, admit('a', NEW_LIFE), BALLOT), []);
});

test('who is added to the list may vote, whatever ballot it was chosen at', () => {
  const replica = newcomer({ members: listOf(B, C) });
  assert.equal(changed(replica, add('a'), null), [ME]);
  assert.ok(mayVote(replica));
  assert.equal(changed(newcomer({ members: listOf(B, C) }), add('d'), null), []);
  assert.equal(changed(newcomer(), add('a'), null), [], 'the list has another life of it');
});

test('(!) a snapshot entitles a life that it lists only where no former life of it is known', () => {
  const entitled = (members: MembersState, superseded: readonly Member[] = []): Member[] => {
    const replica = newcomer({ members, superseded });
    const out: Effect[] = [];
    entitleIfAdded(replica, out);
    return records(out);
  };
  const listed = listOf(ME, B, C);
  assert.equal(entitled(listed), [ME]);
  assert.equal(
    entitled({ ...listed, superseded: [life('a', OLD_LIFE)] }),
    [],
    'it was admitted, at whatever ballot',
  );
  assert.equal(
    entitled({ ...listed, superseded: [life('b', OLD_LIFE)] }),
    [ME],
    'another node’s is no matter',
  );
  assert.equal(entitled(STATE), [], 'not listed in this life');
  assert.equal(entitled(listOf(life('b', NEW_LIFE))), [], 'nor is another node of this life');
  assert.equal(entitled(listed, [ME]), [], 'it may already');
});

test('who may vote: a founding member, or one that is entitled, in this very life, once all have joined', () => {
  assert.ok(mayVote(wake()));
  assert.not(mayVote(newcomer()));
  const stranger = newcomer({ members: listOf(ME, B, C) });
  assert.not(mayVote(stranger), 'listed, but not entitled');
  assert.ok(mayVote(newcomer({ members: listOf(ME, B, C), superseded: [ME] })));
  assert.not(mayVote(newcomer({ members: listOf(ME, B, C), superseded: [life('a', OLD_LIFE)] })));
  assert.not(mayVote(wake({ members: listOf(life('a', NEW_LIFE), B, C) })), 'a later life is listed');
  assert.not(mayVote(wake({ promised: { round: 0, node: '' } })), 'not all have joined');
  assert.not(mayVote(wake({ founded: null, members: null })));
});

test('(!) whoever is short goes by the list just below its log, and has no vote where that is not known', () => {
  const lost = { firstLogSlot: 9, chosen: 8, applied: 0 };
  assert.ok(mayVote(wake({ ...lost, floorMembers: STATE })));
  assert.not(mayVote(wake({ ...lost, floorMembers: listOf(B, C) })), 'it was removed meanwhile');
  assert.not(mayVote(wake({ ...lost, floorMembers: null })));
  assert.ok(mayVote(wake({ ...lost, applied: 8, floorMembers: null })), 'it holds what its log has dropped');
});

// ── What the master asks for ─────────────────────────────────────────────────────────────────────────────────

type Wanted = {
  readonly config?: Partial<ReplicaConfig>;
  readonly peer?: Partial<Peer>;
  readonly node?: string;
  readonly members?: MembersState;
  readonly role?: Partial<Mastering>;
};

/** What master a, at slot 100, wants where `node` (d) has told what `peer` says of it. */
function wanted({ config, peer, node = 'd', members = STATE, role }: Wanted): Value | null {
  const replica = wake({ members, chosen: 100, applied: 100 }, { wished: ['a', 'b', 'c', 'd'], ...config });
  const known: Peer = {
    incarnation: NEW_LIFE,
    heardMs: NOW_MS,
    chosen: 100,
    applied: 100,
    votes: false,
    eligible: false,
  };
  if (peer !== undefined) replica.peers.set(node, { ...known, ...peer });
  return wantedChange(replica, { ballot: BALLOT, lastChangeSlot: 0, ...role } as Mastering, NOW_MS);
}

test('a newcomer that is wished, close, and speaks is added', () => {
  assert.equal(wanted({ peer: {} }), add('d'));
  assert.equal(wanted({ peer: { chosen: 36 } }), add('d'));
  assert.equal(wanted({ peer: { heardMs: NOW_MS - LEASE_MS } }), add('d'));
});

const NOT_ADDED: { readonly [why: string]: Wanted } = {
  'it did not say anything': {},
  'it is too far behind': { peer: { chosen: 35 } },
  'it was silent for longer than a lease': { peer: { heardMs: NOW_MS - LEASE_MS - 1 } },
  'it has a vote': { peer: { votes: true } },
  'it has not seen the last change': { peer: { chosen: 99 }, role: { lastChangeSlot: 100 } },
  'it is not wished': { peer: {}, config: { wished: ['a', 'b', 'c'] } },
  'it is a learner': { peer: {}, config: { learners: ['d'] } },
  'its life has ended': { peer: {}, members: { ...STATE, superseded: [life('d', NEW_LIFE)] } },
};
for (const [why, setting] of Object.entries(NOT_ADDED)) {
  test(`a newcomer is not added where ${why}`, () => {
    assert.is(wanted(setting), null);
  });
}

test('a later life of a member is admitted at the master’s ballot, once its former one is silent for a lease', () => {
  const ofB = (heardAgoMs: number | null): Value | null => {
    const replica = wake({ chosen: 100, applied: 100 });
    const peer = { heardMs: NOW_MS, chosen: 100, applied: 100, votes: false, eligible: false };
    replica.peers.set('b', { incarnation: NEW_LIFE, ...peer });
    if (heardAgoMs !== null) replica.heardMs.set('b', NOW_MS - heardAgoMs);
    return wantedChange(replica, { ballot: BALLOT, lastChangeSlot: 0 } as Mastering, NOW_MS);
  };
  assert.equal(ofB(null), admit('b', NEW_LIFE));
  assert.equal(ofB(LEASE_MS), admit('b', NEW_LIFE));
  assert.is(ofB(LEASE_MS - 1), null);
});

test('a listed life without a vote is admitted although it speaks', () => {
  const replica = wake({ chosen: 100, applied: 100 });
  replica.heardMs.set('b', NOW_MS);
  const peer = { heardMs: NOW_MS, chosen: 100, applied: 100, votes: false, eligible: false };
  replica.peers.set('b', { incarnation: lifeOf('b'), ...peer });
  assert.equal(
    wantedChange(replica, { ballot: BALLOT, lastChangeSlot: 0 } as Mastering, NOW_MS),
    admit('b', lifeOf('b')),
  );
});

test('who is no longer wished is removed, but never the master itself, nor all for want of a wish', () => {
  assert.equal(wanted({ config: { wished: ['a', 'c'] } }), remove('b'));
  assert.equal(wanted({ config: { wished: ['a', 'b', 'c'], learners: ['c'] } }), remove('c'));
  assert.equal(wanted({ config: { wished: ['b', 'c'] } }), null);
  assert.equal(wanted({ config: { wished: [] } }), null);
});

test('of two, a life that votes unnamed is named before anything else changes', () => {
  const two = listOf(A, B);
  const replica = wake({ members: two, superseded: [life('b', NEW_LIFE)] }, { wished: ['a', 'b', 'd'] });
  const peer = { heardMs: NOW_MS, chosen: 100, applied: 100, votes: false, eligible: false };
  replica.peers.set('d', { incarnation: NEW_LIFE, ...peer });
  assert.equal(
    wantedChange(replica, { ballot: BALLOT, lastChangeSlot: 0 } as Mastering, NOW_MS),
    admit('b', NEW_LIFE),
  );
});

test('a life that ended is told so, and one that is told stops', () => {
  const replica = wake({ members: { ...listOf(A, life('b', NEW_LIFE), C), superseded: [B] } });
  const message = { kind: 'canvass', cluster: CLUSTER, chosen: 0 } as const;
  const said = step(replica, {
    kind: 'message',
    from: 'b',
    incarnation: lifeOf('b'),
    message,
    nowMs: NOW_MS,
  });
  assert.equal(
    said.flatMap((effect) => (effect.kind === 'send' ? [[effect.to, effect.message]] : [])),
    [['b', { kind: 'over', cluster: CLUSTER, incarnation: lifeOf('b') }]],
  );
  const over = (incarnation: string): boolean => {
    const effects = step(wake(), {
      kind: 'message',
      from: 'b',
      incarnation: lifeOf('b'),
      message: { kind: 'over', cluster: CLUSTER, incarnation },
      nowMs: NOW_MS,
    });
    return effects.some((effect) => effect.kind === 'stop' && effect.exit === 'SUPERSEDED');
  };
  assert.equal([over(lifeOf('a')), over(OLD_LIFE)], [true, false]);
});

// ── All that is asked for ────────────────────────────────────────────────────────────────────────────────────

/** A change is known chosen, at this ballot where that is known. */
function chosenChange(replica: Replica, value: Value, chosenAt: Ballot | null): Effect[] {
  return outOf((out) => changeMembers(replica, out, value, chosenAt));
}

/** A member in a later life, which its list does not name. */
const later = (): Replica => wake({ incarnation: NEW_LIFE });

testWhole([
  [
    'its own admission, chosen at the ballot that it names',
    () => chosenChange(later(), admit('a', NEW_LIFE), BALLOT),
    'write #1 supersede a: n0',
    'say (info) member admitted member=a.n0',
  ],
  [
    'its own admission, chosen at another one',
    () => chosenChange(later(), admit('a', NEW_LIFE), ballotOf(8, 'b')),
    'say (info) member admitted member=a.n0',
  ],
  [
    'its own admission, of which only the value is known',
    () => chosenChange(later(), admit('a', NEW_LIFE), null),
    'say (info) member admitted member=a.n0',
  ],
  [
    'the admission of another one',
    () => chosenChange(wake(), admit('b', NEW_LIFE), BALLOT),
    'say (info) member admitted member=b.n0',
  ],
  ['the admission of who is no member', () => chosenChange(wake(), admit('d', NEW_LIFE), BALLOT)],
  [
    'its own addition',
    () => chosenChange(wake({ incarnation: NEW_LIFE, members: listOf(B, C) }), add('a'), null),
    'write #1 supersede a: n0',
    'say (info) member added member=a.n0',
  ],
  [
    'the addition of another one',
    () => chosenChange(wake(), add('d'), null),
    'say (info) member added member=d.n0',
  ],
  ['the addition of who is on the list', () => chosenChange(wake(), add('b'), null)],
  ['a removal', () => chosenChange(wake(), remove('c'), null), 'say (info) member removed member=c.c0'],
  ['its own removal', () => chosenChange(wake(), remove('a'), null), 'say (info) member removed member=a.a0'],
  ['the removal of who is no member', () => chosenChange(wake(), remove('d'), null)],
  ['the removal of the last one', () => chosenChange(wake({ members: listOf(A) }), remove('a'), null)],
  [
    'a list that came with a copy names its life, and no former one',
    () => outOf((out) => entitleIfAdded(wake(), out)),
    'write #1 supersede a: a0',
  ],
  [
    'a list that came with a copy names another life of it',
    () => outOf((out) => entitleIfAdded(later(), out)),
  ],
]);

test.run();

/** What once went wrong with homes that were emptied, added and removed. Each was a seed once (docs/reliability.md). */
import { nextMembers } from '../../../node/paxos/members-state.ts';
import { mayVote } from '../../../node/paxos/replica.ts';
import type { Member, MembersState, NodeName, Value } from '../../../node/paxos/values.ts';
import { ballotOf, batch, Hand, LEASE_MS, lifeOf } from './hand.ts';
import { holds, serves } from './history.ts';
import type { Rule } from './rules.ts';

const LONG_MS = 8 * LEASE_MS;

function life(node: NodeName, home = 0): Member {
  return { node, incarnation: lifeOf(node, home) };
}

/** The list with these lives, after those that are over. */
function listOf(hand: Hand, members: readonly Member[], superseded: readonly Member[] = []): MembersState {
  return { cluster: hand.membersAt(0).cluster, members: [...members], superseded: [...superseded] };
}

/** The home of a node that is down begins a life anew, in which it has joined and has a vote. */
function reborn(hand: Hand, node: NodeName, home: number): void {
  hand.wipe(node, home);
  hand.write(
    node,
    { kind: 'incarnation', incarnation: lifeOf(node, home) },
    { kind: 'founded', state: hand.membersAt(0), genesis: new Uint8Array(0) },
    { kind: 'supersede', ...life(node, home) },
  );
}

/** Slots of these values are chosen, and in the log of the node; the last one's choice too. */
function knows(hand: Hand, node: NodeName, values: readonly Value[]): void {
  values.forEach((value, index) => {
    hand.accepts(node, index + 1, value, ballotOf(1, 'n1'), index);
  });
  hand.write(node, { kind: 'chosen', chosen: values.length });
}

/** n3 was emptied, and admitted in slot 3. n1, which knew it too, is down; n2 has not heard of slots 2 and 3. */
function membersTellEachOther(): void {
  const hand = new Hand(['n1', 'n2', 'n3']);
  const admission: Value = { kind: 'admit', ...life('n3', 1), ballot: ballotOf(1, 'n1') };
  const list = listOf(hand, [life('n1'), life('n2'), life('n3', 1)], [life('n3')]);
  hand.choose(1, batch(1));
  hand.choose(2, batch(2));
  hand.choose(3, admission, list);
  reborn(hand, 'n3', 1);
  knows(hand, 'n3', [batch(1), batch(2), admission]);
  knows(hand, 'n2', [batch(1)]);
  hand.start('n2', 'n3');
  hand.run(LONG_MS);
  serves(hand, 'n2 counts by the list before the admission, and is told by n3 alone');
}

/** n2 was added in slot 2, and knows nothing yet; it is to be master by force, and n1 is no majority alone. */
function newcomerCatchesUp(): void {
  const hand = new Hand(['n1', 'n2'], ['n1']);
  for (const name of hand.names) hand.node(name).config = { forcedMaster: 'n2' };
  const added: Value = { kind: 'addMember', ...life('n2') };
  hand.choose(1, batch(1));
  hand.choose(2, added, listOf(hand, [life('n1'), life('n2')]));
  knows(hand, 'n1', [batch(1), added]);
  hand.start('n1', 'n2');
  hand.run(LONG_MS);
  serves(hand, 'a newcomer was added, and there is no master');
  holds(mayVote(hand.replica('n2')), 'the newcomer votes');
}

/** Of two, n2 was emptied twice; n1 recorded its present life, and has accepted an admission of the one before it. */
function olderAdmission(): void {
  const hand = new Hand(['n1', 'n2']);
  hand.accepts('n1', 1, { kind: 'admit', ...life('n2', 1), ballot: ballotOf(1, 'n1') }, ballotOf(1, 'n1'));
  hand.write('n1', { kind: 'supersede', ...life('n2', 1) }, { kind: 'supersede', ...life('n2', 2) });
  reborn(hand, 'n2', 2);
  hand.start('n1', 'n2');
  hand.run(LONG_MS);
  serves(hand, 'an admission of an older life was accepted');
}

/** n2 was removed, with its own vote. It alone knows that this was chosen. */
function removedLeavesLast(): void {
  const hand = new Hand(['n1', 'n2']);
  for (const name of hand.names) hand.node(name).config = { wished: ['n1'] };
  const removal: Value = { kind: 'removeMember', node: 'n2' };
  hand.choose(1, batch(1));
  hand.choose(2, removal, listOf(hand, [life('n1')], [life('n2')]));
  hand.accepts('n1', 1, batch(1), ballotOf(1, 'n1'));
  hand.accepts('n1', 2, removal, ballotOf(1, 'n1'));
  knows(hand, 'n2', [batch(1), removal]);
  hand.start('n1', 'n2');
  hand.run(LONG_MS);
  serves(hand, 'n1 needs n2 to learn that n2 is removed');
  holds(hand.node('n2').stopped?.startsWith('SUPERSEDED') === true, 'n2 leaves once n1 knows');
}

/** The forced master was emptied: until another one admits it, nobody may wait for it. */
function forcedMasterWasEmptied(): void {
  const hand = new Hand(['n1', 'n2', 'n3']);
  for (const name of hand.names) hand.node(name).config = { forcedMaster: 'n3' };
  hand.start('n1', 'n2', 'n3');
  hand.run(LONG_MS);
  holds(hand.reader === 'n3', 'the forced master rules');
  hand.wipe('n3', 1);
  hand.start('n3');
  hand.run(2 * LONG_MS);
  serves(hand, 'the forced master was emptied');
  holds(hand.reader === 'n3', 'it rules again');
}

/** Of two, n2 is emptied again before it has heard that n1 vouches for the life in between. */
function eachLifeIsVouchedFor(): void {
  const hand = new Hand(['n1', 'n2']);
  hand.start('n1', 'n2');
  hand.run(LONG_MS);
  hand.wipe('n2', 1);
  hand.hears = (_from, _to, kind) => kind !== 'adopted';
  hand.start('n2');
  hand.run(LONG_MS);
  const recorded = hand.replica('n1').supersededBy.get('n2')?.incarnation;
  holds(recorded === lifeOf('n2', 1), 'n1 has recorded the life in between');
  hand.wipe('n2', 2);
  hand.hears = () => true;
  hand.start('n2');
  hand.run(LONG_MS);
  serves(hand, 'of two, one was emptied twice');
}

/** Of two, n1 once recorded a life of n2 that has been removed since; n2 was added again in another one. */
function endedLifeStandsIn(): void {
  const hand = new Hand(['n1', 'n2']);
  const list = listOf(hand, [life('n1'), life('n2', 2)], [life('n2'), life('n2', 1)]);
  hand.choose(1, batch(1), list);
  hand.write('n1', { kind: 'supersede', ...life('n2', 1) });
  reborn(hand, 'n2', 2);
  for (const name of hand.names) {
    knows(hand, name, [batch(1)]);
    hand.flush(name, 1);
  }
  hand.start('n1', 'n2');
  hand.run(LONG_MS);
  serves(hand, 'a life that is over was recorded once');
}

/** n3 was emptied and admitted; it hears of that by a snapshot alone, and cannot know at which ballot it was. */
function snapshotEntitlesNoAdmitted(): void {
  const hand = new Hand(['n1', 'n2', 'n3']);
  const admission: Value = { kind: 'admit', ...life('n3', 1), ballot: ballotOf(1, 'n1') };
  hand.choose(1, admission, listOf(hand, [life('n1'), life('n2'), life('n3', 1)], [life('n3')]));
  for (const name of ['n1', 'n2']) {
    knows(hand, name, [admission]);
    hand.flush(name, 1, 1);
  }
  hand.wipe('n3', 1);
  hand.start('n1', 'n3'); // two of three: nobody can be master without a vote of n3
  hand.run(LONG_MS);
  holds(hand.appliedBy('n3') > 0, 'n3 has a copy of the store');
  holds(
    !mayVote(hand.replica('n3')),
    'an admitted home votes by a snapshot alone, whatever its former life had accepted',
  );
  holds(hand.reader === null, `${hand.reader} serves`);
  hand.start('n2');
  hand.run(LONG_MS);
  serves(hand, 'all are up');
  holds(mayVote(hand.replica('n3')), 'n3 is admitted once more, and votes');
}

/** n3 and n4 were removed, emptied, and added again; they hear of that by a snapshot alone, and n1 and n2 are no majority of four. */
function addedAgain(): void {
  const hand = new Hand(['n1', 'n2', 'n3', 'n4']);
  const values: Value[] = [
    { kind: 'removeMember', node: 'n3' },
    { kind: 'removeMember', node: 'n4' },
    { kind: 'addMember', ...life('n3', 1) },
    { kind: 'addMember', ...life('n4', 1) },
  ];
  values.forEach((value, index) => {
    hand.choose(index + 1, value, nextMembers(hand.membersAt(index), value));
  });
  for (const name of ['n1', 'n2']) {
    knows(hand, name, values);
    hand.flush(name, values.length, values.length);
  }
  for (const name of ['n3', 'n4']) hand.wipe(name, 1);
  hand.start(...hand.names);
  hand.run(LONG_MS);
  serves(hand, 'half of the members were added again');
}

/** n3 is a member by name, and has no vote: its word does not keep a master in office that has lost the others. */
function grantWithoutVote(): void {
  const hand = new Hand(['n1', 'n2', 'n3']);
  const admission: Value = { kind: 'admit', ...life('n3', 1), ballot: ballotOf(1, 'n1') };
  hand.choose(1, admission, listOf(hand, [life('n1'), life('n2'), life('n3', 1)], [life('n3')]));
  for (const name of ['n1', 'n2']) {
    knows(hand, name, [admission]);
    hand.flush(name, 1, 1);
  }
  hand.wipe('n3', 1);
  hand.hears = (_from, to, kind) => to !== 'n3' || kind !== 'accept'; // it does not hear of its new admission
  for (const name of hand.names) hand.node(name).config = { forcedMaster: 'n1' };
  hand.start('n1', 'n2', 'n3');
  hand.run(LONG_MS);
  holds(hand.reader === 'n1' && !mayVote(hand.replica('n3')), 'n1 is master, and n3 has no vote');
  hand.stop('n2');
  hand.run(LEASE_MS);
  holds(hand.reader === null, 'n1 serves by the word of a member that has no vote');
}

/** n3 was killed while it joined a founding: that has taken its store, and not its log. Another founding is in force when it starts again. */
function foundingNeverJoined(): void {
  const hand = new Hand(['n1', 'n2', 'n3']);
  hand.choose(1, batch(1));
  for (const name of ['n1', 'n2']) knows(hand, name, [batch(1)]);
  hand.wipe('n3', 1);
  hand.write('n3', { kind: 'incarnation', incarnation: lifeOf('n3', 1) });
  const founder = life('n1', 9);
  const members = { cluster: founder.incarnation, members: [founder], superseded: [] };
  hand.node('n3').disk.image = { slot: 0, members, snapshot: 0 };
  hand.start('n1', 'n2', 'n3');
  hand.run(LONG_MS);
  serves(hand, 'a home had begun to join a founding that is over');
  holds(mayVote(hand.replica('n3')), 'n3 is admitted to the founding in force');
}

/** The only voter was emptied, and a learner has everything. */
function learnerIsAsked(): void {
  const hand = new Hand(['n1', 'n2'], ['n1'], ['n2']);
  hand.choose(1, batch(1));
  knows(hand, 'n2', [batch(1)]);
  hand.wipe('n1', 1);
  hand.start('n1', 'n2');
  hand.run(LONG_MS);
  holds(
    hand.reader === null,
    `${hand.reader} serves a cluster of its own, beside a learner that has everything`,
  );
  holds(hand.appliedBy('n1') === 1, 'it copies what the learner has');
  const first = new Hand(['n1', 'n2'], ['n1'], ['n2']);
  first.wipe('n1', 1);
  first.start('n1');
  first.run(LONG_MS);
  serves(first, 'nobody is left but a learner that is down');
}

/** A node that its file does not name, and that is of another founding, calls as a member: one alone stops, two go on. */
function lonelyFoundingStops(): void {
  for (const names of [['n1'], ['n1', 'n2']]) {
    const hand = new Hand(names);
    hand.choose(1, batch(1));
    for (const name of names) knows(hand, name, [batch(1)]);
    hand.start(...names);
    hand.run(LONG_MS);
    hand.handle('n1', { kind: 'foreign', from: 'n3', founding: lifeOf('n3', 9) });
    const isStopped = hand.node('n1').stopped?.includes('founded apart') === true;
    holds(isStopped === (names.length === 1), `${names}: ${isStopped ? 'stops' : 'goes on'}`);
  }
}

export const HISTORIES_OF_LIVES: readonly Rule[] = [
  { clause: 'members without a master tell each other what is chosen (seed 41)', run: membersTellEachOther },
  { clause: 'an older admission ends no life that came after it (seed 72)', run: olderAdmission },
  { clause: 'a newcomer catches up without a master (seed 101)', run: newcomerCatchesUp },
  { clause: 'a member that is removed leaves last (seed 138)', run: removedLeavesLast },
  { clause: 'nobody waits for a forced master that has no vote (seed 455)', run: forcedMasterWasEmptied },
  {
    clause: 'of two, one vouches for every life of the other that asks (seed 528)',
    run: eachLifeIsVouchedFor,
  },
  { clause: 'a life that ended stands in for nobody (seed 602)', run: endedLifeStandsIn },
  { clause: 'a snapshot entitles no life that was admitted', run: snapshotEntitlesNoAdmitted },
  { clause: 'a snapshot entitles a life that was added again (seed 771003130)', run: addedAgain },
  { clause: 'a grant without a vote is no lease', run: grantWithoutVote },
  {
    clause: 'of a founding that it has not durably joined, a home knows nothing (seed 6100003104)',
    run: foundingNeverJoined,
  },
  { clause: 'nothing is founded before learners were asked', run: learnerIsAsked },
  {
    clause: 'a node that is all of its founding stops where a member of another one calls it',
    run: lonelyFoundingStops,
  },
];

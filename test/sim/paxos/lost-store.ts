/**
 * A store that is lost behind a collapsed log, clause by clause (docs/architecture.md, "A lost store"): each of these is
 * the turn at which an explicit-state model lost a chosen value, or stood still, without the clause. Each runs with the store
 * gone, and with an older copy of it put back.
 */
import { nextMembers } from '../../../node/paxos/members-state.ts';
import type { MembersState, NodeName, Slot, Value } from '../../../node/paxos/values.ts';
import { check } from '../base/violation.ts';
import { ballotOf, batch, Hand, LEASE_MS, lifeOf } from './hand.ts';
import type { Rule } from './rules.ts';

/** What stands in the place of the lost store: nothing, or the image of the slot below those that the log dropped. */
type Copy = 'gone' | 'older';

const LONG_MS = 8 * LEASE_MS;
/** Held by all, and dropped by whoever drops something: the slots below the one that a schedule is about. */
const BASE: Slot = 2;
const SLOT: Slot = BASE + 1;
const TRUE_VALUE = batch(7);
const OTHER_VALUE = batch(8);

function holds(condition: boolean, what: string): void {
  check(condition, 'lost-store', () => what);
}

/** A cluster whose members all hold the first slots. */
function cluster(names: readonly NodeName[], learners: readonly NodeName[] = []): Hand {
  const hand = new Hand(names, names, learners);
  for (let slot = 1; slot <= BASE; slot += 1) {
    hand.choose(slot, batch(slot));
    for (const name of names) hand.accepts(name, slot, batch(slot), ballotOf(1, 'n1'), slot - 1);
  }
  for (const name of names) {
    hand.write(name, { kind: 'chosen', chosen: BASE });
    hand.flush(name, BASE);
  }
  return hand;
}

/** The value of the next slot was chosen with the votes of these. */
function chosenBy(
  hand: Hand,
  names: readonly NodeName[],
  slot: Slot = SLOT,
  value: Value = TRUE_VALUE,
): void {
  hand.choose(slot, value);
  for (const name of names) hand.accepts(name, slot, value, ballotOf(2, 'n2'), slot - 1);
}

/** The node held everything up to `slot`, and its log let go of it. */
function dropped(hand: Hand, name: NodeName, slot: Slot = SLOT): void {
  hand.flush(name, slot, slot);
}

function lost(hand: Hand, name: NodeName, copy: Copy): void {
  hand.lose(name, copy === 'gone' ? null : BASE);
}

/** Somebody serves, and an update is chosen. */
function goesOn(hand: Hand, what: string): void {
  hand.run(LONG_MS);
  const before = hand.appliedBy(hand.reader ?? 'n1');
  holds(hand.propose() !== null, `${what}: nobody serves`);
  hand.run(LEASE_MS);
  const { reader } = hand;
  holds(reader !== null && hand.appliedBy(reader) > before, `${what}: nothing is chosen any more`);
}

/** Nobody serves, and nothing is chosen. */
function standsStill(hand: Hand, what: string): void {
  hand.run(LONG_MS);
  holds(hand.reader === null && hand.propose() === null, `${what}: ${hand.reader} serves`);
}

function snapshotVoids(copy: Copy): void {
  const hand = cluster(['n1', 'n2', 'n3']);
  hand.accepts('n3', SLOT, OTHER_VALUE, ballotOf(1, 'n1'), BASE); // never chosen
  chosenBy(hand, ['n1', 'n2']);
  hand.choose(SLOT + 1, batch(9));
  for (const name of ['n1', 'n2']) {
    hand.accepts(name, SLOT + 1, batch(9), ballotOf(2, 'n2'), SLOT);
    hand.write(name, { kind: 'chosen', chosen: SLOT + 1 });
    hand.flush(name, SLOT + 1);
  }
  hand.write('n3', { kind: 'snapshot', slot: SLOT + 1, members: hand.membersAt(SLOT + 1) });
  lost(hand, 'n3', copy);
  hand.start('n1', 'n2', 'n3');
  goesOn(hand, 'a value was accepted before a snapshot');
  holds(hand.appliedBy('n3') > SLOT + 1, 'who lost its store has it again');
}

/** n1 has dropped what it voted, lost its store, and meets n3, which never heard of the slot; n2 is down. */
function waitsForTheHolder(copy: Copy, isRecorded: boolean): void {
  const hand = cluster(['n1', 'n2', 'n3']);
  chosenBy(hand, ['n1', 'n2']);
  dropped(hand, 'n1');
  if (isRecorded) hand.write('n1', { kind: 'chosen', chosen: SLOT });
  lost(hand, 'n1', copy);
  hand.start('n1', 'n3');
  standsStill(hand, 'one forgot, one never heard');
  holds(hand.roleOf('n1') === 'short', `n1 calls itself ${hand.roleOf('n1')}`);
  const said = hand.waitsFor('n1') ?? '';
  const first = copy === 'gone' ? 1 : SLOT;
  const slots =
    first === SLOT && hand.appliedBy('n1') === BASE
      ? `slots ${SLOT}`
      : `slots ${hand.appliedBy('n1') + 1} to ${SLOT}`;
  const slotsSaid = hand.appliedBy('n1') === BASE ? `slots ${SLOT} ` : slots;
  holds(said.includes(slotsSaid) && said.includes('n2 (not seen)'), `n1 waits for n2, but says: ${said}`);
  holds(said.includes(`log begins at ${SLOT + 1}`) && said.includes('never empty another home'), said);
  hand.start('n2');
  goesOn(hand, 'the holder is back');
  holds(hand.waitsFor('n1') === null && hand.roleOf('n1') !== 'short', 'n1 is short for ever');
}

/** A late accept of a chosen slot comes to a node that forgot the slot below, and that knows this one as chosen. */
function noVoteInChosenSlots(copy: Copy, isDropped: boolean): void {
  const hand = cluster(['n1', 'n2', 'n3']);
  hand.choose(SLOT, TRUE_VALUE);
  hand.choose(SLOT + 1, batch(9));
  for (const name of ['n1', 'n2']) {
    hand.accepts(name, SLOT, TRUE_VALUE, ballotOf(2, 'n2'), BASE);
    hand.accepts(name, SLOT + 1, batch(9), ballotOf(2, 'n2'), SLOT);
    hand.write(name, { kind: 'chosen', chosen: SLOT + 1 });
    hand.flush(name, SLOT + 1);
  }
  // n3 promised nothing higher than the first ballot, and learnt both.
  hand.write('n3', { kind: 'learn', slot: SLOT, value: TRUE_VALUE, chosen: SLOT });
  if (!isDropped) hand.flush('n3', SLOT, SLOT);
  hand.write('n3', { kind: 'learn', slot: SLOT + 1, value: batch(9), chosen: SLOT + 1 });
  if (isDropped) hand.flush('n3', SLOT + 1, SLOT + 1);
  lost(hand, 'n3', copy);
  hand.start('n3');
  const { cluster: founding } = hand.membersAt(0);
  const late = {
    kind: 'accept',
    cluster: founding,
    ballot: ballotOf(1, 'n1'),
    slot: SLOT + 1,
    value: OTHER_VALUE,
    chosen: BASE,
  } as const;
  hand.handle('n3', { kind: 'message', from: 'n1', incarnation: lifeOf('n1'), message: late });
  hand.stop('n3');
  hand.start('n1', 'n2', 'n3');
  hand.serveMax = 1;
  goesOn(hand, 'a late accept came');
  holds(hand.appliedBy('n3') > SLOT + 1, 'n3 caught up');
}

/** n2 forgot one slot and has the next; n1 gives it the one, and dies. */
function goesOnWithItsLog(copy: Copy, by: 'entries' | 'snapshot'): void {
  const hand = cluster(['n1', 'n2', 'n3']);
  chosenBy(hand, ['n1', 'n2']);
  dropped(hand, 'n2');
  chosenBy(hand, by === 'entries' ? ['n1', 'n2'] : ['n2', 'n3'], SLOT + 1, batch(9));
  hand.write('n2', { kind: 'chosen', chosen: SLOT + 1 });
  if (by === 'entries') hand.write('n1', { kind: 'chosen', chosen: SLOT + 1 });
  else dropped(hand, 'n1');
  lost(hand, 'n2', copy);
  hand.serveMax = 1;
  hand.start('n1', 'n2');
  // n1 only serves, and is heard no more once n2 has the slot that it forgot: it takes no part in an election.
  hand.hears = (from, to, kind) =>
    ![from, to].includes('n1') ||
    (['ask', 'report', 'fetch', 'entries'].includes(kind) && hand.appliedBy('n2') < SLOT);
  hand.run(LEASE_MS);
  holds(hand.appliedBy('n2') === SLOT + 1, `n2 goes on with its own log: it is at ${hand.appliedBy('n2')}`);
  hand.stop('n1');
  hand.hears = () => true;
  hand.start('n3');
  goesOn(hand, 'n2 goes on with n3');
}

/** n1 forgot; it campaigns, n3 promises, and n2 hears accepts alone. */
function ownPromiseDoesNotCount(copy: Copy): void {
  const hand = cluster(['n1', 'n2', 'n3']);
  chosenBy(hand, ['n1', 'n2']);
  dropped(hand, 'n1');
  lost(hand, 'n1', copy);
  for (const name of hand.names) hand.node(name).config = { forcedMaster: 'n1' };
  hand.hears = (from, to, kind) => (to !== 'n2' && from !== 'n2') || kind === 'accept' || kind === 'accepted';
  hand.start('n1', 'n2', 'n3');
  standsStill(hand, 'n1 forgot, and n3 promises it');
  holds(hand.replica('n1').role.kind === 'following', 'who is short campaigns');
  hand.hears = () => true;
  goesOn(hand, 'all hear each other');
}

/** n2 accepted and did not hear that it is chosen; n1 forgot. All are up, and nobody holds the slot. */
function othersElect(copy: Copy, isPromiseLost: boolean): void {
  const hand = cluster(['n1', 'n2', 'n3']);
  chosenBy(hand, ['n1', 'n2']);
  dropped(hand, 'n1');
  lost(hand, 'n1', copy);
  hand.hears = (from, _to, kind) => !(isPromiseLost && from === 'n1' && kind === 'promise');
  hand.start('n1', 'n2', 'n3');
  goesOn(hand, 'a majority of others elects');
  const elections = hand.said.filter((what) => what.endsWith('became master')).length;
  holds(elections <= 2, `${elections} elections: a floor is no reason to step down`);
}

function learntFromHalfOfTwo(copy: Copy): void {
  const hand = cluster(['n1', 'n2']);
  chosenBy(hand, ['n1', 'n2']);
  dropped(hand, 'n1');
  lost(hand, 'n1', copy);
  hand.start('n1', 'n2');
  goesOn(hand, 'of two, the one has every chosen value as accepted');
}

function learntFromHalfOfFour(copy: Copy): void {
  const hand = cluster(['n1', 'n2', 'n3', 'n4']);
  hand.accepts('n4', SLOT, OTHER_VALUE, ballotOf(1, 'n1'), BASE); // never chosen
  chosenBy(hand, ['n1', 'n2', 'n3']);
  for (const name of ['n1', 'n2']) {
    dropped(hand, name);
    lost(hand, name, copy);
  }
  hand.start('n1', 'n2', 'n3', 'n4');
  goesOn(hand, 'half of the list remembers');
}

/**
 * A pair has become one: n2 voted for its own removal, and did not hear that it was chosen. n1 went on alone, and forgot.
 * Nobody holds the removal; the removed one alone remembers it, and n1's log says that it is no member any more.
 */
function learntFromWhoWasRemoved(copy: Copy): void {
  const hand = cluster(['n1', 'n2']);
  const removal: Value = { kind: 'removeMember', node: 'n2' };
  hand.choose(SLOT, removal, nextMembers(hand.membersAt(BASE), removal));
  for (const name of ['n1', 'n2']) hand.accepts(name, SLOT, removal, ballotOf(2, 'n2'), BASE);
  hand.choose(SLOT + 1, TRUE_VALUE, hand.membersAt(SLOT));
  hand.accepts('n1', SLOT + 1, TRUE_VALUE, ballotOf(2, 'n2'), SLOT);
  hand.write('n1', { kind: 'chosen', chosen: SLOT + 1 });
  dropped(hand, 'n1');
  lost(hand, 'n1', copy);
  hand.start('n1');
  standsStill(hand, 'the only one who remembers is down');
  hand.start('n2');
  goesOn(hand, 'who was removed remembers');
  holds(hand.reader === 'n1', `${hand.reader} serves, which was removed`);
  holds(!hand.said.some((what) => /n2.*became master/.test(what)), 'who was removed became master');
}

/** Of five, two remember: no half. One of them has another value, and a majority may have chosen either. */
function notFromLess(copy: Copy): void {
  const hand = cluster(['n1', 'n2', 'n3', 'n4', 'n5']);
  hand.accepts('n4', SLOT, OTHER_VALUE, ballotOf(1, 'n1'), BASE); // never chosen
  chosenBy(hand, ['n1', 'n2', 'n3']);
  for (const name of ['n1', 'n2']) {
    dropped(hand, name);
    lost(hand, name, copy);
  }
  hand.start('n1', 'n2', 'n4', 'n5');
  standsStill(hand, 'n4 and n5 are less than half of five');
  hand.start('n3');
  goesOn(hand, 'n3 is back');
}

/** n1 forgot, n2 holds all; they choose new slots while the copy is slow, and n1 restarts in between. */
function shortVotesAbove(copy: Copy): void {
  const hand = cluster(['n1', 'n2', 'n3']);
  chosenBy(hand, ['n1', 'n2']);
  for (const name of ['n1', 'n2']) {
    hand.write(name, { kind: 'chosen', chosen: SLOT });
    dropped(hand, name);
  }
  lost(hand, 'n1', copy);
  hand.copyMs = 1e9;
  hand.start('n1', 'n2');
  goesOn(hand, 'one holds all, one is short');
  holds(hand.appliedBy('n1') <= BASE && hand.appliedBy('n2') > SLOT, 'the copy is slow');
  hand.stop('n1');
  hand.start('n1');
  goesOn(hand, 'the short one restarted');
  hand.stop('n2');
  hand.start('n3');
  standsStill(hand, 'who holds all is down');
  hand.copyMs = 50;
  hand.start('n2');
  goesOn(hand, 'it is back');
  holds(hand.appliedBy('n1') > SLOT, 'the copy is there');
}

/** Two voters forgot; a learner has everything. */
function learnerIsAsked(copy: Copy): void {
  const hand = cluster(['n1', 'n2', 'n3'], ['n3']);
  chosenBy(hand, ['n1', 'n2', 'n3']);
  hand.write('n3', { kind: 'chosen', chosen: SLOT });
  hand.flush('n3', SLOT);
  for (const name of ['n1', 'n2']) {
    dropped(hand, name);
    lost(hand, name, copy);
  }
  hand.start('n1', 'n2', 'n3');
  goesOn(hand, 'two short voters, one learner that holds all');
}

/** One voter, which forgot; a learner that is behind is up, another one has everything. */
function learnersTellEachOther(copy: Copy): void {
  const hand = cluster(['n1', 'n2', 'n3'], ['n2', 'n3']);
  chosenBy(hand, ['n1', 'n3']);
  hand.write('n3', { kind: 'chosen', chosen: SLOT });
  hand.flush('n3', SLOT);
  dropped(hand, 'n1');
  lost(hand, 'n1', copy);
  hand.start('n1', 'n2');
  standsStill(hand, 'the learner that is up is behind');
  const said = hand.waitsFor('n1') ?? '';
  holds(
    said.includes(`slots ${SLOT} are chosen`) && said.includes('n3 (not seen)'),
    `n1 waits for n3: ${said}`,
  );
  hand.start('n3');
  goesOn(hand, 'a learner has everything');
}

const GROWN = 4;
/** Founded with one, grown to three; everything of it is held by all, and dropped. */
function grown(): Hand {
  const names = ['n1', 'n2', 'n3'];
  const hand = new Hand(names, ['n1']);
  const changes: Value[] = [
    { kind: 'noop' },
    { kind: 'addMember', node: 'n2', incarnation: lifeOf('n2') },
    { kind: 'addMember', node: 'n3', incarnation: lifeOf('n3') },
    TRUE_VALUE,
  ];
  let members: MembersState = hand.membersAt(0);
  for (const [index, value] of changes.entries()) {
    if (value.kind === 'addMember') {
      const { node, incarnation } = value;
      members = { ...members, members: [...members.members, { node, incarnation }] };
    }
    hand.choose(index + 1, value, members);
    for (const name of names) hand.accepts(name, index + 1, value, ballotOf(1, 'n1'), index);
  }
  for (const name of ['n2', 'n3'])
    hand.write(name, { kind: 'supersede', node: name, incarnation: lifeOf(name) });
  for (const name of names) hand.flush(name, GROWN, GROWN);
  return hand;
}

function grownMemberAlone(copy: Copy, name: NodeName): void {
  const hand = grown();
  hand.lose(name, copy === 'gone' ? null : 1);
  hand.start(name);
  standsStill(hand, `${name} alone is no majority of three`);
  const [other = 'n1'] = hand.names.filter((each) => each !== name);
  hand.start(other);
  goesOn(hand, `${other} holds all`);
  holds(hand.appliedBy(name) > GROWN, `${name} has a copy`);
}

function grownTwoLost(copy: Copy, holder: NodeName): void {
  const hand = grown();
  const others = hand.names.filter((each) => each !== holder);
  for (const name of others) hand.lose(name, copy === 'gone' ? null : 1);
  hand.start(...others);
  standsStill(hand, 'two forgot, the third is down');
  hand.start(holder);
  goesOn(hand, `${holder} is back`);
}

/** The holder is up, and a copy takes long: an added member that forgot must know by its log that it may vote. */
function grownVotesByItsLog(copy: Copy): void {
  const hand = grown();
  for (const name of ['n2', 'n3']) hand.lose(name, copy === 'gone' ? null : 1);
  hand.copyMs = 1e9;
  hand.start('n1', 'n2');
  goesOn(hand, 'one holds all, one that was added is short');
}

/** Of two, n1 forgot; the home of n2 is not mounted, and an empty one in its place asks. */
function shortCutsNobodyOff(copy: Copy): void {
  const hand = cluster(['n1', 'n2']);
  chosenBy(hand, ['n1', 'n2']);
  for (const name of ['n1', 'n2']) hand.write(name, { kind: 'chosen', chosen: SLOT });
  dropped(hand, 'n1');
  lost(hand, 'n1', copy);
  const { disk } = hand.node('n2');
  hand.wipe('n2', 5);
  hand.start('n1', 'n2');
  standsStill(hand, 'an empty home stands in for the one that holds all');
  hand.stop('n2');
  hand.node('n2').disk = disk;
  hand.start('n2');
  goesOn(hand, 'the real home is back');
}

function bothCopies(run: (copy: Copy) => void): () => void {
  return () => {
    run('gone');
    run('older');
  };
}

export const LOST_STORE_RULES: readonly Rule[] = [
  { clause: 'a snapshot voids what was accepted below it', run: bothCopies(snapshotVoids) },
  {
    clause:
      'what the log dropped was chosen, whether or not it recorded so; who forgot it waits for who holds it, by name',
    run: bothCopies((copy) => {
      waitsForTheHolder(copy, false);
      waitsForTheHolder(copy, true);
    }),
  },
  {
    clause: 'no vote in a slot that is known chosen, held or not',
    run: bothCopies((copy) => {
      noVoteInChosenSlots(copy, false);
      noVoteInChosenSlots(copy, true);
    }),
  },
  {
    clause: 'whenever more is held, the own log follows',
    run: bothCopies((copy) => {
      goesOnWithItsLog(copy, 'entries');
      goesOnWithItsLog(copy, 'snapshot');
    }),
  },
  {
    clause: 'its own promise does not count either, and it does not campaign',
    run: bothCopies(ownPromiseDoesNotCount),
  },
  {
    clause: 'a promise that does not count does not hinder',
    run: bothCopies((copy) => {
      othersElect(copy, false);
      othersElect(copy, true);
    }),
  },
  {
    clause: 'what was chosen is learnt from half of the list',
    run: bothCopies((copy) => {
      learntFromHalfOfTwo(copy);
      learntFromHalfOfFour(copy);
    }),
  },
  { clause: 'and from who was removed there', run: bothCopies(learntFromWhoWasRemoved) },
  { clause: 'but from no less', run: bothCopies(notFromLess) },
  { clause: 'a short node votes above what it forgot', run: bothCopies(shortVotesAbove) },
  { clause: 'learners are asked, and who is short too asks them', run: bothCopies(learnerIsAsked) },
  { clause: 'a voter without any other asks learners', run: bothCopies(learnersTellEachOther) },
  {
    clause: 'the list that a short node holds makes no majority of it',
    run: bothCopies((copy) => {
      for (const name of ['n1', 'n2', 'n3']) {
        grownMemberAlone(copy, name);
        grownTwoLost(copy, name);
      }
    }),
  },
  {
    clause: 'an added member that is short knows by its log that it may vote',
    run: bothCopies(grownVotesByItsLog),
  },
  { clause: 'of two, a short node cuts nobody off', run: bothCopies(shortCutsNobodyOff) },
];

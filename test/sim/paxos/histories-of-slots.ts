/** What once went wrong with the values of slots, and the basic rules of Paxos and leases, which chance hardly ever tries. */
import type { Message } from '../../../node/paxos/messages.ts';
import type { NodeName } from '../../../node/paxos/values.ts';
import { ballotOf, batch, Hand, LEASE_MS, lifeOf } from './hand.ts';
import { holds, serves } from './history.ts';
import type { Rule } from './rules.ts';

const LONG_MS = 8 * LEASE_MS;
const CHOSEN = batch(7);
const OTHER = batch(8);

/**
 * An old master's value lies in slot 1 of `candidate` at a lower ballot; the next master's, which was chosen with the votes of the
 * other two before it could tell anybody, in theirs.
 */
function highestBallot(candidate: NodeName): void {
  const hand = new Hand(['n1', 'n2', 'n3']);
  hand.choose(1, CHOSEN);
  for (const name of hand.names) {
    const isOld = name === candidate;
    hand.accepts(name, 1, isOld ? OTHER : CHOSEN, ballotOf(isOld ? 1 : 2, isOld ? name : 'n2'));
    hand.node(name).config = { forcedMaster: candidate };
  }
  hand.start(...hand.names.filter((name) => name !== 'n2'));
  hand.run(LONG_MS);
  serves(hand, 'two values are reported for a slot');
  holds(hand.reader === candidate, 'the one with the older value was elected');
}

/** The same where the older value is that of the promise that comes later. */
function highestBallotOfOwn(): void {
  const hand = new Hand(['n1', 'n2', 'n3']);
  hand.choose(1, CHOSEN);
  hand.accepts('n1', 1, CHOSEN, ballotOf(2, 'n2'));
  hand.accepts('n2', 1, CHOSEN, ballotOf(2, 'n2'));
  hand.accepts('n3', 1, OTHER, ballotOf(1, 'n3'));
  for (const name of hand.names) hand.node(name).config = { forcedMaster: 'n1' };
  hand.start('n1', 'n3');
  hand.run(LONG_MS);
  serves(hand, 'an older value is reported last');
}

/** n1 accepted a value long ago; the one that was chosen is on its way to its disk when n3 asks n1, and n1 alone, for it. */
function servedBeforeDurable(): void {
  const hand = new Hand(['n1', 'n2', 'n3', 'n4', 'n5']);
  hand.accepts('n1', 1, OTHER, ballotOf(1, 'n5'));
  for (const name of ['n1', 'n2', 'n4', 'n5']) hand.node(name).config = { forcedMaster: 'n2' };
  hand.hears = (from, to) => ![from, to].includes('n3');
  hand.start(...hand.names);
  hand.node('n1').isDiskStuck = true;
  hand.run(LONG_MS);
  serves(hand, 'the disk of n1 is stuck');
  holds(hand.appliedBy('n1') > 0, 'n1 knows what is chosen');
  hand.hears = (from, to) => ![from, to].includes('n3') || [from, to].includes('n1');
  hand.run(LONG_MS); // what n3 applies is held against what was chosen
  holds(hand.appliedBy('n3') === 0, 'n3 is served what is not durable');
}

/** n1 proposed a value in slot 1 and was cut off; another one was chosen there at a higher ballot, and n2 has fetched it. */
function noVoteWhereChosen(): void {
  const hand = new Hand(['n1', 'n2', 'n3', 'n4', 'n5']);
  hand.write('n2', { kind: 'promise', ballot: ballotOf(1, 'n1') });
  for (const name of ['n3', 'n4', 'n5']) {
    hand.accepts(name, 1, CHOSEN, ballotOf(2, 'n5'));
    hand.write(name, { kind: 'chosen', chosen: 1 });
  }
  hand.choose(1, CHOSEN);
  let isVoted = false;
  hand.hears = (_from, to, kind, message) => {
    isVoted ||= message.kind === 'accepted' && message.slot === 1 && to === 'n1';
    return ['ask', 'report', 'canvass', 'favour', 'fetch', 'entries', 'accepted'].includes(kind);
  };
  hand.start('n2', 'n3');
  for (let rounds = 0; rounds < 800 && hand.appliedBy('n2') === 0; rounds += 1) hand.run(10);
  holds(hand.appliedBy('n2') === 1, 'n2 has fetched what was chosen');
  const { cluster } = hand.membersAt(0);
  const late: Message = {
    kind: 'accept',
    cluster,
    ballot: ballotOf(1, 'n1'),
    slot: 1,
    value: OTHER,
    chosen: 0,
  };
  hand.deliver('n2', 'n1', lifeOf('n1'), late);
  hand.run(10);
  holds(!isVoted, 'n2 votes for another value than the one that it knows to be chosen');
}

/** n1 gave up its lease; that comes once more when n2 has the next one, and is cut off just then. */
function lateRelease(): void {
  const hand = new Hand(['n1', 'n2', 'n3']);
  let late: Message | null = null;
  hand.hears = (from, _to, _kind, message) => {
    if (from === 'n1' && message.kind === 'release') late ??= message;
    return true;
  };
  hand.node('n1').config = { preferredMasters: ['n1'] };
  hand.start(...hand.names);
  for (let rounds = 0; rounds < 800 && hand.reader !== 'n1'; rounds += 1) hand.run(10);
  hand.handle('n1', { kind: 'dropMaster' });
  for (let rounds = 0; rounds < 800 && (hand.reader ?? 'n1') === 'n1'; rounds += 1) hand.run(10);
  const next = hand.reader;
  holds(late !== null && next !== null && next !== 'n1', 'n1 has given up, and another one serves');
  hand.run(LEASE_MS); // all have granted
  hand.hears = (from, to) => from !== next && to !== next;
  for (const name of hand.names)
    if (name !== next && late !== null) hand.deliver(name, 'n1', lifeOf('n1'), late);
  for (let rounds = 0; rounds < 400; rounds += 1) {
    hand.run(10);
    const { reader } = hand; // two of them are an error
    if (reader !== null && reader !== next) return;
  }
  holds(false, 'the others elect a master once the lease is over');
}

/** The master's disk hangs, and one of the two others is down: a vote that a crash forgets is none. */
function ownVoteIsDurable(): void {
  const hand = new Hand(['n1', 'n2', 'n3']);
  hand.start('n1', 'n2', 'n3');
  hand.run(LONG_MS);
  const master = hand.reader ?? 'n1';
  const [one = 'n2', other = 'n3'] = hand.names.filter((name) => name !== master);
  hand.stop(other);
  hand.run(LEASE_MS / 10);
  hand.node(master).isDiskStuck = true;
  const before = hand.appliedBy(master);
  holds(hand.propose() !== null, `${master} takes an update`);
  const { syncedRecord: record } = hand.replica(master);
  hand.handle(master, { kind: 'synced', record }); // of the group before
  hand.run(LEASE_MS / 2);
  holds(hand.replica(one).accepted.size > 0, `${one} has accepted it, durably`);
  holds(hand.appliedBy(master) === before, 'the vote of a disk that hangs made a majority');
}

export const HISTORIES_OF_SLOTS: readonly Rule[] = [
  {
    clause: 'a slot whose last record is not durable is served to nobody (seed 71)',
    run: servedBeforeDurable,
  },
  { clause: 'no vote for a slot that is known chosen (seed 292)', run: noVoteWhereChosen },
  {
    clause:
      'of two values that are reported for a slot, that of the highest ballot is proposed, the own being the older',
    run: () => highestBallot('n3'),
  },
  {
    clause:
      'of two values that are reported for a slot, that of the highest ballot is proposed, the own being the newer',
    run: highestBallotOfOwn,
  },
  { clause: 'a late release gives back no lease of another ballot', run: lateRelease },
  { clause: 'a vote of its own counts when it is durable', run: ownVoteIsDurable },
];

/**
 * A survivor that is promoted, clause by clause (docs/architecture.md, "Rescue"): what is kept, who is fenced, and what must never
 * be. Each schedule fails when its clause is taken out.
 */
import { replacedBy } from '../../../node/paxos/members-state.ts';
import { whyNotPromoted } from '../../../node/paxos/promotion.ts';
import type { NodeName, Slot, Value } from '../../../node/paxos/values.ts';
import { check } from '../base/violation.ts';
import { ballotOf, batch, Hand, LEAP, LEASE_MS, lifeOf } from './hand.ts';
import type { Rule } from './rules.ts';

const FIVE = ['n1', 'n2', 'n3', 'n4', 'n5'];
/** Held by all. */
const BASE: Slot = 2;
const SLOT: Slot = BASE + 1;
const TRUE_VALUE = batch(7);
const OTHER_VALUE = batch(8);
const SILENT_MS = 4 * LEASE_MS;

function holds(condition: boolean, what: string): void {
  check(condition, 'promotion', () => what);
}

/** A cluster that is down, and whose members all hold the first slots. */
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

function accepted(hand: Hand, names: readonly NodeName[], value: Value, round: number, slot = SLOT): void {
  for (const name of names) hand.accepts(name, slot, value, ballotOf(round, 'n2'), Math.min(BASE, slot - 1));
}

/** The order, as its command repeats it, for as long as `forMs` or until it is carried out. */
function promote(
  hand: Hand,
  name: NodeName,
  gone: readonly NodeName[],
  forMs = 6 * LEASE_MS,
  loseFrom: Slot | null = null,
): boolean {
  for (const untilMs = hand.nowMs + forMs; hand.nowMs < untilMs && hand.node(name).promoted === null; ) {
    hand.handle(name, { kind: 'promote', gone, loseFrom });
    hand.run(500);
  }
  return hand.node(name).promoted !== null;
}

/** Promotes it, and begins the new founding: it serves alone, and those with empty homes become members. */
function rescue(hand: Hand, name: NodeName, gone: readonly NodeName[]): void {
  holds(promote(hand, name, gone), `${name} is not promoted: ${hand.waitsFor(name)}`);
  hand.refound(name, 5);
  hand.start(name);
  hand.run(LEASE_MS);
  holds(hand.reader === name && hand.propose() !== null, `${name} serves alone`);
}

function nameOf(value: Value): string {
  return value.kind === 'batch' ? `batch ${new Uint32Array(value.bytes.slice().buffer)[0]}` : value.kind;
}

function isKept(hand: Hand, slot: Slot, value: Value): void {
  const kept = hand.valueAt(slot);
  holds(kept === nameOf(value), `slot ${slot} has ${kept}, not ${nameOf(value)}`);
}

function aloneKeepsAll(): void {
  const hand = cluster(['n1', 'n2', 'n3']);
  accepted(hand, ['n1', 'n2'], TRUE_VALUE, 2); // chosen, and told to nobody
  hand.start('n1');
  hand.run(SILENT_MS);
  rescue(hand, 'n1', ['n2', 'n3']);
  isKept(hand, SLOT, TRUE_VALUE);
  holds(hand.appliedBy('n1') > SLOT + LEAP, 'it goes on far above');
  for (const name of ['n2', 'n3']) hand.wipe(name, 6);
  hand.start('n2', 'n3');
  hand.run(8 * LEASE_MS);
  const members = hand.replica('n1').members.members.map(({ node }) => node);
  holds(members.sort().join() === 'n1,n2,n3', `the emptied homes are members again: ${members}`);
  hand.stop('n1');
  hand.run(6 * LEASE_MS);
  holds(hand.reader !== null, 'the two that were added serve without the survivor');
}

/** n1 lags; n2 holds one more, and has accepted another, of which n1 has an older proposal. */
function takesWhatOthersKnow(): void {
  const hand = cluster(FIVE);
  hand.choose(SLOT, TRUE_VALUE);
  accepted(hand, ['n2', 'n3', 'n4'], TRUE_VALUE, 2);
  hand.write('n2', { kind: 'chosen', chosen: SLOT });
  hand.flush('n2', SLOT);
  accepted(hand, ['n1'], OTHER_VALUE, 2, SLOT + 1);
  accepted(hand, ['n2', 'n3', 'n4'], batch(9), 4, SLOT + 1);
  accepted(hand, ['n2'], batch(10), 4, SLOT + 3);
  hand.start('n1', 'n2');
  hand.run(SILENT_MS);
  rescue(hand, 'n1', ['n3', 'n4', 'n5']);
  isKept(hand, SLOT, TRUE_VALUE);
  isKept(hand, SLOT + 1, batch(9));
  isKept(hand, SLOT + 3, batch(10));
  holds(hand.valueAt(SLOT + 2)?.startsWith('noop') === true, 'the hole has a no-op');
}

/** What n1 has at the higher ballot counts, and not what another reports of a lower one. */
function ownHigherBallotCounts(): void {
  const hand = cluster(FIVE);
  accepted(hand, ['n1'], TRUE_VALUE, 5);
  accepted(hand, ['n2'], OTHER_VALUE, 3);
  hand.start('n1', 'n2');
  hand.run(SILENT_MS);
  rescue(hand, 'n1', ['n3', 'n4', 'n5']);
  isKept(hand, SLOT, TRUE_VALUE);
}

/** Those who were said to be gone come back, and would be a majority with the one that has retired; also after its restart. */
function retiredNeverVotes(): void {
  for (const isRestarted of [false, true]) {
    const hand = cluster(FIVE);
    hand.start('n1', 'n2');
    hand.run(SILENT_MS);
    holds(promote(hand, 'n1', ['n3', 'n4', 'n5']), 'promoted');
    hand.refound('n1', 5);
    if (isRestarted) {
      hand.flush('n2', BASE, BASE);
      hand.stop('n2');
      hand.start('n2');
    }
    hand.start('n3', 'n4');
    hand.run(10 * LEASE_MS);
    holds(hand.reader === null, `${hand.reader} was elected with a vote that had retired`);
    holds(hand.roleOf('n2') === 'retired', `n2 calls itself ${hand.roleOf('n2')}`);
    const said = hand.waitsFor('n2') ?? '';
    holds(said.includes('rescue promote --node n1'), `n2 says: ${said}`);
  }
}

/** It accepts nothing any more, from whatever master: what it reported would not be all that it voted. */
function retiredAcceptsNothing(): void {
  const hand = cluster(FIVE);
  hand.start('n1', 'n2');
  hand.run(SILENT_MS);
  promote(hand, 'n1', ['n3', 'n4', 'n5'], LEASE_MS);
  const { cluster: founding } = hand.replica('n2').members;
  const ballot = ballotOf(9, 'n3');
  const accept = {
    kind: 'accept',
    cluster: founding,
    ballot,
    slot: SLOT,
    value: OTHER_VALUE,
    chosen: 0,
  } as const;
  let voted = false;
  hand.onStep = (name, _event, effects) => {
    const isVote = effects.some((effect) => effect.kind === 'send' && effect.message.kind === 'accepted');
    voted ||= name === 'n2' && isVote;
  };
  hand.deliver('n2', 'n3', lifeOf('n3'), accept);
  holds(!voted && !hand.replica('n2').accepted.has(SLOT), 'n2 has voted after it retired');
}

function refusals(): void {
  const hand = cluster(['n1', 'n2', 'n3', 'n4'], ['n4']);
  hand.start('n1', 'n2', 'n3', 'n4');
  hand.run(6 * LEASE_MS);
  const why = (name: NodeName, gone: readonly NodeName[]): string =>
    whyNotPromoted(hand.replica(name), gone, hand.nowMs) ?? 'promoted';
  holds(why('n1', ['n2', 'n3', 'n4']).includes('is master'), why('n1', ['n2', 'n3', 'n4']));
  holds(why('n2', ['n1', 'n3', 'n4']).includes('is master'), why('n2', ['n1', 'n3', 'n4']));
  holds(why('n4', []).includes('learner'), why('n4', []));
  hand.stop('n1', 'n3');
  hand.run(SILENT_MS);
  holds(why('n2', ['n1', 'n3', 'n9']).includes('n9'), why('n2', ['n1', 'n3', 'n9']));
  holds(why('n2', ['n1', 'n3', 'n4']) === 'promoted', why('n2', ['n1', 'n3', 'n4']));
  hand.hears = (_from, _to, kind) => kind !== 'promise'; // a majority is up, and nobody is elected
  hand.start('n3');
  hand.run(2 * LEASE_MS);
  holds(why('n2', ['n1', 'n4']).includes('majority'), why('n2', ['n1', 'n4']));
  holds(why('n2', ['n1', 'n3', 'n4']).includes('n3 answers'), why('n2', ['n1', 'n3', 'n4']));
  holds(!promote(hand, 'n2', ['n1', 'n4']) && hand.replica('n2').retired === null, 'nothing has happened');
}

/** n3 was said to be gone, and is back before n1 begins anew: nothing comes of the order, and what retired stays so. */
function theGoneAnswers(): void {
  const hand = cluster(FIVE);
  hand.start('n1', 'n2');
  hand.run(SILENT_MS);
  promote(hand, 'n1', ['n3', 'n4', 'n5'], 500);
  hand.start('n3');
  holds(!promote(hand, 'n1', ['n3', 'n4', 'n5']), 'promoted though n3 runs');
  holds(
    hand.said.some((line) => line.includes('said to be gone answers')),
    'it says why',
  );
  hand.start('n4');
  hand.run(10 * LEASE_MS);
  holds(hand.reader === null, 'n1 and n2 have retired: three of five are not enough without them');
  hand.start('n5');
  hand.run(10 * LEASE_MS);
  holds(hand.reader !== null, 'the three that were never asked go on');
}

/**
 * n1 dies between taking what it had and beginning anew; those who were said to be gone come back, and had chosen another value. It
 * tells nobody what it took, follows nobody, and is not promoted any more once the others have gone on.
 */
function whoHasPartedTellsNobody(): void {
  const hand = cluster(FIVE);
  accepted(hand, ['n1'], OTHER_VALUE, 2);
  accepted(hand, ['n3', 'n4', 'n5'], TRUE_VALUE, 4);
  hand.choose(SLOT, TRUE_VALUE);
  hand.start('n1', 'n2');
  hand.run(SILENT_MS);
  hand.isFork = (name) => name === 'n1';
  holds(promote(hand, 'n1', ['n3', 'n4', 'n5']), 'promoted');
  holds(hand.appliedBy('n1') === SLOT, 'n1 took what it had');
  hand.stop('n1');
  hand.node('n1').promoted = null;
  hand.flush('n1', BASE, BASE);
  hand.start('n1', 'n3', 'n4', 'n5');
  hand.run(10 * LEASE_MS); // whoever applies another value than the chosen one fails here
  holds(hand.reader !== null, 'the others go on');
  holds(hand.appliedBy('n2') > SLOT, `n2 follows, and is at ${hand.appliedBy('n2')}`);
  holds(hand.appliedBy('n1') <= SLOT, `n1 follows, and is at ${hand.appliedBy('n1')}`);
  hand.stop('n3', 'n4', 'n5');
  hand.run(SILENT_MS);
  holds(!promote(hand, 'n1', ['n3', 'n4', 'n5']), 'promoted with another history than n2 has');
  holds(hand.waitsFor('n1')?.includes('promote n2 in its place') === true, hand.waitsFor('n1') ?? '');
  hand.stop('n1');
  hand.run(SILENT_MS);
  holds(promote(hand, 'n2', ['n1', 'n3', 'n4', 'n5']), 'n2 is promoted in its place');
}

function anOrderIsRepeated(): void {
  const hand = cluster(FIVE);
  hand.start('n1');
  hand.run(SILENT_MS);
  hand.handle('n1', { kind: 'promote', gone: ['n3', 'n4', 'n5'], loseFrom: null });
  hand.run(8 * LEASE_MS);
  holds(hand.replica('n1').promotion === null, 'nobody stands behind the order any more');
  const said = hand.waitsFor('n1') ?? '';
  holds(said.includes('rescue promote --node n1 goes on'), said);
  hand.start('n2');
  hand.run(4 * LEASE_MS);
  holds(hand.node('n1').promoted === null, 'nothing happens by itself');
  holds(promote(hand, 'n1', ['n3', 'n4', 'n5']), 'typed again it goes on');
}

/** A lease that n2 granted before it retired may still hold. */
function leasesEndFirst(): void {
  const hand = cluster(FIVE);
  hand.start('n1', 'n2');
  hand.run(SILENT_MS);
  const startedMs = hand.nowMs;
  holds(promote(hand, 'n1', ['n3', 'n4', 'n5']), 'promoted');
  holds(hand.nowMs - startedMs >= LEASE_MS, `after ${hand.nowMs - startedMs} ms`);
  for (let tick = 0; tick < 3; tick += 1) hand.run(10);
}

function twoAtOnce(): void {
  const hand = cluster(FIVE);
  hand.start('n1', 'n2');
  hand.run(SILENT_MS);
  hand.handle('n1', { kind: 'promote', gone: ['n3', 'n4', 'n5'], loseFrom: null });
  hand.handle('n2', { kind: 'promote', gone: ['n3', 'n4', 'n5'], loseFrom: null });
  for (let round = 0; round < 10; round += 1) {
    hand.run(500);
    for (const name of ['n1', 'n2'])
      hand.handle(name, { kind: 'promote', gone: ['n3', 'n4', 'n5'], loseFrom: null });
  }
  const promoted = ['n1', 'n2'].filter((name) => hand.node(name).promoted !== null);
  holds(promoted.length === 0, `${promoted} are promoted`);
  holds(hand.waitsFor('n1')?.includes('being promoted itself') === true, hand.waitsFor('n1') ?? '');
  hand.stop('n2');
  hand.run(SILENT_MS);
  holds(promote(hand, 'n1', ['n2', 'n3', 'n4', 'n5']), 'one is decided for');
  const other = cluster(FIVE);
  other.start('n1', 'n2');
  other.run(SILENT_MS);
  promote(other, 'n1', ['n3', 'n4', 'n5'], 500);
  const why = whyNotPromoted(other.replica('n2'), ['n3', 'n4', 'n5'], other.nowMs) ?? '';
  holds(why.includes('n1 is being promoted'), `n2 retired for n1: ${why}`);
}

/** Old homes that come back meet the new founding. */
function oldHomesComeBack(): void {
  const hand = cluster(FIVE);
  hand.start('n1', 'n2');
  hand.run(SILENT_MS);
  rescue(hand, 'n1', ['n3', 'n4', 'n5']);
  const theirs = hand.replica('n1').members.cluster;
  const replaces = replacedBy(hand.replica('n1').members);
  holds(replaces.join() === lifeOf('n1'), `n1 took the place of ${replaces}`);
  hand.start('n3');
  for (const name of ['n2', 'n3']) {
    hand.handle(name, { kind: 'foreign', from: 'n1', founding: theirs, replaces });
    const { stopped } = hand.node(name);
    holds(stopped?.includes('took the place of') === true, `${name} stops: ${stopped}`);
  }
  const before = hand.said.length;
  for (const name of ['n3', 'n4', 'n5', 'n3'])
    hand.handle('n1', { kind: 'foreign', from: name, founding: lifeOf('n1') });
  const said = hand.said.slice(before).filter((line) => line.includes('took the place of'));
  holds(hand.node('n1').stopped === null && said.length === 3, `n1 goes on, and says so of each: ${said}`);
  hand.handle('n1', { kind: 'foreign', from: 'n2', founding: 'x'.repeat(32) });
  hand.handle('n1', { kind: 'foreign', from: 'n3', founding: 'x'.repeat(32) });
  holds(hand.node('n1').stopped !== null, 'of any other founding it still stops');
}

/** n1 lost its store, and remembers that the slot was chosen; nobody who is left has it. */
function aLostSlotIsNotSkipped(): void {
  const hand = cluster(FIVE);
  hand.choose(SLOT, TRUE_VALUE);
  accepted(hand, ['n1', 'n3', 'n4'], TRUE_VALUE, 2);
  hand.flush('n1', SLOT, SLOT);
  hand.lose('n1', BASE);
  accepted(hand, ['n2'], OTHER_VALUE, 4, SLOT + 1);
  hand.start('n1', 'n2');
  hand.run(SILENT_MS);
  holds(!promote(hand, 'n1', ['n3', 'n4', 'n5']), 'promoted with a gap in its history');
  const said = hand.waitsFor('n1') ?? '';
  holds(said.includes(`slots ${SLOT}`) && said.includes(`--lose-from ${SLOT}`), said);
  holds(!promote(hand, 'n1', ['n3', 'n4', 'n5'], 6 * LEASE_MS, SLOT + 1), 'more is lost than the order says');
  holds(promote(hand, 'n1', ['n3', 'n4', 'n5'], 6 * LEASE_MS, SLOT), 'promoted up to the gap');
  holds(hand.appliedBy('n1') === BASE, `nothing behind the gap is taken: ${hand.appliedBy('n1')}`);
}

/** An order that gives up what is lost gives up nothing that is left. */
function nothingElseIsGivenUp(): void {
  const hand = cluster(FIVE);
  accepted(hand, ['n1', 'n3', 'n4'], TRUE_VALUE, 2);
  accepted(hand, ['n2'], OTHER_VALUE, 3, SLOT + 2);
  hand.start('n1', 'n2');
  hand.run(SILENT_MS);
  holds(promote(hand, 'n1', ['n3', 'n4', 'n5'], 6 * LEASE_MS, 1), 'promoted');
  isKept(hand, SLOT, TRUE_VALUE);
  isKept(hand, SLOT + 2, OTHER_VALUE);
}

/** What n2 holds and n1 does not, since its store is gone, is fetched. */
function aShortSurvivorFetches(): void {
  const hand = cluster(FIVE);
  hand.choose(SLOT, TRUE_VALUE);
  accepted(hand, ['n1', 'n2', 'n3'], TRUE_VALUE, 2);
  for (const name of ['n1', 'n2']) hand.flush(name, SLOT, SLOT);
  hand.lose('n1');
  hand.start('n1', 'n2');
  hand.run(20);
  rescue(hand, 'n1', ['n3', 'n4', 'n5']);
  isKept(hand, SLOT, TRUE_VALUE);
}

/** All that n1 had is gone but its log, which begins above: it holds nothing, and nobody is left who does. */
function whoHoldsNothingIsNoSurvivor(): void {
  const hand = cluster(FIVE);
  hand.flush('n1', BASE, BASE);
  hand.lose('n1');
  hand.start('n1');
  hand.run(SILENT_MS);
  holds(!promote(hand, 'n1', ['n2', 'n3', 'n4', 'n5'], 6 * LEASE_MS, 1), 'promoted with nothing');
}

/** n2's home was emptied, and it follows without a vote: the life that has one may come back. */
function anotherLifeVouchesForNothing(): void {
  const hand = cluster(FIVE);
  hand.wipe('n2', 1);
  hand.start('n1', 'n2');
  hand.run(SILENT_MS);
  holds(!promote(hand, 'n1', ['n3', 'n4', 'n5']), 'promoted though the home of n2 that votes is somewhere');
  const said = hand.waitsFor('n1') ?? '';
  holds(said.includes('n2 (it answers in another life'), said);
  rescue(hand, 'n1', ['n2', 'n3', 'n4', 'n5']);
}

/** What is learnt may add a member: it retires too. */
function whoIsAddedRetires(): void {
  const hand = new Hand([...FIVE, 'n6'], FIVE);
  accepted(hand, ['n2'], { kind: 'addMember', node: 'n6', incarnation: lifeOf('n6') }, 2, 1);
  hand.node('n1').config = { wished: FIVE };
  hand.start('n1', 'n2');
  hand.run(SILENT_MS);
  holds(!promote(hand, 'n1', ['n3', 'n4', 'n5']), 'promoted though n6 may have voted');
  holds(hand.waitsFor('n1')?.includes('n6') === true, hand.waitsFor('n1') ?? '');
  rescue(hand, 'n1', ['n3', 'n4', 'n5', 'n6']);
}

/** n2, which is asked to retire, still follows a master that n1 does not hear. */
function whoHasAMasterDoesNotRetire(): void {
  const hand = cluster(['n1', 'n2', 'n3']);
  hand.start('n1', 'n2', 'n3');
  hand.hears = (from, to) => from !== 'n1' && to !== 'n1';
  hand.run(6 * LEASE_MS);
  holds(hand.reader !== null && hand.reader !== 'n1', 'two of three serve');
  hand.hears = (from, to, kind) => (from !== 'n1' && to !== 'n1') || kind === 'retire' || kind === 'retired';
  holds(!promote(hand, 'n1', ['n3']), 'promoted beside a cluster that serves');
  holds(hand.waitsFor('n1')?.includes('is master, as far as it knows') === true, hand.waitsFor('n1') ?? '');
  holds(hand.reader !== null, 'the two serve on');
}

/** n1, for which n2 and n3 retired, burns as well: only one of the two goes on. */
function theNextSurvivorIsOne(): void {
  const hand = cluster([...FIVE, 'n6', 'n7']);
  hand.start('n1', 'n2', 'n3');
  hand.run(SILENT_MS);
  const dead = ['n4', 'n5', 'n6', 'n7'];
  promote(hand, 'n1', dead, 500);
  hand.stop('n1');
  hand.run(SILENT_MS);
  const gone = ['n1', ...dead];
  for (let round = 0; round < 10; round += 1) {
    for (const name of ['n2', 'n3'])
      if (hand.node(name).promoted === null) hand.handle(name, { kind: 'promote', gone, loseFrom: null });
    hand.run(500);
  }
  const promoted = ['n2', 'n3'].filter((name) => hand.node(name).promoted !== null);
  holds(promoted.length === 0, `${promoted} are promoted`);
  const said = hand.waitsFor('n2') ?? '';
  holds(said.includes('n3 (it is being promoted itself)'), `n2 says what it waits for: ${said}`);
  hand.run(2 * SILENT_MS);
  holds(promote(hand, 'n3', gone), 'once one order is over the other is carried out');
  const why = whyNotPromoted(hand.replica('n2'), gone, hand.nowMs) ?? '';
  holds(why.includes('n3 is being promoted'), `n2 has retired for n3: ${why}`);
}

/** The order was for the wrong one, and is over: what n1 accepted is not lost with its vote. */
function anOrderThatIsOverIsHandedOn(): void {
  const hand = cluster(FIVE);
  accepted(hand, ['n1'], TRUE_VALUE, 2);
  hand.start('n1', 'n2');
  hand.run(SILENT_MS);
  hand.handle('n1', { kind: 'promote', gone: ['n3', 'n4', 'n5'], loseFrom: null });
  hand.hears = (_from, _to, kind) => kind !== 'retire';
  hand.run(8 * LEASE_MS);
  hand.hears = () => true;
  rescue(hand, 'n2', ['n3', 'n4', 'n5']);
  isKept(hand, SLOT, TRUE_VALUE);
}

/** n2 was said to be gone when n1 parted; n1 dies, n2 comes back, and the order is typed without its name. */
function whoWasSaidToBeGoneKnowsBetter(): void {
  for (const isChosen of [true, false]) {
    const hand = cluster(FIVE);
    accepted(hand, ['n1'], OTHER_VALUE, 2);
    accepted(hand, ['n2', 'n3', 'n4'], TRUE_VALUE, 4);
    hand.choose(SLOT, TRUE_VALUE);
    if (isChosen) {
      hand.write('n2', { kind: 'chosen', chosen: SLOT });
      hand.flush('n2', SLOT);
    }
    hand.start('n1');
    hand.run(SILENT_MS);
    hand.isFork = (name) => name === 'n1';
    holds(promote(hand, 'n1', ['n2', 'n3', 'n4', 'n5']), 'promoted');
    hand.stop('n1');
    hand.node('n1').promoted = null;
    hand.flush('n1', BASE, BASE);
    hand.start('n1', 'n2');
    hand.run(SILENT_MS);
    holds(!promote(hand, 'n1', ['n3', 'n4', 'n5']), 'promoted over what n2 knows');
    holds(hand.waitsFor('n1')?.includes('promote n2 in its place') === true, hand.waitsFor('n1') ?? '');
  }
}

/** n2 heard that the slots up to SLOT + 1 were chosen, and holds the last of them alone. */
function whatOthersHeardCounts(): void {
  const hand = cluster(FIVE);
  accepted(hand, ['n2'], TRUE_VALUE, 2, SLOT + 1);
  hand.start('n1', 'n2');
  hand.run(SILENT_MS);
  hand.replica('n2').watermark = SLOT + 1;
  holds(!promote(hand, 'n1', ['n3', 'n4', 'n5']), 'a slot that n2 knows to be chosen is skipped');
  const said = hand.waitsFor('n1') ?? '';
  holds(said.includes(`--lose-from ${SLOT}`), said);
}

/** While a slot is lost nothing is taken: n2, which holds it, may be repaired after all, and asks n1. */
function partsOnlyWhenItCanFinish(): void {
  const hand = cluster(FIVE);
  accepted(hand, ['n2', 'n3', 'n4'], TRUE_VALUE, 2, SLOT + 1);
  accepted(hand, ['n1'], OTHER_VALUE, 2);
  accepted(hand, ['n1'], batch(9), 2, SLOT + 2);
  hand.start('n1');
  hand.run(SILENT_MS);
  hand.replica('n1').watermark = SLOT + 2;
  holds(!promote(hand, 'n1', ['n2', 'n3', 'n4', 'n5']), 'promoted with a gap');
  holds(hand.replica('n1').retired?.parted === null, 'it has parted already');
  hand.start('n2');
  hand.run(4 * SILENT_MS);
  rescue(hand, 'n2', ['n3', 'n4', 'n5']);
  for (const [slot, value] of [
    [SLOT, OTHER_VALUE],
    [SLOT + 1, TRUE_VALUE],
    [SLOT + 2, batch(9)],
  ] as const)
    isKept(hand, slot, value);
}

/** n1's home is new, and holds what it has copied so far. */
function aNewcomerIsNoSurvivor(): void {
  const hand = cluster(FIVE);
  hand.wipe('n1', 1);
  hand.start('n1', 'n2');
  hand.run(SILENT_MS);
  hand.stop('n2');
  hand.run(SILENT_MS);
  const gone = ['n2', 'n3', 'n4', 'n5'];
  holds(!promote(hand, 'n1', gone), 'promoted in a life that nobody admitted');
  const why = whyNotPromoted(hand.replica('n1'), gone, hand.nowMs) ?? '';
  holds(why.includes('is no member yet'), why);
  holds(promote(hand, 'n1', ['n1', ...gone]), 'vouched for it is');
}

/** n2's answer was asked for by a process of n1 that knew more: it begins too late. */
function aLateReportIsNotWhole(): void {
  const hand = cluster(FIVE);
  accepted(hand, ['n2'], TRUE_VALUE, 4);
  accepted(hand, ['n1'], OTHER_VALUE, 2);
  hand.start('n1', 'n2');
  hand.run(SILENT_MS);
  hand.hears = (_from, _to, kind) => kind !== 'retire';
  promote(hand, 'n1', ['n3', 'n4', 'n5'], 500);
  const { cluster: founding } = hand.replica('n1').members;
  const known = { from: SLOT + 1, chosen: BASE, known: BASE, floor: 0 } as const;
  hand.deliver('n1', 'n2', lifeOf('n2'), {
    ...{ kind: 'retired', cluster: founding, accepted: [], upTo: null, why: null },
    ...known,
  });
  holds(!promote(hand, 'n1', ['n3', 'n4', 'n5']), 'promoted by a report that leaves a slot out');
  hand.hears = () => true;
  rescue(hand, 'n1', ['n3', 'n4', 'n5']);
  isKept(hand, SLOT, TRUE_VALUE);
}

/** An old home of n3 has retired, and what is learnt says that another one votes. */
function anOldLifeDoesNotAnswerForTheNewOne(): void {
  const hand = cluster(FIVE);
  accepted(
    hand,
    ['n1'],
    { kind: 'admit', node: 'n3', incarnation: lifeOf('n3', 1), ballot: ballotOf(2, 'n2') },
    2,
  );
  hand.start('n1', 'n3');
  hand.run(SILENT_MS);
  holds(!promote(hand, 'n1', ['n2', 'n4', 'n5']), 'promoted though the home of n3 that votes is somewhere');
  const said = hand.waitsFor('n1') ?? '';
  holds(said.includes('waiting for n3'), said);
}

/** Of three one is burnt, and one lost its store, which nobody can bring back: they elect nobody by themselves. */
function whoIsShortElectsNobody(): void {
  const hand = cluster(['n1', 'n2', 'n3']);
  hand.flush('n2', BASE, BASE);
  hand.lose('n2');
  hand.choose(SLOT, TRUE_VALUE);
  hand.start('n1');
  hand.run(SILENT_MS);
  hand.replica('n1').peers.set('n2', {
    ...{ incarnation: lifeOf('n2'), heardMs: hand.nowMs, chosen: 0, applied: 0, votes: true },
    eligible: false,
  });
  hand.replica('n1').heardMs.set('n2', hand.nowMs);
  const why = whyNotPromoted(hand.replica('n1'), ['n3'], hand.nowMs) ?? 'promoted';
  holds(why === 'promoted', why);
}

/** Once the home is being closed nothing that is heard changes it. */
function whatIsDoneStands(): void {
  const hand = cluster(FIVE);
  hand.start('n1', 'n2');
  hand.run(SILENT_MS);
  holds(promote(hand, 'n1', ['n3', 'n4', 'n5']), 'promoted');
  hand.start('n3');
  hand.run(LEASE_MS);
  holds(hand.replica('n1').promotion?.isDone === true, 'the order was given up after it was carried out');
}

/** A false alarm: three of five serve, and n2 has retired. */
function whoHasRetiredIsNotAdmitted(): void {
  const hand = cluster(FIVE);
  hand.start('n1', 'n2');
  hand.run(SILENT_MS);
  promote(hand, 'n1', ['n3', 'n4', 'n5'], 500);
  hand.stop('n1');
  hand.start('n3', 'n4', 'n5');
  hand.run(10 * LEASE_MS);
  holds(hand.reader !== null, 'the three serve');
  const before = hand.appliedBy(hand.reader ?? '');
  hand.run(10 * LEASE_MS);
  const after = hand.appliedBy(hand.reader ?? '');
  holds(after <= before + 1, `${after - before} slots without a client`);
  holds(hand.waitsFor('n2')?.includes('empty its home') === true, hand.waitsFor('n2') ?? '');
}

/** The order comes before n1, which has just started, can have heard that the others serve. */
function whoHasJustStartedWaits(): void {
  const hand = cluster(['n1', 'n2', 'n3']);
  hand.start('n2', 'n3');
  hand.run(6 * LEASE_MS);
  hand.start('n1');
  promote(hand, 'n1', ['n3'], 10);
  holds(hand.replica('n1').retired === null, 'n1 has retired beside a cluster that serves');
  holds(!promote(hand, 'n1', ['n3']) && hand.replica('n1').retired === null, 'it is promoted');
}

/** n1's order was broken off after n3 and n4 had retired for it; then n2 comes back, which was never vouched for. */
function whoHasRetiredElectsNobody(): void {
  const hand = cluster(FIVE);
  accepted(hand, ['n1', 'n2', 'n3'], TRUE_VALUE, 2);
  hand.start('n1', 'n4');
  hand.run(SILENT_MS);
  holds(!promote(hand, 'n1', ['n5'], LEASE_MS), 'it is promoted without n2 and n3');
  hand.start('n3');
  holds(!promote(hand, 'n1', ['n5'], SILENT_MS), 'it is promoted without n2');
  holds(hand.replica('n3').retired?.by === 'n1' && hand.replica('n4').retired?.by === 'n1', 'both retire');
  hand.stop('n1');
  hand.start('n2');
  hand.run(SILENT_MS);
  hand.start('n1');
  hand.run(SILENT_MS);
  rescue(hand, 'n1', ['n5']);
  isKept(hand, SLOT, TRUE_VALUE);
}

export const PROMOTION_RULES: readonly Rule[] = [
  { clause: 'a survivor keeps what it held and accepted, serves alone, and is joined', run: aloneKeepsAll },
  {
    clause: 'what others hold is fetched, and what they accepted at the highest ballot counts',
    run: takesWhatOthersKnow,
  },
  { clause: 'its own accepted value counts like theirs', run: ownHigherBallotCounts },
  { clause: 'who has retired is in no majority any more, restarted or not', run: retiredNeverVotes },
  { clause: 'who has retired accepts nothing', run: retiredAcceptsNothing },
  {
    clause: 'refused beside a master, a majority, who answers, who is unknown, and of a learner',
    run: refusals,
  },
  { clause: 'given up where one that is said to be gone answers', run: theGoneAnswers },
  { clause: 'what was taken for chosen is told to nobody', run: whoHasPartedTellsNobody },
  {
    clause: 'an order that is not repeated is dropped, and goes on when it is typed again',
    run: anOrderIsRepeated,
  },
  { clause: 'leases that were granted end first', run: leasesEndFirst },
  { clause: 'of two orders at once none is carried out until one is decided for', run: twoAtOnce },
  { clause: 'old homes that come back stop, or are called by their name', run: oldHomesComeBack },
  { clause: 'a slot that is known chosen and lost is not skipped', run: aLostSlotIsNotSkipped },
  { clause: 'an order that gives up what is lost gives up nothing else', run: nothingElseIsGivenUp },
  { clause: 'a survivor whose store is gone fetches first', run: aShortSurvivorFetches },
  { clause: 'who holds nothing is no survivor', run: whoHoldsNothingIsNoSurvivor },
  { clause: 'another life of a node vouches for nothing', run: anotherLifeVouchesForNothing },
  { clause: 'who is a member by what is learnt retires, too', run: whoIsAddedRetires },
  { clause: 'who follows a master does not retire', run: whoHasAMasterDoesNotRetire },
  {
    clause: 'whoever retired for one that burns retires for the next, and one alone goes on',
    run: theNextSurvivorIsOne,
  },
  {
    clause: 'an order that is over is handed on with all that was accepted',
    run: anOrderThatIsOverIsHandedOn,
  },
  {
    clause: 'who was said to be gone at the parting, and knows better, is not passed over',
    run: whoWasSaidToBeGoneKnowsBetter,
  },
  { clause: 'what others heard to be chosen counts', run: whatOthersHeardCounts },
  { clause: 'it parts only when it can finish', run: partsOnlyWhenItCanFinish },
  {
    clause: 'a home that nobody admitted is no survivor, unless it is vouched for',
    run: aNewcomerIsNoSurvivor,
  },
  { clause: 'a report that begins too late counts for nothing', run: aLateReportIsNotWhole },
  { clause: 'an old life does not answer for the one that votes', run: anOldLifeDoesNotAnswerForTheNewOne },
  { clause: 'who lacks what was chosen elects nobody', run: whoIsShortElectsNobody },
  { clause: 'what is done stands', run: whatIsDoneStands },
  { clause: 'who has retired is not admitted again', run: whoHasRetiredIsNotAdmitted },
  { clause: 'who has just started hears first who runs', run: whoHasJustStartedWaits },
  {
    clause: 'those who have retired for an order that came to nothing elect nobody',
    run: whoHasRetiredElectsNobody,
  },
];

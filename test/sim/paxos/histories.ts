/** What once went wrong, as schedules that do not depend on what a seed draws (docs/reliability.md). */
import type { NodeName } from '../../../node/paxos/values.ts';
import { ballotOf, batch, Hand, LEASE_MS, lifeOf } from './hand.ts';
import { HISTORIES_OF_LIVES } from './histories-of-lives.ts';
import { HISTORIES_OF_SLOTS } from './histories-of-slots.ts';
import { holds, serves } from './history.ts';
import type { Rule } from './rules.ts';

/** Of two, b's home was emptied twice. What the life in between asked comes after its successor was taken in. */
function lateQuestionOfAnOlderLife(): void {
  const hand = new Hand(['n1', 'n2']);
  hand.start('n1', 'n2');
  hand.run(4 * LEASE_MS);
  serves(hand, 'two members');
  const between = lifeOf('n2', 1);
  hand.wipe('n2', 2);
  hand.start('n2');
  hand.run(4 * LEASE_MS);
  serves(hand, 'the emptied home has its vote');
  const ask = {
    kind: 'ask',
    cluster: '',
    chosen: 0,
    votes: false,
    eligible: false,
    isRetired: false,
    echo: 0,
  } as const;
  for (let copies = 0; copies < 3; copies += 1) {
    hand.handle('n1', { kind: 'message', from: 'n2', incarnation: between, message: ask });
    hand.run(20);
  }
  hand.run(4 * LEASE_MS);
  serves(hand, 'a question of the life in between came late');
  holds(hand.node('n2').stopped === null, 'the present life was told that it is over');
}

function twoFound(hearsMs: number, offsetMs: number): Hand {
  const hand = Hand.empty(['n1', 'n2', 'n3']);
  for (const name of ['n1', 'n2']) hand.node(name).config = { bootstrap: true };
  hand.hears = () => hand.nowMs >= hearsMs;
  hand.start('n1');
  hand.run(offsetMs);
  hand.start('n2');
  hand.run(20 * LEASE_MS);
  return hand;
}

function twoBootstraps(): void {
  for (const offsetMs of [0, 40, 300, 2000]) {
    const hand = twoFound(0, offsetMs);
    serves(hand, `both found, ${offsetMs} ms apart`);
    const clusters = new Set(['n1', 'n2'].map((name) => hand.replica(name).members.cluster));
    holds(clusters.size === 1, 'one founds, the other joins');
  }
}

/** Cut off from each other, both have founded; then they hear each other. */
function twoFoundingsMeet(): void {
  const hand = twoFound(5000, 0);
  for (const name of ['n1', 'n2'] as const) {
    const { stopped } = hand.node(name);
    holds(
      stopped?.startsWith('OTHER_CLUSTER') === true,
      `${name} goes on beside another founding: ${stopped}`,
    );
    holds(stopped?.includes('empty the homes of the other') === true, `${name} says what to do: ${stopped}`);
  }
}

/** A majority goes on where one member's home is of another founding. */
function oneStranger(): void {
  const hand = new Hand(['n1', 'n2', 'n3']);
  hand.start('n1', 'n2', 'n3');
  hand.run(4 * LEASE_MS);
  hand.stop('n3');
  const stranger = new Hand(['n3', 'n1', 'n2'], ['n3']);
  hand.node('n3').disk = stranger.node('n3').disk;
  hand.start('n3');
  hand.run(4 * LEASE_MS);
  serves(hand, 'one home of three is of another founding');
  holds(hand.node('n3').stopped?.startsWith('OTHER_CLUSTER') === true, 'the one that has gone astray stops');
}

/** n3 lags, copies n2's store, and meanwhile wins an election with n1's promise; there is much to adopt. */
function electedWhileCopying(): void {
  const names: NodeName[] = ['n1', 'n2', 'n3'];
  const hand = new Hand(names);
  const SLOTS = 100;
  for (let slot = 1; slot <= SLOTS; slot += 1) {
    if (slot <= 60) hand.choose(slot, batch(slot));
    for (const name of names) hand.accepts(name, slot, batch(slot), ballotOf(5, 'n2'));
  }
  hand.write('n2', { kind: 'chosen', chosen: 60 });
  hand.flush('n2', 60, 60);
  for (const name of names) hand.node(name).config = { forcedMaster: 'n3' };
  hand.copyMs = 6 * LEASE_MS;
  hand.start(...names);
  // n2 serves its store, and takes no part in the election; n1's promise comes once the copy is under way, its votes later.
  const serving = new Set(['ask', 'report', 'fetch', 'entries', 'canvass', 'favour']);
  hand.hears = (from, to, kind) => {
    if ([from, to].includes('n2')) return serving.has(kind);
    if (kind === 'promise') return hand.replica('n3').installing !== null;
    return kind !== 'accepted' || hand.replica('n3').chosen >= 60;
  };
  let isElected = false;
  for (let rounds = 0; rounds < 16; rounds += 1) {
    hand.run(LEASE_MS / 2);
    isElected ||= hand.replica('n3').role.kind === 'master' && hand.replica('n3').installing !== null;
  }
  holds(isElected, 'n3 is elected while it copies');
  hand.hears = () => true;
  hand.run(6 * LEASE_MS);
  serves(hand, 'elected while a snapshot was copied');
}

/** A preferred master that was dropped on request stays out while another can be master, and takes over where none can. */
function droppedStaysOut(): void {
  const names: NodeName[] = ['n1', 'n2', 'n3'];
  const hand = new Hand(names);
  for (const name of names) hand.node(name).config = { preferredMasters: ['n1'] };
  hand.start(...names);
  hand.run(8 * LEASE_MS);
  holds(hand.reader === 'n1', `the preferred one is master, not ${hand.reader}`);
  hand.handle('n1', { kind: 'dropMaster' });
  hand.run(12 * LEASE_MS);
  holds(hand.reader !== null && hand.reader !== 'n1', `${hand.reader} is master after n1 was dropped`);
  hand.stop('n3');
  for (const name of ['n2']) hand.handle(name, { kind: 'dropMaster' });
  hand.run(12 * LEASE_MS);
  holds(hand.reader !== null, 'two are left, both dropped: one of them is master');
  hand.stop('n1');
  hand.start('n1', 'n3');
  hand.run(12 * LEASE_MS);
  holds(hand.reader === 'n1', `restarted, the preferred one is master again, not ${hand.reader}`);
}

export const HISTORIES: readonly Rule[] = [
  {
    clause: 'a late question of an older life cuts nobody off (seed 157985803)',
    run: lateQuestionOfAnOlderLife,
  },
  { clause: 'of two --bootstrap that hear each other, one founds', run: twoBootstraps },
  { clause: 'two foundings that meet do not both go on', run: twoFoundingsMeet },
  { clause: 'a majority goes on beside a stranger', run: oneStranger },
  {
    clause: 'elected while a snapshot is copied, a master goes on (seed 966682744)',
    run: electedWhileCopying,
  },
  { clause: 'dropped on request, a preferred master stays out', run: droppedStaysOut },
  ...HISTORIES_OF_LIVES,
  ...HISTORIES_OF_SLOTS,
];

/**
 * A promotion, rule by rule: who may be promoted, what is said and heard meanwhile, and that nothing is said or done before what it
 * rests on is durable.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { UNAPPLIED_MAX } from '../../../node/paxos/learner.ts';
import type { Message } from '../../../node/paxos/messages.ts';
import { isLeftAlone, whyNotPromoted } from '../../../node/paxos/promotion.ts';
import { type Replica, step } from '../../../node/paxos/step.ts';
import type { MembersState } from '../../../node/paxos/values.ts';
import { waitsFor } from '../../../node/paxos/waiting.ts';
import { ballotOf, batch, CLUSTER, hear, LEASE_MS, lifeOf, STATE, sentTo, sync, tick, wake } from './rig.ts';
import { last, testWhole } from './whole.ts';

const NOW_MS = 5 * LEASE_MS + 10_000;
const GONE = ['b', 'c'];

function order(replica: Replica, nowMs: number, gone: readonly string[] = GONE) {
  return step(replica, { kind: 'promote', gone, loseFrom: null, nowMs });
}

test('a survivor is promoted once its retirement is durable', () => {
  const replica = wake();
  order(replica, NOW_MS);
  const untilMs = NOW_MS + 2 * LEASE_MS;
  for (let nowMs = NOW_MS; nowMs < untilMs; nowMs += 100) {
    order(replica, nowMs);
    assert.not(tick(replica, nowMs).some(({ kind }) => kind === 'promoted'));
  }
  assert.match(waitsFor(replica, untilMs) ?? '', /waiting for the disk of this node/);
  assert.is(replica.retired?.parted, null, 'nothing was taken');
  assert.is(sync(replica, untilMs).filter(({ kind }) => kind === 'promoted').length, 1);
});

test('who retires answers once until it is durable, and then again and again', () => {
  const replica = wake();
  const ask = (nowMs: number) =>
    sentTo(hear(replica, 'b', { kind: 'retire', cluster: CLUSTER, from: 1 }, nowMs), 'b').length;
  assert.equal([ask(NOW_MS), ask(NOW_MS + 100), ask(NOW_MS + 200)], [1, 0, 0]);
  sync(replica, NOW_MS + 300);
  assert.equal([ask(NOW_MS + 400), ask(NOW_MS + 500)], [1, 1]);
});

test('the same order in other words does not begin anew', () => {
  const replica = wake();
  order(replica, NOW_MS);
  const { promotion } = replica;
  order(replica, NOW_MS + 100, [...GONE].reverse());
  assert.is(replica.promotion, promotion);
});

// ── Who may be promoted ──────────────────────────────────────────────────────────────────────────────────────

const SILENT_MS = 3000;
const OTHER_LIFE = 'o'.repeat(32);
const FOUR: MembersState = {
  ...STATE,
  members: ['a', 'b', 'c', 'd'].map((node) => ({ node, incarnation: node.repeat(32) })),
};

/** Whom a peer's last word was of, and when. */
function knows(
  replica: Replica,
  node: string,
  heardMs: number,
  eligible = true,
  incarnation = node.repeat(32),
) {
  replica.peers.set(node, { incarnation, heardMs, chosen: 0, applied: 0, votes: true, eligible });
}

/** The node, after `does` has been done to it. */
function made(replica: Replica, does: (replica: Replica) => void): Replica {
  does(replica);
  return replica;
}

const retiredFor = (by: string) => ({ retired: { by, parted: null } });
/** Heard just before, but for those that are given up. */
const hears = (replica: Replica, ...nodes: string[]) =>
  made(replica, () => {
    for (const node of nodes) replica.heardMs.set(node, NOW_MS);
  });

const REASONS: { readonly [situation: string]: readonly [Replica, gone: readonly string[], RegExp | null] } =
  {
    'all others are gone': [wake(), GONE, null],
    'it has no founding': [wake({ founded: null, members: null }), GONE, /^a belongs to no cluster yet/],
    'its founding is not active': [
      made(wake(), (replica) => (replica.active = false)),
      GONE,
      /no cluster yet/,
    ],
    'it is a learner': [wake({}, { learners: ['a'] }), GONE, /^a is a learner/],
    'another is one': [wake({}, { learners: ['b'] }), GONE, null],
    'another alone may be master': [
      wake({}, { forcedMaster: 'b' }),
      GONE,
      /^by its file b alone may be master/,
    ],
    'it alone may be': [wake({}, { forcedMaster: 'a' }), GONE, null],
    'there is a master': [
      made(wake(), (replica) => (replica.grant = { ballot: ballotOf(5, 'b'), untilMs: NOW_MS + 1 })),
      GONE,
      /^b is master: the cluster works/,
    ],
    'there was one': [
      made(wake(), (replica) => (replica.grant = { ballot: ballotOf(5, 'b'), untilMs: NOW_MS })),
      GONE,
      null,
    ],
    'it has retired for another': [wake(retiredFor('b')), ['c'], /^a has retired, since b is being promoted/],
    'that one is gone too': [wake(retiredFor('b')), GONE, null],
    'it has retired for itself': [wake(retiredFor('a')), GONE, null],
    'one of the gone is unknown': [wake(), ['x', 'b', 'y', 'c'], /^x, y: no other member/],
    'its own former home is gone': [wake(), ['a', ...GONE], null],
    'one of them answers': [hears(wake(), 'b'), GONE, /^b answers: it is not gone/],
    'both do': [hears(wake(), 'b', 'c'), GONE, /^b, c answer: they are not gone/],
    'one answered, just so long ago': [
      made(wake(), (replica) => replica.heardMs.set('b', NOW_MS - SILENT_MS)),
      GONE,
      /^b answers/,
    ],
    'one has been silent for longer': [
      made(wake(), (replica) => replica.heardMs.set('b', NOW_MS - SILENT_MS - 1)),
      GONE,
      null,
    ],
    'a member answers from an emptied home': [
      made(wake(), (replica) => knows(replica, 'b', NOW_MS, false, OTHER_LIFE)),
      GONE,
      null,
    ],
    'a learner answers': [
      made(wake({}, { wished: ['a', 'b', 'c', 'l'] }), (replica) => knows(replica, 'l', NOW_MS)),
      [...GONE, 'l'],
      /^l answers/,
    ],
    'a learner has been silent': [
      made(wake({}, { wished: ['a', 'b', 'c', 'l'] }), (replica) =>
        knows(replica, 'l', NOW_MS - SILENT_MS - 1),
      ),
      [...GONE, 'l'],
      null,
    ],
    'its home is no member': [wake({ incarnation: OTHER_LIFE }), GONE, /^this home of a is no member yet/],
    'its home is no member, and its former one is gone': [
      wake({ incarnation: OTHER_LIFE }),
      ['a', ...GONE],
      null,
    ],
    'a majority answers': [hears(wake(), 'b'), ['c'], /^a majority of the members answers \(b\)/],
    'of that majority one lacks what was chosen': [
      made(hears(wake(), 'b'), (replica) => knows(replica, 'b', NOW_MS, false)),
      ['c'],
      null,
    ],
    'of that majority one has retired': [
      made(hears(wake(), 'b'), (replica) => replica.retirees.set('b', lifeOf('b'))),
      ['c'],
      null,
    ],
    'in a former life one had': [
      made(hears(wake(), 'b'), (replica) => replica.retirees.set('b', OTHER_LIFE)),
      ['c'],
      /^a majority/,
    ],
    'it has itself retired': [hears(wake(retiredFor('a')), 'b'), ['c'], null],
    'it has retired, and the others are a majority': [hears(wake(retiredFor('a')), 'b', 'c'), [], /\(b, c\)/],
    'its home is no member, beside another': [
      hears(wake({ incarnation: OTHER_LIFE }), 'b'),
      ['a', 'c'],
      null,
    ],
    'one of three that answers is in no list': [
      made(wake({}, { wished: ['a', 'b', 'c', 'l'] }), (replica) => knows(replica, 'l', NOW_MS)),
      GONE,
      null,
    ],
    'half of the members are no majority': [hears(wake({ members: FOUR }), 'b'), ['c', 'd'], null],
    'more than half of them are': [hears(wake({ members: FOUR }), 'b', 'c'), ['d'], /\(b, c\)/],
    'it is short: the list below its log counts': [
      hears(wake({ members: STATE, firstLogSlot: 6, floorMembers: FOUR }), 'b'),
      ['c', 'd'],
      null,
    ],
    'it is short, and the list below its log names another life of it': [
      wake({
        ...{ members: STATE, firstLogSlot: 6 },
        floorMembers: {
          ...STATE,
          members: [{ node: 'a', incarnation: OTHER_LIFE }, ...STATE.members.slice(1)],
        },
      }),
      GONE,
      /no member yet/,
    ],
    'it is short, and knows no such list': [
      hears(wake({ members: STATE, firstLogSlot: 6 }), 'b'),
      ['c'],
      /^a majority/,
    ],
  };

for (const [situation, [replica, gone, why]] of Object.entries(REASONS)) {
  test(`${situation}: ${why === null ? 'it may be promoted' : 'it may not'}`, () => {
    const said = whyNotPromoted(replica, gone, NOW_MS);
    if (why === null) assert.is(said, null);
    else assert.match(said ?? '', why);
  });
}

// ── What a life that has retired leaves alone ────────────────────────────────────────────────────────────────

const KINDS: readonly Message['kind'][] = [
  ...(['ask', 'report', 'joined', 'fetch', 'entries', 'canvass', 'favour', 'prepare', 'promise'] as const),
  ...(['accept', 'accepted', 'heartbeat', 'granted', 'nack', 'release', 'adopted', 'over'] as const),
  ...(['retire', 'retired'] as const),
];

test('what would bind a life that has retired is left alone, and once it has parted almost all', () => {
  const heard = (replica: Replica) => KINDS.filter((kind) => !isLeftAlone(replica, { kind } as Message));
  const left = (replica: Replica) => KINDS.filter((kind) => isLeftAlone(replica, { kind } as Message));
  assert.equal(left(wake()), []);
  const binding = ['joined', 'canvass', 'prepare', 'accept', 'heartbeat', 'adopted'];
  assert.equal(left(wake(retiredFor('b'))), binding);
  assert.equal(heard(wake({ retired: { by: 'a', parted: { at: 0, gone: [] } } })), ['retire', 'retired']);
});

test('who retires is a candidate no more', () => {
  const replica = wake({ promised: ballotOf(5, 'a') });
  tick(replica, NOW_MS);
  assert.is(replica.role.kind, 'canvassing');
  hear(replica, 'b', retire(), NOW_MS);
  assert.is(replica.role.kind, 'following');
});

// ── The order ────────────────────────────────────────────────────────────────────────────────────────────────

const retire = (from = 1): Message => ({ kind: 'retire', cluster: CLUSTER, from });
const told = (more: Partial<Extract<Message, { kind: 'retired' }>> = {}): Message => ({
  ...{ kind: 'retired', cluster: CLUSTER, from: 1, chosen: 0, known: 0, floor: 0 },
  ...{ accepted: [], upTo: null, why: null },
  ...more,
});

/** Node a gathers what b voted; c is gone. */
function ordered(...does: readonly ((replica: Replica) => readonly unknown[])[]): Replica {
  const replica = wake();
  order(replica, NOW_MS, ['c']);
  sync(replica, NOW_MS);
  for (const each of does) each(replica);
  return replica;
}

/** All that b knows is told, and long enough ago. */
function takes(replica: Replica, message: Message): readonly unknown[] {
  hear(replica, 'b', message, NOW_MS);
  return tick(replica, NOW_MS + LEASE_MS + 20);
}

test('an order begins nothing before all who run may have been heard, nor where it cannot be carried out', () => {
  const early = wake();
  assert.equal(order(early, SILENT_MS - 1), []);
  assert.is(early.promotion, null);
  order(early, SILENT_MS);
  assert.equal(early.promotion?.gone, GONE);
  const refused = wake();
  assert.equal(order(refused, NOW_MS, ['x']), []);
  assert.is(refused.promotion, null);
  assert.is(refused.retired, null);
});

test('an order that is repeated lasts longer, and may give up more', () => {
  const replica = wake();
  order(replica, NOW_MS);
  step(replica, { kind: 'promote', gone: GONE, loseFrom: 7, nowMs: NOW_MS + 4000 });
  assert.is(replica.promotion?.loseFrom, 7);
  tick(replica, NOW_MS + 9000);
  assert.ok(replica.promotion);
  tick(replica, NOW_MS + 9001);
  assert.is(replica.promotion, null);
  assert.ok(replica.retired, 'it stays retired');
});

test('another order takes the place of one', () => {
  const replica = ordered();
  hear(replica, 'b', told(), NOW_MS);
  order(replica, NOW_MS, [...GONE]);
  assert.equal(replica.promotion?.gone, ['c'], 'b answers');
  order(replica, NOW_MS + 10_000, [...GONE]);
  assert.equal(replica.promotion?.gone, GONE);
  assert.is(replica.promotion?.reports.size, 0);
});

test('who is said to be gone speaks, in the life that votes: the order is over', () => {
  const replica = ordered();
  hear(replica, 'b', { kind: 'canvass', cluster: CLUSTER, chosen: 0 }, NOW_MS);
  assert.ok(replica.promotion, 'b is not said to be');
  step(replica, { kind: 'message', from: 'c', incarnation: OTHER_LIFE, message: retire(), nowMs: NOW_MS });
  assert.ok(replica.promotion, 'another life');
  hear(replica, 'c', { kind: 'canvass', cluster: CLUSTER, chosen: 0 }, NOW_MS);
  assert.is(replica.promotion, null);
});

testWhole([
  [
    'the order',
    () => order(wake(), NOW_MS, ['c']),
    'write #1 retired for a',
    'say (warn) promotion: fencing the members that are left gone=c',
  ],
  [
    'the order where it has retired for itself: no more is written',
    () => order(wake(retiredFor('a')), NOW_MS, ['c']),
    'say (warn) promotion: fencing the members that are left gone=c',
  ],
  [
    'the order where it has retired for another',
    () => order(wake(retiredFor('b')), NOW_MS, GONE),
    'write #1 retired for a',
    'say (warn) promotion: fencing the members that are left gone=b, c',
  ],
  [
    'the first tick: it asks who has not retired, once that is durable',
    () => last(ordered(), (replica) => tick(replica, NOW_MS)),
    'send b, c: ask chosen=0 no-votes no-eligible isRetired echo=0',
    'send b: retire from=1, once #1 is written',
  ],
  [
    'a tick too soon after it: nothing',
    () =>
      last(
        ordered(),
        (replica) => tick(replica, NOW_MS),
        (replica) => tick(replica, NOW_MS + 99),
      ),
  ],
  [
    'the next one: again',
    () =>
      last(
        ordered(),
        (replica) => tick(replica, NOW_MS),
        (replica) => tick(replica, NOW_MS + 100),
      ),
    'send b, c: ask chosen=0 no-votes no-eligible isRetired echo=0',
    'send b: retire from=1, once #1 is written',
  ],
  [
    'all have retired: nobody is asked to',
    () =>
      last(
        ordered((replica) => hear(replica, 'b', told(), NOW_MS)),
        (replica) => tick(replica, NOW_MS),
      ),
    'send b, c: ask chosen=0 no-votes no-eligible isRetired echo=0',
  ],
  [
    'the order was not repeated: it is dropped, and nobody is asked',
    () => last(ordered(), (replica) => tick(replica, NOW_MS + 5001)),
    'send b, c: ask chosen=0 no-votes no-eligible isRetired echo=0',
    'say (warn) promotion: the order was not repeated, and is dropped; who has retired stays so',
  ],
  [
    'the order where it has retired for another, and parted: it stays so',
    () => order(wake({ retired: { by: 'b', parted: { at: 4, gone: ['c'] } } }), NOW_MS, GONE),
    'write #1 retired for a, and parted at 4',
    'say (warn) promotion: fencing the members that are left gone=b, c',
  ],
  [
    'it is asked to retire',
    () => last(wake({ chosen: 2, applied: 2 }), (replica) => hear(replica, 'b', retire(3), NOW_MS)),
    'write #1 retired for b',
    'send b: retired from=3 chosen=2 known=2 floor=0 accepted={} upTo=- why=-, once #1 is written',
  ],
  [
    'it is asked to retire for another one than before',
    () => last(wake(retiredFor('c')), (replica) => hear(replica, 'b', retire(), NOW_MS)),
    'write #1 retired for b',
    'send b: retired from=1 chosen=0 known=0 floor=0 accepted={} upTo=- why=-, once #1 is written',
  ],
  [
    'it is asked to retire, and has voted: from the slot on that is asked for',
    () =>
      last(
        wake({
          firstLogSlot: 2,
          floorMembers: STATE,
          chosen: 1,
          applied: 1,
          accepted: [2, 3].map((slot) => ({ slot, ballot: ballotOf(5, 'b'), value: batch(`v${slot}`) })),
        }),
        (replica) => hear(replica, 'b', retire(3), NOW_MS),
      ),
    'write #1 retired for b',
    'send b: retired from=3 chosen=1 known=1 floor=1 accepted={3 5@b v3} upTo=- why=-, once #1 is written',
  ],
  [
    'it is asked to retire while it is promoted itself',
    () => last(ordered(), (replica) => hear(replica, 'b', retire(), NOW_MS)),
    'send b: retired from=1 chosen=0 known=0 floor=0 accepted={} upTo=- why=it is being promoted itself',
  ],
  [
    'it is asked to retire where it has parted',
    () =>
      last(wake({ retired: { by: 'a', parted: { at: 0, gone: ['c'] } } }), (replica) =>
        hear(replica, 'b', retire(), NOW_MS),
      ),
    'send b: retired from=1 chosen=0 known=0 floor=0 accepted={} upTo=- why=it is being promoted itself',
  ],
  [
    'it is asked to retire where there is a master',
    () =>
      last(
        made(wake(), (replica) => (replica.grant = { ballot: ballotOf(5, 'c'), untilMs: NOW_MS + 1 })),
        (replica) => hear(replica, 'b', retire(), NOW_MS),
      ),
    'send b: retired from=1 chosen=0 known=0 floor=0 accepted={} upTo=- why=c is master, as far as it knows',
  ],
  [
    'what was merely accepted is taken: it has parted before',
    () =>
      takes(
        ordered(),
        told({ accepted: [{ slot: 1, ballot: ballotOf(5, 'b'), value: batch('v1') }] }),
      ) as never,
    'send b, c: ask chosen=0 no-votes no-eligible isRetired echo=0',
    'write #2 retired for a, and parted at 0',
    'say (warn) promotion: what was merely accepted is taken slots=1.. gone=c',
    'write #3 learn 1 v1 chosen=1',
    'apply 1 v1 members=[a0 b0 c0]',
  ],
]);

test('a report counts where it is of the life that votes, and asked for by this order', () => {
  const reports = (message: Message, incarnation = lifeOf('b')): unknown => {
    const replica = ordered();
    step(replica, { kind: 'message', from: 'b', incarnation, message, nowMs: NOW_MS });
    return [replica.promotion?.reports.has('b'), replica.promotion?.refusals.get('b')];
  };
  assert.equal(reports(told()), [true, undefined]);
  assert.equal(reports(told({ from: 2 })), [false, undefined], 'it begins too late');
  assert.equal(reports(told({ why: 'no' })), [false, 'no']);
  assert.equal(reports(told(), OTHER_LIFE), [
    false,
    'it answers in another life than the one that votes: stop it first, and say that its home is gone',
  ]);
});

test('a report is more than a refusal before it; what it knows is known from then on', () => {
  const replica = ordered((each) => hear(each, 'b', told({ why: 'no' }), NOW_MS));
  hear(replica, 'b', told({ chosen: 3, known: 5, floor: 1, upTo: 7 }), NOW_MS);
  assert.is(replica.promotion?.refusals.size, 0);
  assert.is(replica.watermark, 5);
  assert.equal(replica.holders.get('b'), { chosen: 3, heardMs: NOW_MS });
  const { incarnation, floor, upTo } = replica.promotion?.reports.get('b') ?? {};
  assert.equal([incarnation, floor, upTo], [lifeOf('b'), 1, 7]);
  hear(replica, 'b', told({ chosen: 3, known: 4 }), NOW_MS);
  assert.is(replica.watermark, 5);
});

test('an answer where nobody is promoted is nothing', () => {
  const replica = wake();
  assert.equal(hear(replica, 'b', told({ known: 5 }), NOW_MS), []);
  assert.is(replica.watermark, 0);
});

test('what another holds is fetched', () => {
  const replica = ordered();
  assert.equal(sentTo(hear(replica, 'b', told({ chosen: 3, known: 3 }), NOW_MS), 'b'), [
    { kind: 'fetch', cluster: CLUSTER, from: 1, request: 1 },
  ]);
});

test('the wait for leases begins when all have reported, and once', () => {
  const replica = ordered();
  tick(replica, NOW_MS);
  assert.is(replica.promotion?.reportedMs, null);
  hear(replica, 'b', told(), NOW_MS + 500);
  tick(replica, NOW_MS + 600);
  assert.is(replica.promotion?.reportedMs, NOW_MS + 500);
  const promoted = (nowMs: number) => tick(replica, nowMs).filter(({ kind }) => kind === 'promoted').length;
  assert.is(promoted(NOW_MS + 500 + LEASE_MS + 19), 0);
  assert.is(promoted(NOW_MS + 500 + LEASE_MS + 20), 1);
  assert.equal(tick(replica, NOW_MS + 9000), [], 'whatever comes then changes nothing');
});

test('who holds nothing, where nobody who is left does either, is no survivor', () => {
  const replica = wake({ firstLogSlot: 3, floorMembers: STATE });
  for (let nowMs = NOW_MS; nowMs <= NOW_MS + 2000; nowMs += 500) {
    step(replica, { kind: 'promote', gone: GONE, loseFrom: 1, nowMs });
    sync(replica, nowMs);
    tick(replica, nowMs);
  }
  assert.is(replica.promotion?.isDone, false);
  assert.match(waitsFor(replica, NOW_MS + 2000) ?? '', /this node holds nothing.*restore a backup/);
});

test('a report that ended early is asked for again once all of it is taken', () => {
  const ballot = ballotOf(5, 'b');
  const accepted = [1, 2].map((slot) => ({ slot, ballot, value: batch(`v${slot}`) }));
  const ended = (upTo: number | null): boolean => {
    const replica = ordered();
    takes(replica, told({ accepted, upTo }));
    assert.is(replica.chosen, upTo === 1 ? 1 : 2);
    return replica.promotion?.reports.has('b') === false;
  };
  assert.ok(ended(2));
  assert.ok(ended(1));
  assert.not(ended(null));
});

test('no more is taken than may wait to be applied', () => {
  const ballot = ballotOf(5, 'b');
  const accepted = Array.from({ length: UNAPPLIED_MAX + 2 }, (_, n) => ({
    ...{ slot: n + 1, ballot },
    value: batch('v'),
  }));
  const replica = ordered();
  takes(replica, told({ accepted }));
  assert.is(replica.chosen, UNAPPLIED_MAX);
  step(replica, { kind: 'applied', slot: UNAPPLIED_MAX, nowMs: NOW_MS + LEASE_MS + 30 });
  assert.is(replica.chosen, UNAPPLIED_MAX + 2);
  assert.equal(replica.retired?.parted, { at: 0, gone: ['c'] }, 'it has parted once');
});

test.run();

/** The acceptor's rules, over every relation of ballots and every state of a slot. Names after "Paxos Made Simple". */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Effect } from '../../../node/paxos/contract.ts';
import type { Message } from '../../../node/paxos/messages.ts';
import { type Replica, step } from '../../../node/paxos/step.ts';
import type { Ballot } from '../../../node/paxos/values.ts';
import { ballotOf, batch, CLUSTER, hear, LEASE_MS, sentTo, waitsForDisk, wake } from './rig.ts';
import { testWhole } from './whole.ts';

/** After the wait of a restarted node. */
const LATER_MS = 2 * LEASE_MS;
/** Node a has promised (5, b). */
const RELATIONS = {
  'a lower round': ballotOf(4, 'c'),
  'the same round of a lower node': ballotOf(5, 'a'),
  'the very ballot': ballotOf(5, 'b'),
  'the same round of a higher node': ballotOf(5, 'c'),
  'a higher round': ballotOf(6, 'c'),
} as const;
type Relation = keyof typeof RELATIONS;
const BELOW: readonly Relation[] = ['a lower round', 'the same round of a lower node'];

function prepare(ballot: Ballot): Message {
  return { kind: 'prepare', cluster: CLUSTER, ballot, from: 1 };
}

function accept(ballot: Ballot, slot: number, value = batch('new')): Message {
  return { kind: 'accept', cluster: CLUSTER, ballot, slot, value, chosen: 0 };
}

function heartbeat(ballot: Ballot, chosen = 0): Message {
  return { kind: 'heartbeat', cluster: CLUSTER, ballot, chosen, sentAtMs: 0 };
}

/** The one thing said to `from`; null for silence. */
function answer(replica: Replica, from: 'b' | 'c', message: Message, nowMs = LATER_MS): Message | null {
  const effects = hear(replica, from, message, nowMs);
  for (const kind of ['promise', 'accepted', 'granted'] as const) {
    assert.ok(waitsForDisk(effects, kind), `${kind} waits for its record`);
  }
  const said = sentTo(effects, from);
  assert.ok(said.length <= 1);
  return said[0] ?? null;
}

/** Phase 1b, with the lease that was granted before as the table's other side. */
const GRANTS = {
  'no lease is granted': null,
  'the lease is the candidate’s own': 'c',
  'another’s lease lasts': 'b',
  'another’s lease is over': 'b',
} as const;

for (const relation of Object.keys(RELATIONS) as Relation[]) {
  const ballot = RELATIONS[relation];
  const node = relation === 'the very ballot' ? 'b' : 'c';
  for (const grant of Object.keys(GRANTS) as (keyof typeof GRANTS)[]) {
    test(`P1a: prepare with ${relation}, ${grant}`, () => {
      const replica = wake();
      const holder = GRANTS[grant];
      const untilMs = grant === 'another’s lease is over' ? LATER_MS : LATER_MS + 1;
      if (holder !== null) replica.grant = { ballot: ballotOf(5, holder), untilMs };
      const said = answer(replica, node, prepare(ballot));
      if (BELOW.includes(relation)) {
        assert.equal(said, { kind: 'nack', cluster: CLUSTER, promised: ballotOf(5, 'b') });
        return;
      }
      const isRefused = relation !== 'the very ballot' && grant === 'another’s lease lasts';
      assert.is(said?.kind, isRefused ? undefined : 'promise');
      assert.equal(replica.promised, isRefused ? ballotOf(5, 'b') : ballot);
    });
  }
}

test('P1a: a promise reports every accepted value with its ballot, and what is chosen', () => {
  const accepted = [
    { slot: 3, ballot: ballotOf(2, 'c'), value: batch('old') },
    { slot: 5, ballot: ballotOf(5, 'b'), value: batch('newer') },
  ];
  const replica = wake({ accepted, chosen: 2, applied: 2, firstLogSlot: 2 });
  const said = answer(replica, 'c', prepare(ballotOf(6, 'c')));
  const told = { accepted, chosen: 2, floor: 1, upTo: null };
  assert.equal(said, { kind: 'promise', cluster: CLUSTER, ballot: ballotOf(6, 'c'), ...told });
});

test('a promise that would report too much says how far it got', () => {
  const accepted = [3, 4, 5].map((slot) => ({
    slot,
    ballot: ballotOf(2, 'c'),
    value: { kind: 'batch', bytes: new Uint8Array(15 * 1024 * 1024) } as const,
  }));
  const said = answer(wake({ accepted, chosen: 2, applied: 2 }), 'c', prepare(ballotOf(6, 'c')));
  assert.ok(said?.kind === 'promise');
  assert.equal([said.accepted.map(({ slot }) => slot), said.upTo], [[3, 4], 4]);
});

test('a member that has no vote promises nothing and grants nothing', () => {
  const replica = wake({ incarnation: 'z'.repeat(32) });
  assert.is(answer(replica, 'c', prepare(ballotOf(6, 'c'))), null);
  const said = answer(replica, 'c', heartbeat(ballotOf(6, 'c')));
  assert.ok(said?.kind === 'granted' && !said.votes);
  assert.is(replica.grant, null);
});

/** Phase 2b. The slot is what the table varies beside the ballot. */
const SLOTS = {
  'a slot that is free': { slot: 4, isVoted: true },
  'a slot accepted at a lower ballot': { slot: 3, isVoted: true },
  'a slot that is known chosen': { slot: 2, isVoted: false },
  'a slot far ahead': { slot: 10_000, isVoted: false },
} as const;

for (const relation of Object.keys(RELATIONS) as Relation[]) {
  for (const name of Object.keys(SLOTS) as (keyof typeof SLOTS)[]) {
    test(`P1b, P2: accept at ${relation}, in ${name}`, () => {
      const old = { slot: 3, ballot: ballotOf(1, 'c'), value: batch('old') };
      const replica = wake({ accepted: [old], chosen: 2, applied: 2 });
      const ballot = RELATIONS[relation];
      const { slot, isVoted } = SLOTS[name];
      const said = answer(replica, 'c', accept(ballot, slot));
      if (BELOW.includes(relation)) {
        assert.is(said?.kind, 'nack');
        assert.equal(replica.accepted.get(3), { ballot: old.ballot, value: old.value });
        return;
      }
      assert.equal(said, isVoted ? { kind: 'accepted', cluster: CLUSTER, ballot, slot } : null);
      assert.equal(replica.accepted.get(slot), isVoted ? { ballot, value: batch('new') } : undefined);
      if (isVoted) assert.equal(replica.promised, ballot, 'accepting is promising');
    });
  }
}

for (const relation of Object.keys(RELATIONS) as Relation[]) {
  test(`a heartbeat at ${relation}`, () => {
    const replica = wake();
    const ballot = RELATIONS[relation];
    const said = answer(replica, 'c', heartbeat(ballot));
    const isOld = BELOW.includes(relation);
    assert.is(said?.kind, isOld ? 'nack' : 'granted');
    assert.equal(replica.grant, isOld ? null : { ballot, untilMs: LATER_MS + LEASE_MS });
  });
}

/** The learner: only what was accepted at the ballot of the master that speaks is the chosen value for certain. */
const WATERMARKS = [
  { name: 'accepted at the master’s ballot: applied', at: ballotOf(6, 'c'), isApplied: true },
  { name: 'accepted at a lower ballot: fetched', at: ballotOf(5, 'b'), isApplied: false },
  { name: 'not accepted: fetched', at: null, isApplied: false },
];

for (const { name, at, isApplied } of WATERMARKS) {
  test(`accepted is not chosen; a slot that a watermark passes was ${name}`, () => {
    const accepted = at === null ? [] : [{ slot: 1, ballot: at, value: batch('x') }];
    const replica = wake({ accepted });
    const effects = hear(replica, 'c', heartbeat(ballotOf(6, 'c'), 1), LATER_MS);
    assert.is(effects.filter(({ kind }) => kind === 'apply').length, isApplied ? 1 : 0);
    assert.is(sentTo(effects, 'c').filter(({ kind }) => kind === 'fetch').length, isApplied ? 0 : 1);
  });
}

test('a peer reads from the log only once the last record of the slots is durable', () => {
  const replica = wake({ accepted: [{ slot: 1, ballot: ballotOf(5, 'b'), value: batch('superseded') }] });
  hear(replica, 'c', accept(ballotOf(6, 'c'), 1), LATER_MS);
  hear(replica, 'c', heartbeat(ballotOf(6, 'c'), 1), LATER_MS);
  const asked = hear(replica, 'b', { kind: 'fetch', cluster: CLUSTER, from: 1, request: 7 }, LATER_MS);
  assert.is(asked.filter(({ kind }) => kind === 'serveLog').length, 0);
  replica.syncedRecord = 0;
  const served = step(replica, { kind: 'synced', record: replica.nextRecord - 1, nowMs: LATER_MS });
  assert.equal(
    served.filter(({ kind }) => kind === 'serveLog'),
    [{ kind: 'serveLog', to: 'b', from: 1, upTo: 1, request: 7 }],
  );
});

// ── All that is asked for ────────────────────────────────────────────────────────────────────────────────────

/** Node a under a lease that it granted to b. */
function leased(): Replica {
  const replica = wake();
  hear(replica, 'b', heartbeat(ballotOf(5, 'b')), LATER_MS);
  return replica;
}

/** What node c says is heard. */
function said(replica: Replica, message: Message): readonly Effect[] {
  return hear(replica, 'c', message, LATER_MS);
}

testWhole([
  [
    'it would promise',
    () => said(wake(), { kind: 'canvass', cluster: CLUSTER, chosen: 0 }),
    'send c: favour granted promised=5@b chosen=0',
  ],
  [
    'it would not, since another one has its lease',
    () => said(leased(), { kind: 'canvass', cluster: CLUSTER, chosen: 0 }),
    'send c: favour no-granted promised=5@b chosen=0',
  ],
  [
    'a canvass of one that holds more',
    () => said(wake(), { kind: 'canvass', cluster: CLUSTER, chosen: 3 }),
    'send c: fetch from=1 request=1',
    'send c: favour granted promised=5@b chosen=0',
  ],
  [
    'a prepare at a higher ballot',
    () => said(wake(), prepare(ballotOf(6, 'c'))),
    'write #1 promise 6@c',
    'send c: promise 6@c accepted={} chosen=0 floor=0 upTo=-, once #1 is written',
  ],
  ['a prepare at a lower one', () => said(wake(), prepare(ballotOf(4, 'c'))), 'send c: nack promised=5@b'],
  [
    'a prepare at the ballot that is promised',
    () => hear(wake(), 'b', prepare(ballotOf(5, 'b')), LATER_MS),
    'send b: promise 5@b accepted={} chosen=0 floor=0 upTo=-',
  ],
  ['a prepare while another one has its lease', () => said(leased(), prepare(ballotOf(6, 'c')))],
  [
    'a prepare where something was accepted',
    () =>
      said(
        wake({
          accepted: [{ slot: 3, ballot: ballotOf(5, 'b'), value: batch('three') }],
          chosen: 2,
          applied: 2,
        }),
        prepare(ballotOf(6, 'c')),
      ),
    'write #1 promise 6@c',
    'send c: promise 6@c accepted={3 5@b three} chosen=2 floor=0 upTo=-, once #1 is written',
  ],
  [
    'an accept at a higher ballot',
    () => said(wake(), accept(ballotOf(6, 'c'), 1)),
    'write #1 accept 1 6@c new chosen=0',
    'send c: accepted 6@c 1, once #1 is written',
  ],
  [
    'an accept at the ballot that is promised',
    () => hear(wake(), 'b', accept(ballotOf(5, 'b'), 1), LATER_MS),
    'write #1 accept 1 5@b new chosen=0',
    'send b: accepted 5@b 1, once #1 is written',
  ],
  ['an accept at a lower one', () => said(wake(), accept(ballotOf(4, 'c'), 1)), 'send c: nack promised=5@b'],
  [
    'an accept in a slot that is known chosen',
    () => said(wake({ chosen: 2, applied: 2 }), accept(ballotOf(6, 'c'), 2)),
  ],
  [
    'a heartbeat of a new master',
    () => said(wake(), heartbeat(ballotOf(6, 'c'))),
    'write #1 promise 6@c',
    'send c: granted 6@c sentAtMs=0 chosen=0 applied=0 votes eligible, once #1 is written',
  ],
  [
    'a heartbeat of the master that it follows',
    () => hear(leased(), 'b', heartbeat(ballotOf(5, 'b')), LATER_MS),
    'send b: granted 5@b sentAtMs=0 chosen=0 applied=0 votes eligible',
  ],
  [
    'a heartbeat at a lower ballot',
    () => said(wake(), heartbeat(ballotOf(4, 'c'))),
    'send c: nack promised=5@b',
  ],
  [
    'a heartbeat that tells of chosen slots, accepted at its ballot and not',
    () =>
      said(
        wake({
          accepted: [
            { slot: 1, ballot: ballotOf(6, 'c'), value: batch('one') },
            { slot: 2, ballot: ballotOf(5, 'b'), value: batch('two') },
          ],
        }),
        heartbeat(ballotOf(6, 'c'), 2),
      ),
    'write #1 promise 6@c',
    'apply 1 one members=[a0 b0 c0]',
    'send c: granted 6@c sentAtMs=0 chosen=1 applied=0 votes eligible, once #1 is written',
    'send c: fetch from=2 request=1',
  ],
  [
    'a heartbeat, without a vote',
    () => said(wake({ incarnation: 'z'.repeat(32) }), heartbeat(ballotOf(6, 'c'))),
    'send c: granted 6@c sentAtMs=0 chosen=0 applied=0 no-votes no-eligible',
  ],
  [
    'a release',
    () =>
      hear(
        leased(),
        'b',
        { kind: 'release', cluster: CLUSTER, ballot: ballotOf(5, 'b'), successor: '' },
        LATER_MS,
      ),
  ],
]);

test.run();

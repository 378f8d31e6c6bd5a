/** What is chosen: when it is applied, fetched, served, and replaced by a snapshot. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Effect } from '../../../node/paxos/contract.ts';
import { fetchMissing } from '../../../node/paxos/learner.ts';
import type { Message } from '../../../node/paxos/messages.ts';
import { mayVote } from '../../../node/paxos/replica.ts';
import { type Replica, step } from '../../../node/paxos/step.ts';
import type { MembersState, Value } from '../../../node/paxos/values.ts';
import {
  ballotOf,
  batch,
  CLUSTER,
  elect,
  hear,
  LEASE_MS,
  lifeOf,
  type Name,
  STATE,
  sentTo,
  tick,
  wake,
} from './rig.ts';
import { testWhole } from './whole.ts';

const NOW_MS = 5 * LEASE_MS;
const FETCH_MS = 500;

type Entries = Extract<Message, { kind: 'entries' }>;
const entriesOf = (request: number, slots: readonly number[], more: Partial<Entries> = {}): Entries => {
  const entries = slots.map((slot) => ({ slot, value: batch(`v${slot}`) }));
  return { kind: 'entries', request, entries, firstLogSlot: 1, chosen: 10, ...more };
};

function textOf(value: Value): string {
  return value.kind === 'batch' ? Buffer.from(value.bytes).toString() : value.kind;
}

function applied(effects: readonly Effect[]): [number, string][] {
  return effects.flatMap((effect) =>
    effect.kind === 'apply' ? [[effect.slot, textOf(effect.value)]] : [],
  ) as [number, string][];
}

/** Slots from which `to` was asked. */
function fetched(effects: readonly Effect[], to: Name = 'b'): number[] {
  return sentTo(effects, to).flatMap((message) => (message.kind === 'fetch' ? [message.from] : []));
}

/** What is asked of b, which holds everything up to `theirs`. */
function asksFor(replica: Replica, theirs: number, nowMs = NOW_MS): number[] {
  const out: Effect[] = [];
  fetchMissing(replica, out, 'b', theirs, nowMs);
  return fetched(out);
}

/** Node a has asked b for everything from slot 1 on, which is question 1. */
function fetching(): Replica {
  const replica = wake();
  assert.equal(asksFor(replica, 10), [1]);
  return replica;
}

// ── Watermarks ───────────────────────────────────────────────────────────────────────────────────────────────

test('slots are applied in their order, as far as they were accepted at the master’s ballot', () => {
  const at = (slot: number, round: number): object => ({
    slot,
    ballot: ballotOf(round, 'c'),
    value: batch(`v${slot}`),
  });
  const accepted = [at(1, 6), at(2, 6), at(3, 5), at(4, 6)] as never[];
  const replica = wake({ accepted });
  const heartbeat: Message = {
    kind: 'heartbeat',
    cluster: CLUSTER,
    ballot: ballotOf(6, 'c'),
    chosen: 4,
    sentAtMs: 0,
  };
  const effects = hear(replica, 'c', heartbeat, NOW_MS);
  assert.equal(applied(effects), [
    [1, 'v1'],
    [2, 'v2'],
  ]);
  assert.equal(fetched(effects, 'c'), [3]);
  assert.is(replica.watermark, 4);
  assert.equal([...replica.accepted.keys()], [3, 4]);
});

test('no more is applied than the master says', () => {
  const accepted = [1, 2].map((slot) => ({ slot, ballot: ballotOf(6, 'c'), value: batch(`v${slot}`) }));
  const replica = wake({ accepted });
  const message: Message = {
    kind: 'accept',
    cluster: CLUSTER,
    ballot: ballotOf(6, 'c'),
    slot: 3,
    value: batch('v3'),
    chosen: 1,
  };
  assert.equal(applied(hear(replica, 'c', message, NOW_MS)), [[1, 'v1']]);
});

test('(!) what the own log recorded as chosen follows once the gap before it is filled', () => {
  const accepted = [2, 3, 4].map((slot) => ({ slot, ballot: ballotOf(5, 'b'), value: batch(`v${slot}`) }));
  const replica = wake({ accepted, chosen: 3 });
  assert.is(replica.chosen, 0);
  asksFor(replica, 10);
  assert.equal(applied(hear(replica, 'b', entriesOf(1, [1]), NOW_MS)), [
    [1, 'v1'],
    [2, 'v2'],
    [3, 'v3'],
  ]);
  assert.equal([...replica.accepted.keys()], [4]);
});

// ── Fetching ─────────────────────────────────────────────────────────────────────────────────────────────────

test('it asks who holds more, one question at a time, again where none was answered', () => {
  const replica = wake({ chosen: 4, applied: 4 });
  assert.equal(asksFor(replica, 4), []);
  assert.equal(asksFor(replica, 5), [5]);
  assert.equal(asksFor(replica, 5, NOW_MS + FETCH_MS - 1), []);
  assert.equal(asksFor(replica, 5, NOW_MS + FETCH_MS), [5]);
  assert.is(replica.fetching?.request, 2, 'each question has a number of its own');
});

test('it asks for nothing while a store is copied, or too much waits to be applied', () => {
  const copying = wake();
  copying.installing = 'c';
  assert.equal(asksFor(copying, 5), []);
  const slow = wake();
  slow.chosen = 256;
  assert.equal(asksFor(slow, 300), [257]);
  const slower = wake();
  slower.chosen = 257;
  assert.equal(asksFor(slower, 300), []);
});

test('answers are learnt in slot order, durably, and the next question follows', () => {
  const replica = fetching();
  const effects = hear(replica, 'b', entriesOf(1, [1, 2, 4]), NOW_MS);
  assert.equal(applied(effects), [
    [1, 'v1'],
    [2, 'v2'],
  ]);
  assert.equal(
    effects.flatMap((effect) => (effect.kind === 'persist' ? [effect.entry] : [])),
    [1, 2].map((slot) => ({ kind: 'learn', slot, value: batch(`v${slot}`), chosen: slot })),
  );
  assert.equal(fetched(effects), [3]);
  assert.is(replica.watermark, 10);
  assert.equal(replica.holders.get('b'), { chosen: 10, heardMs: NOW_MS });
});

test('a stray or doubled answer is ignored', () => {
  const replica = fetching();
  assert.equal(hear(replica, 'b', entriesOf(2, [1]), NOW_MS), [], 'another question');
  assert.equal(hear(replica, 'c', entriesOf(1, [1]), NOW_MS), [], 'another node');
  hear(replica, 'b', entriesOf(1, [1]), NOW_MS);
  assert.equal(hear(replica, 'b', entriesOf(1, [2]), NOW_MS), [], 'doubled');
  assert.is(replica.chosen, 1);
});

test('members tell each other what they hold, without a master; a master learns by choosing', () => {
  const canvass: Message = { kind: 'canvass', cluster: CLUSTER, chosen: 3 };
  const follower = wake();
  assert.equal(fetched(hear(follower, 'b', canvass, NOW_MS)), [1]);
  assert.is(follower.watermark, 3);
  assert.equal(follower.holders.get('b'), { chosen: 3, heardMs: NOW_MS });
  const level = wake({ chosen: 3, applied: 3 });
  assert.equal(fetched(hear(level, 'b', canvass, NOW_MS)), []);
  const master = wake({ promised: ballotOf(5, 'a') });
  elect(master, NOW_MS, []);
  assert.equal(fetched(hear(master, 'b', { ...canvass, chosen: 9 }, NOW_MS)), []);
});

// ── Serving ──────────────────────────────────────────────────────────────────────────────────────────────────

test('who asks for more than there is hears so at once', () => {
  const replica = wake({ chosen: 4, applied: 4 });
  const ask = (from: number): Effect[] =>
    hear(replica, 'b', { kind: 'fetch', cluster: CLUSTER, from, request: 8 }, NOW_MS);
  assert.equal(sentTo(ask(5), 'b'), [
    { kind: 'entries', request: 8, entries: [], firstLogSlot: 0, chosen: 4 },
  ]);
  assert.equal(ask(4), [{ kind: 'serveLog', to: 'b', from: 4, upTo: 4, request: 8 }]);
});

test('of a peer that asks twice the last question is answered, once', () => {
  const replica = wake({ accepted: [{ slot: 1, ballot: ballotOf(5, 'b'), value: batch('v1') }], chosen: 1 });
  hear(
    replica,
    'c',
    { kind: 'accept', cluster: CLUSTER, ballot: ballotOf(6, 'c'), slot: 2, value: batch('v2'), chosen: 1 },
    NOW_MS,
  );
  for (const request of [1, 2])
    hear(replica, 'b', { kind: 'fetch', cluster: CLUSTER, from: 1, request }, NOW_MS);
  const synced = { kind: 'synced', record: replica.nextRecord - 1, nowMs: NOW_MS } as const;
  assert.equal(step(replica, synced), [{ kind: 'serveLog', to: 'b', from: 1, upTo: 1, request: 2 }]);
  assert.equal(step(replica, synced), []);
});

// ── Snapshots ────────────────────────────────────────────────────────────────────────────────────────────────

function installs(effects: readonly Effect[]): string[] {
  return effects.flatMap((effect) => (effect.kind === 'installSnapshot' ? [effect.from] : []));
}

test('a store is copied where the peer’s log no longer reaches back', () => {
  const replica = fetching();
  assert.equal(installs(hear(replica, 'b', entriesOf(1, [], { firstLogSlot: 2 }), NOW_MS)), ['b']);
  assert.is(replica.installing, 'b');
});

const NO_COPY: { readonly [why: string]: Partial<Entries> } = {
  'its log reaches back': { firstLogSlot: 1 },
  'it holds no more': { firstLogSlot: 2, chosen: 0 },
};
for (const [why, more] of Object.entries(NO_COPY)) {
  test(`no store is copied where ${why}`, () => {
    assert.equal(installs(hear(fetching(), 'b', entriesOf(1, [], more), NOW_MS)), []);
  });
}

test('no store is copied where anything came from the log', () => {
  assert.equal(installs(hear(fetching(), 'b', entriesOf(1, [1], { firstLogSlot: 5 }), NOW_MS)), []);
});

test('no store is copied before the log durably knows its cluster', () => {
  const replica = fetching();
  replica.founded = { state: STATE, genesis: new Uint8Array(0), record: 1 };
  assert.equal(installs(hear(replica, 'b', entriesOf(1, [], { firstLogSlot: 2 }), NOW_MS)), []);
  replica.syncedRecord = 1;
  asksFor(replica, 10, NOW_MS + FETCH_MS);
  assert.equal(installs(hear(replica, 'b', entriesOf(2, [], { firstLogSlot: 2 }), NOW_MS)), ['b']);
});

function install(replica: Replica, slot: number, members: MembersState = STATE): Effect[] {
  replica.installing = 'b';
  return step(replica, { kind: 'snapshotInstalled', slot, members, nowMs: NOW_MS });
}

test('a snapshot takes the place of everything up to its slot, on the record', () => {
  const accepted = [3, 5, 6].map((slot) => ({ slot, ballot: ballotOf(5, 'b'), value: batch(`v${slot}`) }));
  const replica = wake({ accepted });
  const members = { ...STATE, members: STATE.members.slice(0, 2) };
  const effects = install(replica, 5, members);
  assert.equal(effects.flatMap((effect) => (effect.kind === 'persist' ? [effect.entry] : []))[0], {
    kind: 'snapshot',
    slot: 5,
    members,
  });
  assert.equal([replica.chosen, replica.applied, replica.watermark], [5, 5, 5]);
  assert.equal([...replica.accepted.keys()], [6]);
  assert.equal(replica.members, members);
  assert.is(replica.installing, null);
});

test('a snapshot of no more than is held changes nothing', () => {
  const replica = wake({ chosen: 5, applied: 5 });
  assert.equal(install(replica, 5), []);
  assert.is(replica.installing, null);
  replica.installing = 'b';
  step(replica, { kind: 'snapshotFailed', from: 'b', nowMs: NOW_MS });
  assert.is(replica.installing, null);
});

test('what the own log recorded as chosen follows a snapshot', () => {
  const accepted = [{ slot: 6, ballot: ballotOf(5, 'b'), value: batch('v6') }];
  assert.equal(applied(install(wake({ accepted, chosen: 6 }), 5)), [[6, 'v6']]);
});

test('(!) a snapshot entitles a life that was added, never one whose former life is known', () => {
  const newLife = 'n'.repeat(32);
  const listed = { ...STATE, members: [{ node: 'a', incarnation: newLife }, ...STATE.members.slice(1)] };
  const votes = (members: MembersState): boolean => {
    const replica = wake({ incarnation: newLife });
    install(replica, 5, members);
    return mayVote(replica);
  };
  assert.equal(
    [votes(listed), votes({ ...listed, superseded: [{ node: 'a', incarnation: lifeOf('a') }] })],
    [true, false],
  );
});

test('(!) who was elected while the copy was on its way steps down, and campaigns soon', () => {
  const replica = wake({ promised: ballotOf(5, 'a') });
  elect(replica, NOW_MS, []);
  step(replica, { kind: 'propose', id: 4, bytes: new Uint8Array(1), nowMs: NOW_MS });
  const effects = install(replica, 50);
  assert.is(replica.role.kind, 'following');
  assert.equal(
    effects.flatMap((effect) => (effect.kind === 'lost' ? effect.proposals : [])),
    [4],
  );
  assert.ok(replica.electionAtMs > NOW_MS && replica.electionAtMs < NOW_MS + LEASE_MS / 4);
  tick(replica, replica.electionAtMs);
  assert.is(replica.role.kind, 'canvassing');
});

test('what is known to be chosen somewhere is never less than before', () => {
  const replica = wake({ chosen: 9, applied: 3 });
  assert.is(replica.watermark, 9);
  const heartbeat: Message = {
    kind: 'heartbeat',
    cluster: CLUSTER,
    ballot: ballotOf(6, 'c'),
    chosen: 4,
    sentAtMs: 0,
  };
  hear(replica, 'c', heartbeat, NOW_MS);
  hear(replica, 'b', { kind: 'canvass', cluster: CLUSTER, chosen: 5 }, NOW_MS);
  replica.fetching = { request: 9, from: 'b', untilMs: NOW_MS };
  hear(replica, 'b', entriesOf(9, [4], { chosen: 4 }), NOW_MS);
  assert.is(replica.chosen, 4);
  install(replica, 6);
  assert.is(replica.watermark, 9);
});

test('a follower that was given a snapshot goes on as before', () => {
  const replica = wake();
  const { electionAtMs } = replica;
  install(replica, 5);
  assert.is(replica.electionAtMs, electionAtMs);
  assert.is(replica.role.kind, 'following');
});

test('what waits to be applied is what is chosen and not applied yet', () => {
  const replica = wake({ chosen: 300, applied: 300 });
  assert.equal(asksFor(replica, 301), [301]);
});

test('whoever asks, canvasses or favours says what it holds', () => {
  const said: Message[] = [
    { kind: 'ask', cluster: CLUSTER, chosen: 3, votes: true, eligible: true, isRetired: false, echo: 0 },
    { kind: 'canvass', cluster: CLUSTER, chosen: 3 },
    { kind: 'favour', cluster: CLUSTER, granted: false, promised: ballotOf(5, 'b'), chosen: 3 },
  ];
  for (const message of said) assert.equal(fetched(hear(wake(), 'b', message, NOW_MS)), [1], message.kind);
});

// ── All that is asked for ────────────────────────────────────────────────────────────────────────────────────

testWhole([
  [
    'an answer to its question',
    () => hear(fetching(), 'b', entriesOf(1, [1, 2], { chosen: 2 }), NOW_MS),
    'write #1 learn 1 v1 chosen=1',
    'apply 1 v1 members=[a0 b0 c0]',
    'write #2 learn 2 v2 chosen=2',
    'apply 2 v2',
  ],
  [
    'an answer that is not all of it: the next question',
    () => hear(fetching(), 'b', entriesOf(1, [1, 2]), NOW_MS),
    'write #1 learn 1 v1 chosen=1',
    'apply 1 v1 members=[a0 b0 c0]',
    'write #2 learn 2 v2 chosen=2',
    'apply 2 v2',
    'send b: fetch from=3 request=2',
  ],
  ['an answer to another question', () => hear(fetching(), 'b', entriesOf(2, [1, 2]), NOW_MS)],
  ['an answer of somebody else', () => hear(fetching(), 'c', entriesOf(1, [1, 2]), NOW_MS)],
  [
    'an answer that begins behind a gap: a copy',
    () => hear(fetching(), 'b', entriesOf(1, [], { firstLogSlot: 5 }), NOW_MS),
    'copy the store of b',
  ],
  [
    'an answer that changes the list',
    () =>
      hear(
        fetching(),
        'b',
        {
          kind: 'entries',
          request: 1,
          entries: [{ slot: 1, value: { kind: 'removeMember', node: 'c' } }],
          firstLogSlot: 1,
          chosen: 1,
        },
        NOW_MS,
      ),
    'write #1 learn 1 remove c chosen=1',
    'say (info) member removed member=c.c0',
    'apply 1 remove c members=[a0 b0] over c0, c left',
  ],
  [
    'a question for what is held, durably',
    () =>
      hear(
        wake({ accepted: [], chosen: 3, applied: 3 }),
        'b',
        { kind: 'fetch', cluster: CLUSTER, from: 2, request: 7 },
        NOW_MS,
      ),
    'serve b slots 2 to 3 request=7',
  ],
  [
    'a question for more than is held',
    () =>
      hear(
        wake({ chosen: 3, applied: 3 }),
        'b',
        { kind: 'fetch', cluster: CLUSTER, from: 4, request: 7 },
        NOW_MS,
      ),
    'send b: entries request=7 entries={} firstLogSlot=0 chosen=3',
  ],
  [
    'a copy has come',
    () =>
      step(
        wake({
          accepted: [1, 2, 3].map((slot) => ({ slot, ballot: ballotOf(5, 'b'), value: batch(`v${slot}`) })),
        }),
        { kind: 'snapshotInstalled', slot: 2, members: STATE, nowMs: NOW_MS },
      ),
    'write #1 snapshot 2 [a0 b0 c0]',
    'write #2 supersede a: a0',
  ],
  [
    'a copy of no more than is held has come',
    () =>
      step(wake({ chosen: 3, applied: 3 }), {
        kind: 'snapshotInstalled',
        slot: 3,
        members: STATE,
        nowMs: NOW_MS,
      }),
  ],
  [
    'a copy has come, and the log knows what follows',
    () =>
      step(
        wake({
          accepted: [{ slot: 3, ballot: ballotOf(5, 'b'), value: batch('three') }],
          chosen: 3,
          firstLogSlot: 3,
        }),
        { kind: 'snapshotInstalled', slot: 2, members: STATE, nowMs: NOW_MS },
      ),
    'write #1 snapshot 2 [a0 b0 c0]',
    'write #2 supersede a: a0',
    'apply 3 three members=[a0 b0 c0]',
  ],
  ['a copy has failed', () => step(wake(), { kind: 'snapshotFailed', from: 'b', nowMs: NOW_MS })],
]);

test.run();

/**
 * When the home of a member that was emptied gets its vote back, clause by clause: each of these is the turn at which an
 * explicit-state model lost a chosen value without the clause. Chance meets them too rarely, so the schedules are
 * written by hand.
 */

import type { Effect } from '../../../node/paxos/contract.ts';
import { mayVote, votersOf } from '../../../node/paxos/replica.ts';
import { type Replica, step } from '../../../node/paxos/step.ts';
import type { MembersState, Value } from '../../../node/paxos/values.ts';
import {
  askAs,
  ballotOf,
  batch,
  CLUSTER,
  elect,
  hear,
  LEASE_MS,
  lifeOf,
  STATE,
  sentTo,
  sync,
  wake,
} from '../../node/paxos/rig.ts';
import { check } from '../base/violation.ts';

/** The life of a home that was emptied. */
const NEW = 'e'.repeat(32);
const LATER_MS = 2 * LEASE_MS;
const PAIR: MembersState = { ...STATE, members: STATE.members.filter(({ node }) => node !== 'c') };

function holds(condition: boolean, what: string): void {
  check(condition, 'admission', () => what);
}

function asks(replica: Replica, from: 'b' | 'c', nowMs: number): Effect[] {
  return askAs(replica, from, NEW, nowMs);
}

function admission(round: number): Extract<Value, { kind: 'admit' }> {
  return { kind: 'admit', node: 'c', incarnation: NEW, ballot: ballotOf(round, 'b') };
}

function isAdmission(value: Value): boolean {
  return value.kind === 'admit';
}

/** Node a as the empty home of a, which follows and has no vote yet. */
function emptied(): Replica {
  return wake({ incarnation: NEW, promised: ballotOf(5, 'b') });
}

/** What the master b says of slot 1, in which it, or an earlier one, proposed to admit the emptied home of a. */
function isAdmittedAt(round: number): boolean {
  const replica = emptied();
  const value: Value = { ...admission(6), node: 'a' };
  const ballot = ballotOf(round, 'b');
  hear(replica, 'b', { kind: 'accept', cluster: CLUSTER, ballot, slot: 1, value, chosen: 0 }, LATER_MS);
  holds(!mayVote(replica), 'a home votes though its admission is not even chosen');
  hear(replica, 'b', { kind: 'heartbeat', cluster: CLUSTER, ballot, chosen: 1, sentAtMs: 0 }, LATER_MS);
  sync(replica, LATER_MS);
  return mayVote(replica);
}

/** Node a canvasses, and prepares; c promises in its former life, and a has accepted an admission of the later one. */
function promisesOfFormerLife(): void {
  const accepted = [{ slot: 1, ballot: ballotOf(4, 'b'), value: admission(4) }];
  const replica = wake({ accepted, promised: ballotOf(5, 'a') });
  let nowMs = 0;
  for (; replica.role.kind !== 'canvassing'; nowMs += 10) step(replica, { kind: 'tick', nowMs, random: 0 });
  const favour = { kind: 'favour', cluster: CLUSTER, granted: true, chosen: 0 } as const;
  hear(replica, 'b', { ...favour, promised: ballotOf(5, 'a') }, nowMs);
  sync(replica, nowMs);
  const { promised: ballot } = replica;
  const isMasterBy = (from: 'b' | 'c'): boolean => {
    hear(
      replica,
      from,
      { kind: 'promise', cluster: CLUSTER, ballot, accepted: [], chosen: 0, floor: 0, upTo: null },
      nowMs,
    );
    return replica.role.kind === 'master';
  };
  holds(!isMasterBy('c'), 'the promise of a life that may have ended makes a master');
  holds(isMasterBy('b'), 'the promise of another member makes none');
}

/** Node a is elected where b reports a value in slot 3 alone, and the emptied home of c asks. */
function admittedAboveAll(): void {
  const replica = wake({ promised: ballotOf(5, 'a') });
  asks(replica, 'c', 0);
  const accepted = [{ slot: 3, ballot: ballotOf(4, 'b'), value: batch('x') }];
  const proposed = elect(replica, 10, accepted);
  const slot = proposed.findIndex(isAdmission) + 1;
  holds(slot === 0 || slot > 4, `a home is admitted in slot ${slot}, which phase 1 reported or passed over`);
}

/** Node a, elected with b, has proposed to admit the emptied home of c, which votes for that itself. */
function ownVoteIsNone(): void {
  const replica = wake({ promised: ballotOf(5, 'a') });
  asks(replica, 'c', 0);
  const proposed = elect(replica, 10, []);
  const slot = proposed.findIndex(isAdmission) + 1;
  holds(slot > 0, 'an emptied home that asks is admitted');
  const { promised: ballot, chosen } = replica;
  const vote = { kind: 'accepted', cluster: CLUSTER, ballot, slot } as const;
  sync(replica, 20);
  step(replica, { kind: 'message', from: 'c', incarnation: NEW, message: vote, nowMs: 20 });
  holds(replica.chosen === chosen, 'a home is admitted by its own vote');
  hear(replica, 'b', vote, 20);
  holds(replica.chosen === slot, 'and by that of another member');
}

/** A life that ended is named by an admission once more. */
function endedStaysEnded(): void {
  const ended = { node: 'c', incarnation: NEW };
  const replica = wake({ members: { ...STATE, superseded: [ended] } });
  const ballot = ballotOf(6, 'b');
  const accept = {
    kind: 'accept',
    cluster: CLUSTER,
    ballot,
    slot: 1,
    value: admission(6),
    chosen: 0,
  } as const;
  hear(replica, 'b', accept, LATER_MS);
  hear(replica, 'b', { kind: 'heartbeat', cluster: CLUSTER, ballot, chosen: 1, sentAtMs: 0 }, LATER_MS);
  const isBack = replica.members.members.some(({ incarnation }) => incarnation === NEW);
  holds(!isBack, 'a life that had ended is a member again');
}

/** Node a of two; the home of b was emptied and asks. */
function ofTwo(): { readonly replica: Replica; readonly effects: readonly Effect[] } {
  const accepted = [{ slot: 1, ballot: ballotOf(5, 'b'), value: batch('x') }];
  const founded = { state: PAIR, genesis: new Uint8Array(0) };
  const replica = wake({ founded, members: PAIR, accepted }, { wished: ['a', 'b'] });
  return { replica, effects: asks(replica, 'b', LATER_MS) };
}

function answeredOnceRecorded(): void {
  const { replica, effects } = ofTwo();
  const record = effects.find((effect) => effect.kind === 'persist')?.record ?? 0;
  const answer = effects.find((effect) => effect.kind === 'send' && effect.message.kind === 'adopted');
  holds(record > 0 && answer?.kind === 'send', 'of two, the other records the new life and answers it');
  holds(
    answer?.kind === 'send' && answer.after >= record,
    'of two, the new life is answered before it is recorded',
  );
  holds(
    votersOf(replica).every(({ incarnation }) => incarnation !== NEW),
    'it counts before it is recorded',
  );
}

function formerLifeIsIgnored(): void {
  const { replica } = ofTwo();
  sync(replica, LATER_MS);
  const ballot = ballotOf(9, 'b');
  const effects = hear(
    replica,
    'b',
    { kind: 'prepare', cluster: CLUSTER, ballot, from: 1 },
    LATER_MS + LEASE_MS,
  );
  holds(effects.length === 0, 'of two, a former life is heard although the new one is recorded');
}

function acceptedValuesAreTold(): void {
  const [answer] = sentTo(ofTwo().effects, 'b').filter(({ kind }) => kind === 'adopted');
  const isTold = answer?.kind === 'adopted' && answer.accepted.length === 1;
  holds(isTold, 'of two, the new life is not told what the other accepted');
}

/** A founding member that has joined; b has, and c has not yet. */
function waitsForAll(): void {
  const replica = wake({ promised: ballotOf(0, 'a'), members: null });
  const joined = { kind: 'joined', cluster: CLUSTER, active: false } as const;
  hear(replica, 'b', joined, 10);
  holds(!mayVote(replica), `${lifeOf('c')} has not joined, and others vote already`);
  hear(replica, 'c', joined, 20);
  holds(mayVote(replica), 'all have joined, and nobody votes');
}

/** An empty home hears an answer to a question of the life before it. */
function reportNamesWhoAsked(): void {
  const replica = wake({ incarnation: NEW, founded: null, members: null, promised: ballotOf(0, 'a') });
  const report = {
    kind: 'report',
    founded: null,
    active: false,
    chosen: 0,
    bootstrap: false,
    challenge: 0,
  } as const;
  hear(replica, 'b', { ...report, asker: lifeOf('a') }, 10);
  holds(replica.emptyHomes.size === 0, 'an empty home believes an answer to its former life');
  hear(replica, 'b', { ...report, asker: NEW }, 20);
  holds(replica.emptyHomes.size === 1, 'it believes an answer to itself');
}

/** A home without a vote is asked for its promise, and time goes by. */
function emptyHomeIsSilent(): void {
  const replica = emptied();
  const ballot = ballotOf(6, 'b');
  hear(replica, 'b', { kind: 'prepare', cluster: CLUSTER, ballot, from: 1 }, LATER_MS);
  holds(replica.promised.round === 5, 'an empty home promises');
  for (let nowMs = LATER_MS; nowMs < 2 * LATER_MS; nowMs += 10)
    step(replica, { kind: 'tick', nowMs, random: 0 });
  holds(replica.role.kind === 'following', 'an empty home campaigns');
}

export type Rule = { readonly clause: string /** @throws Violation */; run(): void };

export const RULES: readonly Rule[] = [
  { clause: 'an empty home neither votes nor campaigns', run: emptyHomeIsSilent },
  {
    clause: 'it votes once the admission is chosen, at the ballot that the admission names, and applied',
    run: () => {
      holds(isAdmittedAt(6), 'a home that was admitted does not vote');
      holds(!isAdmittedAt(7), 'a home votes after an admission that a later master adopted');
    },
  },
  {
    clause: 'an admission is proposed above every slot that phase 1 reported, never in a hole',
    run: admittedAboveAll,
  },
  { clause: 'its vote does not count for its admission', run: ownVoteIsNone },
  { clause: 'a life that was superseded is never admitted again', run: endedStaysEnded },
  {
    clause: 'promises of a life with a later admission, be it merely accepted, do not count',
    run: promisesOfFormerLife,
  },
  { clause: 'of two, the other durably records the new life before it answers', run: answeredOnceRecorded },
  { clause: 'of two, the other ignores the former life from then on', run: formerLifeIsIgnored },
  { clause: 'of two, the other tells what it accepted', run: acceptedValuesAreTold },
  { clause: 'nobody votes before all founding members have joined', run: waitsForAll },
  { clause: 'a report names the life that asked', run: reportNamesWhoAsked },
];

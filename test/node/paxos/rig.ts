/** One member of three, a, b and c, put by hand into the state that a rule is about. */

import type { Effect, Recovered, ReplicaConfig } from '../../../node/paxos/contract.ts';
import type { AcceptedEntry, Message } from '../../../node/paxos/messages.ts';
import { createReplica, type Replica, step } from '../../../node/paxos/step.ts';
import type { Ballot, MembersState, Value } from '../../../node/paxos/values.ts';

export const LEASE_MS = 1000;
export const CLUSTER = 'x'.repeat(32);
export type Name = 'a' | 'b' | 'c';

/** The life of a node in these tests. */
export function lifeOf(node: Name): string {
  return node.repeat(32);
}

export const STATE: MembersState = {
  cluster: CLUSTER,
  members: (['a', 'b', 'c'] as const).map((node) => ({ node, incarnation: lifeOf(node) })),
  superseded: [],
};

export function ballotOf(round: number, node: Name): Ballot {
  return { round, node: `${node}.${lifeOf(node).slice(0, 12)}` };
}

export function batch(text: string): Value {
  return { kind: 'batch', bytes: new TextEncoder().encode(text) };
}

/** Node a, awake since time 0 with what its disk held; `promised` by a itself unless said otherwise, so that it need not wait. */
export function wake(recovered: Partial<Recovered> = {}, config: Partial<ReplicaConfig> = {}): Replica {
  const replica = createReplica(
    {
      node: 'a',
      wished: ['a', 'b', 'c'],
      leaseMs: LEASE_MS,
      driftMs: 20,
      windowMax: 16,
      bootstrap: false,
      genesis: new Uint8Array(0),
      forcedMaster: null,
      preferredMasters: [],
      learners: [],
      ...config,
    },
    {
      incarnation: lifeOf('a'),
      founded: { state: STATE, genesis: new Uint8Array(0) },
      promised: ballotOf(5, 'b'),
      accepted: [],
      chosen: 0,
      superseded: [],
      applied: 0,
      members: STATE,
      firstLogSlot: 1,
      floorMembers: null,
      ...recovered,
    },
  );
  step(replica, { kind: 'start', nowMs: 0, random: 0, freshIncarnation: '' });
  return replica;
}

/** Lets the replica hear a message of that node's present life. */
export function hear(replica: Replica, from: Name, message: Message, nowMs: number): Effect[] {
  return step(replica, { kind: 'message', from, incarnation: lifeOf(from), message, nowMs });
}

/** A home without a vote asks, in a life of its own, and repeats what the answer tells it to; what came of it. */
export function askAs(replica: Replica, from: Name, incarnation: string, nowMs: number): Effect[] {
  const ask = (echo: number): Effect[] => {
    const message: Message = {
      kind: 'ask',
      cluster: '',
      chosen: 0,
      votes: false,
      eligible: false,
      isRetired: false,
      echo,
    };
    return step(replica, { kind: 'message', from, incarnation, message, nowMs });
  };
  const [report] = sentTo(ask(0), from);
  return ask(report?.kind === 'report' ? report.challenge : 0);
}

/** Time passes: it is `nowMs`. */
export function tick(replica: Replica, nowMs: number): Effect[] {
  return step(replica, { kind: 'tick', nowMs, random: 0 });
}

/** Everything asked for so far is durable. */
export function sync(replica: Replica, nowMs: number): Effect[] {
  return step(replica, { kind: 'synced', record: replica.nextRecord - 1, nowMs });
}

/** What was sent to a node. */
export function sentTo(effects: readonly Effect[], to: Name): Message[] {
  return effects.flatMap((effect) => (effect.kind === 'send' && effect.to === to ? [effect.message] : []));
}

/** Whether every send of this kind waits for the last record that was asked for. */
export function waitsForDisk(effects: readonly Effect[], kind: Message['kind']): boolean {
  const records = effects.flatMap((effect) => (effect.kind === 'persist' ? [effect.record] : []));
  const last = records.at(-1) ?? 0;
  return effects.every(
    (effect) => effect.kind !== 'send' || effect.message.kind !== kind || effect.after >= last,
  );
}

/** The values that a master writes into its own log as it proposes them. */
export function proposedIn(effects: readonly Effect[]): Value[] {
  return effects.flatMap((effect) =>
    effect.kind === 'persist' && effect.entry.kind === 'accept' ? [effect.entry.value] : [],
  );
}

/**
 * Node a wins an election with the votes of b, which reports `accepted`; everything is durable at once, and b votes for
 * all of it. Returns what was proposed, in the order of slots.
 */
export function elect(replica: Replica, fromMs: number, accepted: readonly AcceptedEntry[]): Value[] {
  const proposed: Value[] = [];
  const note = (effects: readonly Effect[]): void => {
    proposed.push(...proposedIn(effects));
  };
  let nowMs = fromMs;
  for (; replica.role.kind !== 'canvassing'; nowMs += 10) note(tick(replica, nowMs));
  const promised = replica.promised;
  note(hear(replica, 'b', { kind: 'favour', cluster: CLUSTER, granted: true, promised, chosen: 0 }, nowMs));
  note(sync(replica, nowMs));
  const ballot = replica.promised;
  note(
    hear(
      replica,
      'b',
      { kind: 'promise', cluster: CLUSTER, ballot, accepted: [...accepted], chosen: 0, floor: 0, upTo: null },
      nowMs,
    ),
  );
  note(sync(replica, nowMs));
  // Its no-op comes after what was adopted.
  const last = Math.max(0, ...accepted.map(({ slot }) => slot)) + 1;
  for (let slot = 1; slot <= last; slot += 1) {
    note(hear(replica, 'b', { kind: 'accepted', cluster: CLUSTER, ballot, slot }, nowMs));
  }
  note(sync(replica, nowMs));
  note(tick(replica, nowMs + 10));
  return proposed;
}

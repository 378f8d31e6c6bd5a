/** Phase 1: asking for promises, and what a set of them proves. */
import type { Effect } from './contract.ts';
import { isSuperseded } from './members.ts';
import type { AcceptedEntry } from './messages.ts';
import { lifeOf, newestOf, type Promised, quorumOf, type Replica, send, votersOf } from './replica.ts';
import {
  type Ballot,
  compareBallots,
  type Incarnation,
  type NodeName,
  type Slot,
  type Value,
} from './values.ts';

/** Asks `node` for its promise. */
export function sendPrepare(replica: Replica, out: Effect[], ballot: Ballot, node: NodeName): void {
  const { cluster } = replica.members;
  send(out, node, { kind: 'prepare', cluster, ballot, from: replica.chosen + 1 }, replica.promisedRecord);
}

/**
 * Whether a quorum of the members in force has promised, leaving out lives that are known to have ended, and those whose
 * logs have dropped what this node itself does not hold: they have forgotten what they voted there.
 */
export function hasQuorum(replica: Replica, promises: ReadonlyMap<NodeName, Promised>): boolean {
  const ended = endedLives(replica, promises);
  const lives = new Map<NodeName, Incarnation>();
  for (const [node, { incarnation, floor, upTo }] of promises) {
    const remembers = floor <= replica.chosen && upTo === null;
    if (remembers && !ended.has(lifeOf({ node, incarnation }))) lives.set(node, incarnation);
  }
  return countVoters(replica, lives) >= quorumOf(replica);
}

/** What phase 1 found above `chosen`: per slot the value of the highest ballot, holes filled with no-ops. */
export function valuesToAdopt(
  promises: ReadonlyMap<NodeName, Promised>,
  above: Slot,
): { slot: Slot; value: Value }[] {
  const best = highestReported(promises, above);
  const highest = Math.max(above, ...best.keys());
  const values: { slot: Slot; value: Value }[] = [];
  for (let slot = above + 1; slot <= highest; slot += 1) {
    values.push({ slot, value: best.get(slot)?.value ?? { kind: 'noop' } });
  }
  return values;
}

export function admissionsIn(accepted: readonly AcceptedEntry[]): Value[] {
  return accepted.map(({ value }) => value).filter(({ kind }) => kind === 'admit');
}

/** Of what was reported above `above`, per slot the entry of the highest ballot. */
export function highestReported(
  promises: ReadonlyMap<NodeName, Promised>,
  above: Slot,
): Map<Slot, AcceptedEntry> {
  const best = new Map<Slot, AcceptedEntry>();
  for (const { accepted } of promises.values()) {
    for (const entry of accepted) {
      if (entry.slot <= above) continue;
      const known = best.get(entry.slot);
      if (known === undefined || compareBallots(entry.ballot, known.ballot) > 0) best.set(entry.slot, entry);
    }
  }
  return best;
}

/**
 * Lives for which a later admission is known, accepted or chosen: their promises do not count. Their accepted
 * values still do. A life that this node itself has recorded as the newest is not ended by an admission of an older one.
 */
function endedLives(replica: Replica, promises: ReadonlyMap<NodeName, Promised>): Set<string> {
  const ended = new Set(replica.members.superseded.map(lifeOf));
  const note = (value: Value): void => {
    if (value.kind !== 'admit' || isSuperseded(replica, value)) return;
    const { node } = value;
    const incarnation = promises.get(node)?.incarnation;
    if (incarnation === undefined || incarnation === value.incarnation) return;
    if (newestOf(replica, node)?.incarnation !== incarnation) ended.add(lifeOf({ node, incarnation }));
  };
  for (const { value } of replica.accepted.values()) note(value);
  for (const { admissions } of promises.values()) for (const value of admissions) note(value);
  return ended;
}

export function countVoters(replica: Replica, lives: ReadonlyMap<NodeName, Incarnation>): number {
  return votersOf(replica).filter(({ node, incarnation }) => lives.get(node) === incarnation).length;
}

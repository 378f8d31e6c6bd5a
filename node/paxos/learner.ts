/** What is chosen: advances the prefix of chosen slots, hands it to the state machine, and fetches what is missing. */

import { invariant } from '../../src/base/assert.ts';
import type { Effect, Heard } from './contract.ts';
import { factsOf } from './invariants.ts';
import { changeMembers, entitleIfAdded } from './members.ts';
import type { Of } from './messages.ts';
import { persist, type Replica, send } from './replica.ts';
import { stepDown } from './role.ts';
import { electionJitterMs } from './timing.ts';
import {
  type Ballot,
  compareBallots,
  type MembersState,
  type NodeName,
  type Slot,
  type Value,
} from './values.ts';

/** How long an unanswered fetch is waited for (ms). */
const FETCH_MS = 500;
/** Chosen slots that may wait to be applied before no more is fetched. */
export const UNAPPLIED_MAX = 256;

/**
 * The value of the next slot is known chosen: it goes to the state machine, and with it what follows in this node's own log
 * and is known chosen there.
 *
 * @param chosenAt a ballot at which it is known to have been chosen; null where only the value is known
 */
export function choose(
  replica: Replica,
  out: Effect[],
  value: Value,
  proposal: number | null,
  chosenAt: Ballot | null,
): void {
  hold(replica, out, value, proposal, chosenAt);
  goOnWithOwnLog(replica, out);
}

/**
 * What the log recorded as chosen follows whenever more is held: behind a gap that a peer filled, nobody else need have it, and
 * this node votes there no more.
 */
export function goOnWithOwnLog(replica: Replica, out: Effect[]): void {
  while (replica.chosen < replica.recovered.chosen) {
    const entry = replica.accepted.get(replica.chosen + 1);
    if (entry === undefined) return;
    hold(replica, out, entry.value, null, null);
  }
}

function hold(
  replica: Replica,
  out: Effect[],
  value: Value,
  proposal: number | null,
  chosenAt: Ballot | null,
): void {
  const slot = replica.chosen + 1;
  replica.chosen = slot;
  if (slot > replica.watermark) replica.watermark = slot;
  replica.accepted.delete(slot);
  changeMembers(replica, out, value, chosenAt);
  out.push({ kind: 'apply', slot, value, proposal, members: replica.members });
}

/**
 * A master says that every slot up to `upTo` is chosen. Only what this node accepted at that master's ballot is the
 * chosen value for certain; the rest is fetched.
 */
export function learnWatermark(replica: Replica, out: Effect[], ballot: Ballot, upTo: Slot): void {
  if (upTo > replica.watermark) replica.watermark = upTo;
  while (replica.chosen < upTo) {
    const entry = replica.accepted.get(replica.chosen + 1);
    if (entry === undefined || compareBallots(entry.ballot, ballot) !== 0) return;
    choose(replica, out, entry.value, null, ballot);
  }
}

/**
 * Asks `from`, which holds everything up to `theirs`, for chosen values that this node lacks, where no answer is under
 * way. Only who holds more is asked: who merely knows of more is short of it too.
 */
export function fetchMissing(
  replica: Replica,
  out: Effect[],
  from: NodeName,
  theirs: Slot,
  nowMs: number,
): void {
  if (replica.chosen >= theirs || replica.installing !== null) return;
  if (replica.chosen - replica.applied > UNAPPLIED_MAX) return;
  if (replica.fetching !== null && nowMs < replica.fetching.untilMs) return;
  const request = replica.nextRequest;
  replica.nextRequest += 1;
  replica.fetching = { request, from, untilMs: nowMs + FETCH_MS };
  send(out, from, { kind: 'fetch', cluster: replica.members.cluster, from: replica.chosen + 1, request });
}

/** A peer says that it holds everything up to `chosen`. */
export function noteHolder(replica: Replica, from: NodeName, chosen: Slot, nowMs: number): void {
  replica.holders.set(from, { chosen, heardMs: nowMs });
}

/**
 * A peer holds everything up to `chosen`. Members tell each other without a master too: the one that is behind may
 * be the one whose vote is missing for an election.
 */
export function hearOf(replica: Replica, out: Effect[], { from, nowMs }: Heard, chosen: Slot): void {
  noteHolder(replica, from, chosen, nowMs);
  if (chosen <= replica.chosen || replica.role.kind === 'master') return;
  if (chosen > replica.watermark) replica.watermark = chosen;
  fetchMissing(replica, out, from, chosen, nowMs);
}

/** A peer is behind. */
export function onFetch(replica: Replica, out: Effect[], { from }: Heard, message: Of<'fetch'>): void {
  if (message.from > replica.chosen) {
    send(out, from, {
      kind: 'entries',
      request: message.request,
      entries: [],
      firstLogSlot: 0,
      chosen: replica.chosen,
    });
    return;
  }
  const serve = { from: message.from, upTo: replica.chosen, request: message.request };
  replica.serves.set(from, { ...serve, after: replica.nextRecord - 1 });
  serveDurable(replica, out);
}

/**
 * Lets peers read what this log durably holds. A slot may have been accepted twice: before its last record is
 * durable, the log would still show a value that was superseded, and not the chosen one.
 */
export function serveDurable(replica: Replica, out: Effect[]): void {
  for (const [to, { from, upTo, request, after }] of replica.serves) {
    if (after > replica.syncedRecord) continue;
    replica.serves.delete(to);
    out.push({ kind: 'serveLog', to, from, upTo, request });
  }
}

/** What was fetched. Values are learnt in slot order only; a stray or doubled answer is ignored. */
export function onEntries(
  replica: Replica,
  out: Effect[],
  { from, nowMs }: Heard,
  message: Of<'entries'>,
): void {
  if (replica.fetching?.request !== message.request || replica.fetching.from !== from) return;
  replica.fetching = null;
  if (message.chosen > replica.watermark) replica.watermark = message.chosen;
  const before = replica.chosen;
  for (const { slot, value } of message.entries) {
    if (slot !== replica.chosen + 1) continue;
    persist(replica, out, { kind: 'learn', slot, value, chosen: slot });
    choose(replica, out, value, null, null);
  }
  noteHolder(replica, from, message.chosen, nowMs);
  if (replica.chosen > before) fetchMissing(replica, out, from, message.chosen, nowMs);
  else if (
    message.chosen > replica.chosen &&
    message.firstLogSlot > replica.chosen + 1 &&
    replica.syncedRecord >= (replica.founded?.record ?? 0)
  ) {
    // The log knows durably to which cluster it belongs before the store is replaced.
    replica.installing = from;
    out.push({ kind: 'installSnapshot', from });
  }
}

/** The store is now a peer's image; everything up to its slot is chosen and applied. */
export function onSnapshotInstalled(
  replica: Replica,
  out: Effect[],
  slot: Slot,
  members: MembersState,
  nowMs: number,
): void {
  replica.installing = null;
  invariant(members.cluster === replica.members.cluster, 'a snapshot is of the same cluster', () => ({
    slot,
    cluster: members.cluster,
    own: replica.members.cluster,
    ...factsOf(replica),
  }));
  if (slot <= replica.chosen) return; // caught up by the log meanwhile: the driver keeps the store it had
  persist(replica, out, { kind: 'snapshot', slot, members });
  replica.chosen = slot;
  replica.applied = slot;
  replica.members = members;
  if (slot > replica.watermark) replica.watermark = slot;
  for (const accepted of [...replica.accepted.keys()])
    if (accepted <= slot) replica.accepted.delete(accepted);
  entitleIfAdded(replica, out);
  goOnWithOwnLog(replica, out);
  // Elected while the copy was on its way: what it proposed below the image will never be chosen by this mastership.
  if (replica.role.kind === 'master') {
    stepDown(replica, out, 'a snapshot was installed');
    replica.electionAtMs = nowMs + electionJitterMs(replica);
  }
}

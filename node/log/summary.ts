/** All that the log says besides the values of slots, as one value: each segment begins with it, so that older ones can go. Pure. */
import { unreachable } from '../../src/base/assert.ts';
import { includesLife, storedWithMore } from '../../src/identity/founding.ts';
import { bytes, type Codec, type Coded, i64, list, option, struct, text } from '../../src/wire/codec.ts';
import { isChangeOfMembers, nextMembers } from '../paxos/members-state.ts';
import {
  ballotCodec,
  compareBallots,
  type LogRecord,
  type MembersState,
  memberCodec,
  membersStateCodec,
  NO_BALLOT,
  type Retirement,
  retirementCodec,
  type Slot,
  type Value,
  valueCodec,
} from '../paxos/values.ts';

const first = {
  incarnation: option(text),
  founded: option(struct({ state: membersStateCodec, genesis: bytes })),
  /** Highest of all promised and accepted ballots. */
  promised: ballotCodec,
  chosen: i64,
  superseded: list(memberCodec),
  /** Slot of the latest snapshot installed; 0 where there was none. */
  snapshot: i64,
  /** Highest slot that any record is about, dropped segments included. */
  highest: i64,
};
/** As builds wrote it that kept no list of members. */
export const firstSummaryCodec = struct(first);
const withMembersCodec = struct({
  ...first,
  /** The members in force at a slot up to which all is known chosen; null where no record or store has told. */
  members: option(struct({ slot: i64, state: membersStateCodec })),
  /** Later changes of members, by slot: the last record of each slot that is one. Accepted, and perhaps never chosen. */
  changes: list(struct({ slot: i64, value: valueCodec })),
});
/** The fold of all records up to a point. Changed in place by `fold`. */
export type Summary = Coded<typeof withMembersCodec> & {
  /** Missing where this life has not retired. */
  retired?: Retirement;
};
/** One that has not retired has the bytes of before there was that. */
export const summaryCodec: Codec<Summary> = storedWithMore<
  Coded<typeof withMembersCodec>,
  Retirement,
  Summary
>(
  withMembersCodec,
  retirementCodec,
  ({ retired }) => retired ?? null,
  (summary, retired) => ({ ...summary, retired }),
);

/** Of a log without records. */
export function emptySummary(): Summary {
  return {
    incarnation: null,
    founded: null,
    promised: NO_BALLOT,
    chosen: 0,
    superseded: [],
    snapshot: 0,
    highest: 0,
    members: null,
    changes: [],
  };
}

/** The members in force at `slot`, up to which all is known chosen; null where that is not known. */
export function membersAt({ members, changes }: Summary, slot: Slot): MembersState | null {
  if (members === null) return null;
  return changes
    .filter((change) => change.slot <= slot)
    .sort((a, b) => a.slot - b.slot)
    .reduce((state, { value }) => nextMembers(state, value), members.state);
}

/** The store, or a snapshot, says who is in force at `slot`: what is older gives way to it. */
export function settleMembers(summary: Summary, slot: Slot, state: MembersState): void {
  if (summary.members !== null && summary.members.slot >= slot) return;
  summary.members = { slot, state };
  summary.changes = summary.changes.filter((change) => change.slot > slot);
}

/** Takes one more record into `summary`, in the order of the log. */
export function fold(summary: Summary, record: LogRecord): void {
  switch (record.kind) {
    case 'incarnation':
      summary.incarnation = record.incarnation;
      return;
    case 'founded':
      summary.founded = { state: record.state, genesis: Uint8Array.from(record.genesis) };
      settleMembers(summary, 0, record.state);
      return;
    case 'promise':
      if (compareBallots(record.ballot, summary.promised) > 0) summary.promised = record.ballot;
      return;
    case 'accept':
      if (compareBallots(record.ballot, summary.promised) > 0) summary.promised = record.ballot;
      foldValue(summary, record.slot, record.value, record.chosen);
      return;
    case 'learn':
      foldValue(summary, record.slot, record.value, record.chosen);
      return;
    case 'chosen':
      foldChosen(summary, record.chosen);
      return;
    case 'supersede':
      supersede(summary, record.node, record.incarnation);
      return;
    case 'snapshotOnly':
      foldSnapshot(summary, record.slot);
      return;
    case 'snapshot':
      settleMembers(summary, record.slot, record.members);
      foldSnapshot(summary, record.slot);
      return;
    case 'retired':
      summary.retired = { by: record.by, parted: record.parted };
      return;
    default:
      unreachable(record);
  }
}

function foldValue(summary: Summary, slot: Slot, value: Value, chosen: Slot): void {
  if (slot > summary.highest) summary.highest = slot;
  // Whatever replaces a change in its slot, a no-op too, is the log's last word on it.
  if (summary.changes.some((change) => change.slot === slot))
    summary.changes = summary.changes.filter((change) => change.slot !== slot);
  if (isChangeOfMembers(value) && slot > (summary.members?.slot ?? summary.chosen)) {
    summary.changes.push({ slot, value });
  }
  foldChosen(summary, chosen);
}

function foldChosen(summary: Summary, chosen: Slot): void {
  if (chosen <= summary.chosen) return;
  summary.chosen = chosen;
  const state = membersAt(summary, chosen);
  if (state !== null) settleMembers(summary, chosen, state);
  else summary.changes = summary.changes.filter((change) => change.slot > chosen);
}

function foldSnapshot(summary: Summary, slot: Slot): void {
  if (slot > summary.snapshot) summary.snapshot = slot;
  // Without its list, whatever was known of the members before is outdated.
  if (summary.members !== null && summary.members.slot < slot) summary.members = null;
  foldChosen(summary, slot);
}

function supersede(summary: Summary, node: string, incarnation: string): void {
  const known = includesLife(summary.superseded, { node, incarnation });
  if (!known) summary.superseded.push({ node, incarnation });
}

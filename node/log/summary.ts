/** All that the log says besides the values of slots, as one value: each segment begins with it, so that older ones can go. Pure. */
import { bytes, type Coded, i64, list, option, struct, text } from '../../src/protocol/codec.ts';
import {
  ballotCodec,
  compareBallots,
  type LogRecord,
  memberCodec,
  membersStateCodec,
  NO_BALLOT,
} from '../paxos/types.ts';

export const summaryCodec = struct({
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
});
/** The fold of all records up to a point. Changed in place by `fold`. */
export type Summary = Coded<typeof summaryCodec>;

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
  };
}

/** Takes one more record into `summary`, in the order of the log. */
export function fold(summary: Summary, record: LogRecord): void {
  switch (record.kind) {
    case 'incarnation':
      summary.incarnation = record.incarnation;
      return;
    case 'founded':
      summary.founded = { state: record.state, genesis: Uint8Array.from(record.genesis) };
      return;
    case 'promise':
      if (compareBallots(record.ballot, summary.promised) > 0) summary.promised = record.ballot;
      return;
    case 'accept':
      if (compareBallots(record.ballot, summary.promised) > 0) summary.promised = record.ballot;
      if (record.slot > summary.highest) summary.highest = record.slot;
      if (record.chosen > summary.chosen) summary.chosen = record.chosen;
      return;
    case 'learn':
      if (record.slot > summary.highest) summary.highest = record.slot;
      if (record.chosen > summary.chosen) summary.chosen = record.chosen;
      return;
    case 'chosen':
      if (record.chosen > summary.chosen) summary.chosen = record.chosen;
      return;
    case 'supersede':
      supersede(summary, record.node, record.incarnation);
      return;
    case 'snapshot':
      if (record.slot > summary.snapshot) summary.snapshot = record.slot;
      if (record.slot > summary.chosen) summary.chosen = record.slot;
  }
}

function supersede(summary: Summary, node: string, incarnation: string): void {
  const known = summary.superseded.some((m) => m.node === node && m.incarnation === incarnation);
  if (!known) summary.superseded.push({ node, incarnation });
}

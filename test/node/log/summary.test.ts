/** The list of members in the log's summary: as of what is known chosen, and what of later changes is told at a start. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { emptySummary, fold, membersAt, type Summary } from '../../../node/log/summary.ts';
import type { LogRecord, MembersState, Slot, Value } from '../../../node/paxos/values.ts';
import { STATE } from './support.ts';

const BALLOT = { round: 1, node: 'b' };
const NOOP: Value = { kind: 'noop' };

function adding(node: string): Value {
  return { kind: 'addMember', node, incarnation: node.repeat(32) };
}

function accepting(slot: Slot, value: Value, chosen: Slot): LogRecord {
  return { kind: 'accept', slot, ballot: BALLOT, value, chosen };
}

function folded(...records: LogRecord[]): Summary {
  const summary = emptySummary();
  fold(summary, { kind: 'founded', state: STATE, genesis: new Uint8Array(0) });
  for (const record of records) fold(summary, record);
  return summary;
}

function namesAt(summary: Summary, slot: Slot): string {
  return (membersAt(summary, slot)?.members ?? []).map(({ node }) => node).join();
}

test('the founding is the list of slot 0', () => {
  assert.equal(membersAt(folded(), 0), STATE);
});

test('a change counts from its slot on, whether or not the log recorded that it is chosen', () => {
  const summary = folded(accepting(1, adding('b'), 0), accepting(2, adding('c'), 1));
  assert.is(namesAt(summary, 1), 'a,b');
  assert.is(namesAt(summary, 2), 'a,b,c', 'asked for as of a floor that no record names');
});

test('a change above the floor is merely accepted', () => {
  assert.is(namesAt(folded(accepting(1, NOOP, 0), accepting(2, adding('b'), 1)), 1), 'a');
});

test('what replaces a change in its slot is the last word on it', () => {
  assert.is(namesAt(folded(accepting(1, adding('b'), 0), accepting(1, NOOP, 0)), 1), 'a');
  const learnt: LogRecord = { kind: 'learn', slot: 1, value: adding('c'), chosen: 1 };
  assert.is(namesAt(folded(accepting(1, adding('b'), 0), learnt), 1), 'a,c');
});

test('a header that was written before its change was chosen tells of it', () => {
  const header = structuredClone(folded(accepting(1, adding('b'), 0)));
  fold(header, accepting(2, NOOP, 1));
  assert.is(namesAt(header, 2), 'a,b');
  assert.equal(header.changes, [], 'what is chosen is in the list');
});

test('a change of a slot that the list knows already is not made twice', () => {
  const summary = folded(
    accepting(1, adding('b'), 0),
    accepting(2, { kind: 'removeMember', node: 'b' }, 1),
    accepting(3, NOOP, 2),
    { kind: 'learn', slot: 1, value: adding('b'), chosen: 1 },
  );
  assert.is(namesAt(summary, 3), 'a');
});

test('a snapshot brings its list, and voids changes below it alone', () => {
  const members: MembersState = { ...STATE, members: [...STATE.members, { node: 'd', incarnation: 'd' }] };
  const summary = folded(accepting(3, adding('b'), 0), accepting(6, adding('c'), 0), {
    kind: 'snapshot',
    slot: 5,
    members,
  });
  assert.is(namesAt(summary, 5), 'a,d');
  assert.is(namesAt(summary, 6), 'a,d,c');
});

test('a snapshot of an earlier build does not say who was a member', () => {
  const summary = folded(accepting(1, adding('b'), 1), { kind: 'snapshotOnly', slot: 9 });
  assert.is(membersAt(summary, 9), null);
  assert.is(summary.snapshot, 9);
});

test.run();

/** What peers and logs of other builds would read: the number of each kind, which never changes. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type Message, messageCodec } from '../../../node/paxos/messages.ts';
import {
  type LogRecord,
  logRecordCodec,
  NO_BALLOT,
  type Value,
  valueCodec,
} from '../../../node/paxos/values.ts';
import { decode, encode } from '../../../src/wire/codec.ts';
import { ballotOf, batch, CLUSTER, STATE } from './rig.ts';

const BYTES = Uint8Array.of(1);
const life = { node: 'a', incarnation: 'n' };
const of = { cluster: CLUSTER };
const at = { ...of, ballot: NO_BALLOT };
const accepted = [{ slot: 1, ballot: ballotOf(1, 'a'), value: batch('x') }];

const VALUES: { readonly [K in Value['kind']]: readonly [number, Extract<Value, { kind: K }>] } = {
  noop: [1, { kind: 'noop' }],
  batch: [2, { kind: 'batch', bytes: BYTES }],
  admit: [3, { kind: 'admit', ...life, ballot: ballotOf(2, 'b') }],
  addMember: [4, { kind: 'addMember', ...life }],
  removeMember: [5, { kind: 'removeMember', node: 'a' }],
};

const RECORDS: { readonly [K in LogRecord['kind']]: readonly [number, Extract<LogRecord, { kind: K }>] } = {
  incarnation: [1, { kind: 'incarnation', incarnation: 'n' }],
  founded: [2, { kind: 'founded', state: STATE, genesis: BYTES }],
  promise: [3, { kind: 'promise', ballot: NO_BALLOT }],
  accept: [4, { kind: 'accept', slot: 1, ballot: NO_BALLOT, value: batch('x'), chosen: 0 }],
  learn: [5, { kind: 'learn', slot: 1, value: batch('x'), chosen: 1 }],
  chosen: [6, { kind: 'chosen', chosen: 1 }],
  supersede: [7, { kind: 'supersede', ...life }],
  snapshotOnly: [8, { kind: 'snapshotOnly', slot: 1 }],
  snapshot: [9, { kind: 'snapshot', slot: 1, members: STATE }],
};

const MESSAGES: { readonly [K in Message['kind']]: readonly [number, Extract<Message, { kind: K }>] } = {
  ask: [1, { kind: 'ask', cluster: '', chosen: 0, votes: false, eligible: false, echo: 0 }],
  report: [
    2,
    { kind: 'report', asker: 'n', founded: null, active: false, chosen: 0, bootstrap: false, challenge: 0 },
  ],
  joined: [3, { kind: 'joined', ...of, active: true }],
  canvass: [10, { kind: 'canvass', ...of, chosen: 0 }],
  favour: [11, { kind: 'favour', ...of, granted: true, promised: NO_BALLOT, chosen: 0 }],
  prepare: [12, { kind: 'prepare', ...at, from: 1 }],
  promise: [13, { kind: 'promise', ...at, accepted, chosen: 0, floor: 0, upTo: 3 }],
  nack: [14, { kind: 'nack', ...of, promised: NO_BALLOT }],
  accept: [20, { kind: 'accept', ...at, slot: 1, value: batch('x'), chosen: 0 }],
  accepted: [21, { kind: 'accepted', ...at, slot: 1 }],
  heartbeat: [30, { kind: 'heartbeat', ...at, chosen: 0, sentAtMs: 0 }],
  granted: [31, { kind: 'granted', ...at, sentAtMs: 0, chosen: 0, applied: 0, votes: true, eligible: true }],
  release: [32, { kind: 'release', ...at, successor: '' }],
  adopted: [33, { kind: 'adopted', ...of, incarnation: 'n', promised: NO_BALLOT, accepted, chosen: 0 }],
  over: [34, { kind: 'over', ...of, incarnation: 'n' }],
  fetch: [40, { kind: 'fetch', ...of, from: 1, request: 1 }],
  entries: [
    41,
    { kind: 'entries', request: 1, entries: [{ slot: 1, value: batch('x') }], firstLogSlot: 1, chosen: 1 },
  ],
};

test('values', () => {
  for (const [number, value] of Object.values(VALUES)) {
    const encoded = encode(valueCodec, value as Value);
    assert.is(encoded[0], number, value.kind);
    assert.equal(encode(valueCodec, decode(valueCodec, encoded)), encoded, value.kind);
  }
});

test('records of the log', () => {
  for (const [number, record] of Object.values(RECORDS)) {
    const encoded = encode(logRecordCodec, record as LogRecord);
    assert.is(encoded[0], number, record.kind);
    assert.equal(encode(logRecordCodec, decode(logRecordCodec, encoded)), encoded, record.kind);
  }
});

test('messages between members', () => {
  for (const [number, message] of Object.values(MESSAGES)) {
    const encoded = encode(messageCodec, message as Message);
    assert.is(encoded[0], number, message.kind);
    assert.equal(encode(messageCodec, decode(messageCodec, encoded)), encoded, message.kind);
  }
});

test.run();

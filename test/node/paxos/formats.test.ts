/** What peers and logs of other builds would read: the number of each kind, which never changes. */
import { readFileSync } from 'node:fs';
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
import { printBytes } from '../../support/bytes-as-text.ts';
import { settle } from '../../support/traces.ts';
import { ballotOf, batch, CLUSTER, STATE } from './rig.ts';

const BYTES = Uint8Array.of(1, 0, 255);
const life = { node: 'a', incarnation: 'n' };
const of = { cluster: CLUSTER };
const ballot = ballotOf(7, 'a');
const promised = ballotOf(8, 'b');
const at = { ...of, ballot };
// All fields of a sample differ, so that two that change places are seen.
const accepted = [
  { slot: 4, ballot: ballotOf(5, 'a'), value: batch('x') },
  { slot: 6, ballot: NO_BALLOT, value: { kind: 'noop' } as const },
];

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
  promise: [3, { kind: 'promise', ballot }],
  accept: [4, { kind: 'accept', slot: 3, ballot, value: batch('x'), chosen: 2 }],
  learn: [5, { kind: 'learn', slot: 3, value: batch('x'), chosen: 2 }],
  chosen: [6, { kind: 'chosen', chosen: 2 }],
  supersede: [7, { kind: 'supersede', ...life }],
  snapshotOnly: [8, { kind: 'snapshotOnly', slot: 3 }],
  snapshot: [9, { kind: 'snapshot', slot: 3, members: STATE }],
  retired: [10, { kind: 'retired', by: 'b', parted: { at: 7, gone: ['c'] } }],
};

const MESSAGES: { readonly [K in Message['kind']]: readonly [number, Extract<Message, { kind: K }>] } = {
  ask: [1, { kind: 'ask', ...of, chosen: 2, votes: true, eligible: false, isRetired: false, echo: 3 }],
  report: [
    2,
    {
      kind: 'report',
      asker: 'n',
      founded: { state: STATE, genesis: BYTES },
      active: true,
      chosen: 2,
      bootstrap: false,
      challenge: 3,
    },
  ],
  joined: [3, { kind: 'joined', ...of, active: true }],
  canvass: [10, { kind: 'canvass', ...of, chosen: 2 }],
  favour: [11, { kind: 'favour', ...of, granted: true, promised, chosen: 2 }],
  prepare: [12, { kind: 'prepare', ...at, from: 3 }],
  promise: [13, { kind: 'promise', ...at, accepted, chosen: 2, floor: 1, upTo: 9 }],
  nack: [14, { kind: 'nack', ...of, promised }],
  accept: [20, { kind: 'accept', ...at, slot: 3, value: batch('x'), chosen: 2 }],
  accepted: [21, { kind: 'accepted', ...at, slot: 3 }],
  heartbeat: [30, { kind: 'heartbeat', ...at, chosen: 2, sentAtMs: 1_000_000 }],
  granted: [
    31,
    { kind: 'granted', ...at, sentAtMs: 1_000_000, chosen: 2, applied: 1, votes: true, eligible: false },
  ],
  release: [32, { kind: 'release', ...at, successor: 'b' }],
  adopted: [33, { kind: 'adopted', ...of, incarnation: 'n', promised, accepted, chosen: 2 }],
  over: [34, { kind: 'over', ...of, incarnation: 'n' }],
  retire: [50, { kind: 'retire', ...of, from: 3 }],
  retired: [
    51,
    { kind: 'retired', ...of, from: 3, accepted, chosen: 2, known: 4, floor: 1, upTo: 9, why: 'a is master' },
  ],
  fetch: [40, { kind: 'fetch', ...of, from: 3, request: 4 }],
  entries: [
    41,
    { kind: 'entries', request: 4, entries: [{ slot: 3, value: batch('x') }], firstLogSlot: 1, chosen: 5 },
  ],
};

/** All that was encoded, for the golden text. */
const written: string[] = [
  '# What peers and logs of other builds would read: one sample of each kind, byte by byte.',
  '',
];

test('values', () => {
  for (const [number, value] of Object.values(VALUES)) {
    const encoded = encode(valueCodec, value as Value);
    assert.is(encoded[0], number, value.kind);
    assert.equal(encode(valueCodec, decode(valueCodec, encoded)), encoded, value.kind);
    written.push(`value ${value.kind}`, `  ${printBytes(encoded)}`);
  }
});

test('records of the log', () => {
  for (const [number, record] of Object.values(RECORDS)) {
    const encoded = encode(logRecordCodec, record as LogRecord);
    assert.is(encoded[0], number, record.kind);
    assert.equal(encode(logRecordCodec, decode(logRecordCodec, encoded)), encoded, record.kind);
    written.push(`record ${record.kind}`, `  ${printBytes(encoded)}`);
  }
});

test('messages between members', () => {
  for (const [number, message] of Object.values(MESSAGES)) {
    const encoded = encode(messageCodec, message as Message);
    assert.is(encoded[0], number, message.kind);
    assert.equal(encode(messageCodec, decode(messageCodec, encoded)), encoded, message.kind);
    written.push(`message ${message.kind}`, `  ${printBytes(encoded)}`);
  }
});

test('nothing of them has changed', () => {
  const path = 'test/golden/formats/consensus.txt';
  settle(path, readFileSync(path, 'utf8'), [...written, ''].join('\n'));
});

test.run();

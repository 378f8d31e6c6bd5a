/** The command of each move, and what it carries. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { commandFor, headerFor } from '../../../migrator/core/commands.ts';
import { type Facts, learnOutcome, learnSeal } from '../../../migrator/core/facts.ts';
import { NO_ROWS } from '../../../src/keyspace/digest.ts';
import type { Migration } from '../../../src/protocol/admin/admin.ts';
import { RANGE, working } from './samples.ts';

const CLAIM = { token: 7, floor: 2 };
const EXTRA = {
  limits: { rowsMax: 10, bytesMax: 100, rowsWanted: 3 },
  pauseMs: 12,
  pauseAtLeast: false,
  span: { startedAtMs: 30, tookMs: 70 },
};
const SEALED = { sealSlot: 9, digest: NO_ROWS };

const known = (record: Partial<Migration>): Facts => working({}, { why: 'asked', ...record }).facts;

test('every command carries the claim, the range, and who is at the other side', () => {
  const { facts } = working();
  const header = { mid: 2, token: 7, floor: 2, ...RANGE };
  assert.equal(headerFor('source', facts, CLAIM), { ...header, peer: 'B' });
  assert.equal(headerFor('target', facts, CLAIM), { ...header, peer: 'A' });
  for (const [kind, to] of [
    ['beginImport', 'target'],
    ['abandon', 'target'],
    ['beginExport', 'source'],
    ['unseal', 'source'],
    ['cancel', 'source'],
    ['release', 'source'],
  ] as const) {
    const peer = to === 'target' ? 'A' : 'B';
    assert.equal(commandFor(kind, facts, CLAIM, EXTRA), { to, command: { kind, ...header, peer } });
  }
  const limits = { rowsMax: 10, bytesMax: 100 };
  assert.equal(commandFor('seal', facts, CLAIM, EXTRA), {
    to: 'source',
    command: { kind: 'seal', ...header, peer: 'B', ...limits },
  });
});

test('an activation wants the import and the seal; a publication takes what is known of the seal', () => {
  const { facts } = working();
  assert.is(commandFor('activate', facts, CLAIM, EXTRA), null);
  assert.is(
    commandFor('activate', { ...facts, source: null }, CLAIM, EXTRA),
    null,
    'nothing is known of the source',
  );
  const unknown = { sealSlot: 0, digest: NO_ROWS, pauseMs: 12, pauseAtLeast: false, tookMs: 70 };
  assert.equal(commandFor('publish', facts, CLAIM, EXTRA)?.command, {
    kind: 'publish',
    mid: 2,
    token: 7,
    receipt: unknown,
  });
  learnSeal(facts, { kind: 'sealed', ...SEALED });
  const command = commandFor('activate', facts, CLAIM, EXTRA)?.command;
  assert.equal(command?.kind === 'activate' && [command.seq, command.sealSlot], [4, 9]);
  const receipt = { ...SEALED, pauseMs: 12, pauseAtLeast: false, tookMs: 70 };
  assert.equal(commandFor('publish', facts, CLAIM, EXTRA)?.command, {
    kind: 'publish',
    mid: 2,
    token: 7,
    receipt,
  });
  learnOutcome(facts, 'target', 'activated');
  assert.is(commandFor('activate', facts, CLAIM, EXTRA), null);
});

test('what the keeper is told; what is no single command is none', () => {
  const facts = known({ wish: 'abort' });
  const of = { mid: 2, token: 7 };
  const aborted = { kind: 'recordAbort', ...of, why: 'asked', span: { startedAtMs: 30, tookMs: 70 } };
  assert.equal(commandFor('recordAbort', facts, CLAIM, EXTRA), {
    to: 'keeper',
    command: { ...aborted, told: false },
  });
  learnOutcome(facts, 'target', 'abandoned');
  assert.equal(commandFor('recordAbort', facts, CLAIM, EXTRA)?.command, { ...aborted, told: true });
  assert.equal(commandFor('finish', facts, CLAIM, EXTRA), {
    to: 'keeper',
    command: { kind: 'finish', ...of },
  });
  assert.is(commandFor('copy', facts, CLAIM, EXTRA), null);
});

test.run();

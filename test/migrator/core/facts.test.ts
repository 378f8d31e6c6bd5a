/** What a coordinator knows after each answer, and what an answer makes old. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
  changeRecord,
  decideAbort,
  endPass,
  type Facts,
  forgetClusters,
  isTooLate,
  learnBase,
  learnBehind,
  learnExport,
  learnImport,
  learnOutcome,
  learnRecord,
  learnSeal,
  learnSource,
  movePages,
  noFacts,
  observed as observedOf,
  recordOf,
  whyAborted,
} from '../../../migrator/core/facts.ts';
import type { Observed } from '../../../migrator/core/next-move.ts';
import { NO_ROWS } from '../../../src/keyspace/digest.ts';
import {
  type AdminAnswer,
  type Migration,
  NO_PROGRESS,
  type RangeStatus,
} from '../../../src/protocol/admin/admin.ts';

const LIMITS = { rowsMax: 10, bytesMax: 100, rowsWanted: 3 };
const RANGE = { lo: 'k', hi: 't' } as const;
const RECORD: Migration = {
  mid: 2,
  source: 'A',
  target: 'B',
  ...RANGE,
  phase: 'active',
  wish: 'run',
  token: 1,
  heartbeat: 0,
  why: 'asked',
  receipt: null,
  progress: NO_PROGRESS,
};
type Answer<K extends AdminAnswer['kind']> = Extract<AdminAnswer, { kind: K }>;
const IMPORTING: Answer<'importing'> = {
  kind: 'importing',
  ...RANGE,
  seq: 4,
  cursor: 'm',
  asOf: 7,
  running: NO_ROWS,
};
const EXPORTING: Answer<'exporting'> = {
  kind: 'exporting',
  ...RANGE,
  beginSlot: 3,
  base: null,
  sealed: null,
  dirtyRows: 8,
  dirtyBytes: 80,
};
const SEALED = { sealSlot: 9, digest: NO_ROWS };

function status(change: Partial<RangeStatus> = {}): RangeStatus {
  const rest = { owned: [], importing: null, cleaning: false, closed: null, token: 1, floor: 0 };
  return { kind: 'rangeStatus', slot: 5, exporting: EXPORTING, ...rest, ...change } as RangeStatus;
}

function known(record: Partial<Migration> = {}): Facts {
  const facts = noFacts();
  learnRecord(facts, { ...RECORD, ...record }, 0);
  return facts;
}

function working(): Facts {
  const facts = known();
  learnImport(facts, IMPORTING);
  learnExport(facts, EXPORTING);
  return facts;
}

/** A round begins with so many dirty rows: whether there are fewer than when the last one began. */
function begins(facts: Facts, dirtyRows: number): boolean {
  const isFewer = dirtyRows < facts.roundRows;
  facts.roundRows = dirtyRows;
  return isFewer;
}

const observed = (facts: Facts): Observed =>
  observedOf(facts, LIMITS, { isMidRound: false, sourceSilent: false, targetSilent: false });

test('at first nothing is known but the record', () => {
  const { record, recordFresh, target, source, ...rest } = observed(known());
  assert.equal([record.mid, recordFresh, target, source], [2, true, null, null]);
  const { sourceFresh, isShrinking, checked, lastRowsSent, abortWhy } = rest;
  assert.equal(
    [sourceFresh, isShrinking, checked, lastRowsSent, abortWhy],
    [false, true, false, false, null],
  );
});

test('a seal is checked once the target has answered and the keeper has noted it, both', () => {
  const facts = working();
  facts.targetChecked = true;
  assert.not(observed(facts).checked);
  facts.sealNoted = true;
  assert.ok(observed(facts).checked);
  const noted = working();
  noted.sealNoted = true;
  assert.not(observed(noted).checked);
  endPass(facts);
  assert.not(observed(facts).checked, 'a pass makes both old');
  assert.equal([facts.targetChecked, facts.sealNoted], [false, false]);
});

test('an outcome makes the record old; a question that was sent before it does not make it new', () => {
  const facts = working();
  const before = facts.outcomes;
  learnOutcome(facts, 'target', 'activated');
  assert.is(observed(facts).recordFresh, false);
  learnRecord(facts, RECORD, before);
  assert.is(observed(facts).recordFresh, false);
  learnRecord(facts, RECORD, facts.outcomes);
  assert.is(observed(facts).recordFresh, true);
});

test('an outcome at the target ends its import; one at the source keeps the seal for the receipt', () => {
  const facts = working();
  learnSeal(facts, { kind: 'sealed', ...SEALED });
  learnOutcome(facts, 'target', 'activated');
  learnOutcome(facts, 'source', 'released');
  assert.equal(facts.target, { importing: null, closed: 'activated' });
  assert.equal(
    [facts.source?.closed, facts.source?.exporting?.sealed, facts.source?.cleaning],
    ['released', SEALED, null],
  );
});

test('what the source says of itself', () => {
  const facts = working();
  assert.is(observed(facts).sourceFresh, false, 'old by the time that the copy ends');
  learnSource(facts, status());
  assert.is(observed(facts).sourceFresh, true);
  learnSource(facts, status({ closed: 'released', cleaning: true, exporting: null }));
  assert.equal([facts.source?.closed, facts.source?.cleaning], ['released', true]);
  assert.ok(facts.source?.exporting, 'the export that was known before');
  learnSource(facts, status({ closed: 'unsealed', exporting: { ...EXPORTING, dirtyRows: 1 } }));
  assert.equal([facts.source?.cleaning, facts.source?.exporting?.dirtyRows], [null, 1]);
  const unknown = known();
  learnSource(unknown, status({ closed: 'released', exporting: null }));
  assert.is(unknown.source?.exporting, null, 'nobody knows of one');
});

test('how far the functions are at the source, as it last said', () => {
  const facts = working();
  assert.is(facts.sourceFunctions, 0, 'a source that says nothing of them has none');
  learnExport(facts, { ...EXPORTING, functions: 3 });
  assert.is(facts.sourceFunctions, 3);
  learnSource(facts, status({ functions: 4 }));
  assert.is(facts.sourceFunctions, 4);
  learnSeal(facts, { kind: 'sealed', ...SEALED, functions: 5 });
  assert.is(facts.sourceFunctions, 5);
  learnSource(facts, status());
  assert.is(facts.sourceFunctions, 0);
});

test('rounds shrink where less than half is dirty as when the last one began', () => {
  const facts = working();
  assert.is(begins(facts, 20), true);
  const shrinks = (dirtyRows: number): boolean => {
    learnSource(facts, status({ exporting: { ...EXPORTING, dirtyRows } }));
    return observed(facts).isShrinking;
  };
  assert.equal([shrinks(9), shrinks(10)], [true, false]);
  assert.equal([begins(facts, 20), begins(facts, 19), begins(facts, 21)], [false, true, false]);
});

test('pages that were taken move the import; only those of a copy move its cursor', () => {
  const page = { seq: 5, from: 'm', to: 'p', asOf: 8, rows: [] };
  const copy = working();
  movePages(copy, [page, { ...page, seq: 6, to: 'q', asOf: 9 }], true);
  const { seq, cursor, asOf } = copy.target?.importing ?? {};
  assert.equal([seq, cursor, asOf], [6, 'q', 9]);
  const round = working();
  movePages(round, [page], false);
  assert.equal([round.target?.importing?.seq, round.target?.importing?.cursor], [5, 'm']);
  const closed = working();
  learnOutcome(closed, 'target', 'activated');
  movePages(closed, [page], true);
  assert.is(closed.target?.importing, null);
});

test('base, seal, and what keeps it from being sealed', () => {
  const facts = working();
  learnBase(facts, NO_ROWS);
  assert.equal(facts.source?.exporting?.base, NO_ROWS);
  facts.targetChecked = true;
  learnBehind(facts, { kind: 'behind', dirtyRows: 33, dirtyBytes: 44 });
  assert.equal([facts.source?.exporting?.dirtyRows, facts.source?.exporting?.dirtyBytes], [33, 44]);
  assert.equal([observed(facts).sourceFresh, facts.targetChecked], [true, false]);
});

test('under a new token all that clusters said is forgotten', () => {
  const facts = working();
  facts.lastRowsSent = true;
  facts.targetChecked = true;
  forgetClusters(facts);
  assert.equal(
    [facts.target, facts.source, facts.lastRowsSent, facts.targetChecked],
    [null, null, false, false],
  );
});

test('why it is given up: the first reason stands', () => {
  assert.is(whyAborted(known({ wish: 'abort' })), 'asked');
  assert.match(whyAborted(known()), /an earlier migrator/);
  const facts = known({ wish: 'abort' });
  decideAbort(facts, 'digests differ');
  decideAbort(facts, 'later');
  assert.is(whyAborted(facts), 'digests differ');
  assert.is(observed(facts).abortWhy, 'digests differ');
});

test('when it is too late to abort', () => {
  const late = (record: Partial<Migration>, closed = false): boolean => {
    const facts = known(record);
    if (closed) learnOutcome(facts, 'target', 'activated');
    return isTooLate(facts);
  };
  assert.not(isTooLate(noFacts()));
  assert.not(late({ wish: 'abort' }));
  assert.not(late({ wish: 'run', phase: 'published' }, true));
  assert.ok(late({ wish: 'abort' }, true));
  assert.ok(late({ wish: 'abort', phase: 'published' }));
  assert.ok(late({ wish: 'abort', phase: 'done' }));
  assert.not(late({ wish: 'abort', phase: 'aborted' }));
});

test('what the keeper was told is part of its record', () => {
  const facts = known();
  changeRecord(facts, { phase: 'published' });
  assert.equal([recordOf(facts).phase, recordOf(facts).source], ['published', 'A']);
  assert.equal([facts.record !== null, noFacts().record !== null], [true, false]);
});

test.run();

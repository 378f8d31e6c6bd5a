/** The coordinator's loop as a table: what is known, and what follows. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
  type Closed,
  type ExportStatus,
  type ImportStatus,
  nextMove,
  type Observed,
} from '../../../migrator/core/next-move.ts';
import { NO_ROWS } from '../../../src/keyspace/digest.ts';
import { type Migration, NO_PROGRESS } from '../../../src/protocol/admin/admin.ts';

const RECORD: Migration = {
  mid: 7,
  source: 'f',
  target: 't',
  lo: 'k',
  hi: 'p',
  phase: 'active',
  token: 1,
  heartbeat: 1,
  wish: 'run',
  why: '',
  progress: NO_PROGRESS,
  receipt: null,
};
const NOTHING: Observed = {
  record: RECORD,
  recordFresh: false,
  target: null,
  source: null,
  sourceFresh: false,
  isMidRound: false,
  isShrinking: false,
  sourceSilent: false,
  targetSilent: false,
  isSealed: false,
  checked: false,
  lastRowsSent: false,
  abortWhy: null,
  limits: { rowsMax: 10, bytesMax: 100, rowsWanted: 3 },
};

const record = (change: Partial<Migration>) => ({ record: { ...RECORD, ...change } });
const importing = (cursor: string | null) => {
  const status: ImportStatus = { seq: 1, cursor, asOf: 5, running: NO_ROWS, lo: 'k', hi: 'p' };
  return { target: { importing: status, closed: null } };
};
const exporting = (change: Partial<ExportStatus> = {}) => {
  const status: ExportStatus = {
    beginSlot: 3,
    base: NO_ROWS,
    sealed: null,
    dirtyRows: 0,
    dirtyBytes: 0,
    lo: 'k',
    hi: 'p',
    ...change,
  };
  return { source: { exporting: status, closed: null, cleaning: null } };
};
const atTarget = (closed: Closed) => ({ target: { importing: null, closed } });
const atSource = (closed: Closed, cleaning: boolean | null = null) => ({
  source: { exporting: null, closed, cleaning },
});
const SEALED = { sealed: { sealSlot: 9, digest: NO_ROWS } };
const COPIED = importing('p');

/** An order says that one end is dead. */
const without = (dead: 'source' | 'target', change: Partial<Migration> = {}) =>
  record({ rescue: { order: 1, dead, epoch: 20, isThere: false, isCopy: false }, ...change });

const TABLE: readonly (readonly [story: string, known: Partial<Observed>, move: string])[] = [
  ['nothing is known', {}, 'beginImport'],
  ['the target has no import', { target: { importing: null, closed: null } }, 'beginImport'],
  ['the target imports', importing('k'), 'beginExport'],
  ['both have begun', { ...importing('k'), ...exporting({ base: null }) }, 'copy'],
  ['half is copied', { ...importing('m'), ...exporting() }, 'copy'],
  ['all is copied, no base', { ...COPIED, ...exporting({ base: null }) }, 'base'],
  ['what is dirty is not known', { ...COPIED, ...exporting() }, 'askSource'],
  ['many rows are dirty', { ...COPIED, ...exporting({ dirtyRows: 11 }), sourceFresh: true }, 'round'],
  ['long rows are dirty', { ...COPIED, ...exporting({ dirtyBytes: 101 }), sourceFresh: true }, 'round'],
  [
    'just so long rows are dirty',
    { ...COPIED, ...exporting({ dirtyBytes: 100 }), sourceFresh: true },
    'check',
  ],
  ['few rows are dirty', { ...COPIED, ...exporting({ dirtyRows: 10 }), sourceFresh: true }, 'check'],
  [
    'few rows, and fewer each round',
    { ...COPIED, ...exporting({ dirtyRows: 4 }), sourceFresh: true, isShrinking: true },
    'round',
  ],
  ['a round is under way', { ...COPIED, ...exporting(), isMidRound: true }, 'round'],
  [
    'hardly any',
    { ...COPIED, ...exporting({ dirtyRows: 3 }), sourceFresh: true, isShrinking: true },
    'check',
  ],
  ['all is checked', { ...COPIED, ...exporting(), sourceFresh: true, checked: true }, 'seal'],
  ['sealed', { ...COPIED, ...exporting(SEALED) }, 'lastRows'],
  ['sealed, last rows sent', { ...COPIED, ...exporting(SEALED), lastRowsSent: true }, 'activate'],
  ['activated, seal unknown', atTarget('activated'), 'askSource'],
  ['activated, source silent', { ...atTarget('activated'), sourceSilent: true }, 'publish'],
  ['activated', { ...atTarget('activated'), ...exporting(SEALED) }, 'publish'],
  ['published', record({ phase: 'published' }), 'release'],
  ['released', { ...record({ phase: 'published' }), ...atSource('released') }, 'awaitCleanup'],
  ['cleaning', { ...record({ phase: 'published' }), ...atSource('released', true) }, 'awaitCleanup'],
  ['clean', { ...record({ phase: 'published' }), ...atSource('released', false) }, 'finish'],
  ['done', record({ phase: 'done' }), 'end'],
  ['aborted', record({ phase: 'aborted' }), 'end'],

  ['pause while copying', { ...record({ wish: 'pause' }), ...importing('m'), ...exporting() }, 'pause'],
  ['pause before it begins', record({ wish: 'pause' }), 'beginImport'],
  ['pause after the seal', { ...record({ wish: 'pause' }), ...COPIED, ...exporting(SEALED) }, 'lastRows'],

  ['abort before anything', record({ wish: 'abort' }), 'cancel'],
  ['abort while copying', { ...record({ wish: 'abort' }), ...importing('m'), ...exporting() }, 'cancel'],
  [
    'abort while copying, target silent',
    { ...record({ wish: 'abort' }), ...importing('m'), ...exporting(), targetSilent: true },
    'cancel',
  ],
  [
    'abort, source silent: the target may have activated',
    { ...record({ wish: 'abort' }), sourceSilent: true },
    'abandon',
  ],
  ['target silent, source not asked: it may have given up', { targetSilent: true }, 'askSource'],
  ['target silent, source asked', { ...exporting(), targetSilent: true }, 'beginImport'],
  [
    'abort, and the source says that it has sealed',
    { ...record({ wish: 'abort' }), isSealed: true },
    'abandon',
  ],
  [
    'abort after the seal',
    { ...record({ wish: 'abort' }), ...COPIED, ...exporting(SEALED), isSealed: true },
    'abandon',
  ],
  [
    'abort after the seal, target silent',
    { ...record({ wish: 'abort' }), ...COPIED, ...exporting(SEALED), isSealed: true, targetSilent: true },
    'abandon',
  ],
  [
    'digests differ',
    { ...COPIED, ...exporting(SEALED), isSealed: true, lastRowsSent: true, abortWhy: 'x' },
    'abandon',
  ],
  ['abandoned', atTarget('abandoned'), 'unseal'],
  [
    'abandoned, wish taken back',
    { ...record({ wish: 'run' }), ...atTarget('abandoned'), ...exporting() },
    'unseal',
  ],
  ['abandoned and unsealed', { ...atTarget('abandoned'), ...atSource('unsealed') }, 'recordAbort'],
  ['unsealed, target not asked', atSource('unsealed'), 'abandon'],
  ['unsealed, target silent', { ...atSource('unsealed'), targetSilent: true }, 'recordAbort'],
  ['unsealed, wish taken back', { ...record({ wish: 'run' }), ...atSource('unsealed') }, 'abandon'],
  [
    'abort, but activated',
    { ...record({ wish: 'abort' }), ...atTarget('activated'), ...exporting(SEALED) },
    'publish',
  ],
  ['abort, but published', record({ phase: 'published', wish: 'abort' }), 'release'],

  ['released, record old', atSource('released'), 'askKeeper'],
  ['target has forgotten', atTarget('forgotten'), 'askKeeper'],
  ['source has forgotten', { ...importing('m'), ...atSource('forgotten') }, 'askKeeper'],
  [
    'published, source has forgotten',
    { ...record({ phase: 'published' }), ...atSource('forgotten') },
    'askKeeper',
  ],

  ['the source is dead', without('source'), 'abandon'],
  ['the source is dead, activated', { ...without('source'), ...atTarget('activated') }, 'publish'],
  ['the source is dead, abandoned', { ...without('source'), ...atTarget('abandoned') }, 'settle'],
  [
    'the source is dead, target has forgotten',
    { ...without('source'), ...atTarget('forgotten') },
    'askKeeper',
  ],
  ['the source is dead, published', without('source', { phase: 'published' }), 'finish'],
  ['the target is dead', without('target'), 'cancel'],
  ['the target is dead, sealed', { ...without('target'), isSealed: true }, 'takeBack'],
  ['the target is dead, taken back', { ...without('target'), ...atSource('takenBack') }, 'settle'],
  ['the target is dead, unsealed', { ...without('target'), ...atSource('unsealed') }, 'recordAbort'],
  [
    'the target is dead, released, record old',
    { ...without('target'), ...atSource('released') },
    'askKeeper',
  ],
  [
    'the target is dead, released before',
    { ...without('target', { phase: 'published' }), ...atSource('released') },
    'finish',
  ],
  [
    'the target is dead, source has forgotten',
    { ...without('target'), ...atSource('forgotten') },
    'askKeeper',
  ],

  ['aborted, but activated', { ...record({ phase: 'aborted' }), ...atTarget('activated') }, 'alarm'],
  ['published, but abandoned', { ...record({ phase: 'published' }), ...atTarget('abandoned') }, 'alarm'],
  ['done, but abandoned', { ...record({ phase: 'done' }), ...atTarget('abandoned') }, 'alarm'],
  ['activated and unsealed', { ...atTarget('activated'), ...atSource('unsealed') }, 'alarm'],
  ['abandoned and released', { ...atTarget('abandoned'), ...atSource('released') }, 'alarm'],
  ['released, record active', { ...atSource('released'), recordFresh: true }, 'alarm'],
  ['forgotten, record active', { ...atTarget('forgotten'), recordFresh: true }, 'alarm'],
  [
    'forgotten, record published',
    { ...record({ phase: 'published' }), ...atSource('forgotten'), recordFresh: true },
    'alarm',
  ],
];

for (const [story, known, move] of TABLE) {
  test(`${story}: ${move}`, () => {
    assert.is(nextMove({ ...NOTHING, ...known }).kind, move);
  });
}

const MERGE = {
  source: 'f',
  target: 'f',
  merges: [
    { lo: 'k', epoch: 3 },
    { lo: 'm', epoch: 5 },
  ],
};
const MERGES: readonly (readonly [string, Partial<Observed>, string])[] = [
  ['open', record(MERGE), 'merge'],
  ['paused', record({ ...MERGE, wish: 'pause' }), 'pause'],
  ['to be aborted', record({ ...MERGE, wish: 'abort' }), 'cancel'],
  ['refused', { ...record(MERGE), abortWhy: 'refused' }, 'cancel'],
  ['merged', { ...record(MERGE), ...atSource('merged') }, 'publish'],
  ['merged, and to be aborted', { ...record({ ...MERGE, wish: 'abort' }), ...atSource('merged') }, 'publish'],
  ['cancelled', { ...record(MERGE), ...atSource('unsealed') }, 'recordAbort'],
  ['forgotten', { ...record(MERGE), ...atSource('forgotten') }, 'askKeeper'],
  ['forgotten, record active', { ...record(MERGE), ...atSource('forgotten'), recordFresh: true }, 'alarm'],
  ['published', record({ ...MERGE, phase: 'published' }), 'finish'],
  [
    'published, forgotten',
    { ...record({ ...MERGE, phase: 'published' }), ...atSource('forgotten') },
    'finish',
  ],
  [
    'published, and cancelled',
    { ...record({ ...MERGE, phase: 'published' }), ...atSource('unsealed') },
    'alarm',
  ],
  ['aborted, and merged', { ...record({ ...MERGE, phase: 'aborted' }), ...atSource('merged') }, 'alarm'],
  ['done', record({ ...MERGE, phase: 'done' }), 'end'],
  ['lost', record({ ...MERGE, phase: 'lost' }), 'end'],
];

for (const [story, known, move] of MERGES) {
  test(`a merge that is ${story}: ${move}`, () => {
    assert.is(nextMove({ ...NOTHING, ...known }).kind, move);
  });
}

test('an unbounded range is copied when the cursor has no bound', () => {
  const known = { ...NOTHING, ...record({ hi: null }), ...exporting({ base: null }) };
  assert.is(nextMove({ ...known, ...importing('m') }).kind, 'copy');
  assert.is(nextMove({ ...known, ...importing(null) }).kind, 'base');
});

test.run();

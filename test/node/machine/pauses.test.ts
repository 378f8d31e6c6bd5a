/**
 * Nothing holds up the others for long: whatever touches many rows pauses after a bounded amount of work, and not after every
 * row, which would make it slow. How often is counted in turns, within a third of what the costs of node/machine/pace.ts say.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Work } from '../../../node/store/types.ts';
import { PAGE_COPY, PAGE_DIRTY, type Row } from '../../../src/protocol/admin/admin.ts';
import type { Request } from '../../../src/protocol/arakoon/requests.ts';
import type { Update } from '../../../src/protocol/arakoon/updates.ts';
import type { Answer } from '../../../src/protocol/arakoon/values.ts';
import { bytes, row, TestCluster } from './cluster.ts';
import { activation, base, copy, headerOf } from './migrations.ts';

const ROWS = 3000;
const CONSISTENT = { kind: 'consistent' } as const;

const keyOf = (n: number): string => `l${String(n).padStart(5, '0')}`;
const KEYS = Array.from({ length: ROWS }, (_, n) => keyOf(n));
const SETS: readonly Update[] = KEYS.map((key) => ({ kind: 'set', key, value: bytes('v') }));

function filled(): TestCluster {
  const cluster = new TestCluster();
  cluster.apply(...SETS);
  return cluster;
}

function about(turns: number, expected: number, what: string): void {
  assert.ok(
    turns > expected / 1.34 && turns < expected * 1.34,
    `${what}: ${turns} turns, not about ${expected}`,
  );
}

function turnsOf(result: Answer | Work<Answer>): number {
  if ('bytes' in result) return 1;
  for (let turns = 1; ; turns += 1) if (result.next().done === true) return turns;
}

function ofUpdate(cluster: TestCluster, ...updates: Update[]): number {
  cluster.apply(...updates);
  return cluster.turns;
}

test('a batch of short updates: 500 a turn', () => {
  about(ofUpdate(new TestCluster(), ...SETS), 7, 'sets');
  about(ofUpdate(new TestCluster(), ...SETS, ...SETS), 13, 'twice as many');
});

test('while a range is exported each row costs a digest, when it is written and when books are kept', () => {
  const cluster = new TestCluster();
  cluster.expect({ kind: 'beginExport', ...headerOf(1) }, 'exporting');
  about(ofUpdate(cluster, ...SETS), (ROWS * (5 + 5)) / 500, 'short rows');
  const long = KEYS.slice(0, 100).map((key): Update => ({ kind: 'set', key, value: Buffer.alloc(20_000) }));
  about(ofUpdate(cluster, ...long), (100 * (25 + 25)) / 500, 'long rows cost what their bytes do');
});

test('a sequence: once to check it, once to run it', () => {
  about(ofUpdate(new TestCluster(), { kind: 'sequence', updates: SETS }), 3 * 6, 'decoded, checked, run');
});

test('a prefix is deleted, and asserted, by slices', () => {
  about(ofUpdate(filled(), { kind: 'deletePrefix', prefix: 'l' }), 7, 'deletePrefix');
  const asserted: Update = { kind: 'sequence', updates: [{ kind: 'assertRange', prefix: 'l', keys: KEYS }] };
  const cluster = filled();
  about(ofUpdate(cluster, asserted), 7, 'assertRange');
});

test('reads of many rows pause', () => {
  const cluster = filled();
  const all = {
    consistency: CONSISTENT,
    first: null,
    firstIncluded: true,
    last: null,
    lastIncluded: true,
    max: -1,
  };
  const reads: readonly (readonly [Request, number])[] = [
    [{ kind: 'range', ...all }, 12],
    [{ kind: 'revRangeEntries', ...all }, 12],
    [{ kind: 'prefixKeys', consistency: CONSISTENT, prefix: 'l', max: -1 }, 12],
    [{ kind: 'getKeyCount' }, 12],
    [{ kind: 'multiGet', consistency: CONSISTENT, keys: KEYS }, 7],
    [{ kind: 'multiGetOption', consistency: CONSISTENT, keys: KEYS.map((key) => `m${key}`) }, 7],
    [{ kind: 'get', consistency: CONSISTENT, key: keyOf(1) }, 1],
  ];
  for (const [request, expected] of reads) {
    about(turnsOf(cluster.machine.read(request, cluster.store)), expected, request.kind);
  }
});

test('long values are read in fewer rows a turn', () => {
  const cluster = new TestCluster();
  const long = KEYS.slice(0, 100).map((key): Update => ({ kind: 'set', key, value: Buffer.alloc(20_000) }));
  cluster.apply(...long);
  const keys = KEYS.slice(0, 100);
  const request: Request = { kind: 'multiGet', consistency: CONSISTENT, keys };
  about(turnsOf(cluster.machine.read(request, cluster.store)), 5, 'multiGet of two million bytes');
});

test('a move pauses at each of its steps', () => {
  const source = filled();
  const target = new TestCluster({ nursery: true });
  const header = headerOf(1);
  target.expect({ kind: 'beginImport', ...header }, 'importing');
  source.expect({ kind: 'beginExport', ...header }, 'exporting');
  const query = {
    kind: 'readPage',
    mid: 1,
    lo: 'k',
    hi: 't',
    from: 'k',
    bytesMax: 10_000_000,
    minSlot: 0,
  } as const;
  about(turnsOf(source.machine.query(query, source.slot, source.store)), 8, 'a page of 2000 rows');
  const scan = { kind: 'scanBase', mid: 1, minSlot: 0 } as const;
  about(turnsOf(source.machine.query(scan, source.slot, source.store)), (ROWS * 5) / 500, 'the base');

  const rows: Row[] = KEYS.slice(0, 1500).map((key) => row(key, 'v'));
  const to = keyOf(1500);
  target.expect({ kind: 'page', ...header, seq: 1, asOf: 1, page: PAGE_COPY, from: 'k', to, rows }, 'ok');
  about(target.turns, (1500 * 5) / 500, 'a page into an empty staging');
  copy(source, target, header, 10_000_000);

  source.apply(...KEYS.map((key): Update => ({ kind: 'set', key, value: bytes('w') })));
  const dirty = { kind: 'readDirty', mid: 1, from: 'k', rowsMax: 1, bytesMax: 1, minSlot: 0 } as const;
  about(
    turnsOf(source.machine.query({ ...dirty, from: 's' }, source.slot, source.store)),
    1,
    'nothing is dirty there',
  );
  source.expect({ kind: 'trim', ...header, from: 'k', to: 't', slot: 0 }, 'ok');
  about(source.turns, 1 + ROWS / 500, 'a trim that finds nothing to trim');
  base(source, header);
  const page = { seq: (target.status(header).importing?.seq ?? 0) + 1, asOf: source.slot, page: PAGE_DIRTY };
  const changed = KEYS.map((key) => row(key, 'w'));
  target.expect({ kind: 'page', ...header, ...page, from: 'k', to: 't', rows: changed }, 'ok');
  about(target.turns, (ROWS * 5) / 500, 'rows that replace others');
  const sealed = source.expect({ kind: 'seal', ...header, rowsMax: ROWS, bytesMax: 1_000_000 }, 'sealed');
  target.expect(activation(target, header, sealed), 'closed');
  source.expect({ kind: 'release', ...header }, 'closed');
  about(source.turns, 1 + ROWS / 500, 'dirty rows are dropped');
  source.expect({ kind: 'cleanupStep', mid: 1, rowsMax: 10_000 }, 'ok');
  about(source.turns, ROWS / 500, 'rows that are released are deleted');
  source.expect({ kind: 'beginImport', ...headerOf(2) }, 'importing');
  about(source.turns, 1 + ROWS / 500, 'rows that are gone, but not from the disk yet, are passed over');
});

test.run();

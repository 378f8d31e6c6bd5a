/** Migrations between two machines, driven line by line: what the tests of both sides need. */

import { type Digest, NO_ROWS } from '../../../src/keyspace/digest.ts';
import type { Range } from '../../../src/keyspace/range.ts';
import type { AdminAnswer, AdminCommand, Header } from '../../../src/protocol/admin/admin.ts';
import { PAGE_COPY, PAGE_DIRTY } from '../../../src/protocol/admin/admin.ts';
import type { TestCluster } from './cluster.ts';

export type Of<K extends AdminCommand['kind']> = Extract<AdminCommand, { kind: K }>;

/** The header of migration `mid` of [k, t) at its first token. */
export function headerOf(mid: number, changed: Partial<Header> = {}): Header {
  return { mid, token: 1, floor: 0, lo: 'k', hi: 't', peer: 'other', ...changed };
}

/** Makes `cluster` own `range`, empty, as if migration `mid` had brought it there. */
export function give(cluster: TestCluster, range: Range, mid = 1): void {
  const header = headerOf(mid, { lo: range.lo, hi: range.hi });
  cluster.expect({ kind: 'beginImport', ...header }, 'importing');
  const page = { seq: 1, asOf: 1, page: PAGE_COPY, from: range.lo, to: range.hi, rows: [] };
  cluster.expect({ kind: 'page', ...header, ...page }, 'ok');
  cluster.expect({ kind: 'activate', ...header, seq: 1, sealSlot: 1, digest: NO_ROWS }, 'closed');
}

/** Copies everything that is left, from the cursor of the target on. Returns the number of the last page. */
export function copy(source: TestCluster, target: TestCluster, header: Header, bytesMax = 100): void {
  for (;;) {
    const { importing } = target.status(header);
    if (importing === null) throw new Error('no import');
    if (importing.cursor === header.hi || importing.cursor === null) return;
    const { mid, lo, hi } = header;
    const from = importing.cursor;
    const page = source.query(
      { kind: 'readPage', mid, lo, hi, from, bytesMax, minSlot: importing.asOf },
      'rows',
    );
    const { asOf, rows, to } = page;
    target.expect(
      { kind: 'page', ...header, seq: importing.seq + 1, asOf, page: PAGE_COPY, from, to, rows },
      'ok',
    );
  }
}

/** Sends every dirty row once, and trims what was taken. Returns how many rows went over. */
export function round(source: TestCluster, target: TestCluster, header: Header, rowsMax = 3): number {
  let from = header.lo;
  let sent = 0;
  for (;;) {
    const { importing } = target.status(header);
    if (importing === null) throw new Error('no import');
    const { mid } = header;
    const query = { kind: 'readDirty', mid, from, rowsMax, bytesMax: 1000, minSlot: importing.asOf } as const;
    const { asOf, rows, to } = source.query(query, 'rows');
    sent += rows.length;
    if (rows.length > 0) {
      const page = { seq: importing.seq + 1, asOf, page: PAGE_DIRTY, from, to, rows };
      target.expect({ kind: 'page', ...header, ...page }, 'ok');
      source.expect({ kind: 'trim', ...header, from, to, slot: asOf }, 'ok');
    }
    if (to === header.hi || to === null) return sent;
    from = to;
  }
}

/** Scans the base at one image of the source, and stores it. */
export function base(source: TestCluster, header: Header): Digest {
  const answer = source.query({ kind: 'scanBase', mid: header.mid, minSlot: 0 }, 'base');
  source.expect({ kind: 'setBase', ...header, base: answer.base }, 'ok');
  return answer.base;
}

export function seal(source: TestCluster, header: Header): Extract<AdminAnswer, { kind: 'sealed' }> {
  return source.expect({ kind: 'seal', ...header, rowsMax: 1000, bytesMax: 1_000_000 }, 'sealed');
}

/** The `activate` that fits what the target has taken and what the source sealed. */
export function activation(
  target: TestCluster,
  header: Header,
  sealed: { readonly sealSlot: number; readonly digest: Digest },
): Of<'activate'> {
  const seq = target.status(header).importing?.seq ?? 0;
  return { kind: 'activate', ...header, seq, sealSlot: sealed.sealSlot, digest: sealed.digest };
}

/** Moves [lo, hi) from `source` to `target` in one go, clean-up included. */
export function move(source: TestCluster, target: TestCluster, header: Header): void {
  target.expect({ kind: 'beginImport', ...header }, 'importing');
  source.expect({ kind: 'beginExport', ...header }, 'exporting');
  copy(source, target, header);
  base(source, header);
  round(source, target, header);
  const sealed = seal(source, header);
  round(source, target, header);
  target.expect(activation(target, header, sealed), 'closed');
  source.expect({ kind: 'release', ...header }, 'closed');
  cleanUp(source);
}

/** Carries out the steps that a master would propose. */
export function cleanUp(cluster: TestCluster): void {
  for (let mid = cluster.machine.cleanups[0]; mid !== undefined; mid = cluster.machine.cleanups[0]) {
    cluster.expect({ kind: 'cleanupStep', mid, rowsMax: 2 }, 'ok');
  }
}

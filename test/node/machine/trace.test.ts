/** The state machine's histories: what each command answers and changes, with the values on either side of each bound. */
import { test } from 'uvu';
import { USER_KEY_MAX } from '../../../src/base/limits.ts';
import type { Introduction, Self } from '../../../src/identity/founding.ts';
import { NO_ROWS } from '../../../src/keyspace/digest.ts';
import {
  type AdminCommand,
  type Header,
  NO_PROGRESS,
  PAGE_COPY,
  PAGE_DIRTY,
} from '../../../src/protocol/admin/admin.ts';
import type { Request } from '../../../src/protocol/arakoon/requests.ts';
import type { Update } from '../../../src/protocol/arakoon/updates.ts';
import { bytes, row, TestCluster } from './cluster.ts';
import { headerOf } from './migrations.ts';
import { Trace } from './trace.ts';

const consistency = { kind: 'consistent' } as const;
const NODES = (name: string, port = 4000) => [{ name, ips: ['10.0.0.1'], port }];
const LONGEST = 'x'.repeat(USER_KEY_MAX);
const TOO_LONG = `${LONGEST}x`;
const RECEIPT = { sealSlot: 7, digest: { sum: 3n, count: 2, bytes: 1 }, pauseMs: 4, pauseAtLeast: false };

const own = (lo: string, hi: string | null, epoch: number, sealedBy: number | null = null) => ({
  lo,
  hi,
  epoch,
  sealedBy,
});

test('the register: bound at first sight, and each node tells its own address alone', () => {
  const trace = new Trace(
    'Bound at first sight; each node tells its own address alone, in its present life; a claim waits.',
  );
  const introduce = (cluster: string, founding: string, more: Partial<Introduction> = {}): void => {
    const members = [{ node: `${cluster}_0`, incarnation: founding, learner: false }];
    trace.command({
      kind: 'introduce',
      cluster,
      founding,
      keeper: '',
      version: 1,
      members,
      owned: [],
      ...more,
    });
  };
  const self = (more: Partial<Self> = {}): Self => ({
    cluster: 'A',
    founding: 'a1',
    node: 'A_0',
    incarnation: 'a1',
    ips: ['10.0.0.9'],
    port: 5000,
    label: 'rack 1',
    ...more,
  });
  const claim = (process: string, port: number, insists = false, more: Partial<Self> = {}): void => {
    trace.command({ kind: 'claimAddress', ...self(more), port, process, insists });
  };
  trace.note('before the keeper knows itself');
  introduce('A', 'a1');
  trace.query({ kind: 'standing', cluster: 'A', founding: 'a1', keeper: '' });
  trace.command({ kind: 'setClusterConfig', cluster: 'B', nodes: NODES('B_0') });
  trace.command({ kind: 'bind', keeper: { cluster: 'K', founding: 'k', nodes: NODES('k_0') }, mine: 'k' });
  trace.note('ids and foundings that are none');
  introduce('', 'a1');
  introduce('A'.repeat(256), 'long');
  introduce('A'.repeat(257), 'long');
  introduce('A', '');
  introduce('K', 'other');
  introduce('A', 'a1', { keeper: 'another' });
  introduce('A', 'a1', { owned: [own('', null, 3)] });
  trace.query({ kind: 'standing', cluster: 'A', founding: '', keeper: '' });
  trace.note('the first one is bound; what was known of the id without a founding gets it');
  introduce('A', 'a1', { owned: [own('', null, 0)] });
  introduce('A', 'a2');
  introduce('B', 'b1', { keeper: 'k', version: 4 });
  introduce('B', 'b1', { version: 3, members: [] });
  introduce('B', 'b1', {
    version: 4,
    members: [
      { node: 'B_0', incarnation: 'new', learner: false },
      { node: 'B_1', incarnation: 'x', learner: true },
    ],
  });
  for (const founding of ['', 'b1', 'b2']) {
    trace.query({ kind: 'standing', cluster: 'B', founding, keeper: '' });
    trace.query({ kind: 'standing', cluster: 'B', founding, keeper: 'another' });
  }
  trace.note('addresses and claims');
  trace.command({ kind: 'tellAddress', ...self() });
  trace.command({ kind: 'tellAddress', ...self() });
  trace.command({ kind: 'tellAddress', ...self({ node: 'A_1' }) });
  trace.command({ kind: 'tellAddress', ...self({ incarnation: 'old' }) });
  trace.command({ kind: 'tellAddress', ...self({ founding: 'a2' }) });
  claim('first', 5000);
  claim('copy', 6000);
  claim('copy', 6000, false, { ips: ['10.0.0.8'] });
  claim('first', 5000);
  claim('copy', 6000, true);
  claim('copy', 6001);
  claim('other', 6001, true);
  claim('other', 6001, true);
  claim('other', 6001, false, { label: 'rack 2' });
  introduce('A', 'a1', {
    version: 2,
    members: [
      { node: 'A_0', incarnation: 'a1', learner: false },
      { node: 'A_1', incarnation: 'y', learner: false },
    ],
  });
  introduce('A', 'a1', { version: 3, members: [{ node: 'A_0', incarnation: 'z', learner: false }] });
  claim('wiped', 7000, false, { incarnation: 'z' });
  trace.query({ kind: 'getMap' });
  trace.note('the first map, and those that do not fit it');
  introduce('C', 'c1');
  trace.command({ kind: 'initMap', cluster: 'B' });
  trace.command({ kind: 'dropCluster', cluster: 'A' });
  trace.command({ kind: 'dropCluster', cluster: 'C' });
  trace.command({ kind: 'dropCluster', cluster: 'K' });
  trace.command({ kind: 'initMap', cluster: 'A' });
  introduce('D', 'd1', { owned: [own('k', 't', 0)] });
  introduce('D', 'd1', { owned: [own('k', 't', 1)] });
  const many = ['a', 'b', 'c', 'd', 'e'].map((lo, index) => own(lo, `${lo}z`, index + 1));
  introduce('D', 'd1', { owned: many.slice(0, 3) });
  introduce('D', 'd1', { owned: many });
  introduce('D', 'd1');
  trace.command({ kind: 'dropCluster', cluster: 'A' });
  trace.command({ kind: 'dropCluster', cluster: 'D' });
  introduce('D', 'd1');
  introduce('D', 'd2');
  trace.query({ kind: 'standing', cluster: 'D', founding: 'd1', keeper: '' });
  trace.command({ kind: 'dropCluster', cluster: 'nobody' });
  trace.note('a cluster that is known by its addresses alone is no end of a move');
  trace.command({ kind: 'setClusterConfig', cluster: 'E', nodes: NODES('E_0') });
  trace.command({ kind: 'plan', source: 'A', target: 'E', lo: 'k', hi: 't' });
  trace.command({ kind: 'plan', source: 'E', target: 'A', lo: 'k', hi: 't' });
  trace.command({ kind: 'setClusterConfig', cluster: 'A', nodes: NODES('liar') });
  trace.note('owned ahead of the map, and after it');
  trace.command({ kind: 'plan', source: 'A', target: 'B', lo: 'k', hi: 't' });
  trace.command({ kind: 'claim', mid: 2, tokenSeen: 0 });
  trace.command({ kind: 'publish', mid: 2, token: 1, receipt: RECEIPT });
  trace.query({ kind: 'listMigrations' });
  trace.query({ kind: 'getMapSince', version: 0 });
  trace.query({ kind: 'watchMap', sinceVersion: 100 });
  trace.check('register');
});

test('a keeper of before: clusters that the map knows without foundings are bound to what owns just that', () => {
  const trace = new Trace(
    'A cluster that the map gives ranges is bound only to who owns just these, at these epochs, or by an open move.',
  );
  for (const id of ['A', 'B', 'C']) {
    trace.command({ kind: 'setClusterConfig', cluster: id, nodes: NODES(`${id}_0`) });
  }
  trace.command({ kind: 'initMap', cluster: 'A' });
  trace.command({ kind: 'plan', source: 'A', target: 'B', lo: 'k', hi: 't' });
  trace.command({ kind: 'claim', mid: 2, tokenSeen: 0 });
  trace.command({ kind: 'plan', source: 'A', target: 'C', lo: 't', hi: null });
  trace.command({ kind: 'claim', mid: 3, tokenSeen: 0 });
  trace.command({ kind: 'publish', mid: 3, token: 1, receipt: RECEIPT });
  trace.command({ kind: 'bind', keeper: { cluster: 'K', founding: 'k', nodes: [] }, mine: 'k' });
  const introduce = (cluster: string, owned: Introduction['owned']): void => {
    const members = [{ node: `${cluster}_0`, incarnation: 'new', learner: false }];
    trace.command({
      kind: 'introduce',
      cluster,
      founding: `${cluster}1`,
      keeper: '',
      version: 5,
      members,
      owned,
    });
  };
  trace.note('the source: all but what is published, or that still, sealed by its move');
  introduce('A', []);
  introduce('A', [own('', 'k', 1)]);
  introduce('A', [own('', 't', 0)]);
  introduce('A', [own('', 't', 2)]);
  introduce('A', [own('', 't', 1), own('t', null, 1)]);
  introduce('A', [own('', 't', 1), own('t', null, 1, 2)]);
  trace.query({ kind: 'standing', cluster: 'A', founding: '', keeper: '' });
  introduce('A', [own('', 't', 1), own('t', null, 1, 3)]);
  trace.note('the targets');
  introduce('B', [own('k', 't', 3)]);
  introduce('B', [own('k', 'u', 2)]);
  introduce('B', [own('k', 't', 2)]);
  introduce('C', []);
  introduce('C', [own('t', null, 2)]);
  introduce('C', [own('t', 'u', 3)]);
  introduce('C', [own('t', null, 3)]);
  trace.query({ kind: 'listMigrations' });
  trace.query({ kind: 'getMap' });
  trace.check('bound-later');
});

test('records of the keeper, from plan to the end', () => {
  const trace = new Trace('A record is changed by its newest coordinator alone, and its phase only goes on.');
  const progress = { ...NO_PROGRESS, stage: 'copying', keysCopied: 5, waitingFor: 'target B' };
  trace.command({ kind: 'plan', source: 'A', target: 'B', lo: '', hi: 'k' });
  for (const id of ['A', 'B']) {
    trace.command({ kind: 'setClusterConfig', cluster: id, nodes: NODES(`${id}_0`) });
  }
  trace.command({ kind: 'initMap', cluster: 'nobody' });
  trace.command({ kind: 'initMap', cluster: 'A' });
  trace.command({ kind: 'initMap', cluster: 'B' });
  for (const [lo, hi] of [
    ['k', 'k'],
    ['t', 'k'],
    [TOO_LONG, null],
    ['', 'x'.repeat(USER_KEY_MAX + 2)],
  ] as const) {
    trace.command({ kind: 'plan', source: 'A', target: 'B', lo, hi });
  }
  trace.command({ kind: 'plan', source: 'A', target: 'A', lo: '', hi: 'k' });
  trace.command({ kind: 'plan', source: 'B', target: 'A', lo: '', hi: 'k' });
  trace.command({ kind: 'plan', source: 'A', target: 'C', lo: '', hi: 'k' });
  trace.command({ kind: 'plan', source: 'A', target: 'B', lo: '', hi: 'k' });
  trace.command({ kind: 'plan', source: 'A', target: 'B', lo: 'j', hi: 't' });
  trace.command({ kind: 'plan', source: 'A', target: 'B', lo: 'k', hi: null });
  for (const mid of [1, 2, 3, 4]) trace.query({ kind: 'getMigration', mid });
  const steps = (mid: number, token: number): AdminCommand[] => [
    { kind: 'claim', mid, tokenSeen: token - 1 },
    { kind: 'note', mid, token, progress },
    { kind: 'wish', mid, wish: 'pause', why: 'night' },
    { kind: 'wish', mid, wish: 'run', why: '' },
    { kind: 'finish', mid, token },
  ];
  trace.note('nobody knows it');
  for (const command of steps(9, 1)) trace.command(command);
  trace.note('one that is published');
  for (const command of steps(2, 1)) trace.command(command);
  trace.command({ kind: 'claim', mid: 2, tokenSeen: 0 });
  trace.command({ kind: 'claim', mid: 2, tokenSeen: 1 });
  trace.command({ kind: 'note', mid: 2, token: 1, progress });
  trace.command({ kind: 'publish', mid: 2, token: 1, receipt: RECEIPT });
  trace.command({ kind: 'publish', mid: 2, token: 2, receipt: RECEIPT });
  trace.command({ kind: 'publish', mid: 2, token: 2, receipt: RECEIPT });
  trace.command({ kind: 'wish', mid: 2, wish: 'abort', why: 'too late' });
  trace.command({ kind: 'recordAbort', mid: 2, token: 2, why: 'no', told: true });
  trace.command({ kind: 'forget', mid: 2 });
  trace.command({ kind: 'finish', mid: 2, token: 1 });
  trace.command({ kind: 'finish', mid: 2, token: 2 });
  trace.command({ kind: 'finish', mid: 2, token: 2 });
  trace.command({ kind: 'note', mid: 2, token: 2, progress });
  trace.command({ kind: 'claim', mid: 2, tokenSeen: 2 });
  trace.command({ kind: 'dropCluster', cluster: 'B' });
  trace.note('one that is aborted');
  trace.command({ kind: 'claim', mid: 3, tokenSeen: 0 });
  trace.command({ kind: 'wish', mid: 3, wish: 'abort', why: 'changed our minds' });
  trace.command({ kind: 'wish', mid: 3, wish: 'run', why: '' });
  trace.command({ kind: 'recordAbort', mid: 3, token: 0, why: 'old', told: true });
  trace.command({ kind: 'recordAbort', mid: 3, token: 1, why: 'asked', told: true });
  trace.command({ kind: 'recordAbort', mid: 3, token: 1, why: 'asked', told: true });
  trace.command({ kind: 'publish', mid: 3, token: 1, receipt: RECEIPT });
  trace.command({ kind: 'finish', mid: 3, token: 1 });
  trace.command({ kind: 'forget', mid: 3 });
  trace.command({ kind: 'forget', mid: 3 });
  trace.command({ kind: 'forget', mid: 2 });
  trace.command({ kind: 'plan', source: 'B', target: 'A', lo: '', hi: 'k' });
  trace.query({ kind: 'listMigrations' });
  trace.query({ kind: 'getMapSince', version: 1 });
  trace.query({ kind: 'getMapSince', version: 99 });
  trace.check('records');
});

/** A cluster that owns everything, with some rows. */
function whole(trace: Trace): void {
  trace.command({ kind: 'assume', epoch: 1 });
  const keys = ['', 'a', 'k', 'k\0', 'l', 'm', 's\xff', 't', LONGEST];
  trace.apply(...keys.map((key): Update => ({ kind: 'set', key, value: bytes(`v${key.slice(0, 3)}`) })));
}

test('the source of a move', () => {
  const trace = new Trace(
    'What a source answers and changes, from beginExport to the last step of its clean-up.',
  );
  const header = (more: Partial<Header> = {}): Header => headerOf(5, more);
  const status = (): void => {
    trace.query({ kind: 'rangeStatus', mid: 5, lo: 'k', hi: 't' }, { ms: 12, isExact: true });
  };
  whole(trace);
  trace.command({ kind: 'assume', epoch: 1 });
  trace.command({ kind: 'assume', epoch: 2 });
  for (const range of [
    { lo: 't', hi: 'k' },
    { lo: 'k', hi: 'k' },
    { lo: 'x'.repeat(USER_KEY_MAX + 2), hi: null },
  ]) {
    trace.command({ kind: 'beginExport', ...header(range) });
    trace.query({ kind: 'mayBegin', mid: 5, as: 'source', ...range });
  }
  trace.query({ kind: 'mayBegin', mid: 5, lo: 'k', hi: 't', as: 'source' });
  trace.query({ kind: 'mayBegin', mid: 5, lo: 'k', hi: 't', as: 'target' });
  trace.command({ kind: 'beginExport', ...header() });
  trace.command({ kind: 'beginExport', ...header({ hi: 's' }) });
  trace.command({ kind: 'beginExport', ...headerOf(6, { lo: 's' }) });
  trace.query({ kind: 'mayBegin', mid: 6, lo: 's', hi: 't', as: 'source' });
  status();
  trace.note('pages');
  const page = { kind: 'readPage', mid: 5, lo: 'k', hi: 't', from: 'k', bytesMax: 4, minSlot: 0 } as const;
  trace.query(page);
  trace.query({ ...page, bytesMax: 1000 });
  trace.query({ ...page, from: 'a', bytesMax: 0 });
  trace.query({ ...page, from: 's\xff\0' });
  trace.query({ ...page, mid: 6 });
  trace.query({ ...page, minSlot: 100 });
  trace.note('what changes meanwhile is dirty');
  trace.apply(
    { kind: 'set', key: 'k', value: bytes('new') },
    { kind: 'delete', key: 'l' },
    { kind: 'delete', key: 'nothing' },
    { kind: 'set', key: 't', value: bytes('outside') },
    { kind: 'set', key: 'a', value: bytes('outside') },
  );
  trace.apply({ kind: 'deletePrefix', prefix: 's' });
  const dirty = { kind: 'readDirty', mid: 5, from: 'k', rowsMax: 2, bytesMax: 1000, minSlot: 0 } as const;
  trace.query(dirty);
  trace.query({ ...dirty, rowsMax: 0 });
  trace.query({ ...dirty, bytesMax: 1 });
  trace.query({ ...dirty, from: 'l' });
  trace.query({ ...dirty, minSlot: 100 });
  trace.query({ kind: 'scanBase', mid: 5, minSlot: 0 });
  trace.query({ kind: 'scanBase', mid: 5, minSlot: 100 });
  trace.command({ kind: 'seal', ...header(), rowsMax: 100, bytesMax: 1000 });
  trace.command({ kind: 'setBase', ...header(), base: { sum: 5n, count: 5, bytes: 20 } });
  trace.command({ kind: 'setBase', ...header(), base: { sum: 5n, count: 5, bytes: 20 } });
  trace.command({ kind: 'trim', ...header(), from: 'k', to: 'l', slot: 10 });
  trace.command({ kind: 'trim', ...header(), from: 'k', to: 'l', slot: 11 });
  trace.command({ kind: 'seal', ...header(), rowsMax: 1, bytesMax: 1000 });
  trace.command({ kind: 'seal', ...header(), rowsMax: 2, bytesMax: 1 });
  status();
  trace.note('sealed: nothing of it changes, and none is read');
  trace.command({ kind: 'seal', ...header(), rowsMax: 2, bytesMax: 1000 });
  trace.command({ kind: 'seal', ...header(), rowsMax: 0, bytesMax: 0 });
  trace.apply({ kind: 'set', key: 'm', value: bytes('no') }, { kind: 'set', key: 'b', value: bytes('yes') });
  for (const key of ['j\xff', 'k', 's\xff', 't']) trace.read({ kind: 'get', consistency, key });
  status();
  trace.command({ kind: 'trim', ...header(), from: 'k', to: null, slot: 9 });
  trace.command({ kind: 'trim', ...header(), from: 'k', to: 't', slot: 99 });
  trace.query(dirty);
  trace.note('an older coordinator is fenced; a newer one is known from its first word on');
  trace.command({ kind: 'release', ...header({ token: 0 }) });
  trace.command({ kind: 'release', ...header({ token: 2, lo: 'l' }) });
  trace.command({ kind: 'release', ...header() });
  trace.command({ kind: 'release', ...header({ token: 2 }) });
  trace.command({ kind: 'release', ...header({ token: 2 }) });
  trace.command({ kind: 'unseal', ...header({ token: 2 }) });
  status();
  for (const key of ['k', 't']) trace.read({ kind: 'get', consistency, key });
  trace.query({ kind: 'mayBegin', mid: 7, lo: 'k', hi: 'l', as: 'target' });
  for (const rowsMax of [1, 2, 9, 9]) trace.command({ kind: 'cleanupStep', mid: 5, rowsMax });
  trace.note('unsealed');
  trace.command({ kind: 'beginExport', ...headerOf(7, { lo: 't', hi: null }) });
  trace.command({ kind: 'setBase', ...headerOf(7, { lo: 't', hi: null }), base: NO_ROWS });
  trace.apply({ kind: 'set', key: 'u', value: bytes('dirty') });
  trace.command({ kind: 'seal', ...headerOf(7, { lo: 't', hi: null }), rowsMax: 9, bytesMax: 999 });
  trace.command({ kind: 'unseal', ...headerOf(7, { lo: 't', hi: null }) });
  trace.command({ kind: 'unseal', ...headerOf(8, { lo: 't', hi: null }) });
  trace.command({ kind: 'beginExport', ...headerOf(8, { lo: 't', hi: null }) });
  trace.note('the floor is raised: what is below it is over, and forgotten');
  trace.command({ kind: 'beginExport', ...headerOf(9, { floor: 8, lo: 't', hi: null }) });
  trace.command({ kind: 'release', ...header({ token: 9 }) });
  trace.command({ kind: 'release', ...headerOf(8, { token: 9, floor: 7 }) });
  trace.command({ kind: 'assume', epoch: 7 });
  trace.command({ kind: 'assume', epoch: 8 });
  trace.check('source');
});

test('the target of a move', () => {
  const trace = new Trace(
    'What a target answers and changes, from beginImport to activate or the end of an abandon.',
  );
  const header = (more: Partial<Header> = {}): Header => headerOf(5, more);
  const page = (seq: number, more: object = {}): void => {
    const rows = [row('k', 'one'), row('m', 'two')];
    const about = { seq, asOf: 10, page: PAGE_COPY, from: 'k', to: 'n', rows };
    trace.command({ kind: 'page', ...header(), ...about, ...more });
  };
  trace.command({ kind: 'beginImport', ...header({ lo: 't', hi: 'k' }) });
  page(1);
  trace.command({ kind: 'beginImport', ...header() });
  trace.command({ kind: 'beginImport', ...header({ token: 2 }) });
  trace.command({ kind: 'beginImport', ...header() });
  trace.command({ kind: 'beginImport', ...headerOf(6, { lo: 's', hi: null }) });
  trace.query({ kind: 'mayBegin', mid: 6, lo: 's', hi: null, as: 'target' });
  trace.query({ kind: 'mayBegin', mid: 6, lo: 't', hi: null, as: 'target' });
  trace.note('pages');
  const token = { token: 2 };
  page(2, token);
  page(1, { ...token, from: 'l' });
  page(1, { ...token, rows: [row('j', 'x')] });
  page(1, { ...token, rows: [row('n', 'x')] });
  page(1, { ...token, rows: [row(TOO_LONG, 'x')], to: null });
  page(1, { ...token, to: 'u' });
  page(1, token);
  page(1, token);
  page(2, { ...token, asOf: 9, from: 'n', to: 't' });
  page(2, { ...token, asOf: 11, from: 'n', to: 'p', rows: [row('n', 'three'), row('o', '')] });
  page(3, {
    ...token,
    asOf: 11,
    page: PAGE_DIRTY,
    from: 'k',
    to: 'l',
    rows: [row('k', null), row('k\0', 'x')],
  });
  page(4, { ...token, asOf: 12, page: PAGE_DIRTY, from: 'q', to: 't', rows: [row('q', 'early')] });
  page(5, { ...token, asOf: 13, from: 'p', to: 't', rows: [row('q', 'later'), row('r', 'r')] });
  trace.query({ kind: 'rangeStatus', mid: 5, lo: 'k', hi: 't' });
  trace.read({ kind: 'get', consistency, key: 'm' });
  trace.note('activated only by what was sealed');
  const activate = (more: object): void => {
    const sealed = { seq: 5, sealSlot: 20, digest: { sum: 1n, count: 6, bytes: 0 } };
    trace.command({ kind: 'activate', ...header(token), ...sealed, ...more });
  };
  activate({ seq: 4 });
  activate({});
  activate({ sealSlot: 12 });
  const { importing } = trace.cluster.status(header());
  activate({ digest: importing?.running, lo: 'l' });
  activate({ digest: importing?.running });
  activate({ digest: importing?.running });
  trace.command({ kind: 'abandon', ...header(token) });
  for (const key of ['j\xff', 'k', 'k\0', 'm', 'q', 't']) trace.read({ kind: 'get', consistency, key });
  trace.note('a part of it is sealed again: only what lies there may be elsewhere');
  const part = headerOf(6, { hi: 'm', peer: 'third' });
  trace.command({ kind: 'beginExport', ...part });
  trace.command({ kind: 'setBase', ...part, base: NO_ROWS });
  trace.command({ kind: 'seal', ...part, rowsMax: 9, bytesMax: 999 });
  for (const key of ['k', 'm', 'z']) trace.read({ kind: 'get', consistency, key });
  trace.note('abandoned, and cleaned up');
  trace.command({ kind: 'beginImport', ...headerOf(7, { lo: 't', hi: null }) });
  const rows = ['t', 'u', 'v'].map((key) => row(key, key));
  const other = { seq: 1, asOf: 1, page: PAGE_COPY, from: 't', to: 'w', rows };
  trace.command({ kind: 'page', ...headerOf(7, { lo: 't', hi: null }), ...other });
  trace.command({ kind: 'abandon', ...headerOf(7, { lo: 't', hi: null }) });
  trace.command({ kind: 'beginImport', ...headerOf(8, { lo: 'u', hi: null }) });
  trace.query({ kind: 'mayBegin', mid: 8, lo: 'u', hi: null, as: 'target' });
  for (const rowsMax of [2, 2, 2]) trace.command({ kind: 'cleanupStep', mid: 7, rowsMax });
  trace.command({ kind: 'abandon', ...headerOf(8, { lo: 'u', hi: null }) });
  trace.command({ kind: 'beginImport', ...headerOf(8, { lo: 'u', hi: null }) });
  trace.check('target');
});

test('commands are for one founding of one nursery', () => {
  const trace = new Trace(
    'Before floor and token: whose command it is, whom it is for, and who is at the other end.',
  );
  const address = { keeper: 'k', founding: 'mine', peer: 'theirs' };
  const under = (command: object, more: object = {}): void => {
    trace.command({ kind: 'under', ...address, ...more, command } as AdminCommand);
  };
  const begin = { kind: 'beginImport', ...headerOf(5, { floor: 2 }) };
  trace.command({ kind: 'beginImport', ...headerOf(4, { lo: 'a', hi: 'b' }) });
  under(begin);
  const keeper = { cluster: 'K', founding: 'k', nodes: NODES('k_0') };
  trace.command({ kind: 'bind', keeper, mine: 'mine' });
  trace.command({ kind: 'bind', keeper: { ...keeper, nodes: NODES('k_1') }, mine: 'mine' });
  trace.command({ kind: 'bind', keeper: { ...keeper, founding: 'other' }, mine: 'mine' });
  trace.command({ kind: 'bind', keeper, mine: 'other' });
  under(begin, { keeper: 'other' });
  under(begin, { founding: 'other' });
  under(begin, { peer: '' });
  under({ kind: 'scrub', from: '', rowsMax: 1 });
  trace.command({ kind: 'beginImport', ...headerOf(5) });
  trace.command({ kind: 'assume', epoch: 1 });
  under(begin);
  under({ ...begin, token: 9 }, { peer: 'another' });
  under({ kind: 'abandon', ...headerOf(4, { lo: 'a', hi: 'b' }) }, { peer: 'theirs' });
  under({ kind: 'abandon', ...headerOf(5) });
  under({ kind: 'assume', epoch: 6 });
  under({ kind: 'cleanupStep', mid: 5, rowsMax: 9 });
  for (const mid of [4, 5]) trace.command({ kind: 'cleanupStep', mid, rowsMax: 9 });
  under({ kind: 'assume', epoch: 6 });
  under({ kind: 'beginExport', ...headerOf(8) });
  under({ kind: 'beginExport', ...headerOf(8) }, { peer: 'another' });
  trace.check('foundings');
});

test('reads at the bounds of keys and ranges', () => {
  const trace = new Trace('What is read at the bounds of ranges, flags, lengths and counts.');
  whole(trace);
  trace.command({ kind: 'beginExport', ...headerOf(5) });
  trace.command({ kind: 'setBase', ...headerOf(5), base: NO_ROWS });
  trace.command({ kind: 'seal', ...headerOf(5), rowsMax: 9, bytesMax: 999 });
  const keys = ['', 'a', 'b', 'j\xff', 'k', 's\xff', 't', LONGEST, TOO_LONG];
  for (const key of keys) {
    for (const kind of ['get', 'exists', 'assertExists'] as const) trace.read({ kind, consistency, key });
    trace.read({ kind: 'assert', consistency, key, expected: null });
    trace.read({ kind: 'assert', consistency, key, expected: bytes(`v${key}`) });
    trace.read({ kind: 'multiGet', consistency, keys: ['a', key] });
    trace.read({ kind: 'multiGetOption', consistency, keys: [key, 'a'] });
    trace.read({ kind: 'prefixKeys', consistency, prefix: key, max: -1 });
  }
  const bounds: (readonly [string | null, boolean, string | null, boolean, number])[] = [
    [null, true, 'a', true, -1],
    ['', true, 'a', false, -1],
    ['', false, 'a', true, -1],
    ['a', true, 'a', true, -1],
    ['a', true, 'a', false, -1],
    ['a', false, 'b', true, 0],
    ['a', true, 'k', false, 1],
    ['a', true, 'k', true, -1],
    ['s\xff', false, null, true, -1],
    ['t', true, null, true, 1],
    ['t', false, null, true, 2],
    [TOO_LONG, true, null, true, 2],
    ['z', true, 'a', true, -1],
    ['a', true, 'a', true, -2],
  ];
  for (const [first, firstIncluded, last, lastIncluded, max] of bounds) {
    const query = { consistency, first, firstIncluded, last, lastIncluded, max };
    for (const kind of ['range', 'rangeEntries'] as const) trace.read({ kind, ...query });
    const turned = { first: last, firstIncluded: lastIncluded, last: first, lastIncluded: firstIncluded };
    trace.read({ kind: 'revRangeEntries', consistency, ...turned, max });
  }
  trace.read({ kind: 'prefixKeys', consistency, prefix: 'a', max: 0 });
  trace.read({ kind: 'prefixKeys', consistency, prefix: '', max: 1 });
  for (const kind of ['getKeyCount', 'getInterval', 'getRouting', 'getNurseryConfig'] as const) {
    trace.read({ kind, consistency } as Request);
  }
  trace.check('reads');
});

test('updates, alone and in sequences', () => {
  const trace = new Trace(
    'What updates change: each alone, and in a sequence that is refused as a whole.',
    new TestCluster(),
  );
  const v = bytes('v');
  trace.apply({ kind: 'set', key: '', value: v }, { kind: 'set', key: LONGEST, value: bytes('') });
  trace.apply({ kind: 'set', key: 'k', value: v }, { kind: 'nop' });
  const all: Update[] = [
    { kind: 'confirm', key: 'k', value: v },
    { kind: 'confirm', key: 'k', value: bytes('w') },
    { kind: 'delete', key: 'none' },
    { kind: 'testAndSet', key: 'k', expected: v, wanted: bytes('x') },
    { kind: 'testAndSet', key: 'k', expected: bytes('w'), wanted: bytes('x') },
    { kind: 'testAndSet', key: 'k', expected: null, wanted: null },
    { kind: 'testAndSet', key: 'new', expected: null, wanted: v },
    { kind: 'testAndSet', key: 'new', expected: v, wanted: null },
    { kind: 'replace', key: 'k', wanted: v },
    { kind: 'replace', key: 'k', wanted: null },
    { kind: 'replace', key: 'k', wanted: v },
    { kind: 'assert', key: 'k', expected: v },
    { kind: 'assert', key: 'k', expected: null },
    { kind: 'assert', key: 'none', expected: null },
    { kind: 'assertExists', key: 'k' },
    { kind: 'assertExists', key: 'none' },
    { kind: 'assertRange', prefix: 'k', keys: ['k'] },
    { kind: 'assertRange', prefix: 'k', keys: ['k', 'ka'] },
    { kind: 'assertRange', prefix: 'k', keys: [] },
    { kind: 'assertRange', prefix: 'none', keys: [] },
    { kind: 'deletePrefix', prefix: 'none' },
    { kind: 'userFunction', name: 'none', argument: null },
    { kind: 'delete', key: 'k' },
    { kind: 'delete', key: 'k' },
  ];
  for (const update of all) trace.apply(update);
  trace.note('one batch, each by itself');
  trace.apply(...all);
  trace.note('sequences');
  const set = (key: string): Update => ({ kind: 'set', key, value: v });
  const sequence = (...updates: Update[]): Update => ({ kind: 'sequence', updates });
  trace.apply(sequence());
  trace.apply(sequence(set('a'), set('b')));
  trace.apply(sequence(set('c'), { kind: 'assert', key: 'a', expected: null }));
  trace.apply(sequence(set('c'), { kind: 'delete', key: 'none' }, set('d')));
  trace.apply(sequence(set('ca'), { kind: 'deletePrefix', prefix: 'c' }, { kind: 'assertExists', key: 'a' }));
  trace.apply(sequence(set('e'), sequence(set('f'), { kind: 'assertExists', key: 'e' })));
  trace.apply(sequence(set('g'), { kind: 'syncedSequence', updates: [{ kind: 'assertExists', key: 'h' }] }));
  trace.apply(
    sequence(
      set('g'),
      { kind: 'replace', key: 'g', wanted: null },
      { kind: 'assert', key: 'g', expected: null },
    ),
  );
  trace.apply({ kind: 'deletePrefix', prefix: '' });
  trace.check('updates');
});

test.run();

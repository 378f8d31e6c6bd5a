/** How long updates of clients waited lately, as a node tells it behind answers to pages. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Waits } from '../../../node/serve/waits.ts';
import {
  type AdminAnswer,
  type AdminCommand,
  decodeAnswer,
  encodeAnswer,
} from '../../../src/protocol/admin/admin.ts';
import { failure, OK } from '../../../src/protocol/arakoon/replies.ts';
import { type Answer, wholeOf } from '../../../src/protocol/arakoon/values.ts';

const SET = { kind: 'set', key: 'k', value: Buffer.from('v') } as const;
const HEADER = { mid: 1, token: 1, floor: 0, lo: 'a', hi: 'b', peer: 'A' };

class Bench {
  nowMs = 0;
  readonly waits = new Waits(() => this.nowMs);

  /** An update of a client is answered after so long. */
  waited(ms: number): void {
    const hear = this.waits.heard(SET, () => undefined);
    this.nowMs += ms;
    hear(OK);
  }

  /** What comes of the answer to a command. */
  answered(command: AdminCommand, answer: AdminAnswer): AdminAnswer {
    const heard: Answer[] = [];
    const hear = this.waits.heard({ kind: 'adminCommand', command }, (given) => heard.push(given));
    this.nowMs += 100;
    hear({ bytes: encodeAnswer(answer), hint: null });
    return decodeAnswer(wholeOf(heard[0] as Answer));
  }
}

const near = (told: number, ms: number): void =>
  assert.ok(told >= ms && told <= 1.2 * ms + 1, `${told}, where they waited ${ms}`);

test('nobody waited where nobody asked, and a while after', () => {
  const bench = new Bench();
  assert.is(bench.waits.waitedMs, 0);
  bench.waited(20);
  near(bench.waits.waitedMs, 20);
  bench.nowMs += 400;
  near(bench.waits.waitedMs, 20);
  bench.nowMs += 1000;
  assert.is(bench.waits.waitedMs, 0);
});

test('of few the longest, of many what one in a hundred waited', () => {
  for (const ms of [0, 0.3, 1, 3, 47, 900, 60_000]) {
    const bench = new Bench();
    bench.waited(ms);
    near(bench.waits.waitedMs, ms);
  }
  const bench = new Bench();
  for (let count = 0; count < 199; count += 1) bench.waited(0.1);
  bench.waited(50);
  near(bench.waits.waitedMs, 0.1);
  bench.waited(50);
  bench.waited(50);
  near(bench.waits.waitedMs, 50);
});

test('what was before the last half second goes once another one is over', () => {
  const bench = new Bench();
  bench.waited(30);
  bench.nowMs = 500;
  bench.waited(2);
  near(bench.waits.waitedMs, 30);
  bench.nowMs = 1000;
  bench.waited(2);
  near(bench.waits.waitedMs, 2);
});

test('answers to what a copy sends say it, refusals and others do not; and its own time is not counted', () => {
  const bench = new Bench();
  const page: AdminCommand = {
    kind: 'page',
    ...HEADER,
    seq: 1,
    asOf: 1,
    page: 0,
    from: 'a',
    to: null,
    rows: [],
  };
  assert.equal(bench.answered(page, { kind: 'ok' }), { kind: 'ok' }, 'nobody waited but the page');
  bench.waited(40);
  const { waitedMs } = bench.waits;
  const under: AdminCommand = { kind: 'under', keeper: 'k', founding: 'f', peer: 'p', command: page };
  for (const command of [page, under])
    assert.equal(bench.answered(command, { kind: 'ok' }), { kind: 'ok', waitedMs });
  const importing: AdminAnswer = {
    kind: 'importing',
    ...{ seq: 0, cursor: 'a', asOf: 0, lo: 'a', hi: 'b' },
    running: { sum: 0n, count: 0, bytes: 0 },
  };
  assert.equal(bench.answered({ kind: 'beginImport', ...HEADER }, importing), { ...importing, waitedMs });
  const gap: AdminAnswer = { kind: 'gap', seq: 0, cursor: 'a', asOf: 0 };
  assert.equal(bench.answered(page, gap), gap);
  assert.equal(bench.answered({ kind: 'noteTold', mid: 1 }, { kind: 'ok' }), { kind: 'ok' });
  const failed = failure('NOT_MASTER', 'n2');
  assert.is(bench.waits.told(failed), failed);
});

test('a page that is read says it behind what it has, however many pieces that is', () => {
  const bench = new Bench();
  bench.waited(7);
  const { waitedMs } = bench.waits;
  const rows = [{ kind: 0, key: 'k', value: Buffer.from('v') }];
  const answer: AdminAnswer = { kind: 'rows', asOf: 3, rows, to: null };
  const whole = encodeAnswer(answer);
  const pieces = { bytes: whole.subarray(0, 9), rest: [whole.subarray(9)], hint: null };
  for (const given of [{ bytes: whole, hint: null }, pieces])
    assert.equal(decodeAnswer(wholeOf(bench.waits.told(given))), { ...answer, waitedMs });
});

test.run();

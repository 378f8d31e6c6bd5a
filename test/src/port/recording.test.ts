/** What is asked is timed; what takes long is logged, and figures are reported from time to time. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Recording } from '../../../src/port/recording.ts';
import { OK, okBytes } from '../../../src/protocol/arakoon/replies.ts';
import type { RequestKind } from '../../../src/protocol/arakoon/request-table.ts';
import { encodeRequest } from '../../../src/protocol/arakoon/requests.ts';
import type { Field } from '../../../src/protocol/arakoon/statistics.ts';
import type { Answer } from '../../../src/protocol/arakoon/values.ts';

const SET = encodeRequest({ kind: 'set', key: 'k', value: Buffer.from('value') });

/** A reply that is long enough for whatever was asked. */
const NOTHING = okBytes(Buffer.alloc(8));

class Bench {
  nowMs = 0;
  readonly lines: [string, { readonly [fact: string]: unknown }][] = [];
  readonly recording: Recording;

  constructor() {
    const log = (facts: object, message: string): void => {
      this.lines.push([message, facts as { readonly [fact: string]: unknown }]);
    };
    this.recording = new Recording({
      logger: { info: log, warn: log, error: log, debug: log },
      nowMs: () => this.nowMs,
      wallMs: () => 1_000_000 + this.nowMs,
    });
  }

  takes(ms: number, kind: RequestKind = 'set', frame = SET, key: string | null = null): void {
    const heard: Answer[] = [];
    const answered = this.recording.timed(kind, frame, (answer) => heard.push(answer), key);
    this.nowMs += ms;
    answered(NOTHING);
    assert.equal(heard, [NOTHING]);
  }
}

test('an answer is passed on, and counted with its time', () => {
  const bench = new Bench();
  bench.takes(250);
  const fields = bench.recording.fields([{ node: 'n1', slot: 17 }]);
  const of = (name: string): Field['value'] | undefined => fields.find((field) => field.name === name)?.value;
  const set = of('set_info') as readonly Field[];
  assert.is(set.find(({ name }) => name === 'avg')?.value, 0.25);
  assert.is(of('avg_set_size'), 5);
  assert.is(of('last'), 1000.25);
  assert.equal(of('node_is'), [{ name: 'n1', kind: 'int64', value: 17 }]);
  assert.equal(
    fields.slice(-6).map(({ name, kind }) => [name, kind]),
    [
      ['mem_allocated', 'float'],
      ['mem_maxrss', 'int'],
      ['mem_minor_collections', 'int'],
      ['mem_major_collections', 'int'],
      ['mem_compactions', 'int'],
      ['node_is', 'list'],
    ],
  );
});

test('what takes longer than a second is logged, with its key, read out of the frame where nobody gives it', () => {
  const bench = new Bench();
  bench.takes(1000);
  assert.equal(bench.lines, []);
  bench.takes(1001);
  assert.equal(bench.lines, [['a request took long', { request: 'set', key: 'k', tookMs: 1001 }]]);
  const get = encodeRequest({ kind: 'get', consistency: { kind: 'consistent' }, key: 'read' });
  bench.takes(2000, 'get', get);
  const list = encodeRequest({
    kind: 'prefixKeys',
    consistency: { kind: 'consistent' },
    prefix: 'p',
    max: 1,
  });
  bench.takes(2000, 'prefixKeys', list);
  bench.takes(2000, 'set', SET, `\x00${'x'.repeat(4000)}`);
  const keys = bench.lines.slice(1).map(([, { key }]) => key);
  assert.equal(keys.slice(0, 2), ['read', undefined]);
  assert.is((keys[2] as string).length, 200);
});

test('a long frame is let go, whatever its answer waits for: its key is read before', () => {
  const bench = new Bench();
  const frame = encodeRequest({ kind: 'set', key: 'long', value: Buffer.alloc(5000) });
  const answered = bench.recording.timed('set', frame, () => undefined);
  frame.fill(0xff); // as whoever has it next may do
  bench.nowMs += 2000;
  answered(OK);
  const [[, facts] = []] = bench.lines;
  assert.is(facts?.['key'], 'long');
});

test('where the time of an update went is logged; not of what came beside it later', () => {
  const bench = new Bench();
  bench.nowMs = 100;
  bench.recording.stages = () => ({ takenMs: 300, chosenMs: 1300, appliedMs: 1350 });
  bench.takes(1260);
  const [, facts] = bench.lines[0] ?? [];
  assert.equal(facts, {
    request: 'set',
    key: 'k',
    tookMs: 1260,
    queueMs: 200,
    chooseMs: 1000,
    applyMs: 50,
    answerMs: 10,
  });
  bench.takes(2000);
  assert.not('queueMs' in (bench.lines[1]?.[1] ?? {}));
});

test('of many in one second five are logged, and the next line says how many were left out', () => {
  const bench = new Bench();
  const all = Array.from({ length: 12 }, () => bench.recording.timed('set', SET, () => undefined));
  bench.nowMs += 3000;
  for (const answered of all) answered(OK);
  assert.is(bench.lines.length, 5);
  bench.takes(1500);
  assert.equal(
    bench.lines.slice(4).map(([, { leftOut }]) => leftOut),
    [undefined, 7],
  );
});

test('a report is one line of what was asked, and begins the figures anew', () => {
  const bench = new Bench();
  bench.takes(250);
  bench.recording.report();
  const [message, { statistics }] = bench.lines[0] as [string, { statistics: Record<string, unknown> }];
  assert.is(message, 'statistics');
  assert.is((statistics['set_info'] as Record<string, unknown>)['n'], 1);
  assert.not('get_info' in statistics, 'what nobody asked is left out');
  bench.recording.report();
  const [, again] = bench.lines[1] as [string, { statistics: Record<string, unknown> }];
  assert.not('set_info' in again.statistics);
});

test.run();

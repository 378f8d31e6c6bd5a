/** What is asked is timed; what takes long is logged, and figures are reported from time to time. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Recording } from '../../../src/port/recording.ts';
import { OK } from '../../../src/protocol/arakoon/replies.ts';
import { encodeRequest } from '../../../src/protocol/arakoon/requests.ts';
import type { Field } from '../../../src/protocol/arakoon/statistics.ts';
import type { Answer } from '../../../src/protocol/arakoon/values.ts';

const SET = encodeRequest({ kind: 'set', key: 'k', value: Buffer.from('value') });

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

  takes(ms: number): void {
    const heard: Answer[] = [];
    const answered = this.recording.timed('set', SET, (answer) => heard.push(answer));
    this.nowMs += ms;
    answered(OK);
    assert.equal(heard, [OK]);
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

test('what takes longer than a second is logged, once a minute of each kind', () => {
  const bench = new Bench();
  bench.takes(1000);
  assert.equal(bench.lines, []);
  bench.takes(1001);
  bench.takes(5000);
  assert.equal(bench.lines, [['a request took long', { request: 'set', tookMs: 1001, times: 1 }]]);
  bench.nowMs += 60_000;
  bench.takes(2000);
  assert.equal(bench.lines[1], ['a request took long', { request: 'set', tookMs: 2000, times: 2 }]);
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

/** The figures of Arakoon's statistics: names and order as its tools read them, and what they say. */
import * as fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Figures, Operations, writtenBytes } from '../../../../src/protocol/arakoon/operations.ts';
import { failure, OK, okBytes, okInt, okKeys } from '../../../../src/protocol/arakoon/replies.ts';
import { encodeRequest } from '../../../../src/protocol/arakoon/requests.ts';
import type { Field } from '../../../../src/protocol/arakoon/statistics.ts';

/** In the order in which Arakoon's own tool takes them from the list, one after the other. */
const NAMES = [
  'start',
  'last',
  'avg_set_size',
  'avg_get_size',
  'avg_range_size',
  'avg_range_entries_size',
  'avg_rev_range_entries_size',
  'avg_prefix_size',
  'avg_del_prefix_size',
  'harvest_stats',
  'set_info',
  'get_info',
  'del_info',
  'seq_info',
  'mget_info',
  'mget_option_info',
  'tas_info',
  'replace_info',
  'range_info',
  'range_entries_info',
  'rev_range_entries_info',
  'prefix_info',
  'delete_prefix_info',
  'op_info',
];

function fieldOf(fields: readonly Field[], name: string): Field['value'] {
  const found = fields.find((field) => field.name === name);
  if (found === undefined) throw new Error(`there is no ${name}`);
  return found.value;
}

function figure(fields: readonly Field[], list: string, name: string): number {
  return fieldOf(fieldOf(fields, list) as readonly Field[], name) as number;
}

test('mean and variance are those of all that was measured', () => {
  fc.assert(
    fc.property(fc.array(fc.double({ min: 0, max: 1000, noNaN: true }), { minLength: 1 }), (values) => {
      const figures = new Figures();
      for (const value of values) figures.add(value);
      const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
      const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
      assert.is(figures.n, values.length);
      assert.is(figures.min, Math.min(...values));
      assert.is(figures.max, Math.max(...values));
      assert.ok(Math.abs(figures.avg - mean) < 1e-6);
      assert.ok(Math.abs(figures.m2 - squares) < 1e-3);
      const variance = values.length < 2 ? 0 : squares / (values.length - 1);
      assert.ok(Math.abs(figures.variance - variance) < 1e-3);
    }),
  );
});

test('fields stand in the order in which Arakoon’s tools read them', () => {
  const fields = new Operations(12.5).periodFields();
  assert.equal(
    fields.map(({ name }) => name),
    NAMES,
  );
  const set = fieldOf(fields, 'set_info') as readonly Field[];
  assert.equal(
    set.map(({ name, kind }) => [name, kind]),
    [['n', 'int'], ...['min', 'max', 'm2', 'avg', 'var'].map((name) => [name, 'float'])],
  );
  assert.is(fieldOf(fields, 'start'), 12.5);
  assert.is(figure(fields, 'set_info', 'min'), Number.MAX_VALUE, 'which those tools show as n/a');
});

test('an operation is counted in its group, in all, and since the start; sizes are means', () => {
  const operations = new Operations(0);
  operations.answered('set', 0.25, 10, OK);
  operations.answered('set', 0.75, 20, OK);
  operations.answered('get', 0.5, 0, okBytes(Buffer.alloc(7)));
  operations.answered('range', 0.5, 0, okKeys(['a', 'b', 'c']));
  operations.answered('deletePrefix', 0.5, 0, okInt(9));
  operations.answered('syncedSequence', 0.5, 0, OK);
  operations.answered('exists', 0.5, 0, OK);
  operations.answered('set', 5, 99, failure('NOT_MASTER', 'b'));
  operations.harvested(3);
  operations.harvested(5);
  const fields = operations.periodFields();
  assert.is(figure(fields, 'set_info', 'n'), 2);
  assert.is(figure(fields, 'set_info', 'avg'), 0.5);
  assert.is(fieldOf(fields, 'avg_set_size'), 15);
  assert.is(fieldOf(fields, 'avg_get_size'), 7);
  assert.is(fieldOf(fields, 'avg_range_size'), 3);
  assert.is(fieldOf(fields, 'avg_del_prefix_size'), 9);
  assert.is(figure(fields, 'seq_info', 'n'), 1);
  assert.is(figure(fields, 'harvest_stats', 'avg'), 4);
  assert.is(figure(fields, 'op_info', 'n'), 6, 'what Arakoon does not count by itself is not among them');
  const total = operations.totalFields().value as readonly Field[];
  assert.equal(
    total.map(({ name }) => name),
    ['delete_prefix', 'exists', 'get', 'range', 'set', 'synced_sequence'],
  );
  assert.is(figure(total, 'set', 'n'), 2);
  assert.is(figure(total, 'set', 'failed'), 1);
  assert.is(operations.count('set'), 3);
});

test('a report begins the figures anew, but not those since the start', () => {
  const operations = new Operations(0);
  operations.answered('set', 0.25, 10, OK);
  operations.harvested(3);
  operations.lastAt(3);
  operations.beginAnew(300);
  const fields = operations.periodFields();
  assert.is(fieldOf(fields, 'start'), 300);
  assert.is(fieldOf(fields, 'last'), 300);
  assert.is(fieldOf(fields, 'avg_set_size'), 0);
  assert.is(figure(fields, 'set_info', 'n'), 0);
  assert.is(figure(fields, 'harvest_stats', 'n'), 0);
  assert.is(figure(operations.totalFields().value as readonly Field[], 'set', 'n'), 1);
});

test('the size of what is written is known from the frame', () => {
  const value = Buffer.alloc(33);
  assert.is(writtenBytes('set', encodeRequest({ kind: 'set', key: 'abc', value })), 33);
  assert.is(writtenBytes('confirm', encodeRequest({ kind: 'confirm', key: '', value })), 33);
  assert.is(writtenBytes('delete', encodeRequest({ kind: 'delete', key: 'abc' })), 0);
  assert.is(writtenBytes('set', Buffer.alloc(5)), 0);
});

test.run();

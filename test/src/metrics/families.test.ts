/** The text form of metrics, and that docs/metrics.md lists every one of them. */
import { readFileSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { NODE_METRICS } from '../../../node/serve/metrics.ts';
import { ROUTER_METRICS } from '../../../router/metrics.ts';
import {
  exposition,
  LEFT_OUT,
  labelled,
  type Metric,
  SERIES_MAX,
  single,
} from '../../../src/metrics/families.ts';
import { PROCESS_METRICS, processFamilies } from '../../../src/metrics/of-process.ts';
import { clientBudgets } from '../../../src/process/budget.ts';
import { Operations } from '../../../src/protocol/arakoon/operations.ts';
import { failure, OK } from '../../../src/protocol/arakoon/replies.ts';

const gauge = (name: string): Metric => ({ name, kind: 'gauge', help: 'what it is' });

test('names, help and kinds stand before the values, and labels are escaped', async () => {
  const text = await exposition([
    single(gauge('nursery_one'), 1.5),
    labelled(gauge('nursery_two'), 'of', [['a"b\\c\n', 2]]),
    labelled(gauge('nursery_none'), 'of', []),
  ]);
  assert.match(text, '# HELP nursery_one what it is\n# TYPE nursery_one gauge\nnursery_one 1.5\n');
  assert.match(text, 'nursery_two{of="a\\"b\\\\c\\n"} 2\n');
  assert.not.match(text, 'nursery_none');
});

test('there are never too many series, and it is said how many are left out', async () => {
  const many = (name: string, count: number) =>
    labelled(
      gauge(name),
      'of',
      Array.from({ length: count }, (_, at) => [String(at), at] as const),
    );
  const text = await exposition([many('nursery_a', SERIES_MAX - 10), many('nursery_b', 11)]);
  assert.match(text, `${LEFT_OUT.name} 11\n`);
  assert.not.match(text, 'nursery_b{');
});

test('times of requests are a histogram, by operation and outcome', async () => {
  const operations = new Operations(0);
  operations.answered('get', 0.0002, 0, OK);
  operations.answered('get', 3, 0, OK);
  operations.answered('set', 0.04, 1, failure('READ_ONLY', 'x'));
  const seats = { open: 1, clientsMax: 2, turnedAway: 3, letGo: 4 };
  const facts = { operations, budgets: clientBudgets(), seats, eventLoop: { active: 1500 } };
  const text = await exposition(processFamilies(facts));
  assert.match(text, '# TYPE nursery_request_seconds histogram');
  assert.match(text, 'nursery_request_seconds_bucket{operation="get",outcome="ok",le="0.0001"} 0\n');
  assert.match(text, 'nursery_request_seconds_bucket{operation="get",outcome="ok",le="0.00025"} 1\n');
  assert.match(text, 'nursery_request_seconds_bucket{operation="get",outcome="ok",le="+Inf"} 2\n');
  assert.match(text, 'nursery_request_seconds_sum{operation="get",outcome="ok"} 3.0002\n');
  assert.match(text, 'nursery_request_seconds_count{operation="set",outcome="failed"} 1\n');
  assert.match(text, 'nursery_event_loop_busy_seconds_total 1.5\n');
  assert.match(text, 'nursery_connections_let_go_total{why="idle"} 4\n');
});

test('docs/metrics.md lists each metric, as the code describes it, and no other', () => {
  const rowOf = ({ name, kind, help }: Metric): string => `| \`${name}\` | ${kind} | ${help} |`;
  const tables = [NODE_METRICS, ROUTER_METRICS, PROCESS_METRICS].map(
    (table) => Object.values(table) as Metric[],
  );
  const wanted = [...tables.flat(), LEFT_OUT].map(rowOf).sort();
  const listed = readFileSync('docs/metrics.md', 'utf8').match(/^\| `nursery_.*$/gm) ?? [];
  assert.equal([...listed].sort(), wanted);
  for (const { name } of tables.flat()) assert.match(name, /^nursery_[a-z_]+$/);
});

test.run();

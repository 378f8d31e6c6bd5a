/** The metrics of a node, however many ranges it has. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { NODE_METRICS, nodeFamilies } from '../../../node/serve/metrics.ts';
import type { RequestContext } from '../../../node/serve/request-context.ts';
import { exposition, type Family, LEFT_OUT, type Metric, SERIES_MAX } from '../../../src/metrics/families.ts';
import { Operations } from '../../../src/protocol/arakoon/operations.ts';
import { OK } from '../../../src/protocol/arakoon/replies.ts';
import { largeNode } from '../../support/large-node.ts';

function epochsOf(families: readonly Family[], name: string): string[] {
  const samples = families.find(({ metric }) => metric.name === name)?.samples ?? [];
  return samples.map(({ labels }) => labels?.['epoch'] ?? '');
}

test('of 1,000 ranges the 50 largest and the 50 busiest are told, by their epochs, and no key', async () => {
  const { context, load, keys } = largeNode(1000, new Operations(0));
  for (const key of keys.slice(-50)) {
    for (let count = 0; count < 100; count += 1) load.answered('set', key, 10, OK);
  }
  const families = nodeFamilies(context);
  const epochs = epochsOf(families, NODE_METRICS.rangeWrites.name);
  assert.is(epochs.length, 100);
  for (let epoch = 951; epoch <= 1000; epoch += 1) assert.ok(epochs.includes(String(epoch)), `${epoch}`);
  assert.equal(epochsOf(families, NODE_METRICS.rangeKeys.name), epochs);
  const text = await exposition(families);
  assert.match(text, `${LEFT_OUT.name} 0\n`);
  assert.not.match(text, 'customer/');
  const series = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  assert.ok(series.length <= SERIES_MAX, `${series.length} series`);
  const names = series.map((line) => line.slice(0, line.lastIndexOf(' ')));
  assert.is(new Set(names).size, names.length, 'each series stands there once');
});

test('ranges that are parts of one epoch are series of their own, numbered in the order of keys', async () => {
  const { context, load, keys } = largeNode(4, new Operations(0));
  const owned = context.driver.machine.owned().map((range, at) => ({ ...range, epoch: at === 1 ? 9 : 7 }));
  const machine = { ...context.driver.machine, owned: () => owned };
  const families = nodeFamilies({
    ...context,
    driver: { ...context.driver, machine },
    counts: () => ({
      ranges: owned,
      counts: owned.map((_, at) => ({ keys: 100 + at, bytes: 1000 + at })),
      atMs: 0,
    }),
    load: {
      told: load.told,
      totals: keys.map((lo, at) => ({ lo, reads: 20 + at, writes: 10 + at, bytes: 5 + at })),
    },
  } as unknown as RequestContext);
  const told = (metric: Metric): string[] =>
    (families.find((family) => family.metric === metric)?.samples ?? [])
      .map(({ labels, value }) => `${labels?.['epoch']}.${labels?.['part']} ${value}`)
      .sort();
  assert.equal(told(NODE_METRICS.rangeKeys), ['7.0 100', '7.1 102', '7.2 103', '9.0 101']);
  assert.equal(told(NODE_METRICS.rangeBytes), ['7.0 1000', '7.1 1002', '7.2 1003', '9.0 1001']);
  assert.equal(told(NODE_METRICS.rangeReads), ['7.0 20', '7.1 22', '7.2 23', '9.0 21']);
  assert.equal(told(NODE_METRICS.rangeWrites), ['7.0 10', '7.1 12', '7.2 13', '9.0 11']);
  assert.equal(told(NODE_METRICS.rangeTraffic), ['7.0 5', '7.1 7', '7.2 8', '9.0 6']);
  const text = await exposition(families);
  assert.match(text, '\nnursery_range_keys{epoch="7",part="1"} 102\n');
  assert.not.match(text, 'customer/');
});

test('of ranges of one epoch the largest are told, not all that have this epoch', () => {
  const { context, load } = largeNode(200, new Operations(0));
  const owned = context.driver.machine.owned().map((range) => ({ ...range, epoch: 7 }));
  const machine = { ...context.driver.machine, owned: () => owned };
  const families = nodeFamilies({
    ...context,
    driver: { ...context.driver, machine },
    counts: () => ({ ranges: owned, counts: owned.map((_, at) => ({ keys: 1, bytes: at })), atMs: 0 }),
    load: { told: { ...load.told, ranges: [] }, totals: [] },
  } as unknown as RequestContext);
  const { samples } = families.find(({ metric }) => metric === NODE_METRICS.rangeBytes) as Family;
  const largest = samples.slice(0, 50).map(({ labels }) => Number(labels?.['part']));
  assert.equal(
    largest,
    Array.from({ length: 50 }, (_, at) => 199 - at),
  );
  assert.is(samples.length, 100, 'and as many of the busiest, which nobody is here');
});

test.run();

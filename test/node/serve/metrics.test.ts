/** The metrics of a node, however many ranges it has. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { NODE_METRICS, nodeFamilies } from '../../../node/serve/metrics.ts';
import type { RequestContext } from '../../../node/serve/request-context.ts';
import { exposition, type Family, LEFT_OUT, SERIES_MAX } from '../../../src/metrics/families.ts';
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

test('ranges that a move has parted have one epoch, and are one series', () => {
  const { context, load, keys } = largeNode(3, new Operations(0));
  const parted = context.driver.machine.owned().map((range) => ({ ...range, epoch: 7 }));
  const machine = { ...context.driver.machine, owned: () => parted };
  const families = nodeFamilies({
    ...context,
    driver: { ...context.driver, machine },
    load: { told: load.told, totals: keys.map(() => ({ epoch: 7, reads: 2, writes: 1, bytes: 5 })) },
  } as unknown as RequestContext);
  const samplesOf = (name: string) => families.find(({ metric }) => metric.name === name)?.samples;
  assert.equal(samplesOf(NODE_METRICS.rangeReads.name), [{ labels: { epoch: '7' }, value: 6 }]);
  assert.equal(samplesOf(NODE_METRICS.rangeKeys.name)?.length, 1);
});

test.run();

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Traffic } from '../../../src/cli/dev/traffic.ts';
import type { ArakoonClient } from '../../../src/client/arakoon-client.ts';

/** A store with one fault: it forgets every `forgets`-th write that it acknowledges. */
function faultyClient(forgets: number): ArakoonClient {
  const stored = new Map<string, string>([
    ['a', 'value revision 0'],
    ['b', 'value revision 0'],
  ]);
  let writes = 0;
  const client = {
    set: async (key: string, value: string) => {
      writes += 1;
      if (writes % forgets !== 0) stored.set(key, value);
    },
    get: async (key: string) => Buffer.from(stored.get(key) ?? ''),
  };
  return client as unknown as ArakoonClient;
}

const VALUES = new Map([
  ['a', 'value'],
  ['b', 'value'],
]);

/** A few turns of the event loop's queue of promises. */
async function aWhile(): Promise<void> {
  for (let turn = 0; turn < 200; turn += 1) await null;
}

test('a store that keeps its word is neither stale nor wrong', async () => {
  const traffic = new Traffic([faultyClient(Number.POSITIVE_INFINITY)], VALUES);
  const report = await traffic.during(aWhile);
  assert.ok(report.reads > 0 && report.writes > 0);
  assert.equal(report.stale, []);
  assert.equal(report.errors, []);
});

test('a write that was acknowledged and lost is noticed', async () => {
  const traffic = new Traffic([faultyClient(3)], VALUES);
  const report = await traffic.during(aWhile);
  assert.ok(report.stale.length > 0, 'the tour would have said so');
});

test('an error is counted, and its key keeps its last acknowledged revision', async () => {
  const client = {
    set: () => Promise.reject(new Error('refused')),
    get: async () => Buffer.from('value revision 0'),
  };
  const traffic = new Traffic([client as unknown as ArakoonClient], VALUES);
  const report = await traffic.during(aWhile);
  assert.ok(report.errors.length > 0);
  assert.is(traffic.expected('a'), 'value revision 0');
});

test.run();

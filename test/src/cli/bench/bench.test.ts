import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { NurseryError } from '../../../../src/base/errors.ts';
import { Histogram } from '../../../../src/cli/bench/histogram.ts';
import { OPERATIONS, Operation, parseMix, Workload } from '../../../../src/cli/bench/operations.ts';
import { decodeRequest, scanRequest } from '../../../../src/protocol/arakoon/requests.ts';

const SIZES = { keys: 1000, keyBytes: 16, valueBytes: 100, sequenceUpdates: 3, rangeEntries: 50 };

test('percentiles are right to one part in thirty, from microseconds to minutes', () => {
  for (const unitMs of [0.001, 0.05, 1, 1000]) {
    const histogram = new Histogram();
    for (let i = 1; i <= 1000; i += 1) histogram.add(i * unitMs);
    for (const share of [0.5, 0.9, 0.99]) {
      const exact = share * 1000 * unitMs;
      const off = Math.abs(histogram.percentile(share) - exact);
      assert.ok(off <= exact / 30 + 0.001, `${share} of ${unitMs}: off by ${off}`);
    }
    assert.is(histogram.percentiles().max, 1000 * unitMs);
  }
  assert.is(new Histogram().percentile(0.99), 0);
});

test('merged histograms count what both counted', () => {
  const [one, other] = [new Histogram(), new Histogram()];
  for (let i = 0; i < 90; i += 1) one.add(1);
  for (let i = 0; i < 10; i += 1) other.add(100);
  one.merge(other);
  assert.is(one.count, 100);
  assert.ok(Math.abs(one.percentile(0.5) - 1) < 0.05);
  assert.ok(one.percentile(0.95) > 95);
});

test('every operation is one request that a node understands, with keys within bounds', () => {
  for (const name of OPERATIONS) {
    const workload = new Workload([{ name, weight: 1 }], SIZES, 7);
    for (let i = 0; i < 50; i += 1) {
      const operation = workload.next();
      const frame = Buffer.alloc(operation.bytes);
      workload.write(operation, frame, 0);
      assert.equal(scanRequest(frame, 0, frame.length), {
        kind: 'complete',
        end: frame.length,
        code: operation.code,
      });
      const request = decodeRequest(frame);
      if ('key' in request) assert.ok(Number(request.key) < SIZES.keys && request.key.length === 16);
    }
  }
  assert.is(new Operation('sequence', SIZES).units, 3);
});

test('a fill draws each key once, then is filled', () => {
  const sizes = { ...SIZES, keys: 12, sequenceUpdates: 3 };
  const workload = new Workload([{ name: 'fill', weight: 1 }], sizes, 1);
  const seen: string[] = [];
  while (!workload.isFilled) {
    const operation = workload.next();
    const frame = Buffer.alloc(operation.bytes);
    workload.write(operation, frame, 0);
    seen.push(...(frame.toString('latin1').match(/\d{16}/g) ?? []));
  }
  assert.equal(
    seen.map(Number),
    Array.from({ length: 12 }, (_, i) => i),
  );
});

test('a mix names its operations and their shares', () => {
  assert.equal(parseMix('set:1,get:9'), [
    { name: 'set', weight: 1 },
    { name: 'get', weight: 9 },
  ]);
  for (const wrong of ['put', 'set:0', 'set:many', '']) assert.throws(() => parseMix(wrong), isRefused);
});

function isRefused(error: unknown): boolean {
  return error instanceof NurseryError && error.code === 'REFUSED';
}

test.run();

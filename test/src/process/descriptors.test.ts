import { spawnSync } from 'node:child_process';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
  CONNECTIONS_MAX,
  connectionLimits,
  descriptorLimit,
  isOutOfDescriptors,
  onDescriptorShortage,
  RESERVED_DESCRIPTORS,
  withDescriptor,
} from '../../../src/process/descriptors.ts';

const SHORT = Object.assign(new Error('too many open files'), { code: 'EMFILE' });

test('all connections, whatever they are, leave the reserve alone', () => {
  for (const limit of [200, 256, 400, 1024, 4096, 20_000, 1_000_000]) {
    const { clients, own, spare } = connectionLimits(limit);
    assert.ok(clients + own + spare + RESERVED_DESCRIPTORS <= limit, `${limit}`);
    assert.ok(clients > own && own > 0 && spare > 0, `${limit}`);
  }
  assert.is(connectionLimits(1_000_000).clients, CONNECTIONS_MAX);
  assert.ok(connectionLimits(10).clients > 0, 'the fewest there can be');
  const { clients, own, spare } = connectionLimits(1024, 200);
  assert.ok(
    clients + own + spare + 200 + RESERVED_DESCRIPTORS <= 1024,
    'links that are opened from here count',
  );
});

test('the limit is what the shell says', () => {
  const { stdout } = spawnSync('sh', ['-c', 'ulimit -n'], { encoding: 'utf8' });
  assert.is(descriptorLimit(), Number(stdout));
});

test('a want of descriptors is told from other failures, also as a cause and in numbers', () => {
  assert.ok(isOutOfDescriptors(SHORT));
  assert.ok(isOutOfDescriptors(Object.assign(new Error(), { code: 24 })));
  assert.ok(isOutOfDescriptors(new Error('store', { cause: SHORT })));
  assert.not(isOutOfDescriptors(Object.assign(new Error(), { code: 'ENOENT' })));
  assert.not(isOutOfDescriptors(Object.assign(new Error(), { code: 28 })));
});

test('what needs a descriptor waits for one, and the shortage is told once from begin to end', async () => {
  const told: boolean[] = [];
  onDescriptorShortage((isShort) => told.push(isShort));
  let attempts = 0;
  const attempt = async (): Promise<string> => {
    attempts += 1;
    if (attempts < 6) throw SHORT;
    return 'opened';
  };
  assert.equal(await Promise.all([withDescriptor(attempt), withDescriptor(attempt)]), ['opened', 'opened']);
  assert.equal(told, [true, false]);
  onDescriptorShortage(() => undefined);
});

test('other failures are not waited for, nor is what nobody needs any more', async () => {
  const other = new Error('ENOENT');
  assert.is(await withDescriptor(() => Promise.reject(other)).catch((error) => error), other);
  const over = withDescriptor(
    () => Promise.reject(SHORT),
    () => true,
  );
  assert.is(await over.catch((error) => error), SHORT);
});

test.run();

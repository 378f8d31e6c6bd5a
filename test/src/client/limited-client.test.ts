/** Calls of a command that has to end in time: whom they name, with which code, and what stays the cause. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { NurseryError } from '../../../src/base/errors.ts';
import { clientWithin, TimeLimit } from '../../../src/client/limited-client.ts';
import { failure } from '../../../src/protocol/arakoon/replies.ts';
import { FakeCluster } from './fake-cluster.ts';

const IDENTITY = { role: 'operator', node: 'test' } as const;

/** How a question ends, and after how long (ms). */
async function asked(
  cluster: FakeCluster,
  isKeeper: boolean,
  seconds: number,
): Promise<{ readonly error: NurseryError; readonly tookMs: number }> {
  const limit = new TimeLimit(seconds);
  const client = clientWithin(cluster.config, IDENTITY, { limit, isKeeper });
  const begunMs = performance.now();
  try {
    await client.query({ kind: 'getMap' });
  } catch (error) {
    assert.instance(error, NurseryError);
    return { error: error as NurseryError, tookMs: performance.now() - begunMs };
  } finally {
    client.close();
  }
  throw new Error('answered');
}

test('a keeper without a node, or without a master, is named within the time, with what to type', async () => {
  const keeper = await new FakeCluster('k').start(2);
  keeper.interfere = () => failure('NOT_MASTER', 'None');
  const masterless = await asked(keeper, true, 0.3);
  await keeper.stop();
  const dead = await asked(keeper, true, 0.3);
  for (const { error, tookMs } of [masterless, dead]) {
    assert.is(error.code, 'UNREACHABLE', error.message);
    assert.match(error.message, /cluster k.* Start the nodes of the keeper, .*: nursery rescue keeper$/);
    assert.ok(tookMs < 1500, `${tookMs} ms`);
    assert.ok(error.cause instanceof NurseryError, 'whoever says it in other words has the cause');
  }
});

test('of a cluster other commands are named', async () => {
  const bru = await new FakeCluster('bru').start(1);
  await bru.stop();
  const { error } = await asked(bru, false, 0.2);
  assert.match(error.message, /Start the nodes of cluster bru, .*nursery rescue lost bru$/);
});

test('whoever types is not hurried, and what is over is refused', async () => {
  const limit = new TimeLimit(0.05);
  await limit.uncounted(() => new Promise((resolve) => setTimeout(resolve, 200)));
  limit.refuseLate();
  await new Promise((resolve) => setTimeout(resolve, 100));
  assert.throws(() => limit.refuseLate(), /not done within 0.05 s: type the same again/);
  new TimeLimit(Number.POSITIVE_INFINITY).refuseLate();
});

test.run();

import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { watchCollections } from '../../../src/process/collections.ts';
import { until } from '../../support/wait.ts';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

test('each collection is told with its duration, until nobody listens any more', async () => {
  const heardMs: number[] = [];
  const other: number[] = [];
  const end = watchCollections((ms) => heardMs.push(ms));
  collect();
  await until('the collection to be heard of', () => heardMs.length > 0);
  assert.ok(heardMs.every((ms) => ms > 0 && ms < 10_000));
  end();
  const before = heardMs.length;
  const endOther = watchCollections((ms) => other.push(ms));
  collect();
  await until('another one to hear of the next', () => other.length > 0);
  assert.is(heardMs.length, before);
  endOther();
});

test.run();

/**
 * A lock that one of several workers holds at a time, by test-and-set; the same makes an election, with the holder as
 * the leader.
 *
 *     node dist/examples/lock.js HOST:PORT
 *
 * The lock is a key: no value, and it is free; else the value names the holder. A holder that dies keeps it: whoever
 * knows that it is dead, such as an operator or the process that replaces it, frees it by `testAndSet(LOCK, dead, null)`,
 * which does nothing where somebody else has it by then. A lock that frees itself by the clock is no lock: its
 * holder may be slow and believe that it still has it.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { NurseryClient, NurseryError } from '../src/index.ts';

const LOCK = 'example/lock/lock';
const COUNTER = 'example/lock/counter';
const WORKERS = 4;
const ROUNDS = 10;

const address = process.argv[2];
if (address === undefined) throw new Error('usage: node dist/examples/lock.js HOST:PORT');

const client = await NurseryClient.connect({ addresses: [address] });
try {
  await client.set(COUNTER, '0');
  await Promise.all(Array.from({ length: WORKERS }, () => work(`worker-${randomUUID()}`)));
  const count = await client.get(COUNTER);
  console.log(`counted to ${count} of ${WORKERS * ROUNDS}: nobody was in anybody's way`);
  await client.replace(COUNTER, null);
} finally {
  client.close();
}

/** Counts, by reading and then writing: wrong where two do so at the same time. */
async function work(me: string): Promise<void> {
  for (let round = 0; round < ROUNDS; round += 1) {
    while (!(await acquire(me))) await sleep(1 + Math.random() * 10);
    const count = Number(await client.get(COUNTER));
    await client.set(COUNTER, String(count + 1));
    await release(me);
  }
}

/** Whether the lock is held by `me` now. `me` must be a name that nobody else has. */
async function acquire(me: string): Promise<boolean> {
  try {
    // Sets the key if it has no value, and returns the value before.
    const before = await client.testAndSet(LOCK, null, me);
    return before === null || before.toString() === me;
  } catch (error) {
    if (!(error instanceof NurseryError) || error.code !== 'MAYBE_APPLIED') throw error;
    // Nobody knows whether it was set, or still will be. Since the name is unique, the next attempt finds out: it
    // returns `me`.
    return false;
  }
}

/** Frees the lock if `me` holds it; may be repeated. */
async function release(me: string): Promise<void> {
  for (;;) {
    try {
      await client.testAndSet(LOCK, me, null);
      return;
    } catch (error) {
      if (!(error instanceof NurseryError) || error.code !== 'MAYBE_APPLIED') throw error;
    }
  }
}

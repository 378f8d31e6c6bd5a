/** What a page draws of what a process has answered: clients' reads and updates, and nothing that processes ask one another. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { answeredOf } from '../../../src/dashboard/answered.ts';
import { Operations } from '../../../src/protocol/arakoon/operations.ts';
import { failure, OK } from '../../../src/protocol/arakoon/replies.ts';

function sum(counts: readonly number[]): number {
  return counts.reduce((one, other) => one + other, 0);
}

test('reads and updates are told apart, what failed is in neither, and what is about a process is left out', () => {
  const operations = new Operations(0);
  for (const kind of ['get', 'exists', 'get', 'exists'] as const) operations.answered(kind, 0.0002, 0, OK);
  for (const kind of ['set', 'delete', 'sequence'] as const) operations.answered(kind, 20, 0, OK);
  operations.answered('get', 0.1, 0, failure('NOT_FOUND', 'x'));
  operations.answered('set', 0.1, 0, failure('READ_ONLY', 'x'));
  for (const kind of ['ping', 'statistics', 'adminQuery'] as const) operations.answered(kind, 0.1, 0, OK);
  const { atMs, boundsS, reads, updates, failed } = answeredOf(operations, 7);
  assert.equal([atMs, sum(reads), sum(updates), failed], [7, 4, 3, 2]);
  assert.equal([reads[1], updates.at(-1)], [4, 3], 'each in its bucket');
  assert.equal([reads.length, updates.length], [boundsS.length + 1, boundsS.length + 1]);
});

test.run();

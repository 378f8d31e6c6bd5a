/** What counts as a founding. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { MembersState } from '../../../node/paxos/values.ts';
import { Violation } from '../base/violation.ts';
import { Checker } from './checker.ts';

function founding(cluster: string): MembersState {
  return { cluster, members: [{ node: 'n1', incarnation: cluster }], superseded: [] };
}

test('a founding that a crash made its only founder forget may be followed by another one', () => {
  const checker = new Checker();
  checker.founded('n1', founding('a'), () => false);
  checker.founded('n1', founding('b'), () => false);
  assert.is(checker.membersAt(0).cluster, 'b');
});

test('one that anybody knows may not', () => {
  const checker = new Checker();
  checker.founded('n1', founding('a'), () => false);
  assert.throws(
    () => checker.founded('n1', founding('b'), () => true),
    (error: unknown) => error instanceof Violation && error.message.startsWith('one-cluster'),
  );
});

test('nor one in which anything was applied', () => {
  const checker = new Checker();
  const members = founding('a');
  checker.founded('n1', members, () => false);
  checker.applied('n1', { kind: 'apply', slot: 1, value: { kind: 'noop' }, proposal: null, members });
  assert.throws(
    () => checker.founded('n1', founding('b'), () => false),
    (error: unknown) => error instanceof Violation,
  );
});

test.run();

/** What a node says of its own store, once that has told. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { answerOfNode } from '../../../node/serve/own-answers.ts';
import type { AdminAnswer } from '../../../src/protocol/admin/admin.ts';
import type { CountedBucket } from '../../../src/protocol/admin/node-facts.ts';

type Context = Parameters<typeof answerOfNode>[0];

function asked(context: Partial<Context>): AdminAnswer[] {
  const answers: AdminAnswer[] = [];
  answerOfNode(context as Context, { kind: 'listBuckets' }, (answer) => answers.push(answer));
  return answers;
}

test('buckets are those that the store tells, later; null where it does not count', () => {
  const all: CountedBucket[] = [{ lo: '', keys: 3, bytes: 40 }];
  const hearers: ((buckets: CountedBucket[] | null) => void)[] = [];
  const answers = asked({ buckets: (hear) => hearers.push(hear) });
  assert.equal(answers, []);
  hearers[0]?.(all);
  assert.equal(answers, [{ kind: 'buckets', buckets: all }]);
  assert.equal(asked({ buckets: (hear) => hear(null) }), [{ kind: 'buckets', buckets: null }]);
  assert.equal(asked({}), [{ kind: 'buckets', buckets: null }]);
});

test.run();

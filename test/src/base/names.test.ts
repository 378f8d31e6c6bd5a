/** Names in sentences for people. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { notGone, whoDoes } from '../../../src/base/names.ts';

test('one does, several do', () => {
  assert.is(whoDoes(['n1'], 'answers'), 'n1 answers');
  assert.is(whoDoes(['n1', 'n2'], 'answers', 'of ams'), 'n1, n2 of ams answer');
});

test('who answers is not gone', () => {
  assert.is(
    notGone(['n1']),
    'n1 answers: it is not gone; leave it out of --gone, for what it holds counts, or stop it first',
  );
  assert.is(
    notGone(['n1', 'n2']),
    'n1, n2 answer: they are not gone; leave them out of --gone, for what they hold counts, or stop them first',
  );
});

test.run();

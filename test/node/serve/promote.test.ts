/** What a node says to the order that promotes it, before its core is asked. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { promote } from '../../../node/serve/promote.ts';

const FOUNDING = 'f'.repeat(32);
const ORDER: Parameters<typeof promote>[1] = {
  kind: 'promote',
  founding: FOUNDING,
  gone: ['n2', 'n3'],
  loseFrom: null,
  isTrial: false,
};

type Bound = { readonly mine: string; readonly keeper: { readonly founding: string } } | null;

function answer(
  bound: Bound,
  nursery: string | null,
  more: { founding?: string; standing?: string } = {},
): string {
  const context = {
    node: 'n1',
    nursery,
    introduction: { founding: more.founding ?? FOUNDING },
    driver: {
      machine: { bound },
      standing: more.standing ?? 'sound',
      // It belongs to no cluster yet: the core would refuse, and says so.
      replica: { config: { node: 'n1' }, founded: null },
    },
    nowMs: () => 0,
  };
  const said = promote(context as unknown as Parameters<typeof promote>[0], ORDER);
  return said.kind === 'refused' ? said.why : said.kind;
}

const HELD = { mine: FOUNDING, keeper: { founding: 'k' } };

test('the core is asked last', () => {
  assert.is(answer(null, null), 'n1 belongs to no cluster yet');
  assert.is(answer(HELD, 'keeper'), 'n1 belongs to no cluster yet');
});

test('another founding, the keeper, and a store that may be wrong are refused', () => {
  assert.match(answer(null, null, { founding: 'g' }), /is of founding g, not of f/);
  assert.match(answer({ mine: 'k', keeper: { founding: 'k' } }, 'keeper'), /is of the keeper/);
  assert.match(answer(HELD, 'keeper', { standing: 'doubtful' }), /is doubtful/);
});

test('a survivor that never heard of its keeper may lag behind moves, and is refused', () => {
  assert.match(answer(null, 'keeper'), /may lag behind moves.*take \[nursery\] out of the file of n1/);
});

test.run();

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
  more: { founding?: string; standing?: string; replica?: object; owned?: number } = {},
): string {
  const context = {
    node: 'n1',
    nursery,
    introduction: { founding: more.founding ?? FOUNDING },
    driver: {
      machine: { bound, owned: () => Array(more.owned ?? 0) },
      standing: more.standing ?? 'sound',
      // It belongs to no cluster yet: the core would refuse, and says so.
      replica: { config: { node: 'n1' }, founded: null, members: { superseded: [] }, ...more.replica },
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
  const self = { mine: 'k', keeper: { founding: 'k' } };
  assert.match(answer(self, 'keeper', { owned: 1 }), /is of the keeper, and serves keys/);
  assert.is(answer(self, 'keeper'), 'n1 belongs to no cluster yet', 'one that serves none begins anew');
  assert.match(answer(HELD, 'keeper', { standing: 'doubtful' }), /is doubtful/);
});

test('a survivor that never heard of its keeper may lag behind moves, and is refused', () => {
  assert.match(answer(null, 'keeper'), /may lag behind moves.*take \[nursery\] out of the file of n1/);
});

test('a founding that took the place of another one, and has a master, has nothing left to be done', () => {
  const superseded = [{ node: '', incarnation: 'g' }];
  const grant = { ballot: { round: 1, node: 'n2.i' }, untilMs: 1 };
  const master = { retired: null, role: { kind: 'follower' }, grant };
  const members = (node: string, ...ended: string[]) => ({
    cluster: FOUNDING,
    members: [
      { node, incarnation: FOUNDING },
      { node: 'n3', incarnation: 'x' },
    ],
    superseded: [...superseded, ...ended.map((each) => ({ node: each, incarnation: 'old' }))],
  });
  const done = (all: object): string => answer(null, null, { replica: { ...master, members: all } });
  assert.is(done(members('n1', 'n2', 'n3')), 'none', 'n3 has joined since, as it is told to');
  assert.match(
    done(members('n2', 'n1', 'n3')),
    /^founding f+ took the place of another one before, and began with n2: n1 was not promoted.*; n2 is master$/,
  );
  assert.match(done(members('n1', 'n2')), /n3, said to be gone, joined it later, and nothing was done/);
  assert.is(done({ cluster: FOUNDING, members: [], superseded }), 'none', 'with whom it began is forgotten');
  assert.is(answer(null, null, { replica: master }), 'n1 belongs to no cluster yet', 'never promoted');
  const alone = { ...master, grant: null, members: { superseded } };
  assert.is(answer(null, null, { replica: alone }), 'n1 belongs to no cluster yet', 'without a master');
  assert.match(
    answer(null, null, { founding: 'g', replica: { ...master, members: { superseded } } }),
    /is of founding g/,
  );
});

test.run();

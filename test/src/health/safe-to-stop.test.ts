/** Who may be stopped: the others must be enough, and fit to go on. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { ClusterSeen } from '../../../src/health/facts.ts';
import { copiesOf, whyNotSafeToStop } from '../../../src/health/safe-to-stop.ts';
import { type Condition, NO_LOAD, NOWHERE } from '../../../src/protocol/admin/node-facts.ts';

type Options = {
  readonly unseen?: string[];
  readonly silent?: string[];
  readonly conditions?: { [node: string]: Condition[] };
};

/** `count` members a0, a1 …, of which a0 is master, and a learner. */
function clusterOf(count: number, { unseen = [], silent = [], conditions = {} }: Options = {}): ClusterSeen {
  const names = Array.from({ length: count }, (_, at) => `a${at}`);
  const members = names.map((node) => ({ node, seen: !unseen.includes(node), applied: 1 }));
  const nodes = [...names, 'learner'].map((name) => {
    const status = {
      cluster: 'a',
      node: name,
      role: name === 'a0' ? 'master' : 'follower',
      master: 'a0',
      applied: 1,
      chosen: 1,
      firstLogSlot: 1,
      waitsFor: null,
      members,
      owned: [],
      keys: 0,
      label: '',
      founding: '',
      keeper: '',
      notes: [],
      backup: null,
      adopted: 0,
      keepers: [],
    };
    const facts = {
      version: '',
      atMs: 0,
      status,
      conditions: conditions[name] ?? [],
      visitors: [],
      counts: null,
      countedMs: 0,
      unmergedRows: 0,
      load: NO_LOAD,
      places: NOWHERE,
      freeBytes: null,
    };
    return { name, why: '', turnedAway: null, facts: silent.includes(name) ? null : facts };
  });
  return { cluster: 'a', nodes, isElsewhere: false };
}

const condition = (kind: Condition['kind'], subject = ''): Condition => ({
  kind,
  subject,
  detail: 'x',
  sinceMs: 0,
});

test('one of three may go while both others are well', () => {
  for (const node of ['a0', 'a1', 'a2', 'learner'])
    assert.is(whyNotSafeToStop(clusterOf(3), node), null, node);
});

test('alone, or one of two, none may; of five two may be away', () => {
  assert.match(
    whyNotSafeToStop(clusterOf(1), 'a0') ?? '',
    /without a0 0 of 1 members of a would be left .* 1 are needed$/,
  );
  assert.match(whyNotSafeToStop(clusterOf(2), 'a1') ?? '', /1 of 2 members .* 2 are needed$/);
  assert.is(whyNotSafeToStop(clusterOf(5, { unseen: ['a4'] }), 'a1'), null);
  assert.match(whyNotSafeToStop(clusterOf(5, { unseen: ['a3', 'a4'] }), 'a1') ?? '', /2 of 5/);
});

test('who could not make up for it does not count, and is named', () => {
  const rows: readonly (readonly [Options, RegExp])[] = [
    [{ unseen: ['a2'] }, /a2 is not heard by the master/],
    [{ silent: ['a2'] }, /a2 does not answer/],
    [{ conditions: { a0: [condition('behind', 'a2')] } }, /a2 is behind/],
    [{ conditions: { a2: [condition('full')] } }, /a2 has a full disk/],
    [{ conditions: { a2: [condition('store')] } }, /a2 has a store that is in doubt/],
    [{ conditions: { a2: [condition('waits')] } }, /a2 is follower: x/],
  ];
  for (const [options, why] of rows) {
    assert.match(whyNotSafeToStop(clusterOf(3, options), 'a1') ?? '', why);
    if (options.silent === undefined)
      assert.is(whyNotSafeToStop(clusterOf(3, options), 'a2'), null, 'it may go itself');
  }
});

test('copies: how many there are, how many are fit, and how many may fail', () => {
  assert.equal(copiesOf(clusterOf(3)), { members: 3, fit: 3, mayFail: 1 });
  assert.equal(copiesOf(clusterOf(3, { unseen: ['a2'] })), { members: 3, fit: 2, mayFail: 0 });
  assert.equal(copiesOf(clusterOf(5, { silent: ['a4'], conditions: { a1: [condition('full')] } })), {
    members: 5,
    fit: 3,
    mayFail: 0,
  });
  assert.equal(copiesOf(clusterOf(1)), { members: 1, fit: 1, mayFail: 0 });
  assert.is(copiesOf(clusterOf(3, { silent: ['a0'] })), null);
});

test('without a master nobody can say', () => {
  assert.match(whyNotSafeToStop(clusterOf(3, { silent: ['a0'] }), 'a1') ?? '', /has no master now/);
});

test.run();

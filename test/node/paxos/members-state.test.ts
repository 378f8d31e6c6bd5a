/** The list of members as a function of the changes that were chosen: what each does to which list, in full. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { isChangeOfMembers, LEFT, nextMembers, wasAdded } from '../../../node/paxos/members-state.ts';
import type { Member, MembersState, Value } from '../../../node/paxos/values.ts';
import { ballotOf, lifeOf, STATE } from './rig.ts';

const NEW_LIFE = 'n'.repeat(32);
const OLD_LIFE = 'o'.repeat(32);

const admit = (node: string, incarnation: string): Value => ({
  kind: 'admit',
  node,
  incarnation,
  ballot: ballotOf(7, 'b'),
});
const add = (node: string, incarnation = NEW_LIFE): Value => ({ kind: 'addMember', node, incarnation });
const remove = (node: string): Value => ({ kind: 'removeMember', node });

function listOf(...members: Member[]): MembersState {
  return { ...STATE, members };
}

const life = (node: string, incarnation: string): Member => ({ node, incarnation });
const A = life('a', lifeOf('a'));
const B = life('b', lifeOf('b'));
const C = life('c', lifeOf('c'));

const CHANGES: readonly (readonly [
  story: string,
  value: Value,
  before: MembersState,
  after: MembersState | null,
])[] = [
  [
    'a new life takes the place of the former',
    admit('b', NEW_LIFE),
    STATE,
    { ...listOf(A, life('b', NEW_LIFE), C), superseded: [B] },
  ],
  ['the same life again changes nothing', admit('b', lifeOf('b')), STATE, null],
  ['who is no member is not admitted', admit('d', NEW_LIFE), STATE, null],
  [
    'a life that ended is never admitted again',
    admit('b', OLD_LIFE),
    { ...STATE, superseded: [life('b', OLD_LIFE)] },
    null,
  ],
  [
    'that another node’s life ended is no matter',
    admit('b', OLD_LIFE),
    { ...STATE, superseded: [life('c', OLD_LIFE)] },
    { ...listOf(A, life('b', OLD_LIFE), C), superseded: [life('c', OLD_LIFE), B] },
  ],
  ['a newcomer is added', add('d'), STATE, listOf(A, B, C, life('d', NEW_LIFE))],
  ['a member is not added twice', add('b'), STATE, null],
  [
    'a life that ended is never added again',
    add('d', OLD_LIFE),
    { ...STATE, superseded: [life('d', OLD_LIFE)] },
    null,
  ],
  [
    'a member is removed, its life has ended, and the list says that it left',
    remove('b'),
    STATE,
    { ...listOf(A, C), superseded: [B, life('b', LEFT)] },
  ],
  ['who is no member is not removed', remove('d'), STATE, null],
  ['the last member stays', remove('a'), listOf(A), null],
  ['a no-op changes nothing', { kind: 'noop' }, STATE, null],
];

for (const [story, value, before, after] of CHANGES) {
  test(story, () => {
    const result = nextMembers(before, value);
    if (after === null) assert.is(result, before);
    else assert.equal(result, after);
  });
}

const ADDED: readonly (readonly [story: string, superseded: readonly Member[], wasAdded: boolean])[] = [
  ['a life that is the first of its node was added', [life('c', OLD_LIFE)], true],
  ['one that took the place of another was not', [life('b', OLD_LIFE)], false],
  ['one that came after its node had left was', [life('b', OLD_LIFE), life('b', LEFT), C], true],
  ['one that took the place of such a one was not', [B, life('b', LEFT), life('b', OLD_LIFE)], false],
];

for (const [story, superseded, expected] of ADDED) {
  test(story, () => {
    assert.is(wasAdded({ ...STATE, superseded: [...superseded] }, 'b'), expected);
  });
}

test('which values may change the list', () => {
  const changes = [
    admit('b', NEW_LIFE),
    add('d'),
    remove('b'),
    { kind: 'noop' } as const,
    { kind: 'batch', bytes: new Uint8Array(1) } as const,
  ];
  assert.equal(changes.map(isChangeOfMembers), [true, true, true, false, false]);
});

test.run();

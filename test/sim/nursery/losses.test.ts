/** The judge of what an order may lose, of hand-written histories. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { INITIAL_STATE, type SystemState } from '../../../node/machine/system-state.ts';
import type { Order } from '../../../src/protocol/admin/admin.ts';
import { asks } from '../../migrator/core/auto-rig.ts';
import { Rare } from '../base/rare.ts';
import { Violation } from '../base/violation.ts';
import { NO_STEPS, type Operation } from './asking.ts';
import type { ClusterHistory } from './cluster-history.ts';
import { History } from './history.ts';
import { Losses } from './losses.ts';

const KEY = 'h\0';
const ONLY = { lo: KEY, hi: `${KEY}\0` };
const [CUT, MOVED, GIVEN] = [4, 5, 9];

/** A founding of a cluster in which the key has that value, whichever slot is looked at. */
function founding(id: string, name: string, value: string): ClusterHistory {
  const row = Buffer.from(value);
  return {
    ...{ id, founding: name, data: new Map([[KEY, row]]), versions: { at: () => row } },
    ...{ origin: null, top: 1, state: null },
  } as unknown as ClusterHistory;
}

function serving(epoch: number): SystemState {
  return { ...INITIAL_STATE, owned: [{ ...ONLY, epoch, sealedBy: null }] };
}

/** Writes 857; without an answer nobody knows whether it has. */
const WRITE: Operation = {
  ...{ id: 857, name: 'set', body: Buffer.alloc(0), isUpdate: true, isStale: false, writes: new Map() },
  read: (answer) => ({ outcome: answer === null ? 'unknown' : 'done', steps: NO_STEPS }),
};

/**
 * C gave the range to A, which wrote and burnt; C had burnt, too, and its survivor, who has the range still, with this value, is confirmed
 * with it. Returns how many rows were lost by an order.
 */
function both({
  isMoved,
  isOver,
  value = 'old',
}: {
  readonly isMoved: boolean;
  readonly isOver: boolean;
  readonly value?: string;
}): number {
  const rare = new Rare();
  const history = new History(rare, []);
  history.answered(history.called('c', WRITE, 1), null, true, 2);
  const losses = new Losses(history, rare, () => true);
  const range = { ...ONLY, epoch: GIVEN, sealedBy: null };
  const given = { order: 2, ranges: [range], floorMid: 12, spareMid: 10 };
  const promoted = { kind: 'promote', takenMs: 1, given: null, before: [] as number[] } as const;
  const orders: Order[] = [
    { ...promoted, order: 2, cluster: 'C', was: 'c1', founding: 'c2', given, before: [CUT] },
    ...(isOver ? [{ ...promoted, order: 3, cluster: 'A', was: 'a1', founding: 'a2' }] : []),
  ];
  const keeper: SystemState = {
    ...INITIAL_STATE,
    orders: new Map(orders.map((each) => [each.order, each])),
    migrations: new Map([
      [
        MOVED,
        {
          ...asks({ mid: MOVED, phase: 'lost', reason: 'auto' }),
          ...{ source: isMoved ? 'C' : 'B', target: 'A', ...ONLY },
          rescue: { order: 2, dead: 'source', epoch: 6, isThere: false, isCopy: false },
        },
      ],
    ]),
  };
  losses.owns(founding('C', 'c1', 'old'), 1, serving(CUT), keeper);
  const target = founding('A', 'a1', 'old');
  losses.owns(target, 1, serving(MOVED), keeper);
  target.data.set(KEY, Buffer.from('new'));
  const survivor = { ...founding('C', 'c2', value), origin: {} } as unknown as ClusterHistory;
  losses.owns(survivor, 1, serving(GIVEN), keeper);
  return rare.counts.get('row lost by an order') ?? 0;
}

const isViolation = (error: unknown): boolean =>
  error instanceof Violation && error.message.includes('no order says so');

test('what had been brought to somebody who burnt, and whose source burnt as well, may be lost (nursery, 9900000083)', () => {
  assert.is(both({ isMoved: true, isOver: true }), 1);
  assert.is(both({ isMoved: true, isOver: true, value: '857.....' }), 1, 'whether its writer knows or not');
});

test('what was never on its way to there, or lives there still, is not lost', () => {
  assert.throws(() => both({ isMoved: false, isOver: true }), isViolation);
  assert.throws(() => both({ isMoved: true, isOver: false }), isViolation);
});

test('a survivor may have what was merely accepted behind the activation of a move: its writer has not heard of it (nursery, 9900002171)', () => {
  const promoted = (answer: Buffer | null): void => {
    const rare = new Rare();
    const history = new History(rare, []);
    const losses = new Losses(history, rare, () => true);
    const call = history.called('c', WRITE, 1);
    history.answered(call, answer, true, 2);
    const survivor = { ...founding('A', 'a2', '857.....'), origin: {} } as unknown as ClusterHistory;
    losses.owns(founding('B', 'b1', 'old'), 1, serving(CUT), INITIAL_STATE);
    losses.owns(survivor, 1, serving(GIVEN), INITIAL_STATE);
  };
  promoted(null);
  assert.throws(() => promoted(Buffer.alloc(8)), isViolation);
});

test.run();

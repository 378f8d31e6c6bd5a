/**
 * Clauses of rescues that chance meets too rarely, or that a command keeps before anything is proposed: schedules written by hand,
 * which planted bugs must fail (docs/planted-bugs.md).
 */
import { restoredRows } from '../../../node/life/first-image.ts';
import { promotedState } from '../../../node/machine/rescue.ts';
import { INITIAL_STATE, inForce } from '../../../node/machine/system-state.ts';
import type { Yield } from '../../../src/cli/rescue/claims.ts';
import { rebuild, type Told } from '../../../src/cli/rescue/rebuild.ts';
import { placeOf } from '../../../src/cli/restore/succession.ts';
import { RangeMap } from '../../../src/keyspace/rangemap.ts';
import type {
  AdminAnswer,
  AdminCommand,
  Belongings,
  Order,
  Owned,
} from '../../../src/protocol/admin/admin.ts';
import { epochsThen } from '../../../src/protocol/admin/lineage.ts';
import { TestCluster } from '../../node/machine/cluster.ts';
import { check } from '../base/violation.ts';
import type { Rule } from '../paxos/rules.ts';
import { loseAtEveryStep } from './rescue.ts';

const [K1, K2, B1, B2, B3] = ['c1', 'c2', 'b1', 'b2', 'b3'].map((each) => each.repeat(16)) as [
  string,
  string,
  string,
  string,
  string,
];
/** By which a cluster comes to K2. */
const ORDER = 3;

function holds(condition: boolean, what: string): void {
  check(condition, 'rescue-rule', () => what);
}

function owned(lo: string, hi: string | null, epoch: number): Owned {
  return { lo, hi, epoch, sealedBy: null };
}

// ── Who yields ─────────────────────────────────────────────────────────────────────────────────────────────

/** Founding b1 of `bru`, which owns all at epoch 1, and has come to keeper K2. */
function adopted(): TestCluster {
  const cluster = new TestCluster({ nursery: true });
  const keeper = (founding: string) => ({ cluster: 'K', founding, nodes: [] });
  cluster.expect({ kind: 'bind', keeper: keeper(K1), mine: B1 }, 'ok');
  const assume = { kind: 'assume', epoch: 1 } as const;
  cluster.expect({ kind: 'under', keeper: K1, founding: B1, peer: '', command: assume }, 'ok');
  for (const key of 'amz') cluster.set(key, key);
  cluster.expect({ kind: 'adopt', order: ORDER, from: K1, keeper: keeper(K2) }, 'belongings');
  return cluster;
}

type YieldRange = Extract<AdminCommand, { kind: 'yieldRange' }>;

function yielding(more: Partial<YieldRange> = {}): YieldRange {
  const to = { lo: 'm', hi: null, owner: 'ams', epoch: 9, founding: 'a1' };
  return { kind: 'yieldRange', order: ORDER, keeper: K2, founding: B1, mid: 40, to, ...more };
}

function serves({ machine }: TestCluster, key: string): boolean {
  return inForce(machine.state).some(
    ({ lo, hi, sealedBy }) => sealedBy === null && lo <= key && (hi === null || key < hi),
  );
}

function whoYieldsServesNoneOfIt(): void {
  const cluster = adopted();
  for (const _again of [1, 2]) cluster.expect(yielding(), 'ok');
  holds(!serves(cluster, 'm') && !serves(cluster, 'z'), 'who has yielded serves what it gave up');
  holds(serves(cluster, 'a'), 'who has yielded a part serves no more of the rest');
  const { cleanups, forward } = cluster.machine.state;
  holds(cleanups.has(40), 'rows that were given up stay for ever');
  holds(
    forward.some(({ owner, epoch }) => owner === 'ams' && epoch === 9),
    'nobody learns whose it is now',
  );
}

function onlyItsOwnRescueHasItYield(): void {
  const others: Partial<YieldRange>[] = [{ order: ORDER - 1 }, { keeper: K1 }, { founding: B2 }];
  for (const other of others) {
    const cluster = adopted();
    const { kind } = cluster.command(yielding(other));
    holds(
      kind === 'refused' && serves(cluster, 'm'),
      `an order that is not its own has it yield: ${JSON.stringify(other)}`,
    );
  }
}

/** An end of a move that yields would leave the other one with rows that nobody can settle. */
function whoMovesItDoesNotYield(): void {
  const cluster = adopted();
  const export_ = { mid: 5, token: 1, floor: 0, lo: 'x', hi: null, peer: 'ams' };
  const command = { kind: 'beginExport', ...export_ } as const;
  cluster.command({ kind: 'under', keeper: K2, founding: B1, peer: 'a1', command });
  holds(cluster.machine.state.exports.size === 1, 'a move is begun');
  holds(cluster.command(yielding()).kind === 'refused' && serves(cluster, 'm'), 'it yields what it moves');
}

/** Of two orders the later one counts. */
function anEarlierRescueIsOver(): void {
  const cluster = adopted();
  const earlier: AdminCommand = {
    kind: 'adopt',
    order: ORDER - 1,
    from: K2,
    keeper: { cluster: 'K', founding: K1, nodes: [] },
  };
  holds(cluster.command(earlier).kind === 'refused', 'an earlier rescue takes a cluster from a later one');
}

// ── What a new keeper makes of it ──────────────────────────────────────────────────────────────────────────

function told(cluster: string, has: Partial<Belongings>): Told {
  const none = { owned: [], exports: [], imports: [], closed: [], tokens: [], forward: [], keepers: [] };
  const zero = { unconfirmed: '', lastMid: 0, adopted: ORDER, floor: 0 };
  const functions = { keeper: '', version: 0 };
  return { cluster, belongings: { founding: `${cluster}1`, ...zero, ...none, functions, ...has } };
}

function built(all: readonly Told[], yields: readonly Yield[] = []): ReturnType<typeof rebuild> {
  const keeper = { cluster: 'K', founding: K2, from: K1 };
  return rebuild(all, { order: ORDER, keeper, lost: [], unclaimed: null, yields });
}

function twoOwnersAreRefused(): void {
  const both = [told('ams', { owned: [owned('', null, 4)] }), told('bru', { owned: [owned('m', null, 3)] })];
  holds('whyNot' in built(both), 'two own a range, and the map gives it to one of them without a word');
  const rebuilt = built(both, [{ cluster: 'ams', range: { lo: 'm', hi: null } }]);
  const isYielded = !('whyNot' in rebuilt) && rebuilt.yielded.some(({ cluster }) => cluster === 'ams');
  holds(isYielded, 'the one that yields is told nothing before the map is given');
  holds(
    'whyNot' in
      built(both, [
        { cluster: 'ams', range: { lo: 'm', hi: null } },
        { cluster: 'bru', range: { lo: 'm', hi: null } },
      ]),
    'both yield, and nobody has it',
  );
}

function allWhoAreNamedHaveAnswered(): void {
  const end = { mid: 7, lo: 'm', hi: null, peer: 'bru', founding: 'bru1' };
  const ams = told('ams', {
    owned: [owned('', 'm', 1), { ...owned('m', null, 1), sealedBy: 7 }],
    exports: [end],
    lastMid: 7,
  });
  holds(
    'whyNot' in built([ams]),
    'a move is settled though its target, which may have taken over, has not answered',
  );
}

function numbersGoOnFarAbove(): void {
  const rebuilt = built([told('ams', { owned: [owned('', null, 4)], lastMid: 40 })]);
  holds(
    !('whyNot' in rebuilt) && rebuilt.lastMid >= 40 + 1_000_000,
    'a number that the lost keeper gave may come twice',
  );
}

/** Bound to itself; `map`: it has one. */
function keeper(map: boolean): TestCluster {
  const cluster = new TestCluster();
  cluster.expect({ kind: 'bind', keeper: { cluster: 'K', founding: K2, nodes: [] }, mine: K2 }, 'ok');
  const members = [{ node: 'a_0', incarnation: 'a1', learner: false }];
  const ams = { cluster: 'ams', founding: 'a1', keeper: '', version: 1, members, owned: [] };
  if (map) cluster.expect({ kind: 'introduce', ...ams }, 'standing');
  if (map) cluster.expect({ kind: 'initMap', cluster: 'ams' }, 'planned');
  return cluster;
}

function aKeeperWithAMapIsGivenNoOther(): void {
  const entry = { lo: '', hi: null, owner: 'bru', epoch: 9, founding: B1 };
  const clusters = [{ cluster: 'bru', founding: B1, nodes: [] }];
  const what = {
    order: ORDER,
    from: K1,
    replaced: [K1],
    takenMs: 1,
    clusters,
    entries: [entry],
    migrations: [],
  };
  const install = { kind: 'install', ...what, lastMid: 1_000_000 } as const;
  holds(keeper(false).command(install).kind === 'orders', 'a new keeper takes what it is told');
  holds(keeper(true).command(install).kind === 'refused', 'a keeper that has a map is given another one');
}

function aKeeperIsNotPromotedAsACluster(): void {
  const cluster = keeper(true);
  const own = [{ node: 'k_0', incarnation: K2, learner: false }];
  const itself = { cluster: 'K', founding: K2, keeper: K2, version: 1, members: own, owned: [] };
  cluster.expect({ kind: 'introduce', ...itself }, 'standing');
  const common = {
    keeper: K2,
    was: K2,
    after: [],
    version: 1,
    owned: [],
    activated: [],
    imports: 0,
    lastMid: 1,
    takenMs: 1,
  };
  const members = [{ node: 'k_0', incarnation: 'c3', learner: false }];
  const answer: AdminAnswer = cluster.command({
    kind: 'replace',
    cluster: 'K',
    founding: 'c3',
    members,
    ...common,
  });
  holds(answer.kind === 'refused', 'what is left of a keeper goes on with numbers and a map that may be old');
}

function aSurvivorOfTheKeeperForgetsItsMap(): void {
  const { state } = keeper(true).machine;
  const after = promotedState({ ...state, lastMid: 30 }, 'c3');
  holds(after.map.isEmpty && after.migrations.size === 0, 'it publishes a map that may be old');
  holds(after.identities.size === 0, 'it says who is in force, as of long ago');
  holds(after.lastMid === 30, 'it gives numbers once more that it has given');
  holds(
    after.bound?.mine === 'c3' && after.bound.keeper.founding === 'c3',
    'it passes for the keeper that is lost',
  );
}

// ── In the place of a founding ─────────────────────────────────────────────────────────────────────────────

const IMAGE = {
  cluster: 'bru',
  founding: B1,
  keeper: K1,
  node: 'bru_0',
  slot: 7,
  taken: '',
  owned: [{ lo: 'm', hi: null, epoch: 5 }],
};

function replacing(order: number, was: string, founding: string, from: number, to: number): Order {
  const given = { order, ranges: [owned('m', null, to)], floorMid: to + 2, spareMid: to + 1 };
  return { order, kind: 'promote', cluster: 'bru', was, founding, takenMs: 0, given, before: [from] };
}

function refusal(work: () => unknown): string | null {
  try {
    work();
    return null;
  } catch (error) {
    return (error as Error).message;
  }
}

function onlyWhoCameFromItIsReplaced(): void {
  const clusters = [{ cluster: 'bru', nodes: [], founding: B3 }];
  const map = RangeMap.of(1, [{ lo: '', hi: null, owner: 'bru', epoch: 9, founding: B3 }]);
  const nursery = { founding: K1, replaced: [] };
  const known = { map, clusters, nursery, migrations: [] };
  const orders = [replacing(1, B1, B2, 5, 8), replacing(2, B2, B3, 8, 9)];
  holds(placeOf(IMAGE, B3, { ...known, orders }).dead === B3, 'the founding in force is dead by it');
  holds(
    refusal(() => placeOf(IMAGE, 'f'.repeat(32), { ...known, orders })) !== null,
    'a founding is replaced that nobody named',
  );
  const isStrange = refusal(() => placeOf(IMAGE, B3, { ...known, orders: orders.slice(1) }));
  holds(isStrange !== null, 'a cluster begins anew with rows that are of another one');
  const foreign = { ...IMAGE, keeper: K2 };
  holds(
    refusal(() => placeOf(foreign, B1, { ...known, orders })) !== null,
    'rows of another nursery come into this one',
  );
}

/** Each order gave ranges new epochs: the image has them as they were before. */
function epochsAreComparedAsOfThen(): void {
  const orders = [replacing(2, B2, B3, 8, 9), replacing(1, B1, B2, 5, 8)];
  const then = epochsThen(orders, B1);
  const entry = { lo: 'm', hi: null, owner: 'bru' };
  holds(
    then({ ...entry, epoch: 9, founding: B3 }) === 5,
    'a range that it has had all the time is not known again',
  );
  holds(
    then({ ...entry, epoch: 12, founding: B3 }) === 12,
    'a range that came since passes for one that was there',
  );
  holds(then({ ...entry, epoch: 5, founding: 'a1' }) === null, 'a range of somebody else passes for its own');
}

function aHomeOfAnImageServesNothingYet(): void {
  const keeperRef = { cluster: 'K', founding: K1, nodes: [] };
  const succession = { keeper: keeperRef, keepers: [], was: B1, replaced: [B1] };
  const { own, members } = restoredRows(IMAGE, { node: 'bru_0', incarnation: B2 }, succession);
  const cluster = new TestCluster();
  cluster.store.commit(new Map(own), cluster.slot + 1);
  cluster.restart();
  const { unconfirmed, bound, exports, imports } = cluster.machine.state;
  holds(members.cluster === B2 && bound?.mine === B2, 'it passes for the founding whose rows it has');
  holds(unconfirmed === B1 && !serves(cluster, 'z'), 'it serves what may have moved away since');
  holds(exports.size + imports.size === 0, 'it goes on with moves of before');
  holds(INITIAL_STATE.floor === cluster.machine.state.floor, 'nothing else is there');
}

/** A keeper of `ams`, which has all keys, and `bru`; and a move of those from `m` on. */
function moving(): { readonly cluster: TestCluster; readonly mid: number } {
  const cluster = keeper(true);
  const members = [{ node: 'b_0', incarnation: B1, learner: false }];
  const bru = { cluster: 'bru', founding: B1, keeper: '', version: 1, members, owned: [] };
  cluster.expect({ kind: 'introduce', ...bru }, 'standing');
  const { mid } = cluster.expect(
    { kind: 'plan', source: 'ams', target: 'bru', lo: 'm', hi: null },
    'planned',
  );
  return { cluster, mid };
}

/** `founding` takes the place of `was`, and owns that. */
function succeeds(cluster: string, was: string, founding: string, has: readonly Owned[]): AdminCommand {
  const members = [{ node: `${cluster}_0`, incarnation: founding, learner: false }];
  const shown = { owned: [...has], activated: [], imports: 0, lastMid: 0, takenMs: 1 };
  return { kind: 'replace', cluster, keeper: K2, was, founding, after: [was], version: 9, members, ...shown };
}

function mapAt({ machine }: TestCluster, key: string): string {
  const entry = machine.state.map.entries.findLast(({ lo }) => lo <= key);
  return `${entry?.owner} ${entry?.founding}`;
}

function anImageShowsWhatItHadTakenOver(): void {
  const { cluster, mid } = moving();
  const { kind } = cluster.command(succeeds('bru', B1, B2, [owned('m', null, mid)]));
  holds(
    kind === 'given' && mapAt(cluster, 'z') === `bru ${B2}`,
    'rows that an image has are given up for older ones',
  );
}

function whatWasTakenBackStaysSo(): void {
  const { cluster, mid } = moving();
  cluster.expect({ kind: 'lose', cluster: 'bru', founding: B1, takenMs: 1 }, 'orders');
  const back = cluster.machine.state.migrations.get(mid)?.rescue?.epoch ?? 0;
  const { kind } = cluster.command(succeeds('ams', 'a1', 'a2', [owned('', 'm', 1), owned('m', null, back)]));
  holds(
    kind === 'given' && mapAt(cluster, 'z') === 'ams a2',
    'what clients were told since it was taken back is lost',
  );
}

export const RESCUE_RULES: readonly Rule[] = [
  { clause: 'who yields serves none of it from then on, and its rows go', run: whoYieldsServesNoneOfIt },
  {
    clause: 'only the rescue by which it came to its keeper has a cluster yield',
    run: onlyItsOwnRescueHasItYield,
  },
  { clause: 'nobody yields what it moves', run: whoMovesItDoesNotYield },
  { clause: 'of two rescues the later one counts', run: anEarlierRescueIsOver },
  { clause: 'two that own a range are refused, unless one yields', run: twoOwnersAreRefused },
  { clause: 'all whom an answer names have answered', run: allWhoAreNamedHaveAnswered },
  { clause: 'numbers go on far above any that was met', run: numbersGoOnFarAbove },
  { clause: 'a keeper is told while it has no map', run: aKeeperWithAMapIsGivenNoOther },
  { clause: 'what is left of a keeper does not go on as a cluster', run: aKeeperIsNotPromotedAsACluster },
  { clause: 'what is left of a keeper forgets its map', run: aSurvivorOfTheKeeperForgetsItsMap },
  { clause: 'an image takes the place of a founding that came from it', run: onlyWhoCameFromItIsReplaced },
  { clause: 'epochs are compared as they were at the image', run: epochsAreComparedAsOfThen },
  { clause: 'a home that is made of an image serves nothing yet', run: aHomeOfAnImageServesNothingYet },
  { clause: 'an image shows what its cluster had taken over', run: anImageShowsWhatItHadTakenOver },
  { clause: 'what was taken back stays so, though the source burns too', run: whatWasTakenBackStaysSo },
  { clause: 'a dead target, at every step of a move', run: () => loseAtEveryStep([{ end: 'b', lag: null }]) },
  {
    clause: 'a survivor of a target, at every step of a move',
    run: () => loseAtEveryStep([{ end: 'b', lag: 0 }]),
  },
  {
    clause: 'a survivor of a source that lags, at every step of a move',
    run: () => loseAtEveryStep([{ end: 'a', lag: 2 }]),
  },
];

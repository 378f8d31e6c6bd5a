/** Clauses of rebalancing by itself at the keeper and in the planner, as schedules written by hand (rules.ts). */
import { AUTO_BEGINNING, judgeAuto, planAuto } from '../../../migrator/core/auto.ts';
import { LOOKS_MIN } from '../../../migrator/core/auto-known.ts';
import { NO_AUTO } from '../../../src/protocol/admin/auto.ts';
import { World } from '../../migrator/core/auto-rig.ts';
import { TestCluster } from '../../node/machine/cluster.ts';
import { check } from '../base/violation.ts';
import type { Rule } from '../paxos/rules.ts';

const receipt = { sealSlot: 7, digest: { sum: 3n, count: 2, bytes: 1 }, pauseMs: 4, pauseAtLeast: false };

function holds(condition: boolean, what: string): void {
  check(condition, 'auto', () => what);
}

/** A has everything; it rebalances by itself, with so many moves at once. */
function keeper(movesMax: number): TestCluster {
  const cluster = new TestCluster();
  for (const id of ['A', 'B', 'C', 'D'])
    cluster.expect({ kind: 'setClusterConfig', cluster: id, nodes: [] }, 'ok');
  cluster.expect({ kind: 'initMap', cluster: 'A' }, 'planned');
  moved(cluster, 'x', 'B');
  const { number: seen, ...wish } = { ...NO_AUTO, isOn: true, movesMax };
  cluster.expect({ kind: 'setAuto', seen, wish }, 'ok');
  return cluster;
}

/** Everything from `lo` on goes from A to `target`, since somebody wants that. */
function moved(cluster: TestCluster, lo: string, target: string): void {
  const { mid } = cluster.expect(
    { kind: 'plan', source: 'A', target, lo, hi: lo === 'x' ? null : 'x' },
    'planned',
  );
  cluster.expect({ kind: 'claim', mid, tokenSeen: 0 }, 'claimed');
  cluster.expect({ kind: 'publish', mid, token: 1, receipt }, 'ok');
  cluster.expect({ kind: 'finish', mid, token: 1 }, 'ok');
}

const planOf = (cluster: TestCluster, source: string, target: string, lo: string, hi: string) =>
  ({ kind: 'planAuto', wish: 1, mapVersion: cluster.machine.mapVersion, source, target, lo, hi }) as const;

function plansAreOfThePresentMap(): void {
  const cluster = keeper(4);
  const plan = planOf(cluster, 'A', 'C', 'a', 'b');
  moved(cluster, 'k', 'D');
  const { kind } = cluster.command(plan);
  holds(kind === 'refused', `a plan of an old map was ${kind}: A has less by now than it rests on`);
}

function plansAreOfTheWishInForce(): void {
  const cluster = keeper(4);
  const plan = planOf(cluster, 'A', 'C', 'a', 'b');
  const { number: seen, ...wish } = cluster.machine.auto;
  cluster.expect({ kind: 'setAuto', seen, wish: { ...wish, by: 'load' } }, 'ok');
  const { kind } = cluster.command(plan);
  holds(kind === 'refused', `a plan under another wish was ${kind}`);
}

function plannersNeverAddUp(): void {
  const cluster = keeper(4);
  const [first, second] = [planOf(cluster, 'A', 'C', 'a', 'b'), planOf(cluster, 'A', 'D', 'c', 'd')];
  cluster.expect(first, 'planned');
  const { kind } = cluster.command(second);
  holds(kind === 'refused', `both planners gave away what A has too much: ${kind}`);
}

function movesAtOnceAreBounded(): void {
  const cluster = keeper(1);
  const [first, second] = [planOf(cluster, 'A', 'C', 'a', 'b'), planOf(cluster, 'B', 'D', 'x', 'y')];
  cluster.expect(first, 'planned');
  const { kind } = cluster.command(second);
  holds(kind === 'refused', `a second move was ${kind}, and one may be open`);
}

function whatHasMovedStays(): void {
  const world = new World({ seed: 1, clusters: 2, ranges: 8, wish: {} });
  world.weigh({ c0: 200, c1: 0 });
  world.movedByPerson('c0');
  const seen = world.seen();
  let judged = judgeAuto(AUTO_BEGINNING, seen);
  for (let look = 1; look < LOOKS_MIN; look += 1) judged = judgeAuto(judged.state, seen);
  const { moves } = planAuto(judged, { buckets: new Map(), freeOf: new Map() });
  holds(moves.length === 0, `${moves.length} ranges that have just moved are to move again`);
}

export const AUTO_RULES: readonly Rule[] = [
  { clause: 'a plan of an old map is not taken', run: plansAreOfThePresentMap },
  { clause: 'a plan under another wish is not taken', run: plansAreOfTheWishInForce },
  { clause: 'two planners never add up', run: plannersNeverAddUp },
  { clause: 'moves that nobody has asked for are bounded', run: movesAtOnceAreBounded },
  { clause: 'what has moved stays for the cool-down', run: whatHasMovedStays },
];

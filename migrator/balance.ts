/** Evens a nursery out: asks what there is, has a plan made of it, and carries that out as long as the map is as planned. */
import { NurseryError } from '../src/base/errors.ts';
import { covers } from '../src/keyspace/range.ts';
import { carve, type RangeMap } from '../src/keyspace/rangemap.ts';
import { isOpen } from '../src/protocol/admin/migration.ts';
import type { HotRange, MigrationResult, NurseryPlan, RebalanceMove } from '../src/protocol/admin/moves.ts';
import type { CountedBucket } from '../src/protocol/admin/node-facts.ts';
import { keeperOf, type Nursery } from './connections.ts';
import { BOUNDS, type Bounds, type ClusterFact, overfull, planRebalance } from './core/rebalance.ts';
import { isBusy, isFresh, rangesOf, type Told, toldIn, type Weighed, withBuckets } from './core/weigh.ts';
import { bucketsOf, freeFor } from './forecast.ts';
import { ANSWER_MS, listMigrations } from './questions.ts';
import { sideBySide } from './side-by-side.ts';
import type { SendOptions } from './world.ts';

/** Clusters that are asked at a time, and moves of one wave that are run at a time. */
const AT_ONCE = 8;
/** Plans that are made anew, since the map was changed by others meanwhile, before it is left to whoever changes it. */
const REPLANS_MAX = 5;
const MASTER: SendOptions = { to: 'master', deadlineMs: ANSWER_MS };

/** A plan, and the map that it was made for. */
type Made = { readonly plan: NurseryPlan; readonly map: RangeMap };

/** What is to be moved, as the masters of all clusters count. @throws NurseryError where the keeper does not answer */
export async function planFor(nursery: Nursery, bounds: Bounds = BOUNDS): Promise<Made> {
  const { by } = bounds;
  const all = await nursery.map();
  const { map, clusters: known } = all;
  const keeper = keeperOf(all);
  const records = await listMigrations(nursery.keeper);
  const open = records.filter(isOpen);
  // A keeper that serves no keys is no place for them.
  const ids = known
    .map(({ cluster }) => cluster)
    .filter((id) => id !== keeper || map.entries.some(({ owner }) => owner === id));
  const told = await sideBySide(
    ids.map((id) => () => toldBy(nursery, id)),
    AT_ONCE,
  );
  const toldOf = new Map(ids.map((id, at) => [id, told[at] ?? null]));
  const atMs = Math.max(0, ...told.map((each) => each?.atMs ?? 0));
  const unsettled = by === 'load' ? records.filter((record) => isFresh(record, atMs)) : open;
  const clusters = await sideBySide(
    ids
      .filter((id) => toldOf.get(id) !== null)
      .map(
        (id) => async (): Promise<ClusterFact> => ({
          id,
          pool: toldOf.get(id)?.pool ?? '',
          freeBytes: await freeFor(nursery, id, open),
          isBusy: isBusy(unsettled, id),
        }),
      ),
    AT_ONCE,
  );
  const ranges = rangesOf(map, { toldOf, open, by });
  const full = new Set(overfull(clusters, ranges, bounds));
  const buckets = new Map<string, readonly CountedBucket[]>();
  await sideBySide(
    // Without buckets its ranges go as wholes.
    [...full].map((id) => async () => buckets.set(id, (await bucketsOf(nursery, id, ANSWER_MS)) ?? [])),
    AT_ONCE,
  );
  const cut = ranges.map((range) => withBuckets(range, buckets.get(range.owner) ?? []));
  const plan = {
    ...planRebalance(clusters, cut, bounds),
    by,
    mapVersion: map.version,
    unknown: ids.filter((id) => toldOf.get(id) === null),
    busy: clusters.filter((each) => each.isBusy).map(({ id }) => id),
    hot: ranges.flatMap(hotRange),
  };
  return { plan, map };
}

/** A range that stays where it is, since one key has most of what it is asked for. */
function hotRange({ lo, hi, owner, asked }: Weighed): HotRange[] {
  return asked === null || asked.hot === null ? [] : [{ lo, hi, owner, load: asked.load, ...asked.hot }];
}

/**
 * Carries out plans until there is nothing more to do: wave after wave, as long as the map is what the plan says that it is by then;
 * where others have changed it, another plan is made.
 *
 * @param run moves one range, and says how that ended
 * @throws NurseryError REFUSED where the map is changed again and again; what `run` throws
 */
export async function carryOut(
  nursery: Nursery,
  bounds: Bounds,
  on: {
    readonly planned: (plan: NurseryPlan) => void;
    readonly run: (move: RebalanceMove) => Promise<MigrationResult>;
  },
): Promise<MigrationResult[]> {
  const results: MigrationResult[] = [];
  for (let plans = 0; plans <= REPLANS_MAX; plans += 1) {
    const { plan, map } = await planFor(nursery, bounds);
    on.planned(plan);
    let expected = map;
    let isCurrent = true;
    for (const wave of wavesOf(plan.moves)) {
      isCurrent = isSameMap(expected, (await nursery.map()).map);
      if (!isCurrent) break;
      const ended = await sideBySide(
        wave.map((move) => () => on.run(move)),
        AT_ONCE,
      );
      results.push(...ended);
      if (ended.some(({ outcome }) => outcome !== 'done')) return results;
      for (const [at, { lo, hi, target }] of wave.entries())
        expected = carve(expected, { lo, hi }, target, ended[at]?.mid ?? 0);
    }
    if (isCurrent) return results;
  }
  throw new NurseryError(
    'REFUSED',
    'the map is changed by others again and again: rebalance when they are done',
  );
}

/** What the master of a cluster says of its ranges; null where nobody says, or it is counting still. */
async function toldBy(nursery: Nursery, id: string): Promise<Told | null> {
  try {
    const answer = await (await nursery.cluster(id)).query({ kind: 'nodeFacts' }, MASTER);
    return answer.kind === 'nodeFacts' ? toldIn(answer) : null;
  } catch (error) {
    if (!(error instanceof NurseryError)) throw error;
    return null;
  }
}

function wavesOf(moves: readonly RebalanceMove[]): RebalanceMove[][] {
  const waves: RebalanceMove[][] = [];
  for (const move of moves) {
    const wave = waves[move.wave] ?? [];
    wave.push(move);
    waves[move.wave] = wave;
  }
  return waves;
}

/** Whether every key has the same owner at the same epoch; versions differ by what nobody plans with. */
function isSameMap(a: RangeMap, b: RangeMap): boolean {
  if (a.entries.length !== b.entries.length) return false;
  return a.entries.every((entry, at) => {
    const other = b.entries[at];
    return (
      other !== undefined &&
      other.owner === entry.owner &&
      other.epoch === entry.epoch &&
      covers(entry, other) &&
      covers(other, entry)
    );
  });
}

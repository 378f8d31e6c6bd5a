/**
 * What a move is going to bring, how long it may take, and whether it finds room, said before it is begun: by what its clusters count,
 * what the disks of its target have free, and how the last moves went. None of it is exact: rows change meanwhile.
 */
import { NurseryError } from '../src/base/errors.ts';
import { type DryMove, whyNoRoom } from '../src/client/moves.ts';
import type { Range } from '../src/keyspace/range.ts';
import type { KnownCluster, Migration } from '../src/protocol/admin/admin.ts';
import { isMerge, isOpen } from '../src/protocol/admin/migration.ts';
import { type PlannedMove, RESERVE } from '../src/protocol/admin/moves.ts';
import type { CountedBucket, NodeFacts } from '../src/protocol/admin/node-facts.ts';
import type { Nursery } from './connections.ts';
import { ANSWER_MS, listMigrations } from './questions.ts';
import { sideBySide } from './side-by-side.ts';
import type { Clusters, SendOptions } from './world.ts';

/** Clusters, and nodes of one, that are asked at a time. */
const AT_ONCE = 8;
/** A node that is down must not keep a move waiting: what is not said by then is not known (ms). */
const NODE_MS = 1000;
/** So many of the last moves say how fast moves are here. */
const LAST_MOVES = 10;
const KEEPER: SendOptions = { to: 'master', deadlineMs: ANSWER_MS };
const MASTER: SendOptions = { to: 'master', deadlineMs: NODE_MS };

type Amount = { readonly keys: number; readonly bytes: number };
const NOTHING: Amount = { keys: 0, bytes: 0 };

/**
 * Looks ahead at moves that would be carried out one after the other.
 *
 * @param rate bytes per second that are copied at most; null: nobody has said
 * @throws NurseryError where the keeper does not answer; of clusters that do not, nothing is known
 */
export async function forecast(
  nursery: Nursery,
  moves: readonly PlannedMove[],
  rate: number | null,
): Promise<DryMove[]> {
  if (moves.length === 0) return [];
  const migrations = await listMigrations(nursery.keeper);
  const ends = distinct(moves.flatMap(({ source, target }) => [source, target]));
  const targets = distinct(moves.map(({ target }) => target));
  const [facts, freeOf, buckets] = await Promise.all([
    ofEach(ends, (id) => factsOf(nursery, id, MASTER)),
    ofEach(targets, (id) => freeFor(nursery, id, migrations)),
    ofEach(distinct(moves.map(({ source }) => source)), (id) => bucketsOf(nursery, id, NODE_MS)),
  ]);
  const pace = paceOf(migrations, rate);
  return moves.map((move): DryMove => {
    const { source, target } = move;
    const total = (id: string): Amount | null => totalOf(facts.get(id) ?? null);
    const amount = amountIn(buckets.get(source) ?? null, move);
    const freeBytes = freeOf.get(target) ?? null;
    const neededBytes = amount === null ? null : Math.ceil(amount.bytes * RESERVE);
    // What comes after it to the same target finds so much less.
    if (freeBytes !== null && neededBytes !== null) freeOf.set(target, freeBytes - neededBytes);
    return {
      ...move,
      sourceKeys: total(source)?.keys ?? null,
      targetKeys: total(target)?.keys ?? null,
      targetAnswers: facts.get(target) != null,
      keys: amount?.keys ?? null,
      bytes: amount?.bytes ?? null,
      // At a rate of 0 nothing is copied, and it has no end.
      seconds: amount === null || !pace.bytesPerSecond ? null : amount.bytes / pace.bytesPerSecond,
      ...pace,
      neededBytes,
      freeBytes,
    };
  });
}

/**
 * Free space of the fullest of a cluster's disks (bytes), less what open moves still bring to it; null where no node says.
 *
 * @param migrations as the keeper has them
 */
export async function freeFor(
  nursery: Nursery,
  id: string,
  migrations: readonly Migration[],
): Promise<number | null> {
  return await freeIn(nursery, (await nursery.map()).clusters, id, migrations);
}

async function freeIn(
  nursery: Pick<Clusters, 'cluster'>,
  clusters: readonly KnownCluster[],
  id: string,
  migrations: readonly Migration[],
): Promise<number | null> {
  const nodes = clusters.find(({ cluster }) => cluster === id)?.nodes ?? [];
  const free = [
    ...(await ofEach(
      nodes.map(({ name }) => name),
      async (to) => (await factsOf(nursery, id, { to, deadlineMs: NODE_MS }))?.freeBytes ?? null,
    )),
  ].flatMap(([, bytes]) => (bytes === null ? [] : [bytes]));
  if (free.length === 0) return null;
  const open = migrations.filter((move) => isOpen(move) && move.target === id && move.source !== id);
  const coming = await sideBySide(
    open.map((move) => async () => stillComing(move, await bucketsOf(nursery, move.source, NODE_MS))),
    AT_ONCE,
  );
  return coming.reduce((left, bytes) => left - bytes * RESERVE, Math.min(...free));
}

/**
 * Why the target of a migration, of which nothing is copied yet, has no room for it now; null: it has, or nobody can say. Asked just before
 * its import begins, since disks fill while a move waits for its turn. Of other moves to that target those count that come before it
 * or copy already, so that two never refuse each other; those that an order of a rescue brings are left out.
 */
export async function roomWhy(nursery: Clusters, migration: Migration): Promise<string | null> {
  const { mid, source, target } = migration;
  try {
    const { keeper } = nursery;
    const [known, open, buckets] = await Promise.all([
      keeper.query({ kind: 'getMap' }, KEEPER),
      keeper.query({ kind: 'openMigrations' }, KEEPER),
      bucketsOf(nursery, source, NODE_MS),
    ]);
    const amount = amountIn(buckets, migration);
    if (known.kind !== 'keeperMap' || open.kind !== 'migrations' || amount === null) return null;
    const before = open.migrations.filter(
      (other) => other.mid !== mid && (other.mid < mid || other.progress.bytesCopied > 0),
    );
    const freeBytes = await freeIn(nursery, known.clusters, target, before);
    const { bytes } = amount;
    return whyNoRoom({ ...migration, bytes, neededBytes: Math.ceil(bytes * RESERVE), freeBytes });
  } catch (error) {
    if (!(error instanceof NurseryError)) throw error;
    return null;
  }
}

function stillComing(move: Migration, buckets: readonly CountedBucket[] | null): number {
  return Math.max(0, (amountIn(buckets, move)?.bytes ?? 0) - move.progress.bytesCopied);
}

/** What lies in a range, by buckets; of one that a border cuts, half. Null where nobody has counted. */
export function amountIn(buckets: readonly CountedBucket[] | null, { lo, hi }: Range): Amount | null {
  if (buckets === null) return null;
  return buckets.reduce((sum, bucket, at) => {
    const next = buckets[at + 1]?.lo ?? null;
    const isOutside = (hi !== null && bucket.lo >= hi) || (next !== null && next <= lo);
    if (isOutside) return sum;
    const isWhole = bucket.lo >= lo && (hi === null || (next !== null && next <= hi));
    const share = isWhole ? 1 : 0.5;
    return {
      keys: sum.keys + Math.round(bucket.keys * share),
      bytes: sum.bytes + Math.round(bucket.bytes * share),
    };
  }, NOTHING);
}

/** How fast rows will be copied, and what says so: the rate that is asked for, or else the last moves. */
export function paceOf(
  migrations: readonly Migration[],
  rate: number | null,
): Pick<DryMove, 'bytesPerSecond' | 'basis' | 'pauseMs'> {
  const newest = migrations
    .filter((each) => each.phase === 'done' && each.receipt !== null && !isMerge(each))
    .sort((a, b) => b.mid - a.mid);
  const last = newest.slice(0, LAST_MOVES);
  const pauses = last.map(({ receipt }) => receipt?.pauseMs ?? 0).sort((a, b) => a - b);
  const pauseMs = pauses[pauses.length >> 1] ?? null;
  if (rate !== null) return { bytesPerSecond: rate, basis: 'rate', pauseMs };
  // One that kept to a rate says how fast that was.
  const free = newest.filter(({ asked }) => asked === undefined || asked.rate === null).slice(0, LAST_MOVES);
  const timed = free.filter(({ receipt }) => (receipt?.tookMs ?? 0) > 0);
  const bytes = timed.reduce((sum, { receipt }) => sum + Number(receipt?.digest.bytes ?? 0), 0);
  const tookMs = timed.reduce((sum, { receipt }) => sum + (receipt?.tookMs ?? 0), 0);
  if (bytes === 0) return { bytesPerSecond: null, basis: null, pauseMs };
  return { bytesPerSecond: (bytes * 1000) / tookMs, basis: 'moves', pauseMs };
}

function totalOf(facts: NodeFacts | null): Amount | null {
  if (facts === null) return null;
  // Who owns nothing has nothing to count.
  if (facts.status.owned.length === 0) return NOTHING;
  return (
    facts.counts?.reduce(
      (sum, { keys, bytes }) => ({ keys: sum.keys + keys, bytes: sum.bytes + bytes }),
      NOTHING,
    ) ?? null
  );
}

/** What a node says of itself; null where it does not. */
export async function factsOf(
  nursery: Pick<Clusters, 'cluster'>,
  id: string,
  options: SendOptions,
): Promise<NodeFacts | null> {
  try {
    const answer = await (await nursery.cluster(id)).query({ kind: 'nodeFacts' }, options);
    return answer.kind === 'nodeFacts' ? answer : null;
  } catch (error) {
    if (!(error instanceof NurseryError)) throw error;
    return null;
  }
}

/** How the rows of a cluster lie, as its master counts; null where nobody says, or it is counting still. */
export async function bucketsOf(
  nursery: Pick<Clusters, 'cluster'>,
  id: string,
  deadlineMs: number,
): Promise<readonly CountedBucket[] | null> {
  try {
    const query = { kind: 'listBuckets' } as const;
    const answer = await (await nursery.cluster(id)).query(query, { to: 'master', deadlineMs });
    return answer.kind === 'buckets' ? answer.buckets : null;
  } catch (error) {
    if (!(error instanceof NurseryError)) throw error;
    return null;
  }
}

async function ofEach<T>(ids: readonly string[], ask: (id: string) => Promise<T>): Promise<Map<string, T>> {
  const said = await sideBySide(
    ids.map((id) => async () => [id, await ask(id)] as const),
    AT_ONCE,
  );
  return new Map(said);
}

function distinct(ids: readonly string[]): string[] {
  return [...new Set(ids)];
}

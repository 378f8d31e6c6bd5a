/**
 * Ranges that move. While neither source nor target serves one, its requests are held and one question at a time
 * goes to the two in turn; when one of them serves it, the requests go there, in order.
 *
 * A hint that a cluster gives is either confirmed, a fact with an epoch, and learnt; or tentative, then it says only
 * whom to ask.
 */
import type { Key } from '../../src/base/bytes.ts';
import { RETURN_CODES } from '../../src/base/errors.ts';
import { overlaps, printRange, type Range, sameRange } from '../../src/keyspace/range.ts';
import { carve, entriesIn, lookup, type MapEntry, ownsAll } from '../../src/keyspace/rangemap.ts';
import type { Hint, KeeperMap } from '../../src/protocol/admin/admin.ts';
import { encodeRequest } from '../../src/protocol/arakoon/requests.ts';
import { clusterOf, followRefusal, readyMaster, seek, transmitProbe } from './clusters.ts';
import { codeOf, hold, needBy, type Refusal, release } from './tasks.ts';
import type { Cluster, Moving, Peer, Router, Task } from './types.ts';
import { holding, isDead, learn, merge, soleOwner, touches } from './view.ts';

/** Pauses between two questions about one range (ms): from the first to the last, growing by half. */
const PROBE_MIN_MS = 2;
const PROBE_MAX_MS = 50;
/** Pause before a range is asked about of which no cluster said where it is (ms): a newer map may come. */
const LOST_MS = 10;
/** Ranges with trouble at a time. The pauses of a migration are short, so that more means that something is wrong. */
const MOVING_MAX = 1000;

/** Why a request was given up that waited for the range. */
export function movingWhy({ range, mid, candidates }: Moving): Refusal {
  const [target, source] = candidates;
  const what =
    mid > 0 ? `is moving from ${source} to ${target}` : `is served by none of ${candidates.join(', ')}`;
  return { code: 'GOING_DOWN', message: `range ${printRange(range)} ${what}; not executed, send it again` };
}

/** Holds `task` until somebody serves the range. */
export function holdMoving(router: Router, moving: Moving, task: Task, nowMs: number): void {
  hold(router, moving.held, task, nowMs, movingWhy(moving));
}

/** A cluster refused `task` as outside its ranges: certainly not executed. */
export function onRangeError(router: Router, task: Task, peer: Peer, hint: Hint | null, nowMs: number): void {
  const { id } = peer.cluster;
  task.redirects += 1;
  router.counters.redirects += 1;
  // Who was seen to serve it serves it no longer.
  for (const moving of [...router.moving]) {
    if (moving.owner === id && touches(moving.range, task.keys, task.ranges)) close(router, moving);
  }
  if (hint?.confirmed === true) learnEntry(router, hint.entry, nowMs);
  const isTooMany = task.redirects > router.limits.redirectsMax;
  const isElsewhere = soleOwner(router.effective, task.keys, task.ranges) !== id;
  if (isTooMany || !isElsewhere) {
    const isHinted = hint?.confirmed === false && touches(hint.entry, task.keys, task.ranges);
    if (isHinted && !isTooMany) watch(router, hint.entry, peer.cluster, nowMs);
    else if (holding(router, task) === null) search(router, task, id, nowMs);
    if (isTooMany) task.redirects = 0;
  }
  router.todo.push(task);
}

/** Asks the next candidate about each range for which that is due. */
export function probeDue(router: Router, nowMs: number): void {
  if (router.holding === 0) return;
  for (const moving of [...router.moving]) probe(router, moving, nowMs);
}

function probe(router: Router, moving: Moving, nowMs: number): void {
  if (moving.owner !== null || moving.isProbing) return;
  if (nowMs < moving.probeAtMs) {
    needBy(router, moving.probeAtMs);
    return;
  }
  if (moving.held.length === 0) {
    close(router, moving); // nobody waits for it any longer
    return;
  }
  const candidate = moving.candidates[moving.next % moving.candidates.length] as string;
  moving.next += 1;
  const cluster = clusterOf(router, candidate);
  const peer = readyMaster(cluster);
  if (peer === null) {
    seek(router, cluster, nowMs);
    postpone(router, moving, nowMs);
    return;
  }
  moving.isProbing = true;
  router.counters.probes += 1;
  transmitProbe(router, peer, moving, probeBody(moving.range.lo));
}

/** A candidate answered. */
export function onProbed(
  router: Router,
  moving: Moving,
  peer: Peer,
  reply: Uint8Array,
  hint: Hint | null,
  nowMs: number,
): void {
  moving.isProbing = false;
  if (moving.isOver) return;
  const { id } = peer.cluster;
  const code = codeOf(reply);
  if (code === RETURN_CODES.OK) {
    settle(router, moving, id);
    return;
  }
  if (code === RETURN_CODES.NOT_MASTER) {
    followRefusal(router, peer, reply);
  } else if (code === RETURN_CODES.OUT_OF_RANGE && hint !== null) {
    if (hint.confirmed) learnEntry(router, hint.entry, nowMs);
    else if (!moving.candidates.includes(hint.entry.owner)) moving.candidates = [hint.entry.owner, id];
  }
  if (!moving.isOver) postpone(router, moving, nowMs);
}

/** A candidate did not answer. */
export function onProbeLost(router: Router, moving: Moving, nowMs: number): void {
  moving.isProbing = false;
  if (!moving.isOver) postpone(router, moving, nowMs);
}

/** Takes over the keeper's map; what clusters said since stays where it is newer. */
export function adopt(
  router: Router,
  keeper: KeeperMap,
  changed: readonly MapEntry[] | null,
  nowMs: number,
): void {
  const isNext = changed !== null && !router.view.isEmpty; // over an empty map nothing can be laid
  router.keeper = keeper;
  router.view = isNext ? changed.reduce(learn, router.view) : merge(keeper.map, router.view);
  const suspects = isNext && !router.hasDead ? changed : router.view.entries;
  router.hasDead = suspects.some((entry) => isDead(router, entry));
  refresh(router, nowMs);
}

/** Stores a fact: who got a range at which epoch, where that is news. */
export function learnEntry(router: Router, entry: MapEntry, nowMs: number): void {
  if (isDead(router, entry)) return; // of a founding that nobody is to be sent to
  const view = learn(router.view, entry);
  if (view === router.view) return;
  router.view = view;
  refresh(router, nowMs);
}

/** The view has changed: forgets what it answers, and asks again at once about the rest. */
function refresh(router: Router, nowMs: number): void {
  for (const moving of [...router.moving]) {
    const isAnswered = entriesIn(router.view, moving.range).every((entry) => entry.epoch >= moving.mid);
    const isAgreed = moving.owner !== null && ownsAll(router.view, moving.range, moving.owner);
    if (isAnswered || isAgreed) close(router, moving);
    else moving.probeAtMs = Math.min(moving.probeAtMs, nowMs);
  }
  recompute(router);
}

/** Somebody serves it. The map may not say so yet, or never will: it is then routed there until a range error. */
function settle(router: Router, moving: Moving, owner: string): void {
  if (ownsAll(router.view, moving.range, owner)) {
    close(router, moving);
    return;
  }
  moving.owner = owner;
  router.holding -= 1;
  recompute(router);
  release(router, moving.held);
}

/** Notes that the range of `entry` moves between `source` and the entry's owner, and asks the latter at once. */
function watch(router: Router, entry: MapEntry, source: Cluster, nowMs: number): void {
  const known = router.moving.find(
    ({ owner, mid, range }) => owner === null && mid === entry.epoch && sameRange(range, entry),
  );
  if (known !== undefined) return;
  const range: Range = { lo: entry.lo, hi: entry.hi };
  open(router, range, entry.epoch, [entry.owner, source.id], nowMs);
}

/** Notes that `owner`, which should serve what `task` names, does not, and nobody says who does: all are asked. */
function search(router: Router, task: Task, owner: string, nowMs: number): void {
  const first = task.keys[0] ?? task.ranges[0]?.lo ?? '';
  const entry = lookup(router.effective, first);
  if (entry === null) return; // held for want of a map
  const others = [...router.clusters.keys()].filter((id) => id !== owner);
  open(router, { lo: entry.lo, hi: entry.hi }, 0, [owner, ...others], nowMs + LOST_MS);
}

function open(
  router: Router,
  range: Range,
  mid: number,
  candidates: readonly string[],
  probeAtMs: number,
): void {
  if (router.moving.length >= MOVING_MAX) {
    const oldest = router.moving.find(({ owner }) => owner !== null) ?? router.moving[0];
    if (oldest !== undefined) close(router, oldest);
  }
  const moving: Moving = {
    range,
    mid,
    candidates,
    next: 0,
    probeAtMs,
    pauseMs: PROBE_MIN_MS,
    isProbing: false,
    owner: null,
    isOver: false,
    held: [],
  };
  // What was seen before the range moved again no longer counts.
  for (const other of [...router.moving]) {
    if (other.owner !== null && overlaps(other.range, range)) close(router, other);
  }
  router.moving.push(moving);
  router.holding += 1;
  needBy(router, probeAtMs);
}

function close(router: Router, moving: Moving): void {
  moving.isOver = true;
  router.moving.splice(router.moving.indexOf(moving), 1);
  if (moving.owner === null) {
    router.holding -= 1;
    release(router, moving.held);
  } else {
    recompute(router);
  }
}

function postpone(router: Router, moving: Moving, nowMs: number): void {
  moving.probeAtMs = nowMs + moving.pauseMs;
  moving.pauseMs = Math.min(moving.pauseMs * 1.5, PROBE_MAX_MS);
  needBy(router, moving.probeAtMs);
}

function recompute(router: Router): void {
  router.effective = router.moving.reduce(
    (map, { owner, range, mid }) => (owner === null ? map : carve(map, range, owner, mid)),
    router.view,
  );
}

function probeBody(key: Key): Uint8Array {
  return encodeRequest({ kind: 'exists', consistency: { kind: 'consistent' }, key });
}

/** Which node of a cluster is asked: finding the master, following it, and waiting where there is none. */
import { NurseryError, RETURN_CODES } from '../../src/base/errors.ts';
import type { KnownCluster } from '../../src/protocol/admin/admin.ts';
import { decodeOptionalText } from '../../src/protocol/arakoon/replies.ts';
import { encodeRequest } from '../../src/protocol/arakoon/requests.ts';
import { encodeRun } from '../../src/protocol/arakoon/run.ts';
import { masterIn } from '../../src/protocol/arakoon/values.ts';
import { takeRun } from './lanes.ts';
import { codeOf, giveUp, hold, needBy, type Refusal, release } from './tasks.ts';
import type { Cluster, InFlight, Moving, Peer, Router, Task } from './types.ts';

/** Pauses between asking a cluster's nodes who is master: while requests wait for it, and while none do (ms). */
const ASK_BUSY_MS = 50;
const ASK_IDLE_MS = 500;
/** How long a node may take to say who is master, or whether it serves a range (ms). */
export const ASK_DEADLINE_MS = 1000;
/** How long nothing is sent on a link that took no more (ms). */
const UNSENT_MS = 5;
const WHO_MASTER = encodeRequest({ kind: 'whoMaster' });

/** The cluster with this id; without nodes as long as no configuration named it. */
export function clusterOf(router: Router, id: string): Cluster {
  const known = router.clusters.get(id);
  if (known !== undefined) return known;
  const cluster: Cluster = {
    id,
    founding: '',
    peers: new Map(),
    master: null,
    waiting: [],
    askedMs: Number.NEGATIVE_INFINITY,
    pausedUntilMs: 0,
  };
  router.clusters.set(id, cluster);
  return cluster;
}

/** The master that requests can be sent to now, or null. */
export function readyMaster(cluster: Cluster): Peer | null {
  return cluster.master?.isUp === true ? cluster.master : null;
}

/** Sends `task` to the master of `cluster`, or holds it until there is one. */
export function offer(router: Router, cluster: Cluster, task: Task, nowMs: number): void {
  const master = cluster.waiting.length === 0 ? readyMaster(cluster) : null;
  const peer = master ?? (task.isStale ? anyUp(cluster) : null);
  if (peer === null) wait(router, cluster, task, nowMs);
  else if (nowMs >= task.holdUntilMs) giveUp(router, task, lateWhy(cluster));
  else transmit(router, peer, task, nowMs);
}

/** Why a request was given up that waited for a master; begins as the refusal of a node does that knows of none. */
export function waitingWhy(cluster: Cluster): Refusal {
  const { id } = cluster;
  const master = readyMaster(cluster);
  return master === null
    ? {
        code: 'NOT_MASTER',
        message: `None: no master of cluster ${id} was found; not executed, send it again`,
      }
    : {
        code: 'GOING_DOWN',
        message: `cluster ${id}: node ${master.name} takes no more now; not executed, send it again`,
      };
}

/** Why a request was given up whose turn came too late. */
function lateWhy({ id }: Cluster): Refusal {
  const message = `cluster ${id}: too late behind earlier requests; not executed, send it again`;
  return { code: 'GOING_DOWN', message };
}

/** Holds `task` until a master of `cluster` is found. */
export function wait(router: Router, cluster: Cluster, task: Task, nowMs: number): void {
  hold(router, cluster.waiting, task, nowMs, waitingWhy(cluster));
  if (task.heldBytes >= 0) seek(router, cluster, nowMs); // else it was refused
}

/** Does what is due for `cluster`: asks for its master, or sends what a full link kept back. */
export function tend(router: Router, cluster: Cluster, nowMs: number): void {
  if (readyMaster(cluster) === null) {
    seek(router, cluster, nowMs);
    return;
  }
  if (cluster.waiting.length === 0) return;
  if (nowMs >= cluster.pausedUntilMs) release(router, cluster.waiting);
  else needBy(router, cluster.pausedUntilMs);
}

/** Asks all nodes that can be asked who is master, at most so often; nothing where the master is known and up. */
export function seek(router: Router, cluster: Cluster, nowMs: number): void {
  if (readyMaster(cluster) !== null || cluster.peers.size === 0) return;
  const paceMs = cluster.waiting.length > 0 ? ASK_BUSY_MS : ASK_IDLE_MS;
  if (nowMs < cluster.askedMs + paceMs) {
    needBy(router, cluster.askedMs + paceMs);
    return;
  }
  cluster.askedMs = nowMs;
  for (const peer of cluster.peers.values()) ask(router, peer);
  needBy(router, nowMs + paceMs);
}

/** A node said who is master. */
export function onAsked(router: Router, peer: Peer, reply: Uint8Array): void {
  peer.isAsked = false;
  const { cluster } = peer;
  if (readyMaster(cluster) !== null || peer.isRetired) return;
  const name = masterNamed(reply);
  const named = name === null ? undefined : cluster.peers.get(name);
  if (named === undefined) return;
  // Of a node that is down, another's word may be old: it is believed only for want of a better one.
  if (named.isUp || cluster.master === null) cluster.master = named;
  if (named.isUp) release(router, cluster.waiting);
}

/** A node refused `task` since it is not master; its reply names the one it knows, or `None`. */
export function onNotMaster(router: Router, peer: Peer, task: Task, reply: Uint8Array, nowMs: number): void {
  const { cluster } = peer;
  followRefusal(router, peer, reply);
  task.redirects += 1;
  router.counters.redirects += 1;
  if (task.redirects <= router.limits.redirectsMax) {
    router.todo.push(task);
    return;
  }
  task.redirects = 0;
  cluster.master = null; // the names given led in a circle
  wait(router, cluster, task, nowMs);
}

/** Believes what a node that is not master says about who is. */
export function followRefusal(router: Router, peer: Peer, reply: Uint8Array): void {
  const { cluster } = peer;
  if (cluster.master !== peer && readyMaster(cluster) !== null) return; // known better meanwhile
  const name = masterIn(reply);
  const named = name === null ? undefined : cluster.peers.get(name);
  cluster.master = named === undefined || named === peer ? null : named;
  if (readyMaster(cluster) !== null) release(router, cluster.waiting);
}

/** `peer` does not answer as a master would: the others are asked. */
export function doubt(router: Router, peer: Peer, nowMs: number): void {
  if (peer.cluster.master === peer) peer.cluster.master = null;
  seek(router, peer.cluster, nowMs);
}

/** The link takes no more at the moment, or is being lost: that it is down is another event. */
export function onUnsent(router: Router, peer: Peer, task: Task, nowMs: number): void {
  const { cluster } = peer;
  cluster.pausedUntilMs = nowMs + UNSENT_MS;
  wait(router, cluster, task, nowMs);
  needBy(router, cluster.pausedUntilMs);
}

export function onUp(router: Router, peer: Peer): void {
  peer.isUp = true;
  const { cluster } = peer;
  // It may have been restarted, and serve nothing yet: it says itself whether it is master.
  if (cluster.master === peer) cluster.master = null;
  if (readyMaster(cluster) === null) ask(router, peer);
}

export function onDown(router: Router, peer: Peer, nowMs: number): void {
  peer.isUp = false;
  seek(router, peer.cluster, nowMs);
}

/** Follows the client configurations: links to nodes that are new or moved, no more links to those that are gone. */
export function configure(router: Router, configs: readonly KnownCluster[], nowMs: number): void {
  router.hasDead = true; // perhaps: all entries are looked at anew
  const named = new Set(configs.map((config) => config.cluster));
  for (const cluster of router.clusters.values()) {
    if (named.has(cluster.id)) continue;
    for (const peer of [...cluster.peers.values()]) retire(router, peer);
  }
  for (const { cluster: id, nodes, founding = '' } of configs) {
    const cluster = clusterOf(router, id);
    const isOther = cluster.founding !== founding;
    cluster.founding = founding;
    for (const peer of [...cluster.peers.values()]) {
      const node = nodes.find(({ name }) => name === peer.name);
      const isSame = !isOther && node?.port === peer.port && node.ips.join() === peer.ips.join();
      if (!isSame) retire(router, peer);
    }
    for (const { name, ips, port } of nodes) {
      if (!cluster.peers.has(name)) connect(router, cluster, name, ips, port);
    }
    seek(router, cluster, nowMs);
  }
}

/** Sends a client's task to `peer`, and the updates that can go with it. */
export function transmit(router: Router, peer: Peer, task: Task, nowMs: number): void {
  const tasks = takeRun(router, task, peer.cluster.id);
  if (tasks.length === 1) {
    const leftMs = task.answerByMs - nowMs;
    const deadlineMs = task.isUpdate ? leftMs : Math.min(leftMs, router.limits.readMs);
    send(router, { kind: 'task', peer, task }, task.body, deadlineMs);
    return;
  }
  router.counters.runs += 1;
  router.counters.runUpdates += tasks.length;
  // The first is behind no other, so that it may have little time left for the sake of which the others are not doubted.
  const deadlineMs = (tasks.at(-1) as Task).answerByMs - nowMs;
  send(router, { kind: 'run', peer, tasks }, encodeRun(tasks.map(({ body }) => body)), deadlineMs);
}

/** Asks `peer`, with a request that changes nothing, whether it serves the range. */
export function transmitProbe(router: Router, peer: Peer, moving: Moving, body: Uint8Array): void {
  send(router, { kind: 'probe', peer, moving }, body, ASK_DEADLINE_MS);
}

/** What was in flight as `call`; undefined where it was not. */
export function take(router: Router, call: number): InFlight | undefined {
  const found = router.inFlight.get(call);
  if (found === undefined) return undefined;
  router.inFlight.delete(call);
  const { peer } = found;
  peer.outstanding -= 1;
  if (peer.isRetired && peer.outstanding === 0) disconnect(router, peer);
  return found;
}

function send(router: Router, flight: InFlight, body: Uint8Array, deadlineMs: number): void {
  router.lastCall += 1;
  const call = router.lastCall;
  router.inFlight.set(call, flight);
  flight.peer.outstanding += 1;
  const isRead = flight.kind === 'task' && !flight.task.isUpdate;
  const request = isRead ? flight.task.request : null;
  router.effects.push({ kind: 'send', request, call, peer: flight.peer.id, body, deadlineMs });
}

function ask(router: Router, peer: Peer): void {
  if (!peer.isUp || peer.isAsked) return;
  peer.isAsked = true;
  send(router, { kind: 'ask', peer }, WHO_MASTER, ASK_DEADLINE_MS);
}

function anyUp(cluster: Cluster): Peer | null {
  for (const peer of cluster.peers.values()) if (peer.isUp) return peer;
  return null;
}

function masterNamed(reply: Uint8Array): string | null {
  if (codeOf(reply) !== RETURN_CODES.OK) return null;
  try {
    return decodeOptionalText(reply);
  } catch (error) {
    if (!(error instanceof NurseryError)) throw error;
    return null; // not what a node says: as good as no answer
  }
}

function connect(router: Router, cluster: Cluster, name: string, ips: readonly string[], port: number): void {
  router.lastPeer += 1;
  const id = router.lastPeer;
  const peer: Peer = {
    id,
    cluster,
    name,
    ips,
    port,
    isUp: false,
    outstanding: 0,
    isRetired: false,
    isAsked: false,
  };
  cluster.peers.set(name, peer);
  router.peers.set(id, peer);
  router.effects.push({
    kind: 'connect',
    peer: id,
    cluster: cluster.id,
    founding: cluster.founding,
    node: name,
    ips,
    port,
  });
}

function retire(router: Router, peer: Peer): void {
  const { cluster } = peer;
  cluster.peers.delete(peer.name);
  if (cluster.master === peer) cluster.master = null;
  peer.isRetired = true;
  if (peer.outstanding === 0) disconnect(router, peer);
}

function disconnect(router: Router, peer: Peer): void {
  router.peers.delete(peer.id);
  router.effects.push({ kind: 'disconnect', peer: peer.id });
}

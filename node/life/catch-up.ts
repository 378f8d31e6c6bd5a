/**
 * Brings the files of a node that does not run up to date: the image of a peer takes the place of its store, as it does in a node that
 * has fallen behind. It dials one peer, listens to nobody, and votes on nothing.
 */
import { randomBytes } from 'node:crypto';
import { existsSync, readdirSync } from 'node:fs';
import { present } from '../../src/base/assert.ts';
import { NurseryError } from '../../src/base/errors.ts';
import type { ClusterIni } from '../../src/config/cluster-config.ts';
import type { NodeIni } from '../../src/config/node-section.ts';
import { dial } from '../../src/link/dial.ts';
import { type Hello, LINK_PROTOCOL } from '../../src/link/frames.ts';
import type { Link } from '../../src/link/link.ts';
import type { Logger } from '../../src/process/log.ts';
import { failure } from '../../src/protocol/arakoon/replies.ts';
import { memoryOf } from '../members/acquaintances.ts';
import { copySnapshot } from '../members/snapshots.ts';
import type { Slot } from '../paxos/values.ts';
import { checkFiles, lockHome } from './home.ts';
import { refuseUnfinished } from './restore.ts';
import { logDirOf, Storage, type StorageOptions, storePlace } from './storage.ts';

/** How long the peer may take to answer the hello (ms). */
const DIAL_MS = 5000;

export type CatchUpOptions = {
  readonly ini: ClusterIni;
  /** Whose home it is. */
  readonly node: NodeIni;
  /** Whose image is copied. */
  readonly source: NodeIni;
  readonly logger: Logger;
};

/**
 * Up to which slot the home had all, and has it now: the same where the peer has no more. `lacks`: slots that come next, which its own
 * log goes on behind of; null where there are none.
 */
export type CaughtUp = {
  readonly before: Slot;
  readonly after: Slot;
  readonly lacks: { readonly from: Slot; readonly upTo: Slot } | null;
};

/**
 * Copies the image. One that is broken off leaves the home as it was.
 *
 * @throws FatalError as the node's own start does; HOME_IN_USE where it runs
 * @throws NurseryError REFUSED where the home belongs to no cluster yet; UNREACHABLE, and those of `dial`
 */
export async function catchUp(options: CatchUpOptions): Promise<CaughtUp> {
  const { ini, node, logger } = options;
  const logDir = logDirOf(node);
  if (!isBegun(logDir)) throw notBegun(node);
  const lock = lockHome(node.home, logDir);
  try {
    checkFiles(node.home, logDir);
    refuseUnfinished(node.home);
    const files: StorageOptions = {
      place: storePlace(node.home, ini.clusterId, node.name),
      logDir,
      segmentBytes: ini.segmentBytes,
      reserveBytes: null,
      logger,
    };
    const caughtUp = await copyInto(files, options);
    if (caughtUp.after > caughtUp.before) await settle(files);
    return caughtUp;
  } finally {
    lock.release();
  }
}

async function copyInto(files: StorageOptions, options: CatchUpOptions): Promise<CaughtUp> {
  const storage = await Storage.open(files);
  try {
    const { incarnation, founded, chosen, firstLogSlot } = storage.recovered;
    if (incarnation === null || founded === null) throw notBegun(options.node);
    // What follows a gap is of no use without what lies in it.
    const isShort = firstLogSlot > storage.store.slot + 1;
    const before = isShort ? storage.store.slot : Math.max(storage.store.slot, chosen);
    const link = await dialSource(options, storage);
    try {
      const after = await copyFrom(link, storage, before);
      const lacks = firstLogSlot > after + 1 ? { from: after + 1, upTo: firstLogSlot - 1 } : null;
      return { before, after, lacks };
    } finally {
      link.close('caught up');
    }
  } finally {
    await storage.abandon();
  }
}

/** A node that never ran has no log; nothing is begun for it here. */
function isBegun(logDir: string): boolean {
  return existsSync(logDir) && readdirSync(logDir).some((name) => name.endsWith('.tlog'));
}

function notBegun({ home, name }: NodeIni): NurseryError {
  return new NurseryError(
    'REFUSED',
    `the home ${home} belongs to no cluster yet: start ${name}, which joins and copies what it needs by itself`,
  );
}

/** @returns the slot that the home is at then */
async function copyFrom(link: Link, storage: Storage, before: Slot): Promise<Slot> {
  const open: { receiver: Awaited<ReturnType<Storage['receive']>> | null } = { receiver: null };
  const ask: Parameters<typeof copySnapshot>[0] = (body, deadlineMs) =>
    new Promise((resolve) => link.request(body, deadlineMs, resolve));
  try {
    const slot = await copySnapshot(ask, async (at) => {
      if (at <= before) throw new Enough();
      open.receiver = await storage.receive(at);
      return open.receiver;
    });
    await present(open.receiver, 'a receiver of pages').finish();
    await storage.replace();
    return slot;
  } catch (error) {
    await open.receiver?.abort();
    if (error instanceof Enough) return before;
    throw error;
  }
}

/** The peer has no more than the home. */
class Enough extends Error {}

/** The log is told that all up to the image's slot came with it, as at any start after a crash in between. */
async function settle(files: StorageOptions): Promise<void> {
  const storage = await Storage.open(files);
  await storage.close(storage.store.slot);
}

/** The node's own life calls, so that a peer that talks to it already refuses the second one. */
function dialSource({ ini, node, source }: CatchUpOptions, { recovered }: Storage): Promise<Link> {
  const { incarnation, founded } = recovered;
  const hello: Hello = {
    protocol: LINK_PROTOCOL,
    role: 'node',
    cluster: ini.clusterId,
    node: node.name,
    incarnation: present(incarnation, 'incarnation'),
    founding: recovered.members?.cluster ?? present(founded, 'founding').state.cluster,
    memory: memoryOf(randomBytes(8).toString('hex'), recovered),
  };
  return dial({
    host: present(source.ips[0], 'address of a node'),
    port: present(source.messagingPort, `messaging port of ${source.name}`),
    hello,
    handlers: {
      request: (_link, _body, respond) =>
        respond(failure('NOT_SUPPORTED', `${node.name} catches up, and does nothing else`)),
      post: () => undefined,
      closed: () => undefined,
    },
    timeoutMs: DIAL_MS,
  });
}

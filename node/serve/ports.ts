/** A node's two ports: for clients, and for the other members. */
import { VALUE_MAX } from '../../src/base/limits.ts';
import type { NodeIni } from '../../src/config/node-section.ts';
import type { Dashboard } from '../../src/dashboard/http.ts';
import type { Hello } from '../../src/link/frames.ts';
import type { LinkHandlers } from '../../src/link/link.ts';
import { Watch } from '../../src/metrics/http.ts';
import { following } from '../../src/port/follow.ts';
import { ClientPort, type PortBudgets } from '../../src/port/port.ts';
import type { Logger } from '../../src/process/log.ts';
import { failure } from '../../src/protocol/arakoon/replies.ts';
import type { Answer } from '../../src/protocol/arakoon/values.ts';
import type { Driver } from '../driver/driver.ts';
import type { Peers } from '../members/peers.ts';
import type { SnapshotServer } from '../members/snapshots.ts';
import { isStoreDamage } from '../store/failures.ts';
import type { MapWatchers } from './map-watchers.ts';
import { watchOf } from './metrics.ts';
import type { Requests } from './requests.ts';
import { withRoom } from './room.ts';
import type { Visitors } from './visitors.ts';

/** Connections of the messaging port: two for each other member, and few of who has no business there. */
const MEMBER_LIMITS = { clients: 8, own: 64, spare: 8 } as const;
/** What a page of a snapshot may take (bytes): the longest row, and what it is copied from. */
const SNAPSHOT_BYTES = 2 * VALUE_MAX;

export type PortsOptions = {
  readonly node: NodeIni;
  readonly clusterId: string;
  readonly budgets: PortBudgets;
  readonly dashboard: Dashboard | undefined;
  /** Of the requests that are followed, at level debug. */
  readonly logger: Logger;
  hello(): Hello;
  warn(message: string): void;
  /** Hears that the node's own host name cannot be resolved yet, and is waited for. */
  waits(what: string): void;
};

/** Who hears what comes in. */
export type Hearers = {
  readonly requests: Requests;
  readonly watchers: MapWatchers;
  readonly visitors: Visitors;
  readonly peers: Peers;
  readonly driver: Driver;
  readonly snapshots: SnapshotServer;
};

/**
 * Opens the client port.
 *
 * @throws FatalError PORT_IN_USE, CONFIG
 */
export async function openClientPort(
  { node, budgets, dashboard, logger, ...common }: PortsOptions,
  { requests, watchers, visitors }: Pick<Hearers, 'requests' | 'watchers' | 'visitors'>,
): Promise<ClientPort> {
  const { ip, clientPort } = node.writtenAt;
  const links: LinkHandlers = {
    request: (link, body, respond, leftMs, asker) => requests.handle(body, respond, link, asker, leftMs),
    post: () => undefined,
    opened: (link) => visitors.opened(link),
    closed: (link) => {
      watchers.remove(link);
      visitors.closed(link);
    },
    ...following(logger, node.logLevel),
  };
  const watch = new Watch(
    () => watchOf(requests.context),
    (error) => common.warn(error.stack ?? error.message),
  );
  return await ClientPort.listen({
    ...common,
    ips: node.ips,
    port: node.clientPort,
    writtenAt: { ip, port: clientPort },
    links,
    budgets,
    http: (request, response) => {
      if (dashboard?.answer(request, response, requests.context.recording.operations)) return;
      watch.answer(request, response);
    },
    handle: (connection, body, respond) => requests.handle(body, respond, null, connection),
  });
}

/**
 * Opens the messaging port; null where the configuration names none.
 *
 * @throws FatalError PORT_IN_USE, CONFIG
 */
export async function openMessagingPort(
  { node, budgets: _, dashboard: __, logger: ___, ...common }: PortsOptions,
  { peers, driver, snapshots }: Pick<Hearers, 'peers' | 'driver' | 'snapshots'>,
): Promise<ClientPort | null> {
  if (node.messagingPort === null) return null;
  const { ip, messagingPort } = node.writtenAt;
  const links: LinkHandlers = {
    request: (_link, body, respond, _leftMs, asker) =>
      withRoom(SNAPSHOT_BYTES, asker, respond, (given) => given(serveSnapshot(snapshots, driver, body))),
    post: (link, topic, body) => peers.receive(link, topic, body),
    closed: (link) => peers.lost(link),
    met: (peer) => peers.met(peer),
    ...peers.common,
  };
  return await ClientPort.listen({
    ...common,
    ips: node.ips,
    port: node.messagingPort,
    writtenAt: { ip, port: messagingPort },
    limits: () => MEMBER_LIMITS,
    links,
    handle: (_connection, _body, respond) =>
      respond(failure('NOT_SUPPORTED', 'this is the messaging port; clients are served at the client port')),
  });
}

/**
 * A store that may be wrong is not handed on; of two members, though, the one who asks has given up its own. Who has retired serves
 * nobody but the survivor that needs its copy.
 */
function serveSnapshot(snapshots: SnapshotServer, driver: Driver, body: Buffer): Answer {
  const { retired, members } = driver.replica;
  const isPair = members.members.length <= 2;
  const isLeft = retired?.parted === null && driver.standing === 'sound';
  if (!isLeft && driver.refusal !== null && !(driver.standing === 'doubtful' && isPair))
    return driver.refusal;
  try {
    return snapshots.answer(body);
  } catch (error) {
    if (!isStoreDamage(error)) throw error;
    driver.storeFailed(error);
    return failure('GOING_DOWN', 'the store of this node cannot be read; ask another node');
  }
}

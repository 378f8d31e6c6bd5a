/** The client for programs: a whole nursery through its routers, or one cluster through its nodes. */

import { NurseryError } from '../base/errors.ts';
import { parseAddress } from '../identity/address.ts';
import type { NodeAddress } from '../protocol/admin/admin.ts';
import { encodeRequest, type Request } from '../protocol/arakoon/requests.ts';
import { DEADLINE_MS } from './call.ts';
import { ClusterClient } from './cluster-client.ts';
import { type CallOptions, Commands } from './commands.ts';
import { outOfRange } from './out-of-range.ts';

/** Whom to connect to. */
export type ConnectOptions = {
  /** `host:port` of routers, or of the nodes of one cluster. One that answers is enough; more are failed over to. */
  readonly addresses: readonly string[];
  /** Cluster id that they must be of. Default: any. */
  readonly cluster?: string;
  /** For connecting, and for calls that do not say otherwise (ms). Default 10 s. */
  readonly deadlineMs?: number;
};

/**
 * Talks to a nursery over WebSocket. Calls may run side by side; each goes to the master, or to a router, and is
 * repeated elsewhere as long as it certainly was not carried out and its deadline allows.
 *
 * ```ts
 * const client = await NurseryClient.connect({ addresses: ['127.0.0.1:4000'] });
 * await client.set('key', 'value');
 * (await client.get('key')).toString(); // 'value'
 * client.close();
 * ```
 */
export class NurseryClient extends Commands {
  readonly #cluster: ClusterClient;
  readonly #deadlineMs: number;

  private constructor(cluster: ClusterClient, deadlineMs: number) {
    super();
    this.#cluster = cluster;
    this.#deadlineMs = deadlineMs;
  }

  /**
   * Connects to one of the addresses, of several routers to one that is ready. Where all have too many connections it tries again
   * until the deadline.
   *
   * @throws NurseryError UNREACHABLE where none answers; TOO_MANY_CONNECTIONS where none has a seat; WRONG_CLUSTER where it is of
   *   another one; BAD_INPUT for an address that is not `host:port`
   */
  static async connect(options: ConnectOptions): Promise<NurseryClient> {
    if (options.addresses.length === 0) throw new NurseryError('BAD_INPUT', 'no address to connect to');
    const config = { cluster: options.cluster ?? '', nodes: options.addresses.map(nodeAt) };
    const cluster = new ClusterClient(config, { role: 'client', node: '' });
    try {
      await cluster.open(options.deadlineMs);
    } catch (error) {
      cluster.close();
      throw error;
    }
    return new NurseryClient(cluster, options.deadlineMs ?? DEADLINE_MS);
  }

  /** Ends all connections; calls under way fail. */
  close(): void {
    this.#cluster.close();
  }

  protected override async ask(request: Request, options: CallOptions): Promise<Uint8Array> {
    const deadlineMs = options.deadlineMs ?? this.#deadlineMs;
    const reply = await this.#cluster.send(encodeRequest(request), { to: destination(request), deadlineMs });
    const refused = outOfRange(reply.bytes, reply.cluster, reply.hint);
    if (refused !== null) throw refused;
    return reply.bytes;
  }
}

/** Reads that need no master, and questions about whoever answers, go to any node. */
function destination(request: Request): 'master' | 'any' {
  if ('consistency' in request) return request.consistency.kind === 'consistent' ? 'master' : 'any';
  switch (request.kind) {
    case 'whoMaster':
    case 'version':
    case 'statistics':
    case 'currentState':
    case 'expectProgressPossible':
      return 'any';
    default:
      return 'master';
  }
}

/** One of the options' addresses, as a node without a name of its own. @throws NurseryError BAD_INPUT */
function nodeAt(address: string): NodeAddress {
  const { host, port } = parseAddress(address);
  return { name: address, ips: [host], port };
}

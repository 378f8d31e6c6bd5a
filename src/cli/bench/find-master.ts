/** Finds where a load is to be sent: the master of a cluster, one of its nodes, or a router. */

import { NurseryError } from '../../base/errors.ts';
import { ArakoonClient } from '../../client/arakoon-client.ts';
import type { ClusterConfig } from '../../protocol/admin/admin.ts';
import type { Place } from './client.ts';

/** How long a node may take to say who is master (ms). */
const ASK_MS = 500;
/** How long an answer serves all who ask (ms). */
const FRESH_MS = 20;

/** Asks nodes who is master, once for all connections that want to know at about the same time. */
export class MasterFinder {
  readonly #cluster: ClusterConfig;
  #asking: Promise<Place> | null = null;

  constructor(cluster: ClusterConfig) {
    this.#cluster = cluster;
  }

  /** @throws NurseryError UNREACHABLE where there is none that its own node confirms */
  readonly find = (): Promise<Place> => {
    if (this.#asking === null) {
      const asking = this.#ask();
      this.#asking = asking;
      const forget = (): void => {
        this.#asking = null;
      };
      asking.then(() => setTimeout(forget, FRESH_MS), forget);
    }
    return this.#asking;
  };

  /** A node that calls itself master is believed; of another it may know what was. */
  async #ask(): Promise<Place> {
    const places = this.#cluster.nodes.map(({ name }) => ({ name, place: placeOf(this.#cluster, name) }));
    const found = await Promise.all(
      places.map(async ({ name, place }) => ((await askMaster(place)) === name ? place : null)),
    );
    const master = found.find((place) => place !== null);
    if (master === undefined || master === null) {
      throw new NurseryError('UNREACHABLE', `cluster ${this.#cluster.cluster} has no master at present`);
    }
    return master;
  }
}

/** Where the node `name` is. @throws NurseryError REFUSED where the configuration has none */
export function placeOf({ cluster, nodes }: ClusterConfig, name: string): Place {
  const node = nodes.find((candidate) => candidate.name === name);
  const host = node?.ips[0];
  if (node === undefined || host === undefined) {
    throw new NurseryError('REFUSED', `the configuration names no node ${name} with an address`);
  }
  return { host, port: node.port, cluster };
}

async function askMaster(place: Place): Promise<string | null> {
  try {
    const client = await ArakoonClient.connect({ ...place, deadlineMs: ASK_MS });
    try {
      return await client.whoMaster();
    } finally {
      client.close();
    }
  } catch (error) {
    if (error instanceof NurseryError) return null;
    throw error;
  }
}

/** Clusters of real nodes, described by a configuration file as an operator would write it. */
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ArakoonClient } from '../../src/client/arakoon-client.ts';
import { renderClusterIni } from '../../src/config/render.ts';
import type { ClusterConfig } from '../../src/protocol/admin/admin.ts';
import { selfOf } from './identities.ts';
import { MasterClient } from './master-client.ts';
import { type Environment, freePorts, type Lab, type NurseryProcess } from './processes.ts';
import { until } from './wait.ts';

/** Lease of the clusters in tests (ms). */
export const LEASE_MS = 1000;
/** What a node with a vote says that it is. */
const VOTING = ['follower', 'candidate', 'master'];
/** How long one node has to answer a question about itself (ms). */
const ASK_MS = 1000;

export type TestClusterOptions = {
  readonly clusterId: string;
  /** How many nodes. Default 3. */
  readonly size?: number;
  /** The keeper; null outside a nursery, 'itself' for a cluster that is the keeper. Default null. */
  readonly keeper?: ClusterConfig | 'itself' | null;
  /** Further keys of `[global]`. */
  readonly extra?: { readonly [key: string]: string };
  /** Further keys of the section of each node, by its number. */
  readonly nodeExtra?: (index: number) => { readonly [key: string]: string };
  /** Client and messaging port of each node in turn. Default: any that are free. */
  readonly ports?: readonly number[];
  /** Where a node lives, and what its process finds in the environment. Default: a folder of the lab, and nothing. */
  readonly disk?: (name: string) => { readonly dir: string; readonly env: Environment };
};

/** Where one node lives. */
export type NodePlace = {
  readonly name: string;
  readonly clientPort: number;
  readonly messagingPort: number;
  readonly home: string;
  readonly env: Environment;
};

/** A cluster whose nodes are started and killed one by one. */
export class TestCluster {
  readonly id: string;
  readonly file: string;
  readonly nodes: readonly NodePlace[];
  readonly #lab: Lab;
  readonly #processes = new Map<string, NurseryProcess>();

  private constructor(lab: Lab, id: string, nodes: readonly NodePlace[]) {
    this.#lab = lab;
    this.id = id;
    this.nodes = nodes;
    this.file = join(lab.dir, `${id}.ini`);
  }

  /** Writes the configuration, and starts nothing. Nodes are called `<id>_0` and so on. */
  static async create(lab: Lab, options: TestClusterOptions): Promise<TestCluster> {
    const { clusterId } = options;
    const size = options.size ?? 3;
    const ports = options.ports ?? (await freePorts(2 * size));
    const nodes = Array.from({ length: size }, (_, index): NodePlace => {
      const name = `${clusterId}_${index}`;
      const { dir, env } = options.disk?.(name) ?? { dir: lab.dir, env: {} };
      return {
        name,
        clientPort: ports[2 * index] as number,
        messagingPort: ports[2 * index + 1] as number,
        home: join(dir, name),
        env,
      };
    });
    const cluster = new TestCluster(lab, clusterId, nodes);
    const { keeper = null } = options;
    const text = renderClusterIni({
      clusterId,
      nodes: nodes.map(({ name, clientPort, messagingPort, home }, index) => {
        const extra = { messaging_port: String(messagingPort), ...options.nodeExtra?.(index) };
        return { name, ip: '127.0.0.1', clientPort, home, extra };
      }),
      extra: {
        lease_period: String(LEASE_MS / 1000),
        tlog_max_size: '2_000_000',
        ...options.extra,
      },
      keeper: keeper === 'itself' ? cluster.config : keeper,
    });
    writeFileSync(cluster.file, text);
    return cluster;
  }

  /** The same, with all nodes started and a master elected. */
  static async start(lab: Lab, options: TestClusterOptions): Promise<TestCluster> {
    const cluster = await TestCluster.create(lab, options);
    for (const { name } of cluster.nodes) cluster.startNode(name);
    await cluster.master();
    return cluster;
  }

  /** What clients need to know. */
  get config(): ClusterConfig {
    return {
      cluster: this.id,
      nodes: this.nodes.map(({ name, clientPort }) => ({ name, ips: ['127.0.0.1'], port: clientPort })),
    };
  }

  place(name: string): NodePlace {
    const place = this.nodes.find((node) => node.name === name);
    if (place === undefined) throw new Error(`there is no node ${name}`);
    return place;
  }

  startNode(name: string, flags: readonly string[] = []): NurseryProcess {
    const args = ['node', '--config', this.file, '--node', name, ...flags];
    const started = this.#lab.start(name, args, this.place(name).env);
    this.#processes.set(name, started);
    return started;
  }

  startAll(): void {
    for (const { name } of this.nodes) this.startNode(name);
  }

  process(name: string): NurseryProcess {
    const found = this.#processes.get(name);
    if (found === undefined) throw new Error(`${name} was never started`);
    return found;
  }

  async killAll(): Promise<void> {
    await Promise.all([...this.#processes.values()].map((started) => started.kill()));
  }

  /** Kills a node, loses its disk, and starts it with an empty one. */
  async wipe(name: string): Promise<void> {
    await this.process(name).kill();
    rmSync(this.place(name).home, { recursive: true, force: true });
    this.startNode(name);
  }

  /** Names of the nodes that run. */
  get runningNames(): string[] {
    return this.nodes.map(({ name }) => name).filter((name) => this.#processes.get(name)?.isRunning);
  }

  /** A connection to one node, closed with the lab. */
  async connect(name: string): Promise<ArakoonClient> {
    const { clientPort } = this.place(name);
    const client = await ArakoonClient.connect({ host: '127.0.0.1', port: clientPort, cluster: this.id });
    this.#lab.closing(() => client.close());
    return client;
  }

  /** A client that follows the master, closed with the lab. */
  client(): MasterClient {
    const addresses = this.nodes.map(({ name, clientPort }) => ({ name, port: clientPort }));
    const client = new MasterClient(this.id, addresses);
    this.#lab.closing(() => client.close());
    return client;
  }

  /** Runs `ask` on a connection of its own to one node. */
  async ask<T>(name: string, ask: (client: ArakoonClient) => Promise<T>): Promise<T> {
    const { clientPort } = this.place(name);
    const client = await ArakoonClient.connect({
      host: '127.0.0.1',
      port: clientPort,
      cluster: this.id,
      deadlineMs: ASK_MS,
    });
    try {
      return await ask(client);
    } finally {
      client.close();
    }
  }

  /** Waits until a node calls itself master and takes updates; returns its name. */
  master(withinMs?: number): Promise<string> {
    const options = withinMs === undefined ? {} : { withinMs };
    return until(
      `a master of ${this.id}`,
      async () => {
        for (const name of this.runningNames) {
          const master = await this.ask(name, (client) => client.whoMaster()).catch(() => null);
          if (master === name) {
            await this.ask(name, (client) => client.nop());
            return name;
          }
        }
        return null;
      },
      options,
    );
  }

  /** Waits until a node serves all that the master has now, and has a vote. */
  async caughtUp(name: string): Promise<void> {
    const master = await this.master();
    const stamp = await this.ask(master, (client) => client.txid());
    await until(`${name} to catch up with ${master}`, () =>
      this.ask(name, async (client) => {
        await client.multiGetOption([], { consistency: stamp });
        return VOTING.includes(await this.role(name));
      }),
    );
  }

  /** What a node says that it is in its cluster; '' where it does not answer. */
  async role(name: string): Promise<string> {
    return (await selfOf(this.id, name, this.place(name).clientPort))?.role ?? '';
  }

  /** A running node that is not the master. */
  async follower(): Promise<string> {
    const master = await this.master();
    const name = this.runningNames.find((candidate) => candidate !== master);
    if (name === undefined) throw new Error(`${this.id} has no follower that runs`);
    return name;
  }
}

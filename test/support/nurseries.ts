/** A whole nursery of real processes: keeper, data clusters, router, and the command line that moves ranges. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { NurseryError } from '../../src/base/errors.ts';
import { ArakoonClient } from '../../src/client/arakoon-client.ts';
import { ClusterClient } from '../../src/client/cluster-client.ts';
import { renderRouterIni } from '../../src/config/render.ts';
import type { KeeperMap } from '../../src/protocol/admin/admin.ts';
import type { GivesWay } from '../../src/protocol/admin/migration.ts';
import { TestCluster } from './clusters.ts';
import { selfOf } from './identities.ts';
import type { Caller } from './load.ts';
import { type Finished, freePorts, type Lab, type NurseryProcess } from './processes.ts';
import { pause, until } from './wait.ts';

/** What the router's clients call it. */
export const FRONT = 'nursery';
/** How long a client tries to reach a router that is down (ms), and how often. */
const RECONNECT_MS = 15_000;
const RECONNECT_EVERY_MS = 20;
/** How long all processes may take to start on a machine that does much else (ms); `init` itself waits for less. */
const INIT_MS = 90_000;
/** Keys that one sequence sets. */
const FILL_KEYS = 200;

export type TestNurseryOptions = {
  /** Begins the names of all clusters, so that several nurseries fit into one lab. */
  readonly prefix: string;
  readonly keeperSize: number;
  /** Nodes of each of the two data clusters, or of both. */
  readonly size: number | readonly [number, number];
  /** Further keys of `[global]` of all clusters. */
  readonly extra?: { readonly [key: string]: string };
  /** Of the log of every process. */
  readonly logLevel?: string;
};

/** One line of `nursery migrate --json`. */
export type MigrateEvent = {
  readonly event: 'planned' | 'progress' | 'ended';
  readonly mid: number;
  readonly stage?: string;
  readonly outcome?: string;
  readonly pauseMs?: number;
  readonly keysCopied?: number;
  readonly givesWay?: GivesWay;
};

/** What a router answers for `key` in the end: asked anew each time, since a client closes a connection whose answer comes too late. */
export function servedAt(port: number, key: string): Promise<string> {
  return until(`${key} to be served`, async () => {
    const client = await ArakoonClient.connect({ host: '127.0.0.1', port, cluster: FRONT });
    return String(await client.get(key).finally(() => client.close()));
  });
}

/** A nursery whose processes are started and killed one by one. The first data cluster owns all keys at first. */
export class TestNursery {
  readonly keeper: TestCluster;
  readonly clusters: readonly [TestCluster, TestCluster];
  readonly routerPort: number;
  /** The router's configuration, which every command takes. */
  readonly file: string;
  readonly #lab: Lab;
  #router: NurseryProcess | null = null;

  private constructor(
    lab: Lab,
    prefix: string,
    keeper: TestCluster,
    clusters: readonly [TestCluster, TestCluster],
    routerPort: number,
  ) {
    this.#lab = lab;
    this.keeper = keeper;
    this.clusters = clusters;
    this.routerPort = routerPort;
    this.file = join(lab.dir, `${prefix}-router.ini`);
  }

  static async start(lab: Lab, options: TestNurseryOptions): Promise<TestNursery> {
    const { prefix, keeperSize, size, extra = {}, logLevel = 'info' } = options;
    const level = { log_level: logLevel };
    const nodeExtra = (): typeof level => level;
    const keeper = await TestCluster.create(lab, {
      clusterId: `${prefix}-keeper`,
      size: keeperSize,
      keeper: 'itself',
      extra,
      nodeExtra,
    });
    const [first, second] = typeof size === 'number' ? [size, size] : size;
    const create = (id: string, nodes: number): Promise<TestCluster> =>
      TestCluster.create(lab, {
        clusterId: `${prefix}-${id}`,
        size: nodes,
        keeper: keeper.config,
        extra,
        nodeExtra,
      });
    const clusters = [await create('ams', first), await create('bru', second)] as const;
    const [port] = await freePorts(1);
    const nursery = new TestNursery(lab, prefix, keeper, clusters, port as number);
    writeFileSync(
      nursery.file,
      renderRouterIni({
        name: `${prefix}-router`,
        clusterId: FRONT,
        ip: '127.0.0.1',
        port: nursery.routerPort,
        logDir: lab.dir,
        migrator: false, // tests say themselves who works on a move
        keeper: keeper.config,
      }).replace('log_dir', `log_level = ${logLevel}\nlog_dir`),
    );
    for (const cluster of nursery.all) cluster.startAll();
    await nursery.startRouter();
    await until(
      'the first cluster to have all keys',
      async () => {
        const init = await nursery.run(['init', clusters[0].id]);
        if (init.code !== 0) throw new Error(`init: ${init.stderr}`);
        return true;
      },
      { withinMs: INIT_MS },
    );
    for (const { id, nodes } of nursery.all)
      for (const { name, clientPort } of nodes)
        await until(`${name} to know its keeper, also by itself`, async () => {
          const self = await selfOf(id, name, clientPort);
          return self !== null && self.keeper !== '';
        });
    await until('the router to serve', async () => {
      const client = await nursery.connect();
      await client.exists('a key', { deadlineMs: 500 }).finally(() => client.close());
      return true;
    });
    await until('the keeper to know both clusters', () => nursery.#areKnown());
    return nursery;
  }

  async #areKnown(): Promise<boolean> {
    const known = (await this.#map()).clusters.map(({ cluster }) => cluster);
    return this.clusters.every(({ id }) => known.includes(id));
  }

  /** The keeper and the data clusters. */
  get all(): TestCluster[] {
    return [this.keeper, ...this.clusters];
  }

  get router(): NurseryProcess {
    if (this.#router === null) throw new Error('the router was never started');
    return this.#router;
  }

  async startRouter(): Promise<void> {
    this.#router = this.#lab.start('router', ['router', '--config', this.file]);
    await this.#router.output('the router to be up', (text) => text.includes('clients at port'));
  }

  /** Starts `nursery COMMAND --config … ARGS`. */
  start([command = '', ...args]: readonly string[]): NurseryProcess {
    const name = [command, ...args].join(' ');
    return this.#lab.start(name, [command, '--config', this.file, ...args]);
  }

  /** Runs `nursery COMMAND --config … ARGS` to its end. */
  run(args: readonly string[]): Promise<Finished> {
    return this.start(args).finished();
  }

  /** Runs a command that must succeed. */
  async succeed(args: readonly string[]): Promise<Finished> {
    const finished = await this.run(args);
    if (finished.code !== 0) {
      throw new Error(`nursery ${args.join(' ')}: ${finished.code ?? finished.signal} ${finished.stderr}`);
    }
    return finished;
  }

  /** A connection to the router, closed with the lab. */
  async connect(): Promise<ArakoonClient> {
    const options = { host: '127.0.0.1', port: this.routerPort, cluster: FRONT };
    const client = await ArakoonClient.connect(options);
    this.#lab.closing(() => client.close());
    return client;
  }

  /** The value of `key`, waited for until the router answers. */
  served(key: string): Promise<string> {
    return servedAt(this.routerPort, key);
  }

  /** Callers that keep one connection each, and repeat nothing: what they see is what a client sees. */
  callers(count: number): Promise<Caller[]> {
    return Promise.all(
      Array.from({ length: count }, async () => {
        const client = await this.connect();
        return { call: <T>(body: (client: ArakoonClient) => Promise<T>) => body(client) };
      }),
    );
  }

  /** A caller that connects anew when the router was gone, and repeats only what certainly did not happen. */
  persistentCaller(): Caller {
    let client: ArakoonClient | null = null;
    const connected = async (): Promise<ArakoonClient> => {
      if (client === null || client.closedWhy !== null) client = await this.connect();
      return client;
    };
    return {
      call: async (body) => {
        const untilMs = performance.now() + RECONNECT_MS;
        for (;;) {
          try {
            return await body(await connected());
          } catch (error) {
            if (!(error instanceof NurseryError)) throw error;
            const { retry, applied } = error.traits;
            if (retry !== 'elsewhere' || applied !== 'no' || performance.now() > untilMs) throw error;
            await pause(RECONNECT_EVERY_MS);
          }
        }
      },
    };
  }

  /** Sets all keys to one value, many in one atomic step. All must belong to one cluster. */
  async fill(keys: readonly string[], value: string): Promise<ReadonlyMap<string, string>> {
    const beganMs = performance.now();
    const client = await this.connect();
    for (let from = 0; from < keys.length; from += FILL_KEYS) {
      const some = keys.slice(from, from + FILL_KEYS);
      await client.sequence(some.map((key) => ({ kind: 'set', key, value })));
    }
    const seconds = (performance.now() - beganMs) / 1000;
    console.log(`${keys.length} keys stored through the router in ${seconds.toFixed(1)} s`);
    return new Map(keys.map((key) => [key, value]));
  }

  /** The keeper's map: owner by lower bound. */
  async owners(): Promise<Map<string, string>> {
    return new Map((await this.#map()).map.entries.map(({ lo, owner }) => [lo, owner]));
  }

  async #map(): Promise<KeeperMap> {
    const client = new ClusterClient(this.keeper.config, { role: 'client', node: 'test' });
    try {
      const answer = await client.query({ kind: 'getMap' });
      if (answer.kind !== 'keeperMap') throw new Error(`the keeper answers ${answer.kind}`);
      return answer;
    } finally {
      client.close();
    }
  }
}

/** The events that a `migrate --json` has printed so far. */
export function eventsOf(stdout: string): MigrateEvent[] {
  return stdout
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as MigrateEvent);
}

/** The processes of a chaos run: a keeper and two data clusters of three nodes, two routers, two migrators. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { renderRouterIni } from '../../../src/config/render.ts';
import type { ClusterConfig } from '../../../src/protocol/admin/admin.ts';
import type { TestCluster } from '../clusters.ts';
import { FRONT, TestNursery } from '../nurseries.ts';
import { freePorts, type Lab, type NurseryProcess } from '../processes.ts';
import { Member } from './member.ts';

const SIZE = 3;
/** Daemons that take over migrations: one may sleep while the other works. */
const DAEMONS = 2;
/** Rounds so short that replicas are compared all the time. */
const SCRUB_OFTEN = { scrub_step: '0.02', scrub_rest: '0.1' };
/** Small segments of the log, so that they are begun and dropped during the run, too. */
const SMALL_SEGMENTS = { tlog_max_size: '500_000' };

export class Fleet {
  readonly nursery: TestNursery;
  /** Nodes by cluster. */
  readonly nodes: ReadonlyMap<TestCluster, readonly Member[]>;
  readonly routers: readonly Member[];
  readonly daemons: readonly Member[];
  /** Where clients find the routers. */
  readonly front: ClusterConfig;
  /** Processes that ended by themselves, and what they said. */
  readonly deaths: string[] = [];

  private constructor(lab: Lab, nursery: TestNursery, secondPort: number) {
    this.nursery = nursery;
    const died = (what: string): void => {
      this.deaths.push(what);
    };
    this.nodes = new Map(
      nursery.all.map((cluster) => [
        cluster,
        cluster.nodes.map(({ name }) => new Member(name, adopting(cluster, name), died)),
      ]),
    );
    const second = join(lab.dir, 'second-router.ini');
    writeFileSync(
      second,
      renderRouterIni({
        name: 'second',
        clusterId: FRONT,
        ip: '127.0.0.1',
        port: secondPort,
        logDir: lab.dir,
        keeper: nursery.keeper.config,
      }),
    );
    this.routers = [nursery.file, second].map((file, index) => {
      const name = `router ${index}`;
      return new Member(name, () => lab.start(name, ['router', '--config', file]), died);
    });
    this.daemons = Array.from({ length: DAEMONS }, (_, index) => {
      const name = `migrator ${index}`;
      return new Member(name, () => lab.start(name, ['migrator', '--config', nursery.file]), died);
    });
    const ports = [nursery.routerPort, secondPort];
    this.front = {
      cluster: FRONT,
      nodes: ports.map((port, index) => ({ name: `router ${index}`, ips: ['127.0.0.1'], port })),
    };
  }

  /** Boots everything; the first data cluster owns all keys. */
  static async start(lab: Lab, prefix: string): Promise<Fleet> {
    const nursery = await TestNursery.start(lab, {
      prefix,
      keeperSize: SIZE,
      size: SIZE,
      extra: { ...SCRUB_OFTEN, ...SMALL_SEGMENTS },
    });
    await nursery.router.kill(); // from now on it is one of two
    const [port] = await freePorts(1);
    return new Fleet(lab, nursery, port as number);
  }

  get routerPorts(): number[] {
    return this.front.nodes.map(({ port }) => port);
  }

  /** Everything that may fail. */
  get members(): Member[] {
    return [...[...this.nodes.values()].flat(), ...this.routers, ...this.daemons];
  }
}

/** Starts a node, or takes the process that runs already as the first one. */
function adopting(cluster: TestCluster, name: string): () => NurseryProcess {
  let isFirst = true;
  return () => {
    if (!isFirst) return cluster.startNode(name);
    isFirst = false;
    return cluster.process(name);
  };
}

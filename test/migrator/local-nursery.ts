/** A nursery inside this process: real state machines behind the interface that the migrator speaks to clusters by. */
import type { Nursery } from '../../migrator/connections.ts';
import type { Cluster } from '../../migrator/world.ts';
import { NurseryError } from '../../src/base/errors.ts';
import {
  type AdminAnswer,
  type AdminCommand,
  type AdminQuery,
  decodeAnswer,
  type KeeperMap,
} from '../../src/protocol/admin/admin.ts';
import { SimCluster } from '../sim/migration/sim-cluster.ts';
import { createRandom } from '../support/seeded.ts';

/** Answers from its state machine, one turn later; deletes what it released as its master would. */
export class LocalCluster implements Cluster {
  readonly sim: SimCluster;
  /** Every command, in order. */
  readonly commands: AdminCommand[] = [];
  /** While true nothing is answered. */
  isDown = false;
  /** Called before each command is applied. */
  before: (command: AdminCommand) => void = () => {};

  constructor(id: string) {
    this.sim = new SimCluster(id, createRandom(1));
  }

  async command(command: AdminCommand): Promise<AdminAnswer> {
    await this.#reached();
    this.before(command);
    this.commands.push(command);
    const answer = this.sim.command(command);
    for (const mid of this.sim.machine.cleanups)
      this.sim.command({ kind: 'cleanupStep', mid, rowsMax: 1000 });
    return answer;
  }

  async query(query: AdminQuery): Promise<AdminAnswer> {
    await this.#reached();
    if (query.kind === 'slowDown') return { kind: 'ok' };
    const answer = this.sim.query(query, 'master');
    if (answer.bytes[0] !== 0) throw new NurseryError('INCONSISTENT_READ', 'too far behind');
    return decodeAnswer(answer.bytes);
  }

  set(key: string, value = key): void {
    this.sim.apply([{ kind: 'set', key, value: Buffer.from(value) }]);
  }

  /** Commands of one kind that were applied. */
  all<K extends AdminCommand['kind']>(kind: K): Extract<AdminCommand, { kind: K }>[] {
    return this.commands.filter((command) => command.kind === kind) as Extract<AdminCommand, { kind: K }>[];
  }

  async #reached(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
    if (this.isDown) throw new NurseryError('UNREACHABLE', 'no connection');
  }
}

/** A keeper and clusters a, b, c; a owns everything. */
export class LocalNursery implements Nursery {
  readonly keeper = new LocalCluster('keeper');
  readonly a = new LocalCluster('a');
  readonly b = new LocalCluster('b');
  readonly c = new LocalCluster('c');

  constructor() {
    for (const cluster of ['a', 'b', 'c']) {
      this.keeper.sim.command({ kind: 'setClusterConfig', cluster, nodes: [] });
    }
    this.keeper.sim.command({ kind: 'initMap', cluster: 'a' });
    this.a.sim.command({ kind: 'assume', epoch: 1 });
  }

  cluster(id: string): LocalCluster {
    const cluster = { a: this.a, b: this.b, c: this.c }[id];
    if (cluster === undefined) throw new NurseryError('UNREACHABLE', `no cluster ${id}`);
    return cluster;
  }

  async map(): Promise<KeeperMap> {
    return this.keeper.sim.machine.keeperMap();
  }

  /** `a:..k b:k..` */
  get owners(): string {
    const { entries } = this.keeper.sim.state.map;
    return entries.map(({ lo, hi, owner }) => `${owner}:${lo}..${hi ?? ''}`).join(' ');
  }

  /** Records a move that nobody has claimed yet. */
  plan(source: string, target: string, lo: string, hi: string | null): number {
    const answer = this.keeper.sim.command({ kind: 'plan', source, target, lo, hi });
    if (answer.kind !== 'planned') throw new Error(JSON.stringify(answer));
    return answer.mid;
  }
}

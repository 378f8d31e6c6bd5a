/** What an order brings to another cluster, while the command that brings it is killed at each step: real state machines. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Operations } from '../../../../migrator/operations.ts';
import { rowsIn } from '../../../../node/machine/rows.ts';
import { NurseryError } from '../../../../src/base/errors.ts';
import { copyRange, giveUpCopies } from '../../../../src/cli/rescue/copy.ts';
import type { ClusterClient } from '../../../../src/client/cluster-client.ts';
import { TimeLimit } from '../../../../src/client/limited-client.ts';
import { WHOLE } from '../../../../src/keyspace/range.ts';
import type { AdminCommand, Migration, Order } from '../../../../src/protocol/admin/admin.ts';
import { LocalCluster } from '../../../migrator/local-nursery.ts';

const K = 'k'.repeat(32);
const FAST = { heartbeatMs: 5, claimAfterMs: 40, pollMs: 2, retryMinMs: 1, retryMaxMs: 5 };

/** A keeper, clusters b and c, and the order by which a, which owns all keys, is dead. */
class Setup {
  readonly keeper = new LocalCluster('keeper');
  readonly clusters = new Map(['b', 'c'].map((id) => [id, new LocalCluster(id)]));
  readonly order: Order;

  constructor() {
    const keeper = { cluster: 'keeper', founding: K, nodes: [] };
    this.keeper.sim.command({ kind: 'bind', keeper, mine: K });
    for (const id of ['a', 'b', 'c']) {
      const members = [{ node: `${id}0`, incarnation: `${id}1`, learner: false }];
      const who = { cluster: id, founding: `${id}1`, keeper: '', version: 1, members, owned: [] };
      this.keeper.sim.command({ kind: 'introduce', ...who });
      this.clusters.get(id)?.sim.command({ kind: 'bind', keeper, mine: `${id}1` });
    }
    this.keeper.sim.command({ kind: 'initMap', cluster: 'a' });
    const lost = this.keeper.sim.command({ kind: 'lose', cluster: 'a', founding: 'a1', takenMs: 1 });
    if (lost.kind !== 'orders') throw new Error(JSON.stringify(lost));
    this.order = lost.orders[0] as Order;
  }

  cluster(id: string): LocalCluster {
    const cluster = this.clusters.get(id);
    if (cluster === undefined) throw new NurseryError('UNREACHABLE', `no cluster ${id}`);
    return cluster;
  }

  async map() {
    return this.keeper.sim.machine.keeperMap();
  }

  /** Brings all of a's keys to `id`, until a command of that kind would be next: there it is killed. */
  async bring(
    id: string,
    killedAt: AdminCommand['kind'] | null = null,
    late: 'at once' | 'at a page' | null = null,
  ): Promise<boolean> {
    let isLate = late === 'at once';
    const kill = (command: AdminCommand): void => {
      const { kind } = command.kind === 'under' ? command.command : command;
      if (kind === killedAt) throw new Error('killed');
    };
    const both = [this.keeper, this.cluster(id)];
    for (const each of both) each.before = kill;
    try {
      await copyRange(WHOLE, {
        keeper: client(this.keeper),
        target: client(this.cluster(id)),
        order: this.order.order,
        targetId: id,
        rows: async function* () {
          for (const key of 'abc') yield { key, value: Buffer.from(key) };
          if (late !== null) isLate = true;
        },
        from: 'empty',
        get limit() {
          return new TimeLimit(isLate ? 0 : 5);
        },
      });
      return true;
    } catch (error) {
      if ((error as Error).message !== 'killed') throw error;
      return false;
    } finally {
      for (const each of both) each.before = () => {};
    }
  }

  async giveUp(): Promise<void> {
    const nursery = { keeper: client(this.keeper), cluster: (id: string) => client(this.cluster(id)) };
    await giveUpCopies(nursery, [this.order], WHOLE);
  }

  /** Owner of all keys. */
  get owner(): string {
    return this.keeper.sim.state.map.entries.map(({ owner }) => owner).join();
  }

  get records(): Migration['phase'][] {
    return [...this.keeper.sim.state.migrations.values()].map(({ phase }) => phase);
  }

  keys(id: string): string {
    return rowsIn(this.cluster(id).sim.store, WHOLE)
      .map(([key]) => key)
      .join('');
  }
}

/** The part of a client that copies need. */
function client(cluster: LocalCluster): ClusterClient {
  return cluster as unknown as ClusterClient;
}

test('killed after it was published: any migrator finishes it, as does the command typed again', async () => {
  const setup = new Setup();
  assert.not(await setup.bring('b', 'finish'));
  assert.equal([setup.owner, setup.records], ['b', ['published']]);
  const [result] = await new Operations(setup, FAST).resume(null);
  assert.is(result?.outcome, 'done');
  assert.equal(setup.records, ['done']);
});

test('killed before it was published: what is whole is published, and is not brought again', async () => {
  const setup = new Setup();
  assert.not(await setup.bring('b', 'publish'));
  assert.equal([setup.owner, setup.records], ['a', ['active']]);
  await setup.giveUp();
  assert.equal([setup.owner, setup.records, setup.keys('b')], ['b', ['done'], 'abc']);
  const [record] = setup.keeper.sim.state.migrations.values();
  assert.is(record?.progress.stage, 'restored empty', 'who finds it there is told of which image it is');
  assert.is(record?.progress.keysCopied, 3);
});

test('it ends when its time is over: before anything is planned, or at a page; typed again it goes on', async () => {
  const setup = new Setup();
  const late = async (when: 'at once' | 'at a page') =>
    await setup.bring('b', null, when).catch((error: NurseryError) => error.code);
  assert.equal([await late('at once'), setup.records], ['TIMEOUT', []]);
  assert.equal([await late('at a page'), setup.records], ['TIMEOUT', ['active']]);
  await setup.giveUp();
  assert.ok(await setup.bring('b'));
  assert.equal([setup.owner, setup.keys('b')], ['b', 'abc']);
});

for (const killedAt of ['claim', 'beginImport', 'page', 'activate'] as const) {
  test(`killed before ${killedAt}: nobody else goes on, and typed again it may go to another cluster`, async () => {
    const setup = new Setup();
    assert.not(await setup.bring('b', killedAt));
    assert.equal(await new Operations(setup, FAST).resume(null), []);
    await setup.giveUp();
    assert.equal([setup.owner, setup.records], ['a', ['lost']]);
    assert.ok(await setup.bring('c'));
    assert.equal([setup.owner, setup.records], ['c', ['lost', 'done']]);
    assert.equal([setup.keys('b'), setup.keys('c')], ['', 'abc']);
  });
}

test('a target that is silent is named, with what to do', async () => {
  const setup = new Setup();
  await setup.bring('b', 'activate');
  setup.cluster('b').isDown = true;
  const error = await setup.giveUp().then(
    () => null,
    (thrown: unknown) => thrown,
  );
  assert.instance(error, NurseryError);
  assert.match((error as NurseryError).message, /start it; or nursery rescue lost b/);
});

test.run();

/** Routers migrate: whoever of them dies, in whatever stage, another one goes on, and nobody types anything. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { Operations, openNursery } from '../../migrator/operations.ts';
import { ClusterClient } from '../../src/client/cluster-client.ts';
import { renderRouterIni } from '../../src/config/render.ts';
import type { AdminAnswer, AdminQuery, Migration } from '../../src/protocol/admin/admin.ts';
import type { TestCluster } from '../support/clusters.ts';
import { TestNursery } from '../support/nurseries.ts';
import { freePorts, type Lab, labSuite, type NurseryProcess } from '../support/processes.ts';
import { until } from '../support/wait.ts';

const KEYS = 4000;
const VALUE = 'v'.repeat(1000);
/** Keys of one move. */
const SLICE_KEYS = 500;
/** Takeover within two seconds of a death, on a machine that does nothing else; here others compute (ms). */
const WITHIN_MS = 6000;

/** Level of a line that is no complaint. */
const INFO = 30;
type Line = { readonly level: number; readonly msg: string; readonly mid?: number };

const tests = labSuite('routers that migrate');

function keyOf(n: number): string {
  return `r/${String(n).padStart(5, '0')}`;
}

/** A nursery with two routers beside its own one, each with a migrator. */
class Fleet {
  readonly nursery: TestNursery;
  readonly moves: Operations;
  readonly #lab: Lab;
  readonly #files: readonly string[];
  readonly #routers: NurseryProcess[] = [];
  readonly #clients: readonly [keeper: ClusterClient, ams: ClusterClient, bru: ClusterClient];
  #moved = 0;

  private constructor(lab: Lab, nursery: TestNursery, files: readonly string[]) {
    this.#lab = lab;
    this.nursery = nursery;
    this.#files = files;
    const connections = openNursery(nursery.keeper.config);
    this.moves = new Operations(connections);
    const clientOf = ({ config }: TestCluster): ClusterClient =>
      new ClusterClient(config, { role: 'client', node: 'test' });
    const [ams, bru] = nursery.clusters;
    this.#clients = [clientOf(nursery.keeper), clientOf(ams), clientOf(bru)];
    lab.closing(() => {
      connections.close();
      for (const client of this.#clients) client.close();
    });
  }

  static async start(lab: Lab): Promise<Fleet> {
    const nursery = await TestNursery.start(lab, { prefix: 'rm', keeperSize: 1, size: 1 });
    await nursery.fill(
      Array.from({ length: KEYS }, (_, n) => keyOf(n)),
      VALUE,
    );
    const files = (await freePorts(2)).map((port, index) => {
      const name = `migrating_${index}`;
      const file = join(lab.dir, `${name}.ini`);
      const keeper = nursery.keeper.config;
      writeFileSync(
        file,
        renderRouterIni({ name, clusterId: 'front', ip: '127.0.0.1', port, logDir: lab.dir, keeper }),
      );
      return file;
    });
    const fleet = new Fleet(lab, nursery, files);
    for (const index of files.keys()) await fleet.startRouter(index);
    return fleet;
  }

  get routers(): readonly NurseryProcess[] {
    return this.#routers;
  }

  async startRouter(index: number, options: readonly string[] = []): Promise<void> {
    const file = this.#files[index] as string;
    const router = this.#lab.start(`router ${index}`, ['router', '--config', file, ...options]);
    await router.output('the router to be up', (text) => text.includes('clients at port'));
    this.#routers[index] = router;
  }

  /** Records a move of the next slice; whoever finds it carries it out. */
  async plan(): Promise<number> {
    const from = SLICE_KEYS * this.#moved++;
    const range = { lo: keyOf(from), hi: keyOf(from + SLICE_KEYS) };
    let planned = 0;
    const [, bru] = this.nursery.clusters;
    await this.moves.migrate(
      { kind: 'range', range, target: bru.id },
      {
        detach: true,
        onPlanned: (mid) => {
          planned = mid;
        },
      },
    );
    return planned;
  }

  async record(mid: number): Promise<Migration> {
    const answer = await this.#ask(0, { kind: 'getMigration', mid });
    if (answer.kind !== 'migrations') throw new Error(answer.kind);
    return answer.migrations[0] as Migration;
  }

  /** How far it is, by what source and target know of it. */
  async stepOf(mid: number): Promise<number> {
    const query = { kind: 'rangeStatus', mid, lo: '', hi: null } as const;
    const [source, target] = await Promise.all([this.#ask(1, query), this.#ask(2, query)]);
    if (source.kind !== 'rangeStatus' || target.kind !== 'rangeStatus') throw new Error('no status');
    if (source.closed === 'released' || (await this.record(mid)).phase !== 'active') return 4;
    if (target.closed === 'activated') return 3;
    if ((source.exporting?.sealed ?? null) !== null) return 2;
    return (target.importing?.seq ?? 0) > 0 ? 1 : 0;
  }

  async #ask(whom: 0 | 1 | 2, query: AdminQuery): Promise<AdminAnswer> {
    return await this.#clients[whom].query(query, { to: 'master' });
  }

  /** Which of the routers works on it, as their logs say. */
  async workerOf(mid: number): Promise<{ readonly index: number; readonly router: NurseryProcess }> {
    const isOf = (line: Line): boolean => line.msg === 'takes a migration over' && line.mid === mid;
    const { index } = await until('a router to take it over', () => {
      const found = this.#files.findIndex((_, each) => this.log(each).some(isOf));
      return found < 0 ? null : { index: found };
    });
    return { index, router: this.#routers[index] as NurseryProcess };
  }

  log(index: number): Line[] {
    return readFileSync(join(this.#lab.dir, `migrating_${index}.log`), 'utf8')
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as Line);
  }

  /** A move that one of the routers has claimed, and that gets no further while the target stands still. */
  async planHeld(): Promise<{
    readonly mid: number;
    readonly worker: number;
    readonly router: NurseryProcess;
  }> {
    this.target.signal('SIGSTOP');
    const mid = await this.plan();
    const { index, router } = await this.workerOf(mid);
    return { mid, worker: index, router };
  }

  get target(): NurseryProcess {
    const [, bru] = this.nursery.clusters;
    return bru.process(`${bru.id}_0`);
  }

  async done(mid: number): Promise<Migration> {
    return await until('it to be done', async () => {
      const record = await this.record(mid);
      return record.phase === 'done' ? record : null;
    });
  }
}

let shared: Promise<Fleet> | null = null;
function fleetOf(lab: Lab): Promise<Fleet> {
  shared ??= Fleet.start(lab);
  return shared;
}

const STEPS = ['preparing', 'copying', 'sealed', 'activated', 'published'] as const;

for (const [step, name] of STEPS.entries()) {
  tests.test(
    `kill -9 of the router that migrates, when it is ${name}: the other one goes on`,
    async (lab) => {
      const fleet = await fleetOf(lab);
      const { mid, worker, router } = await fleet.planHeld();
      fleet.target.signal('SIGCONT');
      let seen = 0;
      while (seen < step) seen = await fleet.stepOf(mid);
      await router.kill();
      const diedMs = performance.now();
      const { progress } = await fleet.done(mid);
      const tookMs = performance.now() - diedMs;
      const pause = `${progress.pauseMs} ms${progress.pauseAtLeast ? ' at least' : ''}`;
      console.log(`killed when it was ${STEPS[seen]}: done ${Math.round(tookMs)} ms later, pause ${pause}`);
      assert.ok(tookMs < WITHIN_MS, `${tookMs} ms`);
      assert.ok(progress.pauseMs < WITHIN_MS, pause);
      await fleet.startRouter(worker);
    },
  );
}

tests.test(
  'a router that goes down in order gives up what it moves: the other one need not wait',
  async (lab) => {
    const fleet = await fleetOf(lab);
    const { mid, worker, router } = await fleet.planHeld();
    const ended = router.terminate();
    await until(
      'it to be given up',
      async () =>
        (await fleet.record(mid)).token > 1 || (await fleet.record(mid)).progress.stage === 'given up',
    );
    assert.equal(await ended, { code: 0, signal: null });
    fleet.target.signal('SIGCONT');
    await fleet.done(mid);
    assert.ok(
      fleet.log(1 - worker).some((line) => line.msg === 'takes a migration over' && line.mid === mid),
    );
    await fleet.startRouter(worker);
  },
);

tests.test(
  'of all that was moved nothing is lost, no router complained, and whoever lost a race said nothing',
  async (lab) => {
    const fleet = await fleetOf(lab);
    const client = await fleet.nursery.connect();
    for (let n = 0; n < KEYS; n += 100) assert.is(String(await client.get(keyOf(n))), VALUE);
    for (const index of [0, 1]) {
      const loud = fleet.log(index).filter(({ level, msg }) => level > INFO && /migrat/.test(msg));
      assert.equal(loud, []);
    }
  },
);

tests.test(
  'a router whose configuration says so leaves moves to others, and so does --no-migrator',
  async (lab) => {
    const fleet = await fleetOf(lab);
    const { routers } = fleet;
    for (const router of routers) await router.kill();
    await fleet.startRouter(0, ['--no-migrator']);
    const mid = await fleet.plan();
    // Longer than any of them would wait for a heartbeat.
    const untilMs = performance.now() + 2500;
    await until('some time', () => performance.now() > untilMs);
    assert.is((await fleet.record(mid)).token, 0);
    await fleet.nursery.succeed(['migrate', '--abort', String(mid)]);
  },
);

tests.run();

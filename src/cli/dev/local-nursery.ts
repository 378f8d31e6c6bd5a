/** A whole nursery on this machine: a keeper, two data clusters and a router, each node a process of its own. */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { present } from '../../base/assert.ts';
import { FatalError, NurseryError } from '../../base/errors.ts';
import { renderClusterIni, renderRouterIni } from '../../config/render.ts';
import { isPort } from '../../identity/address.ts';
import { makeDirectories } from '../../process/directories.ts';
import { freePorts } from '../../process/free-ports.ts';
import { unreadableWhy, unusable } from '../../process/permissions.ts';
import type { ClusterConfig } from '../../protocol/admin/admin.ts';
import { complain } from '../output.ts';

const IP = '127.0.0.1';
const KEEPER = 'keeper';
const CLUSTERS = ['ams', 'bru'];
/** In its directory: the ports that the first run there chose. It says whose all the rest is. */
const PLAN = 'plan.json';
/** Members of each cluster: the least that survives the loss of one. */
const MEMBERS = 3;
/** Log segments of a nursery that is to be tried out, not filled (bytes). */
const SEGMENT_BYTES = 16_000_000;
/** How long a process may take to be up (ms). */
const UP_WITHIN_MS = 30_000;
/** How long processes may take to end in order before they are killed (ms). */
const END_WITHIN_MS = 10_000;

/** The program that all processes run. */
const MAIN = fileURLToPath(new URL('../main.js', import.meta.url));

/** A process of the nursery. */
export type Member = { readonly name: string; readonly child: ChildProcess };

type Plan = {
  readonly keeper: ClusterConfig;
  readonly clusters: readonly ClusterConfig[];
  readonly routerPort: number;
};

/** A nursery that runs, until `stop`. */
export class LocalNursery {
  readonly dir: string;
  readonly members: Member[] = [];
  readonly #isTemporary: boolean;
  readonly #plan: Plan;
  #stopping = false;
  #dashboard = '';

  private constructor(dir: string, isTemporary: boolean, plan: Plan) {
    this.dir = dir;
    this.#isTemporary = isTemporary;
    this.#plan = plan;
  }

  /**
   * Starts all processes and waits until they serve. In a directory that holds a nursery already, that one goes on.
   *
   * @throws NurseryError UNREACHABLE where a process does not come up; FatalError HOME_UNUSABLE where the directory cannot be
   *   made or written, or holds files of somebody else; CONFIG where its plan cannot be read
   */
  static async start(dir: string | undefined): Promise<LocalNursery> {
    const isTemporary = dir === undefined;
    const path = isTemporary ? mkdtempSync(join(tmpdir(), 'nursery-')) : resolve(dir);
    try {
      makeDirectories(path);
    } catch (error) {
      throw unusable('directory', path, error);
    }
    const nursery = new LocalNursery(path, isTemporary, await planIn(path));
    // However this process ends, as long as it is asked: what it started ends with it.
    process.once('exit', () => {
      for (const { child } of nursery.members) child.kill('SIGKILL');
    });
    try {
      nursery.#writeConfigurations();
      await nursery.#startAll();
    } catch (error) {
      await nursery.stop();
      throw error;
    }
    return nursery;
  }

  get routerPort(): number {
    return this.#plan.routerPort;
  }

  /** Where the router's dashboard is, with the token that lets a browser act. */
  get dashboard(): string {
    return this.#dashboard;
  }

  /** Ids of the data clusters. */
  get clusters(): readonly string[] {
    return this.#plan.clusters.map(({ cluster }) => cluster);
  }

  /** The router's configuration file; good for every command. */
  get config(): string {
    return join(this.dir, 'router.ini');
  }

  get keeper(): ClusterConfig {
    return this.#plan.keeper;
  }

  /** Runs `nursery` with these arguments to its end. Resolves with exit code and output. */
  run(args: readonly string[]): Promise<{ readonly code: number; readonly output: string }> {
    const child = spawn(process.execPath, [MAIN, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (text: Buffer) => (output += text.toString()));
    return new Promise((done) =>
      child.once('close', (code) => done({ code: code ?? 1, output: output.trim() })),
    );
  }

  /** Ends all processes, and removes the directory where it was a temporary one. */
  async stop(): Promise<void> {
    this.#stopping = true;
    const running = this.members.filter(({ child }) => child.exitCode === null && child.signalCode === null);
    const gone = running.map(({ child }) => new Promise((done) => child.once('close', done)));
    for (const { child } of running) child.kill('SIGTERM');
    const killer = setTimeout(() => {
      for (const { child } of running) child.kill('SIGKILL');
    }, END_WITHIN_MS);
    await Promise.all(gone);
    clearTimeout(killer);
    if (this.#isTemporary) rmSync(this.dir, { recursive: true, force: true });
  }

  #writeConfigurations(): void {
    const { keeper, clusters, routerPort } = this.#plan;
    for (const config of [keeper, ...clusters]) {
      const nodes = config.nodes.map(({ name, port }) => ({
        name,
        ip: IP,
        clientPort: port,
        home: join(this.dir, name),
        extra: { messaging_port: String(port + 1) },
      }));
      const extra = { tlog_max_size: String(SEGMENT_BYTES) };
      const text = renderClusterIni({ clusterId: config.cluster, nodes, keeper, extra });
      write(this.#fileOf(config.cluster), text);
    }
    const router = {
      name: 'router',
      clusterId: 'nursery',
      ip: IP,
      port: routerPort,
      logDir: this.dir,
      keeper,
    };
    write(this.config, renderRouterIni(router));
  }

  async #startAll(): Promise<void> {
    const { keeper, clusters } = this.#plan;
    const starts: Promise<string>[] = [];
    for (const { cluster, nodes } of [keeper, ...clusters]) {
      for (const { name } of nodes) {
        starts.push(this.#spawn(name, ['node', '--config', this.#fileOf(cluster), '--node', name]));
      }
    }
    starts.push(this.#spawn('router', ['router', '--config', this.config]));
    const said = (await Promise.all(starts)).at(-1) ?? '';
    this.#dashboard = /^dashboard: (.*)$/m.exec(said)?.[1] ?? '';
  }

  /** Starts a process; resolves with what it says on standard output once it is up. */
  #spawn(name: string, args: readonly string[]): Promise<string> {
    const child = spawn(process.execPath, [MAIN, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
    this.members.push({ name, child });
    let errors = '';
    child.stderr.on('data', (text: Buffer) => (errors = (errors + text.toString()).slice(-4096)));
    child.once('close', (code, signal) => {
      if (!this.#stopping)
        complain(`nursery: ${name} ended (${signal ?? `exit code ${code}`}) ${errors.trim()}`);
    });
    return new Promise((up, failed) => {
      const failure = (why: string): NurseryError =>
        new NurseryError('UNREACHABLE', `${name} ${why}: ${errors.trim()}`);
      const timer = setTimeout(() => failed(failure(`was not up within ${UP_WITHIN_MS} ms`)), UP_WITHIN_MS);
      child.once('error', (error) => failed(failure(`cannot be started: ${error.message}`)));
      child.once('close', () => {
        clearTimeout(timer);
        failed(failure('ended while it started'));
      });
      child.stdout.once('data', (text: Buffer) => {
        clearTimeout(timer);
        up(text.toString());
      });
    });
  }

  #fileOf(cluster: string): string {
    return join(this.dir, `${cluster}.ini`);
  }
}

/** The ports that an earlier run chose in this directory, or new ones, kept for the next run. */
async function planIn(dir: string): Promise<Plan> {
  const file = join(dir, PLAN);
  if (existsSync(file)) return readPlan(file);
  refuseForeignFiles(dir);
  const ports = await freePorts(IP, 3 * MEMBERS + 1);
  const take = (): number => present(ports.pop(), 'free port');
  const cluster = (id: string): ClusterConfig => ({
    cluster: id,
    nodes: namesOf(id).map((name) => ({ name, ips: [IP], port: take() })),
  });
  const plan = { keeper: cluster(KEEPER), clusters: CLUSTERS.map(cluster), routerPort: take() };
  write(file, `${JSON.stringify(plan, null, 2)}\n`);
  return plan;
}

/** @throws FatalError CONFIG where it is no plan: it may be somebody else's file, and what is beside it too */
function readPlan(file: string): Plan {
  let plan: Partial<Plan> | null;
  try {
    plan = JSON.parse(readFileSync(file, 'utf8')) as typeof plan;
  } catch (error) {
    throw noPlan(file, unreadableWhy(file, error), error);
  }
  const isPlan =
    plan?.keeper?.cluster === KEEPER && Array.isArray(plan.clusters) && isPort(plan.routerPort ?? 0);
  if (!isPlan) throw noPlan(file, 'it is not what nursery dev writes');
  return plan as Plan;
}

function noPlan(file: string, why: string, cause?: unknown): FatalError {
  const what =
    'choose another directory; or, where an earlier run of nursery dev made all of this one, remove it';
  return new FatalError('CONFIG', `${file}: ${why}; ${what}`, { cause });
}

/**
 * Without a plan nothing in the directory is of an earlier run, and what has the name of a file or home of ours is somebody else's.
 *
 * @throws FatalError HOME_UNUSABLE naming it
 */
function refuseForeignFiles(dir: string): void {
  const names = [KEEPER, ...CLUSTERS].flatMap((id) => [`${id}.ini`, ...namesOf(id)]);
  const foreign = [...names, 'router.ini', 'router.log'].find((name) => existsSync(join(dir, name)));
  if (foreign === undefined) return;
  throw new FatalError(
    'HOME_UNUSABLE',
    `directory ${dir} cannot be used: ${foreign} in it is not of an earlier nursery dev, which would have left a ${PLAN}; choose another directory`,
  );
}

/** The nodes of a cluster. */
function namesOf(cluster: string): string[] {
  return Array.from({ length: MEMBERS }, (_, index) => `${cluster}_${index}`);
}

/** @throws FatalError HOME_UNUSABLE naming the file, and why it cannot be written */
function write(file: string, text: string): void {
  try {
    writeFileSync(file, text);
  } catch (error) {
    throw unusable('file', file, error);
  }
}

/**
 * What a master does about functions of users: has its cluster take those of the keeper, also where it was down or is new, and puts
 * an engine in force once every member has it.
 */
import { present } from '../../src/base/assert.ts';
import { type AdminCommand, encodeCommand } from '../../src/protocol/admin/admin.ts';
import type { FunctionEntry, FunctionsPage } from '../../src/protocol/admin/functions.ts';
import { updateOf } from '../../src/protocol/arakoon/requests.ts';
import type { KeeperLink } from '../identity/contract.ts';
import type { Introduction } from '../identity/introduction.ts';
import type { Machine } from '../machine/machine.ts';
import type { NodeName } from '../paxos/values.ts';
import type { Driver } from './driver.ts';

/** Pause between two questions to the keeper (ms). */
const ASK_EVERY_MS = 1000;
/** A proposal of which nothing is heard is made again after this time (ms). */
const PROPOSE_AGAIN_MS = 10_000;

export type FunctionKeepingOptions = {
  readonly node: NodeName;
  readonly driver: Pick<Driver, 'mayRead' | 'propose' | 'replica'> & {
    readonly machine: Pick<Machine, 'state' | 'runner'>;
  };
  /** The engine that a member has said to have; null where it has not spoken. */
  engineOf(node: NodeName): string | null;
  /** The way to the keeper; null where there is none, or this cluster is the keeper. */
  keeper(): KeeperLink | null;
  nowMs(): number;
};

/** The parts of a node that it needs. */
type Around = {
  readonly node: NodeName;
  readonly driver: Driver;
  readonly introduction: Pick<Introduction, 'place' | 'linkTo'>;
  engineOf(node: NodeName): string | null;
  nowMs(): number;
};

/** One node's part in it; there is something to do only while it is master. */
export class FunctionKeeping {
  readonly #options: FunctionKeepingOptions;
  #isAsking = false;
  /** Functions that were there when it was last looked, and those that are not loaded yet. */
  #seen: Machine['state']['functions'] = new Map();
  #unprepared: FunctionEntry[] = [];
  #nextMs = 0;
  /** Until then an answer to what was proposed is waited for. */
  #proposedUntilMs = 0;

  /** With the way to the keeper that the node has anyhow. */
  static of({ introduction, ...around }: Around): FunctionKeeping {
    const keeper = (): KeeperLink | null => {
      const { bound } = around.driver.machine;
      const { place } = introduction;
      if (bound === null || bound.mine === bound.keeper.founding || place === null) return null;
      return introduction.linkTo(place);
    };
    return new FunctionKeeping({ ...around, keeper });
  }

  constructor(options: FunctionKeepingOptions) {
    this.#options = options;
  }

  /** To be called often. */
  tick(): void {
    const { driver, nowMs } = this.#options;
    this.#prepareOne();
    if (!driver.mayRead() || nowMs() < this.#proposedUntilMs) return;
    this.#changeEngine();
    if (nowMs() >= this.#nextMs) this.#askKeeper();
  }

  /** Loading takes some ten milliseconds: one at a time, ahead of the first call. */
  #prepareOne(): void {
    const { state, runner } = this.#options.driver.machine;
    if (state.functions !== this.#seen) {
      const known = new Set([...this.#seen.values()].map(({ source }) => source));
      this.#unprepared = [...state.functions.values()].filter(({ source }) => !known.has(source));
      this.#seen = state.functions;
    }
    const entry = this.#unprepared.pop();
    if (entry !== undefined) runner.prepare(entry);
  }

  /** Entries that call functions must find the same engine everywhere: a member that lacks it would have to stop. */
  #changeEngine(): void {
    const { driver, node, engineOf } = this.#options;
    const { machine, replica } = driver;
    const { engine } = machine.runner;
    // Without functions no engine is asked for, and the log is spared.
    if (machine.state.functions.size === 0 || machine.state.engine === engine) return;
    const others = replica.members.members.filter((member) => member.node !== node);
    if (others.every((member) => engineOf(member.node) === engine))
      this.#propose({ kind: 'useEngine', engine });
  }

  #askKeeper(): void {
    const { driver, keeper, nowMs } = this.#options;
    const link = keeper();
    if (link === null || this.#isAsking) return;
    const from = this.#versionOf(driver.machine.state.bound?.keeper.founding ?? '');
    this.#isAsking = true;
    link.ask({ kind: 'query', query: { kind: 'functionsAbove', version: from } }, (answer) => {
      this.#isAsking = false;
      this.#nextMs = nowMs() + ASK_EVERY_MS;
      // What the keeper's silence means is noted where it is asked about this cluster's standing.
      if (typeof answer === 'string' || answer.kind !== 'functionsPage') return;
      this.#take(from, answer);
    });
  }

  #take(from: number, { keeper, version, functions, names }: FunctionsPage): void {
    const { driver } = this.#options;
    const { bound } = driver.machine.state;
    const isStale = bound?.keeper.founding !== keeper || from !== this.#versionOf(keeper);
    if (isStale || version <= from || !driver.mayRead()) return;
    this.#propose({ kind: 'takeFunctions', keeper, from, version, functions, names });
    this.#nextMs = 0; // there may be more of them
  }

  /** How far this cluster has come with the functions of that keeper. */
  #versionOf(keeper: string): number {
    const { functionsVersion } = this.#options.driver.machine.state;
    return functionsVersion.keeper === keeper ? functionsVersion.version : 0;
  }

  #propose(command: AdminCommand): void {
    const { driver, nowMs } = this.#options;
    const update = updateOf({ kind: 'adminCommand', command }, encodeCommand(command));
    this.#proposedUntilMs = nowMs() + PROPOSE_AGAIN_MS;
    driver.propose(present(update, 'update of a command'), () => {
      this.#proposedUntilMs = 0;
    });
  }
}

/** One life of a process with a store: its event loop, the thread that writes, what is said between them, and its death. */
import type { Environment } from '../../../node/store/environment.ts';
import { LmdbStore } from '../../../node/store/lmdb-store.ts';
import type { RunPolicy } from '../../../node/store/run-policy.ts';
import type { StoreSystem, ThreadEvents } from '../../../node/store/system.ts';
import { type WorkShell, WriteWork } from '../../../node/store/write-work.ts';
import type { WriterAnswer, WriterCommand, WriterStart } from '../../../node/store/writer-messages.ts';
import { NurseryError } from '../../../src/base/errors.ts';
import { type Access, Died, type DiskMoment, type MemoryDisk, openMemory } from './memory-lmdb.ts';

export const PLACE = { dir: 'simulated', cluster: 'amsterdam', node: 'node_0' };

type Timer = { readonly atMs: number; readonly run: () => void };

/** What a process meets, as the simulation decides. */
export type Weather = {
  nowMs(): number;
  /** May throw: no room, or death. */
  moment(what: DiskMoment): void;
  hasRoom(): boolean;
  /** What the thread says, on its way. */
  said(answer: WriterAnswer): void;
};

export class StoreProcess {
  readonly #weather: Weather;
  readonly #access: Access;
  readonly #environment: Environment;
  #start: WriterStart | null = null;
  #events: ThreadEvents | null = null;
  #work: WriteWork | null = null;
  #toThread: WriterCommand[] = [];
  #toLoop: (() => void)[] = [];
  #timers: Timer[] = [];
  #turns: (() => void)[] = [];
  isDead = false;

  constructor(disk: MemoryDisk, weather: Weather) {
    this.#weather = weather;
    this.#access = {
      disk,
      isDead: () => this.isDead,
      moment: (what) => weather.moment(what),
    };
    this.#environment = openMemory(this.#access);
  }

  /** Opens the store. Resolves once the thread has been told and heard often enough. */
  async open(runPolicy: RunPolicy): Promise<LmdbStore> {
    return await LmdbStore.openOver({ ...PLACE, runPolicy }, this.#system);
  }

  /** The process is no more: nothing of it is heard of again. */
  die(): never {
    this.isDead = true;
    this.#toThread = [];
    this.#toLoop = [];
    this.#timers = [];
    this.#turns = [];
    throw new Died('the process dies');
  }

  /** Whether the thread has something to read, or to begin with. */
  get canTell(): boolean {
    return !this.isDead && ((this.#start !== null && this.#work === null) || this.#toThread.length > 0);
  }

  /** What it reads next. */
  get nextIs(): WriterCommand['kind'] | 'start' {
    return this.#work === null ? 'start' : (this.#toThread[0]?.kind ?? 'start');
  }

  /** Whether that says that somebody reads an older image. */
  get nextPins(): boolean {
    const [next] = this.#toThread;
    return next?.kind === 'pinned' && next.isPinned;
  }

  /** The thread starts, or reads what it was told next. */
  tell(): void {
    this.#onThread(() => {
      if (this.#work === null && this.#start !== null) {
        this.#work = new WriteWork(this.#start, openMemory(this.#access), this.#shell);
        return;
      }
      const command = this.#toThread.shift();
      if (command !== undefined) this.#work?.told(command);
    });
  }

  get canHear(): boolean {
    return this.#toLoop.length > 0;
  }

  /** The event loop hears what the thread said next. */
  hear(): void {
    this.#toLoop.shift()?.();
  }

  get canTurn(): boolean {
    return this.#turns.length > 0;
  }

  /** Work that let others run goes on. */
  turn(): void {
    this.#turns.shift()?.();
  }

  /** When the thread's next timer is due (ms); null where it has none. */
  get timerAtMs(): number | null {
    return this.#timers[0]?.atMs ?? null;
  }

  runTimer(): void {
    this.#onThread(() => this.#timers.shift()?.run());
  }

  /** The event loop reads the newest image from here on, as it may at each turn. */
  renewImage(): void {
    this.#environment.resetReadTxn();
  }

  readonly #shell: WorkShell = {
    nowMs: () => this.#weather.nowMs(),
    after: (delayMs, run) => this.#after(delayMs, run),
    answer: (answer) => {
      if (this.isDead) return;
      this.#weather.said(answer);
      this.#toLoop.push(() => this.#events?.answered(answer));
    },
    closed: () => this.#toLoop.push(() => this.#events?.ended(0)),
  };

  /** What the thread throws is its end; what kills the process is that of all. */
  #onThread(run: () => void): void {
    try {
      run();
    } catch (error) {
      if (this.isDead) throw error;
      this.#toLoop.push(() => this.#events?.failed(error as Error));
    }
  }

  readonly #system: StoreSystem = {
    openEnvironment: () => this.#environment,
    startThread: (start, events) => {
      this.#start = start;
      this.#events = events;
      return { tell: (command) => void (this.isDead || this.#toThread.push(command)) };
    },
    checkRoom: async (dir) => {
      if (!this.#weather.hasRoom()) throw new NurseryError('DISK_FULL', `no room in ${dir}`);
    },
    nextTurn: () => new Promise((resolve) => this.#turns.push(resolve)),
  };

  #after(delayMs: number, run: () => void): () => void {
    if (this.isDead) return () => undefined;
    const timer: Timer = { atMs: this.#weather.nowMs() + delayMs, run };
    const at = this.#timers.findIndex(({ atMs }) => atMs > timer.atMs);
    this.#timers.splice(at === -1 ? this.#timers.length : at, 0, timer);
    return () => {
      this.#timers = this.#timers.filter((each) => each !== timer);
    };
  }
}

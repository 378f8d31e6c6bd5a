/** A closed loop: every client sends its next request when an answer has come, until the time is over. */
import type { NurseryError } from '../../base/errors.ts';
import type { Connect, Generator, LoadClient } from './client.ts';
import type { Workload } from './operations.ts';
import { Tally } from './tally.ts';

/** How long a client waits before it connects anew (ms). */
const RECONNECT_MS = 5;
/** How long answers that are still missing are waited for at the end (ms). */
const DRAIN_MS = 5000;
const PROGRESS_EVERY_MS = 1000;

export type LoadOptions = {
  readonly connections: number;
  /** Requests that each connection keeps unanswered. */
  readonly outstanding: number;
  /** Before anything is counted (s). */
  readonly warmUpSeconds: number;
  readonly seconds: number;
  /** Ends it earlier, once it is settled. */
  readonly until?: Promise<unknown>;
  /** Asked for each connection, and again when it was lost: the master may have moved. */
  readonly connect: Connect;
  /** Processor time that whoever is measured has used so far (ms); left out: it is not measured. */
  readonly processorMs?: () => number;
  /** Every second, with what happened in it. */
  readonly onProgress: (second: Second) => void;
};

/** What happened in about a second. */
export type Second = {
  readonly seconds: number;
  readonly perSecond: number;
  readonly p99Ms: number;
  readonly errors: number;
};

/** What a load measured. */
export type LoadResult = {
  readonly seconds: number;
  readonly tally: Tally;
  /** Share of one core that the generator itself used: near 1, it is the generator that was measured. */
  readonly generatorCpu: number;
  /** Processor time that whoever was measured used meanwhile (ms). */
  readonly processorMs: number;
};

/** Runs a load; what clients share. */
export class Load implements Generator {
  readonly workload: Workload;
  readonly outstanding: number;
  tally = new Tally(performance.now());
  readonly #options: LoadOptions;
  readonly #clients: (LoadClient | null)[] = [];
  #over = false;
  #round: (() => void)[] = [];
  readonly #onRound = (): void => this.#endRound();
  #filled: (() => void) | null = null;

  constructor(workload: Workload, options: LoadOptions) {
    this.workload = workload;
    this.outstanding = options.outstanding;
    this.#options = options;
  }

  async run(): Promise<LoadResult> {
    const { connections, warmUpSeconds, seconds, until, onProgress, processorMs = () => 0 } = this.#options;
    for (let i = 0; i < connections; i += 1) this.#connect(i);
    await pause(warmUpSeconds * 1000);
    const startedMs = performance.now();
    const cpu = process.cpuUsage();
    const processorBeforeMs = processorMs();
    this.tally = new Tally(startedMs);
    let lastMs = startedMs;
    const progress = setInterval(() => {
      const nowMs = performance.now();
      const recent = this.tally.takeRecent();
      onProgress({
        seconds: (nowMs - startedMs) / 1000,
        perSecond: (recent.count * 1000) / (nowMs - lastMs),
        p99Ms: recent.percentile(0.99),
        errors: this.tally.errorCount,
      });
      lastMs = nowMs;
    }, PROGRESS_EVERY_MS);
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, seconds * 1000);
      this.#filled = () => {
        clearTimeout(timer);
        resolve();
      };
      until?.then(this.#filled, this.#filled);
    });
    const endedMs = performance.now();
    const used = process.cpuUsage(cpu);
    const theirMs = processorMs() - processorBeforeMs;
    const { tally } = this;
    this.tally = new Tally(endedMs); // what is still on its way is not counted
    this.#over = true;
    clearInterval(progress);
    await this.#drain();
    for (const client of this.#clients) client?.close();
    const elapsedMs = endedMs - startedMs;
    const generatorCpu = (used.user + used.system) / 1000 / elapsedMs;
    return { seconds: elapsedMs / 1000, tally, generatorCpu, processorMs: theirMs };
  }

  mayStart(): boolean {
    return !this.#over && !this.workload.isFilled;
  }

  afterRound(next: () => void): void {
    this.#round.push(next);
    if (this.#round.length === 1) setImmediate(this.#onRound);
  }

  #endRound(): void {
    const round = this.#round;
    this.#round = [];
    for (const next of round) next();
  }

  failed(why: string): void {
    this.tally.failed(why);
  }

  answered(): void {
    if (this.#filled === null || !this.workload.isFilled) return;
    if (this.#clients.every((client) => client === null || client.waiting === 0)) this.#filled();
  }

  #connect(index: number): void {
    if (this.#over) return;
    const lost = (): void => this.#later(index);
    this.#options.connect(this, lost).then(
      (client) => {
        if (this.#over) client.close();
        else this.#clients[index] = client;
      },
      (error: NurseryError) => {
        this.tally.failed(error.code);
        this.#later(index);
      },
    );
  }

  #later(index: number): void {
    this.#clients[index] = null;
    setTimeout(() => this.#connect(index), RECONNECT_MS);
  }

  async #drain(): Promise<void> {
    const untilMs = performance.now() + DRAIN_MS;
    while (performance.now() < untilMs && this.#clients.some((client) => (client?.waiting ?? 0) > 0)) {
      await pause(10);
    }
  }
}

function pause(delayMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, delayMs));
}

/** One process of a nursery that is to fail: it is killed, stopped and started again, and must not end by itself. */
import type { NurseryProcess } from '../processes.ts';

/** Lines of its output that are shown where a process ended by itself. */
const SHOWN_LINES = 3;

export class Member {
  readonly name: string;
  readonly #launch: () => NurseryProcess;
  readonly #onDeath: (what: string) => void;
  #process: NurseryProcess;
  /** Its end is what somebody asked for. */
  #isEnding = false;
  #isDisturbed = false;

  /** @param onDeath told when the process ends although nobody asked it to */
  constructor(name: string, launch: () => NurseryProcess, onDeath: (what: string) => void) {
    this.name = name;
    this.#launch = launch;
    this.#onDeath = onDeath;
    this.#process = this.#started();
  }

  /** Stopped, down, or about to be. */
  get isDisturbed(): boolean {
    return this.#isDisturbed;
  }

  /** Kills it as a power cut would; `restart` mends it. */
  async kill(): Promise<void> {
    this.#isDisturbed = true;
    this.#isEnding = true;
    await this.#process.kill();
  }

  /** Asks it to end in order; one that has only just begun has nothing to put in order, and just ends. */
  async terminate(): Promise<void> {
    this.#isDisturbed = true;
    this.#isEnding = true;
    const { code, signal } = await this.#process.terminate();
    if (code !== 0 && signal !== 'SIGTERM')
      this.#onDeath(`${this.name}: SIGTERM ended it with ${code ?? signal}: ${this.#lastWords()}`);
  }

  restart(): void {
    this.#process = this.#started();
    this.#isDisturbed = false;
  }

  /** It does nothing until `wake`. */
  sleep(): void {
    this.#isDisturbed = true;
    this.#process.signal('SIGSTOP');
  }

  wake(): void {
    this.#process.signal('SIGCONT');
    this.#isDisturbed = false;
  }

  #started(): NurseryProcess {
    this.#isEnding = false;
    const started = this.#launch();
    void started.exited.then(({ code, signal }) => {
      if (this.#process !== started || this.#isEnding) return;
      this.#onDeath(`${this.name} ended by itself with ${code ?? signal}: ${this.#lastWords()}`);
    });
    return started;
  }

  #lastWords(): string {
    return this.#process.stderr.trim().split('\n').slice(-SHOWN_LINES).join(' | ');
  }
}

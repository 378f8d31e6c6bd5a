/** Servers of one kind, started here to be measured beside others. */
import { type ChildProcess, spawn } from 'node:child_process';
import { NurseryError } from '../../../base/errors.ts';
import { processorMsOf } from '../../../process/processor-time.ts';
import type { Connect } from '../client.ts';
import type { Dialect } from '../operations.ts';

/** How long all servers of a kind may take to serve (ms), and how often it is tried. */
const UP_WITHIN_MS = 30_000;
const TRY_EVERY_MS = 100;
/** Longest part of what a server said that is kept (characters). */
const SAID_MAX = 4096;

/** What is compared. */
export type Contestant = {
  readonly name: string;
  /** How it runs here: how many servers, and when an update is acknowledged. */
  readonly how: string;
  readonly dialect: Dialect;
  readonly connect: Connect;
  /** Resolves once it serves. @throws NurseryError UNREACHABLE, REFUSED where it is not installed */
  start(dir: string): Promise<void>;
  readonly processes: Processes;
};

/** Processes that end with this one. */
export class Processes {
  readonly #children: ChildProcess[] = [];
  #said = '';
  #hasEnded = false;

  /** @param packaged Debian's package, for whoever has no such command */
  start(command: string, args: readonly string[], packaged: string | null = null): void {
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (text: Buffer) => {
        this.#said = (this.#said + text.toString()).slice(-SAID_MAX);
      });
    child.once('error', (error) => {
      this.#said += `${error.message}${packaged === null ? '' : `; apt-get install ${packaged}`}`;
      this.#hasEnded = true;
    });
    child.once('exit', () => {
      this.#hasEnded = true;
    });
    this.#children.push(child);
  }

  /** Resolves once `serves` does not throw. @throws NurseryError UNREACHABLE, with what the processes said */
  async untilUp(name: string, serves: () => Promise<unknown>): Promise<void> {
    const untilMs = performance.now() + UP_WITHIN_MS;
    for (;;) {
      const why = await serves().then(
        () => null,
        (error: Error) => error.message,
      );
      if (why === null) return;
      if (this.#hasEnded || performance.now() > untilMs)
        throw new NurseryError('UNREACHABLE', `${name} does not serve (${why}): ${this.#said.trim()}`);
      await new Promise((resolve) => setTimeout(resolve, TRY_EVERY_MS));
    }
  }

  /** Processor time that all of them have used so far, in all of their threads (ms). */
  processorMs(): number {
    return this.#children.reduce((sum, { pid }) => sum + (pid === undefined ? 0 : processorMsOf(pid)), 0);
  }

  /** Ends them, at once: what they hold is of no use to anybody. */
  kill(): void {
    for (const child of this.#children) child.kill('SIGKILL');
  }
}

/** Real processes of the nursery, on real ports and disks, that never outlive the test that started them. */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import { until, within } from './wait.ts';

/** The command line's entry point, beside the compiled tests. */
const MAIN = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url));
/**
 * How long a test may take unless it says otherwise (ms): several times what the longest needs beside all others on two
 * cores, so that a hang has an end and a busy machine fails nothing.
 */
const TEST_MS = 300_000;
/** What a failure shows of each process (lines of its output, and of its log). */
const TAIL_LINES = 6;
const TAIL_COLUMNS = 200;
/**
 * Ports below those that the system hands out, so that no connection takes the port of a node that is down; test files that run side
 * by side have a share each, so that none takes the port of another one's node that is down.
 */
const [SHARE, SHARES] = (process.env['TEST_SHARE'] ?? '0/1').split('/').map(Number) as [number, number];
const PORT_COUNT = Math.floor(20_000 / SHARES);
const PORT_FIRST = 10_000 + SHARE * PORT_COUNT;

/** How a process ended. */
export type Exit = { readonly code: number | null; readonly signal: NodeJS.Signals | null };
/** Variables of a process beside those of the test. */
export type Environment = { readonly [name: string]: string };
/** A command that has ended. */
export type Finished = Exit & { readonly stdout: string; readonly stderr: string };

const running = new Set<ChildProcess>();
const folders = new Set<string>();
process.on('exit', () => {
  killAll();
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => process.exit(1));
}

function killAll(): void {
  for (const child of running) child.kill('SIGKILL');
}

/** One process of the nursery. */
export class NurseryProcess {
  readonly name: string;
  readonly exited: Promise<Exit>;
  readonly #child: ChildProcess;
  #stdout = '';
  #stderr = '';
  #exit: Exit | null = null;
  #onOutput: () => void = () => undefined;

  constructor(
    name: string,
    args: readonly string[],
    cwd: string,
    env: Environment = {},
    under: readonly string[] = [],
  ) {
    this.name = name;
    const [command, ...words] = [...under, process.execPath, MAIN, ...args];
    this.#child = spawn(command as string, words, {
      cwd,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...env },
    });
    running.add(this.#child);
    this.#child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.#stdout += text;
      this.#onOutput();
    });
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr += text;
      this.#onOutput();
    });
    this.exited = new Promise((resolve) => {
      this.#child.once('close', (code, signal) => {
        running.delete(this.#child);
        this.#exit = { code, signal };
        resolve(this.#exit);
        this.#onOutput();
      });
    });
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  get stdout(): string {
    return this.#stdout;
  }

  get stderr(): string {
    return this.#stderr;
  }

  get isRunning(): boolean {
    return this.#exit === null;
  }

  get hasSucceeded(): boolean {
    return this.#exit?.code === 0;
  }

  /** Sends a signal, and does not wait. */
  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Ends the process as a power cut would, as far as it can tell. */
  async kill(): Promise<void> {
    this.signal('SIGKILL');
    await this.exited;
  }

  /** Asks the process to end. */
  async terminate(): Promise<Exit> {
    this.signal('SIGTERM');
    return this.exited;
  }

  /** Resolves at the first output that `isSeen` accepts. @throws Error where the process ends before */
  async output(what: string, isSeen: (stdout: string) => boolean, withinMs = 30_000): Promise<void> {
    const seen = new Promise<void>((resolve, reject) => {
      const look = (): void => {
        if (isSeen(this.#stdout)) resolve();
        else if (this.#exit !== null) {
          reject(new Error(`${this.name} ended with ${JSON.stringify(this.#exit)} before ${what}`));
        }
      };
      this.#onOutput = look;
      look();
    });
    await within(withinMs, `${this.name}: ${what}`, seen);
  }

  /** Waits until a command has done its work. */
  async finished(withinMs = 120_000): Promise<Finished> {
    const exit = await within(withinMs, `nursery ${this.name}`, this.exited);
    return { ...exit, stdout: this.#stdout, stderr: this.#stderr };
  }
}

/** A temporary folder, and all processes that were started in it. */
export class Lab {
  readonly dir = mkdtempSync(join(tmpdir(), 'nursery-e2e-'));
  readonly #processes: NurseryProcess[] = [];
  readonly #closers: (() => void)[] = [];

  constructor() {
    if (process.env['KEEP'] === undefined) folders.add(this.dir);
    else console.log(`kept: ${this.dir}`);
  }

  /** Starts `nursery ARGS`; `name` is for messages, `under` a command that becomes the process, such as `unshare -n`. */
  start(
    name: string,
    args: readonly string[],
    env: Environment = {},
    under: readonly string[] = [],
  ): NurseryProcess {
    const started = new NurseryProcess(name, args, this.dir, env, under);
    this.#processes.push(started);
    return started;
  }

  /** Runs `nursery ARGS` to its end. */
  run(args: readonly string[], withinMs?: number): Promise<Finished> {
    return this.start(args.join(' '), args).finished(withinMs);
  }

  /** Has `close` called at the end. */
  closing(close: () => void): void {
    this.#closers.push(close);
  }

  /** Ends everything, and removes the folder unless `KEEP` is set in the environment. */
  async close(): Promise<void> {
    for (const close of this.#closers) close();
    await Promise.all(this.#processes.map((started) => started.kill()));
    if (folders.delete(this.dir)) rmSync(this.dir, { recursive: true, force: true });
  }

  /** The last words of all processes, for people who look into a failure. */
  tails(): string {
    const outputs = this.#processes.flatMap((started) => {
      if (started.hasSucceeded) return [];
      const state = started.isRunning ? 'running' : 'ended';
      return [`--- ${started.name} (${state})`, ...tailOf(started.stdout + started.stderr)];
    });
    const logs = findLogs(this.dir).flatMap((file) => [
      `--- ${basename(file)}`,
      ...tailOf(shortened(readFileSync(file, 'utf8'))),
    ]);
    return [...outputs, ...logs].join('\n');
  }
}

function tailOf(text: string): string[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .slice(-TAIL_LINES)
    .map((line) => line.slice(0, TAIL_COLUMNS));
}

/** A log without what all of its lines have in common. */
function shortened(log: string): string {
  return log.replace(/"(level|cluster|node|incarnation)":("[^"]*"|\d+),/g, '');
}

/** Tests that share a lab; each failure shows what the processes said. */
export type LabSuite = {
  test(name: string, body: (lab: Lab) => Promise<void>, limitMs?: number): void;
  run(): void;
};

/**
 * Begins a group of tests. The lab opens with the first of them and is closed behind the last, whatever happens.
 * `ONLY=text` in the environment leaves out those whose name has no such text.
 */
export function labSuite(title: string): LabSuite {
  const tests = suite(title);
  let lab: Lab | null = null;
  tests.after(async () => {
    await lab?.close();
  });
  return {
    test: (name, body, limitMs = TEST_MS) => {
      if (!name.includes(process.env['ONLY'] ?? '')) return;
      tests(name, async () => {
        lab ??= new Lab();
        const beganMs = performance.now();
        try {
          await within(limitMs, name, body(lab));
          console.log(`${name}: ${((performance.now() - beganMs) / 1000).toFixed(1)} s`);
        } catch (error) {
          console.error(`\n${name}: failed; last words of the processes:\n${lab.tails()}`);
          throw error;
        }
      });
    },
    run: () => tests.run(),
  };
}

const handedOut = new Set<number>();

/** Ports that nobody listens at, none of them twice. */
export async function freePorts(count: number): Promise<number[]> {
  const ports: number[] = [];
  while (ports.length < count) {
    const port = PORT_FIRST + Math.floor(Math.random() * PORT_COUNT);
    if (handedOut.has(port) || !(await isFree(port))) continue;
    handedOut.add(port);
    ports.push(port);
  }
  return ports;
}

/** Waits until nobody listens at these ports, as another run of the same test on this machine may. */
export async function untilFree(ports: readonly number[]): Promise<void> {
  for (const port of ports) await until(`port ${port} to be free`, () => isFree(port), { withinMs: 60_000 });
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}

function findLogs(dir: string): string[] {
  if (!existsSync(dir)) return [];
  return readdirSync(dir, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.log') && !file.includes('tlog'))
    .map((file) => join(dir, file));
}

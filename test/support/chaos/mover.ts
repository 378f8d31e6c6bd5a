/** Moves ranges between the two data clusters, one after the other, with the command that people use. */
import { EXIT_CODES, NurseryError } from '../../../src/base/errors.ts';
import type { TestNursery } from '../nurseries.ts';
import type { NurseryProcess } from '../processes.ts';
import type { Random } from '../random.ts';
import { within } from '../wait.ts';
import { separatorsOf } from './space.ts';

/** How long one command may take before it is killed and left to the daemons (ms). */
const PATIENCE_MS = 20_000;
/** How a command may end while processes fail: what it says then is for people, and no sign of a bug. */
const EXPECTED: ReadonlySet<number> = new Set([
  EXIT_CODES.OK,
  EXIT_CODES.FAILED,
  EXIT_CODES.NO_MASTER,
  EXIT_CODES.REFUSED,
  EXIT_CODES.FENCED,
  EXIT_CODES.UNREACHABLE,
]);
/** Of a stack, which only bugs of ours come with. */
const STACK = /^\s+at /m;

export class Mover {
  /** How often commands ended in each way. */
  readonly ends = new Map<string, number>();
  /** Ends that should not be. */
  readonly failures: string[] = [];
  readonly #nursery: TestNursery;
  readonly #random: Random;
  readonly #generation: () => number;
  readonly #running: Promise<void>;
  #current: NurseryProcess | null = null;
  #isStopped = false;

  /** @param generation of keys that clients use now */
  constructor(nursery: TestNursery, random: Random, generation: () => number) {
    this.#nursery = nursery;
    this.#random = random;
    this.#generation = generation;
    this.#running = this.#run();
  }

  /** The command that runs now. */
  get current(): NurseryProcess | null {
    return this.#current;
  }

  /** Begins no further move, and kills the one under way. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#current?.kill();
    await this.#running;
  }

  /** One move more, to its end, which nobody disturbs. @throws where it does not succeed */
  async once(): Promise<void> {
    const { lo, hi, to } = await this.#draw();
    await this.#nursery.succeed(['migrate', '--range', `${hex(lo)}..${hex(hi)}`, '--to', to]);
  }

  async #run(): Promise<void> {
    while (!this.#isStopped) await this.#move();
  }

  async #move(): Promise<void> {
    const { lo, hi, to } = await this.#draw();
    if (this.#isStopped) return;
    const command = this.#nursery.start([
      'migrate',
      '--range',
      `${hex(lo)}..${hex(hi)}`,
      '--to',
      to,
      '--json',
    ]);
    this.#current = command;
    try {
      await within(PATIENCE_MS, command.name, command.exited);
    } catch {
      await command.kill(); // it found nobody for so long
    }
    this.#current = null;
    const { code, signal } = await command.exited;
    const end = code === null ? String(signal) : nameOf(code);
    this.ends.set(end, (this.ends.get(end) ?? 0) + 1);
    if (code === null ? signal === 'SIGKILL' : EXPECTED.has(code) && !STACK.test(command.stderr)) return;
    this.failures.push(`${command.name} ended with ${end}: ${command.stderr}`);
  }

  /** Ranges through the keys that clients use, and up to everything; to whoever does not own the first key. */
  async #draw(): Promise<{ lo: string; hi: string; to: string }> {
    const cuts = ['', ...separatorsOf(this.#generation()), ''];
    const from = this.#random.below(cuts.length - 1);
    const until = from + 1 + this.#random.below(cuts.length - 1 - from);
    const [lo, hi] = [cuts[from] as string, cuts[until] as string];
    const drawn = this.#random.pick(this.#nursery.clusters);
    const owner = await this.#ownerOf(lo);
    const other = this.#nursery.clusters.find(({ id }) => owner !== null && id !== owner);
    return { lo, hi, to: (other ?? drawn).id };
  }

  /** Null where the keeper does not say. */
  async #ownerOf(key: string): Promise<string | null> {
    try {
      const owners = [...(await this.#nursery.owners())];
      return owners.findLast(([lo]) => lo <= key)?.[1] ?? null;
    } catch (error) {
      if (!(error instanceof NurseryError)) throw error;
      return null;
    }
  }
}

function hex(key: string): string {
  return key === '' ? '' : `0x${Buffer.from(key, 'latin1').toString('hex')}`;
}

function nameOf(code: number): string {
  return Object.entries(EXIT_CODES).find(([, value]) => value === code)?.[0] ?? String(code);
}

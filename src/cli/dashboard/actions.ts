/** What the dashboard can have done about moves: what the page asks for, and the one way to do each. */
import { NurseryError } from '../../base/errors.ts';
import { expectRoom, type MoveOptions, type MoveRequest, type Moves } from '../../client/moves.ts';
import type { Failed } from '../../dashboard/document.ts';
import type { Actions } from '../../dashboard/http.ts';
import type { Logger } from '../../process/log.ts';
import { UNSAID } from '../../protocol/admin/migration.ts';
import type { MigrationResult, PlannedMove } from '../../protocol/admin/moves.ts';
import { jsonRange, rangeBetween } from '../forms.ts';

const ANSWER_MS = 2000;
/** Moves that this process sees through at a time. */
const AT_ONCE = 16;
/** What has failed behind an answer is told with the document: the newest ones. */
const FAILED_MAX = 10;

/** What the page sends. */
type Asked =
  | { readonly action: 'dryRun' | 'start'; readonly request: MoveRequest; readonly expected: string }
  | { readonly action: 'pause' | 'continue' | 'resume' | 'abort'; readonly mid: number };

export type MoveActionsOptions = {
  readonly token: string;
  /** Of the router whose dashboard it is: the records of what is begun here name it. */
  readonly router: string;
  /** Moves of the nursery; closed once what they are for is over. */
  open(): Promise<{ readonly moves: Moves; close(): void }>;
  readonly logger: Logger;
  /** What the clock on the wall says (ms since 1970). */
  wallMs(): number;
  /** How long an answer waits for the end of what may take long (ms); it goes on behind the answer. Default 2 s. */
  readonly answerMs?: number;
};

/** Carries them out. `close` it with the process: what it has begun can be resumed. */
export class MoveActions implements Actions {
  readonly token: string;
  readonly #options: MoveActionsOptions;
  readonly #failed: Failed[] = [];
  readonly #ending = new AbortController();
  /** By migration: what is seen through here. */
  readonly #underWay = new Map<number, Promise<MigrationResult>>();

  constructor(options: MoveActionsOptions) {
    this.token = options.token;
    this.#options = options;
  }

  /** What did not come to a good end after its answer had left; the newest last. */
  get failed(): readonly Failed[] {
    return this.#failed;
  }

  close(): void {
    this.#ending.abort();
  }

  async act(json: unknown, remote: string): Promise<object> {
    const asked = askedOf(json);
    const { action } = asked;
    if (action !== 'dryRun')
      this.#options.logger.info({ remote, asked: JSON.stringify(json) }, 'asked at the dashboard');
    switch (asked.action) {
      case 'dryRun':
        return await this.#with((moves) => dryRun(moves, asked.request));
      case 'start':
        return await this.#with((moves) => start(moves, asked, `dashboard@${this.#options.router}`));
      case 'pause':
      case 'continue':
        return await this.#with(async (moves) => {
          await (asked.action === 'pause' ? moves.pause(asked.mid) : moves.unpause(asked.mid));
          return { heeded: await moves.watchWish(asked.mid) };
        });
      case 'resume':
        return await this.#seeThrough(asked.mid, 'resume', async (moves, options) => {
          const [result] = await moves.resume(asked.mid, options);
          if (result === undefined) throw new NurseryError('REFUSED', `migration ${asked.mid} is not open`);
          return result;
        });
      case 'abort':
        return await this.#seeThrough(asked.mid, 'abort', (moves, options) =>
          moves.abort(asked.mid, 'aborted by an operator, at the dashboard', options),
        );
    }
  }

  async #with<T>(body: (moves: Moves) => Promise<T>): Promise<T> {
    const { moves, close } = await this.#options.open();
    return await body(moves).finally(close);
  }

  /** Answers with its end where that comes soon; else it goes on, and its failure is told with the document. */
  async #seeThrough(
    mid: number,
    what: string,
    body: (moves: Moves, options: MoveOptions) => Promise<MigrationResult>,
  ): Promise<object> {
    const name = `${what} of migration ${mid}`;
    // An abort of what is resumed here is a wish, which that run heeds.
    const key = what === 'abort' ? -mid : mid;
    if (this.#underWay.has(key)) return { goesOn: true };
    if (this.#underWay.size >= AT_ONCE)
      throw new NurseryError('REFUSED', `${AT_ONCE} moves are under way here: wait for one of them`);
    const run = this.#with((moves) => body(moves, { signal: this.#ending.signal }));
    this.#underWay.set(key, run);
    let isAnswered = false;
    run
      .catch((error: Error) => {
        if (isAnswered && !this.#ending.signal.aborted) this.#note(name, error);
      })
      .finally(() => this.#underWay.delete(key));
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<null>((resolve) => {
      timer = setTimeout(() => resolve(null), this.#options.answerMs ?? ANSWER_MS);
    });
    const result = await Promise.race([run, late]).finally(() => clearTimeout(timer));
    isAnswered = true;
    return result === null ? { goesOn: true } : { outcome: result.outcome, why: result.why };
  }

  #note(what: string, error: Error): void {
    this.#options.logger.warn({ reason: error.message }, `${what} failed`);
    this.#failed.push({ what, why: error.message, atMs: this.#options.wallMs() });
    if (this.#failed.length > FAILED_MAX) this.#failed.shift();
  }
}

/** @throws NurseryError REFUSED where it would be refused, also for want of room */
async function dryRun(moves: Moves, request: MoveRequest): Promise<object> {
  const planned = await moves.dryRun(request);
  expectRoom(planned);
  return {
    moves: planned.map((move) => ({ ...move, ...jsonRange(move) })),
    expected: nameOf(planned),
  };
}

/** Only what was shown is begun; whoever watches the keeper carries it out. @throws NurseryError REFUSED where it would be another move by now */
async function start(
  moves: Moves,
  { request, expected }: { readonly request: MoveRequest; readonly expected: string },
  who: string,
): Promise<object> {
  if (nameOf(await moves.dryRun(request)) !== expected)
    throw new NurseryError('REFUSED', 'the map has changed since the dry run: look at it again');
  const mids: number[] = [];
  const asked = { ...UNSAID, who };
  await moves.migrate(request, { detach: true, asked, onPlanned: (mid) => mids.push(mid) });
  return { started: mids };
}

/** What would be moved, from where to where. */
function nameOf(moves: readonly PlannedMove[]): string {
  return JSON.stringify(moves.map(({ source, target, lo, hi }) => [source, target, lo, hi]));
}

/** @throws NurseryError BAD_INPUT naming what is wrong with it */
function askedOf(json: unknown): Asked {
  const { action, mid, from, to, target, expected } = (json ?? {}) as { readonly [name: string]: unknown };
  if (action === 'dryRun' || action === 'start') {
    if (typeof from !== 'string' || typeof to !== 'string' || typeof target !== 'string')
      throw new NurseryError('BAD_INPUT', `${action} takes from, to and target, as text`);
    const range = rangeBetween(from, to);
    if (range === null) throw new NurseryError('BAD_INPUT', 'the first key must lie below the end');
    const request = { kind: 'range', range, target } as const;
    return { action, request, expected: typeof expected === 'string' ? expected : '' };
  }
  if (action === 'pause' || action === 'continue' || action === 'resume' || action === 'abort') {
    if (!Number.isSafeInteger(mid) || (mid as number) < 1)
      throw new NurseryError('BAD_INPUT', `${action} takes mid, the number of a migration`);
    return { action, mid: mid as number };
  }
  throw new NurseryError('BAD_INPUT', 'action is one of dryRun, start, pause, continue, resume, abort');
}

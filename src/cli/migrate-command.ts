/** `nursery migrate`, `remove` and `migrator`: moves of ranges, and what an operator can do about them. */
import { hostname, userInfo } from 'node:os';
import { FatalError, NurseryError } from '../base/errors.ts';
import { DEADLINE_MS } from '../client/call.ts';
import { TimeLimit } from '../client/limited-client.ts';
import {
  type DryMove,
  expectRoom,
  type Heeded,
  type MoveOptions,
  type MoveRequest,
  type Moves,
} from '../client/moves.ts';
import { printRange } from '../keyspace/range.ts';
import type { Asked } from '../protocol/admin/migration.ts';
import { refuseStray } from './common-options.ts';
import { readTarget } from './connections.ts';
import { jsonRange, rangeOf, shortRange, storableKeyOf } from './forms.ts';
import { complain, Display, printJson, printLine } from './output.ts';
import { type ProgressDisplay, progressDisplay } from './progress-display.ts';
import { sayWhoIsAwaited } from './report.ts';
import { printBytes, printCount } from './status/amounts.ts';
import { surviveSignals } from './supervise.ts';

/** What all commands of moves take. */
export type Common = {
  readonly config: string;
  readonly json: boolean;
  /** Seconds; undefined: for as long as it takes. */
  readonly timeout: number | undefined;
};

export type MigrateArguments = Common & {
  readonly left: string | undefined;
  readonly separator: string | undefined;
  readonly right: string | undefined;
  readonly range: string | undefined;
  readonly to: string | undefined;
  readonly resume: boolean;
  readonly abort: number | undefined;
  readonly pause: number | undefined;
  readonly continue: number | undefined;
  readonly undo: number | undefined;
  /** Bytes per second; `auto`: it gives way to requests. */
  readonly rate: number | 'auto' | undefined;
  readonly of: number | undefined;
  readonly dryRun: boolean;
};

/** Before a daemon says once more what has not changed (ms). */
const AGAIN_MS = 60_000;

/** Moves, resumes, aborts, pauses or goes on, as the options say; one of them at a time. */
export async function runMigrateCommand(args: MigrateArguments): Promise<void> {
  refuseContradictions(args);
  const request = isMove(args) ? requestOf(args) : null;
  const rate = args.rate === 'auto' ? null : (args.rate ?? null);
  await withMoves(args, async (moves, { inTime, answered }) => {
    const heeded = async (mid: number, done: Promise<void>): Promise<Heeded> => {
      await done.finally(answered);
      const seen = sayWhoIsAwaited(`a sign of life of the migrator of migration ${mid}`);
      return await moves.watchWish(mid).finally(seen);
    };
    const { abort } = args;
    if (abort !== undefined) {
      await inTime((options) => moves.abort(abort, 'aborted by an operator', options));
    } else if (args.pause !== undefined) acknowledge(await heeded(args.pause, moves.pause(args.pause)), args);
    else if (args.continue !== undefined)
      acknowledge(await heeded(args.continue, moves.unpause(args.continue)), args);
    else if (args.of !== undefined && args.rate !== undefined) {
      await moves.setRate(args.of, rate).finally(answered);
      if (args.json) printJson({ mid: args.of, rate });
      else if (rate === null) printLine(`migration ${args.of}: its copy gives way to requests`);
      else printLine(`migration ${args.of}: at most ${rate} bytes per second are copied`);
    } else if (args.undo !== undefined) {
      const { undo } = args;
      const asked = { ...whoAsks(), rate };
      reportResults(await inTime((options) => moves.undo(undo, { ...options, asked })), args.json);
    } else if (request === null) await inTime((options) => resumeAll(moves, options, args.json));
    else if (args.dryRun) printDryRun(await moves.dryRun(request, rate), args.json);
    else {
      const asked = { ...whoAsks(), rate };
      const results = await inTime((options) => moves.migrate(request, { ...options, asked }));
      reportResults(results, args.json);
    }
  });
}

/** One form, and all of it. @throws FatalError USAGE naming what excludes each other */
function refuseContradictions(args: MigrateArguments): void {
  const given = (forms: readonly (readonly [name: string, is: boolean])[]): string[] =>
    forms.filter(([, is]) => is).map(([name]) => name);
  const forms = given([
    ['LEFT SEPARATOR RIGHT', args.left !== undefined],
    ['--range FROM..TO --to CLUSTER', args.range !== undefined || args.to !== undefined],
    ['--resume', args.resume],
    ['--abort N', args.abort !== undefined],
    ['--pause N', args.pause !== undefined],
    ['--continue N', args.continue !== undefined],
    ['--undo N', args.undo !== undefined],
    ['--rate BYTES --of N', args.of !== undefined],
  ]);
  if (forms.length > 1) {
    throw new FatalError('USAGE', `migrate: ${forms.join(' and ')} exclude each other; keep one`);
  }
  if (forms.length === 0) {
    throw new FatalError(
      'USAGE',
      'migrate takes LEFT SEPARATOR RIGHT, or --range FROM..TO --to CLUSTER, or one of --resume, --abort N, --pause N, --continue N, --undo N, --rate BYTES --of N',
    );
  }
  if (args.of !== undefined && args.rate === undefined)
    throw new FatalError('USAGE', 'migrate: --of N goes with --rate BYTES');
  if (args.rate !== undefined && args.of === undefined && args.undo === undefined && !isMove(args))
    throw new FatalError('USAGE', `migrate: --rate and ${forms[0]} exclude each other`);
  if (args.dryRun && !isMove(args))
    throw new FatalError('USAGE', `migrate: --dry-run and ${forms[0]} exclude each other`);
  const isShort = args.dryRun || [args.pause, args.continue, args.of].some((mid) => mid !== undefined);
  if (isShort) refuseStray(`migrate ${args.dryRun ? '--dry-run' : forms[0]}`, args, ['timeout']);
}

/** A person, on this machine. */
export function whoAsks(): Asked {
  return { rate: null, who: `${userName()}@${hostname()}`, reason: 'person', undoes: null };
}

/** A user without a name, as in a container, has a number. */
function userName(): string {
  try {
    return userInfo().username;
  } catch {
    return String(process.getuid?.() ?? '');
  }
}

function isMove({ left, range, to }: MigrateArguments): boolean {
  return left !== undefined || range !== undefined || to !== undefined;
}

/** Drains a cluster into its neighbours, and makes the keeper forget it. */
export async function runRemoveCommand(
  args: Common & { readonly cluster: string; readonly separator: string | undefined },
): Promise<void> {
  await withMoves(args, async (moves, { inTime }) => {
    const separator = args.separator === undefined ? null : storableKeyOf(args.separator, 'the separator');
    await inTime((options) =>
      moves.remove({ cluster: args.cluster, separator }, { ...options, asked: whoAsks() }),
    );
    if (args.json) printJson({ removed: args.cluster });
    else printLine(`${args.cluster} has left the nursery`);
  });
}

/** Takes over every migration whose migrator dies, until SIGTERM or SIGINT. */
export async function runMigratorCommand(args: { readonly config: string }): Promise<void> {
  const migrator = await import('../../migrator/operations.ts');
  const nursery = migrator.openNursery(readTarget(args.config).keeper);
  const display = new Display(); // whether anybody reads them or not, migrations are taken over
  const heard = (signal: string): void =>
    complain(`migrator: ${signal} does nothing here; what there is to say goes to standard output`);
  surviveSignals(heard, heard);
  display.line(`migrator: pid ${process.pid}, watching keeper ${nursery.keeper.cluster}`);
  let said = '';
  let saidMs = 0;
  // It asks each second; what stays the same is said each minute.
  const keeperIsSilent = (why: string): void => {
    const nowMs = performance.now();
    if (why === said && nowMs - saidMs < AGAIN_MS) return;
    [said, saidMs] = [why, nowMs];
    complain(`waits for the keeper: ${why}`);
  };
  try {
    await migrator.runDaemon({
      clusters: nursery,
      signal: stopSignal(),
      // Those that another one has claimed first are no news.
      onEvent: (event) => {
        if (event.kind === 'takesOver') display.line(`migration ${event.migration.mid}: taken over`);
        else if (event.kind === 'ended')
          display.line(`migration ${event.result.mid}: ${event.result.outcome}`);
        else if (event.kind === 'told') {
          const { mid, target } = event.migration;
          display.line(`migration ${mid}: ${target} knows that it was aborted`);
        } else if (event.kind === 'auto') display.line(`rebalances by itself: ${event.looked.verdict.why}`);
        else if (event.kind === 'failed') complain(`migration ${event.mid}: ${event.error.message}`);
        else if (event.kind === 'keeperSilent') keeperIsSilent(event.error.message);
      },
    });
  } finally {
    nursery.close();
  }
}

/**
 * Runs `work` until its end, or a signal, or until its time is over.
 *
 * @throws NurseryError TIMEOUT saying for what it waited, and how it goes on
 */
async function within<T>(
  limit: TimeLimit,
  display: ProgressDisplay,
  work: (options: MoveOptions) => Promise<T>,
): Promise<T> {
  const { leftMs, seconds } = limit;
  const late = new AbortController();
  const timer = Number.isFinite(leftMs) ? setTimeout(() => late.abort(), Math.max(0, leftMs)) : undefined;
  let last = '';
  const options = watching({
    ...display,
    progress: (mid, progress, rate) => {
      const waiting = progress.waitingFor === '' ? '' : `, waiting for ${progress.waitingFor}`;
      last = `migration ${mid} is ${progress.stage}${waiting}; `;
      display.progress(mid, progress, rate);
    },
  });
  try {
    return await work({ ...options, signal: AbortSignal.any([stopSignal(), late.signal]) });
  } catch (error) {
    if (!late.signal.aborted || !(error instanceof NurseryError) || error.code !== 'GOING_DOWN') throw error;
    throw new NurseryError(
      'TIMEOUT',
      `not done within ${seconds} s: ${last}it goes on where a migrator runs, and nursery migrate --resume goes on with it`,
      { cause: error },
    );
  } finally {
    clearTimeout(timer);
  }
}

/** How a command asks for moves: what may take long has until its time is over, and `answered` ends the word that the keeper is waited for. */
export type Asking = {
  inTime<T>(work: (options: MoveOptions) => Promise<T>): Promise<T>;
  answered(): void;
};

/** Connects to the nursery for as long as `body` asks for moves of it; what it shows is closed then. */
export async function withMoves(
  args: Common,
  body: (moves: Moves, asking: Asking) => Promise<void>,
): Promise<void> {
  const migrator = await import('../../migrator/operations.ts');
  const limit = TimeLimit.ofCommand(args.timeout ?? Number.POSITIVE_INFINITY);
  const nursery = migrator.openNursery(readTarget(args.config).keeper, null, limit);
  const display = progressDisplay(args.json);
  const { cluster } = nursery.keeper;
  const atMostS = Math.min(limit.seconds, DEADLINE_MS / 1000);
  const answered = sayWhoIsAwaited(`the keeper, cluster ${cluster}; at most ${atMostS} s`);
  // From the first news of a migration on, that is what says whom it waits for.
  const shown: ProgressDisplay = {
    ...display,
    planned: (mid, move) => {
      answered();
      display.planned(mid, move);
    },
    progress: (mid, progress, rate) => {
      answered();
      display.progress(mid, progress, rate);
    },
    told: (mid, target) => {
      answered();
      display.told(mid, target);
    },
  };
  try {
    const inTime: Asking['inTime'] = (work) => within(limit, shown, work);
    await body(new migrator.Operations(nursery), { inTime, answered });
    display.close();
  } finally {
    answered();
    nursery.close();
  }
}

async function resumeAll(moves: Moves, options: MoveOptions, json: boolean): Promise<void> {
  let told = 0;
  const onTold: MoveOptions['onTold'] = (whom) => {
    told += 1;
    options.onTold?.(whom);
  };
  const results = await moves.resume(null, { ...options, onTold });
  if (told > 0 && results.length === 0) return; // which is said
  if (results.length === 0) {
    if (json) printJson([]);
    else printLine('no migration is open');
  } else reportResults(results, json);
}

function watching(display: ProgressDisplay): MoveOptions {
  return {
    onPlanned: (mid, move) => display.planned(mid, move),
    onProgress: (mid, progress, rate) => display.progress(mid, progress, rate),
    onResult: ({ mid, outcome, why, progress }) => display.ended(mid, outcome, why, progress),
    onTold: ({ mid, target }) => display.told(mid, target),
  };
}

/** Raised by SIGTERM and SIGINT: the migrator stops at once, and what it began can be resumed. */
function stopSignal(): AbortSignal {
  const stop = new AbortController();
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => stop.abort());
  return stop.signal;
}

function requestOf(args: MigrateArguments): MoveRequest {
  const { left, separator, right, range, to } = args;
  if (range !== undefined) {
    if (to === undefined) {
      throw new NurseryError('BAD_INPUT', '--range FROM..TO and --to CLUSTER go together');
    }
    return { kind: 'range', range: rangeOf(range), target: to };
  }
  if (left === undefined || separator === undefined || right === undefined || to !== undefined) {
    throw new NurseryError(
      'BAD_INPUT',
      'migrate takes LEFT SEPARATOR RIGHT, or --range FROM..TO --to CLUSTER',
    );
  }
  return { kind: 'separator', left, separator: storableKeyOf(separator, 'the separator'), right };
}

function printDryRun(moves: readonly DryMove[], json: boolean): void {
  if (json) printJson(moves.map((move) => ({ ...move, ...jsonRange(move), range: printRange(move) })));
  else if (moves.length === 0) printLine('nothing to move');
  for (const move of json ? [] : moves) {
    printLine(`would move ${shortRange(move)} ${move.source} → ${move.target}`);
    for (const line of forecastLines(move)) printLine(`  ${line}`);
  }
  expectRoom(moves);
}

/** What is known of a move before it is begun: what it brings, how long it takes, and what it needs. */
function forecastLines(move: DryMove): string[] {
  const { source, target, keys, bytes, seconds, bytesPerSecond, basis, pauseMs, neededBytes, freeBytes } =
    move;
  const has = (count: number | null): string => (count === null ? 'an unknown number' : printCount(count));
  const lines = [
    keys === null || bytes === null
      ? `what it brings is not known: ${source} does not say`
      : `it brings about ${printCount(keys)} keys, ${printBytes(bytes)}; ${source} has ${has(move.sourceKeys)} keys now, ${target} ${has(move.targetKeys)}`,
  ];
  const pause = pauseMs === null ? '' : `; clients of the range wait for about ${pauseMs} ms at its end`;
  if (seconds !== null && bytesPerSecond !== null) {
    const why = basis === 'rate' ? 'as --rate allows' : 'as in the last moves';
    lines.push(`about ${printSeconds(seconds)}, at ${printBytes(bytesPerSecond)} a second, ${why}${pause}`);
  } else if (basis === 'rate' && bytesPerSecond === 0)
    lines.push('nothing is copied at --rate 0, until migrate --rate BYTES --of N gives it another rate');
  else if (keys !== null)
    lines.push(`how long is not known: no rate is given, and nothing has moved without one yet${pause}`);
  if (!move.targetAnswers)
    lines.push(`warning: no master of ${target} answers: the move would wait until there is one`);
  if (freeBytes === null) lines.push(`whether ${target} has room is not known: none of its nodes says`);
  else if (neededBytes !== null)
    lines.push(
      `it may take ${printBytes(neededBytes)} of ${printBytes(Math.max(0, freeBytes))} that ${target} has free beside other moves`,
    );
  return lines;
}

function printSeconds(seconds: number): string {
  return seconds < 120 ? `${Math.ceil(seconds)} s` : `${Math.ceil(seconds / 60)} min`;
}

/** An aborted migration did what its operator asked for only where it was asked to abort; here it is a failure. */
function reportResults(
  results: readonly { mid: number; outcome: string; why: string }[],
  json: boolean,
): void {
  if (!json && results.length === 0) printLine('nothing to move: the target owns it all');
  const aborted = results.find(({ outcome }) => outcome === 'aborted');
  if (aborted !== undefined)
    throw new NurseryError('REFUSED', `migration ${aborted.mid} was aborted: ${aborted.why}`);
}

/** Says what is so: a wish is recorded at the keeper, whether anybody is there to heed it or not. */
function acknowledge(heeded: Heeded, args: MigrateArguments): void {
  const mid = args.pause ?? args.continue;
  const [done, wanted, nobody] =
    args.pause === undefined
      ? [
          'goes on',
          'may go on',
          'may go on, and no migrator works on it: a router or a nursery migrator does so by itself, or --resume',
        ]
      : ['paused', 'pause wanted', 'pause wanted, and no migrator works on it'];
  const rateIsZero = `is not paused, and copies nothing at rate 0: --rate BYTES --of ${mid}, or auto, lets it go on`;
  const state = { done, wanted, nobody, rateIsZero }[heeded];
  if (args.json) printJson({ mid, state });
  else printLine(`migration ${mid}: ${state}`);
}

/** `nursery status`: a verdict, what is wrong, and the map, every node of every cluster and every migration, as far as they answer. */
import { EXIT_CODES } from '../base/errors.ts';
import type { Facts } from '../health/facts.ts';
import { judge, type Verdict } from '../health/findings.ts';
import { CLEAR, print, printJson, printLine } from './output.ts';
import { notice } from './report.ts';
import { gather } from './status/gather.ts';
import { statusToJson } from './status/json.ts';
import { statusLines } from './status/text.ts';

/** How long it rests between two looks (ms): of `--watch`, and of `--wait`. */
const WATCH_EVERY_MS = 2000;
const WAIT_EVERY_MS = 500;
/** How often it is said for what `--wait` waits, where that stays the same (ms). */
const SAY_EVERY_MS = 10_000;

export type StatusArgs = {
  readonly config: string;
  readonly json: boolean;
  readonly watch: boolean;
  readonly wait: boolean;
  /** How long `wait` waits at most (s). */
  readonly timeout: number | null;
};

/**
 * Prints what is known; a node that does not answer is listed with the reason. Where the keeper does not answer, what a
 * router has heard last stands in for it, or the configuration alone. The exit code follows from the verdict.
 */
export async function runStatus(args: StatusArgs): Promise<void> {
  if (args.watch && !args.wait) return await watch(args);
  const timeoutMs = args.timeout === null ? Number.POSITIVE_INFINITY : args.timeout * 1000;
  const seen = args.wait ? await healthyWithin(() => look(args), timeoutMs) : await look(args);
  process.exitCode = show(args, seen);
}

/** The exit code that follows from a verdict: a silent keeper has its own, where nothing is worse. */
export function exitOf({ state, findings }: Verdict): number {
  if (state === 'notServing') return EXIT_CODES.NOT_SERVING;
  if (findings.some(({ kind }) => kind === 'keeperSilent')) return EXIT_CODES.KEEPER_SILENT;
  return state === 'healthy' ? EXIT_CODES.OK : EXIT_CODES.AT_RISK;
}

/** What was seen at one look. */
type Seen = { readonly facts: Facts; readonly verdict: Verdict };

async function look({ config }: StatusArgs): Promise<Seen> {
  const facts = await gather(config);
  return { facts, verdict: judge(facts) };
}

/** Prints it. @returns the exit code for it */
function show({ json }: StatusArgs, { facts, verdict }: Seen): number {
  const exitCode = exitOf(verdict);
  if (json) printJson(statusToJson(facts, verdict, exitCode));
  else for (const line of statusLines(facts, verdict, Date.now())) printLine(line);
  return exitCode;
}

/** Without end: a signal ends it, or whoever closes the pipe. */
async function watch(args: StatusArgs): Promise<never> {
  for (let isFirst = true; ; isFirst = false) {
    const seen = await look(args);
    if (CLEAR !== '') print(CLEAR);
    else if (!isFirst && !args.json) print('\n');
    show(args, seen);
    await rest(WATCH_EVERY_MS);
  }
}

/**
 * Looks until it is healthy, or the time is over. What is returned is the look that ended it: by another one things may be otherwise.
 *
 * @param timeoutMs by the clock that begins with the process
 */
export async function healthyWithin<S extends { readonly verdict: Pick<Verdict, 'state' | 'words'> }>(
  lookOnce: () => Promise<S>,
  timeoutMs: number,
): Promise<S> {
  let said = '';
  let sayAtMs = 0;
  for (;;) {
    const seen = await lookOnce();
    const { state, words } = seen.verdict;
    if (state === 'healthy' || performance.now() >= timeoutMs) return seen;
    if (words !== said || performance.now() >= sayAtMs) {
      notice(words);
      said = words;
      sayAtMs = performance.now() + SAY_EVERY_MS;
    }
    await rest(Math.max(0, Math.min(WAIT_EVERY_MS, timeoutMs - performance.now())));
  }
}

function rest(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

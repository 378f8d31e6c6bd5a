/** `nursery status`: a verdict, what is wrong, and the map, every node of every cluster and every migration, as far as they answer. */
import { EXIT_CODES } from '../base/errors.ts';
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
  if (args.wait) await waitUntilHealthy(args);
  else if (args.watch) await watch(args);
  else process.exitCode = await look(args);
}

/** The exit code that follows from a verdict: a silent keeper has its own, where nothing is worse. */
export function exitOf({ state, findings }: Verdict): number {
  if (state === 'notServing') return EXIT_CODES.NOT_SERVING;
  if (findings.some(({ kind }) => kind === 'keeperSilent')) return EXIT_CODES.KEEPER_SILENT;
  return state === 'healthy' ? EXIT_CODES.OK : EXIT_CODES.AT_RISK;
}

/** Looks once, and prints it. */
async function look(args: StatusArgs, before = ''): Promise<number> {
  const facts = await gather(args.config);
  const verdict = judge(facts);
  const exitCode = exitOf(verdict);
  if (before !== '') print(before);
  if (args.json) printJson(statusToJson(facts, verdict, exitCode));
  else for (const line of statusLines(facts, verdict, Date.now())) printLine(line);
  return exitCode;
}

/** Without end: a signal ends it, or whoever closes the pipe. */
async function watch(args: StatusArgs): Promise<never> {
  for (let before = CLEAR; ; before = args.json ? '' : '\n') {
    await look(args, CLEAR === '' ? before : CLEAR);
    await rest(WATCH_EVERY_MS);
  }
}

/** Prints once it is healthy, or once the time is over. */
async function waitUntilHealthy(args: StatusArgs): Promise<void> {
  const untilMs = args.timeout === null ? Number.POSITIVE_INFINITY : args.timeout * 1000;
  let said = '';
  let sayAtMs = 0;
  for (;;) {
    const { state, words } = judge(await gather(args.config));
    if (state === 'healthy' || performance.now() >= untilMs) break;
    if (words !== said || performance.now() >= sayAtMs) {
      notice(words);
      said = words;
      sayAtMs = performance.now() + SAY_EVERY_MS;
    }
    await rest(Math.max(0, Math.min(WAIT_EVERY_MS, untilMs - performance.now())));
  }
  process.exitCode = await look(args);
}

function rest(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

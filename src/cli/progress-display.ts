/**
 * How a migration's progress is shown: a bar on a terminal, plain lines elsewhere, JSON lines for scripts. The migration
 * goes on where nobody reads them.
 */
import { Presets, SingleBar } from 'cli-progress';
import { printRange, type Range } from '../keyspace/range.ts';
import type { Progress } from '../protocol/admin/admin.ts';
import { jsonRange, shortRange } from './forms.ts';
import { Display, IS_TERMINAL } from './output.ts';
import { printGivesWay } from './status/pace.ts';

/** Between two plain lines while only counters change (ms). */
const LINE_EVERY_MS = 1000;

type Rate = { readonly keysPerSecond: number; readonly secondsLeft: number | null };
type Move = Range & { readonly source: string; readonly target: string };

export type ProgressDisplay = {
  planned(mid: number, move: Move): void;
  progress(mid: number, progress: Progress, rate: Rate): void;
  ended(mid: number, outcome: string, why: string, progress: Progress): void;
  /** The target of a migration that was aborted without it knows that by now. */
  told(mid: number, target: string): void;
  /** @throws OutputError where lines were lost that somebody wanted */
  close(): void;
};

/** The display that suits standard output. */
export function progressDisplay(json: boolean): ProgressDisplay {
  if (json) return jsonDisplay(new Display());
  // The bar goes to standard error.
  return IS_TERMINAL && process.stderr.isTTY ? barDisplay(new Display()) : lineDisplay(new Display());
}

function jsonDisplay(display: Display): ProgressDisplay {
  return {
    planned: (mid, move) => {
      const { source, target } = move;
      const text = describeMove(move, printRange(move));
      display.line(JSON.stringify({ event: 'planned', mid, source, target, ...jsonRange(move), move: text }));
    },
    progress: (mid, progress, { keysPerSecond }) =>
      display.progress(JSON.stringify({ event: 'progress', mid, ...progress, keysPerSecond })),
    ended: (mid, outcome, why, progress) =>
      display.line(JSON.stringify({ event: 'ended', mid, outcome, why, ...progress })),
    told: (mid, target) => display.line(JSON.stringify({ event: 'told', mid, target })),
    close: () => display.end(),
  };
}

function lineDisplay(display: Display): ProgressDisplay {
  let lastMs = Number.NEGATIVE_INFINITY;
  let lastStage = '';
  return {
    planned: (mid, move) => announce(display, mid, move),
    progress: (mid, progress, rate) => {
      const nowMs = performance.now();
      const stage = `${mid} ${progress.stage} ${reasonOf(progress.waitingFor)}`;
      if (stage === lastStage && nowMs - lastMs < LINE_EVERY_MS) return;
      lastMs = nowMs;
      lastStage = stage;
      display.progress(`migration ${mid}: ${describe(progress, rate)}`);
    },
    ended: (mid, outcome, why, progress) => conclude(display, mid, outcome, why, progress),
    told: (mid, target) => display.line(describeTold(mid, target)),
    close: () => display.end(),
  };
}

function barDisplay(display: Display): ProgressDisplay {
  let bar: SingleBar | null = null;
  process.stderr.on('error', () => undefined); // a terminal that is gone
  const stop = (): void => {
    bar?.stop();
    bar = null;
  };
  return {
    planned: (mid, move) => announce(display, mid, move),
    progress: (_mid, progress, { keysPerSecond }) => {
      const waiting = reasonsOf(progress);
      const payload = { stage: progress.stage, rate: Math.round(keysPerSecond), waiting };
      const total = Math.max(progress.keysTotal, progress.keysCopied, 1);
      if (bar === null) {
        bar = new SingleBar(
          { format: '{bar} {percentage}% {value}/{total} keys, {rate}/s, {stage}{waiting}' },
          Presets.shades_classic,
        );
        bar.start(total, progress.keysCopied, payload);
      } else {
        bar.setTotal(total);
        bar.update(progress.keysCopied, payload);
      }
    },
    ended: (mid, outcome, why, progress) => {
      stop();
      conclude(display, mid, outcome, why, progress);
    },
    told: (mid, target) => {
      stop();
      display.line(describeTold(mid, target));
    },
    close: () => {
      stop();
      display.end();
    },
  };
}

/** How long clients waited, as far as anybody saw. */
export function printPause({ pauseMs, pauseAtLeast }: Progress): string {
  return `pause ${pauseAtLeast ? 'at least ' : ''}${pauseMs} ms`;
}

function announce(display: Display, mid: number, move: Move): void {
  display.line(`migration ${mid}: ${describeMove(move, shortRange(move))}`);
}

function conclude(display: Display, mid: number, outcome: string, why: string, progress: Progress): void {
  const reason = why === '' ? '' : ` (${why})`;
  display.line(`migration ${mid}: ${outcome}${reason}, ${progress.keysCopied} keys, ${printPause(progress)}`);
}

function describeTold(mid: number, target: string): string {
  return `${target} was told that migration ${mid} was aborted`;
}

function describeMove({ source, target }: Move, range: string): string {
  return source === target ? `${range} becomes one range, at ${source}` : `${range} ${source} → ${target}`;
}

/** What is waited for, without for how long: that changes every second. */
function reasonOf(waitingFor: string): string {
  return waitingFor.replace(/\d+ s\b/g, '');
}

/** Why it is no faster: to whom it gives way, and whom it waits for. */
function reasonsOf({ givesWay, waitingFor }: Progress): string {
  const way = givesWay === undefined ? '' : `, ${printGivesWay(givesWay)}`;
  return waitingFor === '' ? way : `${way}, waiting for ${waitingFor}`;
}

function describe(progress: Progress, { keysPerSecond, secondsLeft }: Rate): string {
  const total = progress.keysTotal > 0 ? ` of ${progress.keysTotal}` : '';
  const left = secondsLeft === null ? '' : `, ${Math.ceil(secondsLeft)} s left`;
  return `${progress.stage}, ${progress.keysCopied}${total} keys, ${Math.round(keysPerSecond)}/s${left}${reasonsOf(progress)}`;
}

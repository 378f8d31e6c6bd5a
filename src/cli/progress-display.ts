/** How a migration's progress is shown: a bar on a terminal, plain lines elsewhere, JSON lines for scripts. */
import { Presets, SingleBar } from 'cli-progress';
import type { Progress } from '../protocol/admin.ts';
import { printJson } from './data-commands.ts';

/** Between two plain lines while only counters change (ms). */
const LINE_EVERY_MS = 1000;

type Rate = { readonly keysPerSecond: number; readonly secondsLeft: number | null };

export type ProgressDisplay = {
  planned(mid: number, move: string): void;
  progress(mid: number, progress: Progress, rate: Rate): void;
  ended(mid: number, outcome: string, why: string, progress: Progress): void;
  close(): void;
};

/** The display that suits standard output. */
export function progressDisplay(json: boolean): ProgressDisplay {
  if (json) return jsonDisplay();
  return process.stdout.isTTY ? barDisplay() : lineDisplay();
}

function jsonDisplay(): ProgressDisplay {
  return {
    planned: (mid, move) => printJson({ event: 'planned', mid, move }),
    progress: (mid, progress, { keysPerSecond }) =>
      printJson({ event: 'progress', mid, ...progress, keysPerSecond }),
    ended: (mid, outcome, why, progress) => printJson({ event: 'ended', mid, outcome, why, ...progress }),
    close: () => undefined,
  };
}

function lineDisplay(): ProgressDisplay {
  let lastMs = Number.NEGATIVE_INFINITY;
  let lastStage = '';
  return {
    planned: announce,
    progress: (mid, progress, rate) => {
      const nowMs = performance.now();
      const stage = `${mid} ${progress.stage} ${progress.waitingFor}`;
      if (stage === lastStage && nowMs - lastMs < LINE_EVERY_MS) return;
      lastMs = nowMs;
      lastStage = stage;
      console.log(`migration ${mid}: ${describe(progress, rate)}`);
    },
    ended: conclude,
    close: () => undefined,
  };
}

function barDisplay(): ProgressDisplay {
  let bar: SingleBar | null = null;
  const stop = (): void => {
    bar?.stop();
    bar = null;
  };
  return {
    planned: announce,
    progress: (_mid, progress, { keysPerSecond }) => {
      const payload = { stage: progress.stage, rate: Math.round(keysPerSecond) };
      const total = Math.max(progress.keysTotal, progress.keysCopied, 1);
      if (bar === null) {
        bar = new SingleBar(
          { format: '{bar} {percentage}% {value}/{total} keys, {rate}/s, {stage}' },
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
      conclude(mid, outcome, why, progress);
    },
    close: stop,
  };
}

function announce(mid: number, move: string): void {
  console.log(`migration ${mid}: ${move}`);
}

function conclude(mid: number, outcome: string, why: string, progress: Progress): void {
  const reason = why === '' ? '' : ` (${why})`;
  console.log(
    `migration ${mid}: ${outcome}${reason}, ${progress.keysCopied} keys, pause ${progress.pauseMs} ms`,
  );
}

function describe(progress: Progress, { keysPerSecond, secondsLeft }: Rate): string {
  const total = progress.keysTotal > 0 ? ` of ${progress.keysTotal}` : '';
  const left = secondsLeft === null ? '' : `, ${Math.ceil(secondsLeft)} s left`;
  const waiting = progress.waitingFor === '' ? '' : `, waiting for ${progress.waitingFor}`;
  return `${progress.stage}, ${progress.keysCopied}${total} keys, ${Math.round(keysPerSecond)}/s${left}${waiting}`;
}

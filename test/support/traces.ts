/**
 * Golden traces: what a core does, event by event, as texts in test/golden/traces that are reviewed as a diff. A file begins
 * with the rule that it shows (lines with `#`). Lines without an indent are its script; below each, indented, stands what
 * came of it. `TRACES=write` with the test run writes them anew: the scripts stay, what came of them is that of the code.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { test } from 'uvu';

const FOLDER = 'test/golden/traces';
/** Lines before and after a difference that are shown. */
const CONTEXT = 3;
/** A script that goes astray must not fill the screen. */
const SHOWN_MAX = 40;

/** What a script is played on: a core, or several, in their first state. */
export type Stage = {
  /** Carries out one line of the script; what happened, line by line. */
  play(line: string): readonly string[];
};

/** One test for each trace of the folder; `begin` makes a stage for one. */
export function testTraces(folder: string, begin: () => Stage): void {
  const names = readdirSync(`${FOLDER}/${folder}`).filter((name) => name.endsWith('.txt'));
  if (names.length === 0) throw new Error(`there is no trace in ${FOLDER}/${folder}`);
  for (const name of names.sort()) {
    test(`${folder}/${name}`, () => {
      const path = `${FOLDER}/${folder}/${name}`;
      const golden = readFileSync(path, 'utf8');
      settle(path, golden, replay(path, golden, begin()));
    });
  }
}

/** Compares what came of a script now with what is written, or writes it. @throws Error with the lines that differ */
export function settle(path: string, golden: string, actual: string): void {
  if (process.env['TRACES'] !== 'write') expectSame(path, golden, actual);
  else if (actual !== golden) writeFileSync(path, actual);
}

/** The text with what comes of its script now. */
function replay(path: string, golden: string, stage: Stage): string {
  if (!golden.startsWith('# ')) throw new Error(`${path} does not begin with the rule that it shows`);
  const lines = golden.split('\n').filter((line) => !line.startsWith(' '));
  return lines
    .flatMap((line, index) => {
      if (line === '' || line.startsWith('#')) return [line];
      try {
        return [line, ...stage.play(line).map((each) => `  ${each}`)];
      } catch (error) {
        const why = error instanceof Error ? String(error.stack) : String(error);
        throw new Error(`${path}, line ${index + 1} of its script, ${JSON.stringify(line)}: ${why}`);
      }
    })
    .join('\n');
}

function expectSame(path: string, golden: string, actual: string): void {
  if (golden === actual) return;
  const lines = differences(golden.split('\n'), actual.split('\n'));
  const isNear = (index: number): boolean =>
    lines.slice(Math.max(0, index - CONTEXT), index + CONTEXT + 1).some((line) => !line.startsWith(' '));
  const shown = lines.flatMap((line, index) => {
    if (isNear(index)) return [line];
    return isNear(index - 1) ? ['  …'] : [];
  });
  const rest = shown.length > SHOWN_MAX ? [`… and ${shown.length - SHOWN_MAX} lines more`] : [];
  const text = [...shown.slice(0, SHOWN_MAX), ...rest].join('\n');
  const failure = new Error(`${path} differs (TRACES=write writes it anew):\n${text}`);
  failure.stack = ''; // would show the same text once more
  throw failure;
}

/** All lines: those of both, and those of one alone, with as many of both as can be. */
function differences(before: readonly string[], after: readonly string[]): string[] {
  // Of what is left from each place on: how many lines can be of both.
  const common = Array.from({ length: before.length + 1 }, () => new Uint32Array(after.length + 1));
  const at = (i: number, j: number): number => common[i]?.[j] ?? 0;
  for (let i = before.length - 1; i >= 0; i -= 1) {
    for (let j = after.length - 1; j >= 0; j -= 1) {
      const count = before[i] === after[j] ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1));
      (common[i] as Uint32Array)[j] = count;
    }
  }
  const lines: string[] = [];
  let [i, j] = [0, 0];
  while (i < before.length || j < after.length) {
    if (i < before.length && j < after.length && before[i] === after[j]) {
      lines.push(`  ${before[i]}`);
      i += 1;
      j += 1;
    } else if (j >= after.length || (i < before.length && at(i + 1, j) >= at(i, j + 1))) {
      lines.push(`- ${before[i]}`);
      i += 1;
    } else {
      lines.push(`+ ${after[j]}`);
      j += 1;
    }
  }
  return lines;
}

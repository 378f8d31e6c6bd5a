/**
 * Golden traces: what a core does, event by event, as texts in test/golden/traces that are reviewed as a diff. A file begins
 * with the rule that it shows (lines with `#`). Lines without an indent are its script; below each, indented, stands what
 * came of it. `TRACES=write` with the test run writes them anew: the scripts stay, what came of them is that of the code.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { test } from 'uvu';

const FOLDER = 'test/golden/traces';
/** Lines around a difference that are shown. */
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
      const actual = replay(path, golden, begin());
      if (process.env['TRACES'] !== 'write') expectSame(path, golden, actual);
      else if (actual !== golden) writeFileSync(path, actual);
    });
  }
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
  const [before, after] = [golden.split('\n'), actual.split('\n')];
  const most = Math.min(before.length, after.length);
  let first = 0;
  while (first < most && before[first] === after[first]) first += 1;
  let last = 0;
  while (last < most - first && before.at(-1 - last) === after.at(-1 - last)) last += 1;
  const shown = [
    ...before.slice(Math.max(0, first - CONTEXT), first).map((line) => `  ${line}`),
    ...before.slice(first, before.length - last).map((line) => `- ${line}`),
    ...after.slice(first, after.length - last).map((line) => `+ ${line}`),
    ...before.slice(before.length - last, before.length - last + CONTEXT).map((line) => `  ${line}`),
  ];
  const rest = shown.length > SHOWN_MAX ? [`… and ${shown.length - SHOWN_MAX} lines more`] : [];
  const text = [...shown.slice(0, SHOWN_MAX), ...rest].join('\n');
  throw new Error(`${path}, from line ${first + 1} on (TRACES=write writes it anew):\n${text}`);
}

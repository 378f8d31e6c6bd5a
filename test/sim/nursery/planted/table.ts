/** The table of docs/planted-bugs.md: which check of a simulation finds each bug, and which trace or unit test sees it before. */
import { readFileSync, writeFileSync } from 'node:fs';
import type { PlantedBug } from './bug.ts';

const FILE = 'docs/planted-bugs.md';
const HEAD = [
  '# Planted bugs',
  '',
  'Written by `test/sim/nursery/planted.test.ts`; what it means is said in [reliability.md](reliability.md).',
  '',
  '| planted bug | rule that it breaks | simulation of | found by | after seeds | seen by a trace or unit test |',
  '| --- | --- | --- | --- | --- | --- |',
];

/** What was found of a bug: the check of a simulation, after how many seeds, and the test that sees it without any. */
export type Found = { readonly check: string; readonly seed: string; readonly nearby: string };
export type Row = Found & { readonly bug: PlantedBug };

/** As a row says it. Null: no test sees it; undefined: it is in none of the cores. */
export function printNearby(nearby: string | null | undefined): string {
  return nearby === undefined ? '–' : nearby === null ? 'nothing' : `\`${nearby}\``;
}

export function writeRows(rows: readonly Row[]): void {
  const lines = rows.map(({ bug, check, seed, nearby }) => {
    return `| ${bug.name} | ${bug.rule} | ${bug.plan.simulation} | ${check} | ${seed} | ${nearby} |`;
  });
  const text = [...HEAD, ...lines, ''].join('\n');
  if (text !== readFileSync(FILE, 'utf8')) writeFileSync(FILE, text);
}

/** By bug, what was found when it was looked for last. */
export function readFound(): Map<string, Found> {
  const rows = readFileSync(FILE, 'utf8')
    .split('\n')
    .filter((line) => line.startsWith('| '))
    .slice(2);
  return new Map(
    rows.map((row) => {
      const [, name = '', , , check = '', seed = '', nearby = ''] = row.split('|').map((cell) => cell.trim());
      return [name, { check, seed, nearby }];
    }),
  );
}

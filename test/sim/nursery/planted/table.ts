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

/** What a row says of its bug. `nearby`: the test that sees it without any simulation; null: none does; undefined: it is in none of the cores. */
export type Row = {
  readonly bug: PlantedBug;
  readonly check: string;
  readonly seed: string;
  readonly nearby: string | null | undefined;
};

export function writeRows(rows: readonly Row[]): void {
  const lines = rows.map(({ bug, check, seed, nearby }) => {
    const seen = nearby === undefined ? '–' : nearby === null ? 'nothing' : `\`${nearby}\``;
    return `| ${bug.name} | ${bug.rule} | ${bug.plan.simulation} | ${check} | ${seed} | ${seen} |`;
  });
  const text = [...HEAD, ...lines, ''].join('\n');
  if (text !== readFileSync(FILE, 'utf8')) writeFileSync(FILE, text);
}

/** By bug, what the simulations found when all were looked for last. */
export function readFound(): Map<string, Pick<Row, 'check' | 'seed'>> {
  const rows = readFileSync(FILE, 'utf8')
    .split('\n')
    .filter((line) => line.startsWith('| '))
    .slice(2);
  return new Map(
    rows.map((row) => {
      const [, name = '', , , check = '', seed = ''] = row.split('|').map((cell) => cell.trim());
      return [name, { check, seed }];
    }),
  );
}

/** The mutants that nobody can notice, and why: a table in docs/mutants.md. */
import { readFileSync } from 'node:fs';
import type { Mutant } from './mutants.ts';

const TABLE = 'docs/mutants.md';

/** Rows of the table without their last cell, which says why. */
export function readHarmless(): Set<string> {
  const rows = readFileSync(TABLE, 'utf8').matchAll(/^(\| (?:node|router|migrator)\/.*\|) [^|]+ \|$/gm);
  return new Set([...rows].map(([, row]) => row as string));
}

/**
 * The row of a mutant without its last cell: file, function, change. No line number, so that it stays true where something
 * else of the file changes; equal changes of one function have one row.
 */
export function rowOf({ target, where, was, becomes, operator }: Mutant): string {
  const change =
    operator === 'statement dropped' || operator === 'property dropped' ? 'dropped' : code(becomes);
  return `| ${target}.ts | ${where === '' ? '-' : where} | ${code(was)} → ${change} |`;
}

function code(text: string): string {
  const mark = text.includes('`') ? '``' : '`';
  return `${mark}${text.replaceAll('|', '\\|')}${mark}`;
}

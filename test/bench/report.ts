/** The rows of a benchmark: what was wanted, what was measured, how the two compare, and what the last run had measured. */
import { readFileSync, writeFileSync } from 'node:fs';

/** One figure with its target, or without one where it is there to be compared with. */
export type Row = {
  readonly what: string;
  readonly unit: string;
  readonly measured: number;
  readonly target?: number;
  /** Whether more is better, or less. */
  readonly better: 'more' | 'less';
};

/** What was measured by row (its heading, what, unit), and when. */
type Kept = { readonly [row: string]: { readonly measured: number; readonly at: string } };

/** Prints rows as they come, and counts those that meet their target. */
export class Report {
  readonly rows: Row[] = [];
  readonly #file: string;
  readonly #before: Kept;
  readonly #now: { [row: string]: Kept[string] } = {};
  #title = '';

  /** @param file where rows are kept from run to run, those that this one does not have as they were; made where it is missing */
  constructor(file: string) {
    this.#file = file;
    this.#before = readKept(file);
  }

  /** A heading. */
  begin(title: string): void {
    this.#title = title;
    console.log(
      `\n${title}\n  ${'what'.padEnd(62)}${'target'.padStart(12)}${'measured'.padStart(12)}  ratio, and the last run`,
    );
  }

  add(row: Row): void {
    this.rows.push(row);
    const { what, unit, target, better, measured } = row;
    const wanted = target === undefined ? '' : `${better === 'more' ? '≥' : '≤'} ${figure(target)}`;
    const ratio = ratioOf(row);
    const shown = ratio === null ? '' : `${ratio.toFixed(2)}${ratio < 1 ? ' missed' : ''}`;
    const name = `${what} (${unit})`;
    const key = `${this.#title}: ${name}`;
    const last = changeOf(this.#before[key]?.measured, measured);
    console.log(
      `  ${name.padEnd(62)}${wanted.padStart(12)}${figure(measured).padStart(12)}  ${shown}${last}`,
    );
    this.#now[key] = { measured, at: new Date().toISOString() };
    writeFileSync(this.#file, `${JSON.stringify({ ...this.#before, ...this.#now }, null, 2)}\n`);
  }

  /** The errors of a load: none is the target, and which there were. */
  addErrors({
    errorCount,
    errors,
  }: {
    readonly errorCount: number;
    readonly errors: { readonly [why: string]: number };
  }): void {
    const which = Object.entries(errors).map(([why, count]) => `${count} ${why}`);
    const what = which.length === 0 ? 'errors' : `errors: ${which.join(', ')}`;
    this.add({ what, unit: 'count', target: 0, measured: errorCount, better: 'less' });
  }

  /** Says that a scenario could not be run. */
  failed(title: string, why: string): void {
    this.add({
      what: `${title} failed: ${why.slice(0, 200)}`,
      unit: 'errors',
      measured: 1,
      target: 0,
      better: 'less',
    });
  }

  summary(): string {
    const aimed = this.rows.filter(({ target }) => target !== undefined);
    const met = aimed.filter((row) => (ratioOf(row) ?? 0) >= 1).length;
    return `${met} of ${aimed.length} targets met`;
  }
}

/** How far a target is met: 1 and above is met. Null where there is none. */
export function ratioOf({ target, better, measured }: Row): number | null {
  if (target === undefined) return null;
  if (better === 'more') return measured / target;
  if (measured <= target)
    return target === 0 ? 1 : measured <= 0 ? Number.POSITIVE_INFINITY : target / measured;
  return target / measured;
}

function figure(value: number): string {
  if (!Number.isFinite(value)) return String(value);
  const digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 1 ? 2 : 4;
  return value.toLocaleString('en-US', { maximumFractionDigits: digits });
}

function readKept(file: string): Kept {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Kept;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return {};
    throw new Error(
      `${file}: ${(error as Error).message}; remove it, and nothing is compared with the last run`,
    );
  }
}

/** What the last run measured, and by how much that changed. */
function changeOf(before: number | undefined, measured: number): string {
  if (before === undefined) return '';
  const change =
    before === 0 ? '' : `, ${measured >= before ? '+' : ''}${Math.round((measured / before - 1) * 100)} %`;
  return `  (${figure(before)}${change})`;
}

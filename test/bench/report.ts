/** The rows of a benchmark: what was wanted, what was measured, and how the two compare. */

/** One figure with its target, or without one where it is there to be compared with. */
export type Row = {
  readonly what: string;
  readonly unit: string;
  readonly measured: number;
  readonly target?: number;
  /** Whether more is better, or less. */
  readonly better: 'more' | 'less';
};

/** Prints rows as they come, and counts those that meet their target. */
export class Report {
  readonly rows: Row[] = [];

  /** A heading. */
  begin(title: string): void {
    console.log(
      `\n${title}\n  ${'what'.padEnd(62)}${'target'.padStart(12)}${'measured'.padStart(12)}  ratio`,
    );
  }

  add(row: Row): void {
    this.rows.push(row);
    const { what, unit, target, better, measured } = row;
    const wanted = target === undefined ? '' : `${better === 'more' ? '≥' : '≤'} ${figure(target)}`;
    const ratio = ratioOf(row);
    const shown = ratio === null ? '' : `${ratio.toFixed(2)}${ratio < 1 ? ' missed' : ''}`;
    const name = `${what} (${unit})`;
    console.log(`  ${name.padEnd(62)}${wanted.padStart(12)}${figure(measured).padStart(12)}  ${shown}`);
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

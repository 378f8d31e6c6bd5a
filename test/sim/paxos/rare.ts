/** Counts what happened, so that a run of many seeds can say what it never tried. */

/** Number of times that each named thing happened. */
export class Rare {
  readonly counts = new Map<string, number>();

  note(what: string): void {
    this.counts.set(what, (this.counts.get(what) ?? 0) + 1);
  }

  /** Adds what another run counted. */
  add(other: Rare): void {
    for (const [what, count] of other.counts) this.counts.set(what, (this.counts.get(what) ?? 0) + count);
  }
}

/** What a coordinator knows: the last answers of keeper, source and target, given under its token. */
import { present } from '../../src/base/assert.ts';
import type { Digest } from '../../src/keyspace/digest.ts';
import type { AdminAnswer, Migration, RangeStatus } from '../../src/protocol/admin/admin.ts';
import type { Closed, Observed, SealLimits, SourceView, TargetView } from './next-move.ts';
import type { Page } from './pipe.ts';

type Answer<K extends AdminAnswer['kind']> = Extract<AdminAnswer, { kind: K }>;

/** A cache and nothing more: whoever loses it asks again. */
export class Facts {
  #record: Migration | null = null;
  #recordFresh = false;
  #outcomes = 0;
  #target: TargetView | null = null;
  #source: SourceView | null = null;
  #sourceFresh = false;
  /** Rows that were dirty when the last round began. */
  #roundRows = Number.POSITIVE_INFINITY;
  #isShrinking = true;
  #targetChecked = false;
  #sealNoted = false;
  #abortWhy: string | null = null;
  /** Whether the target has every dirty row, read at or above the slot of the seal. */
  lastRowsSent = false;

  get target(): TargetView | null {
    return this.#target;
  }

  get source(): SourceView | null {
    return this.#source;
  }

  /** The keeper's record; there from the first look on. */
  get record(): Migration {
    return present(this.#record, "the keeper's record");
  }

  get hasRecord(): boolean {
    return this.#record !== null;
  }

  /** How many outcomes were heard of: a question to the keeper that was sent before the last one answers too early. */
  get outcomes(): number {
    return this.#outcomes;
  }

  get targetChecked(): boolean {
    return this.#targetChecked;
  }

  get sealNoted(): boolean {
    return this.#sealNoted;
  }

  /** Everything as nextMove wants it. */
  observed(limits: SealLimits, now: Pick<Observed, 'isMidRound' | 'sourceSilent'>): Observed {
    return {
      record: this.record,
      recordFresh: this.#recordFresh,
      target: this.#target,
      source: this.#source,
      sourceFresh: this.#sourceFresh,
      isShrinking: this.#isShrinking,
      checked: this.#targetChecked && this.#sealNoted,
      lastRowsSent: this.lastRowsSent,
      abortWhy: this.#abortWhy,
      limits,
      ...now,
    };
  }

  /** Whether it is too late for the abort that an operator wants. */
  get isTooLate(): boolean {
    const record = this.#record;
    if (record?.wish !== 'abort') return false;
    return this.#target?.closed === 'activated' || record.phase === 'published' || record.phase === 'done';
  }

  /** Why it is given up, for the keeper's record. */
  get whyAborted(): string {
    if (this.#abortWhy !== null) return this.#abortWhy;
    return this.record.wish === 'abort' ? this.record.why : 'an earlier migrator began to abort';
  }

  // ── Keeper ───────────────────────────────────────────────────────────────────────────────────────────────

  /** The record as read by a question that was sent when `outcomesThen` outcomes were known. */
  recordRead(record: Migration, outcomesThen: number): void {
    this.#record = record;
    this.#recordFresh = outcomesThen === this.#outcomes;
  }

  /** The keeper has taken a command that changes the record so. */
  recorded(change: Partial<Pick<Migration, 'phase' | 'receipt' | 'why'>>): void {
    this.#record = { ...this.record, ...change };
  }

  sealWasNoted(): void {
    this.#sealNoted = true;
  }

  /** From here on this coordinator aborts, whatever operators wish later: its pages may be lost on the way. */
  mustAbort(why: string): void {
    this.#abortWhy ??= why;
  }

  // ── Source and target ────────────────────────────────────────────────────────────────────────────────────

  /** The migration is decided at `party`. The seal is kept: its digest goes into the receipt. */
  closed(party: 'source' | 'target', closed: Closed): void {
    this.#outcomes += 1;
    this.#recordFresh = false;
    if (party === 'target') this.#target = { importing: null, closed };
    else this.#source = { exporting: this.#source?.exporting ?? null, closed, cleaning: null };
  }

  importing(answer: Answer<'importing'>): void {
    this.#target = { importing: answer, closed: null };
  }

  exporting(answer: Answer<'exporting'>): void {
    this.#source = { exporting: answer, closed: null, cleaning: null };
    this.#sourceFresh = false; // old by the time that the copy ends
  }

  sourceStatus(status: RangeStatus): void {
    if (status.closed !== null) {
      this.closed('source', status.closed);
      if (status.exporting !== null) this.#setExport(status.exporting);
      if (status.closed === 'released' && this.#source !== null) {
        this.#source = { ...this.#source, cleaning: status.cleaning };
      }
    } else this.#source = { exporting: status.exporting, closed: null, cleaning: null };
    this.#sourceFresh = true;
    this.#isShrinking = (status.exporting?.dirtyRows ?? 0) < this.#roundRows / 2;
  }

  /** A round begins with so many dirty rows; returns whether there are fewer than when the last one began. */
  roundBegins(dirtyRows: number): boolean {
    const isSmaller = dirtyRows < this.#roundRows;
    this.#roundRows = dirtyRows;
    return isSmaller;
  }

  /** The target has answered a consistent status, and its import is what it should be. */
  targetWasChecked(): void {
    this.#targetChecked = true;
  }

  /** A pass has ended: what is dirty now, and whether target and keeper answer, is to be asked again. */
  passDone(): void {
    this.#sourceFresh = false;
    this.#targetChecked = false;
    this.#sealNoted = false;
  }

  /** The target has these pages; those of a copy move its cursor. */
  pagesTaken(pages: readonly Page[], isCopy: boolean): void {
    let importing = this.#target?.importing;
    if (!importing) return;
    for (const { seq, asOf, to } of pages) {
      importing = { ...importing, seq, asOf, cursor: isCopy ? to : importing.cursor };
    }
    this.#target = { importing, closed: null };
  }

  baseSet(base: Digest): void {
    const exporting = this.#source?.exporting;
    if (exporting) this.#setExport({ ...exporting, base });
  }

  sealed({ sealSlot, digest }: Answer<'sealed'>): void {
    const exporting = this.#source?.exporting;
    if (exporting) this.#setExport({ ...exporting, sealed: { sealSlot, digest } });
  }

  behind({ dirtyRows, dirtyBytes }: Answer<'behind'>): void {
    const exporting = this.#source?.exporting;
    if (exporting) this.#setExport({ ...exporting, dirtyRows, dirtyBytes });
    this.passDone();
    this.#sourceFresh = true;
  }

  /** A new token was claimed: whatever was said before may have changed. */
  forgetClusters(): void {
    this.#target = null;
    this.#source = null;
    this.lastRowsSent = false;
    this.passDone();
  }

  #setExport(exporting: NonNullable<SourceView['exporting']>): void {
    if (this.#source !== null) this.#source = { ...this.#source, exporting };
  }
}

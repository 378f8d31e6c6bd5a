/** What people are told: counters, the pause, and what a migration waits for. Nothing is decided by it. */
import { NO_PROGRESS, type Progress } from '../../src/protocol/admin.ts';
import type { Party } from './calls.ts';
import type { Facts } from './facts.ts';
import type { Move } from './next-move.ts';

/** Why a cluster does not answer, and since when. */
export type Silence = { readonly why: string; readonly sinceMs: number };

/** Between two reports while nothing but counters changes (ms). */
const REPORT_MS = 100;

/** Stage during each move; null where it stays what it was. */
const STAGES: { readonly [K in Move['kind']]: string | null } = {
  beginImport: 'preparing',
  beginExport: 'preparing',
  copy: 'copying',
  base: 'copying',
  round: 'catching up',
  check: 'sealing',
  seal: 'sealing',
  lastRows: 'sealed',
  activate: 'sealed',
  publish: 'publishing',
  release: 'releasing',
  awaitCleanup: 'cleaning up',
  finish: 'finishing',
  abandon: 'aborting',
  unseal: 'aborting',
  recordAbort: 'aborting',
  pause: 'paused',
  askKeeper: null,
  askSource: null,
  end: null,
  alarm: null,
};

/** One migration's counters. */
export class Report {
  readonly #facts: Facts;
  #progress: Progress;
  #reportedMs = Number.NEGATIVE_INFINITY;
  #reportedStage = '';
  #sealedSinceMs: number | null = null;
  #pauseBeforeMs = 0;
  #busy: string | null = null;
  readonly #silent = new Map<Party, Silence>();

  constructor(facts: Facts, startedAtMs: number) {
    this.#facts = facts;
    this.#progress = { ...NO_PROGRESS, startedAtMs };
  }

  get stage(): string {
    return this.#progress.stage;
  }

  enter(move: Move): void {
    const stage = STAGES[move.kind];
    if (stage !== null) this.#progress = { ...this.#progress, stage };
  }

  /** Goes on counting where a predecessor stopped; a pause that it left behind went on for `unseenMs` at least. */
  takeOver(progress: Progress, unseenMs: number): void {
    const startedAtMs = progress.startedAtMs || this.#progress.startedAtMs;
    this.#progress = { ...progress, startedAtMs };
    this.#pauseBeforeMs = progress.pauseMs + (progress.stage === STAGES.lastRows ? unseenMs : 0);
  }

  // ── The pause ────────────────────────────────────────────────────────────────────────────────────────────

  get isSealed(): boolean {
    return this.#sealedSinceMs !== null;
  }

  /** Nobody serves from here on, perhaps: counts from when the seal was asked for. */
  sealBegins(nowMs: number): void {
    this.#sealedSinceMs ??= nowMs;
  }

  /** The seal was refused: no pause. */
  sealFailed(): void {
    this.#sealedSinceMs = null;
  }

  /** Somebody serves again: the target, or after an abort the source. */
  sealEnds(nowMs: number): void {
    this.#progress = { ...this.#progress, pauseMs: this.#pauseMs(nowMs) };
    this.#sealedSinceMs = null;
  }

  #pauseMs(nowMs: number): number {
    if (this.#sealedSinceMs === null) return this.#progress.pauseMs;
    return this.#pauseBeforeMs + Math.round(nowMs - this.#sealedSinceMs);
  }

  // ── Counters ─────────────────────────────────────────────────────────────────────────────────────────────

  /** What the target holds, counted there. */
  staged(keysCopied: number, bytesCopied: number): void {
    this.#progress = { ...this.#progress, keysCopied, bytesCopied };
  }

  copied(keys: number, bytes: number): void {
    const { keysCopied, bytesCopied } = this.#progress;
    this.staged(keysCopied + keys, bytesCopied + bytes);
  }

  roundBegins(): void {
    this.#progress = { ...this.#progress, rounds: this.#progress.rounds + 1 };
  }

  // ── Waiting ──────────────────────────────────────────────────────────────────────────────────────────────

  silent(party: Party, why: string, nowMs: number): void {
    if (!this.#silent.has(party)) this.#silent.set(party, { why, sinceMs: nowMs });
  }

  heard(party: Party): void {
    this.#silent.delete(party);
  }

  /** Clusters that have not answered since some request of theirs failed. */
  get silences(): ReadonlyMap<Party, Silence> {
    return this.#silent;
  }

  /** What a cluster is busy with, or null once it no longer is. */
  busy(what: string | null): void {
    this.#busy = what;
  }

  /** Progress as of now. `delayMs`: by how much the source holds back each answer to a writer. */
  present(nowMs: number, delayMs: number): Progress {
    const exporting = this.#facts.source?.exporting;
    // Exact as of the beginning once the base is known, and as of the seal from then on.
    const total = exporting?.sealed?.digest ?? exporting?.base;
    return {
      ...this.#progress,
      waitingFor: this.#waitingFor(nowMs, delayMs),
      keysTotal: total?.count ?? this.#progress.keysTotal,
      dirtyRows: exporting?.dirtyRows ?? 0,
      pauseMs: this.#pauseMs(nowMs),
    };
  }

  /** Progress, where it is worth a report: something else than counters has changed, or some time has passed. */
  due(nowMs: number, delayMs: number): Progress | null {
    const progress = this.present(nowMs, delayMs);
    const { stage, waitingFor } = this.#progress;
    const isSame = progress.stage === stage && progress.waitingFor === waitingFor;
    if (isSame && nowMs - this.#reportedMs < REPORT_MS && this.#reportedStage === stage) return null;
    this.#reportedStage = stage;
    this.#reportedMs = nowMs;
    this.#progress = { ...progress, pauseMs: this.#progress.pauseMs };
    return progress;
  }

  #waitingFor(nowMs: number, delayMs: number): string {
    const waits: string[] = [];
    for (const [party, { why, sinceMs }] of this.#silent) {
      const seconds = Math.round((nowMs - sinceMs) / 1000);
      waits.push(`${this.#nameOf(party)} has not answered for ${seconds} s (${why})`);
    }
    if (this.#busy !== null) waits.push(this.#busy);
    const { stage } = this.#progress;
    if (stage === 'paused') waits.push('an operator, who paused it');
    if (stage === 'cleaning up') waits.push(`${this.#nameOf('source')} deletes its rows of the range`);
    if (delayMs > 0) waits.push(`writers outrun the copy: each answer to them is held back ${delayMs} ms`);
    if (this.#facts.isTooLate) waits.push('too late to abort: the target has taken over');
    return waits.join('; ');
  }

  #nameOf(party: Party): string {
    if (party === 'keeper' || !this.#facts.hasRecord) return 'the keeper';
    return `${party} ${party === 'source' ? this.#facts.record.source : this.#facts.record.target}`;
  }
}

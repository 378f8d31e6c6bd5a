/** What people are told: counters, the pause, and what a migration waits for. Nothing is decided by it. */
import { NO_PROGRESS, type Progress, type SealAge } from '../../src/protocol/admin/admin.ts';
import type { Party } from './calls.ts';
import type { Facts } from './facts.ts';
import type { Move } from './next-move.ts';

/** Why a cluster does not answer: known since `sinceMs`, of what it was asked at `askedAtMs`. */
export type Silence = { readonly why: string; readonly sinceMs: number; readonly askedAtMs: number };

/** A request that has not been answered for so long is told of (ms). */
export const UNANSWERED_MS = 1000;

const PARTIES = ['keeper', 'source', 'target'] as const;

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
  /** When the pause began and ended, as far as is known. */
  #sealedSinceMs: number | null = null;
  #servedSinceMs: number | null = null;
  /** Whether somebody saw the seal begin, rather than finding it. */
  #isPauseExact = true;
  #pauseBeforeMs = 0;
  #busy: { readonly what: string; readonly sinceMs: number } | null = null;
  #stageSinceMs = 0;
  #counts = false;
  #asked: ReadonlyMap<Party, number> = new Map();
  readonly #silent = new Map<Party, Silence>();

  constructor(facts: Facts, startedAtMs: number) {
    this.#facts = facts;
    this.#progress = { ...NO_PROGRESS, startedAtMs };
  }

  get stage(): string {
    return this.#progress.stage;
  }

  enter(move: Move, nowMs: number): void {
    const stage = STAGES[move.kind];
    if (stage === null) return;
    const counts = move.kind === 'base';
    if (stage !== this.stage || counts !== this.#counts) this.#stageSinceMs = nowMs;
    this.#counts = counts;
    this.#progress = { ...this.#progress, stage };
  }

  /** Goes on counting where a predecessor stopped; a pause that it left behind went on for `unseenMs` at least. */
  takeOver(progress: Progress, unseenMs: number): void {
    const startedAtMs = progress.startedAtMs || this.#progress.startedAtMs;
    this.#progress = { ...progress, startedAtMs };
    this.#pauseBeforeMs = progress.pauseMs + (progress.stage === STAGES.lastRows ? unseenMs : 0);
    if (progress.pauseAtLeast) this.#isPauseExact = false;
  }

  // ── The pause ────────────────────────────────────────────────────────────────────────────────────────────

  get isSealed(): boolean {
    return this.#sealedSinceMs !== null && this.#servedSinceMs === null;
  }

  /** Nobody serves from here on, perhaps: counts from when the seal was asked for. */
  sealBegins(nowMs: number): void {
    this.#sealedSinceMs ??= nowMs - this.#pauseBeforeMs;
  }

  /** The range was found sealed, by a predecessor: the pause is longer than can be seen from here. */
  sealFound(nowMs: number): void {
    if (this.#sealedSinceMs !== null) return;
    this.sealBegins(nowMs);
    this.#isPauseExact = false;
  }

  /** The source says how old the seal is, whoever asked for it. */
  sealAged(age: SealAge, nowMs: number): void {
    this.#sealedSinceMs = Math.min(this.#sealedSinceMs ?? nowMs, nowMs - age.ms);
    if (age.isExact) this.#isPauseExact = true;
  }

  /** The seal was refused: no pause. */
  sealFailed(): void {
    this.#sealedSinceMs = null;
  }

  /** Somebody serves again: the target, or after an abort the source. */
  sealEnds(closed: 'activated' | 'unsealed', nowMs: number): void {
    this.#servedSinceMs ??= nowMs;
    // A target that is found to serve has done so for some time; its predecessor may have told how long the pause was.
    const isFound = this.#sealedSinceMs === null && closed === 'activated';
    if (isFound && this.#progress.pauseMs === 0) this.#isPauseExact = false;
  }

  #pauseMs(nowMs: number): number {
    if (this.#sealedSinceMs === null) return this.#progress.pauseMs;
    return Math.round((this.#servedSinceMs ?? nowMs) - this.#sealedSinceMs);
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

  /** A request was not answered. Silence begins with the first such request. */
  silent(party: Party, why: string, { sinceMs, askedAtMs }: Omit<Silence, 'why'>): void {
    const before = this.#silent.get(party);
    this.#silent.set(party, { ...(before ?? { sinceMs, askedAtMs }), why });
  }

  heard(party: Party): void {
    this.#silent.delete(party);
  }

  /** Clusters that have not answered since some request of theirs failed. */
  get silences(): ReadonlyMap<Party, Silence> {
    return this.#silent;
  }

  /** By party, when the oldest request that is under way was sent. */
  asked(atMs: ReadonlyMap<Party, number>): void {
    this.#asked = atMs;
  }

  /** Who is busy, and with what. */
  busy(what: string, nowMs: number): void {
    this.#busy = { what, sinceMs: this.#busy?.what === what ? this.#busy.sinceMs : nowMs };
  }

  notBusy(): void {
    this.#busy = null;
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
      pauseAtLeast: this.isSealed || !this.#isPauseExact,
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
    const { pauseMs, pauseAtLeast } = this.#progress;
    this.#progress = { ...progress, pauseMs, pauseAtLeast };
    return progress;
  }

  /** Whom it waits for, and since when: what follows "waiting for". */
  #waitingFor(nowMs: number, delayMs: number): string {
    const waits = [...this.#unheard(nowMs)];
    const since = (ms: number): string => `for ${Math.round((nowMs - ms) / 1000)} s`;
    if (this.#busy !== null) waits.push(`${this.#busy.what}, ${since(this.#busy.sinceMs)}`);
    const forStage = since(this.#stageSinceMs);
    if (this.stage === 'paused') waits.push(`an operator, who paused it, ${forStage}`);
    if (this.stage === 'cleaning up') {
      waits.push(`${this.#nameOf('source')}, which deletes its rows of the range, ${forStage}`);
    }
    if (this.#counts)
      waits.push(`${this.#nameOf('source')}, which counts its rows of the range, ${forStage}`);
    if (delayMs > 0)
      waits.push(`writers, who outrun the copy: each answer to them is held back ${delayMs} ms`);
    if (this.#facts.isTooLate) waits.push('its end: too late to abort, the target has taken over');
    return waits.join('; ');
  }

  *#unheard(nowMs: number): Iterable<string> {
    for (const party of PARTIES) {
      const silence = this.#silent.get(party);
      const askedAtMs = silence?.askedAtMs ?? this.#asked.get(party) ?? nowMs;
      if (silence === undefined && nowMs - askedAtMs < UNANSWERED_MS) continue;
      const seconds = Math.round((nowMs - askedAtMs) / 1000);
      const why = silence === undefined || silence.why === '' ? '' : ` (${silence.why})`;
      yield `${this.#nameOf(party)}, which has not answered for ${seconds} s${why}`;
    }
  }

  #nameOf(party: Party): string {
    if (party === 'keeper' || !this.#facts.hasRecord) return 'the keeper';
    return `${party} ${party === 'source' ? this.#facts.record.source : this.#facts.record.target}`;
  }
}

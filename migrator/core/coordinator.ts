/**
 * Drives one migration: asks, remembers the answers, and does what nextMove decides from them. Pure: what is to
 * be sent, and when to be woken, comes back as effects (docs/architecture.md, "Moving a range").
 *
 * It may be stopped anywhere; the next one claims a token and asks again.
 */
import { unreachable } from '../../src/base/assert.ts';
import {
  type AdminAnswer,
  type AdminQuery,
  type Migration,
  PAGE_COPY,
  PAGE_DIRTY,
  type RangeStatus,
} from '../../src/protocol/admin/admin.ts';
import { beatMs, claimAfterMs } from './beat.ts';
import {
  type Call,
  Calls,
  type Effect,
  type Event,
  type FailureCode,
  type Party,
  type Purpose,
} from './calls.ts';
import { type Claim, commandFor, headerFor } from './commands.ts';
import { Facts } from './facts.ts';
import { type Closed, type Move, nextMove, type SealLimits } from './next-move.ts';
import { Pipe, type PipeKind, sizeOf } from './pipe.ts';
import { Report, UNANSWERED_MS } from './report.ts';
import { resultOf } from './result.ts';
import { SETTINGS, type Settings } from './settings.ts';

/** A token and heartbeat that stood at the keeper at `atMs`. */
export type Seen = { readonly token: number; readonly heartbeat: number; readonly atMs: number };

export type CoordinatorOptions = {
  readonly mid: number;
  readonly settings?: Partial<Settings>;
  /** Wall clock, for people: when the migration began, unless the keeper's record knows. */
  readonly startedAtMs: number;
  /** Claims a migration that nobody has claimed yet without watching it first: right for whoever planned it. */
  readonly claimAtOnce: boolean;
  /** What the caller saw of it earlier: saves the time to watch the heartbeat. */
  readonly seen?: Seen | null;
};

/** A command that was answered "busy" so many times in a row, and when to ask whether it would be again; `isFree`: it would not. */
type Blocked = {
  readonly move: 'beginImport' | 'beginExport';
  readonly times: number;
  readonly isFree: boolean;
  readonly askAtMs: number;
};

/** Begins over at most this often without a page getting through: more means that an answer makes no sense. */
const RESTARTS_MAX = 10;
/** The keeper may refuse what its record does not allow, and is asked for the record then: at most this often. */
const REFUSALS_MAX = 10;
/** A source that is silent for this long does not hold up the publishing (ms). */
const SILENT_MS = 1000;

/** One migration's coordinator. `step` is its only way in, and what it returns its only way out. */
export class Coordinator {
  readonly mid: number;
  readonly #settings: Settings;
  readonly #claimAtOnce: boolean;
  readonly #calls = new Calls();
  readonly #facts = new Facts();
  readonly #report: Report;
  #effects: Effect[] = [];
  #nowMs = 0;

  #mode: 'look' | 'claim' | 'work' | 'ended' = 'look';
  #seen: Seen | null;
  #lookAtMs = Number.NEGATIVE_INFINITY;
  #claim: Claim = { token: 0, floor: 0 };
  #restarts = 0;
  #refusals = 0;

  #pipe: Pipe | null = null;
  #readAtMs = 0;
  #notedMs = Number.NEGATIVE_INFINITY;
  #nextAskMs = 0;
  #blocked: Blocked | null = null;
  #nextPollMs = 0;
  #nextSlowMs = 0;
  /** By how much the source holds back each answer to a writer of the range; 0 for not at all. */
  #delayMs = 0;
  #stuckRounds = 0;

  constructor(options: CoordinatorOptions) {
    this.mid = options.mid;
    this.#settings = { ...SETTINGS, ...options.settings };
    this.#claimAtOnce = options.claimAtOnce;
    this.#seen = options.seen ?? null;
    this.#report = new Report(this.#facts, options.startedAtMs);
  }

  /** What it is doing, for people and tests. */
  get stage(): string {
    return this.#report.stage;
  }

  get hasEnded(): boolean {
    return this.#mode === 'ended';
  }

  /** Takes one event; returns what must be done about it, in order. Deterministic. */
  step(event: Event): Effect[] {
    this.#effects = [];
    this.#nowMs = event.nowMs;
    if (this.hasEnded) return [];
    switch (event.kind) {
      case 'answer':
        this.#answered(event.call, event.answer);
        break;
      case 'unanswered':
        this.#unanswered(event.call, event.why);
        break;
      case 'start':
      case 'tick':
        break;
      default:
        unreachable(event);
    }
    this.#advance();
    return this.#effects;
  }

  #advance(): void {
    this.#giveUpWhereSilent();
    if (this.hasEnded) return;
    this.#calls.repeat(this.#nowMs, this.#effects);
    if (this.#mode === 'look' && this.#nowMs >= this.#lookAtMs) this.#askKeeper('look');
    if (this.#mode === 'work') this.#work();
    if (this.hasEnded) return;
    this.#tell();
    this.#wake();
  }

  #work(): void {
    this.#carryOut(this.#nextMove());
    if (this.hasEnded) return;
    this.#beat();
    if (this.#delayMs > 0 && !this.#report.isSealed && this.#nowMs >= this.#nextSlowMs) {
      this.#nextSlowMs = this.#nowMs + this.#settings.heartbeatMs;
      this.#query('slowDown', 'source', { kind: 'slowDown', mid: this.mid, delayMs: this.#delayMs });
    }
  }

  /** Before the keeper's record is ours it can only be told that there is somebody to wait for. */
  #tell(): void {
    this.#report.asked(this.#calls.askedAtMs);
    const progress = this.#report.due(this.#nowMs, this.#delayMs);
    if (progress === null) return;
    if (this.#mode === 'work') this.#effects.push({ kind: 'progress', progress });
    else if (progress.waitingFor !== '') {
      this.#effects.push({ kind: 'progress', progress: { ...progress, stage: 'asking the keeper' } });
    }
  }

  #nextMove(): Move {
    const silence = this.#report.silences.get('source');
    const sourceSilent = silence !== undefined && this.#nowMs - silence.sinceMs >= SILENT_MS;
    const isMidRound = this.#pipe?.kind === 'round';
    return nextMove(this.#facts.observed(this.#limits, { sourceSilent, isMidRound }));
  }

  get #limits(): SealLimits {
    const { sealRowsMax: rowsMax, sealBytesMax: bytesMax, sealRowsWanted: rowsWanted } = this.#settings;
    return { rowsMax, bytesMax, rowsWanted };
  }

  // ── Moves ────────────────────────────────────────────────────────────────────────────────────────────────

  #carryOut(move: Move): void {
    this.#report.enter(move, this.#nowMs);
    switch (move.kind) {
      case 'copy':
        this.#scanBase();
        this.#pump('copy');
        break;
      case 'base':
        this.#scanBase();
        break;
      case 'round':
      case 'lastRows':
        this.#pump(move.kind);
        break;
      case 'check':
        if (!this.#facts.targetChecked) this.#askRange('checkTarget', 'target');
        if (!this.#facts.sealNoted) this.#note('noteSeal');
        break;
      case 'pause': // a seal that was thought lost may still come
      case 'awaitCleanup':
        this.#poll();
        break;
      case 'askKeeper':
        this.#askKeeper('askKeeper');
        break;
      case 'askSource':
        this.#askRange('askSource', 'source');
        break;
      case 'end':
        this.#finish();
        break;
      case 'alarm':
        this.#fail('DAMAGED', `migration ${this.mid} stops and repairs nothing: ${move.why}`);
        break;
      default:
        this.#command(move.kind);
    }
  }

  /** Tells the keeper that there is somebody at work; where that is rare, asks it, since an operator may wish something else. */
  #beat(): void {
    if (this.#nowMs >= this.#nextNoteMs) {
      this.#note('note');
    } else if (this.#nowMs >= this.#nextAskMs && !this.#calls.has('note')) {
      this.#nextAskMs = this.#nowMs + this.#settings.heartbeatMs;
      this.#askKeeper('askKeeper');
    }
  }

  /** When the next note is due. */
  get #nextNoteMs(): number {
    const { progress: noted } = this.#facts.record;
    return this.#notedMs + beatMs(this.#settings, noted, this.#report.present(this.#nowMs, this.#delayMs));
  }

  /** A move that is one command. Where it ends the pages, what is left of them is forgotten. */
  #command(move: Exclude<Purpose, 'look'> & Move['kind']): void {
    if (this.#blocked?.move !== move) this.#blocked = null;
    else if (!this.#blocked.isFree) {
      this.#askWhether(this.#blocked);
      return;
    }
    if (move === 'seal') this.#report.sealBegins(this.#nowMs);
    if (move === 'abandon') this.#facts.mustAbort(this.#facts.whyAborted);
    if (ENDS_PAGES.has(move)) {
      this.#pipe = null;
      this.#delayMs = 0;
      this.#calls.drop(({ purpose }) => OF_PAGES.has(purpose));
    }
    const { pauseMs, pauseAtLeast } = this.#report.present(this.#nowMs, this.#delayMs);
    const extra = { limits: this.#limits, pauseMs, pauseAtLeast };
    const wanted = commandFor(move, this.#facts, this.#claim, extra);
    if (wanted !== null) this.#send(move, wanted.to, { kind: 'command', command: wanted.command });
  }

  /** A command that was answered "busy" is not repeated before a question, which costs no slot, says that it may be. */
  #askWhether({ move, askAtMs }: Blocked): void {
    if (this.#nowMs < askAtMs) return;
    const { lo, hi } = this.#facts.record;
    const to = move === 'beginExport' ? 'source' : 'target';
    this.#query('mayBegin', to, { kind: 'mayBegin', mid: this.mid, lo, hi, as: to });
  }

  /** `call` was answered "busy", for what it says. */
  #isBlocked(call: Call): boolean {
    const { purpose } = call;
    const { pollMs, retryMaxMs } = this.#settings;
    if (purpose === 'mayBegin') {
      if (this.#blocked !== null) this.#blocked = { ...this.#blocked, askAtMs: this.#nowMs + pollMs };
    } else if (purpose === 'beginImport' || purpose === 'beginExport') {
      // Where question and command differ, the commands become rare all the same.
      const times = this.#blocked?.move === purpose ? this.#blocked.times + 1 : 0;
      const askAtMs = this.#nowMs + Math.min(pollMs * 2 ** Math.min(times, 16), retryMaxMs);
      this.#blocked = { move: purpose, times, isFree: false, askAtMs };
    } else return false;
    this.#calls.end(call);
    return true;
  }

  #scanBase(): void {
    const exporting = this.#facts.source?.exporting ?? null;
    if (exporting === null || exporting.base !== null || this.#calls.has('setBase')) return;
    this.#query(
      'scanBase',
      'source',
      { kind: 'scanBase', mid: this.mid, minSlot: exporting.beginSlot },
      'any',
    );
  }

  /** Keeps reads, pages and trims of a pass under way; begins the pass where there is none. */
  #pump(kind: PipeKind): void {
    const pipe = this.#pipe?.kind === kind ? this.#pipe : this.#beginPass(kind);
    if (pipe === null) return;
    this.#sendPages(pipe);
    const { trim, readFrom } = pipe;
    if (trim !== null) {
      const command = { kind: 'trim' as const, ...headerFor('source', this.#facts, this.#claim), ...trim };
      this.#send('trim', 'source', { kind: 'command', command });
    }
    if (readFrom !== null && this.#nowMs >= this.#readAtMs) this.#read(pipe, readFrom);
    if (!pipe.isDone) return;
    this.#pipe = null;
    if (kind === 'lastRows') this.#facts.lastRowsSent = true;
    else this.#facts.passDone();
    this.#carryOut(this.#nextMove());
  }

  /** Null while pages of another pass are under way: a number stands for one page only. */
  #beginPass(kind: PipeKind): Pipe | null {
    const importing = this.#facts.target?.importing;
    const exporting = this.#facts.source?.exporting;
    if (!importing || !exporting || this.#pipe?.isSending) return null;
    if (kind === 'round') this.#countRound(exporting.dirtyRows);
    const { lo, hi } = this.#facts.record;
    const from = kind === 'copy' ? (importing.cursor ?? lo) : lo;
    const minSlot = Math.max(importing.asOf, exporting.sealed?.sealSlot ?? exporting.beginSlot);
    this.#calls.drop(({ purpose }) => purpose === 'read' || purpose === 'trim');
    this.#pipe = new Pipe(kind, from, hi, importing.seq, minSlot);
    return this.#pipe;
  }

  /** Where rounds do not shrink, the source slows its writers, more and more. */
  #countRound(dirtyRows: number): void {
    const { stuckRounds, slowDownMinMs, slowDownMaxMs } = this.#settings;
    this.#report.roundBegins();
    this.#stuckRounds = this.#facts.roundBegins(dirtyRows) ? 0 : this.#stuckRounds + 1;
    if (this.#stuckRounds < stuckRounds) return;
    this.#stuckRounds = 0;
    this.#delayMs = Math.min(Math.max(slowDownMinMs, this.#delayMs * 2), slowDownMaxMs);
    this.#nextSlowMs = this.#nowMs;
  }

  #read(pipe: Pipe, from: string): void {
    const { mid } = this;
    const { lo, hi } = this.#facts.record;
    const { pageBytes: bytesMax, dirtyRowsMax: rowsMax } = this.#settings;
    const { minSlot } = pipe;
    const query: AdminQuery = pipe.isCopy
      ? { kind: 'readPage', mid, lo, hi, from, bytesMax, minSlot }
      : { kind: 'readDirty', mid, from, rowsMax, bytesMax, minSlot };
    // The one node that has certainly applied the seal is the master; there is no time to try others.
    this.#query('read', 'source', query, pipe.kind === 'lastRows' ? 'master' : 'any');
  }

  #sendPages(pipe: Pipe): void {
    for (;;) {
      const page = pipe.send(this.#settings.pagesInFlightMax);
      if (page === null) return;
      const header = headerFor('target', this.#facts, this.#claim);
      const kind = pipe.isCopy ? PAGE_COPY : PAGE_DIRTY;
      const command = { kind: 'page' as const, ...header, page: kind, ...page };
      this.#begin('page', 'target', { kind: 'command', command }, page.seq);
    }
  }

  #poll(): void {
    if (this.#nowMs < this.#nextPollMs || this.#calls.has('askSource')) return;
    this.#nextPollMs = this.#nowMs + this.#settings.pollMs;
    this.#askRange('askSource', 'source');
  }

  // ── Answers ──────────────────────────────────────────────────────────────────────────────────────────────

  #unanswered(attempt: number, why: string): void {
    const call = this.#calls.ofAttempt(attempt);
    if (call === null) return;
    this.#report.silent(call.to, why, { sinceMs: this.#nowMs, askedAtMs: call.sentAtMs });
    if (call.purpose === 'note' || call.purpose === 'slowDown') {
      this.#calls.end(call); // the next one is due soon, and says more
      return;
    }
    const { retryMinMs, retryMaxMs } = this.#settings;
    this.#calls.again(
      call,
      this.#nowMs + Math.min(retryMinMs * 2 ** Math.min(call.failures, 16), retryMaxMs),
    );
  }

  #answered(attempt: number, answer: AdminAnswer): void {
    const call = this.#calls.ofAttempt(attempt);
    if (call === null) return;
    this.#report.heard(call.to);
    if (answer.kind === 'busy') {
      this.#report.busy(`${call.to} ${call.cluster}, which is busy: ${answer.why}`, this.#nowMs);
      if (!this.#isBlocked(call)) this.#calls.again(call, this.#nowMs + this.#settings.pollMs);
      return;
    }
    if (call.failures > 0 || call.purpose === this.#blocked?.move) this.#report.notBusy();
    if (answer.kind === 'gap' && call.purpose === 'page' && this.#pipe?.isOldest(call.mark) === false) {
      this.#calls.again(call, this.#nowMs + this.#settings.retryMinMs); // an older page comes first
      return;
    }
    this.#calls.end(call);
    if (answer.kind === 'fenced') this.#fenced(call, answer.token);
    else if (answer.kind === 'closed' && call.to !== 'keeper') {
      this.#closed(call.to, answer.outcome ?? 'forgotten');
    } else if (!this.#isHandled(call, answer)) this.#unexpected(call, answer);
  }

  /** Takes the answer that the call hopes for. False where it is another. */
  #isHandled(call: Call, answer: AdminAnswer): boolean {
    switch (call.purpose) {
      case 'look':
        return answer.kind === 'migrations' && this.#looked(answer.migrations[0]);
      case 'claim':
        return answer.kind === 'claimed' && this.#claimed(answer);
      case 'askKeeper':
        return answer.kind === 'migrations' && this.#keeperAnswered(answer.migrations[0], call.mark);
      case 'note':
      case 'noteSeal':
        return answer.kind === 'claimed' && this.#noted(call, answer);
      case 'slowDown':
        return true;
      case 'mayBegin':
        return answer.kind === 'ok' && this.#mayBegin();
      case 'askSource':
        return answer.kind === 'rangeStatus' && this.#sourceAnswered(answer);
      case 'checkTarget':
        return answer.kind === 'rangeStatus' && this.#targetAnswered(answer);
      case 'beginImport':
        if (answer.kind !== 'importing') return false;
        this.#facts.importing(answer);
        this.#report.staged(answer.running.count, answer.running.bytes);
        return true;
      case 'beginExport':
        if (answer.kind !== 'exporting') return false;
        this.#facts.exporting(answer);
        if (answer.sealed !== null) this.#findSeal();
        return true;
      case 'askSealAge':
        if (answer.kind !== 'rangeStatus') return false;
        if (answer.sealAge !== null) this.#report.sealAged(answer.sealAge, this.#nowMs);
        return true;
      case 'read':
        return answer.kind === 'rows' && this.#isRead(answer);
      case 'page':
        return (answer.kind === 'ok' || answer.kind === 'importing') && this.#pageTaken(call.mark);
      case 'trim':
        if (answer.kind === 'ok') this.#pipe?.trimmed();
        return answer.kind === 'ok';
      case 'scanBase': {
        if (answer.kind !== 'base') return false;
        const header = headerFor('source', this.#facts, this.#claim);
        const command = { kind: 'setBase' as const, ...header, base: answer.base };
        this.#send('setBase', 'source', { kind: 'command', command });
        return true;
      }
      case 'setBase':
      case 'publish':
      case 'recordAbort':
      case 'finish':
        return answer.kind === 'ok' && this.#isDone(call);
      case 'seal':
        return this.#sealAnswered(answer);
      case 'activate':
      case 'abandon':
      case 'unseal':
      case 'release':
        return false; // these answer `closed`
      default:
        return unreachable(call.purpose);
    }
  }

  #unexpected(call: Call, answer: AdminAnswer): void {
    const why = 'why' in answer ? `${answer.kind}: ${answer.why}` : answer.kind;
    const text = `${call.purpose} at ${call.to}${call.cluster === '' ? '' : ` ${call.cluster}`}: ${why}`;
    if (answer.kind === 'mismatch') {
      this.#facts.mustAbort(
        'ALARM: the digest of the rows at the target differs from that of the source at the seal; the source keeps the range, nothing is lost',
      );
    } else if (call.to !== 'keeper') {
      if (answer.kind === 'refused') this.#facts.mustAbort(text);
      else this.#restart(text);
    } else if (call.purpose === 'look' || this.#refusals >= REFUSALS_MAX) this.#fail('REFUSED', text);
    else {
      this.#refusals += 1;
      if (call.purpose === 'claim') this.#lookAgain();
      else this.#askAgain(call);
    }
  }

  /** The keeper's record is not what was believed: what it says decides whether the same is asked once more. */
  #askAgain(call: Call): void {
    this.#askKeeper('askKeeper');
    if (!READS_RECORD.has(call.purpose)) this.#calls.again(call, this.#nowMs + this.#settings.pollMs);
  }

  #fenced(call: Call, token: number): void {
    if (call.purpose === 'claim')
      this.#lookAgain(); // perhaps by an earlier attempt of our own
    else this.#failFenced('has taken over', token);
  }

  #closed(party: 'source' | 'target', closed: Closed): void {
    this.#facts.closed(party, closed);
    if (closed === 'activated' || closed === 'unsealed') this.#report.sealEnds(closed, this.#nowMs);
    const sealed = this.#facts.source?.exporting?.sealed;
    // What changed on the way is there too: the digests were equal.
    if (closed === 'activated' && sealed) this.#report.staged(sealed.digest.count, sealed.digest.bytes);
  }

  // ── Keeper ───────────────────────────────────────────────────────────────────────────────────────────────

  #looked(record: Migration | undefined): boolean {
    if (record === undefined) {
      this.#fail('REFUSED', `the keeper knows no migration ${this.mid}`);
      return true;
    }
    this.#facts.recordRead(record, -1);
    const { token, heartbeat, phase } = record;
    const seen = this.#seen;
    const waitMs = claimAfterMs(this.#settings, record.progress);
    if (phase === 'done' || phase === 'aborted') this.#finish();
    else if (token === 0 && this.#claimAtOnce) this.#claimToken(token);
    else if (seen === null) {
      this.#seen = { token, heartbeat, atMs: this.#nowMs };
      this.#lookAtMs = this.#nowMs + waitMs;
    } else if (seen.token !== token || seen.heartbeat !== heartbeat) this.#failFenced('is working on', token);
    else if (this.#nowMs - seen.atMs >= waitMs) this.#claimToken(token);
    else this.#lookAtMs = seen.atMs + waitMs;
    return true;
  }

  #lookAgain(): void {
    this.#mode = 'look';
    this.#seen = null;
    this.#lookAtMs = this.#nowMs;
  }

  #claimToken(tokenSeen: number): void {
    this.#mode = 'claim';
    this.#send('claim', 'keeper', { kind: 'command', command: { kind: 'claim', mid: this.mid, tokenSeen } });
  }

  #claimed({ token, floor, record }: Extract<AdminAnswer, { kind: 'claimed' }>): boolean {
    const isFirst = this.#claim.token === 0;
    this.#mode = 'work';
    this.#claim = { token, floor };
    this.#facts.recordRead(record, -1);
    if (isFirst) this.#report.takeOver(record.progress, token > 1 ? this.#settings.claimAfterMs : 0);
    return true;
  }

  /** A heartbeat brings back what the operator wishes by now, and how far the floor has risen. */
  #noted(call: Call, { floor, record }: Extract<AdminAnswer, { kind: 'claimed' }>): boolean {
    this.#claim = { ...this.#claim, floor };
    if (call.purpose === 'noteSeal') this.#facts.sealWasNoted();
    this.#facts.recordRead(record, call.mark);
    return true;
  }

  #keeperAnswered(record: Migration | undefined, outcomesThen: number): boolean {
    if (record === undefined) this.#fail('REFUSED', `the keeper has forgotten migration ${this.mid}`);
    else if (record.token > this.#claim.token) this.#failFenced('has taken over', record.token);
    else this.#facts.recordRead(record, outcomesThen);
    return true;
  }

  /** A command without an answer of its own was carried out. */
  #isDone({ request }: Call): boolean {
    const sent = request.kind === 'command' ? request.command : null;
    const command = sent?.kind === 'under' ? sent.command : sent;
    if (command?.kind === 'setBase') this.#facts.baseSet(command.base);
    if (command?.kind === 'publish') this.#facts.recorded({ phase: 'published', receipt: command.receipt });
    if (command?.kind === 'recordAbort') this.#facts.recorded({ phase: 'aborted', why: command.why });
    if (command?.kind === 'finish') this.#facts.recorded({ phase: 'done' });
    // A question sent before is answered with what was true before.
    this.#calls.drop(({ purpose }) => READS_RECORD.has(purpose));
    return true;
  }

  // ── Target and source ────────────────────────────────────────────────────────────────────────────────────

  #sourceAnswered(status: RangeStatus): boolean {
    if (status.token > this.#claim.token) {
      this.#failFenced('has taken over', status.token);
      return true;
    }
    this.#facts.sourceStatus(status);
    if (status.closed === null && status.exporting?.sealed) {
      this.#report.sealFound(this.#nowMs);
      if (status.sealAge !== null) this.#report.sealAged(status.sealAge, this.#nowMs);
    }
    return true;
  }

  /** The range is sealed already. Nothing waits for the source to say since when. */
  #findSeal(): void {
    this.#report.sealFound(this.#nowMs);
    this.#askRange('askSealAge', 'source');
  }

  #targetAnswered(status: RangeStatus): boolean {
    if (status.token > this.#claim.token) this.#failFenced('has taken over', status.token);
    else if (status.closed !== null) this.#closed('target', status.closed);
    else if (status.importing?.seq !== this.#facts.target?.importing?.seq) return false;
    else this.#facts.targetWasChecked();
    return true;
  }

  #isRead({ rows, to, asOf }: Extract<AdminAnswer, { kind: 'rows' }>): boolean {
    const pipe = this.#pipe;
    if (pipe === null) return true;
    const { bytesPerSecondMax } = this.#settings;
    if (pipe.isCopy && bytesPerSecondMax !== null) {
      this.#readAtMs = this.#nowMs + (sizeOf(rows).bytes / bytesPerSecondMax) * 1000;
    }
    return pipe.read(rows, to, asOf);
  }

  #pageTaken(seq: number): boolean {
    const pipe = this.#pipe;
    if (pipe === null) return true;
    const pages = pipe.taken(seq);
    this.#facts.pagesTaken(pages, pipe.isCopy);
    this.#calls.drop(({ purpose, mark }) => purpose === 'page' && mark <= seq);
    this.#restarts = 0;
    if (!pipe.isCopy) return true;
    for (const page of pages) {
      const { keys, bytes } = sizeOf(page.rows);
      this.#report.copied(keys, bytes);
    }
    return true;
  }

  #mayBegin(): boolean {
    if (this.#blocked !== null) this.#blocked = { ...this.#blocked, isFree: true };
    return true;
  }

  #sealAnswered(answer: AdminAnswer): boolean {
    if (answer.kind === 'sealed') {
      this.#facts.sealed(answer);
      this.#delayMs = 0;
      return true;
    }
    this.#report.sealFailed();
    if (answer.kind === 'behind') this.#facts.behind(answer);
    return answer.kind === 'behind';
  }

  // ── Requests ─────────────────────────────────────────────────────────────────────────────────────────────

  /** The heartbeat; it carries the progress. */
  #note(purpose: 'note' | 'noteSeal'): void {
    if (purpose === 'note' && this.#calls.has('note')) return;
    this.#notedMs = this.#nowMs;
    this.#nextAskMs = this.#nowMs + this.#settings.heartbeatMs;
    const progress = this.#report.present(this.#nowMs, this.#delayMs);
    const command = { kind: 'note' as const, mid: this.mid, token: this.#claim.token, progress };
    this.#send(purpose, 'keeper', { kind: 'command', command }, this.#facts.outcomes);
  }

  #askKeeper(purpose: 'look' | 'askKeeper'): void {
    const query = { kind: 'getMigration' as const, mid: this.mid };
    this.#send(purpose, 'keeper', { kind: 'query', query, node: 'master' }, this.#facts.outcomes);
  }

  #askRange(purpose: 'askSource' | 'askSealAge' | 'checkTarget', to: 'source' | 'target'): void {
    const { mid, lo, hi } = this.#facts.record;
    this.#query(purpose, to, { kind: 'rangeStatus', mid, lo, hi });
  }

  #query(purpose: Purpose, to: Party, query: AdminQuery, node: 'master' | 'any' = 'master'): void {
    this.#send(purpose, to, { kind: 'query', query, node });
  }

  /** Sends, unless a call for the same purpose is under way. */
  #send(purpose: Purpose, to: Party, request: Call['request'], mark = 0): void {
    if (!this.#calls.has(purpose)) this.#begin(purpose, to, request, mark);
  }

  #begin(purpose: Purpose, to: Party, request: Call['request'], mark: number): void {
    const cluster = to === 'keeper' ? '' : this.#facts.record[to];
    const addressed = this.#addressed(to, request);
    this.#calls.begin({ purpose, to, cluster, request: addressed, mark }, this.#nowMs, this.#effects);
  }

  /** A command of the move is meant for one founding, and for a move with another one. */
  #addressed(to: Party, request: Call['request']): Call['request'] {
    if (to === 'keeper' || request.kind !== 'command' || request.command.kind === 'under') return request;
    const { foundings } = this.#facts.record;
    if (foundings === undefined) return request; // a keeper that knows none: its clusters do not either
    const { keeper, source, target } = foundings;
    const [founding, peer] = to === 'source' ? [source, target] : [target, source];
    const { command } = request;
    return { kind: 'command', command: { kind: 'under', keeper, founding, peer, command } };
  }

  // ── Beginning again, and ends ────────────────────────────────────────────────────────────────────────────

  /** Claims a new token, so that nothing sent so far has an effect any more, and asks everything anew. */
  #restart(why: string): void {
    this.#restarts += 1;
    if (this.#restarts > RESTARTS_MAX) {
      this.#fail('REFUSED', `migration ${this.mid} does not get on: ${why}`);
      return;
    }
    this.#calls.drop(() => true);
    this.#pipe = null;
    this.#blocked = null;
    this.#facts.forgetClusters();
    this.#claimToken(this.#claim.token);
  }

  #finish(): void {
    const { record } = this.#facts;
    const isOurs = this.#claim.token > 0;
    const held = isOurs ? this.#report.present(this.#nowMs, this.#delayMs) : record.progress;
    const progress = { ...held, stage: record.phase, waitingFor: '' };
    this.#mode = 'ended';
    this.#effects.push({ kind: 'progress', progress });
    this.#effects.push({ kind: 'finished', result: resultOf(record, progress) });
  }

  #failFenced(what: 'has taken over' | 'is working on', token: number): void {
    this.#fail('FENCED', `another migrator ${what} migration ${this.mid} (token ${token})`);
  }

  #fail(code: FailureCode, message: string): void {
    this.#mode = 'ended';
    this.#effects.push({ kind: 'failed', code, message });
  }

  /** Whoever gave up a sealed range would leave it without service: there it waits for ever. */
  #giveUpWhereSilent(): void {
    if (this.#report.isSealed || this.hasEnded) return;
    for (const [party, { why, sinceMs, askedAtMs }] of this.#report.silences) {
      const seconds = Math.round((this.#nowMs - askedAtMs) / 1000);
      if (this.#nowMs - sinceMs < this.#settings.giveUpMs) continue;
      const silent = `the ${party} has not answered for ${seconds} s (${why})`;
      this.#fail('UNREACHABLE', `migration ${this.mid} stopped: ${silent}; resume it when it does`);
      return;
    }
  }

  /** Asks to be woken for what is due next. What is under way wakes it by its answer. */
  #wake(): void {
    let atMs = this.#calls.dueMs;
    if (this.#mode === 'look' && !this.#calls.has('look')) atMs = Math.min(atMs, this.#lookAtMs);
    if (this.#mode === 'work') {
      if (!this.#calls.has('note')) atMs = Math.min(atMs, this.#nextNoteMs, this.#nextAskMs);
      for (const due of [this.#nextPollMs, this.#readAtMs, this.#blocked?.askAtMs ?? 0])
        if (due > this.#nowMs) atMs = Math.min(atMs, due);
    }
    // Nobody may answer: for whom it waits, and since when, is said all the same.
    if (this.#calls.askedAtMs.size > 0) atMs = Math.min(atMs, this.#nowMs + UNANSWERED_MS);
    if (atMs !== Number.POSITIVE_INFINITY) this.#effects.push({ kind: 'wake', atMs });
  }
}

/** Moves after which no page, seal or trim of this coordinator is wanted: an abort, or the point of no return. */
const ENDS_PAGES: ReadonlySet<Move['kind']> = new Set(['abandon', 'unseal', 'publish', 'release']);
const READS_RECORD: ReadonlySet<Purpose> = new Set(['note', 'noteSeal', 'askKeeper']);
const OF_PAGES: ReadonlySet<Purpose> = new Set([
  'read',
  'page',
  'trim',
  'scanBase',
  'setBase',
  'seal',
  'activate',
]);

/** What a coordinator does about each move. */
import { present } from '../../src/base/assert.ts';
import { type AdminQuery, PAGE_COPY, PAGE_DIRTY, type Receipt } from '../../src/protocol/admin/admin.ts';
import type { Span } from '../../src/protocol/admin/migration.ts';
import { dropCalls, type Effect, hasCall, type Purpose } from './calls.ts';
import { commandFor, headerFor } from './commands.ts';
import { fail, finish } from './ends.ts';
import { decideAbort, endPass, observed, recordOf, whyAborted } from './facts.ts';
import { type Move, nextMove } from './next-move.ts';
import {
  createPipe,
  isCopy,
  isDone,
  isSending,
  nextTrim,
  type Pipe,
  type PipeKind,
  readFrom,
  sendPage,
} from './pipe.ts';
import { beginSeal, countRound, enter } from './report.ts';
import { askKeeper, askRange, begin, progressNow, send, sendNote, sendQuery } from './requests.ts';
import { type Blocked, type Coordination, limitsOf } from './state.ts';
import { pageBytesAt, rateOf, readAtMs } from './throttle.ts';

/** A source that is silent for this long does not hold up the publishing, nor a target the end of an abort (ms). */
const SILENT_MS = 1000;

/** Moves after which no page, seal or trim of this coordinator is wanted: an abort, or the point of no return. */
const ENDS_PAGES: ReadonlySet<Move['kind']> = new Set([
  'cancel',
  'abandon',
  'unseal',
  'takeBack',
  'publish',
  'release',
]);
const OF_PAGES: ReadonlySet<Purpose> = new Set([
  'read',
  'page',
  'trim',
  'scanBase',
  'setBase',
  'seal',
  'activate',
]);

/** Decides what to do next from what is known now, and does it. */
export function moveOn(state: Coordination, out: Effect[]): void {
  const now = {
    isMidRound: state.pipe?.kind === 'round',
    sourceSilent: isSilent(state),
    targetSilent: isTargetSilent(state),
  };
  carryOut(state, out, nextMove(observed(state.facts, limitsOf(state), now)));
}

function isSilent({ report, nowMs }: Coordination): boolean {
  const silence = report.silences.get('source');
  return silence !== undefined && nowMs - silence.sinceMs >= SILENT_MS;
}

/** Counted from when it was asked first: nothing rests on its answer, and "busy" is none. */
function isTargetSilent({ report, tellingSinceMs, nowMs }: Coordination): boolean {
  const askedAtMs = report.silences.get('target')?.askedAtMs ?? nowMs;
  return nowMs - Math.min(askedAtMs, tellingSinceMs ?? nowMs) >= SILENT_MS;
}

function carryOut(state: Coordination, out: Effect[], move: Move): void {
  enter(state.report, move, state.nowMs);
  switch (move.kind) {
    case 'copy':
    case 'base':
      scanBase(state, out);
      if (move.kind === 'copy') pump(state, out, move.kind);
      break;
    case 'round':
    case 'lastRows':
      pump(state, out, move.kind);
      break;
    case 'check':
      if (!state.facts.targetChecked) askRange(state, out, 'checkTarget', 'target');
      if (!state.facts.sealNoted) sendNote(state, out, 'noteSeal');
      break;
    case 'pause': // a seal that was thought lost may still come
    case 'awaitCleanup':
      poll(state, out);
      break;
    case 'askKeeper':
      askKeeper(state, out, 'askKeeper');
      break;
    case 'askSource':
      askRange(state, out, 'askSource', 'source');
      break;
    case 'end':
      finish(state, out);
      break;
    case 'alarm':
      fail(state, out, 'DAMAGED', `migration ${state.mid} stops and repairs nothing: ${move.why}`);
      break;
    default:
      sendCommand(state, out, move.kind);
  }
}

/** A move that is one command. Where it ends the pages, what is left of them is forgotten. */
function sendCommand(
  state: Coordination,
  out: Effect[],
  move: Exclude<Purpose, 'look'> & Move['kind'],
): void {
  const { facts } = state;
  if (state.blocked?.move !== move) state.blocked = null;
  else if (!state.blocked.isFree) {
    askWhether(state, out, state.blocked);
    return;
  }
  if (move === 'beginImport' && !findsRoom(state, out)) return;
  if (move === 'seal') beginSeal(state.report, state.nowMs);
  if (move === 'abandon' || move === 'cancel') decideAbort(facts, whyAborted(facts));
  if (move === 'abandon' && facts.source?.closed === 'unsealed') state.tellingSinceMs ??= state.nowMs;
  if (ENDS_PAGES.has(move)) {
    state.pipe = null;
    state.delayMs = 0;
    dropCalls(state.calls, ({ purpose }) => OF_PAGES.has(purpose));
  }
  const extra = { limits: limitsOf(state), ...endNow(state) };
  const wanted = commandFor(move, facts, state.claim, extra);
  if (wanted !== null) send(state, out, move, wanted.to, { kind: 'command', command: wanted.command });
}

/** Whether the target is known to have room; else that is asked. What is there already has found some. */
function findsRoom(state: Coordination, out: Effect[]): boolean {
  const { report, room, facts } = state;
  if (report.progress.keysCopied > 0 || room === 'there') return true;
  if (room === 'unasked') out.push({ kind: 'findRoom', migration: recordOf(facts) });
  state.room = 'asked';
  return false;
}

/** What is said of time, if it ends now: the whole by the wall clock, which may have jumped since another one began. */
function endNow(state: Coordination): Pick<Receipt, 'pauseMs' | 'pauseAtLeast'> & { readonly span: Span } {
  const { pauseMs, pauseAtLeast, startedAtMs } = progressNow(state);
  const { beganWallMs, beganMs, nowMs } = state;
  const wallMs = beganWallMs + nowMs - (beganMs ?? nowMs);
  const tookMs = Math.max(0, Math.round(wallMs - startedAtMs));
  return { pauseMs, pauseAtLeast, span: { startedAtMs: Math.round(startedAtMs), tookMs } };
}

/** A command that was answered "busy" is not repeated before a question, which costs no slot, says that it may be. */
function askWhether(state: Coordination, out: Effect[], { move, askAtMs }: Blocked): void {
  if (state.nowMs < askAtMs) return;
  const { lo, hi } = recordOf(state.facts);
  const to = move === 'beginImport' ? 'target' : 'source';
  const { functions } = state.claim;
  sendQuery(state, out, 'mayBegin', to, {
    kind: 'mayBegin',
    mid: state.mid,
    lo,
    hi,
    as: move === 'merge' ? 'owner' : to,
    ...(to === 'target' && functions !== undefined ? { functions } : {}),
  });
}

function scanBase(state: Coordination, out: Effect[]): void {
  const exporting = state.facts.source?.exporting ?? null;
  if (exporting === null || exporting.base !== null || hasCall(state.calls, 'setBase')) return;
  const query = { kind: 'scanBase' as const, mid: state.mid, minSlot: exporting.beginSlot };
  sendQuery(state, out, 'scanBase', 'source', query, 'any');
}

function poll(state: Coordination, out: Effect[]): void {
  if (state.nowMs < state.nextPollMs || hasCall(state.calls, 'askSource')) return;
  state.nextPollMs = state.nowMs + state.settings.pollMs;
  askRange(state, out, 'askSource', 'source');
}

// ── Passes ─────────────────────────────────────────────────────────────────────────────────────────────────

/** Keeps reads, pages and trims of a pass under way; begins the pass where there is none. */
function pump(state: Coordination, out: Effect[], kind: PipeKind): void {
  const pipe = state.pipe?.kind === kind ? state.pipe : beginPass(state, kind);
  if (pipe === null) return;
  sendPages(state, out, pipe);
  const trim = nextTrim(pipe);
  const from = readFrom(pipe);
  if (trim !== null) {
    const command = { kind: 'trim' as const, ...headerFor('source', state.facts, state.claim), ...trim };
    send(state, out, 'trim', 'source', { kind: 'command', command });
  }
  if (from !== null && mayRead(state, pipe)) readOn(state, out, pipe, from);
  if (!isDone(pipe)) return;
  state.pipe = null;
  if (kind === 'lastRows') state.facts.lastRowsSent = true;
  else endPass(state.facts);
  moveOn(state, out);
}

/** Null while pages of another pass are under way: a number stands for one page only. */
function beginPass(state: Coordination, kind: PipeKind): Pipe | null {
  if (state.pipe !== null && isSending(state.pipe)) return null;
  const importing = present(state.facts.target?.importing, 'the import');
  const exporting = present(state.facts.source?.exporting, 'the export');
  if (kind === 'round') beginRound(state, exporting.dirtyRows);
  const { lo, hi } = recordOf(state.facts);
  const from = kind === 'copy' ? (importing.cursor ?? lo) : lo;
  const minSlot = Math.max(importing.asOf, exporting.sealed?.sealSlot ?? exporting.beginSlot);
  dropCalls(state.calls, ({ purpose }) => purpose === 'read' || purpose === 'trim');
  state.pipe = createPipe(kind, from, hi, importing.seq, minSlot);
  return state.pipe;
}

/** A copy goes no faster than it may. */
function mayRead({ facts, settings, courtesy, bucket, nowMs }: Coordination, pipe: Pipe): boolean {
  return !isCopy(pipe) || readAtMs(bucket, rateOf(recordOf(facts), settings, courtesy)) <= nowMs;
}

/** Where rounds do not shrink, the source slows its writers, more and more. */
function beginRound(state: Coordination, dirtyRows: number): void {
  const { facts, settings } = state;
  countRound(state.report);
  state.stuckRounds = dirtyRows < facts.roundRows ? 0 : state.stuckRounds + 1;
  facts.roundRows = dirtyRows;
  if (state.stuckRounds < settings.stuckRounds) return;
  state.stuckRounds = 0;
  state.delayMs = Math.min(Math.max(settings.slowDownMinMs, state.delayMs * 2), settings.slowDownMaxMs);
  state.nextSlowMs = state.nowMs;
}

function readOn(state: Coordination, out: Effect[], pipe: Pipe, from: string): void {
  const { mid } = state;
  const { lo, hi } = recordOf(state.facts);
  const { pageBytes, dirtyRowsMax: rowsMax } = state.settings;
  const { minSlot } = pipe;
  const rate = rateOf(recordOf(state.facts), state.settings, state.courtesy);
  const query: AdminQuery = isCopy(pipe)
    ? { kind: 'readPage', mid, lo, hi, from, bytesMax: pageBytesAt(rate, state.settings), minSlot }
    : { kind: 'readDirty', mid, from, rowsMax, bytesMax: pageBytes, minSlot };
  // The one node that has certainly applied the seal is the master; there is no time to try others.
  sendQuery(state, out, 'read', 'source', query, pipe.kind === 'lastRows' ? 'master' : 'any');
}

function sendPages(state: Coordination, out: Effect[], pipe: Pipe): void {
  for (;;) {
    const page = sendPage(pipe, state.settings.pagesInFlightMax);
    if (page === null) return;
    const header = headerFor('target', state.facts, state.claim);
    const kind = isCopy(pipe) ? PAGE_COPY : PAGE_DIRTY;
    const command = { kind: 'page' as const, ...header, page: kind, ...page };
    begin(state, out, 'page', 'target', { kind: 'command', command }, page.seq);
  }
}

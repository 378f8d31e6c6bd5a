/** What a coordinator takes from each answer, as a table over what was asked. */
import type { AdminAnswer, AdminCommand } from '../../src/protocol/admin/admin.ts';
import { claimAfterMs } from './beat.ts';
import {
  type Call,
  callOfAttempt,
  dropCalls,
  type Effect,
  endCall,
  type Purpose,
  repeatAt,
  type Taken,
} from './calls.ts';
import { headerFor } from './commands.ts';
import { goOn, heard, heardBefore, measure } from './courtesy.ts';
import { claimToken, fail, failFenced, failLeft, finish, lookAgain, restart } from './ends.ts';
import {
  changeRecord,
  decideAbort,
  learnBase,
  learnBehind,
  learnExport,
  learnImport,
  learnOutcome,
  learnRecord,
  learnSeal,
  learnSource,
  movePages,
} from './facts.ts';
import type { Closed } from './next-move.ts';
import { arrive, endTrim, isCopy, isOldest, sizeOf, takeRows } from './pipe.ts';
import {
  ageSeal,
  beginBusy,
  beginSilence,
  countCopied,
  countStaged,
  endBusy,
  endSeal,
  endSilence,
  findSeal,
  forgetSeal,
  takeOver,
} from './report.ts';
import { askKeeper, askRange, send } from './requests.ts';
import type { Coordination } from './state.ts';
import { emptied } from './throttle.ts';

/** The keeper may refuse what its record does not allow, and is asked for the record then: at most this often. */
export const REFUSALS_MAX = 10;

const ENDS: ReadonlySet<Purpose> = new Set(['cancel', 'takeBack', 'abandon', 'unseal', 'release']);
/** The next one is due soon, and says more. */
const SAID_AGAIN: ReadonlySet<Purpose> = new Set(['note', 'noteLeaving', 'slowDown', 'listen']);
const READS_RECORD: ReadonlySet<Purpose> = new Set(['note', 'noteSeal', 'askKeeper']);

/** No answer comes to this attempt: the same is asked again, later each time. */
export function onUnanswered(state: Coordination, attempt: number, why: string): void {
  const { calls, nowMs, settings } = state;
  const call = callOfAttempt(calls, attempt);
  if (call === null) return;
  beginSilence(state.report, call.to, why, { sinceMs: nowMs, askedAtMs: call.sentAtMs });
  if (SAID_AGAIN.has(call.purpose)) {
    endCall(calls, call);
    return;
  }
  const { retryMinMs, retryMaxMs } = settings;
  repeatAt(calls, call, nowMs + Math.min(retryMinMs * 2 ** Math.min(call.failures, 16), retryMaxMs));
}

/** This attempt was answered: what any question may be answered comes first, then what its question hopes for. */
export function onAnswer(state: Coordination, out: Effect[], attempt: number, answer: AdminAnswer): void {
  const { calls, report, nowMs, settings } = state;
  const call = callOfAttempt(calls, attempt);
  if (call === null) return;
  endSilence(report, call.to);
  if (answer.kind === 'busy') {
    onBusy(state, call, answer.why);
    return;
  }
  if (call.failures > 0 || call.purpose === state.blocked?.move) endBusy(report);
  const { pipe } = state;
  if (answer.kind === 'gap' && call.purpose === 'page' && pipe !== null && !isOldest(pipe, call.mark)) {
    repeatAt(calls, call, nowMs + settings.retryMinMs); // an older page comes first
    return;
  }
  endCall(calls, call);
  if (answer.kind === 'fenced') onFenced(state, out, call, answer.token);
  else if (answer.kind === 'closed' && call.to !== 'keeper') {
    onClosed(state, call.to, answer.outcome ?? 'forgotten', call.purpose);
  } else if (ANSWERS[call.purpose](state, out, call, answer) === 'unexpected') {
    onUnexpected(state, out, call, answer);
  }
}

/** Nothing is copied to a target without room: that is for operators to make. What has begun by then goes on. */
export function onRoom(state: Coordination, why: string | null): void {
  if (state.room !== 'asked') return;
  state.room = 'there';
  if (why !== null && state.facts.target === null) decideAbort(state.facts, why);
}

/** "Not now": what costs a slot is asked for first, the rest is asked again. */
function onBusy(state: Coordination, call: Call, why: string): void {
  const { calls, nowMs } = state;
  const { pollMs, retryMaxMs } = state.settings;
  const { purpose } = call;
  beginBusy(state.report, `${call.to} ${call.cluster}, which is busy: ${why}`, nowMs);
  if (purpose === 'mayBegin') {
    if (state.blocked !== null) state.blocked = { ...state.blocked, askAtMs: nowMs + pollMs };
    endCall(calls, call);
  } else if (purpose === 'beginImport' || purpose === 'beginExport' || purpose === 'merge') {
    // Where question and command differ, the commands become rare all the same.
    const times = state.blocked?.move === purpose ? state.blocked.times + 1 : 0;
    const askAtMs = nowMs + Math.min(pollMs * 2 ** Math.min(times, 16), retryMaxMs);
    state.blocked = { move: purpose, times, isFree: false, askAtMs };
    if (purpose === 'beginImport') state.room = 'unasked'; // disks fill meanwhile
    endCall(calls, call);
  } else repeatAt(calls, call, nowMs + pollMs);
}

function onFenced(state: Coordination, out: Effect[], call: Call, token: number): void {
  if (call.purpose === 'claim')
    lookAgain(state); // perhaps by an earlier attempt of our own
  else failFenced(state, out, 'has taken over', token);
}

function onClosed(state: Coordination, party: 'source' | 'target', closed: Closed, purpose: Purpose): void {
  const { facts, report } = state;
  const wasSealed = facts.isSealed || (facts.source?.exporting?.sealed ?? null) !== null;
  learnOutcome(facts, party, closed);
  // A seal that was asked for and lost made no pause.
  if (purpose === 'cancel' && closed === 'unsealed' && !wasSealed) forgetSeal(report);
  else if (closed === 'activated' || closed === 'unsealed' || closed === 'takenBack')
    endSeal(report, closed, state.nowMs);
  const sealed = facts.source?.exporting?.sealed;
  // What changed on the way is there too: the digests were equal.
  if (closed === 'activated' && sealed) countStaged(report, sealed.digest.count, sealed.digest.bytes);
}

function onUnexpected(state: Coordination, out: Effect[], call: Call, answer: AdminAnswer): void {
  const why = 'why' in answer ? `${answer.kind}: ${answer.why}` : answer.kind;
  const text = `${call.purpose} at ${call.to}${call.cluster === '' ? '' : ` ${call.cluster}`}: ${why}`;
  if (answer.kind === 'mismatch') {
    decideAbort(
      state.facts,
      'ALARM: the digest of the rows at the target differs from that of the source at the seal; the source keeps the range, nothing is lost',
    );
  } else if (call.to !== 'keeper') {
    if (answer.kind === 'refused') {
      decideAbort(state.facts, text);
      // What ends a move is asked for again and again, but not at once.
      if (ENDS.has(call.purpose)) repeatAt(state.calls, call, state.nowMs + state.settings.pollMs);
    } else restart(state, out, text);
  } else if (call.purpose === 'look' || state.refusals >= REFUSALS_MAX) fail(state, out, 'REFUSED', text);
  else {
    state.refusals += 1;
    if (call.purpose === 'claim') lookAgain(state);
    else askAgain(state, out, call);
  }
}

/** The keeper's record is not what was believed: what it says decides whether the same is asked once more. */
function askAgain(state: Coordination, out: Effect[], call: Call): void {
  askKeeper(state, out, 'askKeeper');
  if (!READS_RECORD.has(call.purpose)) repeatAt(state.calls, call, state.nowMs + state.settings.pollMs);
}

// ── Whom it hears from, by what was asked ──────────────────────────────────────────────────────────────────

type Kind = AdminAnswer['kind'];
type Answer<K extends Kind> = Extract<AdminAnswer, { kind: K }>;
/** Takes an answer that is the one hoped for. */
type Take<K extends Kind> = (state: Coordination, out: Effect[], answer: Answer<K>, call: Call) => void;

/** What an answer does, for each that is neither "busy" nor "fenced", nor, of source and target, "closed". */
type Answers = {
  readonly [P in Purpose]: (state: Coordination, out: Effect[], call: Call, answer: AdminAnswer) => Taken;
};

function is<K extends Kind>(answer: AdminAnswer, kind: K): answer is Answer<K> {
  return answer.kind === kind;
}

/** Takes the answers of one kind; others are unexpected. */
function hoping<K extends Kind>(kind: K, take: Take<K>): Answers[Purpose] {
  return (state, out, call, answer) => {
    if (!is(answer, kind)) return 'unexpected';
    take(state, out, answer, call);
    return 'taken';
  };
}

/** Answered with "closed" alone. */
const decides: Answers[Purpose] = () => 'unexpected';

const ANSWERS: Answers = {
  look: hoping('migrations', onLook),
  claim: hoping('claimed', onClaimed),
  note: hoping('claimed', onNoted),
  noteSeal: hoping('claimed', (state, out, answer, call) => {
    state.facts.sealNoted = true;
    onNoted(state, out, answer, call);
  }),
  noteLeaving: (state, out) => {
    failLeft(state, out); // whatever the keeper makes of it
    return 'taken';
  },
  askKeeper: hoping('migrations', onRecord),
  recordAbort: hoping('ok', onDone),
  publish: hoping('ok', onDone),
  finish: hoping('ok', onDone),
  settle: hoping('ok', onDone),

  askSource: hoping('rangeStatus', onSource),
  askSealAge: hoping('rangeStatus', ({ report, nowMs }, _out, { sealAge }) => {
    if (sealAge !== null) ageSeal(report, sealAge, nowMs);
  }),
  slowDown: () => 'taken', // whatever the source makes of it
  listen: hoping('ok', (state, _out, { waitedMs = 0 }, call) => {
    const { settings, nowMs } = state;
    const said = { ...saidBy('source', call), waitedMs };
    state.courtesy = heard(heardBefore(state.courtesy, said, nowMs, settings), said, nowMs, settings);
  }),
  mayBegin: hoping('ok', (state) => {
    if (state.blocked !== null) state.blocked = { ...state.blocked, isFree: true };
  }),
  beginExport: hoping('exporting', onExporting),
  read: onRead,
  trim: hoping('ok', ({ pipe }) => {
    if (pipe !== null) endTrim(pipe);
  }),
  scanBase: hoping('base', (state, out, { base }) => {
    const command = { kind: 'setBase' as const, ...headerFor('source', state.facts, state.claim), base };
    send(state, out, 'setBase', 'source', { kind: 'command', command });
  }),
  setBase: hoping('ok', onDone),
  seal: onSealAnswered,
  unseal: decides,
  cancel: hoping('sealed', onTooLate),
  takeBack: decides,
  release: decides,
  merge: decides,

  beginImport: hoping('importing', (state, _out, { waitedMs = 0, ...importing }, call) => {
    const { facts, report, settings, nowMs } = state;
    learnImport(facts, importing);
    countStaged(report, importing.running.count, importing.running.bytes);
    state.courtesy = heardBefore(state.courtesy, { ...saidBy('target', call), waitedMs }, nowMs, settings);
  }),
  checkTarget: onTargetChecked,
  page: onPage,
  activate: decides,
  abandon: decides,
};

// ── Keeper ─────────────────────────────────────────────────────────────────────────────────────────────────

/** Nothing is claimed yet: whether it may be depends on whether somebody is at work. */
function onLook(state: Coordination, out: Effect[], { migrations: [record] }: Answer<'migrations'>): void {
  if (record === undefined) {
    fail(state, out, 'REFUSED', `the keeper knows no migration ${state.mid}`);
    return;
  }
  learnRecord(state.facts, record, -1);
  const { token, heartbeat, phase } = record;
  const { seen, nowMs } = state;
  const waitMs = claimAfterMs(state.settings, record.progress);
  if (phase === 'done' || phase === 'aborted' || phase === 'lost') finish(state, out);
  else if (waitMs === 0 || (token === 0 && state.claimAtOnce)) claimToken(state, out, token);
  else if (seen === null) {
    state.seen = { token, heartbeat, atMs: nowMs };
    state.lookAtMs = nowMs + waitMs;
  } else if (seen.token !== token || seen.heartbeat !== heartbeat) {
    failFenced(state, out, 'is working on', token);
  } else if (nowMs - seen.atMs >= waitMs) claimToken(state, out, token);
  else state.lookAtMs = seen.atMs + waitMs;
}

function onClaimed(
  state: Coordination,
  _out: Effect[],
  { token, floor, record, functions }: Answer<'claimed'>,
): void {
  const isFirst = state.claim.token === 0;
  state.mode = 'work';
  state.claim = claimOf(token, floor, functions);
  learnRecord(state.facts, record, -1);
  if (!isFirst) return;
  takeOver(state.report, record.progress, token > 1 ? state.settings.claimAfterMs : 0);
  state.courtesy = goOn(state.courtesy, record.progress.givesWay, state.nowMs, state.settings);
}

function claimOf(token: number, floor: number, functions: number | undefined): Coordination['claim'] {
  return functions === undefined ? { token, floor } : { token, floor, functions };
}

/** A heartbeat brings back what the operator wishes by now, and how far the floor has risen. */
function onNoted(
  state: Coordination,
  _out: Effect[],
  { floor, record, functions }: Answer<'claimed'>,
  call: Call,
): void {
  // What was in the way below the floor goes with the next command, which no question carries.
  if (floor > state.claim.floor) state.blocked = null;
  state.claim = claimOf(state.claim.token, floor, functions);
  learnRecord(state.facts, record, call.mark);
}

function onRecord(
  state: Coordination,
  out: Effect[],
  { migrations: [record] }: Answer<'migrations'>,
  { mark }: Call,
): void {
  if (record === undefined) fail(state, out, 'REFUSED', `the keeper has forgotten migration ${state.mid}`);
  else if (record.token > state.claim.token) failFenced(state, out, 'has taken over', record.token);
  else learnRecord(state.facts, record, mark);
}

/** A command without an answer of its own was carried out. */
function onDone({ facts, calls }: Coordination, _out: Effect[], _answer: Answer<'ok'>, call: Call): void {
  const command = commandOf(call);
  if (command?.kind === 'setBase') learnBase(facts, command.base);
  if (command?.kind === 'publish') changeRecord(facts, { phase: 'published', receipt: command.receipt });
  if (command?.kind === 'recordAbort') changeRecord(facts, { phase: 'aborted', why: command.why });
  if (command?.kind === 'settle') changeRecord(facts, { phase: 'lost', why: 'its other end is dead' });
  if (command?.kind === 'finish') changeRecord(facts, { phase: 'done' });
  // A question sent before is answered with what was true before.
  dropCalls(calls, ({ purpose }) => READS_RECORD.has(purpose));
}

/** What was sent, whoever it is addressed to; null for a query. */
function commandOf({ request }: Call): AdminCommand | null {
  if (request.kind !== 'command') return null;
  return request.command.kind === 'under' ? request.command.command : request.command;
}

// ── Source ─────────────────────────────────────────────────────────────────────────────────────────────────

function onSource(state: Coordination, out: Effect[], status: Answer<'rangeStatus'>): void {
  const { report, nowMs } = state;
  if (status.token > state.claim.token) {
    failFenced(state, out, 'has taken over', status.token);
    return;
  }
  learnSource(state.facts, status);
  if (status.closed === null && status.exporting?.sealed) {
    findSeal(report, nowMs);
    if (status.sealAge !== null) ageSeal(report, status.sealAge, nowMs);
  }
}

/** The range may be sealed already. Nothing waits for the source to say since when. */
function onExporting(state: Coordination, out: Effect[], answer: Answer<'exporting'>): void {
  learnExport(state.facts, answer);
  if (answer.sealed === null) return;
  findSeal(state.report, state.nowMs);
  askRange(state, out, 'askSealAge', 'source');
}

/** Too late for the source alone; and nobody serves, since when only the source can say. */
function onTooLate(state: Coordination, out: Effect[], answer: Answer<'sealed'>): void {
  learnSeal(state.facts, answer);
  findSeal(state.report, state.nowMs);
  askRange(state, out, 'askSealAge', 'source');
}

function onRead(state: Coordination, _out: Effect[], call: Call, answer: AdminAnswer): Taken {
  if (answer.kind !== 'rows') return 'unexpected';
  const { pipe, settings, nowMs } = state;
  if (pipe === null) return 'taken';
  const { rows, to, asOf, waitedMs = 0 } = answer;
  if (isCopy(pipe)) {
    state.bucket = emptied(state.bucket, sizeOf(rows).bytes);
    state.courtesy = heard(state.courtesy, { ...saidBy('source', call), waitedMs }, nowMs, settings);
  }
  return takeRows(pipe, rows, to, asOf);
}

function saidBy<P extends 'source' | 'target'>(party: P, { cluster }: Call): { party: P; cluster: string } {
  return { party, cluster };
}

function onSealAnswered(state: Coordination, _out: Effect[], _call: Call, answer: AdminAnswer): Taken {
  if (answer.kind === 'sealed') {
    learnSeal(state.facts, answer);
    state.delayMs = 0;
    return 'taken';
  }
  forgetSeal(state.report);
  if (answer.kind !== 'behind') return 'unexpected';
  learnBehind(state.facts, answer);
  return 'taken';
}

// ── Target ─────────────────────────────────────────────────────────────────────────────────────────────────

function onTargetChecked(state: Coordination, out: Effect[], _call: Call, status: AdminAnswer): Taken {
  if (status.kind !== 'rangeStatus') return 'unexpected';
  const { facts } = state;
  if (status.token > state.claim.token) failFenced(state, out, 'has taken over', status.token);
  else if (status.closed !== null) onClosed(state, 'target', status.closed, 'checkTarget');
  else if (status.importing?.seq !== facts.target?.importing?.seq) return 'unexpected';
  else facts.targetChecked = true;
  return 'taken';
}

/** The target has a page, or had it before. */
function onPage(state: Coordination, _out: Effect[], call: Call, answer: AdminAnswer): Taken {
  const { mark } = call;
  if (answer.kind !== 'ok' && answer.kind !== 'importing') return 'unexpected';
  const { pipe } = state;
  if (pipe === null) return 'taken';
  const pages = arrive(pipe, mark);
  movePages(state.facts, pages, isCopy(pipe));
  dropCalls(state.calls, (other) => other.purpose === 'page' && other.mark <= mark);
  state.restarts = 0;
  if (!isCopy(pipe)) return 'taken';
  const { settings, nowMs } = state;
  for (const page of pages) {
    const { keys, bytes } = sizeOf(page.rows);
    countCopied(state.report, keys, bytes);
    state.courtesy = measure(state.courtesy, bytes, nowMs);
  }
  const { waitedMs = 0 } = answer;
  state.courtesy = heard(state.courtesy, { ...saidBy('target', call), waitedMs }, nowMs, settings);
  return 'taken';
}

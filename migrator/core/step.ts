/**
 * Drives one migration, as a function: an event in, effects out. Asks, remembers the answers, and does what nextMove
 * decides from them (docs/architecture.md, "Moving a range").
 *
 * Deterministic: equal state and event give equal state and effects. No clock, chance, I/O or promise inside. It may
 * be stopped anywhere; the next one claims a token and asks again.
 */
import { unreachable } from '../../src/base/assert.ts';
import { onAnswer, onRoom, onUnanswered } from './answers.ts';
import { beatMs } from './beat.ts';
import { askedSince, type Effect, type Event, hasCall, nextRepeatMs, repeatDue } from './calls.ts';
import { UNHURRIED } from './courtesy.ts';
import { giveUpWhereSilent, isLeaving, leave } from './ends.ts';
import { recordOf } from './facts.ts';
import { checkDelta, observe } from './invariants.ts';
import { moveOn } from './moves.ts';
import { isDue, isSealed, noteTold, UNANSWERED_MS } from './report.ts';
import { askKeeper, progressNow, sendNote, sendQuery } from './requests.ts';
import { type Coordination, hasEnded } from './state.ts';
import { filled, rateOf, readAtMs } from './throttle.ts';

export { type Coordination, createCoordination, hasEnded, stageOf } from './state.ts';

/**
 * Advances `state` by one event and returns what must be done about it, in order. After its end nothing is.
 *
 * @throws InvariantError where the state is one that it believed impossible
 */
export function step(state: Coordination, event: Event): Effect[] {
  const out: Effect[] = [];
  const before = observe(state);
  state.nowMs = event.nowMs;
  state.beganMs ??= event.nowMs;
  fill(state);
  if (!hasEnded(state)) take(state, out, event);
  checkDelta(before, state);
  return out;
}

function take(state: Coordination, out: Effect[], event: Event): void {
  switch (event.kind) {
    case 'answer':
      onAnswer(state, out, event.call, event.answer);
      break;
    case 'unanswered':
      onUnanswered(state, event.call, event.why);
      break;
    case 'room':
      onRoom(state, event.why);
      break;
    case 'leave':
      state.leaveAtMs ??= state.nowMs + state.settings.leaveSealedMs;
      break;
    case 'start':
    case 'tick':
      break;
    default:
      unreachable(event);
  }
  advance(state, out);
}

/** At the rate that was in force until now; what the event says of it holds from now on. */
function fill(state: Coordination): void {
  const { facts, settings, courtesy, bucket, nowMs } = state;
  const rate = facts.record === null ? null : rateOf(facts.record, settings, courtesy);
  state.bucket = filled(bucket, rate, nowMs);
}

function advance(state: Coordination, out: Effect[]): void {
  giveUpWhereSilent(state, out);
  if (hasEnded(state)) return;
  repeatDue(state.calls, out, state.nowMs);
  if (isLeaving(state)) leave(state, out);
  else if (state.mode === 'look' && state.nowMs >= state.lookAtMs) askKeeper(state, out, 'look');
  else if (state.mode === 'work') work(state, out);
  if (hasEnded(state)) return;
  tell(state, out);
  wake(state, out);
}

function work(state: Coordination, out: Effect[]): void {
  moveOn(state, out);
  if (hasEnded(state)) return;
  beat(state, out);
  if (givesWay(state) && state.nowMs >= state.nextListenMs) {
    state.nextListenMs = state.nowMs + state.settings.heartbeatMs;
    sendQuery(state, out, 'listen', 'source', { kind: 'slowDown', mid: state.mid, delayMs: 0 });
  }
  const { mid, delayMs, nowMs } = state;
  if (delayMs > 0 && !isSealed(state.report) && nowMs >= state.nextSlowMs) {
    state.nextSlowMs = nowMs + state.settings.heartbeatMs;
    sendQuery(state, out, 'slowDown', 'source', { kind: 'slowDown', mid, delayMs });
  }
}

/** Whether it copies, and nobody has asked a rate. */
function givesWay({ facts, settings, pipe }: Coordination): boolean {
  return pipe?.kind === 'copy' && rateOf(recordOf(facts), settings, UNHURRIED) === null;
}

/** Tells the keeper that there is somebody at work; where that is rare, asks it, since an operator may wish something else. */
function beat(state: Coordination, out: Effect[]): void {
  if (state.nowMs >= nextNoteMs(state)) {
    sendNote(state, out, 'note');
  } else if (state.nowMs >= state.nextAskMs && !hasCall(state.calls, 'note')) {
    state.nextAskMs = state.nowMs + state.settings.heartbeatMs;
    askKeeper(state, out, 'askKeeper');
  }
}

/** When the next note is due. */
function nextNoteMs(state: Coordination): number {
  const { progress: noted } = recordOf(state.facts);
  return state.notedMs + beatMs(state.settings, noted, progressNow(state));
}

/** When the copy may go on, where that is what it waits for. */
function nextReadMs({ facts, settings, courtesy, bucket, pipe }: Coordination): number {
  return pipe?.kind === 'copy' ? readAtMs(bucket, rateOf(recordOf(facts), settings, courtesy)) : 0;
}

/** Before the keeper's record is ours it can only be told that there is somebody to wait for. */
function tell(state: Coordination, out: Effect[]): void {
  const { report, nowMs } = state;
  report.askedAtMs = askedSince(state.calls);
  const progress = progressNow(state);
  if (!isDue(report, progress, nowMs)) return;
  noteTold(report, progress, nowMs);
  if (state.mode === 'work') out.push({ kind: 'progress', progress });
  else if (progress.waitingFor !== '') {
    out.push({ kind: 'progress', progress: { ...progress, stage: 'asking the keeper' } });
  }
}

/** Asks to be woken for what is due next. What is under way wakes it by its answer. */
function wake(state: Coordination, out: Effect[]): void {
  const { calls, nowMs } = state;
  let atMs = nextRepeatMs(calls);
  if (state.mode === 'look' && !hasCall(calls, 'look')) atMs = Math.min(atMs, state.lookAtMs);
  if (state.mode === 'work' && !isLeaving(state)) {
    if (state.leaveAtMs !== null) atMs = Math.min(atMs, state.leaveAtMs);
    if (!hasCall(calls, 'note')) atMs = Math.min(atMs, nextNoteMs(state), state.nextAskMs);
    for (const due of [state.nextPollMs, nextReadMs(state), state.blocked?.askAtMs ?? 0])
      if (due > nowMs) atMs = Math.min(atMs, due);
  }
  // Nobody may answer: for whom it waits, and since when, is said all the same.
  if (askedSince(calls).size > 0) atMs = Math.min(atMs, nowMs + UNANSWERED_MS);
  if (atMs !== Number.POSITIVE_INFINITY) out.push({ kind: 'wake', atMs });
}

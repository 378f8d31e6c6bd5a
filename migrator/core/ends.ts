/** How a coordinator begins anew, and how it ends. */
import { dropCalls, type Effect, type FailureCode, hasCall } from './calls.ts';
import { forgetClusters, recordOf } from './facts.ts';
import { isSealed } from './report.ts';
import { progressNow, send, sendNote } from './requests.ts';
import { resultOf } from './result.ts';
import type { Coordination } from './state.ts';

/** Begins over at most this often without a page getting through: more means that an answer makes no sense. */
export const RESTARTS_MAX = 10;

/** As one that was just started: somebody else may be at work. */
export function lookAgain(state: Coordination): void {
  state.mode = 'look';
  state.seen = null;
  state.lookAtMs = state.nowMs;
}

export function claimToken(state: Coordination, out: Effect[], tokenSeen: number): void {
  state.mode = 'claim';
  const command = { kind: 'claim' as const, mid: state.mid, tokenSeen };
  send(state, out, 'claim', 'keeper', { kind: 'command', command });
}

/** Claims a new token, so that nothing sent so far has an effect any more, and asks everything anew. */
export function restart(state: Coordination, out: Effect[], why: string): void {
  state.restarts += 1;
  if (state.restarts > RESTARTS_MAX) {
    fail(state, out, 'REFUSED', `migration ${state.mid} does not get on: ${why}`);
    return;
  }
  dropCalls(state.calls, () => true);
  state.pipe = null;
  state.blocked = null;
  forgetClusters(state.facts);
  claimToken(state, out, state.claim.token);
}

/** The keeper's record says that the migration has ended. */
export function finish(state: Coordination, out: Effect[]): void {
  const record = recordOf(state.facts);
  const held = state.claim.token > 0 ? progressNow(state) : record.progress;
  const progress = { ...held, stage: record.phase, waitingFor: '' };
  state.mode = 'ended';
  out.push({ kind: 'progress', progress }, { kind: 'finished', result: resultOf(record, progress) });
}

export function failFenced(
  state: Coordination,
  out: Effect[],
  what: 'has taken over' | 'is working on',
  token: number,
): void {
  fail(state, out, 'FENCED', `another migrator ${what} migration ${state.mid} (token ${token})`);
}

/** Stops; the migration has not ended. */
export function fail(state: Coordination, out: Effect[], code: FailureCode, message: string): void {
  state.mode = 'ended';
  out.push({ kind: 'failed', code, message });
}

/** Whether it makes no step any more. While nobody serves the range it goes on for a moment: a few round trips end that. */
export function isLeaving({ leaveAtMs, report, nowMs }: Coordination): boolean {
  return leaveAtMs !== null && (!isSealed(report) || nowMs >= leaveAtMs);
}

/** Gives the migration up: once the keeper has noted that, anybody may claim it at once. A claim that is under way is waited for. */
export function leave(state: Coordination, out: Effect[]): void {
  if (state.mode === 'claim' || hasCall(state.calls, 'noteLeaving')) return;
  if (state.mode === 'look') failLeft(state, out);
  else {
    dropCalls(state.calls, () => true);
    state.pipe = null;
    sendNote(state, out, 'noteLeaving');
  }
}

/** It has been given up. */
export function failLeft(state: Coordination, out: Effect[]): void {
  fail(state, out, 'GOING_DOWN', `migration ${state.mid} was given up; it can be resumed`);
}

/** Whoever gave up a sealed range would leave it without service: there it waits for ever. */
export function giveUpWhereSilent(state: Coordination, out: Effect[]): void {
  const { report, nowMs, settings } = state;
  if (isSealed(report) || state.mode === 'ended') return;
  for (const [party, { why, sinceMs, askedAtMs }] of report.silences) {
    const seconds = Math.round((nowMs - askedAtMs) / 1000);
    if (nowMs - sinceMs < settings.giveUpMs) continue;
    const silent = `the ${party} has not answered for ${seconds} s (${why})`;
    fail(state, out, 'UNREACHABLE', `migration ${state.mid} stopped: ${silent}; resume it when it does`);
    return;
  }
}

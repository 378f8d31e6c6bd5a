/** What no event may undo, and what holds between two events (docs/architecture.md, "What is checked of itself"). */
import { invariant, type Facts as Told } from '../../src/base/assert.ts';
import { printRange } from '../../src/keyspace/range.ts';
import { REFUSALS_MAX } from './answers.ts';
import { type Call, hasCall } from './calls.ts';
import { RESTARTS_MAX } from './ends.ts';
import type { Pipe } from './pipe.ts';
import type { Coordination } from './state.ts';

/** What a broken invariant says of a coordinator: its migration, how far it is, and what it knows of the others. */
export function factsOf(state: Coordination): Told {
  const { mid, mode, nowMs, claim, calls, facts, pipe, restarts } = state;
  const { record, target, source } = facts;
  return {
    mid,
    range: record === null ? null : printRange(record),
    source: record?.source ?? null,
    target: record?.target ?? null,
    mode,
    phase: record?.phase ?? null,
    token: claim.token,
    floor: claim.floor,
    atMs: nowMs,
    seq: target?.importing?.seq ?? null,
    asOf: target?.importing?.asOf ?? null,
    targetClosed: target?.closed ?? null,
    beginSlot: source?.exporting?.beginSlot ?? null,
    sealSlot: source?.exporting?.sealed?.sealSlot ?? null,
    sourceClosed: source?.closed ?? null,
    pass: pipe?.kind ?? null,
    lastSeq: pipe?.lastSeq ?? null,
    calls: calls.open.length,
    attempts: calls.attempts,
    restarts,
  };
}

/** What must be remembered of a coordinator to compare it with what becomes of it. */
export type Observation = {
  readonly nowMs: number;
  readonly mode: Coordination['mode'];
  /** Token 0: what its predecessors counted is not known yet. */
  readonly token: number;
  readonly attempts: number;
  readonly outcomes: number;
  readonly rounds: number;
  readonly abortWhy: string | null;
  readonly servedSinceMs: number | null;
};

/** Taken before an event. */
export function observe({ nowMs, mode, claim, calls, facts, report }: Coordination): Observation {
  const { attempts } = calls;
  const { outcomes, abortWhy } = facts;
  const { token } = claim;
  const { servedSinceMs } = report;
  const { rounds } = report.progress;
  return { nowMs, mode, token, attempts, outcomes, rounds, abortWhy, servedSinceMs };
}

/**
 * Compares a coordinator with what it was before one event, and with itself, at constant cost: a running one does so
 * after every event. Nothing here depends on what others say: whatever a cluster answers, it holds.
 *
 * @throws InvariantError where something went back that never goes back, or does not hold between two events
 */
export function checkDelta(before: Observation, state: Coordination): void {
  const { mode, calls, facts, report, pipe } = state;
  const told = (): Told => ({ ...factsOf(state), before: JSON.stringify(before) });
  invariant(state.nowMs >= before.nowMs, 'time never goes back', told);
  invariant(before.mode !== 'ended' || mode === 'ended', 'a coordinator ends once', told);
  invariant(calls.attempts >= before.attempts, 'attempts are numbered upwards', told);
  invariant(facts.outcomes >= before.outcomes, 'an outcome that was heard of stays counted', told);
  const isCounted = before.token === 0 || report.progress.rounds >= before.rounds;
  invariant(isCounted, 'rounds are counted upwards', told);
  const isSameWhy = before.abortWhy === null || facts.abortWhy === before.abortWhy;
  invariant(isSameWhy, 'the first reason to abort stands', told);
  const isSameEnd = before.servedSinceMs === null || report.servedSinceMs === before.servedSinceMs;
  invariant(isSameEnd, 'a pause ends once', told);
  if (mode === 'ended') return;
  invariant(mode !== 'work' || facts.record !== null, 'who works knows the record', told);
  const isQuiet = !hasCall(calls, 'noteLeaving') || (calls.open.length === 1 && pipe === null);
  invariant(isQuiet, 'who leaves does nothing more', told);
  invariant((mode === 'claim') === hasCall(calls, 'claim'), 'who claims waits for its token', told);
  const isAwake = mode === 'work' || calls.open.length > 0 || state.lookAtMs > state.nowMs;
  invariant(isAwake, 'something wakes it', told);
  invariant(state.restarts <= RESTARTS_MAX, 'it begins anew so often at most', told);
  invariant(state.refusals <= REFUSALS_MAX, 'it is refused so often at most', told);
  checkBounds(state, told);
  if (pipe !== null) checkPass(state, pipe, told);
}

function checkBounds(
  { settings, calls, delayMs, stuckRounds, blocked, courtesy }: Coordination,
  told: () => Told,
): void {
  const isDelayBounded = delayMs >= 0 && delayMs <= settings.slowDownMaxMs;
  invariant(isDelayBounded, 'writers are held back so long at most', told);
  invariant(stuckRounds <= settings.stuckRounds, 'rounds that are stuck slow writers down', told);
  const { rate, because } = courtesy;
  const isGoingOn = rate === null || (rate >= settings.courteousBytesMin && Number.isFinite(rate));
  invariant(isGoingOn, 'a copy that gives way goes on', told);
  invariant((rate === null) === (because === null), 'a copy says to whom it gives way', told);
  const isQuiet = blocked === null || blocked.isFree || !hasCall(calls, blocked.move);
  invariant(isQuiet, 'who is busy is not commanded', told);
}

function checkPass({ facts, settings }: Coordination, pipe: Pipe, told: () => Told): void {
  const { kind, ready, sent, trims, lastSeq } = pipe;
  const importing = facts.target?.importing ?? null;
  const isSum = importing === null || lastSeq === importing.seq + sent.length + ready.length;
  invariant(isSum, 'pages are numbered on from what the target has', told);
  invariant(sent.length <= settings.pagesInFlightMax, 'so many pages are on their way at most', told);
  invariant(ready.length <= 1, 'one page is read ahead', told);
  invariant(kind === 'round' || trims.length === 0, 'only what a round brought is trimmed', told);
}

/**
 * Compares all that a coordinator holds with itself. It takes time in proportion to what is under way: for simulations.
 *
 * @throws InvariantError where something does not hold between two events
 */
export function checkState(state: Coordination): void {
  if (state.mode === 'ended') return;
  checkCalls(state);
  checkPages(state);
}

function checkCalls(state: Coordination): void {
  const { calls, claim, nowMs } = state;
  const seen = new Set<string | number>();
  for (const call of calls.open) {
    const { purpose, attempt, to, cluster, sentAtMs, againAtMs } = call;
    const told = (): Told => ({ purpose, attempt, to, cluster, sentAtMs, againAtMs, ...factsOf(state) });
    invariant(attempt === null || attempt <= calls.attempts, 'an attempt has been counted', told);
    invariant(attempt === null || !seen.has(attempt), 'an attempt has a number of its own', told);
    invariant(purpose === 'page' || !seen.has(purpose), 'nothing but pages is asked for twice', told);
    seen.add(purpose);
    if (attempt !== null) seen.add(attempt);
    invariant(sentAtMs <= nowMs, 'nothing is sent later than now', told);
    invariant(attempt !== null || againAtMs > nowMs, 'what is due has been repeated', told);
    invariant((cluster === '') === (to === 'keeper'), 'the keeper alone has no name', told);
    const token = tokenOf(call);
    invariant(token === null || token === claim.token, 'what is under way carries the token in force', told);
  }
}

/** The token of a command to source or target; null where it carries none. */
function tokenOf({ request, to }: Call): number | null {
  if (request.kind !== 'command' || to === 'keeper') return null;
  const command = request.command.kind === 'under' ? request.command.command : request.command;
  return 'token' in command ? command.token : null;
}

function checkPages(state: Coordination): void {
  const { pipe, calls, facts } = state;
  const pages = [...(pipe?.sent ?? []), ...(pipe?.ready ?? [])];
  for (const [index, page] of pages.entries()) {
    const { seq, from, to, asOf } = page;
    const before = pages[index - 1];
    const told = (): Told => ({
      page: seq,
      keys: printRange({ lo: from, hi: to }),
      slot: asOf,
      ...factsOf(state),
    });
    invariant(before === undefined || seq === before.seq + 1, 'pages have no gap', told);
    invariant(before === undefined || asOf >= before.asOf, 'no page is older than the one before', told);
    const isBehind = before === undefined || (before.to !== null && from >= before.to);
    invariant(isBehind, 'a page begins where the one before ends, or behind', told);
  }
  const sent = new Set(pipe?.sent.map(({ seq }) => seq));
  const called = calls.open.filter(({ purpose }) => purpose === 'page').map(({ mark }) => mark);
  const told = (): Told => ({ sent: [...sent].join(' '), called: called.join(' '), ...factsOf(state) });
  const isKnown = called.every((mark) => sent.has(mark));
  invariant(isKnown, 'a page that is under way is remembered', told);
  const isWanted = facts.target?.importing && facts.abortWhy === null && state.mode === 'work';
  invariant(!isWanted || called.length === sent.size, 'a page that the target lacks is under way', told);
  const isTrimming = hasCall(calls, 'trim');
  invariant(!isTrimming || (pipe?.trims.length ?? 0) > 0, 'what is trimmed is at the target', told);
}

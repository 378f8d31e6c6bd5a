/** How a coordinator asks: each request goes out once until it is answered, addressed to the founding that is meant. */
import type { AdminCommand, AdminQuery, Progress } from '../../src/protocol/admin/admin.ts';
import type { SaysFunctions } from '../../src/protocol/admin/functions.ts';
import { GIVEN_UP } from './beat.ts';
import { beginCall, type Call, type Effect, hasCall, type Party, type Purpose } from './calls.ts';
import type { Claim } from './commands.ts';
import { type Facts, recordOf } from './facts.ts';
import { progressAt } from './report.ts';
import type { Coordination } from './state.ts';

/** Progress as of the last event. */
export function progressNow({ report, facts, nowMs, delayMs, courtesy }: Coordination): Progress {
  return progressAt(report, facts, nowMs, { delayMs, courtesy });
}

/** The heartbeat; it carries the progress, and last that nobody works on it any more. */
export function sendNote(
  state: Coordination,
  out: Effect[],
  purpose: 'note' | 'noteSeal' | 'noteLeaving',
): void {
  if (purpose === 'note' && hasCall(state.calls, 'note')) return;
  state.notedMs = state.nowMs;
  state.nextAskMs = state.nowMs + state.settings.heartbeatMs;
  const { token } = state.claim;
  const now = progressNow(state);
  const progress = purpose === 'noteLeaving' ? { ...now, stage: GIVEN_UP, waitingFor: '' } : now;
  const command = { kind: 'note' as const, mid: state.mid, token, progress };
  send(state, out, purpose, 'keeper', { kind: 'command', command }, state.facts.outcomes);
}

/** Asks for the keeper's record. */
export function askKeeper(state: Coordination, out: Effect[], purpose: 'look' | 'askKeeper'): void {
  const query = { kind: 'getMigration' as const, mid: state.mid };
  send(state, out, purpose, 'keeper', { kind: 'query', query, node: 'master' }, state.facts.outcomes);
}

/** Asks a cluster for its part in the migration. */
export function askRange(
  state: Coordination,
  out: Effect[],
  purpose: 'askSource' | 'askSealAge' | 'checkTarget',
  to: 'source' | 'target',
): void {
  const { mid, lo, hi } = recordOf(state.facts);
  sendQuery(state, out, purpose, to, { kind: 'rangeStatus', mid, lo, hi });
}

export function sendQuery(
  state: Coordination,
  out: Effect[],
  purpose: Purpose,
  to: Party,
  query: AdminQuery,
  node: 'master' | 'any' = 'master',
): void {
  send(state, out, purpose, to, { kind: 'query', query, node });
}

/** Sends, unless a call for the same purpose is under way. */
export function send(
  state: Coordination,
  out: Effect[],
  purpose: Purpose,
  to: Party,
  request: Call['request'],
  mark = 0,
): void {
  if (!hasCall(state.calls, purpose)) begin(state, out, purpose, to, request, mark);
}

/** Sends, also beside another call for the same purpose. */
export function begin(
  state: Coordination,
  out: Effect[],
  purpose: Purpose,
  to: Party,
  request: Call['request'],
  mark: number,
): void {
  const cluster = to === 'keeper' ? '' : recordOf(state.facts)[to];
  const addressed = addressedTo(state, to, request);
  beginCall(state.calls, out, { purpose, to, cluster, request: addressed, mark }, state.nowMs);
}

/** A command of the move is meant for one founding, and for a move with another one. */
function addressedTo({ facts, claim }: Coordination, to: Party, request: Call['request']): Call['request'] {
  if (to === 'keeper' || request.kind !== 'command' || request.command.kind === 'under') return request;
  const { foundings } = recordOf(facts);
  if (foundings === undefined) return request; // a keeper that knows none: its clusters do not either
  const { keeper, source, target } = foundings;
  const [founding, peer] = to === 'source' ? [source, target] : [target, source];
  const { command } = request;
  const functions = functionsFor(command, facts, claim);
  return { kind: 'command', command: { kind: 'under', keeper, founding, peer, command, ...functions } };
}

/**
 * How far the target must be with the functions of users: at first as far as the keeper, whom both ends follow; for the point of no
 * return as far as the source was at the seal.
 */
function functionsFor({ kind }: AdminCommand, facts: Facts, claim: Claim): SaysFunctions {
  const functions =
    kind === 'beginImport' ? (claim.functions ?? 0) : kind === 'activate' ? facts.sourceFunctions : 0;
  return functions > 0 ? { functions } : {};
}

/** Requests that a coordinator has under way, and what it asks of its driver. What is to be sent is appended to `out`. */
import type {
  AdminAnswer,
  AdminCommand,
  AdminQuery,
  Migration,
  Progress,
} from '../../src/protocol/admin/admin.ts';
import type { MigrationResult } from '../../src/protocol/admin/moves.ts';

/** Whom a request is for. */
export type Party = 'keeper' | 'source' | 'target';

/** A command, for the log of a cluster; or a query, answered by its master or by any node that is recent enough. */
export type Request =
  | { readonly kind: 'command'; readonly command: AdminCommand }
  | { readonly kind: 'query'; readonly query: AdminQuery; readonly node: 'master' | 'any' };

/** What happens to a coordinator. `nowMs` is monotonic, and read when the event is handled. */
export type Event = { readonly nowMs: number } & (
  | { readonly kind: 'start' }
  | { readonly kind: 'answer'; readonly call: number; readonly answer: AdminAnswer }
  /** No answer will come for this call. Whether it was carried out is unknown. */
  | { readonly kind: 'unanswered'; readonly call: number; readonly why: string }
  | { readonly kind: 'tick' }
  /** Whether the target has room, after `findRoom`: null, or why not. */
  | { readonly kind: 'room'; readonly why: string | null }
  /** Its process goes down in order: it gives the migration up, so that others need not wait until it passes for dead. */
  | { readonly kind: 'leave' }
);

/** What a coordinator asks for, in order. */
export type Effect =
  /** Each call ends in one `answer` or `unanswered`; a later one is ignored. `cluster` is empty for the keeper. */
  | {
      readonly kind: 'send';
      readonly call: number;
      readonly to: Party;
      readonly cluster: string;
      readonly request: Request;
    }
  /** A `tick` at this time, instead of any asked for before. */
  | { readonly kind: 'wake'; readonly atMs: number }
  | { readonly kind: 'progress'; readonly progress: Progress }
  /** Ends in one `room`. */
  | { readonly kind: 'findRoom'; readonly migration: Migration }
  | { readonly kind: 'finished'; readonly result: MigrationResult }
  | { readonly kind: 'failed'; readonly code: FailureCode; readonly message: string };

/** Why a coordinator stopped without an end: another works on it; not to be had; facts that exclude each other; silence; it has left. */
export type FailureCode = 'FENCED' | 'REFUSED' | 'DAMAGED' | 'UNREACHABLE' | 'GOING_DOWN';

/** What a call is for; its answer is handled accordingly. */
export type Purpose =
  | 'look'
  | 'claim'
  | 'note'
  | 'noteSeal'
  | 'noteLeaving'
  | 'askKeeper'
  | 'askSource'
  | 'askSealAge'
  | 'checkTarget'
  | 'slowDown'
  | 'listen'
  | 'mayBegin'
  | 'beginImport'
  | 'beginExport'
  | 'merge'
  | 'read'
  | 'page'
  | 'trim'
  | 'scanBase'
  | 'setBase'
  | 'seal'
  | 'activate'
  | 'abandon'
  | 'unseal'
  | 'cancel'
  | 'takeBack'
  | 'settle'
  | 'recordAbort'
  | 'publish'
  | 'release'
  | 'finish';

/** One request until its answer: repeated unchanged while there is none. */
export type Call = {
  readonly purpose: Purpose;
  readonly to: Party;
  readonly cluster: string;
  readonly request: Request;
  /** Of a page: its number at the target. Of a question to the keeper: how many outcomes were known when it was sent. */
  readonly mark: number;
  /** Number of its present attempt, or null while it waits to be repeated. */
  attempt: number | null;
  /** Attempts that ended without an answer, or with "not now". */
  failures: number;
  /** When it is repeated, where `attempt` is null. */
  againAtMs: number;
  /** When its last attempt was sent. */
  sentAtMs: number;
};

/** Whether an answer is one that its question hopes for. */
export type Taken = 'taken' | 'unexpected';

/** The calls of one coordinator. */
export type Calls = {
  /** Those without their answer, in the order in which they were begun. At most one for each purpose, but for pages. */
  open: readonly Call[];
  /** Attempts so far; each has the next number. */
  attempts: number;
};

export function noCalls(): Calls {
  return { open: [], attempts: 0 };
}

/** Sends a new request. */
export function beginCall(
  calls: Calls,
  out: Effect[],
  call: Pick<Call, 'purpose' | 'to' | 'cluster' | 'request' | 'mark'>,
  nowMs: number,
): void {
  const begun: Call = { ...call, attempt: null, failures: 0, againAtMs: 0, sentAtMs: nowMs };
  calls.open = [...calls.open, begun];
  send(calls, out, begun, nowMs);
}

export function hasCall({ open }: Calls, purpose: Purpose): boolean {
  return open.some((call) => call.purpose === purpose);
}

/** The call whose present attempt has this number, or null: it was answered, given up or repeated meanwhile. */
export function callOfAttempt({ open }: Calls, attempt: number): Call | null {
  return open.find((call) => call.attempt === attempt) ?? null;
}

/** Its attempt failed: the same is sent again at `atMs`, also where the call had ended. */
export function repeatAt(calls: Calls, call: Call, atMs: number): void {
  if (!calls.open.includes(call)) calls.open = [...calls.open, call];
  call.attempt = null;
  call.failures += 1;
  call.againAtMs = atMs;
}

export function endCall(calls: Calls, call: Call): void {
  dropCalls(calls, (other) => other === call);
}

/** Forgets calls; an answer that comes later is ignored. */
export function dropCalls(calls: Calls, which: (call: Call) => boolean): void {
  calls.open = calls.open.filter((call) => !which(call));
}

/** Repeats what is due. */
export function repeatDue(calls: Calls, out: Effect[], nowMs: number): void {
  for (const call of calls.open) {
    if (call.attempt === null && call.againAtMs <= nowMs) send(calls, out, call, nowMs);
  }
}

/** By party, when the oldest request that should be answered soon was sent; a scan of the whole range is none. */
export function askedSince({ open }: Calls): ReadonlyMap<Party, number> {
  const asked = new Map<Party, number>();
  for (const { attempt, purpose, to, sentAtMs } of open) {
    if (attempt === null || purpose === 'scanBase') continue;
    asked.set(to, Math.min(sentAtMs, asked.get(to) ?? sentAtMs));
  }
  return asked;
}

/** When the next repetition is due; infinity where none is. */
export function nextRepeatMs({ open }: Calls): number {
  return Math.min(...open.filter((call) => call.attempt === null).map((call) => call.againAtMs));
}

function send(calls: Calls, out: Effect[], call: Call, nowMs: number): void {
  calls.attempts += 1;
  call.attempt = calls.attempts;
  call.sentAtMs = nowMs;
  const { to, cluster } = call;
  out.push({ kind: 'send', call: calls.attempts, to, cluster, request: nextAttempt(call) });
}

/** A query that any node may answer goes to the master every second time: the node chosen may be down or behind. */
function nextAttempt({ request, failures }: Call): Request {
  return request.kind === 'query' && failures % 2 === 1 ? { ...request, node: 'master' } : request;
}

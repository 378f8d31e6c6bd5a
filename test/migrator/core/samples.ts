/** Coordinators in the middle of a move, and what they hear, for tests of one function each. */
import { onAnswer } from '../../../migrator/core/answers.ts';
import type { Call, Effect, Party, Purpose, Request } from '../../../migrator/core/calls.ts';
import { learnExport, learnImport, learnRecord } from '../../../migrator/core/facts.ts';
import { begin } from '../../../migrator/core/requests.ts';
import {
  type Coordination,
  type CoordinatorOptions,
  createCoordination,
} from '../../../migrator/core/state.ts';
import { present } from '../../../src/base/assert.ts';
import {
  type AdminAnswer,
  type AdminCommand,
  type Migration,
  NO_PROGRESS,
  type RangeStatus,
} from '../../../src/protocol/admin/admin.ts';

export type Answer<K extends AdminAnswer['kind']> = Extract<AdminAnswer, { kind: K }>;

export const RANGE = { lo: 'k', hi: 't' } as const;
export const RECORD: Migration = {
  mid: 2,
  source: 'A',
  target: 'B',
  ...RANGE,
  phase: 'active',
  wish: 'run',
  token: 3,
  heartbeat: 0,
  why: '',
  receipt: null,
  progress: NO_PROGRESS,
};
export const IMPORTING: Answer<'importing'> = {
  kind: 'importing',
  ...RANGE,
  seq: 4,
  cursor: 'm',
  asOf: 7,
  running: { sum: 1n, count: 10, bytes: 100 },
};
export const EXPORTING: Answer<'exporting'> = {
  kind: 'exporting',
  ...RANGE,
  beginSlot: 3,
  base: null,
  sealed: null,
  dirtyRows: 8,
  dirtyBytes: 80,
};
export const SEALED = { sealSlot: 9, digest: { sum: 5n, count: 12, bytes: 120 } } as const;
/** An answer that no question hopes for. */
export const STRANGE: AdminAnswer = { kind: 'none' };

/** When samples are (ms). */
export const NOW_MS = 5000;

/** A cluster's part in the migration. */
export function status(change: Partial<RangeStatus> = {}): Answer<'rangeStatus'> {
  const rest = { owned: [], importing: null, cleaning: false, closed: null, token: 3, floor: 0 };
  return { kind: 'rangeStatus', slot: 5, exporting: null, sealAge: null, ...rest, ...change };
}

/** One that has not looked yet. */
export function fresh(options: Partial<CoordinatorOptions> = {}): Coordination {
  const state = createCoordination({ mid: 2, startedAtMs: 0, claimAtOnce: false, ...options });
  state.nowMs = NOW_MS;
  return state;
}

/** One at work under token 3, where source and target have begun. */
export function working(
  options: Partial<CoordinatorOptions> = {},
  record: Partial<Migration> = {},
): Coordination {
  const state = fresh(options);
  state.mode = 'work';
  state.claim = { token: 3, floor: 1 };
  learnRecord(state.facts, { ...RECORD, ...record }, 0);
  learnImport(state.facts, IMPORTING);
  learnExport(state.facts, EXPORTING);
  return state;
}

const QUESTION: Request = { kind: 'query', query: { kind: 'getMigration', mid: 2 }, node: 'master' };

/** A call of it that is under way. */
export function asking(
  state: Coordination,
  purpose: Purpose,
  to: Party,
  { command, mark = 0 }: { readonly command?: AdminCommand; readonly mark?: number } = {},
): Call & { attempt: number } {
  const request: Request = command === undefined ? QUESTION : { kind: 'command', command };
  begin(state, [], purpose, to, request, mark);
  const call = present(state.calls.open.at(-1), 'call');
  return call as Call & { attempt: number };
}

/** What is sent, in one word each. */
export function sentIn(out: readonly Effect[]): string[] {
  return out.flatMap((effect) => {
    if (effect.kind !== 'send') return [];
    const { request } = effect;
    return [request.kind === 'command' ? request.command.kind : request.query.kind];
  });
}

/** How it failed, or null. */
export function failureIn(out: readonly Effect[]): string | null {
  for (const effect of out) if (effect.kind === 'failed') return `${effect.code}: ${effect.message}`;
  return null;
}

/** Asks, and hears this; what comes of it. */
export function hear(
  state: Coordination,
  purpose: Purpose,
  to: Party,
  answer: AdminAnswer,
  about: { readonly command?: AdminCommand; readonly mark?: number } = {},
): Effect[] {
  const out: Effect[] = [];
  onAnswer(state, out, asking(state, purpose, to, about).attempt, answer);
  return out;
}

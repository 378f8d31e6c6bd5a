/** What an operation of a client is: what it sends, and what an answer, or none, says about each key. */
import { RETURN_CODES } from '../../../src/base/errors.ts';
import { encodeRequest, type Request } from '../../../src/protocol/arakoon/requests.ts';
import { returnCodeOf } from '../../../src/protocol/arakoon/values.ts';
import { rowHash } from './hash.ts';
import type { Need, Step } from './linearizability.ts';

/** Longest value that a history holds as it is (bytes). */
export const SHORT_MAX = 256;

/** What an answer, or its absence, says. */
export type Seen = {
  /** Whether the operation took effect. */
  readonly outcome: 'done' | 'refused' | 'unknown';
  /** What that means for each key that it concerns. */
  readonly steps: ReadonlyMap<string, readonly Step[]>;
};

export type Operation = {
  readonly id: number;
  readonly name: string;
  readonly body: Buffer;
  readonly isUpdate: boolean;
  /** A read that any node may answer from whatever it has. */
  readonly isStale: boolean;
  /** Values that it writes, by key: the last one of each. */
  readonly writes: ReadonlyMap<string, string>;
  /** The function of a user that it calls, and near which key; null where it names none. */
  readonly called?: { readonly name: string; readonly key: string | null };
  /** What the answer says; null: there was none. */
  read(answer: Uint8Array | null): Seen;
};

export const ANY: Need = { kind: 'any' };
export const PRESENT: Need = { kind: 'not', value: null };
export const NO_STEPS: ReadonlyMap<string, readonly Step[]> = new Map();

// ── How answers are read ───────────────────────────────────────────────────────────────────────────────────

type Reader<A> = (answer: A) => ReadonlyMap<string, readonly Step[]>;

const ANSWERS: ReadonlySet<number> = new Set([
  RETURN_CODES.OK,
  RETURN_CODES.NOT_FOUND,
  RETURN_CODES.ASSERTION_FAILED,
  RETURN_CODES.ASSERT_EXISTS_FAILED,
]);
const REFUSALS: ReadonlySet<number> = new Set([
  RETURN_CODES.NOT_MASTER,
  RETURN_CODES.OUT_OF_RANGE,
  RETURN_CODES.GOING_DOWN,
  RETURN_CODES.READ_ONLY,
  RETURN_CODES.BAD_INPUT,
  RETURN_CODES.INCONSISTENT_READ,
]);

export function reading(id: number, request: Request, read: Reader<Uint8Array>): Operation {
  return {
    id,
    // Said only of few.
    get name() {
      return nameOf(id, request);
    },
    body: encodeRequest(request),
    isUpdate: false,
    isStale: false,
    writes: new Map(),
    read: (answer) => {
      if (answer === null || !ANSWERS.has(returnCodeOf(answer)))
        return { outcome: 'refused', steps: NO_STEPS };
      return { outcome: 'done', steps: read(answer) };
    },
  };
}

export function writing(
  id: number,
  request: Request,
  writes: readonly (readonly [string, string])[],
  read: Reader<Uint8Array | null>,
): Operation {
  return {
    id,
    // Said only of few.
    get name() {
      return nameOf(id, request);
    },
    body: encodeRequest(request),
    isUpdate: true,
    isStale: false,
    writes: new Map(writes),
    read: (answer) => {
      const code = answer === null ? RETURN_CODES.MAYBE_APPLIED : returnCodeOf(answer);
      if (ANSWERS.has(code)) return { outcome: 'done', steps: read(answer) };
      if (REFUSALS.has(code)) return { outcome: 'refused', steps: NO_STEPS };
      return { outcome: 'unknown', steps: read(null) };
    },
  };
}

function nameOf(id: number, request: Request): string {
  const parts = Object.entries(request).flatMap(([name, value]) => {
    if (name === 'kind' || name === 'consistency') return [];
    const shown = value instanceof Uint8Array ? Buffer.from(value).toString('latin1') : value;
    return [`${name}=${JSON.stringify(shown).slice(0, SHORT_MAX)}`];
  });
  return `#${id} ${request.kind} ${parts.join(' ')}`;
}

export function one(key: string, step: Step): ReadonlyMap<string, readonly Step[]> {
  return new Map([[key, [step]]]);
}

export function is(value: string | null): Step {
  return { need: { kind: 'is', value }, next: undefined };
}

export function bytesOf(value: string): Buffer {
  return Buffer.from(value, 'latin1');
}

export function optional(value: string | null): Buffer | null {
  return value === null ? null : bytesOf(value);
}

/** A value as text; a large one by its beginning, its length and a hash, so that histories stay small. */
export function textOf(value: Uint8Array): string {
  const bytes = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  if (bytes.length <= SHORT_MAX) return bytes.toString('latin1');
  return `${bytes.toString('latin1', 0, 16)}... ${bytes.length} bytes, hash ${rowHash('', value)}`;
}

export function optionOf(value: Uint8Array | null): string | null {
  return value === null ? null : textOf(value);
}

/** The number of the operation that wrote a value. */
export function writerOf(value: Uint8Array): number {
  return Number.parseInt(textOf(value), 10);
}

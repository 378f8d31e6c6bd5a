/**
 * What one node answers, judged where it is answered: a read against the rows of its cluster at each slot, an update
 * against a model of one key space. What a router answers is put together of these.
 */

import type { Respond } from '../../../node/driver/proposals.ts';
import { type DataRead, isDataRead } from '../../../node/machine/reads.ts';
import type { Slot } from '../../../node/paxos/values.ts';
import { sameBytes } from '../../../src/base/bytes.ts';
import { RETURN_CODES } from '../../../src/base/errors.ts';
import { contains } from '../../../src/keyspace/range.ts';
import { isFollower } from '../../../src/protocol/arakoon/batch.ts';
import { rangeOfQuery } from '../../../src/protocol/arakoon/bounds.ts';
import {
  failure,
  OK,
  okBool,
  okBytes,
  okEntries,
  okInt64,
  okKeys,
  okMultiGet,
  okMultiGetOptions,
} from '../../../src/protocol/arakoon/replies.ts';
import type { Request } from '../../../src/protocol/arakoon/requests.ts';
import { decodeUpdate, type Update } from '../../../src/protocol/arakoon/updates.ts';
import { type Answer, returnCodeOf, wholeOf } from '../../../src/protocol/arakoon/values.ts';
import type { Rare } from '../base/rare.ts';
import { check } from '../base/violation.ts';
import { Model, prefixRange } from '../migration/model.ts';
import type { ClusterHistory } from './cluster-history.ts';
import { asModelled, SHOWN, shownBy, withoutFunctions } from './functions.ts';
import type { History } from './history.ts';

/** Codes of an answer that says what was found, or done. */
const FOUND: ReadonlySet<number> = new Set([
  RETURN_CODES.OK,
  RETURN_CODES.NOT_FOUND,
  RETURN_CODES.ASSERTION_FAILED,
  RETURN_CODES.ASSERT_EXISTS_FAILED,
]);

/** Updates of one slot as this node answered them, in their order. */
type Executed = { readonly slot: Slot; readonly model: Model; isOurs: boolean; count: number };

export class Served {
  readonly #node: string;
  readonly #clusterOf: () => ClusterHistory;
  readonly #history: History;
  readonly #rare: Rare;
  readonly #slotOf: () => Slot;
  #executed: Executed | null = null;

  /**
   * @param clusterOf the history of the founding that the node is of
   * @param slotOf the slot that the node has applied at this moment
   */
  constructor(
    node: string,
    clusterOf: () => ClusterHistory,
    history: History,
    rare: Rare,
    slotOf: () => Slot,
  ) {
    this.#history = history;
    this.#node = node;
    this.#clusterOf = clusterOf;
    this.#rare = rare;
    this.#slotOf = slotOf;
  }

  get #cluster(): ClusterHistory {
    return this.#clusterOf();
  }

  // ── Reads ────────────────────────────────────────────────────────────────────────────────────────────────

  /** A read comes in; the answer passes through what is returned. */
  read(request: Request, respond: Respond): Respond {
    if (!isDataRead(request)) return respond;
    const beganAt = this.#slotOf();
    return (answer) => {
      this.#judge(request, answer, beganAt);
      respond(answer);
    };
  }

  /** There is one slot, not before that of the stamp asked for, whose rows are what is answered: all of it. */
  #judge(request: DataRead, answer: Answer, beganAt: Slot): void {
    const stamp = stampOf(request);
    const code = returnCodeOf(answer.bytes);
    if (code === RETURN_CODES.INCONSISTENT_READ) {
      this.#rare.note('read refused: its stamp is not applied yet');
      check(
        stamp > beganAt,
        'at-least',
        () => `${this.#node} refuses a read of slot ${stamp}, and had applied ${beganAt}`,
      );
      return;
    }
    if (!FOUND.has(code)) return;
    const endedAt = this.#slotOf();
    if (request.kind === 'getKeyCount') this.#rare.note('keys counted');
    if (stamp > 0) this.#rare.note('read with a stamp served');
    if (endedAt > beganAt && isOfMany(request))
      this.#rare.note('read of several keys while slots were applied');
    for (let slot = endedAt; slot >= Math.max(beganAt, stamp, this.#cluster.first); slot -= 1) {
      if (this.#isAnswer(request, answer, slot)) return;
    }
    // An empty home of a founding that began far above shows nothing before it has copied.
    if (beganAt < this.#cluster.first && stamp <= beganAt && this.#isAnswer(request, answer, beganAt)) return;
    check(
      stamp <= 0 || !this.#isAnswer(request, answer, beganAt),
      'at-least',
      () => `${this.#node} serves ${print(request)} from slot ${beganAt}`,
    );
    check(
      false,
      'one-image',
      () =>
        `${this.#node} answers ${print(request)} by what no slot from ${beganAt} to ${endedAt} of ${this.#cluster.id} has: ${hex(answer)}; slot ${endedAt} has ${hex(this.#expected(request, endedAt))}`,
    );
  }

  #isAnswer(request: DataRead, answer: Answer, slot: Slot): boolean {
    const expected = this.#expected(request, slot).bytes;
    // What an error says is for people.
    if (returnCodeOf(expected) !== RETURN_CODES.OK)
      return returnCodeOf(expected) === returnCodeOf(answer.bytes);
    return sameBytes(expected, wholeOf(answer));
  }

  /** What a node that has applied `slot` must answer. */
  #expected(request: DataRead, slot: Slot): Answer {
    const { versions } = this.#cluster;
    switch (request.kind) {
      case 'get': {
        const value = versions.at(request.key, slot);
        return value === null ? failure('NOT_FOUND', request.key) : okBytes(value);
      }
      case 'exists':
        return okBool(versions.at(request.key, slot) !== null);
      case 'assertExists':
        return versions.at(request.key, slot) === null ? failure('ASSERTION_FAILED', request.key) : OK;
      case 'assert': {
        const value = versions.at(request.key, slot);
        const { expected } = request;
        const holds = value === null || expected === null ? value === expected : sameBytes(value, expected);
        return holds ? OK : failure('ASSERTION_FAILED', request.key);
      }
      case 'multiGet': {
        const values = request.keys.map((key) => versions.at(key, slot));
        const isWhole = values.every((value) => value !== null);
        return isWhole ? okMultiGet(values as Uint8Array[]) : failure('NOT_FOUND', '');
      }
      case 'multiGetOption':
        return okMultiGetOptions(request.keys.map((key) => versions.at(key, slot)));
      case 'getKeyCount': {
        const served = versions.ownedAt(slot).filter(({ sealedBy }) => sealedBy === null);
        const keys = versions.rowsAt(slot).filter(([key]) => served.some((own) => contains(own, key)));
        return okInt64(keys.length);
      }
      case 'userHook':
        return okBytes(shownBy(SHOWN.map((key) => versions.at(key, slot))));
      case 'prefixKeys':
      case 'range':
      case 'rangeEntries':
      case 'revRangeEntries':
        return this.#listed(request, slot);
      default:
        throw new Error(`no client of the simulation asks for ${request.kind}`);
    }
  }

  #listed(
    request: Extract<DataRead, { kind: 'prefixKeys' | 'range' | 'rangeEntries' | 'revRangeEntries' }>,
    slot: Slot,
  ): Answer {
    const range = request.kind === 'prefixKeys' ? prefixRange(request.prefix) : rangeOfQuery(request);
    const all =
      range === null ? [] : this.#cluster.versions.rowsAt(slot).filter(([key]) => contains(range, key));
    if (request.kind === 'revRangeEntries') all.reverse();
    const rows = request.max < 0 ? all : all.slice(0, request.max);
    const isKeys = request.kind === 'prefixKeys' || request.kind === 'range';
    return isKeys ? okKeys(rows.map(([key]) => key)) : okEntries(rows);
  }

  // ── Updates ──────────────────────────────────────────────────────────────────────────────────────────────

  /** An update is proposed; the answer, in the moment in which its slot is applied, passes through what is returned. */
  update(encoded: Uint8Array, respond: Respond): Respond {
    return (answer) => {
      this.#answered(encoded, answer);
      respond(answer);
    };
  }

  #answered(encoded: Uint8Array, answer: Answer): void {
    if (!FOUND.has(returnCodeOf(answer.bytes))) return;
    const slot = this.#slotOf();
    const update = decodeUpdate(isFollower(encoded) ? encoded.subarray(4) : encoded);
    if (this.#executed?.slot !== slot) {
      const model = new Model();
      for (const [key, value] of this.#cluster.versions.rowsAt(slot - 1)) model.rows.set(key, value);
      this.#executed = { slot, model, isOurs: true, count: 0 };
    }
    const executed = this.#executed as Executed;
    if (update.kind === 'admin') {
      executed.isOurs = false; // moves change rows that no client may change at the time
      return;
    }
    executed.count += 1;
    const value = writtenBy(update);
    if (value !== null) this.#history.executedAt(this.#cluster.name, slot, executed.count, value);
    const { model } = executed;
    const expected =
      update.kind === 'userFunctionNear' || update.kind === 'userFunction'
        ? asModelled(model.rows, update)
        : model.execute(withoutFunctions(update) as typeof update);
    countUpdate(this.#rare, update, returnCodeOf(answer.bytes));
    const isSame =
      returnCodeOf(expected.bytes) === RETURN_CODES.OK
        ? sameBytes(expected.bytes, answer.bytes)
        : returnCodeOf(expected.bytes) === returnCodeOf(answer.bytes);
    check(
      isSame,
      'executed',
      () =>
        `${this.#node} answers ${print(update)} in slot ${slot} by ${hex(answer)}, and should by ${hex(expected)}`,
    );
  }

  /** All updates of a slot are answered: the rows are what they make of those before. */
  applied(slot: Slot): void {
    const executed = this.#executed;
    this.#executed = null;
    if (executed === null || executed.slot !== slot || !executed.isOurs) return;
    const { versions } = this.#cluster;
    const rows = versions.rowsAt(slot);
    const isSame =
      rows.length === executed.model.rows.size &&
      rows.every(([key, value]) => {
        const expected = executed.model.rows.get(key);
        return expected !== undefined && sameBytes(expected, value);
      });
    check(
      isSame,
      'executed',
      () =>
        `after slot ${slot} ${this.#node} has other rows than the updates that it answered make of those before`,
    );
  }
}

/** The slot that a read asks for at least; 0 where it does not. */
function stampOf(request: DataRead): Slot {
  return 'consistency' in request && request.consistency.kind === 'atLeast' ? request.consistency.slot : 0;
}

/** Some value that an update writes; null where it writes none. */
function writtenBy(update: Update): Uint8Array | null {
  if ('value' in update) return update.value;
  if ('wanted' in update) return update.wanted;
  if (!('updates' in update)) return null;
  for (const inner of update.updates) {
    const value = writtenBy(inner);
    if (value !== null) return value;
  }
  return null;
}

function isOfMany({ kind }: DataRead): boolean {
  return kind !== 'get' && kind !== 'exists' && kind !== 'assert' && kind !== 'assertExists';
}

function countUpdate(rare: Rare, update: Exclude<Update, { kind: 'admin' }>, code: number): void {
  const how = code === RETURN_CODES.OK ? 'done' : 'refused by a condition';
  if (update.kind === 'nop') rare.note('nop done');
  if (update.kind !== 'sequence' && update.kind !== 'syncedSequence') return;
  const isNested = update.updates.some(({ kind }) => kind === 'sequence' || kind === 'syncedSequence');
  if (isNested) rare.note(`nested sequence ${how}`);
  if (update.updates.some(({ kind }) => kind === 'assertRange')) rare.note(`assert_range ${how}`);
}

function print(what: Request | Update): string {
  const { kind, ...rest } = what;
  return `${kind} ${JSON.stringify(rest, (_, value: unknown) => shown(value)).slice(0, 500)}`;
}

function shown(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || !('type' in value) || value.type !== 'Buffer')
    return value;
  return Buffer.from((value as unknown as { data: number[] }).data).toString('latin1');
}

function hex({ bytes }: Answer): string {
  return JSON.stringify(Buffer.from(bytes).toString('latin1', 0, 300));
}

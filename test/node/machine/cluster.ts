/** A cluster of one machine over a store in memory: what the tests of the state machine speak to. */

import { isDeepStrictEqual } from 'node:util';
import * as assert from 'uvu/assert';
import type { FunctionRunner } from '../../../node/machine/function-call.ts';
import { Machine } from '../../../node/machine/machine.ts';
import { scanAll } from '../../../node/machine/store-keys.ts';
import { loadState, type SystemState } from '../../../node/machine/system-state.ts';
import { MemoryStore } from '../../../node/store/memory-store.ts';
import type { Work } from '../../../node/store/types.ts';
import { present } from '../../../src/base/assert.ts';
import type { Key } from '../../../src/base/bytes.ts';
import { RangeMap } from '../../../src/keyspace/rangemap.ts';
import {
  type AdminAnswer,
  type AdminCommand,
  type AdminQuery,
  decodeAnswer,
  type Header,
  type KeeperMap,
  type Row,
} from '../../../src/protocol/admin/admin.ts';
import { encodeBatch } from '../../../src/protocol/arakoon/batch.ts';
import { decodeVoid } from '../../../src/protocol/arakoon/replies.ts';
import type { Request } from '../../../src/protocol/arakoon/requests.ts';
import { encodeUpdate, type Update } from '../../../src/protocol/arakoon/updates.ts';
import type { Answer } from '../../../src/protocol/arakoon/values.ts';
import { NO_RUNNER } from '../../support/no-runner.ts';

/** Bytes of a text. */
export const bytes = (text: string): Buffer => Buffer.from(text, 'latin1');

/** Applies slots one after the other and answers at once. */
export class TestCluster {
  readonly store = new MemoryStore();
  machine: Machine;
  /** Turns that the last slot took: 1 where it never paused. */
  turns = 0;
  readonly #runner: FunctionRunner;
  #checked: SystemState | null = null;

  /** @param runner calls functions of users; by default there is nothing that does */
  constructor(options: { readonly nursery: boolean } = { nursery: false }, runner = NO_RUNNER) {
    this.#runner = runner;
    this.store.commit(Machine.found(Machine.genesis(options)), 0);
    this.machine = new Machine(this.store, this.#runner);
  }

  get slot(): number {
    return this.store.slot;
  }

  /** One slot with these updates; their answers. */
  apply(...updates: Update[]): Answer[] {
    return this.applyEncoded(...updates.map(encodeUpdate));
  }

  /** The same for updates in bytes. */
  applyEncoded(...updates: Uint8Array[]): Answer[] {
    const work = this.machine.apply(this.slot + 1, encodeBatch(updates));
    this.turns = 1;
    let next = work.next();
    for (; next.done !== true; next = work.next()) this.turns += 1;
    this.store.commit(next.value.changes, this.slot + 1);
    const versionBefore = this.machine.mapVersion;
    const mapBefore = this.machine.keeperMap();
    next.value.commit();
    this.#checkState();
    const isSameMap = isDeepStrictEqual(entriesOf(mapBefore), entriesOf(this.machine.keeperMap()));
    if (isSameMap)
      assert.is(this.machine.mapVersion, versionBefore, 'a map that is the same has the same version');
    else assert.ok(this.machine.mapVersion > versionBefore, 'a map that differs has a higher version');
    return next.value.answers;
  }

  /** The image holds all that the machine knows, in the order in which it knows it. */
  #checkState(): void {
    const { state } = this.machine;
    if (state === this.#checked) return;
    this.#checked = state;
    assert.equal(printed(loadState(this.store)), printed(state), 'what a restart would find');
    for (const list of [state.owned, state.forward]) {
      const los = list.map(({ lo }) => lo);
      assert.equal(los, los.toSorted(), 'ranges ascend');
    }
    for (const map of [
      state.exports,
      state.imports,
      state.cleanups,
      state.closed,
      state.tokens,
      state.migrations,
    ]) {
      const ids = [...map.keys()];
      assert.equal(
        ids,
        ids.toSorted((a, b) => a - b),
        'migrations ascend',
      );
    }
  }

  /** One slot with this update alone; its answer. */
  update(update: Update): Answer {
    return present(this.apply(update)[0], 'answer');
  }

  set(key: Key, value: string): void {
    decodeVoid(this.update({ kind: 'set', key, value: bytes(value) }).bytes);
  }

  delete(key: Key): void {
    decodeVoid(this.update({ kind: 'delete', key }).bytes);
  }

  command(command: AdminCommand): AdminAnswer {
    return decodeAnswer(this.update({ kind: 'admin', command }).bytes);
  }

  /** A command that must be answered by this kind. */
  expect<K extends AdminAnswer['kind']>(command: AdminCommand, kind: K): Extract<AdminAnswer, { kind: K }> {
    const answer = this.command(command);
    if (answer.kind !== kind)
      throw new Error(`${command.kind}: ${JSON.stringify(answer, printable)}, not ${kind}`);
    return answer as Extract<AdminAnswer, { kind: K }>;
  }

  read(request: Request): Answer {
    return finish(this.machine.read(request, this.store));
  }

  /** The raw reply to a query. */
  queryAnswer(query: AdminQuery): Answer {
    return finish(this.machine.query(query, this.slot, this.store));
  }

  query<K extends AdminAnswer['kind']>(query: AdminQuery, kind: K): Extract<AdminAnswer, { kind: K }> {
    const answer = decodeAnswer(this.queryAnswer(query).bytes);
    if (answer.kind !== kind)
      throw new Error(`${query.kind}: ${JSON.stringify(answer, printable)}, not ${kind}`);
    return answer as Extract<AdminAnswer, { kind: K }>;
  }

  status(header: Header): Extract<AdminAnswer, { kind: 'rangeStatus' }> {
    const { mid, lo, hi } = header;
    return this.query({ kind: 'rangeStatus', mid, lo, hi }, 'rangeStatus');
  }

  /** A process that starts again from the same image. */
  restart(): void {
    this.machine = new Machine(this.store, this.#runner);
  }

  /** Every row of every table. */
  dump(): [string, string][] {
    const rows: [string, string][] = [];
    scanAll(this.store, '', null, (key, value) => {
      rows.push([key, Buffer.from(value).toString('latin1')]);
    });
    return rows;
  }
}

/** The end of a read or query. */
export function finish(result: Answer | Work<Answer>): Answer {
  if ('bytes' in result) return result;
  for (let next = result.next(); ; next = result.next()) if (next.done === true) return next.value;
}

/** A data row of a page. */
export const row = (key: Key, value: string | null): Row => ({
  kind: 0,
  key,
  value: value === null ? null : bytes(value),
});

/** Return code and message of a failure; throws where it is none. */
export function failureOf(answer: Answer): { code: number; message: Key } {
  const reply = Buffer.from(answer.bytes);
  if (reply.readUInt32LE(0) === 0) throw new Error('the answer is a success');
  return { code: reply.readUInt32LE(0), message: reply.toString('latin1', 8) };
}

function entriesOf({ map, clusters }: KeeperMap): unknown {
  return { entries: map.entries, clusters };
}

/** As nested lists, in which order counts. */
function printed(state: SystemState): unknown {
  return Object.entries(state).map(([name, value]) => {
    if (value instanceof RangeMap) return [name, value.version, value.entries];
    return [name, value instanceof Map ? [...value] : value];
  });
}

function printable(_name: string, value: unknown): unknown {
  return typeof value === 'bigint' ? value.toString(16) : value;
}

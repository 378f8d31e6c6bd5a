/** The requests of Arakoon's protocol, their codes, and how far each reaches. */
import type { Key } from '../../base/bytes.ts';
import { NurseryError } from '../../base/errors.ts';
import * as shape from '../../wire/shape.ts';
import {
  ADMIN_COMMAND,
  ADMIN_QUERY,
  type AdminCommand,
  type AdminQuery,
  type NodeAddress,
} from '../admin/admin.ts';
import type { Consistency, Interval, RangeQuery } from './values.ts';

type KeyRead = { readonly consistency: Consistency; readonly key: Key };
type KeysRead = { readonly consistency: Consistency; readonly keys: readonly Key[] };
type Bytes = Uint8Array;

/** A decoded request. Byte arrays are views into the frame. */
export type Request =
  | { readonly kind: 'ping'; readonly client: string; readonly cluster: string }
  | { readonly kind: 'whoMaster' }
  | ({ readonly kind: 'exists' } & KeyRead)
  | ({ readonly kind: 'get' } & KeyRead)
  | { readonly kind: 'set'; readonly key: Key; readonly value: Bytes }
  | { readonly kind: 'delete'; readonly key: Key }
  | ({ readonly kind: 'range' } & RangeQuery)
  | {
      readonly kind: 'prefixKeys';
      readonly consistency: Consistency;
      readonly prefix: Key;
      readonly max: number;
    }
  | {
      readonly kind: 'testAndSet';
      readonly key: Key;
      readonly expected: Bytes | null;
      readonly wanted: Bytes | null;
    }
  | ({ readonly kind: 'rangeEntries' } & RangeQuery)
  /** `update` holds an encoded Sequence update (updates.ts); decoded by whoever needs its keys. */
  | { readonly kind: 'sequence'; readonly update: Bytes }
  | { readonly kind: 'syncedSequence'; readonly update: Bytes }
  | ({ readonly kind: 'multiGet' } & KeysRead)
  | ({ readonly kind: 'multiGetOption' } & KeysRead)
  | { readonly kind: 'expectProgressPossible' }
  | { readonly kind: 'statistics' }
  | { readonly kind: 'collapse'; readonly keep: number }
  | { readonly kind: 'userFunction'; readonly name: Key; readonly argument: Bytes | null }
  | {
      readonly kind: 'assert';
      readonly consistency: Consistency;
      readonly key: Key;
      readonly expected: Bytes | null;
    }
  | ({ readonly kind: 'assertExists' } & KeyRead)
  | { readonly kind: 'getKeyCount' }
  | { readonly kind: 'getDb' }
  | { readonly kind: 'confirm'; readonly key: Key; readonly value: Bytes }
  | { readonly kind: 'getFringe'; readonly boundary: Key | null; readonly direction: number }
  | { readonly kind: 'getInterval' }
  | { readonly kind: 'setInterval'; readonly interval: Interval }
  | { readonly kind: 'getRouting' }
  /** `routing` holds an encoded routing tree (routing.ts). */
  | { readonly kind: 'setRouting'; readonly routing: Bytes }
  | {
      readonly kind: 'setRoutingDelta';
      readonly left: Key;
      readonly separator: Key;
      readonly right: Key;
    }
  | { readonly kind: 'migrateRange'; readonly interval: Interval; readonly update: Bytes }
  | { readonly kind: 'setNurseryConfig'; readonly cluster: string; readonly nodes: readonly NodeAddress[] }
  | { readonly kind: 'getNurseryConfig' }
  /** `first` is the high end, `last` the low one. */
  | ({ readonly kind: 'revRangeEntries' } & RangeQuery)
  | { readonly kind: 'optimizeDb' }
  | { readonly kind: 'defragDb' }
  | { readonly kind: 'deletePrefix'; readonly prefix: Key }
  | { readonly kind: 'version' }
  | { readonly kind: 'dropMaster' }
  | { readonly kind: 'currentState' }
  | { readonly kind: 'replace'; readonly key: Key; readonly wanted: Bytes | null }
  | { readonly kind: 'nop' }
  | { readonly kind: 'flushStore' }
  | { readonly kind: 'getTxid' }
  | { readonly kind: 'copyDbToHead'; readonly keep: number }
  | { readonly kind: 'userHook'; readonly consistency: Consistency; readonly name: Key }
  /** Over links only. */
  | { readonly kind: 'adminCommand'; readonly command: AdminCommand }
  | { readonly kind: 'adminQuery'; readonly query: AdminQuery }
  /** `requests` holds whole updates of one connection (run.ts). */
  | { readonly kind: 'run'; readonly requests: readonly Bytes[] };

/** The low half of a run's first int (run.ts). */
export const RUN = 0x82;

/** The low half of each request's first int. A kind without a code does not compile. */
export const REQUEST_CODES = {
  ping: 0x01,
  whoMaster: 0x02,
  exists: 0x07,
  get: 0x08,
  set: 0x09,
  delete: 0x0a,
  range: 0x0b,
  prefixKeys: 0x0c,
  testAndSet: 0x0d,
  rangeEntries: 0x0f,
  sequence: 0x10,
  multiGet: 0x11,
  expectProgressPossible: 0x12,
  statistics: 0x13,
  collapse: 0x14,
  userFunction: 0x15,
  assert: 0x16,
  setInterval: 0x17,
  getRouting: 0x18,
  setRouting: 0x19,
  getKeyCount: 0x1a,
  getDb: 0x1b,
  confirm: 0x1c,
  getFringe: 0x1d,
  getInterval: 0x1e,
  setNurseryConfig: 0x1f,
  getNurseryConfig: 0x20,
  setRoutingDelta: 0x21,
  migrateRange: 0x22,
  revRangeEntries: 0x23,
  syncedSequence: 0x24,
  optimizeDb: 0x25,
  defragDb: 0x26,
  deletePrefix: 0x27,
  version: 0x28,
  assertExists: 0x29,
  dropMaster: 0x30,
  multiGetOption: 0x31,
  currentState: 0x32,
  replace: 0x33,
  nop: 0x41,
  flushStore: 0x42,
  getTxid: 0x43,
  copyDbToHead: 0x44,
  userHook: 0x45,
  adminCommand: ADMIN_COMMAND,
  adminQuery: ADMIN_QUERY,
  run: RUN,
} as const satisfies { readonly [K in Request['kind']]: number };

const { BOOL, INT, STRING, OPTION, CONSISTENCY } = shape;
const BOUNDS = [CONSISTENCY, OPTION, BOOL, OPTION, BOOL, INT] as const;
const INTERVAL = [OPTION, OPTION, OPTION, OPTION] as const;

/** What follows the first int. Admin requests and runs have no shape: links delimit them, and TCP does not offer them. */
export const REQUEST_SHAPES: {
  readonly [K in Exclude<Request['kind'], 'adminCommand' | 'adminQuery' | 'run'>]: shape.Shape;
} = {
  ping: [STRING, STRING],
  whoMaster: [],
  exists: [CONSISTENCY, STRING],
  get: [CONSISTENCY, STRING],
  set: [STRING, STRING],
  delete: [STRING],
  range: BOUNDS,
  prefixKeys: [CONSISTENCY, STRING, INT],
  testAndSet: [STRING, OPTION, OPTION],
  rangeEntries: BOUNDS,
  sequence: [STRING],
  multiGet: [CONSISTENCY, shape.elements(STRING)],
  expectProgressPossible: [],
  statistics: [],
  collapse: [INT],
  userFunction: [STRING, OPTION],
  assert: [CONSISTENCY, STRING, OPTION],
  setInterval: INTERVAL,
  getRouting: [],
  setRouting: [STRING],
  getKeyCount: [],
  getDb: [],
  confirm: [STRING, STRING],
  getFringe: [OPTION, INT],
  getInterval: [],
  setNurseryConfig: [STRING, shape.elements(STRING, shape.elements(STRING), INT)],
  getNurseryConfig: [],
  setRoutingDelta: [STRING, STRING, STRING],
  migrateRange: [...INTERVAL, STRING],
  revRangeEntries: BOUNDS,
  syncedSequence: [STRING],
  optimizeDb: [],
  defragDb: [],
  deletePrefix: [STRING],
  version: [],
  assertExists: [CONSISTENCY, STRING],
  dropMaster: [],
  multiGetOption: [CONSISTENCY, shape.elements(STRING)],
  currentState: [],
  replace: [STRING, OPTION],
  nop: [],
  flushStore: [],
  getTxid: [],
  copyDbToHead: [INT],
  userHook: [CONSISTENCY, STRING],
};

/** The kind with a code, for speed by index. */
const KIND_OF: (Request['kind'] | undefined)[] = [];
for (const [kind, code] of Object.entries(REQUEST_CODES)) KIND_OF[code] = kind as Request['kind'];

/** The kind of request that has this code, if any. */
export function kindOfCode(code: number): Request['kind'] | undefined {
  return KIND_OF[code];
}

/** What a client calls the request with this code: Arakoon's names, for messages and statistics. */
export function requestName(code: number): string {
  const kind = kindOfCode(code);
  if (kind === undefined) return `0x${code.toString(16).padStart(2, '0')}`;
  return kind.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

/** The refusal of a request whose code nobody here serves. */
export function unknownCode(code: number): NurseryError {
  return new NurseryError('NOT_SUPPORTED', `request ${requestName(code)} is not served here`);
}

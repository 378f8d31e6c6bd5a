/** What a client can ask, as Arakoon's protocol has it. */
import type { Key } from '../bytes.ts';
import type { AdminCommand, AdminQuery, NodeAddress } from './admin.ts';

/** How fresh a read must be. `slot` counts in the cluster that is asked. */
export type Consistency =
  | { readonly kind: 'consistent' }
  | { readonly kind: 'noGuarantees' }
  | { readonly kind: 'atLeast'; readonly slot: number };

/** Bounds of a range request; null where open. `max` below 0 means all, 0 none. */
export type RangeQuery = {
  readonly consistency: Consistency;
  readonly first: Key | null;
  readonly firstIncluded: boolean;
  readonly last: Key | null;
  readonly lastIncluded: boolean;
  readonly max: number;
};

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
  | { readonly kind: 'setInterval' }
  | { readonly kind: 'getRouting' }
  | { readonly kind: 'setRouting' }
  | { readonly kind: 'setRoutingDelta' }
  | { readonly kind: 'migrateRange' }
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
  | { readonly kind: 'adminQuery'; readonly query: AdminQuery };

/**
 * The requests: Arakoon's, and our own over links. One row holds all that the protocol knows of one; reading, writing, scanning,
 * types, and what clients, routers and nodes do with it follow.
 */
import type { Key } from '../../base/bytes.ts';
import { NurseryError } from '../../base/errors.ts';
import { ADMIN_COMMAND, ADMIN_QUERY, adminCommandCodec, adminQueryCodec } from '../admin/admin.ts';
import {
  layout as args,
  bound,
  bytes,
  consistency,
  count,
  int,
  interval,
  type Layout,
  name,
  nodeAddresses,
  optionalBytes,
  plain,
  storedKey,
  storedKeys,
  storedOption,
  storedPrefix,
  storedValue,
  text,
} from './arguments.ts';
import { ascending, descending } from './bounds.ts';
import { asSent, asSequence } from './logged.ts';
import { FORMS, type FormName, type Read } from './reply-forms.ts';
import { RUN, runCodec } from './run.ts';
import { encodeUpdate } from './updates.ts';
import type { RangeQuery } from './values.ts';

/** Code of a request of our own, which Arakoon does not have. */
const USER_FUNCTION_NEAR = 0x83;

/** What a request may name: by that a router knows where it goes. */
type NamesOf<V> =
  /** One key: to its owner. */
  | (V extends { readonly key: Key } ? 'key' : never)
  /** Several keys, whose owners may be several. */
  | (V extends { readonly keys: readonly Key[] } ? 'keys' : never)
  /** All keys that begin with `prefix`. */
  | (V extends { readonly prefix: Key } ? 'prefix' : never)
  /** All keys between two bounds. */
  | (V extends RangeQuery ? 'bounds' : never)
  /** What the updates in it name. */
  | (V extends { readonly update: Uint8Array } ? 'updates' : never)
  /** Nothing, and any cluster will do. */
  | 'anywhere'
  /** Nobody knows what: only a cluster that owns everything can do it. */
  | 'everything'
  /** Nothing, and each cluster is asked. */
  | 'clusters'
  /** Nothing: whoever is asked answers for itself, a router too. */
  | 'asked'
  /** Nothing: it is about one node, or one cluster. A router refuses it. */
  | 'node';

type Facts<V> = {
  readonly names: NamesOf<V>;
  /** What follows return code 0; null where no client could read that. */
  readonly reply: FormName | null;
  /** Not offered on a byte stream, and refused there. */
  readonly linksOnly?: true;
};

/** A request that goes through the log. `logs`: the update to log, a copy, since frames are reused. */
function update<
  const C extends number,
  V,
  const F extends Facts<V> & { readonly logs: (values: V, frame: Uint8Array) => Uint8Array },
>(code: C, layout: Layout<V>, facts: F) {
  return { code, args: layout, by: 'log' as const, ...facts };
}

/**
 * A request that does not go through the log. At a node it is answered from the `image` of what was applied, or by the
 * `node` itself, or by `nobody`, who refuses it.
 */
function read<
  const C extends number,
  V,
  const F extends Facts<V> & { readonly by: 'image' | 'node' | 'nobody' },
>(code: C, layout: Layout<V>, facts: F) {
  return { code, args: layout, ...facts };
}

const keyed = args({ consistency, key: storedKey });
const listed = args({ consistency, keys: storedKeys });
const none = args({});

/** By the name of the kind; the code is the low half of the request's first int. */
export const REQUESTS = {
  ping: read(0x01, args({ client: text, cluster: text }), { by: 'node', names: 'asked', reply: 'text' }),
  whoMaster: read(0x02, none, { by: 'node', names: 'asked', reply: 'optionalText' }),
  exists: read(0x07, keyed, { by: 'image', names: 'key', reply: 'bool' }),
  get: read(0x08, keyed, { by: 'image', names: 'key', reply: 'bytes' }),
  set: update(0x09, args({ key: storedKey, value: storedValue }), {
    logs: asSent('set'),
    names: 'key',
    reply: 'nothing',
  }),
  delete: update(0x0a, args({ key: storedKey }), { logs: asSent('delete'), names: 'key', reply: 'nothing' }),
  range: read(0x0b, ascending, { by: 'image', names: 'bounds', reply: 'keys' }),
  prefixKeys: read(0x0c, args({ consistency, prefix: storedPrefix, max: count }), {
    by: 'image',
    names: 'prefix',
    reply: 'keys',
  }),
  testAndSet: update(0x0d, args({ key: storedKey, expected: optionalBytes, wanted: storedOption }), {
    logs: asSent('testAndSet'),
    names: 'key',
    reply: 'optionalBytes',
  }),
  rangeEntries: read(0x0f, ascending, { by: 'image', names: 'bounds', reply: 'entries' }),
  /** `update` holds an encoded sequence (updates.ts); decoded by whoever needs its keys. */
  sequence: update(0x10, args({ update: bytes }), {
    logs: asSequence('sequence'),
    names: 'updates',
    reply: 'nothing',
  }),
  multiGet: read(0x11, listed, { by: 'image', names: 'keys', reply: 'values' }),
  expectProgressPossible: read(0x12, none, { by: 'node', names: 'asked', reply: 'bool' }),
  statistics: read(0x13, none, { by: 'node', names: 'asked', reply: 'statistics' }),
  collapse: read(0x14, args({ keep: int }), { by: 'node', names: 'node', reply: 'collapse' }),
  userFunction: update(0x15, args({ name, argument: optionalBytes }), {
    logs: asSent('userFunction'),
    names: 'everything',
    reply: 'optionalBytes',
  }),
  assert: read(0x16, args({ consistency, key: storedKey, expected: optionalBytes }), {
    by: 'image',
    names: 'key',
    reply: 'nothing',
  }),
  setInterval: read(0x17, args({ interval }), { by: 'nobody', names: 'node', reply: 'nothing' }),
  getRouting: read(0x18, none, { by: 'image', names: 'asked', reply: 'routing' }),
  /** `routing` holds an encoded routing tree (routing.ts). */
  setRouting: read(0x19, args({ routing: bytes }), { by: 'nobody', names: 'node', reply: 'nothing' }),
  getKeyCount: read(0x1a, none, { by: 'image', names: 'clusters', reply: 'int64' }),
  getDb: read(0x1b, none, { by: 'node', names: 'node', reply: null }),
  confirm: update(0x1c, args({ key: storedKey, value: storedValue }), {
    logs: asSent('confirm'),
    names: 'key',
    reply: 'nothing',
  }),
  /** `direction` 0: what lies below `boundary`, from the first key on; 1: what lies above, from the last key down. */
  getFringe: read(0x1d, args({ boundary: bound, direction: int }), {
    by: 'image',
    names: 'node',
    reply: 'entries',
  }),
  getInterval: read(0x1e, none, { by: 'image', names: 'asked', reply: 'interval' }),
  setNurseryConfig: update(0x1f, args({ cluster: text, nodes: nodeAddresses }), {
    logs: ({ cluster, nodes }) =>
      encodeUpdate({ kind: 'admin', command: { kind: 'setClusterConfig', cluster, nodes: [...nodes] } }),
    names: 'node',
    reply: 'nothing',
  }),
  getNurseryConfig: read(0x20, none, { by: 'image', names: 'asked', reply: 'nurseryConfig' }),
  setRoutingDelta: read(0x21, args({ left: name, separator: name, right: name }), {
    by: 'nobody',
    names: 'node',
    reply: 'nothing',
  }),
  migrateRange: read(0x22, args({ interval, update: bytes }), {
    by: 'nobody',
    names: 'node',
    reply: 'nothing',
  }),
  /** `first` is the high end, `last` the low one. */
  revRangeEntries: read(0x23, descending, { by: 'image', names: 'bounds', reply: 'revEntries' }),
  syncedSequence: update(0x24, args({ update: bytes }), {
    logs: asSequence('syncedSequence'),
    names: 'updates',
    reply: 'nothing',
  }),
  optimizeDb: read(0x25, none, { by: 'node', names: 'node', reply: 'nothing' }),
  defragDb: read(0x26, none, { by: 'node', names: 'node', reply: 'nothing' }),
  deletePrefix: update(0x27, args({ prefix: storedPrefix }), {
    logs: asSent('deletePrefix'),
    names: 'prefix',
    reply: 'int',
  }),
  version: read(0x28, none, { by: 'node', names: 'asked', reply: 'version' }),
  assertExists: read(0x29, keyed, { by: 'image', names: 'key', reply: 'nothing' }),
  dropMaster: read(0x30, none, { by: 'node', names: 'node', reply: 'nothing' }),
  multiGetOption: read(0x31, listed, { by: 'image', names: 'keys', reply: 'optionalValues' }),
  currentState: read(0x32, none, { by: 'node', names: 'asked', reply: 'text' }),
  replace: update(0x33, args({ key: storedKey, wanted: storedOption }), {
    logs: asSent('replace'),
    names: 'key',
    reply: 'optionalBytes',
  }),
  nop: update(0x41, none, { logs: asSent('nop'), names: 'anywhere', reply: 'nothing' }),
  flushStore: read(0x42, none, { by: 'node', names: 'node', reply: 'nothing' }),
  getTxid: read(0x43, none, { by: 'node', names: 'asked', reply: 'txid' }),
  copyDbToHead: read(0x44, args({ keep: int }), { by: 'node', names: 'node', reply: 'nothing' }),
  userHook: read(0x45, args({ consistency, name }), { by: 'image', names: 'everything', reply: 'bytes' }),
  adminCommand: update(ADMIN_COMMAND, args({ command: plain([], adminCommandCodec) }), {
    logs: asSent('admin'),
    names: 'asked',
    reply: null,
    linksOnly: true,
  }),
  adminQuery: read(ADMIN_QUERY, args({ query: plain([], adminQueryCodec) }), {
    by: 'node',
    names: 'asked',
    reply: null,
    linksOnly: true,
  }),
  /** `userFunction` where `key` is served: what a router places it by. */
  userFunctionNear: update(USER_FUNCTION_NEAR, args({ key: storedKey, name, argument: optionalBytes }), {
    logs: asSent('userFunctionNear'),
    names: 'key',
    reply: 'optionalBytes',
  }),
  /** `requests` holds whole updates of one connection (run.ts). */
  run: read(RUN, args({ requests: plain([], runCodec) }), {
    by: 'node',
    names: 'node',
    reply: null,
    linksOnly: true,
  }),
};

type Table = typeof REQUESTS;
type Carried<R> = R extends { readonly args: Layout<infer V> } ? V : never;

export type RequestKind = keyof Table;

/** A decoded request of one of these kinds. Byte arrays are views into the frame. */
export type RequestOf<K extends RequestKind> = K extends RequestKind
  ? { readonly kind: K } & Carried<Table[K]>
  : never;

/** A decoded request. */
export type Request = RequestOf<RequestKind>;

/** The kinds whose row has these facts. */
export type KindsWith<F> = { [K in RequestKind]: Table[K] extends F ? K : never }[RequestKind];

/** What a client reads in the reply to a request of this kind. */
export type ResultOf<K extends RequestKind> = Table[K]['reply'] extends FormName
  ? Read<Table[K]['reply']>
  : never;

/** What is to be done with a request, for each of these kinds: one that is missing does not compile. */
export type Handlers<K extends RequestKind, A extends readonly unknown[], R> = {
  readonly [P in K]: (request: RequestOf<P>, ...args: A) => R;
};

/** Does with `request` what `handlers` have for its kind. */
export function dispatch<K extends RequestKind, A extends readonly unknown[], R>(
  handlers: Handlers<K, A, R>,
  request: RequestOf<K>,
  ...args: A
): R {
  const handle = handlers[request.kind as K] as (request: RequestOf<K>, ...args: A) => R; // the one of this kind
  return handle(request, ...args);
}

/** A row as it is looked up: what is more than that is in the types. */
type Row = {
  readonly code: number;
  readonly args: Layout<unknown>;
  readonly by: 'log' | 'image' | 'node' | 'nobody';
  readonly names: Table[RequestKind]['names'];
  readonly reply: FormName | null;
  readonly linksOnly?: true;
  logs?(values: unknown, frame: Uint8Array): Uint8Array;
};

const ROWS: { readonly [K in RequestKind]: Row } = REQUESTS;
export const KINDS = Object.keys(REQUESTS) as readonly RequestKind[];

/** By code, for speed. */
const KIND_OF: (RequestKind | undefined)[] = [];
for (const kind of KINDS) KIND_OF[REQUESTS[kind].code] = kind;

/** The low half of each request's first int. */
export const REQUEST_CODES = Object.fromEntries(KINDS.map((kind) => [kind, REQUESTS[kind].code])) as {
  readonly [K in RequestKind]: Table[K]['code'];
};

/** What the table says of a kind. */
export function rowOf(kind: RequestKind): Row {
  return ROWS[kind];
}

/** The kind of request that has this code, if any. */
export function kindOfCode(code: number): RequestKind | undefined {
  return KIND_OF[code];
}

/** Whether a node answers `request` so. */
export function isBy<B extends Row['by']>(
  request: Request,
  by: B,
): request is RequestOf<KindsWith<{ readonly by: B }>> {
  return ROWS[request.kind].by === by;
}

/**
 * What a client reads in a reply to a request of this kind.
 *
 * @throws NurseryError what a reply says that is no success; NOT_SUPPORTED where no client can read such replies
 */
export function resultOf<K extends RequestKind>(kind: K, reply: Uint8Array): ResultOf<K> {
  const form = ROWS[kind].reply;
  if (form === null) throw new NurseryError('NOT_SUPPORTED', `the reply to ${kind} cannot be read`);
  return FORMS[form].decode(reply) as ResultOf<K>;
}

/** Whether no reply to such a request is long, whatever is stored. */
export function hasShortReply(kind: RequestKind): boolean {
  const { reply } = ROWS[kind];
  return reply !== null && FORMS[reply].isShort;
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

/**
 * What the state machine knows beside its rows: ownership, migrations in progress, and the keeper's records. Small
 * documents, held in memory and stored as rows of the same image as the data.
 */
import { invariant } from '../../src/base/assert.ts';
import type { Key } from '../../src/base/bytes.ts';
import {
  type Binding,
  bindingCodec,
  knownLifeCodec,
  type Presence,
  presenceCodec,
  storedWithFounding,
} from '../../src/identity/founding.ts';
import { digestCodec, digestOfRow, NO_ROWS } from '../../src/keyspace/digest.ts';
import {
  difference,
  EMPTY_MAP,
  entriesIn,
  type MapEntry,
  RangeMap,
  storedEntriesCodec,
  storedEntryCodec,
} from '../../src/keyspace/rangemap.ts';
import {
  backupCodec,
  clusterConfigCodec,
  type KnownCluster,
  type Migration,
  type NotedBackup,
  type Order,
  type Outcome,
  type Owned,
  orderCodec,
  outcomeCodec,
  ownedCodec,
} from '../../src/protocol/admin/admin.ts';
import { type AutoWish, autoWishCodec, NO_AUTO } from '../../src/protocol/admin/auto.ts';
import {
  type FunctionEntry,
  type FunctionsVersion,
  functionEntryCodec,
  functionsVersionCodec,
  NO_FUNCTIONS,
  REMOVED,
} from '../../src/protocol/admin/functions.ts';
import { storedMigrationCodec } from '../../src/protocol/admin/migration.ts';
import {
  bool,
  type Codec,
  type Coded,
  decode,
  encode,
  i64,
  key,
  list,
  option,
  struct,
  text,
} from '../../src/wire/codec.ts';
import { type StoreKey, TABLES, type View } from '../store/types.ts';
import { scanAll, tableRange } from './store-keys.ts';

/** `founding`: the target's; missing where the export was begun before there were any. */
const exportCodec = storedWithFounding(
  struct({
    lo: key,
    hi: option(key),
    target: text,
    beginSlot: i64,
    base: option(digestCodec),
    /** Two different bases were found: replicas differ, and the range is never sealed. */
    diverged: bool,
    /** What all changes since `beginSlot` add to the range's digest. */
    delta: digestCodec,
    dirtyRows: i64,
    dirtyBytes: i64,
    seal: option(struct({ sealSlot: i64, digest: digestCodec })),
  }),
);
/** A range on its way out: this cluster is the source. */
export type ExportRecord = Coded<typeof exportCodec>;

/** `founding`: the source's, as above. */
const importCodec = storedWithFounding(
  struct({
    lo: key,
    hi: option(key),
    source: text,
    seq: i64,
    /** First key not yet copied; equals `hi` at the end. */
    cursor: option(key),
    asOf: i64,
    /** Digest of the staged rows. */
    running: digestCodec,
  }),
);
/** A range on its way in: this cluster is the target. Its rows are staged in their final place, owned by nobody. */
export type ImportRecord = Coded<typeof importCodec>;

const cleanupCodec = struct({ lo: key, hi: option(key) });
/** A range whose rows are being deleted. */
export type Cleanup = Coded<typeof cleanupCodec>;

const plainIdentityCodec = struct({
  /** The founding in force; '' where there is none. */
  founding: text,
  /** Foundings that were in force once, and never will be again. */
  dead: list(text),
  /** Slot of the cluster as of which `members` is. */
  version: i64,
  members: list(knownLifeCodec),
  /** It owned something when it was bound. */
  owned: bool,
});
/** What the keeper knows of a cluster id. */
export type Identity = Coded<typeof plainIdentityCodec> & {
  /** Of members that have told their address in their present life. */
  readonly presences: readonly Presence[];
};
/** Rows of before there were presences end where these begin. */
const identityCodec: Codec<Identity> = {
  write: (writer, identity) => {
    plainIdentityCodec.write(writer, identity);
    if (identity.presences.length > 0) list(presenceCodec).write(writer, [...identity.presences]);
  },
  read: (reader) => {
    const identity = plainIdentityCodec.read(reader);
    return { ...identity, presences: reader.left === 0 ? [] : list(presenceCodec).read(reader) };
  },
};

/** All of it. Never changed in place: a change makes a new one that shares the rest. Maps are in order of their ids. */
export type SystemState = {
  /** Disjoint, ascending. */
  readonly owned: readonly Owned[];
  /** Where released ranges went; disjoint, ascending, and disjoint from `owned`. */
  readonly forward: readonly MapEntry[];
  /** Every migration below is decided and forgotten. */
  readonly floor: number;
  /** The highest epoch that was assumed without a migration. */
  readonly assumed: number;
  readonly exports: ReadonlyMap<number, ExportRecord>;
  readonly imports: ReadonlyMap<number, ImportRecord>;
  readonly cleanups: ReadonlyMap<number, Cleanup>;
  readonly closed: ReadonlyMap<number, Outcome>;
  /** Per migration, the highest coordinator's token seen. */
  readonly tokens: ReadonlyMap<number, number>;
  /** The keeper that this cluster belongs to, once it does. The keeper is bound to itself. */
  readonly bound: Binding | null;
  /** The last backup that was taken of this cluster, as far as it was told. */
  readonly backup: NotedBackup | null;
  /**
   * The founding that this one takes the place of, by an order, until the keeper has said which of its ranges are still its own:
   * nothing is served before. '' where there is no such thing.
   */
  readonly unconfirmed: string;
  /** The last order by which it came to another keeper; 0 where there was none. */
  readonly adopted: number;
  /** Keepers that it came from then, oldest first; the last `KEEPERS_MAX`. */
  readonly keepers: readonly string[];
  /** Functions of users, and those that were removed, by name. */
  readonly functions: ReadonlyMap<string, FunctionEntry>;
  /** The keeper's, or its own, that it has come to. */
  readonly functionsVersion: FunctionsVersion;
  /** What runs them; '' before every member had it. */
  readonly engine: string;
  /** The keeper's. */
  readonly map: RangeMap;
  /** Keepers that this one took the place of. */
  readonly replaced: readonly string[];
  /** The highest migration id allotted. */
  readonly lastMid: number;
  readonly migrations: ReadonlyMap<number, Migration>;
  /** What people wish of rebalancing by itself. */
  readonly auto: AutoWish;
  /** How clients reach each cluster. */
  readonly configs: ReadonlyMap<string, KnownCluster>;
  readonly identities: ReadonlyMap<string, Identity>;
  /** Clusters that introduced themselves as another keeper's, and that one's founding. */
  readonly strangers: ReadonlyMap<string, string>;
  /** Orders of operators, by number. */
  readonly orders: ReadonlyMap<number, Order>;
};

/** How a field of the state is stored: as one row, which is missing where it has its initial value. */
type Single<T> = { readonly row: StoreKey; readonly codec: Codec<T>; readonly initial: T };
/** How a map of the state is stored: one row per entry. */
type Table<K, T> = {
  readonly rows: StoreKey;
  readonly codec: Codec<T>;
  idToText(id: K): string;
  idFromText(text: string): K;
};

const system = (name: string): StoreKey => `${TABLES.SYSTEM}machine.${name}`;
const keeper = (name: string): StoreKey => `${TABLES.KEEPER}${name}`;

const SINGLES = {
  owned: { row: system('owned'), codec: list(ownedCodec), initial: [] },
  forward: { row: system('forward'), codec: storedEntriesCodec, initial: [] },
  floor: { row: system('floor'), codec: i64, initial: 0 },
  assumed: { row: system('assumed'), codec: i64, initial: 0 },
  bound: { row: system('bound'), codec: bindingCodec, initial: null },
  backup: { row: system('backup'), codec: backupCodec, initial: null },
  unconfirmed: { row: system('unconfirmed'), codec: text, initial: '' },
  adopted: { row: system('adopted'), codec: i64, initial: 0 },
  keepers: { row: system('keepers'), codec: list(text), initial: [] },
  functionsVersion: { row: system('functions'), codec: functionsVersionCodec, initial: NO_FUNCTIONS },
  engine: { row: system('engine'), codec: text, initial: '' },
  replaced: { row: keeper('replaced'), codec: list(text), initial: [] },
  lastMid: { row: keeper('last-mid'), codec: i64, initial: 0 },
  auto: { row: keeper('auto'), codec: autoWishCodec, initial: NO_AUTO },
} as const;

/** The map's version; its entries have a row each, so that a change of a big map writes little. */
const MAP_VERSION = keeper('map');
const MAP_ENTRIES = keeper('range/');
/** Longest beginning of a range that is a row's name as it is; a longer one would be too long for the store. */
const PLAIN_NAME_MAX = 4000;
const NO_BYTES = new Uint8Array(0);

/** Sixteen digits, so that the order of rows is the order of numbers. */
const NUMBERED = {
  idToText: (id: number): string => String(id).padStart(16, '0'),
  idFromText: (digits: string): number => Number(digits),
};
/** Names are UTF-8, keys one byte per character. */
const NAMED = {
  idToText: (id: string): string => Buffer.from(id, 'utf8').toString('latin1'),
  idFromText: (name: string): string => Buffer.from(name, 'latin1').toString('utf8'),
};

const MAPS = {
  exports: { rows: system('export/'), codec: exportCodec, ...NUMBERED },
  imports: { rows: system('import/'), codec: importCodec, ...NUMBERED },
  cleanups: { rows: system('cleanup/'), codec: cleanupCodec, ...NUMBERED },
  closed: { rows: system('closed/'), codec: outcomeCodec, ...NUMBERED },
  tokens: { rows: system('token/'), codec: i64, ...NUMBERED },
  functions: { rows: system('function/'), codec: functionEntryCodec, ...NAMED },
  migrations: { rows: keeper('migration/'), codec: storedMigrationCodec, ...NUMBERED },
  configs: { rows: keeper('cluster/'), codec: storedWithFounding(clusterConfigCodec), ...NAMED },
  identities: { rows: keeper('identity/'), codec: identityCodec, ...NAMED },
  strangers: { rows: keeper('stranger/'), codec: text, ...NAMED },
  orders: { rows: keeper('order/'), codec: orderCodec, ...NUMBERED },
} as const;

type SingleName = keyof typeof SINGLES;
type MapName = keyof typeof MAPS;

/** Of a cluster that owns nothing and knows nothing. */
export const INITIAL_STATE: SystemState = {
  owned: [],
  forward: [],
  floor: 0,
  assumed: 0,
  exports: new Map(),
  imports: new Map(),
  cleanups: new Map(),
  closed: new Map(),
  tokens: new Map(),
  bound: null,
  backup: null,
  unconfirmed: '',
  adopted: 0,
  keepers: [],
  functions: new Map(),
  functionsVersion: NO_FUNCTIONS,
  engine: '',
  replaced: [],
  map: EMPTY_MAP,
  lastMid: 0,
  migrations: new Map(),
  auto: NO_AUTO,
  configs: new Map(),
  identities: new Map(),
  strangers: new Map(),
  orders: new Map(),
};

/** The ranges that are served, or sealed: none before a rescue is confirmed. */
export function inForce({
  owned,
  unconfirmed,
}: Pick<SystemState, 'owned' | 'unconfirmed'>): readonly Owned[] {
  return unconfirmed === '' ? owned : [];
}

/** The state that is stored in an image. */
export function loadState(view: View): SystemState {
  const state: Record<string, unknown> = { ...INITIAL_STATE };
  for (const [name, single] of Object.entries(SINGLES)) {
    const row = view.get(single.row);
    if (row !== undefined) state[name] = decode(single.codec as Codec<unknown>, row);
  }
  for (const [name, table] of Object.entries(MAPS))
    state[name] = loadMap(view, table as Table<unknown, unknown>);
  state['map'] = loadRangeMap(view);
  state['functions'] = withoutRemoved(state['functions'] as SystemState['functions']);
  return state as SystemState;
}

function withoutRemoved(functions: SystemState['functions']): SystemState['functions'] {
  return new Map([...functions].filter(([, { source }]) => source !== REMOVED));
}

/** The export of migration `mid` in an image, whatever slot that is of. */
export function loadExport(view: View, mid: number): ExportRecord | null {
  const row = view.get(rowOf(MAPS.exports, mid));
  return row === undefined ? null : decode(exportCodec, row);
}

/** Writes what differs between two states. */
export function storeState(
  before: SystemState,
  after: SystemState,
  put: (key: StoreKey, value: Uint8Array | null) => void,
): void {
  if (before === after) return;
  if (before.map !== after.map) storeRangeMap(before.map, after.map, put);
  for (const name of Object.keys(SINGLES) as SingleName[]) {
    if (before[name] === after[name]) continue;
    const single: Single<unknown> = SINGLES[name] as Single<unknown>;
    put(single.row, encode(single.codec, after[name]));
  }
  for (const name of Object.keys(MAPS) as MapName[]) {
    if (before[name] === after[name]) continue;
    const table = MAPS[name] as unknown as Table<unknown, unknown>;
    storeMap(table, before[name] as ReadonlyMap<unknown, unknown>, after[name], put);
  }
}

/** The map with `id` set to `value`, or removed where that is null; still in order. */
export function withEntry<K extends number | string, T>(
  map: ReadonlyMap<K, T>,
  id: K,
  value: T | null,
): ReadonlyMap<K, T> {
  const copy = new Map(map);
  if (value === null) {
    copy.delete(id);
    return copy;
  }
  copy.set(id, value);
  if (map.has(id)) return copy;
  return [...map.keys()].some((other) => other > id)
    ? new Map([...copy].sort(([a], [b]) => (a < b ? -1 : 1)))
    : copy;
}

/** The map without the entries whose id is below `floor`; the same one where there are none. */
export function withoutBelow<T>(map: ReadonlyMap<number, T>, floor: number): ReadonlyMap<number, T> {
  const kept = [...map].filter(([id]) => id >= floor);
  return kept.length === map.size ? map : new Map(kept);
}

/** An export of `range` that has changed nothing yet. */
export function newExport(
  range: { readonly lo: string; readonly hi: string | null },
  target: string,
  founding: string,
  beginSlot: number,
): ExportRecord {
  const { lo, hi } = range;
  return {
    ...(founding === '' ? {} : { founding }),
    lo,
    hi,
    target,
    beginSlot,
    base: null,
    diverged: false,
    delta: NO_ROWS,
    dirtyRows: 0,
    dirtyBytes: 0,
    seal: null,
  };
}

function loadMap<K, T>(view: View, table: Table<K, T>): Map<K, T> {
  const map = new Map<K, T>();
  const { to } = tableRange(table.rows);
  scanAll(view, table.rows, to, (row, value) => {
    map.set(table.idFromText(row.slice(table.rows.length)), decode(table.codec, value));
  });
  return map;
}

function storeMap<K, T>(
  table: Table<K, T>,
  before: ReadonlyMap<K, T>,
  after: ReadonlyMap<K, T>,
  put: (key: StoreKey, value: Uint8Array | null) => void,
): void {
  for (const [id, value] of after) {
    if (before.get(id) !== value) put(rowOf(table, id), encode(table.codec, value));
  }
  for (const id of before.keys()) {
    if (!after.has(id)) put(rowOf(table, id), null);
  }
}

function loadRangeMap(view: View): RangeMap {
  const version = view.get(MAP_VERSION);
  if (version === undefined) return EMPTY_MAP;
  const entries: MapEntry[] = [];
  scanAll(view, MAP_ENTRIES, tableRange(MAP_ENTRIES).to, (_row, value) => {
    entries.push(decode(storedEntryCodec, value));
  });
  entries.sort((a, b) => (a.lo < b.lo ? -1 : 1)); // names that are hashes stand elsewhere
  return RangeMap.of(decode(i64, version), entries);
}

function storeRangeMap(
  before: RangeMap,
  after: RangeMap,
  put: (key: StoreKey, value: Uint8Array | null) => void,
): void {
  put(MAP_VERSION, encode(i64, after.version));
  // Only a keeper that begins anew has none any more.
  if (after.isEmpty) for (const { lo } of before.entries) put(entryRow(lo), null);
  const fresh = difference(before, after);
  const [first, last] = [fresh[0], fresh.at(-1)];
  if (first === undefined || last === undefined) return;
  const begins = new Set(fresh.map(({ lo }) => lo));
  for (const { lo } of entriesIn(before, { lo: first.lo, hi: last.hi })) {
    if (!begins.has(lo)) put(entryRow(lo), null);
  }
  for (const entry of fresh) put(entryRow(entry.lo), encode(storedEntryCodec, entry));
}

function entryRow(lo: Key): StoreKey {
  const name = lo.length <= PLAIN_NAME_MAX ? `=${lo}` : `#${digestOfRow(0, lo, NO_BYTES).sum.toString(16)}`;
  return MAP_ENTRIES + name;
}

function rowOf<K, T>(table: Table<K, T>, id: K): StoreKey {
  const idText = table.idToText(id);
  invariant(idText.length > 0, 'a stored document has a name', () => ({ table: table.rows }));
  return table.rows + idText;
}

/** What our own processes read of a migration, and of the keeper's records. */
import { type Key, successor } from '../../src/base/bytes.ts';
import { subtractDigests } from '../../src/keyspace/digest.ts';
import { overlaps, type Range } from '../../src/keyspace/range.ts';
import {
  type AdminAnswer,
  type AdminQuery,
  encodeAnswer,
  type KeeperMap,
  type Row,
  type SealAge,
} from '../../src/protocol/admin/admin.ts';
import { needsMigrator } from '../../src/protocol/admin/migration.ts';
import { failure } from '../../src/protocol/arakoon/replies.ts';
import type { Answer } from '../../src/protocol/arakoon/values.ts';
import type { StoreKey, View, Work } from '../store/types.ts';
import { autoFacts } from './auto.ts';
import { eachDirty } from './dirty.ts';
import { exportStatus } from './export.ts';
import { functionsAbove, functionsStatus, versionInNursery } from './functions.ts';
import { importStatus } from './import.ts';
import { keeperMapOf } from './keeper.ts';
import { mayBegin } from './may-begin.ts';
import { standingOf } from './registry.ts';
import { digestOfRange } from './rows.ts';
import { dataKey, dataRange, SLICE_BYTES, scanSlice, userKey } from './store-keys.ts';
import { loadExport, type SystemState } from './system-state.ts';

/** Rows of one answer, whatever is asked for: so many are encoded, and applied at the target, without a pause. */
export const PAGE_ROWS_MAX = 2000;
/** Keys and values of one answer, whatever is asked for (bytes); the last row may go beyond it. */
export const PAGE_BYTES_MAX = 8 * 1024 * 1024;
/** Rows looked at in one slice. */
const SLICE_ROWS = 250;

/** What a query is answered from: an image, its slot, and the machine's state there. */
export type QuerySource = {
  readonly state: SystemState;
  readonly slot: number;
  readonly view: View;
  readonly sealAge: SealAge | null;
};

type Of<K extends AdminQuery['kind']> = Extract<AdminQuery, { kind: K }>;

/**
 * Answers a query from one image. Pages, dirty rows and the base come from any node that has applied `minSlot`;
 * one that has not fails with INCONSISTENT_READ.
 */
export function answerQuery(source: QuerySource, query: AdminQuery): Answer | Work<Answer> {
  const { state, slot, view } = source;
  if ('minSlot' in query && slot < query.minSlot) {
    return failure('INCONSISTENT_READ', `slot ${query.minSlot} is not applied here yet, only ${slot}`);
  }
  switch (query.kind) {
    case 'rangeStatus':
      return answerOf(rangeStatus(source, query));
    case 'mayBegin':
      return answered(mayBegin(source, query));
    case 'readPage':
      return readPage(view, slot, query);
    case 'readDirty':
      return readDirty(view, slot, query);
    case 'scanBase':
      return scanBase(view, slot, query);
    case 'getMap':
      return mapAnswer(keeperMapOf(state), -1);
    case 'getMapSince':
      return mapAnswer(keeperMapOf(state), query.version);
    case 'listMigrations':
      return answerOf({ kind: 'migrations', migrations: [...state.migrations.values()] });
    case 'openMigrations':
      return answerOf({
        kind: 'migrations',
        migrations: [...state.migrations.values()].filter(needsMigrator),
      });
    case 'getAuto':
      return answerOf({ kind: 'auto', ...autoFacts(state, query.recent) });
    case 'getMigration': {
      const record = state.migrations.get(query.mid);
      return answerOf({ kind: 'migrations', migrations: record === undefined ? [] : [record] });
    }
    case 'listFunctions':
      return listFunctions(state);
    case 'getFunction': {
      const entry = state.functions.get(query.name);
      const functions = entry === undefined ? [] : [{ name: query.name, ...entry }];
      return answerOf({ kind: 'functionsPage', ...state.functionsVersion, functions, names: [] });
    }
    case 'functionsAbove':
      return answerOf({ kind: 'functionsPage', ...functionsAbove(state, query.version) });
    case 'listOrders':
      return answerOf({ kind: 'orders', orders: [...state.orders.values()] });
    case 'standing':
      return answerOf({ kind: 'standing', ...standingOf(state, query) });
    default:
      return failure('NOT_SUPPORTED', `the state machine does not answer ${query.kind}`);
  }
}

/** The keeper's map, or ok where it is not newer than `sinceVersion`. */
export function mapAnswer(known: KeeperMap, sinceVersion: number): Answer {
  return answerOf(known.map.version > sinceVersion ? { kind: 'keeperMap', ...known } : { kind: 'ok' });
}

function rangeStatus({ state, slot, sealAge }: QuerySource, { mid, lo, hi }: Of<'rangeStatus'>): AdminAnswer {
  const importing = state.imports.get(mid);
  const exporting = state.exports.get(mid);
  return {
    kind: 'rangeStatus',
    slot,
    owned: state.owned.filter((owned) => overlaps(owned, { lo, hi })),
    importing: importing === undefined ? null : importStatus(importing),
    exporting: exporting === undefined ? null : exportStatus(exporting),
    sealAge: exporting?.seal ? sealAge : null,
    cleaning: state.cleanups.has(mid),
    closed: state.closed.get(mid) ?? null,
    token: state.tokens.get(mid) ?? 0,
    floor: state.floor,
    functions: versionInNursery(state),
  };
}

/** Rows of the exported range from `from` on, up to a limit. The next page begins at `to`; the last one ends at the range's end. */
function* readPage(view: View, slot: number, query: Of<'readPage'>): Work<Answer> {
  const record = loadExport(view, query.mid);
  if (record === null) return answerOf({ kind: 'none' });
  const bytesMax = Math.max(Math.min(query.bytesMax, PAGE_BYTES_MAX), 1);
  const lo = query.from > record.lo ? query.from : record.lo;
  return answerOf({ kind: 'rows', asOf: slot, ...(yield* rowsOf(view, { lo, hi: record.hi }, bytesMax)) });
}

/** Rows of `range`, from its beginning up to a limit; the next page begins at `to`, the last one ends at the range's end. */
export function* rowsOf(view: View, range: Range, bytesMax: number): Work<{ rows: Row[]; to: Key | null }> {
  const { from, to } = dataRange(range);
  const rows: Row[] = [];
  let bytes = 0;
  const visit = (key: StoreKey, value: Uint8Array): void => {
    rows.push({ kind: 0, key: userKey(key), value });
    bytes += key.length + value.length;
  };
  let next: StoreKey | null = from;
  while (next !== null && bytes < bytesMax && rows.length < PAGE_ROWS_MAX) {
    const limits = {
      rowsMax: Math.min(SLICE_ROWS, PAGE_ROWS_MAX - rows.length),
      bytesMax: Math.min(SLICE_BYTES, bytesMax - bytes),
    };
    next = scanSlice(view, { from: next, to }, limits, visit);
    if (next !== null) yield;
  }
  const last = rows.at(-1);
  const end = next === null || last === undefined ? range.hi : successor(last.key);
  return { rows, to: end };
}

/** Present values of the dirty rows from `from` on, null where they are gone; up to a limit, as `readPage`. */
function* readDirty(view: View, slot: number, query: Of<'readDirty'>): Work<Answer> {
  const { mid, from } = query;
  const record = loadExport(view, mid);
  if (record === null) return answerOf({ kind: 'none' });
  const bytesMax = Math.min(query.bytesMax, PAGE_BYTES_MAX);
  const rowsMax = Math.min(Math.max(query.rowsMax, 1), PAGE_ROWS_MAX);
  const rows: Row[] = [];
  let bytes = 0;
  const cut: Key | null = yield* eachDirty(view, mid, from, (key) => {
    if (rows.length > 0 && (rows.length === rowsMax || bytes >= bytesMax)) return false;
    const value = view.get(dataKey(key)) ?? null;
    rows.push({ kind: 0, key, value });
    bytes += key.length + (value?.length ?? 0);
    return true;
  });
  return answerOf({ kind: 'rows', asOf: slot, rows, to: cut ?? record.hi });
}

/** What all changes since the export's beginning are added to: the same from every image of every node. */
function* scanBase(view: View, slot: number, { mid }: Of<'scanBase'>): Work<Answer> {
  const record = loadExport(view, mid);
  if (record === null) return answerOf({ kind: 'none' });
  const digest = yield* digestOfRange(view, record);
  return answerOf({ kind: 'base', slot, base: subtractDigests(digest, record.delta) });
}

function* listFunctions(state: SystemState): Work<Answer> {
  return answerOf({ kind: 'functionsStatus', ...(yield* functionsStatus(state)) });
}

function* answered(work: Work<AdminAnswer>): Work<Answer> {
  return answerOf(yield* work);
}

function answerOf(answer: AdminAnswer): Answer {
  return { bytes: encodeAnswer(answer), hint: null };
}

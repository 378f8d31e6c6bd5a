/** `nursery migrations`, `nursery history` and `nursery forget-migrations`: what the keeper has on record of moves. */
import { EXIT_CODES, NurseryError } from '../base/errors.ts';
import { type History, historyOf, type Tenure } from '../health/history.ts';
import { openMoves } from '../health/map-findings.ts';
import type { AdminAnswer, AdminQuery, Migration } from '../protocol/admin/admin.ts';
import { type AutoWish, stillCounted } from '../protocol/admin/auto.ts';
import { printWay, undoneBy } from '../protocol/admin/migration.ts';
import { type NurseryConnections, withNursery } from './connections.ts';
import { jsonRange, shortRange, storableKeyOf } from './forms.ts';
import { printJson, printLine } from './output.ts';
import { printPause } from './progress-display.ts';
import { migrationToJson } from './status/json.ts';
import { table } from './status/text.ts';

/** Records of ended migrations that are kept unless it is said otherwise. */
export const KEPT = 100;
/** Of a digest, so many are shown to people; all are in the JSON. */
const DIGITS = 8;

type Asked = { readonly config: string; readonly json: boolean };

/** Lists all migrations on record, the newest last. */
export async function runMigrations({ config, json }: Asked): Promise<void> {
  const all = ascending(await withNursery(config, (nursery) => recordsOf(nursery)));
  if (json) {
    for (const each of all) printJson(migrationToJson(each));
    return;
  }
  const open = openMoves(all).length;
  printLine(`migrations on record: ${all.length}, of which open: ${open}`);
  for (const line of table(all.map(rowOf))) printLine(line);
}

function rowOf(migration: Migration): string[] {
  const { mid, phase, progress, why, merges } = migration;
  const reason = why === '' ? '' : `  (${why})`;
  const [proof, asked] = [proofOf(migration), askedFor(migration)];
  return [
    String(mid),
    phase,
    shortRange(migration),
    printWay(migration),
    `${merges === undefined ? `${progress.keysCopied} keys, ${printPause(progress)}` : `${merges.length} ranges`}${proof}${asked}${reason}`,
  ];
}

/** How long it took, and what source and target agreed on: of a merge there is nothing to agree on. */
export function proofOf({ receipt, merges }: Pick<Migration, 'receipt' | 'merges'>): string {
  if (receipt === null) return '';
  const { sealSlot, digest, tookMs } = receipt;
  const sum = digest.sum.toString(16).padStart(32, '0').slice(0, DIGITS);
  const took = tookMs === undefined ? '' : `, took ${(tookMs / 1000).toFixed(1)} s`;
  return merges !== undefined
    ? took
    : `${took}, ${digest.bytes} bytes, sealed at slot ${sealSlot}, digest ${sum}…`;
}

/** Who asked, and why; '' where nobody has said. A copy of a rescue was asked for by its order. */
export function askedFor({ asked, rescue }: Pick<Migration, 'asked' | 'rescue'>): string {
  if (rescue?.isCopy === true) return `, asked for by order ${rescue.order} (rescue lost)`;
  if (asked === undefined) return '';
  const undoes = asked.undoes === null ? '' : `, takes back ${asked.undoes}`;
  return asked.who === '' ? undoes : `, asked for by ${asked.who} (${asked.reason})${undoes}`;
}

/** Lists whom a key has belonged to. */
export async function runHistory({ config, json, key }: Asked & { readonly key: string }): Promise<void> {
  const wanted = storableKeyOf(key, 'history');
  const history = await withNursery(config, async (nursery) => {
    const { map } = await nursery.refresh();
    const { orders } = await answered('orders', nursery, { kind: 'listOrders' });
    return historyOf(wanted, { entries: map.entries, migrations: await recordsOf(nursery), orders });
  });
  if (json) printJson({ ...history, tenures: history.tenures.map(tenureToJson) });
  else for (const line of historyLines(history)) printLine(line);
}

/** Whom it belonged to, one line each. */
export function historyLines({ tenures, gaps }: History): string[] {
  const [first] = tenures;
  if (first === undefined) return ['the map is empty: it belongs to nobody'];
  const before = first.from === null ? [] : [[first.from, 'before that', '']];
  const rows = tenures.map(({ owner, epoch, by, number, range, lost }) => {
    const how =
      by === 'beginning'
        ? 'from the beginning'
        : by === 'unknown'
          ? 'as the map says, by what is not on record any more'
          : `by ${by} ${number}${lost === undefined ? '' : sayLost(lost)}`;
    return [owner, `since epoch ${epoch}`, `${how}, with ${shortRange(range)}`];
  });
  const missing = gaps.map(
    ({ from, to }) =>
      `records are missing: moves between epochs ${from} and ${to} are forgotten, and who had it meanwhile is not known in full`,
  );
  return [...table([...before, ...rows]), ...missing];
}

/** What `rescue lost` has brought. */
function sayLost({ cluster, restored }: NonNullable<Tenure['lost']>): string {
  const rows = restored === null ? '' : `: restored ${restored}`;
  return `, since ${cluster} was lost${rows}`;
}

function tenureToJson({ range, ...tenure }: Tenure): object {
  return { ...tenure, ...jsonRange(range) };
}

/** Has the keeper forget ended migrations, all but the newest `keep`. Those whose target is still to be told stay, those that others take back, and those that are still counted. */
export async function runForgetMigrations({
  config,
  json,
  keep,
  dryRun,
}: Asked & { readonly keep: number; readonly dryRun: boolean }): Promise<void> {
  const { mids, counted } = await withNursery(config, async (nursery) => {
    const { wish } = await answered('auto', nursery, { kind: 'getAuto', recent: 0 });
    const records = await recordsOf(nursery);
    const { mids, counted } = forgettable(records, keep, wish);
    for (const mid of dryRun ? [] : mids) {
      const answer = await nursery.awaited(nursery.keeper.command({ kind: 'forget', mid }));
      if (answer.kind !== 'ok')
        throw new NurseryError('REFUSED', 'why' in answer ? answer.why : `keeper answered ${answer.kind}`);
    }
    return { mids, counted };
  });
  if (json) printJson({ forgotten: dryRun ? [] : mids, wouldForget: mids, counted });
  else {
    printLine(`migrations that ${dryRun ? 'would be' : 'are'} forgotten: ${mids.length}`);
    if (counted > 0) printLine(`migrations that stay since rebalance --auto still counts them: ${counted}`);
  }
  process.exitCode = EXIT_CODES.OK;
}

/** Numbers of those that may go, ascending; `counted`: how many would go else, and stay since rebalancing by itself counts them. */
export function forgettable(
  all: readonly Migration[],
  keep: number,
  wish: AutoWish,
): { readonly mids: readonly number[]; readonly counted: number } {
  const undone = undoneBy(all);
  const still = stillCounted(wish, all);
  const ended = ascending(all).filter(
    ({ mid, phase, isUntold }) =>
      phase !== 'active' && phase !== 'published' && isUntold !== true && !undone.has(mid),
  );
  const beyond = ended.slice(0, Math.max(0, ended.length - keep)).map(({ mid }) => mid);
  const mids = beyond.filter((mid) => !still.has(mid));
  return { mids, counted: beyond.length - mids.length };
}

function ascending(all: readonly Migration[]): Migration[] {
  return [...all].sort((a, b) => a.mid - b.mid);
}

async function recordsOf(nursery: NurseryConnections): Promise<readonly Migration[]> {
  return (await answered('migrations', nursery, { kind: 'listMigrations' })).migrations;
}

async function answered<K extends AdminAnswer['kind']>(
  kind: K,
  nursery: NurseryConnections,
  query: AdminQuery,
): Promise<Extract<AdminAnswer, { kind: K }>> {
  const answer = await nursery.awaited(nursery.keeper.query(query));
  if (answer.kind === kind) return answer as Extract<AdminAnswer, { kind: K }>;
  throw new NurseryError('MALFORMED', `keeper answered ${answer.kind} to ${query.kind}`);
}

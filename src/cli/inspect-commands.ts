/** `nursery log` and `nursery store`: what is in the files of one node, which are not changed. */
import { existsSync } from 'node:fs';
import { FatalError } from '../base/errors.ts';
import { type ClusterIni, nodeOf, readClusterConfig } from '../config/cluster-config.ts';
import type { NodeIni } from '../config/node-section.ts';
import { printJson, printLine } from './output.ts';
import { notice } from './report.ts';

/** Rows that are read before what they say is printed. */
const ROWS_AT_ONCE = 1000;

type InspectedRecord = import('../../node/log/inspect.ts').InspectedRecord;
type SegmentReport = import('../../node/log/inspect.ts').SegmentReport;
type Common = { readonly config: string; readonly node: string; readonly json: boolean };

/**
 * Prints every record of a node's log, or of some slots; beside a node that runs, too. Where none is of those, standard error says
 * which there are.
 *
 * @throws FatalError USAGE where `from` lies above `to`; and those of `runLogVerify`
 */
export async function runLogDump(
  args: Common & { readonly from: number | null; readonly to: number | null; readonly values: boolean },
): Promise<void> {
  const { plainRecord, sayRecord } = await import('./inspect/records.ts');
  const { from, to } = args;
  if (from !== null && to !== null && from > to)
    throw new FatalError('USAGE', `--from ${from} --to ${to}: the wrong way round; --from is the lower slot`);
  const isPart = from !== null || to !== null;
  let isEmpty = true;
  const segments = await inspect(await filesOf(args), (inspected) => {
    const { record } = inspected;
    const slot = record?.kind === 'accept' || record?.kind === 'learn' ? record.slot : null;
    if (isPart && (slot === null || slot < (from ?? 0) || slot > (to ?? Number.POSITIVE_INFINITY))) return;
    isEmpty = false;
    if (args.json) printJson(plainRecord(inspected, args.values));
    else printLine(sayRecord(inspected, args.values));
  });
  if (isEmpty)
    notice(`no record is of slots ${from ?? 1} to ${to ?? 'the end'}: ${slotsOf(args.node, segments)}`);
}

/** Which slots a log holds, in words. */
function slotsOf(node: string, segments: readonly SegmentReport[]): string {
  const withSlots = segments.filter(({ highestSlot }) => highestSlot > 0);
  if (withSlots.length === 0) return `the log of ${node} holds none`;
  const lowest = Math.min(...withSlots.map(({ lowestSlot }) => lowestSlot));
  const highest = Math.max(...withSlots.map(({ highestSlot }) => highestSlot));
  return `the log of ${node} begins with slot ${lowest} and ends with slot ${highest}`;
}

/**
 * Reads a node's log from end to end.
 *
 * @throws FatalError LOG_DAMAGED, LOG_GAP, LOG_FOREIGN where it is not what was written; HOME_UNUSABLE where there is none
 */
export async function runLogVerify(args: Common): Promise<void> {
  const files = await filesOf(args);
  const segments = await inspect(files, () => undefined);
  if (args.json) {
    printJson({ directory: files.repair.dir, segments });
    return;
  }
  for (const { file, records, lowestSlot, highestSlot, tornBytes } of segments) {
    const slots = highestSlot === 0 ? 'no slots' : `slots ${lowestSlot} to ${highestSlot}`;
    const torn =
      tornBytes === 0
        ? ''
        : `; ${tornBytes} bytes behind them were not completely written and never acknowledged: the node cuts them at its start`;
    printLine(`${file}: ${records} records, ${slots}${torn}`);
  }
  printLine('whole: every record is what was written');
}

/** A node makes its log at its first start: where there is none, something is gone, or nothing ever was there. */
async function inspect(
  files: Awaited<ReturnType<typeof filesOf>>,
  visit: (inspected: InspectedRecord) => void,
): Promise<SegmentReport[]> {
  const { inspectLog } = await import('../../node/log/inspect.ts');
  const { dir } = files.repair;
  const segments = existsSync(dir) ? await inspectLog(files, visit) : [];
  if (segments.length > 0) return segments;
  throw new FatalError(
    'HOME_UNUSABLE',
    `there is no log in ${dir}: node ${files.node} was never started here, its home is not mounted, or its log is lost`,
  );
}

/** Prints every row of a stopped node's store, or of one table. @throws FatalError USAGE for a table that there is not */
export async function runStoreDump(
  args: Common & { readonly table: string | null; readonly values: boolean },
): Promise<void> {
  const { plainRow, sayRow, TABLE_NAMES, tableOf } = await import('./inspect/rows.ts');
  if (args.table !== null && !TABLE_NAMES.includes(args.table))
    throw new FatalError(
      'USAGE',
      `--table ${args.table}: there is none of that name; known are ${TABLE_NAMES.join(', ')}`,
    );
  await withStoreOf(args, async (view, slot) => {
    if (args.json) printJson({ slot });
    else printLine(`slot ${slot}`);
    await eachRow(view, (key, value) => {
      if (args.table !== null && tableOf(key) !== args.table) return;
      if (args.json) printJson(plainRow(key, value, args.values));
      else printLine(sayRow(key, value, args.values));
    });
  });
}

/** Prints the digest of a stopped node's store: two nodes of a cluster at one slot have the same, row for row. */
export async function runStoreDigest(args: Common): Promise<void> {
  const { RowsHash } = await import('../keyspace/digest.ts');
  const { SNAPSHOT_KEY } = await import('../../node/life/members-row.ts');
  const { rowBytes } = await import('./inspect/rows.ts');
  await withStoreOf(args, async (view, slot) => {
    const hash = new RowsHash();
    let [rows, bytes] = [0, 0];
    await eachRow(view, (key, value) => {
      if (key === SNAPSHOT_KEY) return; // says something of this node alone
      hash.add(key, value);
      rows += 1;
      bytes += rowBytes(key, value);
    });
    const digest = hash.finish();
    if (args.json) printJson({ node: args.node, slot, rows, bytes, digest });
    else printLine(`${args.node}: slot ${slot}, ${rows} rows, ${bytes} bytes, digest ${digest}`);
  });
}

async function filesOf(args: Common) {
  const { ini, node } = nodeIn(args);
  const { REAL_DISK } = await import('../../node/log/disk.ts');
  const { logDirOf, storePlace } = await import('../../node/life/storage.ts');
  const place = storePlace(node.home, ini.clusterId, node.name);
  return {
    disk: REAL_DISK,
    repair: { dir: logDirOf(node), store: place.dir },
    cluster: ini.clusterId,
    node: node.name,
  };
}

type StoreBody = Parameters<typeof import('../../node/store/inspect.ts')['withStore']>[1];
type View = Parameters<StoreBody>[0];

/** The home is ours meanwhile: LMDB's file is not read behind the back of whoever writes it. */
async function withStoreOf(args: Common, body: (view: View, slot: number) => Promise<void>): Promise<void> {
  const { ini, node } = nodeIn(args);
  const { withStore } = await import('../../node/store/inspect.ts');
  const { lockHome } = await import('../../node/life/home.ts');
  const { logDirOf, storePlace } = await import('../../node/life/storage.ts');
  const place = storePlace(node.home, ini.clusterId, node.name);
  // Nothing is made where nothing is, not even the lock.
  if (!existsSync(place.dir) || !existsSync(logDirOf(node)))
    throw new FatalError(
      'HOME_UNUSABLE',
      `there is no home in ${node.home}: node ${node.name} was never started here, or it is not mounted`,
    );
  const lock = lockHome(node.home, logDirOf(node));
  try {
    await withStore(place, body);
  } finally {
    lock.release();
  }
}

/** All rows in the order of their keys, some at a time. */
async function eachRow(view: View, visit: (key: string, value: Uint8Array) => void): Promise<void> {
  for (let from: string | null = ''; from !== null; ) {
    let next: string | null = null;
    let left = ROWS_AT_ONCE;
    view.scan(from, null, (key, value) => {
      if (left === 0) {
        next = key;
        return false;
      }
      left -= 1;
      visit(key, value);
      return true;
    });
    from = next;
    await new Promise((resolve) => setImmediate(resolve));
  }
}

function nodeIn(args: Common): { readonly ini: ClusterIni; readonly node: NodeIni } {
  const ini = readClusterConfig(args.config);
  return { ini, node: nodeOf(ini, args.node) };
}

/** Which of the words a command takes. @throws FatalError USAGE */
export function oneOf<T extends string>(command: string, word: string, words: readonly T[]): T {
  const found = words.find((each) => each === word);
  if (found !== undefined) return found;
  throw new FatalError('USAGE', `nursery ${command} ${word}: known are ${words.join(', ')}`);
}

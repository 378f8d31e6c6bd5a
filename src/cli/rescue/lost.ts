/** `nursery rescue lost`: a cluster is gone for good; what the map gives it comes to another one, from a backup or empty. */
import { FatalError, NurseryError } from '../../base/errors.ts';
import { TimeLimit } from '../../client/limited-client.ts';
import { intersect, printRange, type Range } from '../../keyspace/range.ts';
import type { MapEntry } from '../../keyspace/rangemap.ts';
import type { Migration, Order } from '../../protocol/admin/admin.ts';
import { NurseryConnections, readTarget } from '../connections.ts';
import { jsonRange, rangeOf } from '../forms.ts';
import { printJson, printLine } from '../output.ts';
import { type BackupRows, openBackup } from './backup-rows.ts';
import { broughtBefore, broughtOtherwise, overtaken, sayBefore, sourceOf } from './brought-before.ts';
import { confirm } from './confirm.ts';
import { copyRange, giveUpCopies } from './copy.ts';
import { migrationsOf, type Survey, survey } from './lost-survey.ts';
import { settleMoves } from './settle.ts';
import { printFounding } from './unknown-founding.ts';

/** Before the command gives up waiting (s), unless it is told otherwise. */
const PATIENCE_S = 600;

export type LostArgs = {
  readonly config: string;
  readonly cluster: string | null;
  readonly restore: string | null;
  readonly empty: boolean;
  readonly at: string | null;
  readonly range: string | null;
  readonly gone: readonly string[] | null;
  readonly yes: string | null;
  readonly dryRun: boolean;
  readonly timeout: number | null;
  readonly json: boolean;
};

/**
 * Says what is known, has names typed, and carries it out; typed again it goes on.
 *
 * @throws NurseryError REFUSED where a node of the cluster answers and nothing is left of a founding before it, or the backup is of
 *   another nursery, or does not hold what is asked for; or something was brought otherwise than is asked for; TIMEOUT
 * @throws FatalError CONFIG, USAGE
 */
export async function runLost(args: LostArgs): Promise<void> {
  const { cluster, at } = checked(args);
  const limit = TimeLimit.ofCommand(args.timeout ?? PATIENCE_S);
  const wanted: Range = args.range === null ? { lo: '', hi: null } : rangeOf(args.range);
  const { keeper } = readTarget(args.config);
  const backup = args.restore === null ? null : await openBackup(args.restore);
  const nursery = new NurseryConnections(keeper, limit);
  try {
    const record = await nursery.refresh();
    const found = await survey(nursery, record, cluster, wanted);
    const ranges = found.entries.map((entry) => within(entry, wanted));
    backup?.refuseUnfit(ranges, record.nursery ?? null);
    nursery.cluster(at);
    if (at === keeper.cluster)
      throw new NurseryError(
        'REFUSED',
        `${at} is the keeper, with which they would be lost the next time: --at names another cluster`,
      );
    if (args.range !== null && ranges.length === 0 && found.graves.some(({ order }) => order === null))
      throw new NurseryError(
        'REFUSED',
        `the map gives ${cluster} nothing of ${printRange(wanted)}: nothing was done; without --range all that it has is brought`,
      );
    describe(cluster, at, found, { backup, ranges, json: args.json });
    if (args.dryRun) return;
    limit.refuseLate();
    if (found.graves.some(({ order }) => order === null))
      await limit.uncounted(() => ask(args, cluster, found));
    limit.refuseLate();
    const orders: Order[] = [];
    for (const { founding, order } of found.graves)
      orders.push(order ?? (await give(nursery, cluster, founding)));
    // They decide what the map gives it.
    const isIts = (move: { readonly order: number }): boolean =>
      orders.some(({ order }) => order === move.order);
    limit.refuseLate();
    await settleMoves(args.config, isIts, limit);
    limit.refuseLate();
    const known = new Set((await migrationsOf(nursery)).map(({ mid }) => mid));
    const copied = await bring(nursery, orders, { cluster, at, wanted, backup, limit }).catch(
      async (error: unknown) => {
        throw (await overtaken(nursery, orders, { cluster, wanted, known, error })) ?? error;
      },
    );
    const before = await broughtBefore(nursery, orders, { entries: found.entries, wanted, copied });
    report(cluster, at, { orders, goesOn: found.goesOn, copied, before, backup }, args.json);
    const otherwise = broughtOtherwise(before, { backup, at });
    if (otherwise !== null) throw otherwise;
  } finally {
    nursery.close();
  }
}

function checked({ cluster, at, restore, empty }: LostArgs): {
  readonly cluster: string;
  readonly at: string;
} {
  if (cluster === null || at === null)
    throw new FatalError(
      'USAGE',
      'rescue lost takes the name of the cluster, and --at CLUSTER for whoever gets its ranges',
    );
  if ((restore === null) === !empty)
    throw new FatalError(
      'USAGE',
      'rescue lost takes either --restore DIR, or --empty where there is no backup',
    );
  if (cluster === at) throw new FatalError('USAGE', `--at names another cluster than ${cluster}`);
  return { cluster, at };
}

function describe(
  cluster: string,
  at: string,
  { graves, goesOn, nodes, entries, moves }: Survey,
  {
    backup,
    ranges,
    json,
  }: { readonly backup: BackupRows | null; readonly ranges: readonly Range[]; readonly json: boolean },
): void {
  // Those of long ago, of which nothing is left, are of interest to nobody.
  const left = graves.filter(
    ({ founding, order }) =>
      order === null ||
      entries.some((entry) => entry.founding === founding) ||
      moves.some(({ foundings }) => foundings?.source === founding || foundings?.target === founding),
  );
  const shown = left.length > 0 ? left : graves.slice(-1);
  if (json) {
    printJson({
      cluster,
      foundings: shown.map(({ founding, order }) => ({ founding, order: order?.order ?? null })),
      nodes,
      at,
      ranges: ranges.map(jsonRange),
      backup: backup?.used(ranges) ?? null,
      moves: moves.map(({ mid }) => mid),
    });
    return;
  }
  for (const { founding, order } of shown)
    printLine(
      `cluster ${cluster}, ${printFounding(cluster, founding)}${order === null ? '' : `: dead by order ${order.order}`}`,
    );
  if (goesOn !== null) printLine(`founding ${goesOn} of ${cluster} is in force, and goes on`);
  for (const name of nodes)
    printLine(`  ${name}  does not answer: it must be off, and its home must never start again`);
  if (shown.some(({ order }) => order === null))
    printLine('the founding is dead for ever from now on, whoever of it comes back');
  for (const { mid, source, target } of moves)
    printLine(
      `  migration ${mid}, ${source} → ${target}: is settled without ${cluster}; where that had taken over, what it acknowledged since is lost`,
    );
  const what =
    backup === null
      ? 'empty: all that it held is lost'
      : 'from the backup: what was acknowledged since is lost';
  for (const range of ranges) printLine(`  ${printRange(range)} comes to ${at}, ${what}`);
  for (const { range, cluster: from, epoch, slot, taken } of backup?.used(ranges) ?? [])
    printLine(`  ${printRange(range)} out of the image of ${from} at epoch ${epoch}, slot ${slot}, ${taken}`);
  if (ranges.length === 0) printLine('  the map gives it nothing of that');
}

async function ask({ gone, yes }: LostArgs, cluster: string, { nodes }: Survey): Promise<void> {
  const unnamed = nodes.filter((name) => gone?.includes(name) !== true);
  if (gone !== null && unnamed.length > 0)
    throw new FatalError('USAGE', `--gone does not name ${unnamed.join(', ')}: nothing was done`);
  await confirm([
    {
      expected: cluster,
      given: yes,
      question: `type the name of the cluster (${cluster})`,
      option: `--yes ${cluster}`,
    },
    ...unnamed.map((name) => ({
      expected: name,
      given: null,
      question: `type ${name}: it is off, and its home will never start again`,
      option: `--gone ${unnamed.join()}`,
    })),
  ]);
}

async function give(nursery: NurseryConnections, cluster: string, founding: string): Promise<Order> {
  const answer = await nursery.keeper.command({ kind: 'lose', cluster, founding, takenMs: Date.now() });
  const order = answer.kind === 'orders' ? answer.orders[0] : undefined;
  if (order === undefined) throw new NurseryError('REFUSED', 'why' in answer ? answer.why : answer.kind);
  return order;
}

type Copied = Range & { readonly mid: number; readonly keys: number };

async function bring(
  nursery: NurseryConnections,
  orders: readonly Order[],
  what: {
    readonly cluster: string;
    readonly at: string;
    readonly wanted: Range;
    readonly backup: BackupRows | null;
    readonly limit: TimeLimit;
  },
): Promise<Copied[]> {
  const { cluster, at, wanted, backup, limit } = what;
  await giveUpCopies(nursery, orders, wanted);
  // What the map says now: moves and copies have ended since it was looked at.
  const { map } = await nursery.refresh();
  const copied: Copied[] = [];
  for (const { order, was } of orders) {
    const isIts = (entry: MapEntry): boolean => entry.owner === cluster && entry.founding === was;
    for (const range of joined(map.entries.filter((entry) => isIts(entry)))) {
      const part = intersect(range, wanted);
      if (part === null) continue;
      const options = { keeper: nursery.keeper, target: nursery.cluster(at), order, targetId: at };
      const rows = backup?.rows ?? none;
      const { mid, digest } = await copyRange(part, {
        ...options,
        rows,
        from: sourceOf(backup, part),
        limit,
      });
      copied.push({ ...part, mid, keys: digest.count });
    }
  }
  return copied;
}

/** Ascending ranges, those that meet made one: a backup is read once for each. */
function joined(ranges: readonly Range[]): Range[] {
  const whole: Range[] = [];
  for (const { lo, hi } of ranges) {
    const last = whole.at(-1);
    if (last !== undefined && last.hi === lo) whole[whole.length - 1] = { lo: last.lo, hi };
    else whole.push({ lo, hi });
  }
  return whole;
}

function within(entry: Range, wanted: Range): Range {
  return intersect(entry, wanted) ?? entry;
}

async function* none(): AsyncGenerator<never> {}

function report(
  cluster: string,
  at: string,
  {
    orders,
    goesOn,
    copied,
    before,
    backup,
  }: {
    readonly orders: readonly Order[];
    readonly goesOn: string | null;
    readonly copied: readonly Copied[];
    readonly before: readonly Migration[];
    readonly backup: BackupRows | null;
  },
  json: boolean,
): void {
  if (json) {
    const ranges = copied.map((each) => ({ ...each, ...jsonRange(each) }));
    const earlier = before.map((record) => {
      const { mid, target, progress, rescue } = record;
      return { mid, order: rescue?.order, at: target, ...jsonRange(record), stage: progress.stage };
    });
    printJson({ cluster, orders: orders.map(({ order }) => order), at, ranges, before: earlier });
    return;
  }
  for (const each of copied)
    printLine(`${printRange(each)} is served by ${at}, with ${each.keys} keys, at epoch ${each.mid}`);
  for (const record of before) printLine(sayBefore(record, { backup, at }));
  if (copied.length === 0 && before.length > 0)
    printLine(`done before: nothing is left of ${cluster} that this command brings`);
  if (goesOn === null)
    printLine(
      `${cluster} is dead by order ${orders.at(-1)?.order}; empty homes may begin a new cluster of that name`,
    );
}

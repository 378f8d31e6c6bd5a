/** `nursery rescue lost`: a cluster is gone for good; what the map gives it comes to another one, from a backup or empty. */
import { FatalError, NurseryError } from '../../base/errors.ts';
import { ClusterClient } from '../../client/cluster-client.ts';
import { intersect, printRange, type Range } from '../../keyspace/range.ts';
import type { MapEntry } from '../../keyspace/rangemap.ts';
import type { KeeperMap, KnownCluster, Migration, NodeStatus, Order } from '../../protocol/admin/admin.ts';
import { NurseryConnections, readTarget } from '../connections.ts';
import { jsonRange, rangeOf } from '../forms.ts';
import { printJson, printLine } from '../output.ts';
import { openBackup } from './backup-rows.ts';
import { confirm } from './confirm.ts';
import { copyRange, type RowSource } from './copy.ts';
import { settleMoves } from './settle.ts';

/** How long a node may take to answer (ms). */
const NODE_MS = 1500;
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

/** What is known before anything is done. */
type Survey = {
  readonly founding: string;
  /** The order that was given before; null where this is the first time. */
  readonly order: Order | null;
  readonly nodes: readonly string[];
  /** What the map gives to the founding, of what was asked for. */
  readonly entries: readonly MapEntry[];
  readonly moves: readonly Migration[];
};

/**
 * Says what is known, has names typed, and carries it out; typed again it goes on.
 *
 * @throws NurseryError REFUSED where a node of the cluster answers, or the backup does not hold what is asked for; TIMEOUT
 * @throws FatalError CONFIG, USAGE
 */
export async function runLost(args: LostArgs): Promise<void> {
  const { cluster, at } = checked(args);
  const wanted: Range = args.range === null ? { lo: '', hi: null } : rangeOf(args.range);
  const { keeper } = readTarget(args.config);
  const backup = args.restore === null ? null : await openBackup(args.restore);
  const nursery = new NurseryConnections(keeper);
  try {
    const known = await nursery.refresh();
    const survey = await look(nursery, known, cluster, wanted);
    await refuseLiving(known, cluster, survey);
    for (const entry of survey.entries) backup?.refuseUncovered(within(entry, wanted));
    nursery.cluster(at);
    describe(cluster, at, survey, { backup: backup?.asOf ?? null, wanted, json: args.json });
    if (args.dryRun) return;
    if (survey.order === null) await ask(args, cluster, survey);
    const untilMs = performance.now() + (args.timeout ?? PATIENCE_S) * 1000;
    const order = survey.order ?? (await give(nursery, cluster, survey.founding));
    // They decide what the map gives it.
    await settleMoves(args.config, (move) => move.order === order.order, untilMs);
    const copied = await bring(nursery, order, { cluster, at, wanted, rows: backup?.rows ?? none, untilMs });
    report(cluster, at, order, copied, args.json);
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

async function look(
  nursery: NurseryConnections,
  { map, clusters }: KeeperMap,
  cluster: string,
  wanted: Range,
): Promise<Survey> {
  const [orders, migrations] = await Promise.all([listOrders(nursery), listMigrations(nursery)]);
  const config = clusters.find((each) => each.cluster === cluster);
  const order = orders.filter((each) => each.kind === 'lost' && each.cluster === cluster).at(-1) ?? null;
  const founding = config?.founding ?? order?.was;
  if (founding === undefined) {
    const names = clusters.map((each) => each.cluster).join(', ');
    throw new NurseryError(
      'REFUSED',
      `the keeper knows no founding of cluster ${cluster}; known are ${names || 'none'}`,
    );
  }
  const isIts = (entry: MapEntry): boolean => entry.owner === cluster && entry.founding === founding;
  return {
    founding,
    order: order?.was === founding ? order : null,
    nodes: (config?.nodes ?? []).map(({ name }) => name),
    entries: map.entries.filter((entry) => isIts(entry) && intersect(entry, wanted) !== null),
    moves: migrations.filter(
      ({ phase, foundings }) =>
        (phase === 'active' || phase === 'published') &&
        (foundings?.source === founding || foundings?.target === founding),
    ),
  };
}

async function listOrders(nursery: NurseryConnections): Promise<Order[]> {
  const answer = await nursery.keeper.query({ kind: 'listOrders' });
  if (answer.kind !== 'orders')
    throw new NurseryError('MALFORMED', `the keeper answered ${answer.kind} to listOrders`);
  return answer.orders;
}

async function listMigrations(nursery: NurseryConnections): Promise<Migration[]> {
  const answer = await nursery.keeper.query({ kind: 'listMigrations' });
  if (answer.kind !== 'migrations')
    throw new NurseryError('MALFORMED', `the keeper answered ${answer.kind} to listMigrations`);
  return answer.migrations;
}

/** @throws NurseryError REFUSED where a node of that founding answers: it could serve, or be promoted */
async function refuseLiving({ clusters }: KeeperMap, cluster: string, { founding }: Survey): Promise<void> {
  const config = clusters.find((each) => each.cluster === cluster);
  if (config === undefined) return;
  const alive = (await statusesOf(config)).flatMap(({ name, status }) =>
    status?.founding === founding ? [{ name, role: status.role }] : [],
  );
  if (alive.length === 0) return;
  const names = alive.map(({ name, role }) => `${name} (${role})`).join(', ');
  throw new NurseryError(
    'REFUSED',
    `${names} of ${cluster} answers: it is not gone. nursery rescue promote goes on with what it holds; or stop it, and never start its home again`,
  );
}

async function statusesOf(config: KnownCluster): Promise<{ name: string; status: NodeStatus | null }[]> {
  const client = new ClusterClient(
    { cluster: '', nodes: config.nodes },
    { role: 'operator', node: 'rescue' },
  );
  try {
    return await Promise.all(
      config.nodes.map(async ({ name }) => {
        const status = await client
          .query({ kind: 'nodeStatus' }, { to: name, deadlineMs: NODE_MS })
          .catch((error: unknown) => {
            if (!(error instanceof NurseryError)) throw error;
            return null;
          });
        return { name, status: status?.kind === 'nodeStatus' ? status : null };
      }),
    );
  } finally {
    client.close();
  }
}

function describe(
  cluster: string,
  at: string,
  { founding, order, nodes, entries, moves }: Survey,
  {
    backup,
    wanted,
    json,
  }: { readonly backup: string | null; readonly wanted: Range; readonly json: boolean },
): void {
  const ranges = entries.map((entry) => within(entry, wanted));
  if (json) {
    printJson({
      cluster,
      founding,
      nodes,
      at,
      ranges: ranges.map(jsonRange),
      backup,
      moves: moves.map(({ mid }) => mid),
    });
    return;
  }
  printLine(
    `cluster ${cluster}, founding ${founding}${order === null ? '' : `: dead by order ${order.order}`}`,
  );
  if (order === null) {
    for (const name of nodes)
      printLine(`  ${name}  does not answer: it must be off, and its home must never start again`);
    printLine('the founding is dead for ever from now on, whoever of it comes back');
  }
  for (const { mid, source, target } of moves)
    printLine(
      `  migration ${mid}, ${source} → ${target}: is settled without ${cluster}; where that had taken over, what it acknowledged since is lost`,
    );
  const what =
    backup === null
      ? 'empty: all that it held is lost'
      : `from the backup (${backup}): what was acknowledged since is lost`;
  for (const range of ranges) printLine(`  ${printRange(range)} comes to ${at}, ${what}`);
  if (ranges.length === 0) printLine('  the map gives it nothing of that');
}

async function ask({ gone, yes }: LostArgs, cluster: string, { nodes }: Survey): Promise<void> {
  const unnamed = nodes.filter((name) => gone?.includes(name) !== true);
  if (gone !== null && unnamed.length > 0)
    throw new FatalError('USAGE', `--gone does not name ${unnamed.join(', ')}: nothing was done`);
  await confirm([
    { expected: cluster, given: yes, question: `type the name of the cluster (${cluster})` },
    ...unnamed.map((name) => ({
      expected: name,
      given: null,
      question: `type ${name}: it is off, and its home will never start again`,
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
  { order, was }: Order,
  what: {
    readonly cluster: string;
    readonly at: string;
    readonly wanted: Range;
    readonly rows: RowSource;
    readonly untilMs: number;
  },
): Promise<Copied[]> {
  const { cluster, at, wanted, rows, untilMs } = what;
  const copied: Copied[] = [];
  // What the map says now: moves may have ended since it was looked at.
  const { map } = await nursery.refresh();
  for (const entry of map.entries) {
    if (entry.owner !== cluster || entry.founding !== was || intersect(entry, wanted) === null) continue;
    const range = within(entry, wanted);
    const options = {
      keeper: nursery.keeper,
      target: nursery.cluster(at),
      order,
      targetId: at,
      rows,
      untilMs,
    };
    const { mid, digest } = await copyRange(range, options);
    copied.push({ ...range, mid, keys: digest.count });
  }
  return copied;
}

function within(entry: Range, wanted: Range): Range {
  return intersect(entry, wanted) ?? entry;
}

async function* none(): AsyncGenerator<never> {}

function report(
  cluster: string,
  at: string,
  { order }: Order,
  copied: readonly Copied[],
  json: boolean,
): void {
  if (json) {
    printJson({ cluster, order, at, ranges: copied.map((each) => ({ ...each, ...jsonRange(each) })) });
    return;
  }
  for (const each of copied)
    printLine(`${printRange(each)} is served by ${at}, with ${each.keys} keys, at epoch ${each.mid}`);
  printLine(`${cluster} is dead by order ${order}; empty homes may begin a new cluster of that name`);
}

/** What is wrong with the keeper, its map, and who owns what. */
import { printRange, type Range } from '../keyspace/range.ts';
import type { MapEntry } from '../keyspace/rangemap.ts';
import { ascending, commonParts, gapsIn } from '../keyspace/sweep.ts';
import type { KnownCluster, Migration, Order } from '../protocol/admin/admin.ts';
import { describeEmptied, fatallyEmptied, promoteInstead, survivorOf } from './emptied.ts';
import {
  type Answering,
  answeringOf,
  type ClusterSeen,
  conditionOf,
  type Facts,
  isUnbound,
  type KeeperSeen,
  masterOf,
} from './facts.ts';
import { type Finding, finding, longest, notAsked, quoted, sinceOf } from './finding.ts';
import { bringElsewhere, endOf, openOrders } from './open-orders.ts';
import { electionThen, isElecting, mayBeGone, missingFrom, type Start, startNodes } from './starting.ts';

/** The keeper does not answer, or has no map yet; and rescues that nobody has brought to their end. */
export function keeperFindings(facts: Facts): Finding[] {
  const { keeper, file } = facts;
  if (keeper === null) return [];
  if (keeper.isUnheard === true) return [notAsked(keeper.cluster, ['its master'])];
  if (keeper.why !== null) return [silentKeeper(facts, keeper.cluster, keeper.why)];
  if (keeper.known.map.isEmpty) return [emptyMap(facts, keeper)];
  const { orders, migrations, known } = keeper;
  const open = openOrders({
    orders: orders ?? [],
    migrations: migrations ?? [],
    entries: known.map.entries,
  });
  const isServed = ({ kind, cluster, was, given }: Order): boolean =>
    !known.map.entries.some(({ owner, founding }) => owner === cluster && founding === was) &&
    !(kind === 'promote' && given === null);
  return open.map(({ order: of, why, next }) => {
    const { order, cluster, kind } = of;
    return finding({
      kind: 'rescueUnfinished',
      severity: isServed(of) ? 'atRisk' : 'notServing',
      subject: cluster,
      what: `order ${order} (${NAMES[kind]} of ${cluster}) is not done: ${why}`,
      ...(next.startsWith('nursery ')
        ? { command: withConfig(next, file), todo: 'go on with it' }
        : { todo: next }),
    });
  });
}

/** What people call an order of a kind: a promotion and a restored backup are one to the keeper. */
const NAMES: { readonly [K in Order['kind']]: string } = {
  promote: 'promotion or restore',
  lost: 'loss',
  keeper: 'rescue of the keeper',
};

/** Nobody has begun it; or the keeper is new, and clusters are there that belong to one before it. */
function emptyMap(facts: Facts, seen: KeeperSeen): Finding {
  const { file } = facts;
  const keeper = seen.cluster;
  const whose = whoWaits(facts, seen);
  const empty = { kind: 'noMap', severity: 'notServing', subject: keeper } as const;
  const rescue = 'nursery rescue keeper FILE-OF-EACH-CLUSTER --config FILE-OF-KEEPER';
  if (whose !== null) {
    const brief = `keeper ${keeper} is new, and has no map`;
    const isServed =
      seen.before?.map.isEmpty === false &&
      ofBefore(facts, seen).some((each) => masterOf(each)?.facts.status.waitsFor === null);
    const meanwhile = isServed ? '; what routers knew of the one before it goes on' : '';
    const what = `${brief}: ${whose}${meanwhile}`;
    const todo =
      'tell it what all clusters have, those that were restored or promoted too, of each of which a node has to run';
    const severity = isServed ? 'atRisk' : empty.severity;
    return finding({ ...empty, severity, brief, what, todo, command: rescue });
  }
  return finding({
    ...empty,
    what: 'the map is empty: no cluster has the keys yet',
    todo: `give them to the first cluster; but where this keeper takes the place of one that is lost, ${rescue}, and no init`,
    command: `nursery init CLUSTER --config ${quoted(file)}`,
  });
}

/** Which clusters wait for a keeper without a map, since they belong to one before it, as far as anybody says so; else null. */
export function whoWaits(facts: Facts, seen: KeeperSeen): string | null {
  const others = ofBefore(facts, seen);
  if (others.length > 0)
    return `${[...new Set(others.map(({ cluster }) => cluster))].join(', ')} ${others.length === 1 ? 'belongs' : 'belong'} to a keeper before it`;
  const own = facts.clusters.filter(({ cluster }) => cluster === seen.cluster).flatMap(answeringOf);
  const noted = own.flatMap((node) => node.facts.conditions.filter(({ detail }) => isInitRefused(detail)));
  return noted[0]?.detail ?? null;
}

/** Clusters that belong to another keeper than this one; none while it does not know itself who it is, as right after its founding. */
function ofBefore({ clusters }: Facts, { cluster: keeper, known }: KeeperSeen): ClusterSeen[] {
  const own = clusters.filter(({ cluster }) => cluster === keeper).flatMap(answeringOf);
  const mine = [known.nursery?.founding ?? '', ...own.map(({ facts }) => facts.status.founding)];
  if (mine.every((founding) => founding === '')) return [];
  return clusters.filter(
    (each) =>
      each.cluster !== keeper &&
      answeringOf(each).some(
        ({ facts: { status } }) => status.keeper !== '' && !mine.includes(status.keeper),
      ),
  );
}

/** What the keeper's nodes note of clusters that have told it of another keeper. */
function isInitRefused(note: string): boolean {
  return note.startsWith('nursery init is refused');
}

/** A command with the file behind its own words; alternatives stand behind a comma. */
function withConfig(command: string, file: string): string {
  const [words, ...others] = command.split(', ');
  return [`${words} --config ${quoted(file)}`, ...others].join(', ');
}

/**
 * Through the file of a router, or of the keeper itself, nobody has said who serves what: that is not nothing. A cluster's own file
 * leads to that cluster at least, of which its own findings tell.
 */
function silentKeeper(facts: Facts, keeper: string, why: string): Finding {
  const { clusters, front, file, keeper: seen } = facts;
  const own = clusters.filter(({ cluster }) => cluster === keeper);
  const isBlind = (front === null || front === keeper) && seen?.known.map.isEmpty === true;
  const nobody =
    front === null
      ? 'no router says what it knows of the map either'
      : `${quoted(file)} leads to no other cluster`;
  const meanwhile = isBlind
    ? `${nobody}, so nobody here can say that any key is served`
    : 'nothing moves meanwhile; what is served goes on';
  const noted = clusters
    .flatMap(answeringOf)
    .map((node) => sinceOf(node, conditionOf(node, 'note', 'silent')));
  const masterless = own.flatMap(answeringOf).map((node) => sinceOf(node, conditionOf(node, 'noMaster')));
  const brief = `the keeper, cluster ${keeper}, does not answer`;
  return finding({
    kind: 'keeperSilent',
    severity: isBlind ? 'notServing' : 'atRisk',
    subject: keeper,
    brief: `${brief}; ${meanwhile}`,
    what: `${brief}: ${why}; ${meanwhile}`,
    since: longest([...noted, ...masterless]),
    ...startKeeper(facts, own),
  });
}

/** What a keeper without a master needs. */
function startKeeper(facts: Facts, own: readonly ClusterSeen[]): Start {
  const missing = own.flatMap(missingFrom);
  for (const cluster of own) {
    const [emptied, survivor] = [fatallyEmptied(facts, cluster), survivorOf(cluster)];
    if (emptied.length === 0 || survivor === null) continue;
    const { todo, command } = promoteInstead(facts, cluster, { emptied, survivor });
    return {
      todo: `${describeEmptied(facts, cluster, emptied)}: ${todo}. Then nursery rescue keeper, for a promoted keeper begins anew`,
      command,
    };
  }
  const { todo, command } = startNodes(facts, own[0]?.cluster ?? '', missing);
  if (own.some(isElecting)) return { todo: electionThen(todo), command };
  const lost = own.every(mayBeGone) ? '; if their data are gone for good, nursery rescue keeper' : '';
  const enough = missing.length > 1 ? '. A majority of its nodes is enough' : '';
  return { todo: `${todo === '' ? 'see what its nodes wait for' : todo}${enough}${lost}`, command };
}

/** Whether the map gives a range to a founding that another one took the place of, or that is lost. */
export function isOver({ owner, founding }: MapEntry, clusters: readonly KnownCluster[]): boolean {
  const known = clusters.find(({ cluster }) => cluster === owner);
  return founding !== undefined && (known === undefined || (known.founding ?? founding) !== founding);
}

/** Where the map and those who own ranges disagree, as far as the keeper itself says what the map is. */
export function mapFindings({ keeper, clusters, file }: Facts): Finding[] {
  if (keeper === null) return [];
  const { entries } = keeper.known.map;
  const dead = entries.filter((entry) => isOver(entry, keeper.known.clusters));
  const orders = new Set((keeper.orders ?? []).map(({ was }) => was));
  const open = ascending(openMoves(keeper.migrations));
  // That the keeper knows of its order already says it.
  const found = [...dead]
    .filter(({ founding }) => !orders.has(founding ?? ''))
    .map((entry) => ofDead(entry, file));
  // What a router heard last may be older than a move that has ended since, of which nobody says anything.
  if (keeper.why !== null) return found;
  const live = entries.filter((entry) => !dead.includes(entry));
  for (const cluster of clusters.filter(({ isElsewhere }) => !isElsewhere)) {
    const master = masterOf(cluster);
    // The owner's master alone can say; where there is none, or the keeper has yet to bind it, that is what is wrong. One whose founding
    // an order has declared dead is told that.
    if (master !== null && !isUnbound(cluster, master) && endOf(keeper, cluster.cluster, master) === null)
      found.push(...disagreements({ cluster, master, live, open, file }));
  }
  return found;
}

function ofDead(entry: MapEntry, file: string): Finding {
  const { owner, founding } = entry;
  return finding({
    kind: 'rangeOfDeadFounding',
    severity: 'notServing',
    subject: printRange(entry),
    what: `nobody serves ${printRange(entry)}: founding ${founding} of ${owner} is over`,
    todo: 'nursery rescue promote goes on where it was begun; else bring the range to another cluster, as of a backup that has it, or empty where there is none',
    command: withConfig(bringElsewhere(owner), file),
  });
}

type Compared = {
  readonly cluster: ClusterSeen;
  readonly master: Answering;
  /** What the map gives to foundings in force, in order. */
  readonly live: readonly MapEntry[];
  /** Moves that are under way, in order of their ranges: they explain a difference. */
  readonly open: readonly Migration[];
  readonly file: string;
};

function disagreements({ cluster: { cluster }, master, live, open, file }: Compared): Finding[] {
  const owned = ascending(master.facts.status.owned);
  const found: Finding[] = [];
  const given = live.filter(({ owner }) => owner === cluster);
  for (const { range: entry, parts } of commonParts(given, owned)) {
    const held = parts.filter(({ of }) => of.epoch === entry.epoch);
    for (const gap of unexplained(gapsIn(entry, held), open))
      found.push(
        finding({
          kind: 'rangeUnserved',
          severity: 'notServing',
          subject: printRange(gap),
          what: `nobody serves ${printRange(gap)}: the map gives it to ${cluster}, at epoch ${entry.epoch}, and ${master.name}, its master, says that ${cluster} does not own it`,
          todo: 'keep all homes and log files, and report it; what is to be served before that has to come from a backup, or begin empty',
          command: withConfig(bringElsewhere(cluster), file),
        }),
      );
  }
  for (const { range, parts } of commonParts(owned, live)) {
    const others = parts.filter(({ of }) => of.owner !== cluster);
    for (const part of others.filter((other) => unexplained([other], open).length > 0))
      found.push(
        finding({
          kind: 'ownedTwice',
          severity: 'atRisk',
          subject: printRange(part),
          what: `${cluster} owns ${printRange(part)}, at epoch ${range.epoch}, and the map gives it to ${part.of.owner}, at epoch ${part.of.epoch}: clients that ask ${cluster} itself may see other rows`,
          todo: `keep all homes and log files, and report it; clients should ask a router`,
        }),
      );
  }
  return found;
}

/** Those of `ranges`, in order, that no move which is under way touches. */
function unexplained(ranges: readonly Range[], open: readonly Migration[]): Range[] {
  return [...commonParts(ranges, open)].flatMap(({ range, parts }) => (parts.length === 0 ? [range] : []));
}

/** Migrations that are neither done nor given up. */
export function openMoves(migrations: readonly Migration[] | null): Migration[] {
  return (migrations ?? []).filter(({ phase }) => phase === 'active' || phase === 'published');
}

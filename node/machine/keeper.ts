/** The keeper's part: the range map, the record of every migration, and how clients reach each cluster. */

import { invariant, unreachable } from '../../src/base/assert.ts';
import { printRange, WHOLE } from '../../src/keyspace/range.ts';
import { carve, ownsAll, RangeMap } from '../../src/keyspace/rangemap.ts';
import {
  type AdminAnswer,
  type AdminCommand,
  type ClusterConfig,
  clusterConfigCodec,
  type KeeperMap,
  type Migration,
} from '../../src/protocol/admin/admin.ts';
import { stillCounted } from '../../src/protocol/admin/auto.ts';
import { GIVES_WAY, isMerge, isOpen, type Span, UNSAID, WISHES } from '../../src/protocol/admin/migration.ts';
import { encode } from '../../src/wire/codec.ts';
import { refused } from './answers.ts';
import { asIfByAuto, planAuto, setAuto } from './auto.ts';
import type { Draft } from './draft.ts';
import { versionInNursery } from './functions.ts';
import { install, isRescued, lose, planCopy, replace, settle } from './orders.ts';
import { foundingsOf, plan, planMerge, unboundCluster, unknownCluster } from './planning.ts';
import {
  bury,
  CLUSTERS_MAX,
  claimAddress,
  foundingOf,
  initWhy,
  introduce,
  isKeeper,
  tellAddress,
} from './registry.ts';
import { type SystemState, withEntry } from './system-state.ts';

type Of<K extends AdminCommand['kind']> = Extract<AdminCommand, { kind: K }>;

/** Longest cluster id (bytes). */
const CLUSTER_ID_MAX = 256;

const OK: AdminAnswer = { kind: 'ok' };

/** Commands that the keeper alone is sent. Every cluster could be one. */
export type KeeperCommand = Of<
  | 'initMap'
  | 'plan'
  | 'claim'
  | 'note'
  | 'wish'
  | 'setRate'
  | 'publish'
  | 'recordAbort'
  | 'noteTold'
  | 'finish'
  | 'forget'
  | 'setClusterConfig'
  | 'dropCluster'
  | 'introduce'
  | 'tellAddress'
  | 'claimAddress'
  | 'replace'
  | 'lose'
  | 'settle'
  | 'planCopy'
  | 'planMerge'
  | 'setAuto'
  | 'planAuto'
  | 'install'
>;

/** Carries out one of them. */
export function applyKeeper(draft: Draft, command: KeeperCommand): AdminAnswer {
  switch (command.kind) {
    case 'initMap':
      return initMap(draft, command);
    case 'plan':
      return asIfByAuto(command) ?? plan(draft, command);
    case 'claim':
      return claim(draft, command);
    case 'note':
      return note(draft, command);
    case 'wish':
      return wish(draft, command);
    case 'setRate':
      return setRate(draft, command);
    case 'publish':
      return publish(draft, command);
    case 'recordAbort':
      return recordAbort(draft, command);
    case 'noteTold':
      return noteTold(draft, command);
    case 'finish':
      return finish(draft, command);
    case 'forget':
      return forget(draft, command);
    case 'setClusterConfig':
      return setClusterConfig(draft, command);
    case 'dropCluster':
      return dropCluster(draft, command);
    case 'introduce':
      return introduce(draft, command);
    case 'tellAddress':
      return tellAddress(draft, command);
    case 'claimAddress':
      return claimAddress(draft, command);
    case 'replace':
      return replace(draft, command);
    case 'lose':
      return lose(draft, command);
    case 'settle':
      return settle(draft, command);
    case 'planCopy':
      return planCopy(draft, command);
    case 'planMerge':
      return asIfByAuto(command) ?? planMerge(draft, command);
    case 'setAuto':
      return setAuto(draft, command);
    case 'planAuto':
      return planAuto(draft, command);
    case 'install':
      return install(draft, command);
    default:
      return unreachable(command);
  }
}

/** Map and client configurations, as watchers get them. */
export function keeperMapOf(state: SystemState): KeeperMap {
  const { map, bound, replaced } = state;
  const known = { map, clusters: [...state.configs.values()] };
  if (bound === null || !isKeeper(state)) return known;
  return { ...known, nursery: { founding: bound.mine, replaced } };
}

/** The lowest migration that is not decided, or the next one to come: everything below may be forgotten everywhere. */
export function floorOf(state: SystemState): number {
  for (const record of state.migrations.values()) {
    if (isOpen(record)) return record.mid;
  }
  return state.lastMid + 1;
}

/** Gives the whole key space to the first cluster. Its epoch is a migration id, so that epochs never repeat. */
function initMap(draft: Draft, { cluster }: Of<'initMap'>): AdminAnswer {
  const { map, configs, lastMid } = draft.state;
  const founding = foundingOf(draft.state, cluster);
  if (!map.isEmpty) {
    return refused(`a map exists already, at version ${map.version}: move ranges with migrate`);
  }
  if (!configs.has(cluster)) return refused(unknownCluster(cluster));
  if (isKeeper(draft.state)) {
    if (founding === null) return refused(unboundCluster(cluster));
    const why = initWhy(draft.state, cluster);
    if (why !== null) return refused(why);
  }
  const epoch = lastMid + 1;
  draft.update({
    lastMid: epoch,
    map: RangeMap.of(map.version + 1, [
      { ...WHOLE, owner: cluster, epoch, ...(founding === null ? {} : { founding }) },
    ]),
  });
  return { kind: 'planned', mid: epoch };
}

/** Makes the caller the coordinator, if it has seen the present token: a claim that comes late fences nobody. */
function claim(draft: Draft, { mid, tokenSeen }: Of<'claim'>): AdminAnswer {
  const record = draft.state.migrations.get(mid);
  if (record === undefined) return unknownMigration(mid);
  if (record.token !== tokenSeen) return { kind: 'fenced', token: record.token };
  if (!isOpen(record)) return refused(`migration ${mid} is ${record.phase}`);
  const why = notInForce(draft.state, record);
  if (why !== null) return { kind: record.foundings === undefined ? 'busy' : 'refused', why };
  return claimed(draft, { ...record, token: record.token + 1, heartbeat: record.heartbeat + 1 });
}

/** A heartbeat with what the coordinator did; answered with the record, which tells it the operator's wish, and the floor. */
function note(draft: Draft, { mid, token, progress }: Of<'note'>): AdminAnswer {
  const record = recordFor(draft, mid, token);
  if ('kind' in record) return record;
  return claimed(draft, { ...record, heartbeat: record.heartbeat + 1, progress });
}

/** What the operator wants. An abort stands, and comes too late once the map has changed. */
function wish(draft: Draft, command: Of<'wish'>): AdminAnswer {
  const { mid, why } = command;
  const record = draft.state.migrations.get(mid);
  if (record === undefined) return unknownMigration(mid);
  if (!isOpen(record)) return refused(`migration ${mid} is ${record.phase}`);
  const wished = WISHES.find((each) => each === command.wish);
  // Not refused where it is read: an update that was chosen is applied by all replicas alike.
  if (wished === undefined) return refused(`no wish is "${command.wish}": run, pause or abort`);
  if (wished === record.wish) return OK;
  if (record.wish === 'abort') return refused(`migration ${mid} is being aborted: ${record.why}`);
  if (wished === 'abort' && record.phase === 'published') {
    const undo = isMerge(record) ? 'its ranges are one' : 'undo it by moving the range back';
    return refused(`migration ${mid} has passed the point of no return: ${undo}`);
  }
  save(draft, { ...record, wish: wished, why });
  return OK;
}

/** How fast it is copied from now on, whoever works on it. */
function setRate(draft: Draft, { mid, rate }: Of<'setRate'>): AdminAnswer {
  const record = draft.state.migrations.get(mid);
  if (record === undefined) return unknownMigration(mid);
  if (record.phase !== 'active')
    return refused(`migration ${mid} is ${record.phase}: nothing of it is copied`);
  if (rate < 0 && rate !== GIVES_WAY)
    return refused(`a rate of ${rate} bytes per second: it is 0 or more, or none (${GIVES_WAY})`);
  const asked = { ...(record.asked ?? UNSAID), rate: rate === GIVES_WAY ? null : rate };
  save(draft, { ...record, asked });
  return OK;
}

/** Gives the range to the target. Only an active migration may: to ask whether the source owns it would not do (ABA). */
function publish(draft: Draft, { mid, token, receipt }: Of<'publish'>): AdminAnswer {
  const record = recordFor(draft, mid, token);
  if ('kind' in record) return record;
  if (record.phase === 'published' || record.phase === 'done') return OK;
  if (record.phase !== 'active')
    return refused(`migration ${mid} is ${record.phase}: it cannot be published`);
  const why = notInForce(draft.state, record);
  if (why !== null) return refused(why);
  const { map } = draft.state;
  invariant(
    ownsAll(map, record, record.source),
    'the map gives the range of an active migration to its source',
    () => ({ mid, token, range: printRange(record), source: record.source, mapVersion: map.version }),
  );
  const { lo, hi, target, foundings } = record;
  draft.update({ map: carve(map, { lo, hi }, target, mid, foundings?.target) });
  // The pause is over: what was last told of it is not.
  const { pauseMs, pauseAtLeast } = receipt;
  save(draft, {
    ...record,
    phase: 'published',
    receipt,
    progress: { ...record.progress, pauseMs, pauseAtLeast },
  });
  return OK;
}

/**
 * Ends a migration that went back. To be written only after the source has unsealed, and the target has abandoned, or cannot
 * activate any more since the source had not sealed.
 */
function recordAbort(draft: Draft, { mid, token, why, told, span }: Of<'recordAbort'>): AdminAnswer {
  const record = recordFor(draft, mid, token);
  if ('kind' in record) return record;
  if (record.phase === 'aborted') return OK;
  if (record.phase !== 'active') return refused(`migration ${mid} is ${record.phase}: it cannot be aborted`);
  // Who is dead need not be told.
  const isUntold = !told && !isRescued(record);
  save(draft, {
    ...withSpan(record, span),
    phase: 'aborted',
    why,
    ...(isUntold ? { isUntold } : {}),
  });
  return OK;
}

/** One that went back before its migrator had noted anything began when that says. */
function withSpan(record: Migration, span: Span | undefined): Migration {
  if (span === undefined) return record;
  const { progress } = record;
  const startedAtMs = progress.startedAtMs || span.startedAtMs;
  return { ...record, progress: { ...progress, startedAtMs }, abortedAfterMs: span.tookMs };
}

/** The target of an aborted migration knows, and has dropped what it had staged. */
function noteTold(draft: Draft, { mid }: Of<'noteTold'>): AdminAnswer {
  const record = draft.state.migrations.get(mid);
  if (record === undefined) return unknownMigration(mid);
  const { isUntold, ...told } = record;
  if (isUntold === true) save(draft, told);
  return OK;
}

/** Ends a migration that went through. To be written only after the source has released and cleaned up. */
function finish(draft: Draft, { mid, token }: Of<'finish'>): AdminAnswer {
  const record = recordFor(draft, mid, token);
  if ('kind' in record) return record;
  if (record.phase === 'done') return OK;
  if (record.phase !== 'published')
    return refused(`migration ${mid} is ${record.phase}: it cannot be finished`);
  save(draft, { ...record, phase: 'done' });
  return OK;
}

/** Drops the record of a finished migration that nothing counts any more. Its id is never allotted again. */
function forget(draft: Draft, { mid }: Of<'forget'>): AdminAnswer {
  const { migrations, auto } = draft.state;
  const record = migrations.get(mid);
  if (record === undefined) return unknownMigration(mid);
  if (isOpen(record)) return refused(`migration ${mid} is ${record.phase}: only finished ones are forgotten`);
  if (stillCounted(auto, migrations.values()).has(mid))
    return refused(
      `rebalancing by itself still counts migration ${mid}: it stays until its cool-down, or day, is over`,
    );
  draft.update({ migrations: withEntry(migrations, mid, null) });
  return OK;
}

/**
 * Keeps how clients reach a cluster. Nodes send it whenever they start; what changes nothing is not a new version of the
 * map, what does is one, so that watchers hear of it.
 */
function setClusterConfig(draft: Draft, { cluster, nodes }: Of<'setClusterConfig'>): AdminAnswer {
  const { configs, map, identities } = draft.state;
  if ((identities.get(cluster)?.founding ?? '') !== '') {
    return refused(`cluster ${cluster} is bound: its own nodes say where they are reached`);
  }
  const idBytes = Buffer.byteLength(cluster);
  if (idBytes === 0 || idBytes > CLUSTER_ID_MAX) {
    return refused(`cluster id of ${idBytes} bytes: it has 1 to ${CLUSTER_ID_MAX}`);
  }
  const config: ClusterConfig = { cluster, nodes };
  const known = configs.get(cluster);
  if (known !== undefined && sameConfig(known, config)) return OK;
  if (known === undefined && configs.size >= CLUSTERS_MAX) {
    return refused(`${CLUSTERS_MAX} clusters are known: drop one that owns nothing`);
  }
  draft.update({
    configs: withEntry(configs, cluster, config),
    map: map.at(map.version + 1),
  });
  return OK;
}

/** Forgets a cluster that owns nothing and takes part in nothing; also one of another nursery, which has only spoken to this keeper. */
function dropCluster(draft: Draft, { cluster }: Of<'dropCluster'>): AdminAnswer {
  const { configs, map, migrations, strangers } = draft.state;
  const owned = map.entries.filter(({ owner }) => owner === cluster);
  if (owned.length > 0) {
    const ranges = owned.map(printRange).join(', ');
    return refused(`${cluster} still owns ${ranges}: move it away first`);
  }
  const unfinished = [...migrations.values()].filter(
    (record) => isOpen(record) && (record.source === cluster || record.target === cluster),
  );
  if (unfinished.length > 0) {
    const mids = unfinished.map(({ mid }) => mid).join(', ');
    return refused(`${cluster} takes part in migrations that are not finished: ${mids}`);
  }
  const buried = bury(draft, cluster);
  if (buried !== null) return buried;
  // Nobody will ever tell it what it missed.
  for (const { mid, target } of migrations.values())
    if (target === cluster) noteTold(draft, { kind: 'noteTold', mid });
  if (!configs.has(cluster)) return strangers.has(cluster) ? OK : { kind: 'none' };
  draft.update({
    configs: withEntry(configs, cluster, null),
    map: map.at(map.version + 1),
  });
  return OK;
}

/** The record that a coordinator speaks about, or the answer to one that does not hold the present token. */
function recordFor(draft: Draft, mid: number, token: number): Migration | AdminAnswer {
  const record = draft.state.migrations.get(mid);
  if (record === undefined) return unknownMigration(mid);
  if (token < record.token) return { kind: 'fenced', token: record.token };
  if (token > record.token) return refused(`migration ${mid} has never had token ${token}`);
  return record;
}

function claimed(draft: Draft, record: Migration): AdminAnswer {
  save(draft, record);
  const { state } = draft;
  const functions = versionInNursery(state);
  return { kind: 'claimed', token: record.token, floor: floorOf(state), record, functions };
}

function save(draft: Draft, record: Migration): void {
  draft.update({ migrations: withEntry(draft.state.migrations, record.mid, record) });
}

function sameConfig(a: ClusterConfig, b: ClusterConfig): boolean {
  return encode(clusterConfigCodec, a).equals(encode(clusterConfigCodec, b));
}

/** Why a move may not go on as things are, or null: both ends must be the foundings that it was planned with. */
function notInForce(state: SystemState, record: Migration): string | null {
  const { mid, source, target, foundings } = record;
  if (!isKeeper(state) || isRescued(record)) return null;
  const now = foundingsOf(state, source, target);
  if (foundings === undefined || now === null) {
    return `migration ${mid} waits until ${source} and ${target} are bound to this keeper`;
  }
  return now.source === foundings.source && now.target === foundings.target
    ? null
    : `migration ${mid} is between foundings that are not in force: ${foundings.source} and ${foundings.target}`;
}

function unknownMigration(mid: number): AdminAnswer {
  return refused(`no migration ${mid} is on record`);
}

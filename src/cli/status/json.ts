/** Status as scripts get it; docs/commands.md says what each field is. */
import type { ClusterSeen, Facts, RouterSeen } from '../../health/facts.ts';
import type { Verdict } from '../../health/findings.ts';
import { isOver, openMoves } from '../../health/map-findings.ts';
import { placesOf } from '../../health/places.ts';
import { copiesOf } from '../../health/safe-to-stop.ts';
import type { Range } from '../../keyspace/range.ts';
import type { Migration } from '../../protocol/admin/admin.ts';
import type { Load } from '../../protocol/admin/node-facts.ts';
import { jsonKey, jsonRange } from '../forms.ts';

/** All of it as one value. */
export function statusToJson(
  { keeper, clusters, router }: Facts,
  verdict: Verdict,
  exitCode: number,
): object {
  const { state, words, findings } = verdict;
  const said = {
    verdict: { state, words, exitCode },
    // Of the first that is in the verdict.
    findings: findings.map(({ brief: _, ...each }) => each),
  };
  if (keeper === null)
    return { ...said, nursery: null, map: null, router: null, clusters: clusters.map(clusterToJson) };
  const { known, why, migrations } = keeper;
  const { version, entries } = known.map;
  return {
    ...said,
    ...(why === null ? {} : { keeperSilent: why }),
    nursery: known.nursery?.founding ?? null,
    map: {
      version,
      entries: entries.map((entry) => ({
        ...withJsonRange(entry),
        ...(isOver(entry, known.clusters) ? { servedByNobody: true } : {}),
      })),
    },
    router: router === null ? null : routerToJson(router),
    clusters: clusters.map(clusterToJson),
    migrations: migrations?.map(migrationToJson) ?? null,
    open: openMoves(migrations).length,
    auto: keeper.auto ?? null,
  };
}

function routerToJson({ name, turnedAway, why }: RouterSeen): object {
  return { name, turnedAway, why };
}

function clusterToJson(seen: ClusterSeen): object {
  const { cluster, founding, nodes } = seen;
  const reports = nodes.map(({ name, facts, why, turnedAway }) => {
    if (facts === null) return { name, status: null, why, turnedAway };
    const { status, counts, load, ...more } = facts;
    return {
      name,
      status: { ...status, owned: status.owned.map(withJsonRange) },
      why,
      turnedAway,
      ...more,
      counts: counts?.map(withJsonRange) ?? null,
      load: loadToJson(load),
    };
  });
  return { cluster, founding: founding ?? null, copies: copiesToJson(seen), nodes: reports };
}

function copiesToJson(seen: ClusterSeen): object | null {
  const copies = copiesOf(seen);
  return copies === null ? null : { ...copies, places: placesOf(seen) };
}

function loadToJson({ ranges, hottest }: Load): object {
  return {
    ranges: ranges.map(withJsonRange),
    hottest: hottest.map(({ key, perSecond }) => ({ key: jsonKey(key), perSecond })),
  };
}

function withJsonRange<T extends Range>(range: T): object {
  return { ...range, ...jsonRange(range) };
}

/** A migration: keys in the form of JSON, big numbers as text. */
export function migrationToJson(migration: Migration): object {
  const { receipt } = migration;
  const digest = receipt === null ? null : receipt.digest;
  return {
    ...migration,
    ...jsonRange(migration),
    progress: { ...migration.progress, waitingFor: waitedFor(migration) },
    receipt:
      receipt === null || digest === null
        ? null
        : { ...receipt, digest: { ...digest, sum: digest.sum.toString(16).padStart(32, '0') } },
  };
}

/** One that is paused asks nobody: whom it had asked before is not waited for, and the stage says the rest. */
export function waitedFor({ progress }: Migration): string {
  return progress.stage === 'paused' ? '' : progress.waitingFor;
}

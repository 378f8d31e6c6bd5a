/** What is wrong with moves: nobody works on one, an operator holds it up, a range is sealed for too long, a target was never told. */
import { printRange } from '../keyspace/range.ts';
import type { Migration } from '../protocol/admin/admin.ts';
import { isMerge, printWay } from '../protocol/admin/migration.ts';
import { type ClusterSeen, conditionOf, type Facts, masterOf } from './facts.ts';
import { type Finding, finding, quoted, type Since, sinceOf } from './finding.ts';
import { openMoves } from './map-findings.ts';

/** Stages of a move whose rows are still to be copied: what its rate holds up. One that was given up may be before that. */
const COPIED: ReadonlySet<string> = new Set(['planned', 'preparing', 'copying', 'paused', 'given up']);
/** Stages in which no pause is heeded any more. */
const UNPAUSED: ReadonlySet<string> = new Set(['sealed', 'aborting']);
/** A range is sealed for a few round trips; from so long on somebody should know (ms). */
const SEALED_MS = 5000;

/** Of the moves that the keeper has on record, and of ranges that are sealed. */
export function moveFindings(facts: Facts): Finding[] {
  const { keeper, clusters, file } = facts;
  if (keeper === null) return [];
  const resume = `nursery migrate --resume --config ${quoted(file)}`;
  const keepers = clusters.filter(({ cluster, isElsewhere }) => cluster === keeper.cluster && !isElsewhere);
  const open = openMoves(keeper.migrations);
  const found = open.flatMap((move) => {
    const still = stillSince(keepers, move.mid);
    const sealed = sealedSince(clusters, move);
    if (sealed !== null && sealed.ageMs >= SEALED_MS) return [sealedFinding(move, { sealed, still, resume })];
    const held = sealed === null ? heldFindings(move, { still, resume, file }) : [];
    if (held.length > 0) return held;
    // A copy of an order is that order's business, which is told as such: nobody else goes on with it.
    return still === null || move.rescue?.isCopy === true ? [] : [deadMigrator(move, still, resume)];
  });
  const untold = (keeper.migrations ?? []).filter(({ isUntold }) => isUntold === true);
  return [
    ...found,
    ...orphans(facts, open),
    ...untold.map(({ mid, target }) =>
      finding({
        kind: 'targetUntold',
        severity: 'note',
        subject: String(mid),
        what: `migration ${mid} was aborted without ${target}, which keeps what it has staged until it is told`,
        todo: 'a migrator does so, or',
        command: resume,
      }),
    ),
  ];
}

/** Since when the keeper's master sees nobody work on it; null where somebody does. */
export function stillSince(keepers: readonly ClusterSeen[], mid: number): Since | null {
  for (const cluster of keepers) {
    const master = masterOf(cluster);
    const since = master === null ? null : sinceOf(master, conditionOf(master, 'still', String(mid)));
    if (since !== null) return since;
  }
  return null;
}

function sealedSince(clusters: readonly ClusterSeen[], { mid, source }: Migration): Since | null {
  const cluster = clusters.find((each) => each.cluster === source && !each.isElsewhere);
  const master = cluster === undefined ? null : masterOf(cluster);
  return master === null ? null : sinceOf(master, conditionOf(master, 'sealed', String(mid)));
}

type Seal = { readonly sealed: Since; readonly still: Since | null; readonly resume: string };

function sealedFinding(move: Migration, { sealed, still, resume }: Seal): Finding {
  const { mid, source, target, progress } = move;
  const range = printRange(move);
  const waits = progress.waitingFor === '' ? '' : `; it waits for ${progress.waitingFor}`;
  const common = { kind: 'rangeSealed', severity: 'notServing', subject: range, since: sealed } as const;
  if (still !== null) {
    const what = `nobody serves ${range}: it is sealed for migration ${mid}, ${source} → ${target}, and no migrator works on that`;
    return finding({ ...common, what, todo: 'go on with it', command: resume });
  }
  const what = `nobody serves ${range}: it is sealed for migration ${mid}, ${source} → ${target}${waits}`;
  return finding({
    ...common,
    what,
    todo: `repair ${target}: it alone can take the range over, or give it up`,
  });
}

type Held = { readonly still: Since | null; readonly resume: string; readonly file: string };

/** What an operator holds up, for as long as that is so: to go on with it would wait for the operator, too. */
function heldFindings(move: Migration, { still, resume, file }: Held): Finding[] {
  const { mid, phase, wish, asked, progress } = move;
  if (phase !== 'active' || wish === 'abort') return [];
  const which = `migration ${mid}, ${printRange(move)} ${printWay(move)},`;
  const nobody = still === null ? '' : '; no migrator works on it either';
  const besides =
    still === null
      ? ''
      : `; and besides, where neither a router nor a nursery migrator runs, which do so by themselves: ${resume}`;
  const common = { kind: 'moveHeld', severity: 'note', subject: String(mid), since: still } as const;
  const found: Finding[] = [];
  if (wish === 'pause' && !UNPAUSED.has(progress.stage)) {
    found.push(
      finding({
        ...common,
        what: `${which} is paused by an operator${nobody}`,
        todo: `where it is to go on, let it${besides}`,
        command: `nursery migrate --continue ${mid} --config ${quoted(file)}`,
      }),
    );
  }
  if (asked?.rate === 0 && !isMerge(move) && COPIED.has(progress.stage)) {
    found.push(
      finding({
        ...common,
        what: `${which} copies nothing: an operator has set its rate to 0${nobody}`,
        todo: `where it is to go on, give it a rate${besides}`,
        command: `nursery migrate --rate BYTES --of ${mid} --config ${quoted(file)}`,
      }),
    );
  }
  return found;
}

function deadMigrator(move: Migration, since: Since, command: string): Finding {
  const { mid, phase, progress } = move;
  const waits = progress.waitingFor === '' ? '' : `; when last heard of it waited for ${progress.waitingFor}`;
  return finding({
    kind: 'migratorDead',
    severity: 'atRisk',
    subject: String(mid),
    what: `no migrator works on migration ${mid}, ${printRange(move)} ${printWay(move)}, ${phase}, ${progress.stage}${waits}`,
    since,
    todo: 'go on with it, or run a router, or a nursery migrator, which do so by themselves',
    command,
  });
}

/** Ranges that are sealed for a move which the keeper does not know as open, or of which it says nothing: nobody serves them. */
function orphans({ keeper, clusters, file }: Facts, open: readonly Migration[]): Finding[] {
  const isKnown = keeper !== null && keeper.migrations !== null;
  return clusters.flatMap((cluster) => {
    const master = cluster.isElsewhere ? null : masterOf(cluster);
    if (master === null) return [];
    return master.facts.status.owned.flatMap((range) => {
      const { sealedBy } = range;
      if (sealedBy === null || open.some(({ mid }) => mid === sealedBy)) return [];
      const since = sinceOf(master, conditionOf(master, 'sealed', String(sealedBy)));
      if (since === null || since.ageMs < SEALED_MS) return [];
      return [
        finding({
          kind: 'rangeSealed',
          severity: 'notServing',
          subject: printRange(range),
          what: `nobody serves ${printRange(range)}: ${cluster.cluster} has sealed it for migration ${sealedBy}, ${isKnown ? 'which the keeper does not have as open' : 'and the keeper, without which that does not go on, does not answer'}`,
          since,
          ...(isKnown
            ? { todo: 'keep all homes and log files, and report it' }
            : {
                todo: 'start a majority of the nodes of the keeper; then a migrator goes on with it, or',
                command: `nursery migrate --resume --config ${quoted(file)}`,
              }),
        }),
      ];
    });
  });
}

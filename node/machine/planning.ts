/** What the keeper records of a move, or a merge, that is asked for; or why not. */
import { overlaps, printRange, type Range } from '../../src/keyspace/range.ts';
import { entriesIn, ownsAll } from '../../src/keyspace/rangemap.ts';
import {
  type AdminAnswer,
  type AdminCommand,
  type Foundings,
  type Merged,
  type Migration,
  NO_PROGRESS,
} from '../../src/protocol/admin/admin.ts';
import { type Asked, isMerge, isOpen, MERGED_MAX } from '../../src/protocol/admin/migration.ts';
import { refused } from './answers.ts';
import type { Draft } from './draft.ts';
import { rangeOf } from './headers.ts';
import { waitsForRanges } from './orders.ts';
import { foundingOf, isKeeper } from './registry.ts';
import { type SystemState, withEntry } from './system-state.ts';

type Of<K extends AdminCommand['kind']> = Extract<AdminCommand, { kind: K }>;

/** Records that the keeper holds. Long before, its master has the oldest finished ones forgotten (node/driver/clean-ups.ts). */
export const MIGRATIONS_MAX = 10_000;

const NO_RANGE = 'the range is empty, or a bound of it is too long';

type PlannedMove = {
  readonly source: string;
  readonly target: string;
  readonly range: Range;
  readonly merges?: readonly Merged[];
  readonly asked?: Asked | undefined;
};

/** Records a new migration, where the map gives the whole range to the source and nothing else moves any of it. */
export function plan(draft: Draft, command: Of<'plan'>): AdminAnswer {
  const { source, target, asked } = command;
  const range = rangeOf(command);
  if (range === null) return refused(NO_RANGE);
  if (source === target) return refused(`source and target are the same cluster, ${source}`);
  if (!draft.state.configs.has(target)) return refused(unknownCluster(target));
  const stands = asked?.undoes == null ? null : undoWhy(draft.state, asked.undoes, command);
  return stands === null ? planned(draft, { source, target, range, asked }) : refused(stands);
}

/** Records a merge: the map gives the whole range to one cluster, in several entries, and nothing moves any of it. */
export function planMerge(draft: Draft, command: Of<'planMerge'>, asked?: Asked): AdminAnswer {
  const { cluster } = command;
  const range = rangeOf(command);
  if (range === null) return refused(NO_RANGE);
  const entries = entriesIn(draft.state.map, range);
  if (entries.length < 2 || entries.length > MERGED_MAX)
    return refused(
      `${printRange(range)} is ${entries.length} entries of the map: 2 to ${MERGED_MAX} can be merged`,
    );
  const [first, last] = [entries[0], entries.at(-1)];
  if (first?.lo !== range.lo || last?.hi !== range.hi)
    return refused(
      `${printRange(range)} begins or ends within an entry of the map: a merge takes whole ones`,
    );
  const merges = entries.map(({ lo, epoch }) => ({ lo, epoch }));
  return planned(draft, { source: cluster, target: cluster, range, merges, asked });
}

function planned(draft: Draft, { source, target, range, merges, asked }: PlannedMove): AdminAnswer {
  const { map, migrations, lastMid } = draft.state;
  const foundings = foundingsOf(draft.state, source, target);
  if (isKeeper(draft.state) && foundings === null) {
    return refused(unboundCluster(foundingOf(draft.state, source) === null ? source : target));
  }
  const waits = waitsForRanges(draft.state, source) ?? waitsForRanges(draft.state, target);
  if (waits !== null) return { kind: 'busy', why: waits };
  const dead = entriesIn(map, range).find(
    ({ owner, founding }) => owner === source && founding !== undefined && founding !== foundings?.source,
  );
  if (dead !== undefined && foundings !== null) {
    return refused(
      `${printRange(dead)} is of founding ${dead.founding} of ${source}, which is dead: nursery rescue lost ${source} brings it to another cluster`,
    );
  }
  if (!ownsAll(map, range, source)) {
    const owners = entriesIn(map, range).map((entry) => `${entry.owner} owns ${printRange(entry)}`);
    const present = owners.length === 0 ? 'there is no map yet: init comes first' : owners.join(', ');
    return refused(`${source} does not own all of ${printRange(range)}: ${present}`);
  }
  for (const other of migrations.values()) {
    if (isOpen(other) && overlaps(other, range)) {
      const doing = isMerge(other) ? 'is merging' : 'is moving';
      const whereTo = isMerge(other) ? `at ${other.target}` : `to ${other.target}`;
      return refused(`migration ${other.mid} ${doing} ${printRange(other)} ${whereTo}`);
    }
  }
  if (migrations.size >= MIGRATIONS_MAX) {
    return refused(`${MIGRATIONS_MAX} migrations are on record: forget finished ones first`);
  }
  const mid = lastMid + 1;
  const record: Migration = {
    mid,
    source,
    target,
    lo: range.lo,
    hi: range.hi,
    phase: 'active',
    token: 0,
    heartbeat: 0,
    wish: 'run',
    why: '',
    progress: NO_PROGRESS,
    receipt: null,
    ...(foundings === null ? {} : { foundings }),
    ...(asked === undefined ? {} : { asked }),
    ...(merges === undefined ? {} : { merges }),
  };
  draft.update({ lastMid: mid, migrations: withEntry(migrations, mid, record) });
  return { kind: 'planned', mid };
}

/** Why this move does not take back that migration, or not any more; null where it does: all of its range is where it brought it. */
function undoWhy({ map, migrations }: SystemState, undone: number, move: Of<'plan'>): string | null {
  const record = migrations.get(undone);
  if (record === undefined) return `no migration ${undone} is on record`;
  if (record.phase !== 'done')
    return `migration ${undone} is ${record.phase}: only what is done is taken back`;
  const isBack = move.source === record.target && move.target === record.source;
  if (!isBack || move.lo !== record.lo || move.hi !== record.hi) {
    return `migration ${undone} moved ${printRange(record)} ${record.source} → ${record.target}: its way back is another one`;
  }
  const entries = entriesIn(map, record);
  if (entries.every(({ epoch }) => epoch === undone)) return null;
  const owners = entries
    .map((entry) => `${entry.owner} owns ${printRange(entry)} by ${entry.epoch}`)
    .join(', ');
  return `some of ${printRange(record)} has moved since migration ${undone}: ${owners}`;
}

/** The foundings in force of both ends of a move; null where one is not bound. */
export function foundingsOf(state: SystemState, sourceId: string, targetId: string): Foundings | null {
  const source = foundingOf(state, sourceId);
  const target = foundingOf(state, targetId);
  const keeper = state.bound?.mine ?? '';
  return source === null || target === null ? null : { keeper, source, target };
}

/** Why nothing is planned with a cluster that has no founding here. */
export function unboundCluster(cluster: string): string {
  return `cluster ${cluster} is not bound to this keeper: start its nodes with this keeper in [nursery]; their logs say what stands in the way`;
}

/** Why nothing is planned with a cluster that nobody has named. */
export function unknownCluster(cluster: string): string {
  return `no client configuration of cluster ${cluster} is known: start its nodes with this keeper in [nursery]`;
}

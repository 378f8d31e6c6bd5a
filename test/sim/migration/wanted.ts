/** What must have happened in many schedules: a fault that never strikes proves nothing. */

/** Seeds from which on what is wanted is to be expected, and what is rare. */
export const MIGRATION_WANTED_FROM_SEEDS = 400;
const RARE_FROM_SEEDS = 4000;

/** What so many schedules must have met: each of it happens in one of a hundred at least, or of three hundred where it is rare. */
export function migrationWanted(seeds: number): readonly string[] {
  if (seeds < MIGRATION_WANTED_FROM_SEEDS) return [];
  return seeds < RARE_FROM_SEEDS ? WANTED : [...WANTED, ...RARE];
}

const RARE: readonly string[] = ['crash while merging', 'merge applied beside a move'];

const WANTED: readonly string[] = [
  'crash while planned',
  'crash while preparing',
  'crash while copying',
  'crash while catching up',
  'crash while sealing',
  'crash while sealed',
  'crash while publishing',
  'crash while releasing',
  'crash while cleaning up',
  'crash while finishing',
  'crash while aborting',
  'crash while paused',
  'closed: merged',
  'merge planned',
  'merge asked for beside a move',
  'abort after the seal',
  'abort too late',
  'chained or back',
  'writers slowed',
  'page doubled',
  'gap',
  'behind',
  'busy',
  'fenced',
  'mismatch',
  'closed: activated',
  'closed: abandoned',
  'closed: unsealed',
  'closed: released',
  'closed: below the floor',
  'read from an older image',
  'replica too far behind',
  'read served',
  'ended: done',
  'ended: aborted',
  'aborted without its target',
  'target told of an abort',
  'failed: FENCED',
  'failed: GOING_DOWN',
  'undone',
  'undo refused',
  'rate',
  'rate of nothing',
  'rate taken back',
  'copy gives way',
  'no room',
];

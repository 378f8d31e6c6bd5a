/** What must have happened in many histories of stores: a fault that never strikes proves nothing. */

/** Seeds from which on it is to be expected. */
export const STORE_WANTED_FROM_SEEDS = 150;

export const STORE_WANTED: readonly string[] = [
  'rows written directly',
  'run added',
  'run added during a merge',
  'several transactions for a run',
  'all tables are taken',
  'the next run waits for the merge',
  'runs merged',
  'merges beside a reader of an older image',
  'an image older than the flushed one is read',
  'started amid a merge',
  'started with rows of no run',
  'closed in order',
  'a flush without room',
  'work on runs failed',
  'no room for commit',
  'no room for commitRun',
  'no room for runRows',
  'no room for work on runs',
  ...['commit', 'commitRun', 'runRows', 'work on runs'].flatMap((doing) =>
    ['write', 'commit', 'committed'].map((moment) => `died at a ${moment} of ${doing}`),
  ),
];

/**
 * No room for a write: a disk or a quota that is full, or a file that would be larger than this process may make one. Nothing was
 * written then, and the same may be tried again once there is room.
 */

/** What is full, in words that name what to do, by the system's code and by its number, as libraries in C say it. */
const DISK = 'its disk is full; free some space';
const QUOTA = 'the disk quota of this user is used up; free some space, or raise it';
const FILE_SIZE =
  'it would be larger than this process may make a file (see ulimit -f); raise that limit, with prlimit --fsize also while it runs';
const REASONS: ReadonlyMap<unknown, string> = new Map<unknown, string>([
  ['ENOSPC', DISK],
  [28, DISK],
  ['EDQUOT', QUOTA],
  [122, QUOTA],
  ['EFBIG', FILE_SIZE],
  [27, FILE_SIZE],
]);

/** Why there was no room; null where `error`, and what caused it, is about something else. */
export function noRoomWhy(error: unknown): string | null {
  const { code, cause } = (error ?? {}) as { code?: unknown; cause?: unknown };
  const why = REASONS.get(code);
  if (why !== undefined) return why;
  return cause === undefined || cause === error ? null : noRoomWhy(cause);
}

/** Whether it was the limit of this process on the size of a file. */
export function isFileSizeLimit(error: unknown): boolean {
  return noRoomWhy(error) === FILE_SIZE;
}

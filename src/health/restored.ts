/** What the record of a copy by `rescue lost` says of where its rows came from: it is written and read as the stage of its progress. */
import type { Migration } from '../protocol/admin/admin.ts';

const RESTORED = 'restored ';

/** The stage of a copy, once all of its rows have come. @param from for people: `empty`, or of which image */
export function restoredFrom(from: string): string {
  return `${RESTORED}${from}`;
}

/** Where the rows of a copy came from; null where its record does not say, as those of commands before this one. */
export function sourceNoted({ progress }: Pick<Migration, 'progress'>): string | null {
  return progress.stage.startsWith(RESTORED) ? progress.stage.slice(RESTORED.length) : null;
}

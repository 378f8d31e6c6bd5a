/** Rows of a range out of a backup, from whichever of its images holds each key. */
import { open } from 'node:fs/promises';
import { bytesToKey, type Key } from '../../base/bytes.ts';
import { NurseryError } from '../../base/errors.ts';
import { contains, intersect, printRange, type Range, subtract } from '../../keyspace/range.ts';
import type { Nursery } from '../../protocol/admin/admin.ts';
import { type Backup, readBackup } from '../backup/read-backup.ts';
import { cannotRead } from '../export/files.ts';
import { ExportReader, type Image, linesOf } from '../export/lines.ts';
import type { RowSource } from './copy.ts';

/** A part of a range that one image holds. */
type Piece = Range & { readonly path: string; readonly image: Image; readonly epoch: number };

/** A part of a range, and the image that it comes from, for people. */
export type Used = {
  readonly range: Range;
  readonly cluster: string;
  readonly epoch: number;
  readonly slot: number;
  readonly taken: string;
};

/** Images that are named where a range comes from several, at most: it stands in the record of a copy. */
const NAMED_MAX = 4;

/** From which images, for people. */
export function printUsed(used: readonly Used[]): string {
  const named = used
    .slice(0, NAMED_MAX)
    .map(({ cluster, slot, taken }) => `from the image of ${cluster} as of slot ${slot}, ${taken}`);
  const more = used.length - named.length;
  return [...named, ...(more > 0 ? [`and from ${more} more`] : [])].join('; ');
}

/** A backup, as a source of rows. */
export type BackupRows = {
  readonly rows: RowSource;
  /** The first part of a range that no image holds; null where all of it is held. */
  readonly missing: (range: Range) => Range | null;
  /**
   * @param nursery whose the rows are to be; null where the keeper does not know itself
   * @throws NurseryError REFUSED where no image holds some of it, or an image that does is of another nursery
   */
  readonly refuseUnfit: (ranges: readonly Range[], nursery: Nursery | null) => void;
  /** Where each part of the ranges comes from. */
  readonly used: (ranges: readonly Range[]) => Used[];
};

/**
 * A whole backup, checked.
 *
 * @throws NurseryError BAD_INPUT where it is not whole
 */
export async function openBackup(directory: string): Promise<BackupRows> {
  const backup = await readBackup(directory);
  const missing = (range: Range): Range | null => {
    const left = piecesOf(backup, range).reduce<Range[]>(
      (rest, piece) => rest.flatMap((part) => subtract(part, piece)),
      [range],
    );
    return left[0] ?? null;
  };
  const refuseUncovered = (range: Range): void => {
    const first = missing(range);
    if (first === null) return;
    throw new NurseryError(
      'REFUSED',
      `no image in ${directory} holds ${printRange(first)}: --range names what is to come from it; the rest comes from another backup, or with --empty`,
    );
  };
  return {
    rows: (range) => rowsOf(piecesOf(backup, range)),
    missing,
    refuseUnfit: (ranges, nursery) => {
      const own = nursery === null ? [] : [nursery.founding, ...nursery.replaced];
      for (const range of ranges) {
        refuseUncovered(range);
        const foreign = piecesOf(backup, range).find(({ image }) => !own.includes(image.keeper));
        if (foreign === undefined) continue;
        const { cluster, keeper } = foreign.image;
        throw new NurseryError(
          'REFUSED',
          `${foreign.path}, the image of ${cluster}, is of nursery ${keeper || 'none'}, and this one is ${own.join(', before that ') || 'none'}: take a backup of this nursery; nursery import brings rows of others, once the range is served (--empty)`,
        );
      }
    },
    used: (ranges) =>
      ranges.flatMap((range) =>
        piecesOf(backup, range).map(({ lo, hi, epoch, image: { cluster, slot, taken } }) => {
          return { range: { lo, hi }, cluster, epoch, slot, taken };
        }),
      ),
  };
}

/** Ascending. */
function piecesOf({ images }: Backup, range: Range): Piece[] {
  const pieces = images.flatMap(({ image, path }) =>
    image.owned.flatMap((owned): Piece[] => {
      const common = intersect(owned, range);
      return common === null ? [] : [{ ...common, path, image, epoch: owned.epoch }];
    }),
  );
  return pieces.sort((a, b) => (a.lo < b.lo ? -1 : 1));
}

async function* rowsOf(pieces: readonly Piece[]): AsyncGenerator<{ key: Key; value: Uint8Array }> {
  for (const piece of pieces) yield* rowsIn(piece);
}

async function* rowsIn({ path, lo, hi }: Piece): AsyncGenerator<{ key: Key; value: Uint8Array }> {
  const file = await open(path, 'r').catch(cannotRead(path));
  try {
    const reader = new ExportReader();
    for await (const line of linesOf(file.createReadStream({ autoClose: false }))) {
      const entry = reader.take(line);
      if (entry === null) continue;
      const key = bytesToKey(entry.key);
      if (contains({ lo, hi }, key)) yield { key, value: entry.value };
    }
    reader.finish();
  } finally {
    await file.close();
  }
}

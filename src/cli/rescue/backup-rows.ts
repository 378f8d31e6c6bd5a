/** Rows of a range out of a backup, from whichever of its images holds each key. */
import { open } from 'node:fs/promises';
import { bytesToKey, type Key } from '../../base/bytes.ts';
import { NurseryError } from '../../base/errors.ts';
import { contains, intersect, printRange, type Range, subtract } from '../../keyspace/range.ts';
import { type Backup, readBackup } from '../backup/read-backup.ts';
import { cannotRead } from '../export/files.ts';
import { ExportReader, linesOf } from '../export/lines.ts';
import type { RowSource } from './copy.ts';

/** A part of a range that one image holds. */
type Piece = Range & { readonly path: string };

/**
 * A whole backup, checked.
 *
 * @throws NurseryError BAD_INPUT where it is not whole
 */
export async function openBackup(directory: string): Promise<{
  readonly rows: RowSource;
  /** @throws NurseryError REFUSED where no image holds some of it */
  readonly refuseUncovered: (range: Range) => void;
  /** What its images are as of, for people. */
  readonly asOf: string;
}> {
  const backup = await readBackup(directory);
  return {
    rows: (range) => rowsOf(piecesOf(backup, range)),
    refuseUncovered: (range) => {
      const [missing] = piecesOf(backup, range).reduce<Range[]>(
        (left, piece) => left.flatMap((part) => subtract(part, piece)),
        [range],
      );
      if (missing === undefined) return;
      throw new NurseryError(
        'REFUSED',
        `no image in ${directory} holds ${printRange(missing)}: --range names what is to come from it; the rest comes from another backup, or with --empty`,
      );
    },
    asOf: backup.images
      .map(({ image }) => `${image.cluster} as of slot ${image.slot}, ${image.taken}`)
      .join('; '),
  };
}

/** Ascending. */
function piecesOf({ images }: Backup, range: Range): Piece[] {
  const pieces = images.flatMap(({ image, path }) =>
    image.owned.flatMap((owned): Piece[] => {
      const common = intersect(owned, range);
      return common === null ? [] : [{ ...common, path }];
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

/** `nursery verify`: whether a backup is whole, and what is in it. */
import { stat } from 'node:fs/promises';
import { printRange } from '../keyspace/range.ts';
import { readBackup, readImage, remarksOn } from './backup/read-backup.ts';
import { cannotRead } from './export/files.ts';
import type { Image, OwnedRange } from './export/lines.ts';
import { jsonRange } from './forms.ts';
import { printJson, printLine } from './output.ts';

/**
 * Reads a whole backup, or a single image, and says what is in it; of a backup also what in its directory is no part of it.
 *
 * @throws NurseryError BAD_INPUT where anything is missing, damaged, or not what the rest says
 */
export async function runVerify({
  path,
  json,
}: {
  readonly path: string;
  readonly json: boolean;
}): Promise<void> {
  const stats = await stat(path).catch(cannotRead(path));
  if (!stats.isDirectory()) {
    const { image, entries } = await readImage(path);
    if (json) printJson({ image: imageToJson(image), entries });
    else printLine(sayImage(image, entries));
    return;
  }
  const { manifest, images } = await readBackup(path);
  const { finished, nursery, map } = manifest;
  const entries = images.reduce((sum, image) => sum + image.entries, 0);
  const remarks = await remarksOn(path, manifest);
  if (json) {
    printJson({ finished, nursery, entries, images: images.map(({ image }) => imageToJson(image)), remarks });
    return;
  }
  for (const { image, entries: own } of images) printLine(sayImage(image, own));
  const whole = map === null ? '' : `, each key of nursery ${nursery} in one image`;
  printLine(`whole: ${entries} keys, finished ${finished}${whole}`);
  for (const remark of remarks) printLine(`remark: ${remark}`);
}

function sayImage({ cluster, slot, node, taken, owned }: Image, entries: number): string {
  const ranges = owned.map(sayRange).join(' ') || 'nothing';
  return `${cluster}: ${entries} keys of ${ranges}, as of slot ${slot}, taken ${taken} from ${node}`;
}

function sayRange(range: OwnedRange): string {
  const { sealedBy } = range;
  if (sealedBy === undefined) return printRange(range);
  return `${printRange(range)} (sealed by migration ${sealedBy}: its target may have newer rows)`;
}

function imageToJson({ owned, ...image }: Image): object {
  return { ...image, owned: owned.map((range) => ({ ...range, ...jsonRange(range) })) };
}

/**
 * A backup: a directory with the image of each cluster, and `backup.json`, which is written last and says what belongs to it
 * (docs/operating.md, "Backups").
 *
 *     {"backup":1,"finished":"2026-…","nursery":"…","map":{"version":3,"entries":[{"lo":"","hi":null,"owner":"ams","epoch":1}]},
 *      "images":[{"cluster":"ams","file":"ams-812.image","slot":812,"entries":5,"sha256":"…"}],"sha256":"…"}
 *
 * Its own `sha256` stands last, and is the sum of all bytes before `,"sha256"`. Those of earlier builds have none.
 */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Key } from '../../base/bytes.ts';
import { FatalError, NurseryError } from '../../base/errors.ts';
import { printRange, type Range } from '../../keyspace/range.ts';
import type { MapEntry } from '../../keyspace/rangemap.ts';
import { unreadable } from '../../process/permissions.ts';
import type { Image } from '../export/lines.ts';
import { jsonRange, keyOf } from '../forms.ts';

/** Name of the file that makes a directory a backup. */
export const MANIFEST = 'backup.json';
/** Of this form of it; another one is refused. */
const VERSION = 1;
/** What there may be in it: anything else is damage, such as the name of its own sum. */
const FIELDS: ReadonlySet<string> = new Set(['backup', 'finished', 'nursery', 'map', 'images', 'sha256']);
/** How one with a sum of itself ends. */
const SUM_AT_END = /,"sha256":"([0-9a-f]{64})"\}\n$/;
/** Longest one that is read (bytes). */
const BYTES_MAX = 256 * 1024 * 1024;

/** One image, and the sum that its last line tells. */
export type ImageFile = {
  readonly cluster: string;
  /** Name in the directory. */
  readonly file: string;
  readonly slot: number;
  readonly entries: number;
  readonly sha256: string;
};

export type Manifest = {
  /** When it was whole (ISO 8601). */
  readonly finished: string;
  /** Founding of the keeper; null where it is the backup of a cluster alone. */
  readonly nursery: string | null;
  /** What its images were found to be, together; null where it is the backup of a cluster alone. */
  readonly map: { readonly version: number; readonly entries: readonly MapEntry[] } | null;
  readonly images: readonly ImageFile[];
};

/** One that was read; `isSummed`: it has the sum of itself, and is what was written, byte by byte. */
export type ReadManifest = Manifest & { readonly isSummed: boolean };

/** The text of `backup.json`. */
export function printManifest({ map, ...manifest }: Manifest): string {
  const entries = map?.entries.map((entry) => ({
    ...jsonRange(entry),
    owner: entry.owner,
    epoch: entry.epoch,
  }));
  const printed = map === null ? null : { version: map.version, entries };
  const summed = JSON.stringify({ backup: VERSION, ...manifest, map: printed }).slice(0, -1);
  return `${summed},"sha256":"${sumOf(Buffer.from(summed))}"}\n`;
}

function sumOf(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/**
 * What belongs to the backup in `directory`.
 *
 * @throws NurseryError BAD_INPUT where it is no backup, or not a whole one; FatalError HOME_UNUSABLE where it cannot be read
 */
export async function readManifest(directory: string): Promise<ReadManifest> {
  const path = join(directory, MANIFEST);
  const wrong = (what: string): NurseryError => new NurseryError('BAD_INPUT', `${path}: ${what}`);
  const text = await readFile(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') {
      throw wrong('it is not there: this is no backup, or one that did not come to its end');
    }
    if (error.code === 'ENOTDIR')
      throw new NurseryError(
        'BAD_INPUT',
        `${directory} is a file, where the directory of a backup is wanted`,
      );
    throw new FatalError('HOME_UNUSABLE', unreadable(path, error), {
      cause: error,
    });
  });
  if (text.length > BYTES_MAX) throw wrong(`more than ${BYTES_MAX} bytes`);
  const fields = objectIn(text.toString('utf8'));
  if (fields === null || fields['backup'] !== VERSION) {
    throw wrong(`not of a form that this version reads: {"backup":${VERSION},…} is wanted`);
  }
  const isSummed = checkBytes(text, fields, wrong);
  const { finished, nursery, map, images } = fields;
  if (
    typeof finished !== 'string' ||
    !(nursery === null || typeof nursery === 'string') ||
    !Array.isArray(images)
  )
    throw wrong('when it was finished, its nursery or its images are missing');
  return {
    finished,
    nursery,
    map: map === null ? null : mapOf(map, wrong),
    images: images.map((image) => imageOf(image, wrong)),
    isSummed,
  };
}

/** Whether it has a sum of itself. @throws NurseryError BAD_INPUT where it is not what was written */
function checkBytes(bytes: Buffer, fields: Fields, wrong: Wrong): boolean {
  const unknown = Object.keys(fields).find((name) => !FIELDS.has(name));
  if (unknown !== undefined) throw wrong(`it has a field ${JSON.stringify(unknown)}, which nobody writes`);
  const text = bytes.toString('latin1');
  if (!text.startsWith('{') || !text.endsWith('}\n'))
    throw wrong('it does not begin, or not end, as it was written: with {, and } and one line feed');
  if (fields['sha256'] === undefined) return false;
  const sum = SUM_AT_END.exec(text);
  if (sum?.[1] !== sumOf(bytes.subarray(0, sum?.index ?? 0)))
    throw wrong('its sum is another one: something in it was changed');
  return true;
}

type Fields = { readonly [name: string]: unknown };
type Wrong = (what: string) => NurseryError;

function objectIn(text: string): Fields | null {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Fields) : null;
  } catch {
    return null; // said by the caller
  }
}

function mapOf(value: unknown, wrong: Wrong): NonNullable<Manifest['map']> {
  const { version, entries } = (value ?? {}) as Fields;
  if (typeof version !== 'number' || !Array.isArray(entries)) throw wrong('its map cannot be read');
  return { version, entries: entries.map((entry) => entryOf(entry as Fields | null, wrong)) };
}

function entryOf(value: Fields | null, wrong: Wrong): MapEntry {
  const { lo, hi, owner, epoch } = value ?? {};
  const isEntry = typeof lo === 'string' && typeof owner === 'string' && typeof epoch === 'number';
  if (!isEntry || !(hi === null || typeof hi === 'string')) throw wrong('an entry of its map cannot be read');
  return { lo: keyIn(lo, wrong), hi: hi === null ? null : keyIn(hi, wrong), owner, epoch };
}

function keyIn(text: string, wrong: Wrong): Key {
  try {
    return keyOf(text);
  } catch (error) {
    throw wrong((error as Error).message);
  }
}

function imageOf(value: unknown, wrong: Wrong): ImageFile {
  const { cluster, file, slot, entries, sha256 } = (value ?? {}) as Fields;
  const isImage = typeof cluster === 'string' && typeof file === 'string' && typeof sha256 === 'string';
  if (!isImage || typeof slot !== 'number' || typeof entries !== 'number')
    throw wrong('an image cannot be read');
  if (/[/\\]/.test(file)) throw wrong(`an image lies in this directory, not at ${file}`);
  return { cluster, file, slot, entries, sha256 };
}

/** Why an image is none of this nursery's, or null: its cluster's ranges may be the same, and its rows others. */
export function whyForeign({ cluster, keeper }: Image, nursery: string): string | null {
  if (keeper === nursery) return null;
  return `the image of ${cluster} is of nursery ${keeper || 'none'}, and not of ${nursery}`;
}

/** A range, whose it is, and since when. */
type Claim = Range & { readonly owner: string; readonly epoch: number };

/**
 * Why the images together are not what the map says, or null. Where they are, every key lies in exactly one image, and has
 * belonged to its cluster from the image's slot until the map was read.
 */
export function whyNotTheMap(map: readonly MapEntry[], images: readonly Image[]): string | null {
  const wanted = joined(map.map(({ lo, hi, owner, epoch }) => ({ lo, hi, owner, epoch })));
  const there = joined(
    images.flatMap(({ cluster, owned }) => owned.map((range) => ({ ...range, owner: cluster }))),
  );
  const missing = firstOutside(wanted, there);
  if (missing !== null) return `no image holds ${missing}, as the map says`;
  const extra = firstOutside(there, wanted);
  return extra === null ? null : `an image holds ${extra}, which the map does not say`;
}

function firstOutside(claims: readonly Claim[], others: readonly Claim[]): string | null {
  const known = new Set(others.map(said));
  return claims.map(said).find((claim) => !known.has(claim)) ?? null;
}

/** In ascending order; what continues another one is part of it. */
function joined(claims: readonly Claim[]): Claim[] {
  const all: Claim[] = [];
  for (const claim of [...claims].sort((a, b) => (a.lo < b.lo ? -1 : 1))) {
    const last = all.at(-1);
    const goesOn =
      last !== undefined && last.hi === claim.lo && last.owner === claim.owner && last.epoch === claim.epoch;
    if (goesOn) all[all.length - 1] = { ...last, hi: claim.hi };
    else all.push(claim);
  }
  return all;
}

function said(claim: Claim): string {
  return `${printRange(claim)} of ${claim.owner} at epoch ${claim.epoch}`;
}

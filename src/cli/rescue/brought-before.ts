/** What orders have brought to other clusters before `rescue lost` was typed, or beside it, and from which image. */
import { NurseryError } from '../../base/errors.ts';
import { sourceNoted } from '../../health/restored.ts';
import { overlaps, printRange, type Range } from '../../keyspace/range.ts';
import type { MapEntry } from '../../keyspace/rangemap.ts';
import type { Migration, Order } from '../../protocol/admin/admin.ts';
import type { NurseryConnections } from '../connections.ts';
import { type BackupRows, printUsed } from './backup-rows.ts';
import { copiesBy, migrationsOf } from './lost-survey.ts';

/**
 * What somebody else has brought, or this very command when it was typed before, of what the map gave to dead foundings at first; where
 * that was nothing, all by these orders.
 *
 * @param entries what the map gave them when it was looked at
 * @param copied what was brought just now
 */
export async function broughtBefore(
  nursery: Pick<NurseryConnections, 'keeper'>,
  orders: readonly Order[],
  {
    entries,
    wanted,
    copied,
  }: {
    readonly entries: readonly MapEntry[];
    readonly wanted: Range;
    readonly copied: readonly { readonly mid: number }[];
  },
): Promise<Migration[]> {
  const records = copiesBy(await migrationsOf(nursery), orders, wanted);
  return records.filter(
    (record) =>
      !copied.some(({ mid }) => mid === record.mid) &&
      (entries.length === 0 ||
        entries.some((entry) => entry.founding === record.foundings?.source && overlaps(entry, record))),
  );
}

/**
 * Why a copy was cut short: another command that brings the same has gone on with it, or begun anew, with an image or a target of its
 * own. Null where `error` is of something else.
 *
 * @param known migrations that were on record before it began
 */
export async function overtaken(
  nursery: Pick<NurseryConnections, 'keeper'>,
  orders: readonly Order[],
  {
    cluster,
    wanted,
    known,
    error,
  }: {
    readonly cluster: string;
    readonly wanted: Range;
    readonly known: ReadonlySet<number>;
    readonly error: unknown;
  },
): Promise<NurseryError | null> {
  if (!(error instanceof NurseryError) || (error.code !== 'FENCED' && error.code !== 'REFUSED')) return null;
  const others = (await migrationsOf(nursery)).filter(
    ({ mid, rescue, phase }) =>
      rescue?.isCopy === true &&
      phase !== 'lost' &&
      orders.some(({ order }) => order === rescue.order) &&
      !known.has(mid),
  );
  const theirs = others.filter((record) => overlaps(record, wanted));
  if (error.code === 'REFUSED' && !theirs.some(({ phase }) => phase !== 'active')) return null;
  const what = theirs.map((record) => {
    const { mid, target, phase, progress } = record;
    const isThere = phase !== 'active';
    const stage = progress.stage === '' ? '' : ` (${progress.stage})`;
    return `migration ${mid} ${isThere ? 'has brought' : 'brings'} ${printRange(record)} to ${target}${stage}`;
  });
  const now = what.length === 0 ? 'it begins anew with what this one had brought' : what.join('; ');
  return new NurseryError(
    'FENCED',
    `another nursery rescue lost ${cluster} is at work, or was carried out meanwhile: ${now}. Let one of them come to its end; typed again this command says what was brought, and brings what is left`,
    { cause: error },
  );
}

/** Where rows of a range come from, for people; null: there is no backup. */
export function sourceOf(backup: Pick<BackupRows, 'used'> | null, range: Range): string {
  return backup === null ? 'empty' : printUsed(backup.used([range]));
}

/** What this command was to bring: rows of which backup (null: none), and where. */
export type Wish = { readonly backup: Pick<BackupRows, 'used'> | null; readonly at: string };

/** Of what came before, for people, and whether this command would have brought it from or to elsewhere. */
export function sayBefore(record: Migration, wish: Wish): string {
  const { mid, target, progress, receipt, rescue } = record;
  const keys = receipt === null || receipt.digest.count === 0 ? progress.keysCopied : receipt.digest.count;
  const came = `${printRange(record)} came to ${target} before, by order ${rescue?.order}, with ${keys} keys, at epoch ${mid}`;
  const from = sourceNoted(record);
  const other = otherwise(record, wish);
  return `${came}${from === null ? '' : `: restored ${from}`}${other === null ? '' : `, and not ${other}, as was asked for now`}`;
}

/** What was asked for now, where a range came before from or to elsewhere; null where it is as was asked for. */
function otherwise(record: Migration, { backup, at }: Wish): string | null {
  const from = sourceNoted(record);
  const now = sourceOf(backup, record);
  const what = [
    ...(from === null || from === now ? [] : [now]),
    ...(record.target === at ? [] : [`to ${at}`]),
  ];
  return what.length === 0 ? null : what.join(' ');
}

/**
 * Why what was asked for was not done, where somebody else has brought something of the last founding that was lost, from or to
 * elsewhere; null where all is as was asked for. What earlier orders brought long ago is no part of that.
 */
export function broughtOtherwise(before: readonly Migration[], wish: Wish): NurseryError | null {
  const last = before.reduce((high, { rescue }) => Math.max(high, rescue?.order ?? 0), 0);
  const others = before.filter((record) => record.rescue?.order === last && otherwise(record, wish) !== null);
  if (others.length === 0) return null;
  const said = others.map((record) => sayBefore(record, wish)).join('; ');
  const rows =
    wish.backup === null
      ? ''
      : ': nursery import --from DIRECTORY --range FROM..TO stores what a backup has and is not there; migrate moves it';
  return new NurseryError('REFUSED', `not done as was asked for: ${said}. It stays${rows}`);
}

/** What orders have brought to other clusters before `rescue lost` was typed, or beside it, and from which image. */
import { NurseryError } from '../../base/errors.ts';
import { overlaps, printRange, type Range } from '../../keyspace/range.ts';
import type { MapEntry } from '../../keyspace/rangemap.ts';
import type { Migration, Order } from '../../protocol/admin/admin.ts';
import type { NurseryConnections } from '../connections.ts';
import { type BackupRows, printUsed } from './backup-rows.ts';
import { restoredFrom } from './copy.ts';
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

/** Of what came before, for people, and whether this command would have brought it from elsewhere. */
export function sayBefore(record: Migration, backup: Pick<BackupRows, 'used'> | null): string {
  const { mid, target, progress, receipt, rescue } = record;
  const keys = receipt === null || receipt.digest.count === 0 ? progress.keysCopied : receipt.digest.count;
  const came = `${printRange(record)} came to ${target} before, by order ${rescue?.order}, with ${keys} keys, at epoch ${mid}`;
  // Records of commands before this one do not say from where.
  if (!progress.stage.startsWith(restoredFrom(''))) return came;
  const now = sourceOf(backup, record);
  const other = progress.stage === restoredFrom(now) ? '' : `, and not ${now}, as was asked for now`;
  return `${came}: ${progress.stage}${other}`;
}

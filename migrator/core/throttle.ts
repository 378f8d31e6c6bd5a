/**
 * How fast rows are copied: a bucket of bytes that time fills and pages of the copy empty. Rounds and the last rows go as fast as
 * they can, since writers go on meanwhile, or wait.
 */
import type { Migration } from '../../src/protocol/admin/admin.ts';
import type { Courtesy } from './courtesy.ts';
import type { Settings } from './settings.ts';

/** What may be copied now, as of `atMs`; below zero, what has to be waited for. A page goes out while it is not below zero. */
export type Bucket = { readonly bytes: number; readonly atMs: number };

export const EMPTY: Bucket = { bytes: 0, atMs: 0 };

/** What is not used is kept for so long (ms): a page that comes late does not slow the copy. */
const BURST_MS = 100;
/** A page takes so long at most, so that a slow copy goes on in small steps (ms). */
const PAGE_MS = 200;
/** Of any page (bytes): one row at least is in it. */
const PAGE_BYTES_MIN = 1024;
/** Less than a byte is a rounding error. */
const NOTHING = -0.001;

/**
 * Bytes per second at most; 0: none for now; null: no limit. What stands in the record holds exactly, whoever has asked for it; where
 * nobody has, the copy gives way to requests.
 */
export function rateOf(
  record: Pick<Migration, 'asked'>,
  settings: Settings,
  courtesy: Pick<Courtesy, 'rate'>,
): number | null {
  return record.asked?.rate ?? settings.bytesPerSecondMax ?? courtesy.rate;
}

/** The bucket as of `nowMs`, at a rate that was in force since it was looked at last. */
export function filled({ bytes, atMs }: Bucket, rate: number | null, nowMs: number): Bucket {
  if (rate === null) return { bytes: 0, atMs: nowMs };
  const most = Math.max(bytes, (rate * BURST_MS) / 1000);
  return { bytes: Math.min(bytes + (rate * (nowMs - atMs)) / 1000, most), atMs: nowMs };
}

/** The bucket after a page of so many bytes. */
export function emptied({ bytes, atMs }: Bucket, pageBytes: number): Bucket {
  return { bytes: bytes - pageBytes, atMs };
}

/** When the next page may be read: `nowMs` or later; infinity for not before the rate is another one. */
export function readAtMs({ bytes, atMs }: Bucket, rate: number | null): number {
  if (rate === 0) return Number.POSITIVE_INFINITY;
  if (rate === null || bytes > NOTHING) return atMs;
  return atMs + (-bytes / rate) * 1000;
}

/** Largest page at this rate (bytes of keys and values). */
export function pageBytesAt(rate: number | null, { pageBytes }: Settings): number {
  if (rate === null) return pageBytes;
  return Math.min(pageBytes, Math.max(PAGE_BYTES_MIN, Math.floor((rate * PAGE_MS) / 1000)));
}

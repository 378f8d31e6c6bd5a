/** How busy clusters and ranges are, as it is printed. */
import type { Busy } from '../../health/load.ts';
import { printBytes, printCount } from './amounts.ts';

/** In words, of the last ten seconds; null where nobody asked for anything. */
export function describeLoad({ reads, writes, bytes }: Busy): string | null {
  if (reads.s10 + writes.s10 === 0) return null;
  return `${printRate(reads.s10)} reads, ${printRate(writes.s10)} writes, ${printBytes(bytes.s10)} a second`;
}

/** A rate in three digits or so. */
export function printRate(rate: number): string {
  return rate > 0 && rate < 10 ? rate.toFixed(1) : printCount(Math.round(rate));
}

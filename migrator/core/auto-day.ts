/** What moves that nobody has asked for bring in a day, which people may bound (docs/architecture.md, "Rebalancing by itself"). Pure. */
import type { Migration } from '../../src/protocol/admin/admin.ts';
import { DAY_MS } from '../../src/protocol/admin/auto.ts';
import { endedAtMs, isMerge, isOpen } from '../../src/protocol/admin/migration.ts';

/** `unknown`: an open move of which nobody knows yet what it will bring, which is none of `bytes`; null where there is none. */
export type Day = { readonly bytes: number; readonly unknown: number | null };

/** Bytes of keys and values that its moves have copied in the last 24 hours, and will have once the open ones are done. */
export function dayOf(migrations: readonly Migration[], wallMs: number): Day {
  let bytes = 0;
  let unknown: number | null = null;
  for (const record of migrations) {
    if (!isAuto(record) || isMerge(record)) continue;
    if (!isOpen(record) && endedAtMs(record) <= wallMs - DAY_MS) continue;
    const its = bytesOf(record);
    if (its === null) unknown ??= record.mid;
    else bytes += its;
  }
  return { bytes, unknown };
}

/** Whether nobody has asked for it. */
export function isAuto({ asked }: Pick<Migration, 'asked'>): boolean {
  return asked?.reason === 'auto';
}

/** What has gone back was copied, too. Null while nobody knows. */
function bytesOf({ phase, progress, receipt }: Migration): number | null {
  const { bytesCopied, keysCopied, keysTotal } = progress;
  if (phase === 'aborted' || phase === 'lost') return bytesCopied;
  if (phase !== 'active') return receipt === null ? bytesCopied : Number(receipt.digest.bytes);
  if (keysCopied === 0 || keysTotal === 0) return null;
  return Math.max(bytesCopied, Math.round((bytesCopied / keysCopied) * keysTotal));
}

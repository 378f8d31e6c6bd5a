/** Moves with a dead end: they decide what an order gives, so the command that gives it settles them. */
import { readTarget } from '../connections.ts';
import { notice } from '../report.ts';

/**
 * Ends the open moves that `isIts` says an order stands behind.
 *
 * @throws NurseryError as whatever runs a migration
 */
export async function settleMoves(
  config: string,
  isIts: (move: { readonly order: number; readonly source: string; readonly target: string }) => boolean,
  untilMs: number,
): Promise<void> {
  const migrator = await import('../../../migrator/operations.ts');
  const connections = migrator.openNursery(readTarget(config).keeper);
  try {
    const moves = new migrator.Operations(connections);
    const open = (await moves.list()).filter(({ phase, rescue, source, target }) => {
      const isOpen = phase === 'active' || phase === 'published';
      return isOpen && rescue?.isCopy === false && isIts({ order: rescue.order, source, target });
    });
    for (const { mid } of open) {
      notice(`migration ${mid} is being settled`);
      const signal = AbortSignal.timeout(Math.max(1, Math.round(untilMs - performance.now())));
      await moves.resume(mid, { signal });
    }
  } finally {
    connections.close();
  }
}

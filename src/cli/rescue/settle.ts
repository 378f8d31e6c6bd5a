/** Moves with a dead end: they decide what an order gives, so the command that gives it settles them. */
import { NurseryError } from '../../base/errors.ts';
import type { TimeLimit } from '../../client/limited-client.ts';
import { isAnybodys } from '../../protocol/admin/migration.ts';
import { readTarget } from '../connections.ts';
import { notice } from '../report.ts';

/**
 * Ends the open moves that `isIts` says an order stands behind, or watches the migrator that is about to.
 *
 * @throws NurseryError TIMEOUT where it takes too long; and as whatever runs a migration
 */
export async function settleMoves(
  config: string,
  isIts: (move: { readonly order: number; readonly source: string; readonly target: string }) => boolean,
  limit: TimeLimit,
): Promise<void> {
  const migrator = await import('../../../migrator/operations.ts');
  const connections = migrator.openNursery(readTarget(config).keeper, null, limit);
  try {
    const moves = new migrator.Operations(connections);
    const open = (await moves.list()).filter((move) => {
      const { rescue, source, target } = move;
      return rescue !== undefined && isAnybodys(move) && isIts({ order: rescue.order, source, target });
    });
    for (const { mid } of open) {
      notice(`migration ${mid} is being settled`);
      const signal = AbortSignal.timeout(Math.max(1, Math.round(limit.leftMs)));
      await moves.seeThrough(mid, { signal }).catch((error: unknown) => {
        if (!signal.aborted || !(error instanceof NurseryError)) throw error;
        const why = `migration ${mid} is not settled yet: type the same again, and it goes on`;
        throw new NurseryError('TIMEOUT', why, { cause: error });
      });
    }
  } finally {
    connections.close();
  }
}

/** Waits until a keeper whose nodes were started a moment ago knows itself. */
import { NurseryError } from '../../base/errors.ts';
import type { TimeLimit } from '../../client/limited-client.ts';
import type { KeeperMap } from '../../protocol/admin/admin.ts';
import type { NurseryConnections, Target } from '../connections.ts';
import { sayWhoIsAwaited } from '../report.ts';
import { statusesOf } from './statuses.ts';

/** How long that may take (ms), unless less was said; between two looks, and what is left of the command's time for the last word. */
const PATIENCE_MS = 15_000;
const AGAIN_MS = 200;
const LAST_WORD_MS = 300;

/** Its founding, and what it knows. */
export type Keeper = { readonly founding: string; readonly known: KeeperMap };

/**
 * Asks the keeper that the file names.
 *
 * @param limit until when the command may take
 * @throws NurseryError REFUSED where the cluster there can be none, UNREACHABLE where it has not founded itself yet
 */
export async function keeperAt(
  nursery: NurseryConnections,
  { keeper, hasNursery }: Target,
  limit: TimeLimit,
): Promise<Keeper> {
  const patienceMs = Math.min(limit.leftMs - LAST_WORD_MS, PATIENCE_MS);
  const untilMs = performance.now() + patienceMs;
  const answered = sayWhoIsAwaited(
    `keeper ${keeper.cluster}, which has not founded itself yet; at most ${Math.ceil(patienceMs / 1000)} s`,
  );
  try {
    for (;;) {
      const known = await nursery.refresh();
      if (known.nursery !== undefined) return { founding: known.nursery.founding, known };
      const statuses = (await statusesOf(keeper)).flatMap(({ status }) => (status === null ? [] : [status]));
      if (!hasNursery || statuses.some((status) => status.keeper !== '' && status.keeper !== status.founding))
        throw new NurseryError(
          'REFUSED',
          `${keeper.cluster}, the cluster that [nursery] names, is no keeper: its own file must name itself`,
        );
      if (performance.now() >= untilMs) {
        const notes = [...new Set(statuses.flatMap((status) => status.notes))];
        const said = notes.length === 0 ? '' : ` (${notes.join('; ')})`;
        throw new NurseryError(
          'UNREACHABLE',
          `keeper ${keeper.cluster} has no master yet that knows itself for one${said}: start all its nodes, with a file that names itself under [nursery], and type the same again`,
        );
      }
      await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
    }
  } finally {
    answered();
  }
}

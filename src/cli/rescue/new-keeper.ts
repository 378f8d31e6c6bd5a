/** Waits until a keeper whose nodes were started a moment ago knows itself. */
import { NurseryError } from '../../base/errors.ts';
import type { KeeperMap } from '../../protocol/admin/admin.ts';
import type { NurseryConnections, Target } from '../connections.ts';
import { sayWhoIsAwaited } from '../report.ts';
import { statusesOf } from './statuses.ts';

/** How long that may take (s), unless less was said; and between two looks (ms). */
const PATIENCE_S = 15;
const AGAIN_MS = 200;

/** Its founding, and what it knows. */
export type Keeper = { readonly founding: string; readonly known: KeeperMap };

/**
 * Asks the keeper that the file names.
 *
 * @param timeoutS how long the command may take, null where nothing was said
 * @throws NurseryError REFUSED where the cluster there can be none, UNREACHABLE where it has not founded itself yet
 */
export async function keeperAt(
  nursery: NurseryConnections,
  { keeper, hasNursery }: Target,
  timeoutS: number | null,
): Promise<Keeper> {
  const patienceS = Math.min(timeoutS ?? PATIENCE_S, PATIENCE_S);
  const untilMs = performance.now() + patienceS * 1000;
  const answered = sayWhoIsAwaited(
    `keeper ${keeper.cluster}, which has not founded itself yet; at most ${patienceS} s`,
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

/** Whether anybody is there who plans and moves by itself. */
import { attendedBy } from '../src/protocol/admin/node-facts.ts';
import { keeperOf, type Nursery } from './connections.ts';
import { factsOf } from './forecast.ts';
import { sideBySide } from './side-by-side.ts';

/** Nodes of the keeper that are asked at a time, and for how long (ms): one that is down must not keep anybody waiting. */
const AT_ONCE = 8;
const NODE_MS = 1000;

/**
 * As the nodes of the keeper see it; null where one of them does not say.
 *
 * @throws NurseryError where the keeper does not answer
 */
export async function isAttended(nursery: Nursery): Promise<boolean | null> {
  const known = await nursery.map();
  const keeper = keeperOf(known);
  const nodes = known.clusters.find(({ cluster }) => cluster === keeper)?.nodes ?? [];
  const told = await sideBySide(
    nodes.map(
      ({ name: to }) =>
        () =>
          factsOf(nursery, keeper ?? '', { to, deadlineMs: NODE_MS }),
    ),
    AT_ONCE,
  );
  return attendedBy(told);
}

/** What `rescue promote` says where it was carried out before: with which node the founding began, by which order, and when. */
import { NurseryError } from '../../base/errors.ts';
import type { TimeLimit } from '../../client/limited-client.ts';
import type { NodeStatus, Order } from '../../protocol/admin/admin.ts';
import { withNursery } from '../connections.ts';
import { printJson, printLine } from '../output.ts';
import { notice } from '../report.ts';

/** How long the keeper may take, elections included (ms). */
const KEEPER_MS = 5000;

/** It is bound to itself. */
export function isKeeper({ founding, keeper }: NodeStatus): boolean {
  return keeper !== '' && keeper === founding;
}

/**
 * The node has said that the founding began with it.
 *
 * @param joined who is said to be gone, and answers
 */
export async function printDone(
  own: NodeStatus,
  {
    config,
    joined,
    json,
    limit,
  }: {
    readonly config: string;
    readonly joined: readonly string[];
    readonly json: boolean;
    readonly limit: TimeLimit;
  },
): Promise<void> {
  const { cluster, node, founding, master } = own;
  const order = own.keeper === '' || isKeeper(own) ? null : await orderOf(config, founding, limit);
  if (json) {
    const when = order === null ? {} : { order: order.order, takenMs: order.takenMs };
    printJson({ cluster, founding, isDone: true, node, ...when, joined });
    return;
  }
  const by =
    order === null ? '' : `, by order ${order.order}, given at ${new Date(order.takenMs).toISOString()}`;
  printLine(
    `done before: founding ${founding} of ${cluster} took the place of another one, and began with ${node}${by}; ${master ?? 'a node of it'} is master`,
  );
  if (joined.length > 0)
    printLine(
      `${joined.join(', ')}, named by --gone, joined it since, and live${joined.length === 1 ? 's' : ''}: nothing was done to that`,
    );
}

/** By which order of its keeper a founding took the place of another one; null where the keeper does not say. */
async function orderOf(config: string, founding: string, limit: TimeLimit): Promise<Order | null> {
  try {
    const answer = await withNursery(
      config,
      (nursery) => nursery.keeper.query({ kind: 'listOrders' }, { deadlineMs: KEEPER_MS }),
      limit,
    );
    if (answer.kind !== 'orders') return null;
    return answer.orders.find((order) => order.kind === 'promote' && order.founding === founding) ?? null;
  } catch (error) {
    if (!(error instanceof NurseryError)) throw error;
    notice(`the keeper does not say when that was (${error.message})`);
    return null;
  }
}

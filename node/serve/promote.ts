/** An operator's order to a node that is left of its cluster: to go on as the first member of a new founding. */
import type { AdminAnswer, AdminQuery } from '../../src/protocol/admin/admin.ts';
import { replacedBy } from '../paxos/members-state.ts';
import { whyNotPromoted } from '../paxos/promotion.ts';
import { masterOf } from '../paxos/status.ts';
import type { MembersState, NodeName } from '../paxos/values.ts';
import type { RequestContext } from './request-context.ts';

type Order = Extract<AdminQuery, { kind: 'promote' }>;

/**
 * Carries it out, or goes on with it; `refused` where it cannot be; `none` where nothing is left to be done, since this founding took
 * the place of another one, began with this node, and has a master.
 */
export function promote(
  context: Pick<RequestContext, 'driver' | 'introduction' | 'node' | 'nowMs' | 'nursery'>,
  { founding, gone, loseFrom, isTrial }: Order,
): AdminAnswer {
  const { driver, introduction, nowMs } = context;
  const isDone = introduction.founding === founding && replacedBy(driver.replica.members).length > 0;
  const master = isDone ? masterOf(driver.replica, nowMs()) : null;
  if (master !== null) {
    const other = whyOther(driver.replica.members, context.node, gone);
    return other === null ? { kind: 'none' } : { kind: 'refused', why: `${other}; ${master} is master` };
  }
  const why = whyRefused(founding, context) ?? whyNotPromoted(driver.replica, gone, nowMs());
  if (why !== null) return { kind: 'refused', why };
  if (!isTrial) driver.submit({ kind: 'promote', gone, loseFrom });
  return { kind: 'ok' };
}

/** Why what is ordered is not what was done before: that began with another node, or somebody is said to be gone who came later. */
function whyOther(
  { cluster, members, superseded }: MembersState,
  node: NodeName,
  gone: readonly NodeName[],
): string | null {
  const first = [...members, ...superseded].find(({ incarnation }) => incarnation === cluster)?.node;
  const done = `founding ${cluster} took the place of another one before, and began with ${first}`;
  if (first !== undefined && first !== node) return `${done}: ${node} was not promoted, and nothing was done`;
  const later = gone.filter(
    (name) =>
      members.some((member) => member.node === name) && !superseded.some((life) => life.node === name),
  );
  return later.length === 0
    ? null
    : `${done}: ${later.join(', ')}, said to be gone, joined it later, and nothing was done`;
}

function whyRefused(
  founding: string,
  {
    driver,
    introduction,
    node,
    nursery,
  }: Pick<RequestContext, 'driver' | 'introduction' | 'node' | 'nursery'>,
): string | null {
  if (introduction.founding !== founding)
    return `${node} is of founding ${introduction.founding || 'none'}, not of ${founding}`;
  const { bound } = driver.machine;
  if (bound === null && nursery !== null) {
    return `${node} has not learnt that its cluster is of the nursery ${nursery}, as its file says, and may lag behind moves: what it moved away would be served twice. Promote another survivor, or where none is left bring the cluster back from a backup (nursery restore --replace); where the cluster never was of that nursery (nursery status of it shows nothing of it), take [nursery] out of the file of ${node} and restart it first`;
  }
  // It begins anew, and knows of no key; what it serves would be lost without a word.
  if (bound !== null && bound.mine === bound.keeper.founding && driver.machine.owned().length > 0) {
    return `${node} is of the keeper, and serves keys, which a keeper that begins anew does not: nursery backup --node ${node} takes them first; then empty the homes of the keeper, start it, and type nursery rescue keeper with its file behind --lost`;
  }
  if (driver.standing !== 'sound') return `the store of ${node} is ${driver.standing}`;
  return null;
}

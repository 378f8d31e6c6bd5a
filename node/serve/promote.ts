/** An operator's order to a node that is left of its cluster: to go on as the first member of a new founding. */
import type { AdminAnswer, AdminQuery } from '../../src/protocol/admin/admin.ts';
import { replacedBy } from '../paxos/members-state.ts';
import { whyNotPromoted } from '../paxos/promotion.ts';
import { masterOf } from '../paxos/status.ts';
import type { RequestContext } from './request-context.ts';

type Order = Extract<AdminQuery, { kind: 'promote' }>;

/**
 * Carries it out, or goes on with it; `refused` where it cannot be; `none` where nothing is left to be done, since this founding took
 * the place of another one and has a master.
 */
export function promote(
  context: Pick<RequestContext, 'driver' | 'introduction' | 'node' | 'nowMs' | 'nursery'>,
  { founding, gone, loseFrom, isTrial }: Order,
): AdminAnswer {
  const { driver, introduction, nowMs } = context;
  const isDone = introduction.founding === founding && replacedBy(driver.replica.members).length > 0;
  if (isDone && masterOf(driver.replica, nowMs()) !== null) return { kind: 'none' };
  const why = whyRefused(founding, context) ?? whyNotPromoted(driver.replica, gone, nowMs());
  if (why !== null) return { kind: 'refused', why };
  if (!isTrial) driver.submit({ kind: 'promote', gone, loseFrom });
  return { kind: 'ok' };
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
    return `${node} has not learnt that its cluster is of the nursery ${nursery}, as its file says, and may lag behind moves: what it moved away would be served twice. Promote another survivor; where the cluster never was of that nursery (nursery status of it shows nothing of it), take [nursery] out of the file of ${node} and restart it first`;
  }
  // It begins anew, and knows of no key; what it serves would be lost without a word.
  if (bound !== null && bound.mine === bound.keeper.founding && driver.machine.owned().length > 0) {
    return `${node} is of the keeper, and serves keys, which a keeper that begins anew does not: nursery backup --node ${node} takes them first; then empty the homes of the keeper, start it, and type nursery rescue keeper with its file behind --lost`;
  }
  if (driver.standing !== 'sound') return `the store of ${node} is ${driver.standing}`;
  return null;
}

/** Giving up mastership: answered once another node has it. */
import { failure, OK } from '../../src/protocol/arakoon/replies.ts';
import type { Respond } from '../driver/proposals.ts';
import type { RequestContext } from './request-context.ts';

/** How long is waited for another master (ms), beside twice the lease: elections that collide are held again. */
const WAIT_MS = 5000;
/** How often it is looked (ms). */
const LOOK_MS = 10;

/** On a node that is not master there is nothing to drop, which is what the caller wants; where there is none, it is waited for. */
export function dropMaster(
  context: Pick<RequestContext, 'driver' | 'node' | 'nowMs' | 'after'>,
  respond: Respond,
): void {
  const { driver, node, nowMs, after } = context;
  const { wished, forcedMaster, leaseMs } = driver.replica.config;
  if (wished.length === 1) {
    respond(failure('NOT_SUPPORTED', 'drop_master: a cluster of one node has no other to take over'));
    return;
  }
  if (forcedMaster === node) {
    const why = `drop_master: [global] master names ${node}, and no other node may be master; change that first`;
    respond(failure('NOT_SUPPORTED', why));
    return;
  }
  const waitMs = 2 * leaseMs + WAIT_MS;
  const untilMs = nowMs() + waitMs;
  driver.submit({ kind: 'dropMaster' });
  const look = (): void => {
    const master = driver.master();
    if (master !== null && master !== node) respond(OK);
    else if (nowMs() < untilMs) after(LOOK_MS, look);
    else respond(failure('UNKNOWN_FAILURE', stillNone(master, waitMs)));
  };
  look();
}

function stillNone(master: string | null, waitMs: number): string {
  const now = master === null ? 'there is no master' : `${master} is master again`;
  return `drop_master: no other node has become master in ${waitMs / 1000} s, and ${now}: see that a majority of the nodes runs and has caught up, then send it again`;
}

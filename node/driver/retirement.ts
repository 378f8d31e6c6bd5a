/** What a node answers that has retired in its founding. */
import { failure } from '../../src/protocol/arakoon/replies.ts';
import type { Answer } from '../../src/protocol/arakoon/values.ts';
import { type Replica, statusOf } from '../paxos/step.ts';

/** To whoever asks for keys: it serves nobody any more; null where it does. */
export function retirement(replica: Replica, nowMs: number): Answer | null {
  if (replica.retired === null) return null;
  return failure(
    'GOING_DOWN',
    `${statusOf(replica, nowMs).waitsFor ?? 'this node has retired'}; not executed`,
  );
}

/** Work whose answer may be long begins once there is room for it. */
import type { Asker } from '../../src/process/budget.ts';
import { failure } from '../../src/protocol/arakoon/replies.ts';
import type { Answer } from '../../src/protocol/arakoon/values.ts';
import type { Respond } from '../driver/proposals.ts';

/** For whom there was no room in time. Certainly not executed. */
export const OVERLOADED: Answer = failure(
  'GOING_DOWN',
  'overloaded: no room for the reply; not executed, send it again',
);

/** Calls `work` with what it is to answer to, at once or when its turn has come; `bytes` are set aside until it has answered. */
export function withRoom(
  bytes: number,
  asker: Asker,
  respond: Respond,
  work: (respond: Respond) => void,
): void {
  const { replies } = asker;
  const given: Respond = (answer) => {
    respond(answer);
    replies.release(bytes); // the answer itself is counted now
  };
  if (replies.tryReserve(bytes)) {
    work(given);
    return;
  }
  replies.wait(bytes, asker, (isGranted) => {
    if (isGranted) work(given);
    else respond(OVERLOADED);
  });
}

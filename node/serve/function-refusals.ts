/** Why functions of users cannot be put, or called, at this node: before anything is proposed. */
import { whyNoSource } from '../../src/protocol/admin/functions.ts';
import { failure } from '../../src/protocol/arakoon/replies.ts';
import type { Request } from '../../src/protocol/arakoon/requests.ts';
import { decodeUpdate, isSequence, type Update } from '../../src/protocol/arakoon/updates.ts';
import type { Answer } from '../../src/protocol/arakoon/values.ts';
import { otherEngine } from '../machine/call-function.ts';
import type { Machine } from '../machine/machine.ts';

/**
 * The refusal of a function that can be none, and of a call by a master whose engine is not the one in force: chosen, it would stop each
 * node of this build at its slot, for good. Null where there is neither.
 */
export function functionRefusal(
  request: Request,
  update: Uint8Array,
  { runner, state }: Pick<Machine, 'runner' | 'state'>,
): Answer | null {
  if (request.kind === 'adminCommand') {
    const { command } = request;
    if (command.kind !== 'putFunction') return null;
    // It is tried where it comes in, and on apply its bytes are stored.
    const why = whyNoSource(command.source) ?? runner.whyNot(command.source);
    return why === null ? null : failure('BAD_INPUT', `function ${command.name}: ${why}`);
  }
  const refusal = otherEngine(state, runner);
  return refusal !== null && calls(decodeUpdate(update)) ? refusal : null;
}

function calls(update: Update): boolean {
  if (isSequence(update)) return update.updates.some(calls);
  return update.kind === 'userFunction' || update.kind === 'userFunctionNear';
}

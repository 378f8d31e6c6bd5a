/** Arakoon's protocol, as far as a load needs it. */
import { RETURN_CODES } from '../../base/errors.ts';
import { scanReply } from '../../protocol/arakoon/reply-shapes.ts';
import { encodePrologue } from '../../protocol/arakoon/requests.ts';
import type { Wire } from './client.ts';
import { failureName } from './tally.ts';

export const arakoonWire: Wire = {
  hello: encodePrologue,
  reply: ({ code }, input, at) => {
    const reply = scanReply(code, input, at, input.length);
    if (reply.kind === 'need') return null;
    const returnCode = input.readUInt32LE(at);
    const isAnswer = returnCode === RETURN_CODES.OK || returnCode === RETURN_CODES.NOT_FOUND;
    return { end: reply.end, failure: isAnswer ? null : failureName(returnCode) };
  },
};

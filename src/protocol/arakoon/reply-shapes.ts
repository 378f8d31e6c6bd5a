/** How far a reply reaches on a byte stream. It does not say what it answers: that depends on the request. */
import { NurseryError, RETURN_CODES } from '../../base/errors.ts';
import { FRAME_MAX } from '../../base/limits.ts';
import * as shape from '../../wire/shape.ts';
import { FORMS } from './reply-forms.ts';
import { KINDS, requestName, rowOf } from './request-table.ts';
import { RETURN_CODE_BYTES, returnCodeOf } from './values.ts';

const FAILURE: shape.Shape = [shape.STRING];

/** What follows return code 0, by the code of the request, for speed. Others have no reply that a client could read. */
const RESULT_OF: (shape.Shape | undefined)[] = [];
for (const kind of KINDS) {
  const { code, reply } = rowOf(kind);
  if (reply !== null) RESULT_OF[code] = FORMS[reply].shape;
}

/** Whether a reply to the request with this code can be told from what follows it. */
export function hasReplyShape(code: number): boolean {
  return RESULT_OF[code] !== undefined;
}

/**
 * How far the reply at `offset` reaches, which answers a request with the code `code`. `need` counts from `offset`.
 *
 * @throws OversizedError MALFORMED where it announces more than `bytesMax`
 * @throws NurseryError NOT_SUPPORTED where no client can read the reply to such a request
 */
export function scanReply(
  code: number,
  buffer: Buffer,
  offset: number,
  end: number,
  bytesMax = FRAME_MAX,
): shape.Scanned {
  if (end - offset < RETURN_CODE_BYTES) return { kind: 'need', bytes: RETURN_CODE_BYTES };
  const result = RESULT_OF[code];
  if (result === undefined) {
    throw new NurseryError('NOT_SUPPORTED', `replies to ${requestName(code)} have no known end`);
  }
  const parts = returnCodeOf(buffer, offset) === RETURN_CODES.OK ? result : FAILURE;
  const extent = { begin: offset, bytesMax, refusal: 'MALFORMED' } as const;
  const reached = shape.scanShape(buffer, offset + RETURN_CODE_BYTES, end, parts, extent);
  return reached < 0 ? { kind: 'need', bytes: -reached - offset } : { kind: 'complete', end: reached };
}

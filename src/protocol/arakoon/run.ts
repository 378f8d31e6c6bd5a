/**
 * A run: consecutive updates of one connection that a router passes on together, over links only.
 *
 *     run       := int magic | 0x82, int count, count × string request
 *     run reply := int 0, int count, count × string reply
 *
 * The updates take effect in their order, each by itself, and none of them after one that was refused as outside the
 * ranges of its cluster: whoever sends that one again must not find a later one done. So the reply ends with the first
 * refusal after which the rest was not executed either; a hint beside the reply is about that one.
 */
import { invariant } from '../../base/assert.ts';
import { RETURN_CODES } from '../../base/errors.ts';
import { type Codec, malformed, Reader } from '../../wire/codec.ts';
import { encodePieces, readPieces } from '../../wire/pieces.ts';
import { MAGIC } from '../admin/admin.ts';
import { type Answer, RETURN_CODE_BYTES, returnCodeOf } from './values.ts';

/** The low half of a run's first int. */
export const RUN = 0x82;

/** Updates in one run at most; and bytes of their requests, unless it is a single one. */
export const RUN_UPDATES_MAX = 256;
export const RUN_BYTES_MAX = 256 * 1024;

/** What a refusal says that leaves the update, and all after it in its run, certainly not executed, for now. */
const PASSING: ReadonlySet<number> = new Set([
  RETURN_CODES.NOT_MASTER,
  RETURN_CODES.OUT_OF_RANGE,
  RETURN_CODES.GOING_DOWN,
]);

/** Whether a reply with this return code ends the reply to a run. */
export function isPassing(returnCode: number): boolean {
  return PASSING.has(returnCode);
}

/** The bytes of a run of these whole requests, in order. */
export function encodeRun(requests: readonly Uint8Array[]): Buffer {
  return encodeList((MAGIC | RUN) >>> 0, requests);
}

/** The requests of a run, behind its first int; read as views. */
export const runCodec: Codec<readonly Uint8Array[]> = {
  write: (writer, requests) => writer.raw(encodePieces(0, requests)),
  read: (reader) => {
    const requests = readPieces(reader);
    if (requests.length > RUN_UPDATES_MAX) throw malformed(`run of ${requests.length} updates`);
    return requests;
  },
};

/** The reply to a run whose updates were answered so, in order. */
export function runReply(answers: readonly Answer[]): Answer {
  const ends = answers.findIndex(({ bytes }) => isPassing(returnCodeOf(bytes)));
  if (ends < 0) return { bytes: encodeReplies(answers), hint: null };
  invariant(
    answers.slice(ends).every(({ bytes }) => !isExecuted(returnCodeOf(bytes))),
    'after a refusal nothing of a run is executed',
    () => ({ ends, codes: answers.map(({ bytes }) => returnCodeOf(bytes)).join(' ') }),
  );
  return { bytes: encodeReplies(answers.slice(0, ends + 1)), hint: answers[ends]?.hint ?? null };
}

/**
 * The replies within the successful reply to a run of `count` updates, as views: fewer only where the last one is a
 * passing refusal.
 *
 * @throws NurseryError MALFORMED
 */
export function decodeRunReply(reply: Uint8Array, count: number): Buffer[] {
  const reader = new Reader(reply, RETURN_CODE_BYTES);
  const replies = readPieces(reader);
  reader.finish();
  const ends = replies.findIndex((each) => isPassing(returnCodeOf(each)));
  const wanted = ends < 0 ? count : ends + 1;
  if (replies.length !== wanted || wanted > count) {
    throw malformed(`${replies.length} replies to a run of ${count} updates`);
  }
  return replies;
}

function isExecuted(returnCode: number): boolean {
  return returnCode === RETURN_CODES.OK || returnCode === RETURN_CODES.MAYBE_APPLIED;
}

function encodeReplies(answers: readonly Answer[]): Buffer {
  return encodeList(
    RETURN_CODES.OK,
    answers.map(({ bytes }) => bytes),
  );
}

function encodeList(first: number, pieces: readonly Uint8Array[]): Buffer {
  const bytes = encodePieces(4, pieces);
  bytes.writeUInt32LE(first, 0);
  return bytes;
}

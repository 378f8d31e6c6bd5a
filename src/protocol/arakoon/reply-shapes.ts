/** How far a reply reaches on a byte stream. It does not say what it answers: that depends on the request. */
import { NurseryError, RETURN_CODES } from '../../base/errors.ts';
import { FRAME_MAX } from '../../base/limits.ts';
import * as shape from '../../wire/shape.ts';
import { REQUEST_CODES, requestName } from './request-kinds.ts';
import { RETURN_CODE_BYTES, returnCodeOf } from './values.ts';

const { BOOL, INT, INT64, STRING, OPTION, CONSISTENCY } = shape;
const VOID: shape.Shape = [];
const ENTRIES: shape.Shape = [shape.elements(STRING, STRING)];
const FAILURE: shape.Shape = [STRING];

/** What follows return code 0. Requests that are not here have no reply that a client could read. */
const RESULTS: { readonly [K in keyof typeof REQUEST_CODES]?: shape.Shape } = {
  ping: [STRING],
  whoMaster: [OPTION],
  exists: [BOOL],
  get: [STRING],
  set: VOID,
  delete: VOID,
  range: [shape.elements(STRING)],
  prefixKeys: [shape.elements(STRING)],
  testAndSet: [OPTION],
  rangeEntries: ENTRIES,
  sequence: VOID,
  multiGet: [shape.elements(STRING)],
  expectProgressPossible: [BOOL],
  statistics: [STRING],
  collapse: [shape.elements(INT, INT64)],
  userFunction: [OPTION],
  assert: VOID,
  setInterval: VOID,
  getRouting: [STRING],
  setRouting: VOID,
  getKeyCount: [INT64],
  confirm: VOID,
  getFringe: ENTRIES,
  getInterval: [OPTION, OPTION, OPTION, OPTION],
  setNurseryConfig: VOID,
  getNurseryConfig: [STRING],
  setRoutingDelta: VOID,
  migrateRange: VOID,
  revRangeEntries: ENTRIES,
  syncedSequence: VOID,
  optimizeDb: VOID,
  defragDb: VOID,
  deletePrefix: [INT],
  version: [INT, INT, INT, STRING],
  assertExists: VOID,
  dropMaster: VOID,
  multiGetOption: [shape.elements(OPTION)],
  currentState: [STRING],
  replace: [OPTION],
  nop: VOID,
  flushStore: VOID,
  getTxid: [CONSISTENCY],
  copyDbToHead: VOID,
};

const RESULT_OF: (shape.Shape | undefined)[] = [];
for (const [kind, result] of Object.entries(RESULTS)) {
  RESULT_OF[REQUEST_CODES[kind as keyof typeof REQUEST_CODES]] = result;
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

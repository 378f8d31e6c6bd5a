/** Requests of Arakoon that no node carries out, and why: what to do instead. */
import { failure } from '../../src/protocol/arakoon/replies.ts';
import {
  dispatch,
  type Handlers,
  type KindsWith,
  REQUEST_CODES,
  type RequestOf,
  requestName,
} from '../../src/protocol/arakoon/request-table.ts';
import type { Answer } from '../../src/protocol/arakoon/values.ts';

type Refused = KindsWith<{ readonly by: 'nobody' }>;

/** The refusal of `request`. */
export function refuse(request: RequestOf<Refused>): Answer {
  return dispatch(REFUSALS, request);
}

const REFUSALS: Handlers<Refused, [], Answer> = {
  setInterval: ({ kind }) => moves(kind),
  setRouting: ({ kind }) => moves(kind),
  setRoutingDelta: ({ kind }) => moves(kind),
  migrateRange: ({ kind }) => moves(kind),
};

/** What Arakoon's own migrator did step by step from outside loses what is written meanwhile. */
function moves(kind: Refused): Answer {
  const name = requestName(REQUEST_CODES[kind]);
  return failure(
    'NOT_SUPPORTED',
    `${name}: it would change who owns which keys behind the range map, and lose updates that were acknowledged; use nursery init, migrate and remove`,
  );
}

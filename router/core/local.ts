/** What the router answers by itself. */

import { printRange } from '../../src/keyspace/range.ts';
import { ownersOf } from '../../src/keyspace/rangemap.ts';
import { type AdminAnswer, encodeAnswer } from '../../src/protocol/admin/admin.ts';
import {
  failure,
  okBool,
  okInterval,
  okNurseryConfig,
  okOptionalText,
  okRouting,
  okStatistics,
  okText,
  okVersion,
} from '../../src/protocol/arakoon/replies.ts';
import {
  dispatch,
  type Handlers,
  type KindsWith,
  REQUEST_CODES,
  type Request,
  type RequestOf,
  requestName,
  rowOf,
} from '../../src/protocol/arakoon/request-table.ts';
import { type Field, seatFields } from '../../src/protocol/arakoon/statistics.ts';
import type { Answer } from '../../src/protocol/arakoon/values.ts';
import { readyMaster } from './clusters.ts';
import type { Router } from './types.ts';
import { isDead } from './view.ts';

/** The answer to a request that goes to no cluster; a refusal that names it, where a router cannot serve it. */
export function answerLocally(router: Router, request: Request): Answer {
  if (isAsked(request)) return dispatch(ANSWERS, request, router);
  return unsupported(requestName(REQUEST_CODES[request.kind]));
}

type AskedKind = KindsWith<{ readonly names: 'asked' }>;

function isAsked(request: Request): request is RequestOf<AskedKind> {
  return rowOf(request.kind).names === 'asked';
}

const ANSWERS: Handlers<AskedKind, [Router], Answer> = {
  ping: ({ cluster }, { clusterId, version }) =>
    cluster === clusterId
      ? okText(version.text)
      : failure('UNKNOWN_FAILURE', `this is ${clusterId}, not ${cluster}`),
  whoMaster: (_, { name }) => okOptionalText(name), // so that a client that knows only routers is content
  version: (_, { version }) => okVersion(version),
  expectProgressPossible: (_, router) => okBool(health(router).ok),
  currentState: (_, router) => {
    const { ok, why } = health(router);
    return okText(ok ? 'ROUTING' : `ROUTING, but ${why}`);
  },
  statistics: (_, router) => okStatistics(statistics(router)),
  getInterval: () => okInterval({ publicBegin: null, publicEnd: null, privateBegin: null, privateEnd: null }),
  getRouting: (_, router) => withMap(router, () => okRouting(router.view.entries)),
  getNurseryConfig: (_, router) =>
    withMap(router, () => okNurseryConfig(router.view.entries, router.keeper?.clusters ?? [])),
  adminQuery: ({ query }, router) =>
    query.kind === 'getMap' ? answerMap(router) : unsupported(`adminQuery ${query.kind}`),
  adminCommand: ({ command }) => unsupported(`adminCommand ${command.kind}`),
  getTxid: () =>
    failure(
      'NOT_SUPPORTED',
      'get_txid: slots are counted per cluster, so that a router has none to give; read Consistent instead',
    ),
};

/** Whether the router can serve every key, and if not, the first reason. */
export function health(router: Router): { readonly ok: boolean; readonly why: string } {
  const missing = unmappedWhy(router);
  if (missing !== null) return { ok: false, why: missing };
  const dead = router.hasDead ? router.effective.entries.find((entry) => isDead(router, entry)) : undefined;
  if (dead !== undefined) {
    return {
      ok: false,
      why: `${printRange(dead)} belongs to a founding of ${dead.owner} that is not in force`,
    };
  }
  for (const owner of ownersOf(router.effective)) {
    const cluster = router.clusters.get(owner);
    if (cluster === undefined || cluster.peers.size === 0) {
      return { ok: false, why: `the keeper has no addresses of cluster ${owner}` };
    }
    if (readyMaster(cluster) === null) return { ok: false, why: `no master of cluster ${owner} is known` };
  }
  return { ok: true, why: '' };
}

/** Why there is nothing to route by; null where there is. */
export function unmappedWhy(router: Router): string | null {
  const { keeper, keeperWhy } = router;
  if (keeper === null) {
    return `there is no map yet: the keeper has not answered${keeperWhy === null ? '' : ` (${keeperWhy})`}`;
  }
  if (router.view.isEmpty) return 'the map is empty: the nursery is not initialised';
  return null;
}

/** Counters and what goes on now. */
export function statistics(router: Router): Field[] {
  const int = (name: string, value: number): Field => ({ kind: 'int64', name, value });
  const { counters, lanes, inFlight, moving, held, heldBytes } = router;
  return [
    ...(router.recorded?.() ?? []), // first, as Arakoon's tools read them
    { kind: 'text', name: 'router', value: router.name },
    int('map_version', router.keeper?.map.version ?? 0),
    ...Object.entries(counters).map(([name, value]) =>
      int(
        name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
        value,
      ),
    ),
    int('in_flight', inFlight.size),
    int('held', held),
    int('held_bytes', heldBytes),
    int('connections_with_updates', lanes.size),
    int('ranges_moving', moving.length),
    ...(router.seats === null
      ? []
      : [...seatFields(router.seats), int('stalled_let_go', router.seats.stalledLetGo)]),
    {
      kind: 'list',
      name: 'masters',
      value: [...router.clusters.values()].map((cluster) => ({
        kind: 'text',
        name: cluster.id,
        value: readyMaster(cluster)?.name ?? 'None',
      })),
    },
  ];
}

function answerMap(router: Router): Answer {
  const { keeper } = router;
  if (keeper === null) return failure('GOING_DOWN', `${unmappedWhy(router)}; send it again`);
  const answer: AdminAnswer = { kind: 'keeperMap', ...keeper };
  return { bytes: encodeAnswer(answer), hint: null };
}

function withMap(router: Router, answer: () => Answer): Answer {
  const why = unmappedWhy(router);
  return why === null ? answer() : failure('GOING_DOWN', `${why}; send it again`);
}

function unsupported(what: string): Answer {
  return failure('NOT_SUPPORTED', `${what} is not served by a router: ask a node of a cluster`);
}

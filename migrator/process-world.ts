/** The World of a migrator as it is in a process. */
import { TIMERS } from '../src/process/timers.ts';
import type { AdminAnswer } from '../src/protocol/admin/admin.ts';

import { roomWhy } from './forecast.ts';
import type { Clusters, World, WorldRequest } from './world.ts';

/** The World of a process that reaches these clusters. */
export function worldOf(clusters: Clusters): World {
  return {
    ...TIMERS,
    wallMs: Date.now,
    ask: (cluster, request, deadlineMs, done) => {
      const ask = (): void => {
        answerOf(clusters, cluster, request, deadlineMs).then(done, (error: unknown) =>
          done(error instanceof Error ? error : new Error(String(error))),
        );
      };
      // Requests of clients that have arrived in this process come first.
      if (request.kind === 'query' && request.query.kind === 'readPage') TIMERS.defer(ask);
      else ask();
    },
    findRoom: (migration, done) => {
      void roomWhy(clusters, migration).then(done);
    },
  };
}

async function answerOf(
  clusters: Clusters,
  id: string,
  request: WorldRequest,
  deadlineMs: number,
): Promise<AdminAnswer> {
  const cluster = id === '' ? clusters.keeper : await clusters.cluster(id);
  if (request.kind === 'command') return await cluster.command(request.command, { deadlineMs });
  // The master has clients to answer.
  const to = request.node === 'any' ? 'follower' : request.node;
  return await cluster.query(request.query, { to, deadlineMs });
}

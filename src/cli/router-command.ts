/** `nursery router`: a router in the foreground, and a migrator beside it, until SIGTERM or SIGINT. */

import { EXIT_CODES } from '../base/errors.ts';
import type { ClusterClient } from '../client/cluster-client.ts';
import { type RouterIni, readRouterConfig } from '../config/router-config.ts';
import { type Logger, openLogFile } from '../process/log.ts';
import { dashboardOfRouter } from './dashboard/serve.ts';
import { complain, tell } from './output.ts';
import { type Supervisor, superviseProcess } from './supervise.ts';

type Arguments = { readonly config: string; readonly noMigrator: boolean };

/** Runs the router; the process ends by a signal or a fatal error. */
export async function runRouterCommand(args: Arguments): Promise<void> {
  const ini = readRouterConfig(args.config);
  const { keeperOf, startRouter } = await import('../../router/main.ts');
  const file = openLogFile(ini.logDir, ini.name, ini.logLevel, { router: ini.name });
  const supervisor = superviseProcess(file);
  for (const warning of ini.warnings) {
    complain(`nursery: warning: ${warning}`);
    file.logger.warn({}, warning);
  }
  const keeper = keeperOf(ini);
  const { dashboard, url, close } = dashboardOfRouter(ini, file.logger);
  const router = await supervisor.starting(
    startRouter({
      ini,
      logger: file.logger,
      keeper,
      dashboard,
      waits: (what) => complain(`nursery: router ${ini.name} ${what}`),
    }),
  );
  const hasMigrator = ini.migrator && !args.noMigrator;
  const leaveMoves = hasMigrator ? await startMigrator(ini, keeper, file.logger, supervisor) : null;
  tell(`router ${ini.name}: pid ${process.pid}, clients at port ${router.port}\ndashboard: ${url}`);
  await supervisor.untilSignal();
  close();
  await Promise.all([leaveMoves?.(), router.close()]);
  keeper.close();
  process.exit(EXIT_CODES.OK);
}

/** Takes over migrations that nobody works on; returns what gives those up that it works on, and ends that. */
async function startMigrator(
  { nursery: { clusterId: cluster, nodes } }: RouterIni,
  keeper: ClusterClient,
  logger: Logger,
  supervisor: Supervisor,
): Promise<() => Promise<void>> {
  const { BESIDE_CLIENTS, openNursery, runDaemon } = await import('../../migrator/operations.ts');
  const nursery = openNursery({ cluster, nodes: [...nodes] }, keeper);
  const stop = new AbortController();
  const daemon = runDaemon({
    clusters: nursery,
    settings: BESIDE_CLIENTS,
    signal: stop.signal,
    onEvent: (event) => {
      if (event.kind === 'takesOver') logger.info({ mid: event.migration.mid }, 'takes a migration over');
      else if (event.kind === 'ended') {
        const { mid, outcome, why } = event.result;
        logger.info({ mid, outcome, why }, 'a migration has ended');
      } else if (event.kind === 'told') {
        const { mid, target } = event.migration;
        logger.info({ mid, target }, 'the target knows that its migration was aborted');
      } else if (event.kind === 'auto') {
        const { kind, why } = event.looked.verdict;
        logger.info({ does: kind, why }, 'rebalances by itself');
      } else if (event.kind === 'failed') {
        logger.warn({ mid: event.mid, reason: event.error.message }, 'a migration does not get on');
      }
      // That the keeper is silent the router says itself.
    },
  });
  daemon.catch(supervisor.fail);
  return async () => {
    stop.abort();
    await daemon;
    nursery.close();
  };
}

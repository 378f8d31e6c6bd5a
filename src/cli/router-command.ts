/** `nursery router`: a router in the foreground, until SIGTERM or SIGINT. */

import { EXIT_CODES } from '../base/errors.ts';
import { readRouterConfig } from '../config/router-config.ts';
import { openLogFile } from '../process/log.ts';
import { complain, tell } from './output.ts';
import { superviseProcess } from './supervise.ts';

/** Runs the router; the process ends by a signal or a fatal error. */
export async function runRouterCommand(args: { config: string }): Promise<void> {
  const ini = readRouterConfig(args.config);
  const { keeperOf, startRouter } = await import('../../router/main.ts');
  const file = openLogFile(ini.logDir, ini.name, ini.logLevel, { router: ini.name });
  const supervisor = superviseProcess(file);
  for (const warning of ini.warnings) {
    complain(`nursery: warning: ${warning}`);
    file.logger.warn({}, warning);
  }
  const keeper = keeperOf(ini);
  const router = await supervisor.starting(
    startRouter({
      ini,
      logger: file.logger,
      keeper,
      waits: (what) => complain(`nursery: router ${ini.name} ${what}`),
    }),
  );
  tell(`router ${ini.name}: pid ${process.pid}, clients at port ${router.port}`);
  await supervisor.untilSignal();
  await router.close();
  keeper.close();
  process.exit(EXIT_CODES.OK);
}

/** `nursery node`: one node in the foreground, until SIGTERM or SIGINT. */
import { resolve } from 'node:path';
import { EXIT_CODES, type FatalError } from '../base/errors.ts';
import { nodeOf, readClusterConfig } from '../config/cluster-config.ts';
import { openLogFile } from '../process/log.ts';
import { dashboardOfNode } from './dashboard/serve.ts';
import { complain, tell } from './output.ts';
import { superviseProcess } from './supervise.ts';

/** Runs the node; resolves never, the process ends by a signal or a fatal error. */
export async function runNodeCommand(args: {
  config: string;
  node: string;
  bootstrap: boolean;
  withoutKeeper: boolean;
}): Promise<void> {
  const ini = readClusterConfig(args.config);
  const node = nodeOf(ini, args.node);
  const { startNode } = await import('../../node/main.ts');
  const { prepareDirectory } = await import('../../node/life/home.ts');
  prepareDirectory(node.logDir);
  const file = openLogFile(node.logDir, node.name, node.logLevel, {
    cluster: ini.clusterId,
    node: node.name,
  });
  const supervisor = superviseProcess(file);
  for (const warning of ini.warnings) {
    complain(`nursery: warning: ${warning}`);
    file.logger.warn({}, warning);
  }
  const running = await supervisor.starting(
    startNode({
      ini,
      node,
      logger: file.logger,
      bootstrap: args.bootstrap,
      withoutKeeper: args.withoutKeeper,
      dashboard: dashboardOfNode(ini, node, file.logger),
      waits: (what) => complain(`nursery: node ${node.name} of ${ini.clusterId} ${what}`),
      stop: (error: FatalError) => supervisor.fail(error),
    }),
  );
  const home = resolve(node.home);
  tell(
    `node ${node.name} of ${ini.clusterId}: pid ${process.pid}, clients at port ${running.clientPort}, home ${home}`,
  );
  await supervisor.untilSignal();
  await running.close();
  process.exit(EXIT_CODES.OK);
}

/** Puts the dashboard of a process together: who is asked, by what names browsers may know it, and what it may do. */
import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import { resolve } from 'node:path';
import type { ClusterIni } from '../../config/cluster-config.ts';
import type { NodeIni } from '../../config/node-section.ts';
import type { RouterIni } from '../../config/router-config.ts';
import { DASHBOARD_PATH, Dashboard } from '../../dashboard/http.ts';
import { printAddress } from '../../identity/address.ts';
import type { Logger } from '../../process/log.ts';
import { PRODUCT_VERSION } from '../../version.ts';
import { type Target, targetOfCluster, targetOfRouter } from '../connections.ts';
import { gatherFrom } from '../status/gather.ts';
import { MoveActions } from './actions.ts';
import { documentOf } from './document.ts';

/** Bytes of a token that nobody has configured. */
const TOKEN_BYTES = 16;

/** A router's: it takes actions. */
export type RouterDashboard = {
  readonly dashboard: Dashboard;
  /** Where it is, with the token where nobody has configured one: for whoever starts the router. */
  readonly url: string;
  close(): void;
};

export function dashboardOfRouter(ini: RouterIni, logger: Logger): RouterDashboard {
  const target = targetOfRouter(ini);
  const token = ini.dashboardToken ?? randomBytes(TOKEN_BYTES).toString('base64url');
  const actions = new MoveActions({
    token,
    router: ini.name,
    logger,
    wallMs: Date.now,
    open: async () => {
      const migrator = await import('../../../migrator/operations.ts');
      const nursery = migrator.openNursery(target.keeper);
      return { moves: new migrator.Operations(nursery), close: () => nursery.close() };
    },
  });
  const { name, file } = ini;
  const dashboard = new Dashboard({
    hosts: [hostname(), ...ini.ips, ...ini.dashboardHosts],
    gather: gatherer({ file, target, process: { kind: 'router', name }, failed: () => actions.failed }),
    actions,
    failed: (error) => logger.error({ reason: error.stack ?? error.message }, 'no dashboard'),
  });
  const address = printAddress(ini.ips[0] ?? 'localhost', ini.port);
  const fragment = ini.dashboardToken === null ? `#token=${token}` : '';
  return { dashboard, url: `http://${address}${DASHBOARD_PATH}${fragment}`, close: () => actions.close() };
}

/** A node's: what its own file leads to, to be looked at. */
export function dashboardOfNode(ini: ClusterIni, node: NodeIni, logger: Logger): Dashboard {
  const { name } = node;
  const process = { kind: 'node', name } as const;
  return new Dashboard({
    hosts: [hostname(), ...node.ips, ...node.dashboardHosts],
    gather: gatherer({ file: ini.file, target: targetOfCluster(ini), process, failed: () => [] }),
    actions: null,
    failed: (error) => logger.error({ reason: error.stack ?? error.message }, 'no dashboard'),
  });
}

function gatherer(of: {
  readonly file: string;
  readonly target: Target;
  readonly process: { readonly kind: 'router' | 'node'; readonly name: string };
  readonly failed: () => MoveActions['failed'];
}) {
  // What is to be typed is good in any directory of the machine.
  const file = of.file.includes('://') ? of.file : resolve(of.file);
  return async () => {
    const beganMs = performance.now();
    const facts = await gatherFrom(file, of.target);
    return documentOf(facts, {
      process: { ...of.process, version: PRODUCT_VERSION },
      atMs: Date.now(),
      tookMs: Math.round(performance.now() - beganMs),
      failed: of.failed(),
    });
  };
}

/** Configurations as text, for programs that start clusters: what the readers beside this file read back. */
import type { ClusterConfig } from '../protocol/admin/admin.ts';

/** What a new cluster needs. Each node has one address, and keeps everything below `home`. */
export type ClusterDraft = {
  readonly clusterId: string;
  readonly nodes: readonly {
    readonly name: string;
    readonly ip: string;
    readonly clientPort: number;
    readonly home: string;
    /** Further keys of the node's section, such as `learner: 'true'`. */
    readonly extra?: { readonly [key: string]: string };
  }[];
  /** Further keys of `[global]`, such as `lease_period: '0.5'`. */
  readonly extra?: { readonly [key: string]: string };
  /** The keeper; null outside a nursery. */
  readonly keeper: ClusterConfig | null;
};

/** The text of a cluster's configuration. */
export function renderClusterIni(draft: ClusterDraft): string {
  const sections = [
    section('global', {
      cluster: draft.nodes.map((node) => node.name).join(', '),
      cluster_id: draft.clusterId,
      ...draft.extra,
    }),
    ...draft.nodes.map(({ name, ip, clientPort, home, extra }) =>
      section(name, { ip, client_port: String(clientPort), home, ...extra }),
    ),
  ];
  if (draft.keeper !== null) {
    const own = new Set(draft.nodes.map((node) => node.name));
    sections.push(...keeperSections(draft.keeper, own));
  }
  return sections.join('\n');
}

/** What a new router needs. */
export type RouterDraft = {
  readonly name: string;
  readonly clusterId: string;
  readonly ip: string;
  readonly port: number;
  readonly logDir: string;
  /** False: no migrator runs in its process. */
  readonly migrator?: boolean;
  readonly keeper: ClusterConfig;
};

/** The text of a router's configuration. */
export function renderRouterIni(draft: RouterDraft): string {
  const router = section('router', {
    name: draft.name,
    cluster_id: draft.clusterId,
    ip: draft.ip,
    client_port: String(draft.port),
    log_dir: draft.logDir,
    ...(draft.migrator === undefined ? {} : { migrator: String(draft.migrator) }),
  });
  return [router, ...keeperSections(draft.keeper, new Set())].join('\n');
}

/** `[nursery]`, and the sections of its nodes but for those that stand there already. */
function keeperSections(keeper: ClusterConfig, present: ReadonlySet<string>): string[] {
  const nursery = section('nursery', {
    cluster_id: keeper.cluster,
    cluster: keeper.nodes.map((node) => node.name).join(', '),
  });
  const nodes = keeper.nodes
    .filter((node) => !present.has(node.name))
    .map((node) => section(node.name, { ip: node.ips.join(', '), client_port: String(node.port) }));
  return [nursery, ...nodes];
}

function section(name: string, entries: { readonly [key: string]: string }): string {
  const lines = Object.entries(entries).map(([key, value]) => `${key} = ${value}`);
  return `[${name}]\n${lines.join('\n')}\n`;
}

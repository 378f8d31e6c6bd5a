/** A router's configuration: `[router]`, and `[nursery]` with a section for each keeper node. */
import { whyNoName } from '../identity/address.ts';
import type { LogLevel } from '../process/log.ts';
import type { NodeAddress } from '../protocol/admin/admin.ts';
import { folderOf, type Ini, type IniSection, readIni, sectionOf } from './ini.ts';
import {
  readClusterId,
  readHosts,
  readKeeper,
  readLogLevel,
  readPort,
  readSlow,
  type WrittenAt,
  writtenAt,
} from './node-section.ts';
import { refuseSharedPlaces } from './places.ts';

/** Characters of a token: what is shorter can be guessed. */
const TOKEN_LEAST = 16;

/** What a router's configuration says, checked. */
export type RouterIni = {
  readonly file: string;
  /** What clients are told when they ask for the master. */
  readonly name: string;
  /** What clients must say to be served. */
  readonly clusterId: string;
  readonly ips: readonly string[];
  readonly port: number;
  readonly writtenAt: WrittenAt;
  readonly logDir: string;
  readonly logLevel: LogLevel;
  /** Whether its process takes over migrations that nobody works on, too. */
  readonly migrator: boolean;
  /** What lets a browser act; null: the router draws one at its start, and prints it. */
  readonly dashboardToken: string | null;
  /** Further names by which browsers know this router. */
  readonly dashboardHosts: readonly string[];
  /** Requests that take longer are logged (milliseconds). */
  readonly slowMs: number;
  readonly nursery: { readonly clusterId: string; readonly nodes: readonly NodeAddress[] };
  /** What was read and does nothing, for people: one line each, with file, line and key. */
  readonly warnings: readonly string[];
};

/**
 * Reads a router's configuration.
 *
 * @throws FatalError CONFIG naming file, line, section, key, value, and what is allowed
 */
export function readRouterConfig(file: string): RouterIni {
  return routerConfigOf(readIni(file));
}

/** The same, of a configuration that is parsed already. */
export function routerConfigOf(ini: Ini): RouterIni {
  const section = sectionOf(ini, 'router', 'a router needs cluster_id, ip and client_port there');
  const nursery = readKeeper(ini);
  if (nursery === null) {
    throw section.missing(
      'keeper',
      'add [nursery] with cluster_id and cluster, and a section for each node of it',
    );
  }
  const keepers = nursery.nodes.map((node) => node.name);
  const config = {
    file: ini.file,
    name: readName(section),
    clusterId: readClusterId(section, 'what clients must say to be served'),
    ips: readHosts(section, 'the addresses to listen at, parted by commas'),
    port: readPort(section, 'client_port'),
    writtenAt: writtenAt(section),
    logDir: section.directory('log_dir') ?? folderOf(ini.file),
    logLevel: readLogLevel(section),
    migrator: section.bool('migrator', true),
    dashboardToken: readToken(section),
    dashboardHosts: section.list('dashboard_hosts'),
    slowMs: readSlow(section),
    nursery,
  };
  refuseSharedPlaces(ini, [
    { section: 'router', key: 'client_port', ips: config.ips, port: config.port },
    ...nursery.nodes.map(({ name, ips, port }) => ({ section: name, key: 'client_port', ips, port })),
  ]);
  const warnings: string[] = [];
  for (const [name, other] of ini.sections) {
    if (name === 'router' || name === 'nursery') warnings.push(...other.leftOver({}));
    else if (!keepers.includes(name)) {
      warnings.push(`${ini.file}:${other.line}: [${name}] is not a known section, and ignored`);
    }
  }
  return { ...config, warnings };
}

/** Sent in a header, and by whoever guesses. @throws FatalError CONFIG */
function readToken(section: IniSection): string | null {
  const token = section.text('dashboard_token');
  if (token === null || new RegExp(`^[\\x21-\\x7e]{${TOKEN_LEAST},}$`).test(token)) return token;
  throw section.wrong(
    'dashboard_token',
    `it needs ${TOKEN_LEAST} printable characters at the least, such as those of: openssl rand -hex 16`,
  );
}

function readName(section: IniSection): string {
  const name = section.text('name') ?? 'router';
  const why = whyNoName(name);
  if (why !== null) throw section.wrong('name', why);
  return name;
}

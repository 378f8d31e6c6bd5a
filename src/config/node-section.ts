/** A node's section of a configuration: where it listens, where it keeps its files, and its role. */
import { join, relative, resolve } from 'node:path';
import { FatalError } from '../base/errors.ts';
import { parseHost, whyNoClusterId, whyNoName, whyNotTogether } from '../identity/address.ts';
import type { PlaceKind, Places } from '../identity/places.ts';
import type { LogLevel } from '../process/log.ts';
import type { NodeAddress } from '../protocol/admin/admin.ts';
import { type Ini, type IniSection, sectionOf } from './ini.ts';

/** One node of a cluster. Paths are as written: relative ones start where the process does. */
export type NodeIni = {
  readonly name: string;
  /** Addresses to listen at, and for others to reach it; at least one. */
  readonly ips: readonly string[];
  readonly clientPort: number;
  /** Where Arakoon's nodes talk to each other; null in sections that are for clients only. */
  readonly messagingPort: number | null;
  /** Empty only where the configuration was read for a client. */
  readonly home: string;
  readonly tlogDir: string;
  /** Arakoon's folder of collapsed logs. */
  readonly tlxDir: string;
  /** Arakoon's folder of the store's backup. */
  readonly headDir: string;
  readonly logDir: string;
  readonly logLevel: LogLevel;
  /** How often its statistics are logged, and begin anew (milliseconds). */
  readonly reportingMs: number;
  /** Requests that take longer are logged (milliseconds). */
  readonly slowMs: number;
  /** Follows without a vote. */
  readonly learner: boolean;
  /** What people call its place, for status; '' where they do not. */
  readonly label: string;
  /** Further names by which browsers know this node. */
  readonly dashboardHosts: readonly string[];
  /** Where it is: what may fail as a whole. */
  readonly places: Places;
  readonly writtenAt: WrittenAt & { readonly messagingPort: string };
};

/** Where the addresses of a process stand in its file, as `file:line: [section] key = value`, for errors of listening. */
export type WrittenAt = {
  readonly ip: string;
  readonly clientPort: string;
};

/** Arakoon's levels as ours. */
const LEVELS: { readonly [level: string]: LogLevel } = {
  debug: 'debug',
  info: 'info',
  notice: 'info',
  warning: 'warn',
  warn: 'warn',
  error: 'error',
  fatal: 'error',
};

/** Sections that mean something else, whatever a list of nodes says. */
const RESERVED = ['global', 'nursery', 'router'];

/** As Arakoon's. */
const REPORTING_S_DEFAULT = 300;
const REPORTING_S_MOST = 1_000_000;
const SLOW_MS_DEFAULT = 1000;
const SLOW_MS_MOST = 3_600_000;

const COMPRESSORS = ['snappy', 'bz2', 'none'];

const SYNCED = 'every record of the log is synced before anybody is told of it';
const COMPRESSED = 'segments of the log are not compressed, and dropped once the store has them';
const NOT_SLOWED = 'work on the files of a node gives way to its clients by itself';

/** Arakoon's keys of a node that do nothing here, and what stands for them. */
export const NODE_KEYS_IGNORED = {
  witness: 'this node is a full member, with a store, and may be master; learner = true takes its vote',
  log_config: 'log_level is that of all lines; SIGUSR2 writes the last ones of every level',
  log_sinks: 'the log is <log_dir>/<node>.log, and SIGUSR1 opens it anew',
  crash_log_sinks: 'the last lines are written to <log_dir> by SIGUSR2 and a fatal error',
  batched_transaction_config: 'the store is written every half second, or at 32 MiB',
  targets: 'a learner learns from all',
  laggy: 'nursery sim tries what happens when messages are lost',
  tlog_compression: COMPRESSED,
  disable_tlog_compression: COMPRESSED,
  fsync: SYNCED,
  fsync_interval: SYNCED,
  fsync_entries: SYNCED,
  __tainted_fsync_tlog_dir: SYNCED,
  collapse_slowdown: NOT_SLOWED,
  head_copy_throttling: NOT_SLOWED,
  optimize_db_slowdown: NOT_SLOWED,
} as const;

/** Reads a node's section; `use` client: what only the node itself needs may be missing. @throws FatalError CONFIG */
export function readNode(section: IniSection, use: 'node' | 'client'): NodeIni {
  refuseTls(section, ['tls_cert', 'tls_key']);
  checkCompression(section);
  const address = readAddress(section);
  if (use === 'node') section.required('home', 'the folder that holds all of this node');
  const home = section.directory('home');
  const tlogDir = section.directory('tlog_dir') ?? home ?? '';
  const tlfDir = section.text('tlf_dir');
  const tlxDir = section.text('tlx_dir') ?? tlfDir ?? tlogDir;
  const logDir = section.directory('log_dir') ?? home ?? '';
  if (home !== null) {
    refuseInStore(section, home, 'tlog_dir', tlogDir);
    refuseInStore(section, home, 'log_dir', logDir);
  }
  const learner = section.bool('learner', false);
  return {
    name: address.name,
    ips: address.ips,
    clientPort: address.port,
    messagingPort: section.has('messaging_port') ? readPort(section, 'messaging_port') : null,
    home: home ?? '',
    tlogDir,
    tlxDir,
    headDir: section.text('head_dir') ?? tlxDir,
    logDir,
    logLevel: readLogLevel(section),
    reportingMs: section.int('reporting', 1, REPORTING_S_MOST, REPORTING_S_DEFAULT) * 1000,
    slowMs: readSlow(section),
    learner,
    dashboardHosts: section.list('dashboard_hosts'),
    label: readLabel(section, 'label'),
    places: {
      disk: readLabel(section, 'disk'),
      machine: readLabel(section, 'machine'),
      rack: readLabel(section, 'rack'),
    },
    writtenAt: { ...writtenAt(section), messagingPort: section.place('messaging_port') },
  };
}

/** Shown on terminals. @throws FatalError CONFIG */
export function readLabel(section: IniSection, key: 'label' | 'pool' | PlaceKind): string {
  const label = section.text(key) ?? '';
  if (/\p{Cc}/u.test(label)) throw section.wrong(key, 'allowed is text without control characters');
  return label;
}

/**
 * Deleting the store is a documented repair; what else is in its directory would be gone too.
 *
 * @throws FatalError CONFIG
 */
function refuseInStore(section: IniSection, home: string, key: string, directory: string): void {
  const store = join(home, 'store');
  const way = relative(resolve(store), resolve(directory));
  if (way === '..' || way.startsWith('../')) return;
  throw section.wrong(
    key,
    `${store} is for the store alone, which may be deleted as a repair; choose another directory`,
  );
}

/** Name, addresses and client port: all that a client needs. @throws FatalError CONFIG */
export function readAddress(section: IniSection): NodeAddress {
  const badName = whyNoName(section.name); // a learner's stands in no list
  if (badName !== null) throw section.wrongName(badName);
  const ips = readHosts(section, 'the addresses at which it is reached, parted by commas');
  return { name: section.name, ips, port: readPort(section, 'client_port') };
}

/** What stands at `ip`, as it can be dialled and listened at; `meaning` says what it is for. @throws FatalError CONFIG */
export function readHosts(section: IniSection, meaning: string): string[] {
  const hosts = section.requiredList('ip', meaning).map((text) => {
    const { host, why } = parseHost(text);
    if (host === null) throw section.wrong('ip', `${text}: ${why}`);
    return host;
  });
  const why = whyNotTogether(hosts);
  if (why !== null) throw section.wrong('ip', why);
  return hosts;
}

/** Where the keys of its addresses stand. */
export function writtenAt(section: IniSection): WrittenAt {
  return { ip: section.place('ip'), clientPort: section.place('client_port') };
}

/** The names in the list at `key`, each of which has a section. @throws FatalError CONFIG */
export function readNames(section: IniSection, key: string, meaning: string): string[] {
  const names = section.requiredList(key, meaning);
  const double = names.find((name, index) => names.indexOf(name) !== index);
  if (double !== undefined) throw section.wrong(key, `${double} stands there twice; each node once`);
  for (const name of names) {
    const why = RESERVED.includes(name) ? 'that section is not of a node' : whyNoName(name);
    if (why !== null) throw section.wrong(key, `${name}: ${why}`);
  }
  return names;
}

/** A cluster's id; `meaning` says whose. @throws FatalError CONFIG */
export function readClusterId(section: IniSection, meaning: string): string {
  const id = section.required('cluster_id', meaning);
  const why = whyNoClusterId(id);
  if (why !== null) throw section.wrong('cluster_id', why);
  return id;
}

/** @throws FatalError CONFIG where there is no port, or none that can be */
export function readPort(section: IniSection, key: string): number {
  return section.int(key, 1, 65_535, null);
}

/** The level of the log, `info` by default. @throws FatalError CONFIG */
export function readLogLevel(section: IniSection): LogLevel {
  const value = section.text('log_level');
  if (value === null) return 'info';
  const level = LEVELS[value.toLowerCase()];
  if (level === undefined) {
    throw section.wrong('log_level', `allowed are ${Object.keys(LEVELS).join(', ')}`);
  }
  return level;
}

/** What takes longer is logged (ms). @throws FatalError CONFIG */
export function readSlow(section: IniSection): number {
  return section.int('slow_request', 1, SLOW_MS_MOST, SLOW_MS_DEFAULT);
}

/** The cluster id and nodes that `[nursery]` names; null where there is none. @throws FatalError CONFIG */
export function readKeeper(ini: Ini): { clusterId: string; nodes: NodeAddress[] } | null {
  const section = ini.sections.get('nursery');
  if (section === undefined) return null;
  const clusterId = readClusterId(section, 'the cluster id of the keeper');
  const names = readNames(section, 'cluster', "the names of the keeper's nodes, parted by commas");
  const nodes = names.map((name) =>
    readAddress(sectionOf(ini, name, `[nursery] cluster names this node; it needs ip and client_port`)),
  );
  return { clusterId, nodes };
}

/** Links are not encrypted. Who asks for it must not get less without noticing. @throws FatalError CONFIG */
export function refuseTls(section: IniSection, keys: readonly string[]): void {
  for (const key of keys) {
    const value = section.text(key);
    if (value === null || value.toLowerCase() === 'false') continue;
    throw section.wrong(key, 'TLS is not supported; remove the key, and keep the ports on a trusted network');
  }
}

function checkCompression(section: IniSection): void {
  if (!section.has('tlog_compression')) return;
  const value = section.peek('tlog_compression').toLowerCase();
  if (!COMPRESSORS.includes(value)) {
    throw section.wrong('tlog_compression', `allowed are ${COMPRESSORS.join(', ')}`);
  }
}

/** Where other members reach the node. @throws FatalError CONFIG where the file does not say */
export function messagingPortOf({ messagingPort, writtenAt }: NodeIni): number {
  if (messagingPort !== null) return messagingPort;
  throw new FatalError('CONFIG', `${writtenAt.messagingPort}: each member needs one`);
}

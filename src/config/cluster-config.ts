/** A cluster's configuration, as Arakoon's users write it. */
import { FatalError } from '../base/errors.ts';
import { UPDATE_MAX, VALUE_MAX } from '../base/limits.ts';
import { placeOf, sharedPlace } from '../identity/places.ts';
import type { ClusterConfig, NodeAddress } from '../protocol/admin/admin.ts';
import { type Ini, type IniSection, readIni, sectionOf } from './ini.ts';
import {
  NODE_KEYS_IGNORED,
  type NodeIni,
  readClusterId,
  readKeeper,
  readLabel,
  readNames,
  readNode,
  refuseTls,
} from './node-section.ts';
import { type Place, refuseSharedPlaces } from './places.ts';

/** What a cluster's configuration says, checked. */
export type ClusterIni = {
  readonly file: string;
  readonly clusterId: string;
  /** In the order of `[global] cluster`, then learners that stand only in sections of their own. */
  readonly nodes: readonly NodeIni[];
  /** How long a master may go on without asking (milliseconds). */
  readonly leaseMs: number;
  /** The only node that may be master. */
  readonly forcedMaster: string | null;
  /** Nodes that become master where they can, the first one first. */
  readonly preferredMasters: readonly string[];
  /** A single node that refuses writes. */
  readonly readOnly: boolean;
  /** Names of disks, machines and racks that several members may share. */
  readonly sharedPlaces: readonly string[];
  /** Among which clusters plans even ranges out: those of one pool; '' is one, too. */
  readonly pool: string;
  /** Longest value, below Arakoon's `__tainted_max_value_size` (bytes). */
  readonly valueBytesMax: number;
  /** Largest update, Arakoon's `__tainted_max_buffer_size` (bytes). */
  readonly updateBytesMax: number;
  /** Size at which a log segment is full (bytes); null: the log's own choice. */
  readonly segmentBytes: number | null;
  /** Time between two steps of the comparison of replicas, and between two rounds (milliseconds); steps 0: never. */
  readonly scrubStepMs: number;
  readonly scrubRestMs: number;
  /** The keeper; null outside a nursery. */
  readonly nursery: { readonly clusterId: string; readonly nodes: readonly NodeAddress[] } | null;
  /** What was read and does nothing, for people: one line each, with file, line and key. */
  readonly warnings: readonly string[];
};

/** Arakoon's default is 10 s; two are enough on a monotonic clock, and half as long without a master after a crash. */
const LEASE_S_DEFAULT = 2;
const LEASE_S_LEAST = 0.1;
const LEASE_S_MOST = 3600;

/** Replicas compare a thousand rows in a step; a round goes through all of them. */
const SCRUB_STEP_S_DEFAULT = 0.2;
const SCRUB_REST_S_DEFAULT = 60;
const SCRUB_S_MOST = 86_400;

/** Each segment is a file that is kept open, listed and synced: smaller ones would be millions. */
const SEGMENT_BYTES_LEAST = 16_384;

/** Arakoon's keys of `[global]` that do nothing here, and what stands for them. */
const GLOBAL_KEYS_IGNORED = {
  plugins:
    'nursery function put stores functions in the cluster itself; none is loaded from the disk of a node',
  quorum: 'it is always a majority: anything else has two truths, or stands still',
  tlog_max_entries: 'tlog_max_size bounds a segment of the log',
  client_buffer_capacity: 'what waits is bounded in bytes (docs/codes.md, "Limits")',
  lcnum: 'the store is LMDB, whose cache is that of the system',
  ncnum: 'the store is LMDB, whose cache is that of the system',
  tls_service_validate_peer: 'there is no TLS',
  tls_version: 'there is no TLS',
  tls_cipher_list: 'there is no TLS',
  enable_tcp_keepalive:
    'links ping each other every second; clients without a request are let go when others need the place',
  tcp_keepalive_time: 'links ping each other every second',
  tcp_keepalive_intvl: 'links ping each other every second',
  tcp_keepalive_probes: 'links ping each other every second',
  __tainted_tlog_entries_per_file: 'tlog_max_size bounds a segment of the log',
} as const;
/** Sections that nodes refer to by name, and their keys. */
const REFERENCES = ['log_config', 'batched_transaction_config'] as const;
const REFERENCE_KEYS = {
  client_protocol: 'log_level of the node is that of all lines; SIGUSR2 writes the last ones of every level',
  paxos: 'log_level of the node is that of all lines; SIGUSR2 writes the last ones of every level',
  tcp_messaging: 'log_level of the node is that of all lines; SIGUSR2 writes the last ones of every level',
  tlog_map: 'log_level of the node is that of all lines; SIGUSR2 writes the last ones of every level',
  server: 'log_level of the node is that of all lines; SIGUSR2 writes the last ones of every level',
  max_entries: 'the store is written every half second, or at 32 MiB',
  max_size: 'the store is written every half second, or at 32 MiB',
} as const;

/**
 * Reads a cluster's configuration. `use` client: what only nodes need (`home`) may be missing.
 *
 * @throws FatalError CONFIG naming file, line, section, key, value, and what is allowed
 */
export function readClusterConfig(file: string, use: 'node' | 'client' = 'node'): ClusterIni {
  return clusterConfigOf(readIni(file), use);
}

/** The same, of a configuration that is parsed already. */
export function clusterConfigOf(ini: Ini, use: 'node' | 'client' = 'node'): ClusterIni {
  const global = sectionOf(ini, 'global', 'a cluster is described by [global] and a section for each node');
  refuseTls(global, ['tls_ca_cert', 'tls_service']);
  const members = readNodes(ini, global, use);
  const names = members.map((node) => node.name);
  if (members.every((node) => node.learner)) {
    const why =
      'a learner has no vote, and no node of the cluster would have one; nobody could ever be master';
    throw sectionOf(ini, names[0] as string, 'a node').wrong('learner', why);
  }
  checkQuorum(global, members.filter((node) => !node.learner).length);
  const readOnly = global.bool('readonly', false);
  if (readOnly && members.length > 1) {
    throw global.wrong(
      'readonly',
      `allowed is true in a cluster of one node; this one has ${members.length}`,
    );
  }
  const sharedPlaces = global.list('shared_places');
  if (use === 'node') refuseOnePlace(ini, members, sharedPlaces);
  const nursery = readKeeper(ini);
  refuseSharedPlaces(ini, placesOf(members, nursery));
  return {
    file: ini.file,
    clusterId: readClusterId(global, 'what clients must say to be served'),
    nodes: members,
    leaseMs: milliseconds(global.number('lease_period', LEASE_S_LEAST, LEASE_S_MOST, LEASE_S_DEFAULT)),
    ...readMasters(global, names),
    readOnly,
    sharedPlaces,
    pool: readLabel(global, 'pool'),
    valueBytesMax: global.int('__tainted_max_value_size', 1, VALUE_MAX + 1, VALUE_MAX + 1) - 1,
    updateBytesMax: global.int('__tainted_max_buffer_size', 1024, UPDATE_MAX, UPDATE_MAX),
    segmentBytes: global.has('tlog_max_size')
      ? global.int('tlog_max_size', SEGMENT_BYTES_LEAST, 2 ** 40, null)
      : null,
    scrubStepMs: milliseconds(global.number('scrub_step', 0, SCRUB_S_MOST, SCRUB_STEP_S_DEFAULT)),
    scrubRestMs: milliseconds(global.number('scrub_rest', 0, SCRUB_S_MOST, SCRUB_REST_S_DEFAULT)),
    nursery,
    warnings: gatherWarnings(ini, names, nursery?.nodes.map((node) => node.name) ?? []),
  };
}

/** What clients of the cluster need. */
export function toClusterConfig(ini: ClusterIni): ClusterConfig {
  const nodes = ini.nodes.map(({ name, ips, clientPort }) => ({ name, ips: [...ips], port: clientPort }));
  return { cluster: ini.clusterId, nodes };
}

/** What clients of the keeper need; null outside a nursery. */
export function toKeeperConfig(ini: { readonly nursery: ClusterIni['nursery'] }): ClusterConfig | null {
  return ini.nursery === null ? null : { cluster: ini.nursery.clusterId, nodes: [...ini.nursery.nodes] };
}

/** The node called `name`. @throws FatalError CONFIG naming those that there are */
export function nodeOf(ini: ClusterIni, name: string): NodeIni {
  const node = ini.nodes.find((candidate) => candidate.name === name);
  if (node === undefined) {
    const names = ini.nodes.map((candidate) => candidate.name).join(', ');
    throw new FatalError('CONFIG', `${ini.file}: there is no node ${name}; the nodes are ${names}`);
  }
  return node;
}

function readNodes(ini: Ini, global: IniSection, use: 'node' | 'client'): NodeIni[] {
  const names = readNames(global, 'cluster', 'the names of the nodes, parted by commas');
  for (const name of names) {
    if (!ini.sections.has(name)) throw global.wrong('cluster', `${name} needs a section [${name}]`);
  }
  // Learners need not be listed. The keeper's are its own.
  const others = ['global', ...names, ...(ini.sections.get('nursery')?.list('cluster') ?? [])];
  for (const [name, section] of ini.sections) {
    if (others.includes(name) || !section.has('learner')) continue;
    if (section.bool('learner', false)) names.push(name);
  }
  return names.map((name) => readNode(sectionOf(ini, name, 'a node'), use));
}

/** Where the nodes listen, and the keeper's where they are others. */
function placesOf(members: readonly NodeIni[], nursery: ClusterIni['nursery']): Place[] {
  const own = new Set(members.map(({ name }) => name));
  const keepers = nursery?.nodes.filter(({ name }) => !own.has(name)) ?? [];
  return [
    ...members.flatMap(({ name, ips, clientPort, messagingPort }) => [
      { section: name, key: 'client_port', ips, port: clientPort },
      ...(messagingPort === null ? [] : [{ section: name, key: 'messaging_port', ips, port: messagingPort }]),
    ]),
    ...keepers.map(({ name, ips, port }) => ({ section: name, key: 'client_port', ips, port })),
  ];
}

/**
 * Members at one place fail together. Which places may hold several of them, people must say by name: whoever has forgotten
 * where a node is would believe otherwise.
 *
 * @throws FatalError CONFIG
 */
function refuseOnePlace(ini: Ini, nodes: readonly NodeIni[], allowed: readonly string[]): void {
  const members = nodes.filter(({ learner }) => !learner);
  for (const [at, node] of members.entries()) {
    for (const other of members.slice(0, at)) {
      const kind = sharedPlace(node.places, other.places);
      if (kind === null || allowed.includes(node.places[kind])) continue;
      const place = placeOf(kind, node.places);
      const why = `${other.name} is at ${place}, too, and both would fail with it: bring one of them elsewhere, or put ${node.places[kind]} into shared_places of [global]`;
      throw sectionOf(ini, node.name, 'a node').wrong(kind, why);
    }
  }
}

function readMasters(global: IniSection, names: readonly string[]) {
  const master = global.text('master');
  const preferred = global.list('preferred_masters');
  const isPreferred = global.bool('preferred_master', false);
  if (master !== null && preferred.length > 0) {
    throw global.wrong('preferred_masters', 'master and preferred_masters exclude each other; keep one');
  }
  if (master !== null && !names.includes(master)) {
    throw global.wrong('master', `allowed are the nodes ${names.join(', ')}`);
  }
  if (preferred.some((name) => !names.includes(name))) {
    throw global.wrong('preferred_masters', `allowed are the nodes ${names.join(', ')}`);
  }
  if (master === null) return { forcedMaster: null, preferredMasters: preferred };
  return isPreferred
    ? { forcedMaster: null, preferredMasters: [master] }
    : { forcedMaster: master, preferredMasters: [] };
}

/** Arakoon refuses a quorum that cannot be. */
function checkQuorum(global: IniSection, voters: number): void {
  const quorum = global.has('quorum') ? global.peek('quorum') : null;
  if (quorum === null) return;
  if (!/^\d+$/.test(quorum) || Number(quorum) < 1 || Number(quorum) > voters) {
    throw global.wrong('quorum', `allowed is a whole number from 1 to ${voters}`);
  }
}

function gatherWarnings(ini: Ini, nodes: readonly string[], keepers: readonly string[]): string[] {
  const referred = new Set<string>();
  for (const name of nodes) {
    for (const key of REFERENCES) {
      const section = ini.sections.get(name);
      if (section?.has(key)) referred.add(section.peek(key));
    }
  }
  const warnings: string[] = [];
  for (const [name, section] of ini.sections) {
    if (name === 'global') warnings.push(...section.leftOver(GLOBAL_KEYS_IGNORED));
    else if (name === 'nursery') warnings.push(...section.leftOver({}));
    else if (nodes.includes(name)) warnings.push(...section.leftOver(NODE_KEYS_IGNORED));
    else if (referred.has(name)) warnings.push(...section.leftOver(REFERENCE_KEYS));
    // A keeper's section is its own cluster's, copied: what it says beside its address is none of our business.
    else if (!keepers.includes(name)) {
      warnings.push(`${ini.file}:${section.line}: [${name}] is not a known section, and ignored`);
    }
  }
  return warnings;
}

function milliseconds(seconds: number): number {
  return Math.round(seconds * 1000);
}

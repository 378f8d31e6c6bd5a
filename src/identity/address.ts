/**
 * Addresses, whoever wrote them: a configuration, a person, the keeper, or a peer. One function says what can be dialled,
 * so that nothing else ever meets an address that cannot (docs/architecture.md, "Edges").
 */
import { isIPv4, isIPv6 } from 'node:net';
import { NurseryError } from '../base/errors.ts';
import type { ClusterConfig, NodeAddress } from './founding.ts';

/** A host that can be dialled; or null, and why not. */
export type ParsedHost =
  | { readonly host: string; readonly why: null }
  | { readonly host: null; readonly why: string };

/** What may stand where an address is wanted, for the errors. */
export const HOST_ALLOWED =
  'allowed is an IPv4 address, an IPv6 address ([…] around it or not, %zone behind it or not), or a host name';

/** Longest name of a node or router (bytes): names of files are made of it, and one has at most 255. */
const NAME_MAX_BYTES = 200;
/** Longest cluster id (bytes). */
const CLUSTER_ID_MAX_BYTES = 256;

/** Longest host name of the domain name system (characters). */
const HOST_NAME_MAX = 253;
const LABEL = /^(?!-)[A-Za-z0-9_-]{1,63}(?<!-)$/;
/** Where the last label is such a number, people mean an IPv4 address, and resolvers disagree about which. */
const NUMBER = /^(\d+|0[xX][0-9a-fA-F]*)$/;
/** Linux's names of interfaces, less what could not stand in a configuration; or their numbers. */
const ZONE = /^[A-Za-z0-9_.:@-]{1,15}$/;

/**
 * The host in `text`, as sockets take it: IPv4 as it stands, IPv6 without brackets, a name without the dot at its end. Names
 * are not resolved here: that is done at each dial.
 */
export function parseHost(text: string): ParsedHost {
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(text)) return wrong('a URL is no address');
  const bracketed = /^\[([^[\]]*)\]$/.exec(text);
  const bare = bracketed?.[1] ?? text;
  if (isIPv4(bare) && bracketed === null) {
    return isOfMany(bare) ? wrong('that is no address of one machine') : { host: bare, why: null };
  }
  const [ip = '', zone, ...rest] = bare.split('%');
  if (isIPv6(ip)) {
    if (rest.length > 0 || (zone !== undefined && !ZONE.test(zone))) return wrong('that is no zone');
    return isOfMany(ip) ? wrong('that is no address of one machine') : { host: bare, why: null };
  }
  if (/^(\[.*\]|[^:]*):\d+$/.test(text)) return wrong('an address stands without its port');
  const name = text.endsWith('.') ? text.slice(0, -1) : text;
  const labels = name.split('.');
  if (NUMBER.test(labels[labels.length - 1] as string)) return wrong('that is no IPv4 address');
  if (name.length > HOST_NAME_MAX || !labels.every((label) => LABEL.test(label))) {
    return wrong('that is no address and no host name');
  }
  return { host: name, why: null };
}

/** Whether an IP address is a multicast or broadcast one, or of those above them that nobody has. */
function isOfMany(ip: string): boolean {
  if (isIPv4(ip)) return Number(ip.split('.')[0]) >= 224;
  const canonical = canonicalIPv6(ip);
  const mapped = /^\[::ffff:([0-9a-f]+):[0-9a-f]+\]$/.exec(canonical);
  return canonical.startsWith('[ff') || Number.parseInt(mapped?.[1] ?? '0', 16) >= 0xe000;
}

/** In brackets, and the same for all ways to write it. */
function canonicalIPv6(ip: string): string {
  return new URL(`http://[${ip}]`).hostname;
}

/** Why a process cannot listen at all of `hosts` at one port; null where it may. An address that stands for all takes the port whole. */
export function whyNotTogether(hosts: readonly string[]): string | null {
  const all = hosts.find((host) => isForAll(host));
  if (all === undefined || hosts.length === 1) return null;
  // 0.0.0.0 is for IPv4 alone, and :: for both.
  const other = hosts.find((host) => host !== all && !(all === '0.0.0.0' && isIPv6(host) && !isForAll(host)));
  if (other === undefined) return null;
  return `${all} stands for every address of the machine, ${other} too; keep one of the two`;
}

function isForAll(host: string): boolean {
  const [ip = ''] = host.split('%');
  return host === '0.0.0.0' || (isIPv6(ip) && canonicalIPv6(ip) === '[::]');
}

/** Whether sockets take it: they throw at others. */
export function isPort(port: number): boolean {
  return Number.isInteger(port) && port >= 1 && port <= 65_535;
}

/**
 * The host to dial, checked with its port.
 *
 * @throws NurseryError UNREACHABLE naming both: what cannot be dialled is as far away as what does not answer
 */
export function dialableHost(host: string, port: number): string {
  const parsed = parseHost(host);
  if (parsed.host === null) throw new NurseryError('UNREACHABLE', `address ${quote(host)}: ${parsed.why}`);
  if (!isPort(port)) {
    throw new NurseryError('UNREACHABLE', `port ${port} of ${quote(host)}: allowed is 1 to 65535`);
  }
  return parsed.host;
}

/** `host:port`, with brackets around IPv6. */
export function printAddress(host: string, port: number): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

/**
 * Host and port of `host:port` or `[IPv6]:port`.
 *
 * @throws NurseryError BAD_INPUT naming it, and what is allowed
 */
export function parseAddress(text: string): { readonly host: string; readonly port: number } {
  const parts = /^(\[[^[\]]*\]|[^:]*):(\d{1,5})$/.exec(text);
  const port = Number(parts?.[2]);
  if (parts === null || !isPort(port)) {
    throw new NurseryError('BAD_INPUT', `address ${quote(text)}: host:port or [IPv6]:port is wanted`);
  }
  const parsed = parseHost(parts[1] as string);
  if (parsed.host === null) throw new NurseryError('BAD_INPUT', `address ${quote(text)}: ${parsed.why}`);
  return { host: parsed.host, port };
}

/** The same for two ways to write one address, so that they can be compared. */
export function addressKey(host: string, port: number): string {
  const [ip = '', zone] = host.split('%');
  const same = isIPv6(ip) ? `${canonicalIPv6(ip)}%${zone ?? ''}` : host.toLowerCase();
  return `${same} ${port}`;
}

/** Why `name` cannot be a node's or a router's; null where it can. Files are named after them. */
export function whyNoName(name: string): string | null {
  const bytes = Buffer.byteLength(name);
  if (bytes === 0 || bytes > NAME_MAX_BYTES) return `a name has 1 to ${NAME_MAX_BYTES} bytes`;
  if (name !== '.' && name !== '..' && !/[/\\\p{Cc}]/u.test(name)) return null;
  return 'a name is no path: allowed is text without slashes and control characters';
}

/** Why `id` cannot be a cluster's; null where it can. */
export function whyNoClusterId(id: string): string | null {
  const bytes = Buffer.byteLength(id);
  if (bytes === 0 || bytes > CLUSTER_ID_MAX_BYTES)
    return `a cluster id has 1 to ${CLUSTER_ID_MAX_BYTES} bytes`;
  return /\p{Cc}/u.test(id) ? 'a cluster id has no control characters' : null;
}

/** Why nobody could reach a cluster with this configuration; null where it can be dialled. */
export function whyUndiallable({ cluster, nodes }: ClusterConfig): string | null {
  const badId = whyNoClusterId(cluster);
  if (badId !== null) return `cluster id ${quote(cluster)}: ${badId}`;
  if (nodes.length === 0) return `cluster ${cluster} has no nodes`;
  const names = new Set<string>();
  const places = new Map<string, string>();
  for (const node of nodes) {
    const why = whyUndiallableNode(node, places);
    if (why !== null) return `node ${quote(node.name)} of cluster ${cluster}: ${why}`;
    if (names.has(node.name)) return `node ${node.name} of cluster ${cluster} is named twice`;
    names.add(node.name);
  }
  return null;
}

/** @param places by `addressKey`, who is there; gets this node's */
function whyUndiallableNode({ name, ips, port }: NodeAddress, places: Map<string, string>): string | null {
  const badName = whyNoName(name);
  if (badName !== null) return badName;
  if (!isPort(port)) return `port ${port}: allowed is 1 to 65535`;
  if (ips.length === 0) return 'it has no address';
  for (const ip of ips) {
    const { host, why } = parseHost(ip);
    if (host === null) return `address ${quote(ip)}: ${why}`;
    const key = addressKey(host, port);
    const other = places.get(key);
    if (other !== undefined) return `${printAddress(host, port)} is the address of ${other} already`;
    places.set(key, name);
  }
  return null;
}

function wrong(what: string): ParsedHost {
  return { host: null, why: `${what}; ${HOST_ALLOWED}` };
}

/** As JSON does it, and not without end: what others sent may hold anything. */
function quote(text: string): string {
  return JSON.stringify(text.length > 100 ? `${text.slice(0, 100)}…` : text);
}

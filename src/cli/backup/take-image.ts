/** Takes the image of a cluster: what it owned at one slot, from one node, while clients go on (docs/architecture.md, "Backups"). */
import { type Key, keyToBytes } from '../../base/bytes.ts';
import { NurseryError } from '../../base/errors.ts';
import type { ClusterClient } from '../../client/cluster-client.ts';
import { printRange } from '../../keyspace/range.ts';
import type { AdminAnswer, AdminQuery, NodeStatus } from '../../protocol/admin/admin.ts';
import { type Entry, ExportWriter, type Image } from '../export/lines.ts';
import { functionsOf, WITH_OWN } from '../functions-of.ts';
import { notice } from '../report.ts';

/** Bytes of keys and values that are asked for at a time. */
const PAGE_BYTES = 1024 * 1024;
/** How long a node is waited for that lags behind, or whose range is sealed (ms). */
const OPEN_MS = 30_000;
/** How long one node may take to pin an image (ms). */
const OPEN_ONE_MS = 2000;
/** Longest pause without a page (ms): a node lets an image go after 30 s. */
const REST_MS = 10_000;
/** Pause between two tries (ms). */
const PAUSE_MS = 200;
/** How long one node may take to say how it is (ms). */
const STATUS_MS = 1500;
/** Images that are begun before it is given up: a node that goes takes its image along. */
const TRIES = 3;

/** Whom to ask, and how. */
export type TakeOptions = {
  readonly client: ClusterClient;
  /** Names of the cluster's nodes. */
  readonly nodes: readonly string[];
  /** This node alone, whether or not there is a master; null: the best. */
  readonly only: string | null;
  /** Bytes of keys and values per second at most; null: as fast as it goes. */
  readonly rate: number | null;
};

/** What became of it. */
export type Taken = {
  readonly image: Image;
  readonly entries: number;
  readonly sha256: string;
};

/**
 * Where the text of an image goes. `begin` throws away what was written before: an image is begun anew where its node goes, `why`
 * the last one was not whole.
 */
export type TextSink = { begin(why: string | null): Promise<void>; write(text: string): Promise<void> };

/**
 * Takes an image that holds whatever was acknowledged before; of a node by name, whatever that node has.
 *
 * @throws NurseryError as `ClusterClient.query`; UNREACHABLE where no node gives out a whole image, with what each said
 */
export async function takeImage(options: TakeOptions, sink: TextSink): Promise<Taken> {
  const { client, only } = options;
  const minSlot = only === null ? await chosenSlot(client) : 0;
  const whys: string[] = [];
  for (let tries = 0; tries < TRIES; tries += 1) {
    const nodes = only === null ? await inOrder(options) : [await askStatus(client, only)];
    const opened = await openImage(client, nodes, { minSlot, withSealed: only !== null });
    if (opened.image.owned.length === 0) throw ownsNothing(opened.image);
    if (only !== null) for (const node of nodes) warn(node, opened.image);
    await sink.begin(whys.at(-1) ?? null);
    try {
      return await copy(options, opened, sink);
    } catch (error) {
      if (!(error instanceof NurseryError)) throw error;
      whys.push(`${opened.node}: ${error.message}`);
    }
  }
  throw new NurseryError('UNREACHABLE', `cluster ${client.cluster}: no whole image came: ${whys.join('; ')}`);
}

/** A slot at or above every one that was acknowledged when this was asked. */
async function chosenSlot(client: ClusterClient): Promise<number> {
  const answer = await client
    .query({ kind: 'rangeStatus', mid: 0, lo: '', hi: null })
    .catch((error: unknown) => {
      const { code, message } = passing(error);
      throw new NurseryError(code, `${message}; --node NAME takes what one node has`, { cause: error });
    });
  if (answer.kind !== 'rangeStatus') throw unexpected(client, 'rangeStatus', answer);
  return answer.slot;
}

type Node = { readonly name: string; readonly status: NodeStatus };

/** Those that answer, followers first: the master has enough to do. */
async function inOrder({ client, nodes }: TakeOptions): Promise<Node[]> {
  const asked = await Promise.allSettled(nodes.map((name) => askStatus(client, name)));
  const there = asked.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
  if (there.length === 0) throw new NurseryError('UNREACHABLE', `cluster ${client.cluster}: no node answers`);
  return there.sort((a, b) => rank(a) - rank(b));
}

function rank({ status }: Node): number {
  return status.role === 'master' ? 1 : 0;
}

async function askStatus(client: ClusterClient, name: string): Promise<Node> {
  const answer = await client.query({ kind: 'nodeStatus' }, { to: name, deadlineMs: STATUS_MS });
  if (answer.kind !== 'nodeStatus') throw unexpected(client, 'nodeStatus', answer);
  return { name, status: answer };
}

type Opened = {
  readonly node: string;
  readonly number: number;
  readonly image: Image;
};

/** Pins an image at the first node that is far enough, and has no range sealed. */
async function openImage(
  client: ClusterClient,
  nodes: readonly Node[],
  wanted: { readonly minSlot: number; readonly withSealed: boolean },
): Promise<Opened> {
  const untilMs = performance.now() + OPEN_MS;
  for (;;) {
    const whys: string[] = [];
    for (const { name, status } of nodes) {
      const taken = new Date().toISOString();
      const answer = await ask(client, name, { kind: 'openImage', ...wanted }).catch(passing);
      if (answer instanceof NurseryError) {
        whys.push(`${name}: ${answer.message}`);
      } else if (answer.kind === 'busy') {
        whys.push(`${name}: ${answer.why}`);
      } else if (answer.kind === 'image') {
        const { cluster } = client;
        const { founding, keeper } = status;
        const owned = answer.owned.map(({ lo, hi, epoch, sealedBy }) => ({
          ...{ lo, hi, epoch },
          ...(sealedBy === null ? {} : { sealedBy }),
        }));
        const image = { cluster, founding, keeper, node: name, slot: answer.slot, taken, owned };
        // They change rarely, and are not a part of the pinned image.
        const { version, functions } = await functionsOf(client, name, WITH_OWN);
        const more = functions.length === 0 ? {} : { functionsVersion: version, functions };
        return { node: name, number: answer.image, image: { ...image, ...more } };
      } else throw unexpected(client, 'openImage', answer);
    }
    if (performance.now() > untilMs) {
      throw new NurseryError(
        'UNREACHABLE',
        `cluster ${client.cluster}: no node has given out an image within ${OPEN_MS / 1000} s: ${whys.join('; ')}`,
      );
    }
    await pause(PAUSE_MS);
  }
}

async function copy(
  { client, rate }: TakeOptions,
  { node, number, image }: Opened,
  sink: TextSink,
): Promise<Taken> {
  const lines = new ExportWriter();
  await sink.write(lines.begin({ kind: 'image', image }));
  const beganMs = performance.now();
  let bytes = 0;
  const bytesMax = Math.ceil(Math.min(PAGE_BYTES, rate ?? PAGE_BYTES));
  for (const range of image.owned) {
    for (let from = range.lo, isLast = false; !isLast; ) {
      const answer = await ask(client, node, { kind: 'imagePage', image: number, from, bytesMax });
      if (answer.kind !== 'rows' || answer.asOf !== image.slot) throw unexpected(client, 'imagePage', answer);
      await sink.write(lines.more(answer.rows.map(({ key, value }) => entryOf(key, value))));
      bytes += answer.rows.reduce((sum, { key, value }) => sum + key.length + (value?.length ?? 0), 0);
      const { to } = answer;
      isLast = to === range.hi;
      if (to !== null && !isLast && to <= from) throw unexpected(client, 'imagePage', answer);
      if (to !== null) from = to;
      if (rate === null) continue;
      const query: AdminQuery = { kind: 'imagePage', image: number, from, bytesMax: 1 };
      await rest((bytes / rate) * 1000 - (performance.now() - beganMs), () => ask(client, node, query));
    }
  }
  await ask(client, node, { kind: 'closeImage', image: number });
  const end = lines.end();
  await sink.write(end);
  const { sha256 } = JSON.parse(end) as { readonly sha256: string };
  return { image, entries: lines.entries, sha256 };
}

async function ask(client: ClusterClient, node: string, query: AdminQuery): Promise<AdminAnswer> {
  return await client.query(query, {
    to: node,
    ...(query.kind === 'openImage' ? { deadlineMs: OPEN_ONE_MS } : {}),
  });
}

function entryOf(key: Key, value: Uint8Array | null): Entry {
  if (value === null) throw new NurseryError('MALFORMED', 'a row of an image has no value');
  return { key: keyToBytes(key), value: Buffer.from(value.buffer, value.byteOffset, value.length) };
}

/** What another node, or the same one later, may do better. */
function passing(error: unknown): NurseryError {
  if (error instanceof NurseryError) return error;
  throw error;
}

/** Pauses for so long, however long that is, and has the image kept meanwhile. */
async function rest(ms: number, keep: () => Promise<unknown>): Promise<void> {
  for (let leftMs = ms; leftMs > 0; leftMs -= REST_MS) {
    await pause(Math.min(leftMs, REST_MS));
    if (leftMs > REST_MS) await keep();
  }
}

/** An image of nothing would look like a backup of everything. */
function ownsNothing({ cluster, node, slot }: Image): NurseryError {
  return new NurseryError(
    'REFUSED',
    `${node} of ${cluster} owns nothing at slot ${slot}, so there is nothing to back up; what a keeper records is in no backup`,
  );
}

/** Of a node that is asked alone, whatever it has: what it may lack. */
function warn({ name, status }: Node, { slot, owned }: Image): void {
  const lacks = status.chosen > slot ? `, of ${status.chosen} that it knows to be chosen` : '';
  const waits = status.waitsFor === null ? '' : `; ${status.waitsFor}`;
  notice(
    `${name} is asked alone: what others have acknowledged since its slot ${slot}${lacks} is missing${waits}`,
  );
  for (const range of owned.filter(({ sealedBy }) => sealedBy !== undefined)) {
    notice(`${printRange(range)} is sealed by migration ${range.sealedBy}: its target may have newer rows`);
  }
}

async function pause(ms: number): Promise<void> {
  if (ms > 0) await new Promise((resolve) => setTimeout(resolve, ms));
}

function unexpected({ cluster }: ClusterClient, asked: string, { kind }: AdminAnswer): NurseryError {
  return new NurseryError('MALFORMED', `cluster ${cluster} answered ${kind} to ${asked}`);
}

/** Writes the arguments of requests. */
import { invariant } from '../../base/assert.ts';
import type { Key } from '../../base/bytes.ts';
import type { Writer } from '../../wire/codec.ts';
import { adminCommandCodec, adminQueryCodec, clusterConfigCodec } from '../admin/admin.ts';
import { REQUEST_SHAPES, type Request } from './request-kinds.ts';
import type { Consistency, Interval, RangeQuery } from './values.ts';

/** Writes the arguments of `request`. */
export function writeRequest(writer: Writer, request: Request): void {
  switch (request.kind) {
    case 'ping':
      writeText(writer, request.client);
      writeText(writer, request.cluster);
      return;
    case 'exists':
    case 'get':
    case 'assertExists':
      writeConsistency(writer, request.consistency);
      writer.key(request.key);
      return;
    case 'set':
    case 'confirm':
      writer.key(request.key);
      writer.bytes(request.value);
      return;
    case 'delete':
      writer.key(request.key);
      return;
    case 'range':
    case 'rangeEntries':
    case 'revRangeEntries':
      writeBounds(writer, request);
      return;
    case 'prefixKeys':
      writeConsistency(writer, request.consistency);
      writer.key(request.prefix);
      writer.i32(request.max);
      return;
    case 'testAndSet':
      writer.key(request.key);
      writeOption(writer, request.expected);
      writeOption(writer, request.wanted);
      return;
    case 'sequence':
    case 'syncedSequence':
      writer.bytes(request.update);
      return;
    case 'multiGet':
    case 'multiGetOption':
      writeConsistency(writer, request.consistency);
      writer.u32(request.keys.length);
      for (const key of request.keys) writer.key(key);
      return;
    case 'collapse':
    case 'copyDbToHead':
      writer.u32(request.keep);
      return;
    case 'userFunction':
      writer.key(request.name);
      writeOption(writer, request.argument);
      return;
    case 'assert':
      writeConsistency(writer, request.consistency);
      writer.key(request.key);
      writeOption(writer, request.expected);
      return;
    case 'deletePrefix':
      writer.key(request.prefix);
      return;
    case 'replace':
      writer.key(request.key);
      writeOption(writer, request.wanted);
      return;
    case 'userHook':
      writeConsistency(writer, request.consistency);
      writer.key(request.name);
      return;
    default:
      writeRare(writer, request);
  }
}

/** Requests of administration, and those without arguments. */
function writeRare(writer: Writer, request: Request): void {
  switch (request.kind) {
    case 'getFringe':
      writeBound(writer, request.boundary);
      writer.u32(request.direction);
      return;
    case 'setInterval':
      writeInterval(writer, request.interval);
      return;
    case 'setRouting':
      writer.bytes(request.routing);
      return;
    case 'setRoutingDelta':
      writer.key(request.left);
      writer.key(request.separator);
      writer.key(request.right);
      return;
    case 'migrateRange':
      writeInterval(writer, request.interval);
      writer.bytes(request.update);
      return;
    case 'setNurseryConfig':
      clusterConfigCodec.write(writer, { cluster: request.cluster, nodes: [...request.nodes] });
      return;
    case 'adminCommand':
      adminCommandCodec.write(writer, request.command);
      return;
    case 'run':
      writer.u32(request.requests.length);
      for (const inner of request.requests) writer.bytes(inner);
      return;
    case 'adminQuery':
      adminQueryCodec.write(writer, request.query);
      return;
    default:
      invariant(isBare(request.kind), 'the arguments of a request are written', () => ({
        kind: request.kind,
      }));
  }
}

function isBare(kind: Request['kind']): boolean {
  return REQUEST_SHAPES[kind as keyof typeof REQUEST_SHAPES]?.length === 0;
}

function writeText(writer: Writer, text: string): void {
  writer.bytes(Buffer.from(text, 'utf8'));
}

function writeOption(writer: Writer, value: Uint8Array | null): void {
  writer.u8(value === null ? 0 : 1);
  if (value !== null) writer.bytes(value);
}

function writeBound(writer: Writer, bound: Key | null): void {
  writer.u8(bound === null ? 0 : 1);
  if (bound !== null) writer.key(bound);
}

function writeConsistency(writer: Writer, consistency: Consistency): void {
  if (consistency.kind === 'consistent') writer.u8(0);
  else if (consistency.kind === 'noGuarantees') writer.u8(1);
  else {
    const { slot } = consistency;
    const isGreatest = slot >= 2 ** 63; // what the greatest int64 is rounded to
    writer.u8(2);
    writer.u32(isGreatest ? 0xffff_ffff : slot);
    writer.i32(isGreatest ? 0x7fff_ffff : Math.floor(slot / 0x1_0000_0000));
  }
}

function writeBounds(writer: Writer, query: RangeQuery): void {
  writeConsistency(writer, query.consistency);
  writeBound(writer, query.first);
  writer.u8(query.firstIncluded ? 1 : 0);
  writeBound(writer, query.last);
  writer.u8(query.lastIncluded ? 1 : 0);
  writer.i32(query.max);
}

function writeInterval(writer: Writer, interval: Interval): void {
  writeBound(writer, interval.publicBegin);
  writeBound(writer, interval.publicEnd);
  writeBound(writer, interval.privateBegin);
  writeBound(writer, interval.privateEnd);
}

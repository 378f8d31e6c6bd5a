/**
 * The range map as Arakoon's clients know it: a binary tree of separators.
 *
 *     routing := bool 1, string cluster                     a leaf
 *              | bool 0, string separator, routing, routing a branch; keys at or above the separator go right
 */
import { invariant } from '../../base/assert.ts';
import type { Key } from '../../base/bytes.ts';
import { malformed, type Reader, type Writer } from '../../wire/codec.ts';

/** The cluster that owns the keys from `lo` up to the next part's `lo`; the first begins at the empty key, the last is unbounded. */
export type RoutingPart = { readonly lo: Key; readonly owner: string };

/** How deep a received tree may be. Ours are balanced; Arakoon's may be chains. */
export const ROUTING_DEPTH_MAX = 1000;

/** Writes the parts, at least one, as a balanced tree. Entries of a `RangeMap` are parts. */
export function writeRouting(writer: Writer, parts: readonly RoutingPart[]): void {
  invariant(parts.length > 0, 'a routing has a leaf', () => ({ parts: parts.length }));
  writeTree(writer, parts, 0, parts.length);
}

/**
 * The parts of a routing tree, in order. Neighbours with the same owner are not merged.
 *
 * @throws NurseryError MALFORMED where the tree is cut, or too deep
 */
export function readRouting(reader: Reader): RoutingPart[] {
  const parts: RoutingPart[] = [];
  readTree(reader, '', 1, parts);
  return parts;
}

function writeTree(writer: Writer, parts: readonly RoutingPart[], from: number, to: number): void {
  if (to - from === 1) {
    writer.u8(1);
    writer.bytes(Buffer.from((parts[from] as RoutingPart).owner, 'utf8'));
    return;
  }
  const middle = (from + to + 1) >>> 1;
  writer.u8(0);
  writer.key((parts[middle] as RoutingPart).lo);
  writeTree(writer, parts, from, middle);
  writeTree(writer, parts, middle, to);
}

function readTree(reader: Reader, lo: Key, depth: number, parts: RoutingPart[]): void {
  if (depth > ROUTING_DEPTH_MAX) throw malformed(`routing is more than ${ROUTING_DEPTH_MAX} deep`);
  if (reader.bool()) {
    parts.push({ lo, owner: reader.bytes().toString('utf8') });
    return;
  }
  const separator = reader.key();
  readTree(reader, lo, depth + 1, parts);
  readTree(reader, separator, depth + 1, parts);
}

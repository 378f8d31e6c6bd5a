/** Requests of etcd: gRPC, whose messages are protocol buffers (https://etcd.io/docs/v3.4/learning/api/). */
import { NurseryError } from '../../../base/errors.ts';
import type { Dialect } from '../operations.ts';

/** Before each message: whether it is compressed, and its length (https://grpc.io, "PROTOCOL-HTTP2"). */
const PREFIX_BYTES = 5;
/** Fields of PutRequest, RangeRequest and DeleteRangeRequest, both of them bytes (etcd, `rpc.proto`). */
const KEY_FIELD = 0x0a;
const VALUE_FIELD = 0x12;

/** The methods of etcd's service `KV`; a request's code is the index of its own. */
export const ETCD_METHODS = ['Put', 'Range', 'DeleteRange'] as const;

export const etcdDialect: Dialect = (name, key, { valueBytes }) => {
  const code = { set: 0, fill: 0, get: 1, delete: 2 }[name as string];
  if (code === undefined) throw new NurseryError('REFUSED', `${name} cannot be compared with etcd`);
  const value = code === 0 ? field(VALUE_FIELD, Buffer.alloc(valueBytes, 'v')) : Buffer.alloc(0);
  const message = Buffer.concat([field(KEY_FIELD, Buffer.from(key)), value]);
  const prefix = Buffer.alloc(PREFIX_BYTES);
  prefix.writeUInt32BE(message.length, 1);
  return { frame: Buffer.concat([prefix, message]), code };
};

/** A field of bytes as protocol buffers have it: tag, length, bytes. */
function field(tag: number, bytes: Buffer): Buffer {
  const head = [tag];
  let left = bytes.length;
  for (; left > 0x7f; left >>>= 7) head.push((left & 0x7f) | 0x80);
  return Buffer.concat([Buffer.from([...head, left]), bytes]);
}

/** Fast hashes of rows: equal for equal bytes, and different for different ones as good as always. */

/** Values longer than that are hashed once (bytes): the same bytes lie in every image of every replica. */
const ONCE_FROM = 1024;
const known = new WeakMap<Uint8Array, number>();

/** One row, as 48 bits or so: two hashes of different seeds in one number. Of a large value its hash counts. */
export function rowHash(key: string, value: Uint8Array): number {
  if (value.length < ONCE_FROM) return hashOf(key, value);
  let hash = known.get(value);
  if (hash === undefined) {
    hash = hashOf('', value);
    known.set(value, hash);
  }
  return hashOf(key, Buffer.from(`large, ${hash}`));
}

function hashOf(key: string, value: Uint8Array): number {
  let a = 0x811c9dc5;
  let b = 0x9747b28c;
  for (let at = 0; at < key.length; at += 1) {
    const unit = key.charCodeAt(at);
    a = Math.imul(a ^ unit, 0x01000193);
    b = Math.imul(b ^ unit, 0x5bd1e995);
  }
  a = Math.imul(a ^ 0x100, 0x01000193);
  for (let at = 0; at < value.length; at += 1) {
    const unit = value[at] as number;
    a = Math.imul(a ^ unit, 0x01000193);
    b = Math.imul(b ^ unit, 0x5bd1e995);
  }
  return (a >>> 0) * 0x10000 + ((b ^ (b >>> 15)) & 0xffff);
}

/** A running hash of numbers. */
export function mix(hash: number, value: number): number {
  const low = value >>> 0;
  const high = Math.floor(value / 0x1_0000_0000) >>> 0;
  return (Math.imul(Math.imul(hash ^ low, 0x01000193) ^ high, 0x85ebca6b) ^ (hash >>> 13)) >>> 0;
}

/** Adds to, or takes from, a hash of a set. Wraps below 2^50. */
export function addHash(sum: number, hash: number): number {
  return (sum + hash) % SET_MODULUS;
}

export function takeHash(sum: number, hash: number): number {
  return (sum - hash + SET_MODULUS) % SET_MODULUS;
}

const SET_MODULUS = 2 ** 50;

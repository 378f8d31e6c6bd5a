/**
 * Says of most keys that a run does not have them, without looking: a Bloom filter (Bloom 1970), whose probes follow
 * from two hashes (Kirsch and Mitzenmacher 2006). Of keys that are not there it lets about one in a hundred pass.
 */
import type { StoreKey } from './types.ts';

const BITS_PER_KEY = 11;
const PROBES = 5;

/** 32 bits of a key, the same in every process: FNV-1a, mixed once more. */
export function hashKey(key: StoreKey): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < key.length; at += 1) hash = Math.imul(hash ^ key.charCodeAt(at), 0x01000193);
  return mixed(hash);
}

/** Of a set of keys that does not change. */
export class Filter {
  /** What is stored of it. */
  readonly bytes: Uint8Array;
  readonly #bits: number;

  /** @param bytes as `bytes` of an earlier one */
  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
    this.#bits = bytes.length * 8;
  }

  /** Of the keys with these hashes. */
  static of(hashes: readonly number[]): Filter {
    const filter = new Filter(new Uint8Array(Math.ceil((hashes.length * BITS_PER_KEY) / 8) + 1));
    for (const hash of hashes) {
      for (let probe = 0; probe < PROBES; probe += 1) {
        const bit = filter.#bit(hash, probe);
        filter.bytes[bit >>> 3] = (filter.bytes[bit >>> 3] as number) | (1 << (bit & 7));
      }
    }
    return filter;
  }

  /** False where no key with this hash is in the set. */
  mayHave(hash: number): boolean {
    for (let probe = 0; probe < PROBES; probe += 1) {
      const bit = this.#bit(hash, probe);
      if (((this.bytes[bit >>> 3] as number) & (1 << (bit & 7))) === 0) return false;
    }
    return true;
  }

  #bit(hash: number, probe: number): number {
    return ((hash + Math.imul(probe, mixed(hash) | 1)) >>> 0) % this.#bits;
  }
}

/** The last steps of MurmurHash3: each bit of the result depends on all of `hash`. */
function mixed(hash: number): number {
  let mix = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  mix = Math.imul(mix ^ (mix >>> 13), 0xc2b2ae35);
  return mix ^ (mix >>> 16);
}

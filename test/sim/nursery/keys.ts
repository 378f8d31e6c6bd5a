/** The keys that simulated clients use: separators, their neighbours, the least and the greatest. */

/** Keys of a history, and how clients ask for several of them at once. Nothing else lies within what they ask for. */
export type Keyspace = {
  /** In the order of keys. */
  readonly keys: readonly string[];
  /** Prefixes whose keys are deleted together. */
  readonly prefixes: readonly string[];
  /** Prefixes whose keys are listed. */
  readonly listed: readonly string[];
  /** Where lists of keys may begin and end; null is open. */
  readonly bounds: readonly (string | null)[];
};

/** In the order of keys. */
export const KEYS: readonly string[] = [
  '',
  '\0',
  '\0\0',
  'a',
  'b\xff',
  'c',
  'f',
  'f\0',
  'g',
  'h',
  'h\0',
  'h\0\0',
  'h\x01',
  'hh',
  'k',
  'm',
  'm\xff',
  'p',
  'p\0',
  't\xff\xff',
  'u',
  'w',
  '\xff',
  '\xff\xff',
];
/** Where ranges may be cut. */
export const SEPARATORS: readonly string[] = ['\0', 'f', 'h', 'h\0', 'k', 'p', 'u', '\xff'];
export const PREFIXES: readonly string[] = ['h', 'f', 'm', 'p', 'h\0', '\xff', 'zz'];

/** All of that, for operations. */
export const KEYSPACE: Keyspace = {
  keys: KEYS,
  prefixes: PREFIXES,
  listed: [...PREFIXES, ''],
  bounds: [...SEPARATORS, ...KEYS, null],
};

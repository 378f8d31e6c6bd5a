/** Rows for functions of tests: a map, and keys that begin with `outside` are another's. */
import { CallRefused, type FunctionRows, type KeyQuery } from '../../../node/machine/function-call.ts';

export function rowsInMemory(map: Map<string, Uint8Array>): FunctionRows {
  const checked = (key: string): string => {
    if (key.startsWith('outside')) throw new CallRefused(`key ${key} belongs to another`);
    return key;
  };
  const list = (isWanted: (key: string) => boolean, max: number) => {
    const keys = [...map.keys()].filter(isWanted).sort();
    return { keys: max < 0 ? keys : keys.slice(0, max), visited: keys.length };
  };
  return {
    get: (key) => map.get(checked(key)),
    set: (key, value) => {
      map.set(checked(key), value);
    },
    delete: (key) => map.delete(checked(key)),
    keys: (query, max) => list((key) => isIn(query, key), max),
    prefix: (prefix, max) => list((key) => key.startsWith(prefix), max),
  };
}

function isIn({ first, firstIncluded, last, lastIncluded }: KeyQuery, key: string): boolean {
  if (first !== null && (key < first || (key === first && !firstIncluded))) return false;
  return last === null || key < last || (key === last && lastIncluded);
}

/** Keys of a chaos run: a generation of hard ones at a time, so that histories stay short, between rows that never change. */
import { prefixEnd } from '../../../src/base/bytes.ts';
import { KEYS, type Keyspace, PREFIXES, SEPARATORS } from '../../sim/nursery/keys.ts';

/** Generations that there may be; the numbers have two digits. */
export const GENERATIONS_MAX = 100;
/** Rows that never change, behind the keys of each generation, and their value: what a move has to copy. */
const STILL_ROWS = 30;
export const STILL_VALUE = 'still '.repeat(50);

/** Keys of a generation: those of the simulation behind a prefix, which nothing else has. */
export function spaceOf(generation: number): Keyspace {
  const prefix = prefixOf(generation);
  const behind = (key: string): string => prefix + key;
  return {
    keys: KEYS.map(behind),
    prefixes: PREFIXES.map(behind),
    listed: [...PREFIXES.map(behind), prefix],
    bounds: [...[...SEPARATORS, ...KEYS].map(behind), prefixEnd(prefix)],
  };
}

/** Where moves may cut a generation; the last one lies between its keys and the rows that never change. */
export function separatorsOf(generation: number): string[] {
  const prefix = prefixOf(generation);
  return [...SEPARATORS.map((key) => prefix + key), `${prefix.slice(0, -1)};`];
}

/** Keys of rows that are written once, before anything fails. */
export function stillKeys(generations: number): string[] {
  return Array.from({ length: generations * STILL_ROWS }, (_, n) => {
    const prefix = prefixOf(Math.floor(n / STILL_ROWS)).slice(0, -1);
    return `${prefix};still/${String(n % STILL_ROWS).padStart(3, '0')}`;
  });
}

/** ':' comes just before ';'. */
function prefixOf(generation: number): string {
  return `g${String(generation).padStart(2, '0')}:`;
}

/** What stands in a store, as people and scripts read it. */
import { TABLES } from '../../../node/store/types.ts';
import { keyToBytes, printKey } from '../../base/bytes.ts';
import { jsonForm, jsonKey } from '../forms.ts';

const NAMES = new Map<string, string>(
  Object.entries(TABLES).map(([name, prefix]) => [prefix, name.toLowerCase()]),
);

/** What tables are called. */
export const TABLE_NAMES: readonly string[] = [...NAMES.values()];

/** The table that a row of the store is in, by name. */
export function tableOf(key: string): string {
  return NAMES.get(key.charAt(0)) ?? '?';
}

/** A row as an object; of its value the length alone, unless `withValues`. */
export function plainRow(key: string, value: Uint8Array, withValues: boolean): object {
  const shown = withValues ? { value: jsonForm(value) } : { valueBytes: value.length };
  return { table: tableOf(key), key: jsonKey(key.slice(1)), ...shown };
}

/** The same in one line. */
export function sayRow(key: string, value: Uint8Array, withValues: boolean): string {
  const what = withValues ? printKey(Buffer.from(value).toString('latin1')) : `${value.length} bytes`;
  return `${tableOf(key)}\t${printKey(key.slice(1))}\t${what}`;
}

/** How many bytes a row has. */
export function rowBytes(key: string, value: Uint8Array): number {
  return keyToBytes(key).length + value.length;
}

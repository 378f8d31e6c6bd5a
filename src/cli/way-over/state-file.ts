/** How far an import from Arakoon is, in a file: what was begun goes on, whoever types it again. */
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { NurseryError } from '../../base/errors.ts';
import { unreadableWhy, unusable } from '../../process/permissions.ts';

/** What is remembered. */
export type ImportState = {
  /** Of this layout. */
  readonly version: 1;
  /** Cluster ids of where the rows come from, and of what the configuration names. */
  readonly from: string;
  readonly into: string;
  /** The pass that is under way, from 1. */
  readonly pass: number;
  /** Of it, everything up to this key is done (hexadecimal); null: nothing yet. */
  readonly upTo: string | null;
  /** Keys that it has looked at, and that it has changed. */
  readonly keys: number;
  readonly changed: number;
  /** The comparison found no difference: clients may have gone over since. */
  readonly isDone: boolean;
};

/** The state in the file, null where there is none. @throws NurseryError BAD_INPUT where it is of another import, or damaged */
export function readState(path: string, from: string, into: string): ImportState | null {
  if (!existsSync(path)) return null;
  let state: ImportState;
  try {
    state = JSON.parse(readFileSync(path, 'utf8')) as ImportState;
  } catch (error) {
    throw new NurseryError('BAD_INPUT', `${path}: ${unreadableWhy(path, error)}`, { cause: error });
  }
  if (state.version !== 1 || typeof state.pass !== 'number')
    throw new NurseryError(
      'BAD_INPUT',
      `${path} holds no state of an import; name another file with --state`,
    );
  if (state.from !== from || state.into !== into) {
    throw new NurseryError(
      'BAD_INPUT',
      `${path} is of an import from ${state.from} into ${state.into}; name another file with --state`,
    );
  }
  return state;
}

/** Replaces the file as a whole. @throws FatalError HOME_UNUSABLE */
export function writeState(path: string, state: ImportState): void {
  try {
    writeFileSync(`${path}.new`, `${JSON.stringify(state)}\n`);
    renameSync(`${path}.new`, path);
  } catch (error) {
    throw unusable('file', path, error);
  }
}

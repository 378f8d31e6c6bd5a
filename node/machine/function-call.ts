/**
 * What the machine asks of whoever runs functions of users, and what it offers them. The machine itself knows no language:
 * it is given a `FunctionRunner`, which must be a pure function of what it is given here.
 */
import type { Key } from '../../src/base/bytes.ts';

/** A function as it is stored. Another object where it was changed. */
export type StoredFunction = {
  /** The text of an ES module (UTF-8). */
  readonly source: Uint8Array;
};

/** The keys of a range, as Arakoon's clients name them; null: no bound. */
export type KeyQuery = {
  readonly first: Key | null;
  readonly firstIncluded: boolean;
  readonly last: Key | null;
  readonly lastIncluded: boolean;
};

/** Rows, as a function sees them. Each throws `CallRefused` where the call must end, whatever the function makes of it. */
export type FunctionRows = {
  get(key: Key): Uint8Array | undefined;
  set(key: Key, value: Uint8Array): void;
  /** False where there is nothing to delete. */
  delete(key: Key): boolean;
  /** Up to `max` keys, ascending, of `rowsMax` rows that are looked at; `visited`: how many were, also ones that are gone. */
  keys(query: KeyQuery, max: number, rowsMax: number): { readonly keys: Key[]; readonly visited: number };
  /** As `keys`, of those that begin with `prefix`. */
  prefix(prefix: Key, max: number, rowsMax: number): { readonly keys: Key[]; readonly visited: number };
};

/** What became of a call, and the work that it took. */
export type CallOutcome = { readonly work: number } & (
  | { readonly kind: 'result'; readonly result: Uint8Array | null }
  | { readonly kind: 'failed'; readonly why: string }
);

/** Runs functions. The same call has the same outcome, and takes the same work, in every process with the same `engine`. */
export type FunctionRunner = {
  /** Which engine this is: nothing that decides about an outcome is other where this is the same. */
  readonly engine: string;
  /** Ends the process where `engine` is another one: this build cannot apply what was chosen. */
  require(engine: string): void;
  /** Loads a function, so that its first call need not. Changes no outcome. */
  prepare(stored: StoredFunction): void;
  /** Why a source can be no function; null where it can. */
  whyNot(source: Uint8Array): string | null;
  call(stored: StoredFunction, rows: FunctionRows, argument: Uint8Array | null): CallOutcome;
};

/** Ends a call, with what its caller is told. */
export class CallRefused extends Error {
  override readonly name = 'CallRefused';
}

/**
 * Work that the calls of one slot may do together, in the same units (1 to 4 s), and keys and values that they may write (bytes): they
 * are in memory until the slot is committed, and a batch or a sequence may have thousands of calls.
 */
export const SLOT_WORK_MAX = 1_000_000_000;
export const SLOT_BYTES_MAX = 64 * 1024 * 1024;
/** Work that one call may do, in units of the engine: a million take 1 to 4 ms, 14 where nothing is warm. */
export const CALL_WORK_MAX = 1_000_000;

/**
 * File descriptors: how many this process may have, what they are kept for, and waiting for one.
 *
 * Whoever accepts connections without looking at that number has none left for its own files: the log could not begin its
 * next segment because of clients that do nothing.
 */
import { openSync, readSync } from 'node:fs';
import { FatalError } from '../base/errors.ts';

/** What a server needs at the least: its own code, all of whose files are read at once, log, store and a few connections. */
export const DESCRIPTORS_MIN = 128;
/** Kept for log, store, worker threads, standard streams, listening sockets, and links that this process opens itself. */
export const RESERVED_DESCRIPTORS = 160;
/** Connections of our own processes beyond those of clients: routers, migrators, and people who look at the status. */
const OWN_MAX = 64;
/** Connections that are told that there are too many, or that are about to be closed. */
const SPARE_MAX = 256;
/** Clients of one process, however many descriptors there are. */
export const CONNECTIONS_MAX = 10_000;
/** Where the limit cannot be read: what a login usually has. */
const USUAL_LIMIT = 1024;
/** Between two attempts at something for which there was no descriptor (ms). */
const RETRY_MS = 50;
/** `errno` of a process, or a machine, that has no descriptors left, as libraries in C say it. */
const SHORT_NUMBERS: readonly unknown[] = [23, 24];
const SHORT_CODES: readonly unknown[] = ['EMFILE', 'ENFILE'];

/** How many connections a port takes. */
export type ConnectionLimits = {
  readonly clients: number;
  /** Of our own processes, beyond those. */
  readonly own: number;
  /** That are on their way out, beyond those. */
  readonly spare: number;
};

/** Kept open: where no descriptor is left it could not be opened, and that is when it is asked for. */
let limitsFile: number | null = null;
const limitsText = Buffer.alloc(8192);

/** How many descriptors this process may have open. Read anew each time: it can be changed from outside. */
export function descriptorLimit(): number {
  return limitOf(/^Max open files +(\S+)/m) ?? USUAL_LIMIT;
}

/** The error of a process that may open no more than `limit` files. */
export function tooFewDescriptors(limit: number, cause?: unknown): FatalError {
  return new FatalError(
    'HOME_UNUSABLE',
    `no file descriptors are left: this process may open ${limit} (see ulimit -n), and needs ${DESCRIPTORS_MIN} at the least, a server for many clients 1024 or more`,
    { cause },
  );
}

/** How large this process may make a file (bytes). Read anew each time, as above. */
export function fileSizeLimit(): number {
  return limitOf(/^Max file size +(\S+)/m) ?? Number.MAX_SAFE_INTEGER;
}

/** Null where the system does not say. */
function limitOf(pattern: RegExp): number | null {
  limitsFile ??= openSync('/proc/self/limits', 'r');
  const text = limitsText.toString('latin1', 0, readSync(limitsFile, limitsText, 0, limitsText.length, 0));
  const line = pattern.exec(text);
  if (line === null) return null;
  const limit = Number(line[1]); // "unlimited" is no number
  return Number.isSafeInteger(limit) ? limit : Number.MAX_SAFE_INTEGER;
}

/**
 * The share of a port in the descriptors of a process.
 *
 * @param limit descriptors of the process
 * @param outgoing connections that the process opens itself, beyond the few that the reserve is meant for
 */
export function connectionLimits(limit: number, outgoing = 0): ConnectionLimits {
  const left = Math.max(8, limit - RESERVED_DESCRIPTORS - outgoing);
  const own = Math.min(OWN_MAX, Math.floor(left / 4));
  const spare = Math.min(SPARE_MAX, Math.floor(left / 8));
  return { clients: Math.min(CONNECTIONS_MAX, left - own - spare), own, spare };
}

/** Whether something failed only because no descriptor was left. Nothing was done then. */
export function isOutOfDescriptors(error: unknown): boolean {
  const { code, cause } = error as { code?: unknown; cause?: unknown };
  if (SHORT_CODES.includes(code) || SHORT_NUMBERS.includes(code)) return true;
  return cause !== undefined && cause !== error && isOutOfDescriptors(cause);
}

type Tell = (isShort: boolean, waiting: number) => void;

let waiting = 0;
let tell: Tell = () => undefined;

/** Has `told` hear when something begins to wait for a descriptor, and when nothing does any more. */
export function onDescriptorShortage(told: Tell): void {
  tell = told;
}

/**
 * Does what needs a descriptor; waits where there is none, until there is. A limit that is too low, or a crowd of
 * connections, is no reason to give up a log: it ends, and nobody knows when.
 *
 * @param isOver asked before each further attempt: whether nobody needs it any more
 * @throws what `attempt` does, but for want of a descriptor
 */
export async function withDescriptor<T>(
  attempt: () => Promise<T>,
  isOver: () => boolean = () => false,
): Promise<T> {
  let isWaiting = false;
  try {
    for (;;) {
      try {
        return await attempt();
      } catch (error) {
        if (!isOutOfDescriptors(error) || isOver()) throw error;
      }
      if (!isWaiting) {
        isWaiting = true;
        waiting += 1;
        if (waiting === 1) tell(true, waiting);
      }
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  } finally {
    if (isWaiting) {
      waiting -= 1;
      if (waiting === 0) tell(false, waiting);
    }
  }
}

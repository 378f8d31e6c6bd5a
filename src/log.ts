/** The log for people. Only the edge writes to it; a fixed message, the facts as fields. Sole importer of pino. */
import { join } from 'node:path';
import { pino } from 'pino';
import { makeDirectories } from './directories.ts';

/** What a module logs with: `log.info({ slot }, 'master elected')`. */
export type Logger = {
  info(facts: object, message: string): void;
  warn(facts: object, message: string): void;
  error(facts: object, message: string): void;
  debug(facts: object, message: string): void;
};

/** A log file that can be reopened, for rotation by SIGUSR1. */
export type LogFile = {
  readonly logger: Logger;
  reopen(): void;
  /** Writes what is buffered; for the last words before an exit. */
  flush(): void;
};

/** Levels that `log_level` may name. */
export const LOG_LEVELS = ['debug', 'info', 'warn', 'error'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** Lines that wait while the file cannot be written, as on a full disk; further ones are dropped (bytes). */
const WAITING_MAX_BYTES = 1024 * 1024;

/**
 * Opens `<folder>/<name>.log` for appending, creating the folder; every line carries `fields`.
 *
 * A line that cannot be written harms nobody: it waits for the next one, and standard error says so once.
 */
export function openLogFile(folder: string, name: string, level: LogLevel, fields: object): LogFile {
  makeDirectories(folder);
  const path = join(folder, `${name}.log`);
  const destination = pino.destination({
    dest: path,
    append: true,
    sync: true,
    maxLength: WAITING_MAX_BYTES,
  });
  let isBroken = false;
  destination.on('error', (error: Error) => {
    if (!isBroken) console.error(`nursery: log file ${path} cannot be written: ${error.message}; lines wait`);
    isBroken = true;
  });
  destination.on('write', () => {
    isBroken = false;
  });
  const logger = pino({ level, base: fields, timestamp: pino.stdTimeFunctions.isoTime }, destination);
  return {
    logger,
    reopen: () => destination.reopen(),
    // It would try for ever on a disk that is full.
    flush: () => {
      if (!isBroken) destination.flushSync();
    },
  };
}

/** Logs nothing; for tests and tools that report otherwise. */
export const SILENT: Logger = {
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  debug: () => undefined,
};

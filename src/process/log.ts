/** The log for people. Only the edge writes to it; a fixed message, the facts as fields. Sole importer of pino. */
import { pino } from 'pino';
import { LastLines, writeLastLines } from './last-lines.ts';
import { LogOutput } from './log-output.ts';

/** What a module logs with: `log.info({ slot }, 'master elected')`. */
export type Logger = {
  info(facts: object, message: string): void;
  warn(facts: object, message: string): void;
  error(facts: object, message: string): void;
  debug(facts: object, message: string): void;
};

/** A log file that can be reopened, for rotation by SIGUSR1 or SIGHUP. */
export type LogFile = {
  readonly logger: Logger;
  /** Opens the file of this name; where that fails, the one that is open is kept, and it is tried again. */
  reopen(): void;
  /**
   * Writes the last thousand lines of every level to a file beside it.
   *
   * @returns its path, or why it could not be written
   */
  writeLast(): { readonly path: string } | { readonly why: string };
};

/** Levels that `log_level` may name. */
export const LOG_LEVELS = ['debug', 'info', 'warn', 'error'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** Keys of every line that are not facts. */
const RESERVED: readonly string[] = ['level', 'time', 'msg'];

/**
 * Opens `<folder>/<name>.log` for appending, creating the folder; every line carries `fields`.
 *
 * A line that cannot be written harms nobody: see log-output.ts.
 *
 * @throws FatalError HOME_UNUSABLE where it cannot be opened
 */
export function openLogFile(folder: string, name: string, level: LogLevel, fields: object): LogFile {
  const output = new LogOutput(folder, name, (lines) => {
    logger.warn({ lines }, 'lines were dropped while the log file could not be written');
  });
  const taken = new Set([...RESERVED, ...Object.keys(fields)]);
  const last = new LastLines(Date.now);
  const written: Logger = pino(
    {
      level,
      base: fields,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { log: (facts) => withoutDoubles(facts, taken) },
    },
    output,
  );
  const logger = last.keeping(written);
  return {
    logger,
    writeLast: () => {
      try {
        return { path: writeLastLines(folder, name, last.text(fields), Date.now()) };
      } catch (error) {
        return { why: (error as Error).message };
      }
    },
    reopen: () => {
      const why = output.reopen();
      if (why === null) logger.info({}, 'log file is open anew');
      else logger.error({ reason: why }, 'log file could not be opened anew; this one is kept');
    },
  };
}

/** pino would write a key twice that the line has already, and readers of JSON would see one of them, nobody knows which. */
function withoutDoubles(facts: Record<string, unknown>, taken: ReadonlySet<string>): Record<string, unknown> {
  if (!Object.keys(facts).some((key) => taken.has(key))) return facts;
  return Object.fromEntries(
    Object.entries(facts).map(([key, value]) => [taken.has(key) ? `${key}_` : key, value]),
  );
}

/** Logs with further facts on each line; those of the line itself go before. */
export function withFacts(logger: Logger, more: object): Logger {
  return {
    info: (facts, message) => logger.info({ ...more, ...facts }, message),
    warn: (facts, message) => logger.warn({ ...more, ...facts }, message),
    error: (facts, message) => logger.error({ ...more, ...facts }, message),
    debug: (facts, message) => logger.debug({ ...more, ...facts }, message),
  };
}

/** Logs nothing; for tests and tools that report otherwise. */
export const SILENT: Logger = {
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  debug: () => undefined,
};

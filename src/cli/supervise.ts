/** What every server process of ours does with signals, fatal errors and its log file. */

import { EXIT_CODES, FatalError } from '../base/errors.ts';
import { connectionLimits, descriptorLimit, onDescriptorShortage } from '../process/descriptors.ts';
import type { LogFile } from '../process/log.ts';
import { MEANINGLESS } from './first-signals.ts';
import { exitCodeOf, report } from './report.ts';

/** Longest that an orderly end may take before the process ends all the same (ms). */
const END_MS = 8000;

/** Below so many file descriptors a server says at its start how few clients it will serve. */
const FEW_DESCRIPTORS = 1024;

export type Supervisor = {
  /** Waits for the server to start; a failure is logged, printed, and ends the process. So does a signal, at once. */
  starting<T>(start: Promise<T>): Promise<T>;
  /** Resolves at the first SIGTERM or SIGINT; from then on the process ends within 8 s. */
  untilSignal(): Promise<void>;
  /** Ends the process: it must not go on. */
  fail(error: Error): never;
};

/**
 * No signal ends a server by accident: SIGUSR1 and SIGHUP call `reopen`, SIGUSR2 `writeLast`, some others are heard and do nothing. Also,
 * standard output and standard error may be closed by whoever read them. Until here first-signals.ts keeps them off.
 */
export function surviveSignals(
  reopen: (signal: string) => void,
  heard: (signal: string) => void,
  writeLast: (signal: string) => void = heard,
): void {
  process.on('SIGUSR2', writeLast);
  // An unhandled SIGUSR1 would open Node's inspector.
  for (const signal of ['SIGUSR1', 'SIGHUP'] as const) process.on(signal, reopen);
  for (const signal of MEANINGLESS) process.on(signal, heard);
  // A file would be larger than this process may make one: the write fails, and whoever writes says so.
  process.on('SIGXFSZ', () => undefined);
  // A terminal that hung up, or a pipe whose reader is gone: there is nobody left to tell.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);
}

/** Leaves the last lines of every level beside the log file, for whoever looks for the reason. */
function writeLast(file: LogFile, after: string): void {
  const written = file.writeLast();
  if ('path' in written)
    file.logger.info({ path: written.path, after }, 'the last lines of every level were written');
  else file.logger.error({ reason: written.why, after }, 'the last lines could not be written');
}

/**
 * Installs the handlers: SIGTERM and SIGINT end the process in order, SIGUSR1 and SIGHUP reopen the log file, and what
 * nobody caught ends the process at once, loudly.
 */
export function superviseProcess(file: LogFile): Supervisor {
  const fail = (error: Error): never => {
    const cause = error instanceof FatalError ? undefined : error.stack;
    file.logger.error({ exitCode: exitCodeOf(error), cause }, error.message);
    writeLast(file, 'a fatal error');
    return report(error);
  };
  surviveSignals(
    () => file.reopen(),
    (signal) => file.logger.info({ signal }, 'this signal does nothing here'),
    (signal) => writeLast(file, signal),
  );
  const descriptors = descriptorLimit();
  if (descriptors < FEW_DESCRIPTORS) {
    const { clients } = connectionLimits(descriptors);
    file.logger.warn(
      { descriptors, clients },
      'few file descriptors (see ulimit -n): few clients will be served',
    );
  }
  onDescriptorShortage((isShort) => {
    if (isShort) file.logger.error({}, 'no file descriptors are left (see ulimit -n): files wait for one');
    else file.logger.info({}, 'file descriptors are there again');
  });
  process.off('uncaughtException', report);
  process.off('unhandledRejection', report);
  process.on('uncaughtException', fail);
  process.on('unhandledRejection', (reason) =>
    fail(reason instanceof Error ? reason : new Error(String(reason))),
  );
  const signalled = new Promise<void>((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => resolve());
  });
  return {
    starting: async (start) => {
      let isUp = false;
      // What it waits for may never come, and what it does may be stopped at any point.
      signalled.then(() => {
        if (isUp) return;
        process.exit(EXIT_CODES.OK);
      });
      const server = await start.catch(fail);
      isUp = true;
      return server;
    },
    untilSignal: async () => {
      await signalled;
      setTimeout(
        () => fail(new FatalError('FAILED', `did not end in order within ${END_MS} ms`)),
        END_MS,
      ).unref();
    },
    fail,
  };
}

/**
 * The thread that writes a store; started by system.ts.
 *
 * lmdb-js puts writes of one turn into one transaction, but may split those of several turns, and a generation is
 * too much for one turn of the node's loop. On a thread of its own, it is synchronous transactions that hold up
 * nobody: rows and slot change together or not at all, and are durable when the commit returns.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { present } from '../../src/base/assert.ts';
import { openEnvironment } from './environment.ts';
import { type WorkShell, WriteWork } from './write-work.ts';
import type { WriterCommand, WriterStart } from './writer-messages.ts';

const port = present(parentPort, 'port of the thread that started this one');
const start = workerData as WriterStart;

const shell: WorkShell = {
  nowMs: () => performance.now(),
  after(delayMs, run) {
    const timer = setTimeout(run, delayMs);
    return () => clearTimeout(timer);
  },
  answer: (message) => port.postMessage(message),
  closed: () => process.exit(),
};
const work = new WriteWork(start, openEnvironment(start.dir), shell);
port.on('message', (command: WriterCommand) => {
  work.told(command);
  if (command.kind === 'close') port.close();
});

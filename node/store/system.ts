/** What a store stands on: LMDB, a thread that writes, room on a disk, and turns of an event loop. The simulation has its own. */
import { Worker } from 'node:worker_threads';
import { type Environment, openEnvironment } from './environment.ts';
import { checkRoom } from './failures.ts';
import type { WriterAnswer, WriterCommand, WriterStart } from './writer-messages.ts';

/** What is heard of a thread. */
export type ThreadEvents = {
  answered(answer: WriterAnswer): void;
  failed(error: Error): void;
  ended(code: number): void;
};

/** A thread that writes; what it is told arrives in order, and the memory of `transfer` is handed over. */
export type WriteThread = { tell(command: WriterCommand, transfer: ArrayBuffer[]): void };

export type StoreSystem = {
  /** Opens the environment in `dir` for reading, beside the thread that writes it. */
  openEnvironment(dir: string): Environment;
  startThread(start: WriterStart, events: ThreadEvents): WriteThread;
  /** @throws NurseryError DISK_FULL where so many bytes do not fit */
  checkRoom(dir: string, bytes: number): Promise<void>;
  /** Lets others run before work goes on. */
  nextTurn(): Promise<void>;
};

export const STORE_SYSTEM: StoreSystem = {
  openEnvironment,
  startThread(start, { answered, failed, ended }) {
    const worker = new Worker(new URL('./write-thread.js', import.meta.url), { workerData: start });
    worker.on('message', answered);
    worker.on('error', failed);
    worker.once('exit', ended);
    return { tell: (command, transfer) => worker.postMessage(command, transfer) };
  },
  checkRoom,
  nextTurn: () => new Promise((resolve) => setImmediate(resolve)),
};

/**
 * The thread that writes a store; started by writer.ts.
 *
 * lmdb-js puts writes of one turn into one transaction, but may split those of several turns, and a generation is
 * too much for one turn of the node's loop. On a thread of its own, it is one synchronous transaction that holds up
 * nobody: rows and slot change together or not at all, and are durable when the commit returns.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { present, unreachable } from '../../src/base/assert.ts';
import { encodeSlot, META, openEnvironment } from './environment.ts';
import { unpackRows } from './row-pages.ts';
import type { WriterAnswer, WriterCommand } from './writer.ts';

const port = present(parentPort, 'port of the thread that started this one');
const environment = openEnvironment(workerData as string);
/** Rows of the transaction to come. */
let pages: Uint8Array[] = [];

port.on('message', (command: WriterCommand) => {
  switch (command.kind) {
    case 'rows':
      pages.push(command.page);
      return;
    case 'commit':
      answer(commit(command.slot));
      return;
    case 'close':
      port.close();
      void environment.close().then(() => process.exit());
      return;
    default:
      unreachable(command);
  }
});
answer({ kind: 'ready' });

function commit(slot: number | null): WriterAnswer {
  try {
    environment.transactionSync(() => {
      for (const page of pages) unpackRows(page, writeRow);
      if (slot !== null) void environment.put(META.SLOT, Buffer.from(encodeSlot(slot)));
    });
    return { kind: 'committed' };
  } catch (error) {
    const { message, code } = error as Error & { code?: unknown };
    return { kind: 'failed', message, code: typeof code === 'number' ? code : null };
  } finally {
    pages = [];
  }
}

/** Within `transactionSync` both are carried out at once; their promises only say so. */
function writeRow(key: string, value: Buffer | null): void {
  if (value === null) void environment.remove(key);
  else void environment.put(key, value);
}

function answer(message: WriterAnswer): void {
  port.postMessage(message);
}

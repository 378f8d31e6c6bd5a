/**
 * The thread that writes a store; started by writer.ts.
 *
 * lmdb-js puts writes of one turn into one transaction, but may split those of several turns, and a generation is
 * too much for one turn of the node's loop. On a thread of its own, it is one synchronous transaction that holds up
 * nobody: rows and slot change together or not at all, and are durable when the commit returns.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { present, unreachable } from '../../src/base/assert.ts';
import { Counting } from './counting.ts';
import { encodeSlot, META, openEnvironment } from './environment.ts';
import { unpackRows } from './row-pages.ts';
import type { WriterAnswer, WriterCommand } from './writer.ts';

const port = present(parentPort, 'port of the thread that started this one');
/** Between two slices of counting (ms): a store of ten million rows is counted in half a minute. */
const SLICE_EVERY_MS = 5;

const environment = openEnvironment(workerData as string);
const counting = new Counting(environment);
/** Of the next slice. */
let timer: NodeJS.Timeout | null = null;
/** The ranges whose rows are told after each commit, as they were last given. */
let counted: Extract<WriterCommand, { kind: 'count' }> = { kind: 'count', id: 0, ranges: [] };
/** Rows of the transaction to come. */
let pages: Uint8Array[] = [];

port.on('message', (command: WriterCommand) => {
  switch (command.kind) {
    case 'rows':
      pages.push(command.page);
      return;
    case 'commit':
      answer(commit(command.slot));
      tellCounts();
      return;
    case 'count':
      counted = command;
      countRanges();
      tellCounts();
      return;
    case 'buckets':
      answer({ kind: 'buckets', buckets: counting.list() });
      return;
    case 'close':
      if (timer !== null) clearTimeout(timer);
      port.close();
      void environment.close().then(() => process.exit());
      return;
    default:
      unreachable(command);
  }
});
answer({ kind: 'ready' });
countOn();

function commit(slot: number | null): WriterAnswer {
  try {
    environment.transactionSync(() => {
      for (const page of pages) unpackRows(page, writeRow);
      if (slot !== null) void environment.put(META.SLOT, Buffer.from(encodeSlot(slot)));
      counting.written(slot);
    });
    return { kind: 'committed' };
  } catch (error) {
    const { message, code } = error as Error & { code?: unknown };
    undo();
    return { kind: 'failed', message, code: typeof code === 'number' ? code : null };
  } finally {
    pages = [];
  }
}

/** Within `transactionSync` both are carried out at once; their promises only say so. */
function writeRow(key: string, value: Buffer | null): void {
  counting.writing(key, value === null ? null : value.length);
  if (value === null) void environment.remove(key);
  else void environment.put(key, value);
}

/** Buckets begin where ranges do. Where there is no room for that, a range is counted roughly until the next commit. */
function countRanges(): void {
  counting.fix(counted.ranges.flatMap(({ from, to }) => [from, to]));
  if (!counting.isComplete) return;
  try {
    environment.transactionSync(() => counting.written(null));
  } catch {
    undo(); // the next commit meets the same, and says so
  }
}

/** What was counted in a transaction that was not carried out is forgotten. */
function undo(): void {
  counting.undone();
  countOn();
}

/** Goes on counting a store that is not counted, a little at a time. */
function countOn(): void {
  if (counting.rests || timer !== null) return;
  timer = setTimeout(() => {
    timer = null;
    counting.slice();
    if (counting.isComplete) tellCounts();
    countOn();
  }, SLICE_EVERY_MS);
}

function tellCounts(): void {
  answer({ kind: 'counts', id: counted.id, counts: counting.count(counted.ranges) });
}

function answer(message: WriterAnswer): void {
  port.postMessage(message);
}

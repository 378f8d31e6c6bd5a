/**
 * Counts the objects and bytes of a bucket exactly, although an answer may be lost: what to do about MAYBE_APPLIED.
 *
 *     node dist/examples/counters.js HOST:PORT
 *
 * When a connection or a master is lost while an update is under way, nobody knows whether it took effect. The client
 * says so by MAYBE_APPLIED instead of sending it again: sent twice, an upload would be counted twice. A `set` of
 * a fixed value may simply be repeated. A step forward may not; it gets a mark of its own, written by the same
 * sequence, so that the program can look whether it happened.
 */
import { NurseryClient, NurseryError } from '../src/index.ts';

const BUCKET = 'example/counters/';
const TOTALS = `${BUCKET}totals`;
const UPLOADERS = 4;
const UPLOADS = 10;
const SIZE = 1000;
/** Attempts of one upload that may end without a definite answer. */
const UNSURE_MAX = 10;

type Totals = { readonly objects: number; readonly bytes: number };

const address = process.argv[2];
if (address === undefined) throw new Error('usage: node dist/examples/counters.js HOST:PORT');

const client = await NurseryClient.connect({ addresses: [address] });
try {
  await client.deletePrefix(BUCKET);
  await client.set(TOTALS, JSON.stringify({ objects: 0, bytes: 0 } satisfies Totals));
  const ids = Array.from({ length: UPLOADERS }, (_, uploader) =>
    Array.from({ length: UPLOADS }, (_, upload) => `object-${uploader}-${upload}`),
  );
  await Promise.all([Promise.all(ids.map(uploadAll)), watchTotals(UPLOADERS * UPLOADS)]);
  const { objects, bytes } = await readTotals();
  const there = (await client.prefixKeys(`${BUCKET}object-`)).length;
  console.log(`${objects} objects of ${bytes} bytes are counted, ${there} are there`);
  await client.deletePrefix(BUCKET);
} finally {
  client.close();
}

async function uploadAll(ids: readonly string[]): Promise<void> {
  for (const id of ids) await addObject(id, SIZE);
}

/** Adds an object and counts it, once, whatever happens on the way. */
async function addObject(id: string, size: number): Promise<void> {
  const key = BUCKET + id;
  let unsure = 0;
  for (;;) {
    // The object's own key is the mark: it is there exactly if it has been counted.
    if (await client.exists(key)) return;
    const before = await client.get(TOTALS);
    const { objects, bytes } = JSON.parse(before.toString()) as Totals;
    const after: Totals = { objects: objects + 1, bytes: bytes + size };
    try {
      await client.sequence([
        { kind: 'assert', key, expected: null },
        { kind: 'assert', key: TOTALS, expected: before },
        { kind: 'set', key, value: JSON.stringify({ size }) },
        { kind: 'set', key: TOTALS, value: JSON.stringify(after) },
      ]);
      return;
    } catch (error) {
      if (!(error instanceof NurseryError)) throw error;
      // Somebody else was counted in between: nothing happened, once more.
      if (error.code === 'ASSERTION_FAILED') continue;
      // It may have happened, and may even still happen. The assertions make a late one harmless: it finds the mark,
      // or other totals. So does the next turn.
      unsure += 1;
      if (error.traits.applied !== 'maybe' || unsure > UNSURE_MAX) throw error;
    }
  }
}

/** Prints the totals as they change, until all is counted. There is nothing to subscribe to: it asks. */
async function watchTotals(expected: number): Promise<void> {
  let seen = -1;
  while (seen < expected) {
    const { objects, bytes } = await readTotals();
    if (objects !== seen) console.log(`so far ${objects} objects, ${bytes} bytes`);
    seen = objects;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

async function readTotals(): Promise<Totals> {
  return JSON.parse((await client.get(TOTALS)).toString()) as Totals;
}

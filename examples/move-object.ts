/**
 * Moves an object from one directory to another, all or nothing, while others may do the same: a sequence with
 * assertions, repeated where an assertion no longer holds.
 *
 *     node dist/examples/move-object.js HOST:PORT
 *
 * Each directory keeps its objects as `example/move/<directory>/<name>` and their number in `example/move/#<directory>`.
 * A sequence must stay within one cluster: keys that change together belong below a common prefix, which the operator
 * leaves in one piece. A router refuses a sequence that spans clusters, and names them.
 */
import { NurseryClient, NurseryError, type Step } from '../src/index.ts';

const OBJECTS = 20;

const address = process.argv[2];
if (address === undefined) throw new Error('usage: node dist/examples/move-object.js HOST:PORT');

const client = await NurseryClient.connect({ addresses: [address] });
try {
  const names = Array.from({ length: OBJECTS }, (_, index) => `photo-${index}`);
  await client.sequence([
    { kind: 'deletePrefix', prefix: 'example/move/' },
    { kind: 'set', key: countKey('inbox'), value: String(OBJECTS) },
    { kind: 'set', key: countKey('album'), value: '0' },
    ...names.map((name): Step => ({ kind: 'set', key: objectKey('inbox', name), value: `bytes of ${name}` })),
  ]);

  // Two movers want the same objects. Each object is moved once, by whoever comes first.
  const moved = await Promise.all([moveAll(names), moveAll([...names].reverse())]);
  const inbox = await client.prefixKeys(objectKey('inbox', ''));
  const album = await client.prefixKeys(objectKey('album', ''));
  const [inInbox, inAlbum] = await client.multiGet([countKey('inbox'), countKey('album')]);
  console.log(`moved ${moved[0] + moved[1]} of ${OBJECTS}`);
  console.log(`inbox has ${inbox.length} and says ${inInbox}, album has ${album.length} and says ${inAlbum}`);
  await client.deletePrefix('example/move/');
} finally {
  client.close();
}

async function moveAll(names: readonly string[]): Promise<number> {
  let moved = 0;
  for (const name of names) if (await move(name, 'inbox', 'album')) moved += 1;
  return moved;
}

/** Moves an object; false where it is not, or no longer, in `from`. */
async function move(name: string, from: string, to: string): Promise<boolean> {
  for (;;) {
    const source = objectKey(from, name);
    const target = objectKey(to, name);
    const [object, fromCount, toCount] = await client.multiGetOption([source, countKey(from), countKey(to)]);
    if (!object || !fromCount || !toCount) return false;
    try {
      // What was read is asserted: if anything of it has changed meanwhile, nothing happens.
      await client.sequence([
        { kind: 'assert', key: source, expected: object },
        { kind: 'assert', key: target, expected: null },
        { kind: 'assert', key: countKey(from), expected: fromCount },
        { kind: 'assert', key: countKey(to), expected: toCount },
        { kind: 'delete', key: source },
        { kind: 'set', key: target, value: object },
        { kind: 'set', key: countKey(from), value: String(Number(fromCount) - 1) },
        { kind: 'set', key: countKey(to), value: String(Number(toCount) + 1) },
      ]);
      return true;
    } catch (error) {
      // After MAYBE_APPLIED the next turn reads what became of it; who moved it cannot be told any more.
      if (!(error instanceof NurseryError)) throw error;
      if (error.code !== 'ASSERTION_FAILED' && error.code !== 'MAYBE_APPLIED') throw error;
    }
  }
}

function objectKey(directory: string, name: string): string {
  return `example/move/${directory}/${name}`;
}

function countKey(directory: string): string {
  return `example/move/#${directory}`;
}

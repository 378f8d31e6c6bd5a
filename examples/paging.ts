/**
 * Goes through a prefix of any size, page by page, in bounded memory.
 *
 *     node dist/examples/paging.js HOST:PORT
 *
 * The next page begins at the successor of the last key: that key with a zero byte behind it. Nothing lies between the
 * two, so that no key is left out or seen twice. Through a router a page may come from several clusters; each cluster's part
 * is consistent, and the pages are not a snapshot: what changes meanwhile may or may not be seen.
 */
import { NurseryClient } from '../src/index.ts';

const PREFIX = 'example/paging/';
const OBJECTS = 300;
const PAGE_KEYS = 50;

const address = process.argv[2];
if (address === undefined) throw new Error('usage: node dist/examples/paging.js HOST:PORT');

const client = await NurseryClient.connect({ addresses: [address] });
try {
  // Calls may run side by side.
  const names = Array.from({ length: OBJECTS }, (_, index) => `${PREFIX}${String(index).padStart(5, '0')}`);
  await Promise.all(names.map((name) => client.set(name, `value of ${name}`)));

  let keys = 0;
  let bytes = 0;
  let pages = 0;
  for await (const page of pagesOf(PREFIX)) {
    pages += 1;
    keys += page.length;
    for (const [, value] of page) bytes += value.length;
  }
  console.log(`${keys} keys and ${bytes} bytes of values in ${pages} pages`);

  for await (const page of pagesOf(PREFIX)) await Promise.all(page.map(([key]) => client.replace(key, null)));
  console.log(`left: ${(await client.prefixKeys(PREFIX)).length}`);
} finally {
  client.close();
}

/** Keys with this prefix and their values, ascending. */
async function* pagesOf(prefix: string): AsyncGenerator<readonly [Buffer, Buffer][]> {
  const last = endOf(Buffer.from(prefix));
  let first = Buffer.from(prefix);
  for (;;) {
    const page = await client.rangeEntries({ first, ...(last === null ? {} : { last }), max: PAGE_KEYS });
    if (page.length > 0) yield page;
    const lastKey = page.at(-1)?.[0];
    if (lastKey === undefined || page.length < PAGE_KEYS) return;
    first = Buffer.concat([lastKey, Buffer.from([0])]);
  }
}

/** The least key above all that begin with `prefix`: its last byte one higher. Null where there is none. */
function endOf(prefix: Buffer): Buffer | null {
  const length = prefix.findLastIndex((byte) => byte < 0xff) + 1;
  if (length === 0) return null;
  const end = Buffer.from(prefix.subarray(0, length));
  end.writeUInt8(end.readUInt8(length - 1) + 1, length - 1);
  return end;
}

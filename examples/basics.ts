/**
 * The basics: store, read, list, remove.
 *
 *     node dist/examples/basics.js HOST:PORT
 *
 * HOST:PORT is a router, or a node of a cluster that owns the keys. Every program here works below `example/`.
 */
import { NurseryClient, NurseryError } from '../src/index.ts';

const address = process.argv[2];
if (address === undefined) throw new Error('usage: node dist/examples/basics.js HOST:PORT');

const client = await NurseryClient.connect({ addresses: [address] });
try {
  // Keys and values are bytes; text is taken as UTF-8.
  await client.set('example/basics/apple', 'red');
  await client.set('example/basics/banana', 'yellow');
  await client.set('example/basics/cherry', Uint8Array.from([0, 1, 2, 255]));
  console.log(`apple is ${await client.get('example/basics/apple')}`);

  // A key without a value is an error with a code; `exists` and `multiGetOption` ask without one.
  try {
    await client.get('example/basics/durian');
  } catch (error) {
    if (!(error instanceof NurseryError) || error.code !== 'NOT_FOUND') throw error;
    console.log('durian is not there');
  }
  const values = await client.multiGetOption(['example/basics/banana', 'example/basics/durian']);
  console.log(`banana is ${values[0]}, durian is ${values[1]}`);

  // Keys come in the order of their bytes. The beginning of a range is part of it, its end is not.
  const keys = await client.prefixKeys('example/basics/');
  console.log(`keys: ${keys.map(nameOf).join(', ')}`);
  const entries = await client.rangeEntries({
    first: 'example/basics/a',
    last: 'example/basics/c',
    max: 10,
  });
  console.log(`from a to c: ${entries.map(([key, value]) => `${nameOf(key)}=${value}`).join(', ')}`);

  // Replacing returns what was there before; with null it removes, and does not mind if nothing is there.
  const before = await client.replace('example/basics/apple', 'green');
  console.log(`apple was ${before}`);
  for (const key of keys) await client.replace(key, null);
  console.log(`left: ${(await client.prefixKeys('example/basics/')).length}`);
} finally {
  client.close();
}

/** What a key says behind its last slash. */
function nameOf(key: Buffer): string {
  return key.toString().slice('example/basics/'.length);
}

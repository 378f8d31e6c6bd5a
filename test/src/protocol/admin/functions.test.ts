/** What earlier builds stored of functions of users, in rows and in the log, is read. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { functionEntryCodec, REMOVED, takeFunctionsCodec } from '../../../../src/protocol/admin/functions.ts';
import { installationCodec } from '../../../../src/protocol/admin/orders.ts';
import { bytes, decode, encode, i64, list, option, struct, text } from '../../../../src/wire/codec.ts';

const entryBefore = { version: i64, source: option(bytes) };
const source = Buffer.from('export default () => 1');

test('a row: a function that was removed had no source', () => {
  const before = struct(entryBefore);
  assert.equal(encode(functionEntryCodec, { version: 3, source }), encode(before, { version: 3, source }));
  const removed = decode(functionEntryCodec, encode(before, { version: 4, source: null }));
  assert.equal(removed, { version: 4, source: REMOVED });
});

test('what a cluster took of its keeper: it was told what was removed, not what there is', () => {
  const named = struct({ name: text, ...entryBefore });
  const before = struct({ keeper: text, from: i64, version: i64, functions: list(named) });
  const page = { keeper: 'K', from: 1, version: 3 };
  const functions = [
    { name: 'f', version: 2, source },
    { name: 'g', version: 3, source: null },
  ];
  assert.equal(decode(takeFunctionsCodec, encode(before, { ...page, functions })), {
    ...page,
    functions: [
      { name: 'f', version: 2, source },
      { name: 'g', version: 3, source: REMOVED },
    ],
  });
});

test('with what a new keeper began: nothing was said of functions', () => {
  const install = { order: 1, from: 'a', replaced: ['a'], takenMs: 0, lastMid: 7 };
  const nothing = { clusters: [], entries: [], migrations: [] };
  const before = { ...install, ...nothing };
  assert.equal(decode(installationCodec, encode(installationCodec, before)), before);
  const now = { ...before, functions: { version: 2, functions: [{ name: 'f', version: 2, source }] } };
  assert.equal(decode(installationCodec, encode(installationCodec, now)), now);
});

test.run();

/** Arakoon's protocol, spoken with a cluster of real processes: every command, every error, hostile input. */
import * as assert from 'uvu/assert';
import { type ErrorCode, NurseryError, RETURN_CODES } from '../../src/base/errors.ts';
import { USER_KEY_MAX, VALUE_MAX } from '../../src/base/limits.ts';
import type { ArakoonClient } from '../../src/client/arakoon-client.ts';
import { scanReply } from '../../src/protocol/arakoon/reply-shapes.ts';
import { encodePrologue, encodeRequest, requestCode } from '../../src/protocol/arakoon/requests.ts';
import { Raw } from '../src/port/raw.ts';
import { VECTORS } from '../src/protocol/arakoon/vectors.ts';
import { TestCluster } from '../support/clusters.ts';
import { type Lab, labSuite } from '../support/processes.ts';
import { until } from '../support/wait.ts';

const MIB = 1024 * 1024;
const NO_GUARANTEES = { kind: 'noGuarantees' } as const;

const tests = labSuite('a cluster of three, through Arakoon’s protocol');
let shared: Promise<TestCluster> | null = null;

/** The cluster that all of these tests share; it is called what the vectors call it. */
function sturdy(lab: Lab): Promise<TestCluster> {
  shared ??= TestCluster.start(lab, { clusterId: 'sturdy', extra: { lease_period: '5' } });
  return shared;
}

/** A connection to the master. */
async function toMaster(lab: Lab): Promise<ArakoonClient> {
  const cluster = await sturdy(lab);
  return cluster.connect(await cluster.master());
}

/** A connection to the master that sends and receives bytes as they are. */
async function rawToMaster(lab: Lab, greeting: Uint8Array = encodePrologue('sturdy')): Promise<Raw> {
  const cluster = await sturdy(lab);
  const raw = await Raw.connect(cluster.place(await cluster.master()).clientPort);
  lab.closing(() => raw.socket.destroy());
  raw.send(greeting);
  return raw;
}

async function failureOf(work: Promise<unknown>): Promise<NurseryError> {
  try {
    await work;
  } catch (error) {
    if (error instanceof NurseryError) return error;
    throw error;
  }
  throw new Error('it succeeded, where an error was expected');
}

async function fails(code: ErrorCode, says: RegExp, work: Promise<unknown>): Promise<void> {
  const error = await failureOf(work);
  assert.is(error.code, code, error.message);
  assert.match(error.message, says, `says: ${error.message}`);
}

function int(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value >>> 0);
  return bytes;
}

function texts(list: readonly Uint8Array[]): string[] {
  return list.map((bytes) => Buffer.from(bytes).toString());
}

tests.test('serves what is set, until it is deleted', async (lab) => {
  const client = await toMaster(lab);
  await client.set('single', 'one');
  assert.is((await client.get('single')).toString(), 'one');
  assert.is(await client.exists('single'), true);
  await client.confirm('single', 'one');
  await client.confirm('single', 'two');
  assert.is((await client.get('single')).toString(), 'two');
  assert.is((await client.replace('single', 'three'))?.toString(), 'two');
  assert.is((await client.replace('single', null))?.toString(), 'three');
  assert.is(await client.exists('single'), false);
  assert.is(await client.replace('single', null), null);
  await client.set('', 'the empty key');
  assert.is((await client.get('')).toString(), 'the empty key');
  await client.delete('');
  const longest = Buffer.alloc(USER_KEY_MAX, 0xff);
  await client.set(longest, '');
  assert.is((await client.get(longest)).length, 0);
  await client.delete(longest);
});

tests.test('test_and_set answers the value before', async (lab) => {
  const client = await toMaster(lab);
  assert.is(await client.testAndSet('tas', null, 'a'), null);
  assert.is((await client.testAndSet('tas', null, 'b'))?.toString(), 'a');
  assert.is((await client.testAndSet('tas', 'a', 'b'))?.toString(), 'a');
  assert.is((await client.get('tas')).toString(), 'b');
  assert.is((await client.testAndSet('tas', 'b', null))?.toString(), 'b');
  assert.is(await client.exists('tas'), false);
});

tests.test('lists come in the documented order, cut before they are reversed', async (lab) => {
  const client = await toMaster(lab);
  const entries = ['a', 'b', 'c', 'd', 'e'].map((letter) => [`list/${letter}`, letter] as const);
  for (const [key, value] of entries) await client.set(key, value);
  const bounds = { first: 'list/', last: 'list0' };
  assert.equal(
    texts(await client.range(bounds)),
    entries.map(([key]) => key),
  );
  assert.equal(texts(await client.range({ ...bounds, max: 2 })), ['list/a', 'list/b']);
  assert.equal(texts(await client.range({ ...bounds, max: 0 })), []);
  assert.equal(texts(await client.prefixKeys('list/', { max: 3 })), ['list/a', 'list/b', 'list/c']);
  const inner = { first: 'list/b', firstIncluded: false, last: 'list/d', lastIncluded: true };
  assert.equal(
    (await client.rangeEntries(inner)).map(([key, value]) => `${key}=${value}`),
    ['list/c=c', 'list/d=d'],
  );
  const reversed = { first: 'list0', last: 'list/b', lastIncluded: true, max: 2 };
  assert.equal(
    (await client.revRangeEntries(reversed)).map(([key]) => key.toString()),
    ['list/e', 'list/d'],
  );

  // The bytes themselves: descending, but for the reversed range, which is ascending.
  const raw = await rawToMaster(lab);
  const consistency = { kind: 'consistent' } as const;
  raw.send(encodeRequest({ kind: 'prefixKeys', consistency, prefix: 'list/', max: 2 }));
  const keys = (...names: string[]): Buffer =>
    Buffer.concat([int(0), int(names.length), ...names.flatMap((name) => [int(6), Buffer.from(name)])]);
  assert.equal(await raw.read(28), keys('list/b', 'list/a'));
  const query = { consistency, firstIncluded: true, lastIncluded: true, max: 2 };
  raw.send(encodeRequest({ kind: 'range', ...query, first: 'list/c', last: 'list/e' }));
  assert.equal(await raw.read(28), keys('list/d', 'list/c'));
  raw.send(encodeRequest({ kind: 'revRangeEntries', ...query, first: 'list/c', last: 'list/a' }));
  const entry = (letter: string): Buffer[] => [
    int(6),
    Buffer.from(`list/${letter}`),
    int(1),
    Buffer.from(letter),
  ];
  assert.equal(await raw.read(38), Buffer.concat([int(0), int(2), ...entry('b'), ...entry('c')]));
  raw.send(encodeRequest({ kind: 'multiGet', consistency, keys: ['list/a', 'list/b'] }));
  assert.equal(
    await raw.read(18),
    Buffer.concat([int(0), int(2), int(1), Buffer.from('b'), int(1), Buffer.from('a')]),
  );
  raw.send(encodeRequest({ kind: 'multiGetOption', consistency, keys: ['list/a', 'list/', 'list/b'] }));
  const some = (letter: string): Buffer[] => [Buffer.from([1]), int(1), Buffer.from(letter)];
  assert.equal(
    await raw.read(21),
    Buffer.concat([int(0), int(3), ...some('a'), Buffer.from([0]), ...some('b')]),
  );

  assert.is(await client.deletePrefix('list/'), 5);
  assert.is(await client.deletePrefix('list/'), 0);
});

tests.test('multi_get names the last missing key', async (lab) => {
  const client = await toMaster(lab);
  await client.set('multi/a', '1');
  await fails('NOT_FOUND', /multi\/c/, client.multiGet(['multi/b', 'multi/a', 'multi/c']));
  const found = await client.multiGetOption(['multi/b', 'multi/a']);
  assert.equal(
    found.map((value) => value?.toString() ?? null),
    [null, '1'],
  );
});

tests.test('a sequence happens whole or not at all', async (lab) => {
  const client = await toMaster(lab);
  await client.sequence([
    { kind: 'set', key: 'seq/a', value: '1' },
    { kind: 'set', key: 'seq/b', value: '2' },
    {
      kind: 'sequence',
      steps: [
        { kind: 'assert', key: 'seq/a', expected: '1' },
        { kind: 'delete', key: 'seq/b' },
      ],
    },
    { kind: 'testAndSet', key: 'seq/a', expected: '1', wanted: '3' },
  ]);
  assert.is((await client.get('seq/a')).toString(), '3');
  assert.is(await client.exists('seq/b'), false);
  const undone = { kind: 'set', key: 'seq/undone', value: 'x' } as const;
  await fails('NOT_FOUND', /seq\/b/, client.sequence([undone, { kind: 'delete', key: 'seq/b' }]));
  await fails(
    'ASSERTION_FAILED',
    /seq\/a/,
    client.sequence([undone, { kind: 'assert', key: 'seq/a', expected: '1' }]),
  );
  await fails(
    'ASSERTION_FAILED',
    /seq\/b/,
    client.sequence([undone, { kind: 'assertExists', key: 'seq/b' }]),
  );
  assert.is(await client.exists('seq/undone'), false);
  await client.set('seq/c', '');
  // The original takes the keys in one order only; we take both.
  for (const keys of [
    ['seq/a', 'seq/c'],
    ['seq/c', 'seq/a'],
  ]) {
    await client.sequence([{ kind: 'assertRange', prefix: 'seq/', keys }]);
  }
  await fails(
    'ASSERTION_FAILED',
    /seq\//,
    client.sequence([{ kind: 'assertRange', prefix: 'seq/', keys: ['seq/a'] }]),
  );
});

tests.test('assertions read without changing anything', async (lab) => {
  const client = await toMaster(lab);
  await client.set('assert', 'yes');
  await client.assert('assert', 'yes');
  await client.assert('assert/none', null);
  await client.assertExists('assert');
  await fails('ASSERTION_FAILED', /assert/, client.assert('assert', 'no'));
  await fails('ASSERTION_FAILED', /assert/, client.assert('assert', null));
  await fails('ASSERTION_FAILED', /assert\/none/, client.assertExists('assert/none'));
  assert.is(client.closedWhy, null, 'the connection is kept');
});

tests.test('answers of pipelined requests keep the order, and see what was written before', async (lab) => {
  const client = await toMaster(lab);
  const sets: Promise<void>[] = [];
  for (let n = 0; n < 500; n += 1) sets.push(client.set(`pipe/${n}`, String(n)));
  const gets = Array.from({ length: 500 }, (_, n) => client.get(`pipe/${n}`));
  const deleted = client.deletePrefix('pipe/');
  const after = client.exists('pipe/0');
  await Promise.all(sets);
  assert.equal(
    (await Promise.all(gets)).map(String),
    Array.from({ length: 500 }, (_, n) => String(n)),
  );
  assert.is(await deleted, 500);
  assert.is(await after, false);
});

tests.test('questions about the cluster', async (lab) => {
  const cluster = await sturdy(lab);
  const client = await toMaster(lab);
  assert.is(await client.whoMaster(), await cluster.master());
  assert.is((await client.version()).major, 1, 'Arakoon’s clients insist on it');
  assert.match(await client.ping('a client', 'sturdy'), /Arakoon 1\.9/);
  assert.is(await client.expectProgressPossible(), true);
  await client.nop();
  const before = await client.keyCount();
  await client.set('count', 'me');
  assert.is(await client.keyCount(), before + 1);
  assert.ok((await client.statistics()).length > 0);
  assert.is(await client.currentState(), 'Stable_master');
});

tests.test(
  'a follower serves what asks for less than consistency, and names the master for the rest',
  async (lab) => {
    const cluster = await sturdy(lab);
    const client = await toMaster(lab);
    await client.set('follower', 'seen');
    const stamp = await client.txid();
    assert.is(stamp.kind, 'atLeast');
    const name = await cluster.follower();
    const follower = await cluster.connect(name);
    assert.is(await follower.whoMaster(), await cluster.master());
    const value = await until('the follower to catch up', () =>
      follower.get('follower', { consistency: stamp }),
    );
    assert.is(value.toString(), 'seen');
    assert.is((await follower.get('follower', { consistency: NO_GUARANTEES })).toString(), 'seen');
    const future = { kind: 'atLeast', slot: 1_000_000_000 } as const;
    await fails('INCONSISTENT_READ', /1000000000/, follower.get('follower', { consistency: future }));
    assert.is(follower.closedWhy, null, 'the connection is kept');
    const master = await cluster.master();
    for (const ask of [
      (one: ArakoonClient) => one.get('follower'),
      (one: ArakoonClient) => one.set('follower', 'x'),
      (one: ArakoonClient) => one.range(),
      (one: ArakoonClient) => one.keyCount(),
    ]) {
      const asked = await cluster.connect(name);
      const error = await failureOf(ask(asked));
      assert.is(error.code, 'NOT_MASTER');
      assert.is(error.message, master, 'nothing but the name, which clients compare');
      await until('the follower to close', () => asked.closedWhy !== null);
    }
  },
);

tests.test('a missing key is an error that keeps the connection', async (lab) => {
  const client = await toMaster(lab);
  await fails('NOT_FOUND', /./, client.get('missing'));
  await fails('NOT_FOUND', /missing/, client.delete('missing'));
  assert.is(client.closedWhy, null);
  await client.set('still', 'here');
});

tests.test('what is too large is refused by limit and size, and the connection goes on', async (lab) => {
  const client = await toMaster(lab);
  const limit = new RegExp(String(USER_KEY_MAX));
  const tooLong = Buffer.alloc(USER_KEY_MAX + 1, 0x61);
  await fails('BAD_INPUT', limit, client.set(tooLong, ''));
  await fails('BAD_INPUT', limit, client.get(tooLong));
  await fails('BAD_INPUT', limit, client.sequence([{ kind: 'set', key: tooLong, value: '' }]));
  const error = await failureOf(client.set('large', Buffer.alloc(9 * MIB)));
  assert.is(error.code, 'BAD_INPUT');
  assert.match(error.message, new RegExp(`${9 * MIB}.*${VALUE_MAX}`));
  const within = Buffer.alloc(VALUE_MAX, 7);
  await client.set('large', within);
  assert.ok((await client.get('large')).equals(within));
  const third = Buffer.alloc(7 * MIB);
  const steps = Array.from(
    { length: 5 },
    (_, n) => ({ kind: 'set', key: `large/${n}`, value: third }) as const,
  );
  await fails('BAD_INPUT', /3670\d+ bytes.*limit is 33619968/, client.sequence(steps));
  assert.is(await client.deletePrefix('large'), 1);
  assert.is(client.closedWhy, null);
});

tests.test('a frame of 4 GiB is refused before it comes, and harms nobody', async (lab) => {
  const cluster = await sturdy(lab);
  for (const head of [
    Buffer.concat([int(0xb1ff0009), int(0xffffffff)]), // set, and a key of 4 GiB
    Buffer.concat([int(0xb1ff0009), int(1), Buffer.from('k'), int(0xfffffff0)]), // a value of 4 GiB
    Buffer.concat([int(0xb1ff0010), int(0xffffffff)]), // a sequence
    Buffer.concat([int(0xb1ff0011), Buffer.from([0]), int(0xffffffff)]), // a list of so many keys
  ]) {
    const raw = await rawToMaster(lab);
    raw.send(head);
    const reply = await raw.rest();
    assert.is(reply.readUInt32LE(0), RETURN_CODES.BAD_INPUT);
    assert.match(reply.subarray(8).toString(), /limit/);
  }
  const master = await cluster.master();
  assert.is(cluster.process(master).isRunning, true);
  const client = await cluster.connect(master);
  await client.set('after', 'it lives');
});

tests.test('who does not speak the protocol is sent away as the original does', async (lab) => {
  const wrongCluster = await rawToMaster(lab, encodePrologue('morty'));
  wrongCluster.send(encodeRequest({ kind: 'whoMaster' }));
  assert.is((await wrongCluster.rest()).length, 0);
  const wrongVersion = await rawToMaster(
    lab,
    Buffer.concat([int(0xb1ff0000), int(2), int(6), Buffer.from('sturdy')]),
  );
  assert.is((await wrongVersion.rest()).length, 0);
  const wrongMagic = await rawToMaster(lab, int(0xb1fe0000));
  assert.is((await wrongMagic.rest()).length, 0);
  const noMagic = await rawToMaster(lab);
  noMagic.send(int(0x00000009), int(1));
  assert.equal(await noMagic.rest(), int(1));
  const unknown = await rawToMaster(lab);
  unknown.send(int(0xb1ff7777));
  const reply = await unknown.rest();
  assert.is(reply.readUInt32LE(0), RETURN_CODES.NOT_FOUND);
  assert.is(reply.readUInt32LE(4), reply.length - 8, 'with a text');
  const error = await failureOf((await toMaster(lab)).ping('a client', 'morty'));
  assert.is(error.code, 'UNKNOWN_FAILURE');
});

/** Vectors that make no request of their own, or whose answer has no end. */
const NOT_ASKED = /^(prologue|admin\/download_db|admin\/drop_master)/;
/** What no vector may be answered with, by a master that knows all of them. */
const WRONG = new Set<number>([
  RETURN_CODES.NO_MAGIC,
  RETURN_CODES.NOT_MASTER,
  RETURN_CODES.WRONG_CLUSTER,
  RETURN_CODES.OUT_OF_RANGE,
  RETURN_CODES.GOING_DOWN,
  RETURN_CODES.MAYBE_APPLIED,
]);

tests.test('every request of Arakoon’s own client is answered in the shape of its command', async (lab) => {
  let raw = await rawToMaster(lab);
  const counts = new Map<number, number>();
  for (const vector of VECTORS.requests) {
    if (NOT_ASKED.test(vector.name)) continue;
    const request = Buffer.from(vector.request_hex, 'hex');
    raw.send(request);
    let reply = Buffer.alloc(0);
    for (let wanted = 4; ; ) {
      reply = Buffer.concat([reply, await raw.read(wanted - reply.length)]);
      assert.is(reply.length, wanted, `${vector.name}: the connection ended`);
      const scanned = scanReply(requestCode(request), reply, 0, reply.length);
      if (scanned.kind === 'complete') {
        assert.is(scanned.end, reply.length, vector.name);
        break;
      }
      wanted = scanned.bytes;
    }
    const code = reply.readUInt32LE(0);
    const text = code === 0 ? '' : reply.subarray(8).toString('latin1');
    assert.not(WRONG.has(code), `${vector.name}: ${code.toString(16)} ${text}`);
    counts.set(code, (counts.get(code) ?? 0) + 1);
    // These two close the connection in the original; staying open is allowed.
    if (code === RETURN_CODES.NOT_SUPPORTED || code === RETURN_CODES.UNKNOWN_FAILURE) {
      raw.socket.destroy();
      raw = await rawToMaster(lab);
    }
  }
  assert.ok((counts.get(RETURN_CODES.OK) ?? 0) > 150, JSON.stringify([...counts]));
});

tests.test('drop_master makes another node master', async (lab) => {
  const cluster = await sturdy(lab);
  const before = await cluster.master();
  await cluster.ask(before, (client) => client.dropMaster());
  const after = await until('another master', async () => {
    const name = await cluster.master();
    return name !== before && name;
  });
  assert.is.not(after, before);
});

tests.run();

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { FunctionEngine } from '../../../node/functions/engine.ts';
import { SLOT_BYTES_MAX, SLOT_WORK_MAX } from '../../../node/machine/function-call.ts';
import { dataKey } from '../../../node/machine/store-keys.ts';
import { RETURN_CODES } from '../../../src/base/errors.ts';
import { NO_ROWS } from '../../../src/keyspace/digest.ts';
import type { AdminCommand } from '../../../src/protocol/admin/admin.ts';
import { FUNCTIONS_MAX, SOURCE_MAX } from '../../../src/protocol/admin/functions.ts';
import { TOO_LONG } from '../../../src/protocol/arakoon/replies.ts';
import { decodeBytes, decodeOptionalBytes } from '../../../src/protocol/arakoon/reply-decoders.ts';
import type { Update } from '../../../src/protocol/arakoon/updates.ts';
import type { Consistency } from '../../../src/protocol/arakoon/values.ts';
import { bytes, failureOf, finish, TestCluster } from './cluster.ts';
import { give, headerOf } from './migrations.ts';

const test = suite<{ engine: FunctionEngine; cluster: TestCluster }>('functions as replicated state');
test.before(async (context) => {
  context.engine = await FunctionEngine.start();
});
test.before.each((context) => {
  context.cluster = withFunctions(context.engine);
});

const SOURCES = {
  add: `export default (tx, argument) => {
    const [key, by] = String(argument).split(' ');
    const value = Number(tx.get(key) ?? 0) + Number(by);
    tx.set(key, String(value));
    return String(value);
  }`,
  spill: `export default (tx, argument) => {
    tx.set('inside', '1');
    try { tx.set(String(argument), '2') } catch {}
    return 'went on';
  }`,
  fail: `export default (tx) => { tx.set('inside', '1'); throw new Error('no') }`,
  endless: `export default (tx) => { tx.set('inside', '1'); for (;;); }`,
  keys: `export default (tx, argument) => tx.prefix(argument ?? '', -1).join()`,
};

function withFunctions(engine: FunctionEngine, nursery = false): TestCluster {
  const cluster = new TestCluster({ nursery }, engine);
  for (const [name, source] of Object.entries(SOURCES)) put(cluster, name, source);
  cluster.expect({ kind: 'useEngine', engine: engine.engine }, 'ok');
  return cluster;
}

function put(cluster: TestCluster, name: string, source: string): number {
  return cluster.expect({ kind: 'putFunction', name, source: bytes(source) }, 'changed').version;
}

const call = (name: string, argument: string | null = null): Update => ({
  kind: 'userFunction',
  name,
  argument: argument === null ? null : bytes(argument),
});

function called(cluster: TestCluster, name: string, argument: string | null = null): string | null {
  const result = decodeOptionalBytes(cluster.update(call(name, argument)).bytes);
  return result === null ? null : Buffer.from(result).toString('latin1');
}

test('a call reads and writes as a part of its slot, and so in a sequence', ({ cluster }) => {
  assert.is(called(cluster, 'add', 'n 5'), '5');
  const sequence: Update = {
    kind: 'sequence',
    updates: [{ kind: 'set', key: 'm', value: bytes('10') }, call('add', 'm 1'), call('add', 'm 1')],
  };
  assert.is(cluster.update(sequence).bytes[0], 0);
  assert.is(called(cluster, 'add', 'm 0'), '12');
  assert.is(called(cluster, 'keys'), 'm,n');
});

test('what fails has done nothing, alone and in a sequence', ({ cluster }) => {
  const before = cluster.dump();
  for (const [name, why] of [
    ['fail', 'Error: no'],
    ['endless', 'too much work'],
  ] as const) {
    const failed = { code: RETURN_CODES.USER_FUNCTION_FAILURE, message: why };
    assert.equal(failureOf(cluster.update(call(name))), failed);
    const around: Update = {
      kind: 'sequence',
      updates: [{ kind: 'set', key: 'a', value: bytes('') }, call(name)],
    };
    assert.equal(failureOf(cluster.update(around)), failed);
  }
  assert.equal(cluster.dump(), before);
});

test('functions are replaced and removed, and found again after a restart', ({ cluster }) => {
  cluster.restart();
  assert.is(called(cluster, 'add', 'n 5'), '5');
  const version = put(cluster, 'add', "export default () => 'other'");
  assert.is(called(cluster, 'add'), 'other');
  assert.is(cluster.expect({ kind: 'removeFunction', name: 'add' }, 'changed').version, version + 1);
  assert.equal(failureOf(cluster.update(call('add'))), {
    code: RETURN_CODES.BAD_INPUT,
    message: 'unknown function add',
  });
  cluster.expect({ kind: 'removeFunction', name: 'add' }, 'none');
  const { functions } = cluster.query({ kind: 'listFunctions' }, 'functionsStatus');
  assert.equal(
    functions.map(({ name }) => name),
    ['endless', 'fail', 'keys', 'spill'],
  );
});

test('names, lengths and numbers have limits', ({ cluster }) => {
  const refused = (name: string, length: number) =>
    cluster.expect({ kind: 'putFunction', name, source: new Uint8Array(length) }, 'refused').why;
  assert.match(refused('', 1), /1 to 256/);
  assert.match(refused('a b', 1), /printable/);
  assert.match(refused('a', SOURCE_MAX + 1), /65537 bytes: the limit is 65536 bytes/);
  for (let at = Object.keys(SOURCES).length; at < FUNCTIONS_MAX; at += 1) put(cluster, `f${at}`, '');
  assert.match(refused('one-more', 1), /256 functions/);
  put(cluster, 'add', SOURCES.add);
  cluster.expect({ kind: 'removeFunction', name: 'add' }, 'changed');
  for (let at = 0; at < FUNCTIONS_MAX + 10; at += 1) {
    put(cluster, `g${at}`, '');
    cluster.expect({ kind: 'removeFunction', name: `g${at}` }, 'changed');
  }
  assert.ok(
    cluster.machine.state.functions.size < 2 * FUNCTIONS_MAX,
    'removed names are forgotten in the end',
  );
});

test('without an engine in force nothing is called, and another one ends the process', ({ engine }) => {
  const cluster = new TestCluster({ nursery: false }, engine);
  put(cluster, 'add', SOURCES.add);
  assert.equal(failureOf(cluster.update(call('add', 'n 1'))).code, RETURN_CODES.USER_FUNCTION_FAILURE);
  cluster.expect({ kind: 'useEngine', engine: 'another engine' }, 'ok');
  assert.is(cluster.update({ kind: 'nop' }).bytes[0], 0, 'all else goes on');
  assert.throws(() => cluster.update(call('add', 'n 1')), /engine another engi.*start the build that has it/);
});

test('a key outside is final, and ends the call though it is caught', ({ engine }) => {
  const cluster = withFunctions(engine, true);
  give(cluster, { lo: 'a', hi: 'n' });
  const near = (name: string, key: string, argument: string): Update => ({
    kind: 'userFunctionNear',
    key,
    name,
    argument: bytes(argument),
  });
  assert.is(decodeOptionalBytes(cluster.update(near('spill', 'b', 'm')).bytes)?.length, 7);
  assert.is(cluster.update({ kind: 'delete', key: 'm' }).bytes[0], 0);
  assert.equal(failureOf(cluster.update(near('spill', 'b', 'z'))), {
    code: RETURN_CODES.USER_FUNCTION_FAILURE,
    message: 'key z belongs to another cluster',
  });
  assert.equal(failureOf(cluster.update(near('spill', 'z', 'm'))), {
    code: RETURN_CODES.OUT_OF_RANGE,
    message: 'z',
  });
  assert.is(cluster.store.get(dataKey('m')), undefined);
  const unplaced = failureOf(cluster.update(call('spill', 'm')));
  assert.is(unplaced.code, RETURN_CODES.BAD_INPUT);
  assert.match(unplaced.message, /function spill.*say near which key it works/);
  const placed: Update = {
    kind: 'sequence',
    updates: [{ kind: 'set', key: 'c', value: bytes('') }, call('spill', 'm')],
  };
  assert.is(cluster.update(placed).bytes[0], 0, 'the other keys of a sequence place it');
  const ranged = failureOf(cluster.update(near('keys', 'b', '')));
  assert.match(ranged.message, /belongs to another cluster/);
});

test('a hook only reads, and answers one string', ({ cluster }) => {
  const consistency: Consistency = { kind: 'consistent' };
  called(cluster, 'add', 'n 5');
  const hook = (name: string) => cluster.read({ kind: 'userHook', consistency, name });
  assert.is(Buffer.from(decodeBytes(hook('keys').bytes)).toString(), 'n');
  assert.equal(failureOf(hook('add')).message, 'a hook only reads: it sets undefined');
  assert.is(failureOf(hook('none')).code, RETURN_CODES.USER_HOOK_NOT_FOUND);
  put(cluster, 'long', 'export default () => new Uint8Array(1000)');
  const request = { kind: 'userHook', consistency, name: 'long' } as const;
  assert.is(decodeBytes(hook('long').bytes).length, 1000);
  assert.is(finish(cluster.machine.read(request, cluster.store, 999)), TOO_LONG, 'as for any read');
  put(cluster, 'silent', 'export default () => undefined');
  assert.is(decodeBytes(hook('silent').bytes).length, 0);
  assert.is(called(cluster, 'keys'), 'n');
});

test('a cluster takes what its keeper has, in order, and nothing from anybody else', ({ engine }) => {
  const keeper = withFunctions(engine);
  keeper.expect(
    { kind: 'bind', keeper: { cluster: 'k', founding: 'K', nodes: [] }, mine: 'K' } as never,
    'ok',
  );
  const cluster = new TestCluster({ nursery: true }, engine);
  cluster.expect(
    { kind: 'bind', keeper: { cluster: 'k', founding: 'K', nodes: [] }, mine: 'A' } as never,
    'ok',
  );
  const { kind, ...page } = keeper.query({ kind: 'functionsAbove', version: 0 }, 'functionsPage');
  assert.is(kind, 'functionsPage');
  const take = (from: number, page: object) => ({ kind: 'takeFunctions', from, ...page }) as never;
  cluster.expect(take(0, { ...page, keeper: 'X' }), 'refused');
  cluster.expect(take(0, page), 'changed');
  cluster.expect(take(0, page), 'busy');
  assert.equal([...cluster.machine.state.functions], [...keeper.machine.state.functions]);
  assert.match(
    cluster.expect({ kind: 'putFunction', name: 'own', source: bytes('') }, 'refused').why,
    /at the keeper/,
  );
  const version = keeper.expect({ kind: 'removeFunction', name: 'add' }, 'changed').version;
  const { kind: _, ...next } = keeper.query(
    { kind: 'functionsAbove', version: version - 1 },
    'functionsPage',
  );
  cluster.expect(take(version - 1, next), 'changed');
  assert.is(failureOf(cluster.update(call('add'))).code, RETURN_CODES.BAD_INPUT);
});

test('a move waits for the functions that clients may have called at its source', ({ engine }) => {
  const cluster = new TestCluster({ nursery: true }, engine);
  cluster.expect({ kind: 'bind', keeper: { cluster: 'k', founding: 'K', nodes: [] }, mine: 'A' }, 'ok');
  const under = (command: object, functions: number) =>
    ({ kind: 'under', keeper: 'K', founding: 'A', peer: 'B', command, functions }) as AdminCommand;
  const header = headerOf(2);
  const begin = (functions: number) => under({ kind: 'beginImport', ...header }, functions);
  assert.match(cluster.expect(begin(1), 'busy').why, /version 0 of the keeper's, those of the source at 1/);
  assert.equal([...cluster.machine.state.imports], [], 'nothing was begun');
  const take = (from: number, version: number): AdminCommand => ({
    ...{ kind: 'takeFunctions', keeper: 'K', from, version },
    functions: [{ name: 'f', version, source: bytes('') }],
  });
  cluster.expect(take(0, 1), 'changed');
  cluster.expect(begin(1), 'importing');
  const page = { seq: 1, asOf: 1, page: 0, from: header.lo, to: header.hi, rows: [] };
  cluster.expect(under({ kind: 'page', ...header, ...page }, 0), 'ok');
  const activate = { kind: 'activate', ...header, seq: 1, sealSlot: 1, digest: NO_ROWS };
  cluster.expect(under(activate, 2), 'busy');
  assert.equal(cluster.machine.owned(), [], 'nothing was activated');
  cluster.expect(take(1, 2), 'changed');
  cluster.expect(under(activate, 2), 'closed');
  assert.is(cluster.machine.owned().length, 1);
});

test('a source says how far its functions are, wherever a coordinator learns of its seal', ({ engine }) => {
  const cluster = new TestCluster({ nursery: true }, engine);
  cluster.expect({ kind: 'bind', keeper: { cluster: 'k', founding: 'K', nodes: [] }, mine: 'A' }, 'ok');
  const under = (command: object) =>
    ({ kind: 'under', keeper: 'K', founding: 'A', peer: 'B', command }) as AdminCommand;
  cluster.expect(under({ kind: 'assume', epoch: 1 }), 'ok');
  const functions = [{ name: 'f', version: 4, source: bytes('') }];
  cluster.expect({ kind: 'takeFunctions', keeper: 'K', from: 0, version: 4, functions }, 'changed');
  const header = headerOf(2);
  const begin = under({ kind: 'beginExport', ...header });
  assert.is(cluster.expect(begin, 'exporting').functions, 4);
  cluster.expect(under({ kind: 'setBase', ...header, base: NO_ROWS }), 'ok');
  const seal = under({ kind: 'seal', ...header, rowsMax: 1, bytesMax: 1 });
  assert.is(cluster.expect(seal, 'sealed').functions, 4);
  assert.is(cluster.expect(seal, 'sealed').functions, 4, 'again');
  assert.is(cluster.expect(begin, 'exporting').functions, 4, 'to who takes over');
  assert.is(cluster.status(header).functions, 4);
});

test('the calls of one slot have limits together: what they write is in memory until it is committed', ({
  cluster,
}) => {
  put(
    cluster,
    'fill',
    `export default (tx) => { const v = new Uint8Array(4e6); tx.set('a', v); tx.set('b', v) }`,
  );
  const fills = (count: number): Update => ({
    kind: 'sequence',
    updates: Array.from({ length: count }, () => call('fill')),
  });
  assert.is(cluster.update(fills(8)).bytes[0], 0);
  const before = cluster.dump();
  assert.equal(failureOf(cluster.update(fills(9))), {
    code: RETURN_CODES.USER_FUNCTION_FAILURE,
    message: `the calls that came with this one have done ${SLOT_BYTES_MAX} bytes of writes, all that one step may do: call again, fewer at a time`,
  });
  const endless: Update[] = Array.from({ length: 1001 }, () => call('endless'));
  const outcomes = new Set(cluster.apply(...endless).map((answer) => failureOf(answer).message));
  assert.equal(
    [...outcomes],
    [
      'too much work',
      `the calls that came with this one have done ${SLOT_WORK_MAX} units of work, all that one step may do: call again, fewer at a time`,
    ],
  );
  assert.equal(cluster.dump(), before);
});

test('of removed functions only so many are remembered, however many come at once', ({ engine }) => {
  const cluster = new TestCluster({ nursery: true }, engine);
  const keeper = 'K';
  cluster.expect(
    { kind: 'bind', keeper: { cluster: 'k', founding: keeper, nodes: [] }, mine: 'A' } as never,
    'ok',
  );
  const removed = Array.from({ length: FUNCTIONS_MAX + 5 }, (_, at) => ({
    name: `f${at}`,
    version: 100 + at,
    source: null,
  }));
  cluster.expect({ kind: 'takeFunctions', keeper, from: 0, version: 1000, functions: removed }, 'changed');
  const page = cluster.query({ kind: 'functionsAbove', version: 0 }, 'functionsPage');
  assert.is(page.functions.filter(({ source }) => source === null).length, FUNCTIONS_MAX);
});

test('work of calls makes a batch pause', ({ cluster }) => {
  cluster.apply(...Array.from({ length: 10 }, () => call('endless')));
  assert.ok(cluster.turns >= 9, `${cluster.turns} turns`);
});

test.run();

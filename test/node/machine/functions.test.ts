import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { FunctionEngine } from '../../../node/functions/engine.ts';
import { SLOT_BYTES_MAX, SLOT_WORK_MAX } from '../../../node/machine/function-call.ts';
import { versionInNursery } from '../../../node/machine/functions.ts';
import { dataKey } from '../../../node/machine/store-keys.ts';
import { RETURN_CODES } from '../../../src/base/errors.ts';
import { NO_ROWS } from '../../../src/keyspace/digest.ts';
import type { Range } from '../../../src/keyspace/range.ts';
import type { AdminCommand } from '../../../src/protocol/admin/admin.ts';
import {
  FUNCTIONS_MAX,
  type FunctionSet,
  REMOVED,
  SOURCE_MAX,
} from '../../../src/protocol/admin/functions.ts';
import { TOO_LONG } from '../../../src/protocol/arakoon/replies.ts';
import { decodeBytes, decodeOptionalBytes } from '../../../src/protocol/arakoon/reply-decoders.ts';
import type { Update } from '../../../src/protocol/arakoon/updates.ts';
import type { Consistency } from '../../../src/protocol/arakoon/values.ts';
import { bytes, failureOf, finish, TestCluster } from './cluster.ts';
import { cleanUp, give, headerOf, seal } from './migrations.ts';

const test = suite<{ engine: FunctionEngine; cluster: TestCluster }>('functions as replicated state');
test.before(async (context) => {
  context.engine = await FunctionEngine.start();
});
test.before.each((context) => {
  context.cluster = withFunctions(context.engine);
});

type Sources = Readonly<Record<string, string>>;
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

function withFunctions(engine: FunctionEngine): TestCluster {
  return filled(new TestCluster({ nursery: false }, engine), engine);
}

function filled(cluster: TestCluster, { engine }: FunctionEngine, more: Sources = {}): TestCluster {
  for (const [name, source] of Object.entries({ ...SOURCES, ...more })) put(cluster, name, source);
  cluster.expect({ kind: 'useEngine', engine }, 'ok');
  return cluster;
}

/** A cluster that does not know its nursery yet, and owns a range. */
function owning(range: Range, engine: FunctionEngine, more: Sources = {}): TestCluster {
  const cluster = new TestCluster({ nursery: true }, engine);
  give(cluster, range);
  return filled(cluster, engine, more);
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
  put(cluster, 'one-more', '');
  assert.is(cluster.machine.state.functions.size, FUNCTIONS_MAX);
});

test('without an engine in force nothing is called, and another one ends the process', ({ engine }) => {
  const cluster = new TestCluster({ nursery: false }, engine);
  put(cluster, 'add', SOURCES.add);
  assert.equal(failureOf(cluster.update(call('add', 'n 1'))).code, RETURN_CODES.USER_FUNCTION_FAILURE);
  cluster.expect({ kind: 'useEngine', engine: 'another engine' }, 'ok');
  assert.is(cluster.update({ kind: 'nop' }).bytes[0], 0, 'all else goes on');
  assert.throws(() => cluster.update(call('add', 'n 1')), /engine another engi.*start the build that has it/);
  const hook = cluster.read({ kind: 'userHook', consistency: { kind: 'noGuarantees' }, name: 'add' });
  assert.is(failureOf(hook).code, RETURN_CODES.GOING_DOWN, 'a read ends nothing');
});

test('a key outside is final, and ends the call though it is caught', ({ engine }) => {
  const cluster = owning({ lo: 'a', hi: 'n' }, engine);
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

test('where a cluster serves a part of the keys, a key must say where a call works: its own, or another of its sequence', ({
  engine,
}) => {
  const done = "export default () => 'done'";
  const cluster = owning({ lo: 'a', hi: 'n' }, engine, { idle: done, other: done });
  const idle = call('idle');
  const nop: Update = { kind: 'nop' };
  const set: Update = { kind: 'set', key: 'c', value: bytes('') };
  const all = (...updates: Update[]): Update => ({ kind: 'sequence', updates });
  const refusalOf = (update: Update): string | null => {
    const answer = cluster.update(update);
    return answer.bytes[0] === 0 ? null : failureOf(answer).message.replace(/:.*/, '');
  };
  const unplaced = 'function idle';
  const cases: readonly (readonly [Update, string | null])[] = [
    [idle, unplaced],
    [all(idle), unplaced],
    [all(nop, idle), unplaced],
    [all(idle, nop), unplaced],
    [all(all(), idle), unplaced],
    [all(all(nop, all(nop)), idle), unplaced],
    [all(all(idle), call('other')), unplaced],
    [all(set, idle), null],
    [all(idle, set), null],
    [all(nop, idle, all(set)), null],
    [all(all(nop, set), idle), null],
    [all(), null],
    [all(nop, all(nop)), null],
    [{ kind: 'userFunctionNear', key: 'c', name: 'idle', argument: null }, null],
    [call('unknown'), 'unknown function unknown'],
  ];
  for (const [update, refusal] of cases) assert.is(refusalOf(update), refusal, JSON.stringify(update));
});

test('a function gets as many keys as it asks for, whatever it removed between them', ({ cluster }) => {
  for (const key of 'abcdefgh') cluster.set(key, '');
  const source = "for (const key of 'bcf') tx.delete(key); return tx.prefix('', Number(argument)).join('')";
  put(cluster, 'some', `export default (tx, argument) => { ${source} }`);
  for (const [max, keys] of [
    [0, ''],
    [1, 'a'],
    [2, 'ad'],
    [3, 'ade'],
    [4, 'adeg'],
    [5, 'adegh'],
    [6, 'adegh'],
    [-1, 'adegh'],
  ] as const) {
    for (const key of 'bcf') cluster.set(key, '');
    assert.is(called(cluster, 'some', String(max)), keys);
  }
});

test('a call that names no key is passing while all that there is moves, and final where others own some', ({
  engine,
}) => {
  const cluster = new TestCluster({ nursery: true }, engine);
  const consistency: Consistency = { kind: 'consistent' };
  /** What a call and a hook are told, and where they are sent. */
  const told = (why: string) => {
    const answers = [
      cluster.update(call('keys')),
      cluster.update({ kind: 'sequence', updates: [{ kind: 'nop' }, call('keys')] }),
      cluster.read({ kind: 'userHook', consistency, name: 'keys' }),
    ];
    const [code, ...others] = answers.map((answer) => failureOf(answer).code);
    assert.equal(others, [code, code], why);
    const [hint] = answers.map(({ hint }) => hint);
    return [code, hint?.entry.lo, hint?.entry.hi, hint?.entry.owner, hint?.confirmed];
  };
  const nothing = [undefined, undefined, undefined, undefined];
  const { OUT_OF_RANGE, BAD_INPUT } = RETURN_CODES;
  assert.equal(told('who has no keys says nothing of functions either'), [OUT_OF_RANGE, ...nothing]);
  const whole = headerOf(1, { lo: '', hi: null });
  cluster.expect({ kind: 'beginImport', ...whole }, 'importing');
  assert.equal(told('all comes'), [OUT_OF_RANGE, '', null, 'other', false]);
  cluster.expect({ kind: 'abandon', ...whole }, 'closed');
  cleanUp(cluster);
  give(cluster, { lo: '', hi: null }, 2);
  filled(cluster, engine);
  assert.is(called(cluster, 'keys'), '');

  const header = headerOf(3, { hi: null });
  cluster.expect({ kind: 'beginExport', ...header }, 'exporting');
  cluster.expect({ kind: 'setBase', ...header, base: NO_ROWS }, 'ok');
  seal(cluster, header);
  assert.equal(told('a part is sealed'), [OUT_OF_RANGE, 'k', null, 'other', false]);
  cluster.expect({ kind: 'release', ...header }, 'closed');
  assert.is(told('the other cluster has it')[0], BAD_INPUT);

  const rest = headerOf(4, { lo: '', hi: 'k' });
  cluster.expect({ kind: 'beginExport', ...rest }, 'exporting');
  cluster.expect({ kind: 'setBase', ...rest, base: NO_ROWS }, 'ok');
  seal(cluster, rest);
  assert.is(told('two own keys, whatever moves')[0], BAD_INPUT);
  cluster.expect({ kind: 'release', ...rest }, 'closed');
  assert.equal(told('all is elsewhere, in two pieces'), [OUT_OF_RANGE, ...nothing]);
});

test('a function that deletes what is not there fails as a client would', ({ cluster }) => {
  cluster.set('there', '');
  put(cluster, 'remove', "export default (tx) => { tx.delete('there'); return 'gone' }");
  assert.is(called(cluster, 'remove'), 'gone');
  assert.throws(() => called(cluster, 'remove'), /not found: there/);
});

test('whose functions count in a nursery: those of its keeper', () => {
  const keeper = { cluster: 'k', founding: 'K', nodes: [] };
  const version = (mine: string | null, of: string): number =>
    versionInNursery({
      bound: mine === null ? null : { keeper, mine },
      functionsVersion: { keeper: of, version: 7 },
    });
  assert.equal([version(null, ''), version('A', ''), version('A', 'K'), version('K', '')], [0, 0, 7, 7]);
});

test('a hook only reads, and answers one string', ({ cluster }) => {
  const consistency: Consistency = { kind: 'consistent' };
  called(cluster, 'add', 'n 5');
  const hook = (name: string) => cluster.read({ kind: 'userHook', consistency, name });
  assert.is(Buffer.from(decodeBytes(hook('keys').bytes)).toString(), 'n');
  assert.equal(failureOf(hook('add')).message, 'a hook only reads: it sets undefined');
  put(cluster, 'remove', "export default (tx) => { tx.delete('n'); }");
  assert.equal(failureOf(hook('remove')).message, 'a hook only reads: it deletes n');
  assert.is(failureOf(hook('none')).code, RETURN_CODES.USER_HOOK_NOT_FOUND);
  put(cluster, 'long', 'export default () => new Uint8Array(1000)');
  const request = { kind: 'userHook', consistency, name: 'long' } as const;
  assert.is(decodeBytes(hook('long').bytes).length, 1000);
  assert.is(finish(cluster.machine.read(request, cluster.store, 999)), TOO_LONG, 'as for any read');
  put(cluster, 'silent', 'export default () => undefined');
  assert.is(decodeBytes(hook('silent').bytes).length, 0);
  assert.is(called(cluster, 'keys'), 'n');
});

const boundTo = (keeper: string, mine: string): AdminCommand => ({
  kind: 'bind',
  keeper: { cluster: 'k', founding: keeper, nodes: [] },
  mine,
});

/** A keeper with functions and a map. */
function keeperWithMap(engine: FunctionEngine, more: Sources = {}): TestCluster {
  const keeper = new TestCluster({ nursery: true }, engine);
  keeper.expect(boundTo('K', 'K'), 'ok');
  keeper.expect(installation({ version: 0, functions: [] }), 'orders');
  return filled(keeper, engine, more);
}

function installation(functions: FunctionSet): AdminCommand {
  return {
    kind: 'install',
    ...{ order: 1, from: 'old', replaced: [], takenMs: 1, migrations: [], lastMid: 1, functions },
    clusters: [{ cluster: 'a', founding: 'A', nodes: [] }],
    entries: [{ lo: '', hi: null, owner: 'a', epoch: 1, founding: 'A' }],
  };
}

/** What a master of `cluster` has it take, having asked `keeper`. */
function taken(cluster: TestCluster, keeper: TestCluster, said = 'K'): AdminCommand {
  const { functionsVersion } = cluster.machine.state;
  const from = functionsVersion.keeper === said ? functionsVersion.version : 0;
  const { kind: _, ...page } = keeper.query({ kind: 'functionsAbove', version: from }, 'functionsPage');
  return { kind: 'takeFunctions', from, ...page, keeper: said };
}

test('a cluster takes what its keeper has, in order, and nothing from anybody else', ({ engine }) => {
  const keeper = keeperWithMap(engine);
  const cluster = new TestCluster({ nursery: true }, engine);
  cluster.expect(boundTo('K', 'A'), 'ok');
  cluster.expect(taken(cluster, keeper, 'X'), 'refused');
  const first = taken(cluster, keeper);
  cluster.expect(first, 'changed');
  cluster.expect(first, 'busy');
  assert.equal([...cluster.machine.state.functions], [...keeper.machine.state.functions]);
  assert.match(
    cluster.expect({ kind: 'putFunction', name: 'own', source: bytes('') }, 'refused').why,
    /at the keeper/,
  );
  keeper.expect({ kind: 'removeFunction', name: 'add' }, 'changed');
  cluster.expect(taken(cluster, keeper), 'changed');
  assert.equal([...cluster.machine.state.functions.keys()], ['endless', 'fail', 'keys', 'spill']);
});

test('what was removed goes, however many removals came since', ({ engine }) => {
  const keeper = keeperWithMap(engine);
  const cluster = new TestCluster({ nursery: true }, engine);
  cluster.expect(boundTo('K', 'A'), 'ok');
  cluster.expect(taken(cluster, keeper), 'changed');
  keeper.expect({ kind: 'removeFunction', name: 'add' }, 'changed');
  for (let at = 0; at < FUNCTIONS_MAX + 10; at += 1) {
    put(keeper, `g${at}`, '');
    keeper.expect({ kind: 'removeFunction', name: `g${at}` }, 'changed');
  }
  cluster.expect(taken(cluster, keeper), 'changed');
  assert.equal([...cluster.machine.state.functions.keys()], ['endless', 'fail', 'keys', 'spill']);
  for (const name of ['endless', 'fail', 'keys', 'spill'])
    keeper.expect({ kind: 'removeFunction', name }, 'changed');
  cluster.expect(taken(cluster, keeper), 'changed');
  assert.is(cluster.machine.state.functions.size, 0);
});

test('functions that do not fit into one page come in several, and none goes meanwhile', ({ engine }) => {
  const keeper = keeperWithMap(engine);
  const long = `// ${'x'.repeat(60_000)}`;
  for (let at = 0; at < 40; at += 1) put(keeper, `long-${at}`, long);
  const cluster = new TestCluster({ nursery: true }, engine);
  cluster.expect(boundTo('K', 'A'), 'ok');
  put(keeper, 'add', SOURCES.add);
  const versions: number[] = [];
  while (versions.at(-1) !== keeper.machine.state.functionsVersion.version)
    versions.push(cluster.expect(taken(cluster, keeper), 'changed').version);
  assert.ok(versions.length > 2, `in ${versions.length} pages`);
  assert.equal([...cluster.machine.state.functions], [...keeper.machine.state.functions]);
});

test('what a cluster had before it came to a keeper stays until the keeper has one of that name', ({
  engine,
}) => {
  const keeper = keeperWithMap(engine);
  for (const name of ['fail', 'keys']) keeper.expect({ kind: 'removeFunction', name }, 'changed');
  const cluster = withFunctions(engine);
  cluster.expect(boundTo('K', 'A'), 'ok');
  cluster.expect(taken(cluster, keeper), 'changed');
  put(keeper, 'fail', "export default () => 'ours'");
  cluster.expect(taken(cluster, keeper), 'changed');
  assert.is(called(cluster, 'fail'), 'ours');
  cluster.update({ kind: 'set', key: 'k', value: bytes('') });
  assert.is(called(cluster, 'keys'), 'k', 'the keeper has none');
  const { functions } = cluster.query({ kind: 'functionsAbove', version: 0 }, 'functionsPage');
  assert.not(
    functions.some(({ name }) => name === 'keys'),
    'it is not the nursery’s',
  );
  keeper.expect({ kind: 'removeFunction', name: 'fail' }, 'changed');
  cluster.expect(taken(cluster, keeper), 'changed');
  assert.is(failureOf(cluster.update(call('fail'))).message, 'unknown function fail');
});

test('a keeper in the place of a lost one goes on with what clusters had, and counts on', ({ engine }) => {
  const keeper = keeperWithMap(engine);
  const cluster = new TestCluster({ nursery: true }, engine);
  cluster.expect(boundTo('K', 'A'), 'ok');
  cluster.expect(taken(cluster, keeper), 'changed');
  const next = new TestCluster({ nursery: true }, engine);
  next.expect(boundTo('K2', 'K2'), 'ok');
  const early = { kind: 'putFunction', name: 'early', source: bytes('') } as const;
  assert.match(next.expect(early, 'refused').why, /no map yet: nursery init .* or nursery rescue keeper/);
  next.expect({ kind: 'removeFunction', name: 'early' }, 'refused');

  const adopt = { kind: 'adopt', order: 7, from: 'K', keeper: { cluster: 'k', founding: 'K2', nodes: [] } };
  const { functions: told } = cluster.expect(adopt as AdminCommand, 'belongings');
  assert.equal(told, { keeper: 'K', version: 5 });
  const { version, functions } = cluster.query({ kind: 'functionsAbove', version: 0 }, 'functionsPage');
  next.expect(installation({ version, functions }), 'orders');
  next.restart();
  assert.equal([...next.machine.state.functions], [...keeper.machine.state.functions]);
  assert.is(put(next, 'more', ''), 6, 'versions go on');
  next.expect({ kind: 'removeFunction', name: 'add' }, 'changed');
  cluster.expect(taken(cluster, next, 'K2'), 'changed');
  assert.equal([...cluster.machine.state.functions], [...next.machine.state.functions]);

  const survivor = withFunctions(engine);
  put(survivor, 'add', 'export default () => 6');
  survivor.expect(boundTo('K3', 'K3'), 'ok');
  survivor.expect(installation({ version, functions }), 'orders');
  assert.is(survivor.machine.state.functionsVersion.version, 6, 'it knows better');
  assert.is(
    Buffer.from(survivor.machine.state.functions.get('add')?.source ?? '').toString(),
    'export default () => 6',
  );
});

test('a nursery whose keeper has no map yet keeps no functions, and tells clusters of none', ({ engine }) => {
  const keeper = new TestCluster({ nursery: true }, engine);
  const early = { kind: 'putFunction', name: 'early', source: bytes('') } as const;
  assert.match(keeper.expect(early, 'refused').why, /does not know its nursery yet: try again/);
  keeper.expect({ kind: 'removeFunction', name: 'early' }, 'refused');
  const survivor = withFunctions(engine);
  survivor.expect(boundTo('K', 'K'), 'ok');
  const page = survivor.query({ kind: 'functionsAbove', version: 0 }, 'functionsPage');
  assert.equal(
    [page.version, page.functions],
    [0, []],
    'clusters may have more than a survivor of their keeper',
  );
  survivor.expect(installation({ version: 0, functions: [] }), 'orders');
  const after = survivor.query({ kind: 'functionsAbove', version: 0 }, 'functionsPage');
  assert.is(after.functions.length, Object.keys(SOURCES).length);
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
    names: ['f'],
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
  const names = ['f'];
  cluster.expect({ kind: 'takeFunctions', keeper: 'K', from: 0, version: 4, functions, names }, 'changed');
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

test('entries of earlier builds name what was removed, and leave the rest', ({ engine }) => {
  const cluster = new TestCluster({ nursery: true }, engine);
  cluster.expect({ kind: 'bind', keeper: { cluster: 'k', founding: 'K', nodes: [] }, mine: 'A' }, 'ok');
  const take = (from: number, version: number, functions: FunctionSet['functions']) =>
    cluster.expect({ kind: 'takeFunctions', keeper: 'K', from, version, functions }, 'changed');
  const some = (name: string, version: number) => ({ name, version, source: bytes(name) });
  take(0, 2, [some('f', 1), some('g', 2)]);
  take(2, 4, [some('h', 3), { name: 'g', version: 4, source: REMOVED }]);
  assert.equal([...cluster.machine.state.functions.keys()], ['f', 'h']);
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

test('work of calls makes a batch pause, and little of it does not', ({ cluster }) => {
  cluster.apply(...Array.from({ length: 10 }, () => call('add', 'n 1')));
  assert.is(cluster.turns, 1);
  cluster.apply(...Array.from({ length: 10 }, () => call('endless')));
  assert.ok(cluster.turns >= 9, `${cluster.turns} turns`);
});

test.run();

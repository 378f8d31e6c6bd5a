import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { FunctionEngine } from '../../../node/functions/engine.ts';
import type { FunctionRows } from '../../../node/machine/function-call.ts';
import type { FatalError } from '../../../src/base/errors.ts';
import { SOURCE_MAX } from '../../../src/protocol/admin/functions.ts';
import { rowsInMemory } from './rows-in-memory.ts';

const test = suite<{ engine: FunctionEngine; map: Map<string, Uint8Array> }>('engine of functions');
test.before(async (context) => {
  context.engine = await FunctionEngine.start();
});
test.before.each((context) => {
  context.map = new Map();
});

/** What a module answers, as text; null for nothing, and an error where it fails. */
function answer(
  { engine, map }: { engine: FunctionEngine; map: Map<string, Uint8Array> },
  source: string,
  argument: string | null = null,
  rows: FunctionRows = rowsInMemory(map),
): string | null {
  const outcome = engine.call(
    { source: Buffer.from(source) },
    rows,
    argument === null ? null : Buffer.from(argument, 'latin1'),
  );
  if (outcome.kind === 'failed') throw new Error(outcome.why);
  return outcome.result === null ? null : Buffer.from(outcome.result).toString('latin1');
}

const COUNTER = `
  let hidden = 0;
  export default (tx, argument) => {
    hidden += 1;
    const value = Number(tx.get('counter') ?? 0) + Number(argument ?? 1);
    tx.set('counter', String(value));
    return value + ' ' + hidden;
  };`;

test('a function reads, writes and answers, and keeps nothing from call to call', (context) => {
  assert.is(answer(context, COUNTER), '1 1');
  assert.is(answer(context, COUNTER, '41'), '42 1');
  assert.is(String(context.map.get('counter')), '42');
});

test('the same call takes the same work, with a failure in between', ({ engine, map }) => {
  const counter = { source: Buffer.from(COUNTER) };
  const call = () => engine.call(counter, rowsInMemory(new Map(map)), null);
  const first = call();
  engine.call({ source: Buffer.from('export default () => { for (;;); }') }, rowsInMemory(map), null);
  assert.equal(call(), first);
});

test('what can be loaded and never be called is refused where it is put', ({ engine }) => {
  for (const [source, kind] of [
    ['export default async (tx) => "x"', 'an async function'],
    ['export default async function named() {}', 'an async function'],
    ['export default function* () {}', 'a generator'],
    ['export default async function* () {}', 'an async generator'],
    ['export default class A {}', 'a class'],
    ['class A {} export default class B extends A {}', 'a class'],
  ] as const)
    assert.match(engine.whyNot(Buffer.from(source)) ?? '', `its default export is ${kind}, which`);
  for (const source of [
    'export default () => "x"',
    'export default function () {}',
    'export default ({ class() {} }).class',
    'export default Object.freeze(function () {})',
    'export default (() => {}).bind(null)',
    'Object.getPrototypeOf = undefined; export default () => "x"',
    'Object.getPrototypeOf = () => { for (;;); }; export default () => "x"',
    COUNTER,
  ])
    assert.is(engine.whyNot(Buffer.from(source)), null, source);
});

test('nothing and null are no result; numbers are none that can be answered', (context) => {
  assert.is(answer(context, 'export default () => undefined'), null);
  assert.is(answer(context, 'export default () => null'), null);
  assert.throws(
    () => answer(context, 'export default () => 5'),
    /a result is a string or bytes, not a number/,
  );
});

test('strings go as UTF-8, and bytes come back as what they are', (context) => {
  const echo = 'export default (tx, argument) => argument';
  const every = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte)).toString('latin1');
  assert.is(answer(context, echo, every), every);
  assert.is(answer(context, echo, ''), '');
  const zero = `export default (tx) => { tx.set('a\\0é', 'b\\0'); return tx.get(new Uint8Array([97, 0, 0xc3, 0xa9])) }`;
  assert.is(answer(context, zero), 'b\0');
  assert.equal([...context.map.keys()], ['a\0\xc3\xa9']);
  const text = `export default (tx, argument) => String(argument) === 'a\\0é' ? 'same' : 'other'`;
  assert.is(answer(context, text, 'a\0\xc3\xa9'), 'same');
  const lone = `export default () => '\\ud800'`;
  assert.is(answer(context, lone), Buffer.from('\ufffd').toString('latin1'));
});

test('tx has the meaning of the requests of the same name', (context) => {
  for (const key of ['a', 'b', 'ba', 'c']) context.map.set(key, Buffer.from(`value of ${key}`));
  const keys = (code: string) => answer(context, `export default (tx) => ${code}.join()`);
  assert.is(keys("tx.range('a', false, 'c', false, -1)"), 'b,ba');
  assert.is(keys("tx.range('a', true, 'c', true, 3)"), 'a,b,ba');
  assert.is(keys('tx.range(undefined, true, undefined, true, -1)'), 'a,b,ba,c');
  assert.is(keys("tx.prefix('b', -1)"), 'b,ba');
  assert.is(keys("tx.prefix('b', 1)"), 'b');
  assert.is(answer(context, "export default (tx) => String([tx.exists('a'), tx.exists('x')])"), 'true,false');
  assert.is(answer(context, "export default (tx) => String(tx.get('x'))"), 'undefined');
  assert.is(answer(context, "export default (tx) => { tx.delete('a') }"), null);
  assert.not(context.map.has('a'));
  assert.throws(() => answer(context, "export default (tx) => { tx.delete('a') }"), /not found: a/);
  assert.is(answer(context, "export default (tx) => { tx.assert('b', 'value of b'); tx.assert('x') }"), null);
  assert.throws(
    () => answer(context, "export default (tx) => tx.assert('b', 'other')"),
    /assertion failed: b/,
  );
  assert.throws(() => answer(context, "export default (tx) => tx.assert('b')"), /assertion failed: b/);
  assert.throws(() => answer(context, "export default (tx) => tx.assert('x', '')"), /assertion failed: x/);
});

test('what a row refuses ends the call, though the function catches everything', (context) => {
  const source = "export default (tx) => { try { tx.set('outside', '') } catch {} return 'went on' }";
  assert.throws(() => answer(context, source), /key outside belongs to another/);
});

test('what rows throw that is no refusal is passed on as it is', (context) => {
  const rows: FunctionRows = {
    ...rowsInMemory(context.map),
    get: () => {
      throw new RangeError('a bug');
    },
  };
  const source = "export default (tx) => { try { tx.get('a') } catch {} }";
  assert.throws(
    () => answer(context, source, null, rows),
    (error: Error) => error instanceof RangeError && error.message === 'a bug',
  );
  assert.is(answer(context, COUNTER), '1 1');
});

test('rows that are looked at are charged', ({ engine, map }) => {
  for (let index = 0; index < 5000; index += 1) map.set(`key ${index}`, Buffer.from('x'));
  const source = Buffer.from("export default (tx) => String(tx.prefix('key', -1).length)");
  let rowsMaxAsked = 0;
  const rows = rowsInMemory(map);
  const watched: FunctionRows = {
    ...rows,
    prefix: (prefix, max, rowsMax) => {
      rowsMaxAsked = rowsMax;
      return rows.prefix(prefix, max, rowsMax);
    },
  };
  const outcome = engine.call({ source }, watched, null);
  assert.equal(outcome.kind === 'failed' && outcome.why, 'too much work');
  assert.ok(rowsMaxAsked <= 2001, 'what is looked at is bounded by the work that is left');
});

test('what would differ between two processes is not there', (context) => {
  const names = [
    ...['Date', 'Promise', 'WeakRef', 'FinalizationRegistry', 'SharedArrayBuffer', 'Atomics'],
    ...['Float16Array', 'Float32Array', 'Float64Array', 'performance', 'console', 'queueMicrotask'],
  ];
  for (const name of names)
    assert.is(answer(context, `export default () => typeof ${name}`), 'undefined', name);
  const inside = `export default () => [Math.random, DataView.prototype.getFloat64, DataView.prototype.setFloat32]
    .map((each) => typeof each).join()`;
  assert.is(answer(context, inside), 'undefined,undefined,undefined');
  assert.is(
    answer(context, 'export default () => String((async () => {})().constructor === Object)'),
    'true',
    'a promise does not lead to the global one',
  );
});

test('another engine ends the process, with its own code', ({ engine }) => {
  engine.require(engine.engine);
  assert.throws(
    () => engine.require('0123456789abcdef'),
    (error: FatalError) => error.exitCode === 53 && /engine 0123456789ab, this build has/.test(error.message),
  );
  assert.match(engine.engine, /^[0-9a-f]{64}$/);
});

test('what can be no function is refused with a reason', ({ engine }) => {
  const why = (source: string) => engine.whyNot(Buffer.from(source)) ?? '';
  assert.is(why(COUNTER), '');
  assert.match(why('export default ('), /SyntaxError.*function\.js:1/);
  assert.match(why('export default 5'), /export default \(tx, argument\) => result/);
  assert.match(why("import a from 'b'; export default () => a"), /could not load module 'b'/);
  assert.match(why('for (;;); export default () => 1'), /while it was loaded: too much work/);
  assert.match(
    why('export const kept = new Uint8Array(3e6).fill(1); export default () => kept'),
    /3\d{6} bytes/,
  );
});

test('a source of the greatest length is loaded within its work', ({ engine }) => {
  const line = "export const a0 = (b, c) => { if (b > c) return [b, 'text', c]; return { b, c } };\n";
  let source = 'export default () => undefined;\n';
  for (let index = 0; ; index += 1) {
    const next = line.replace('a0', `a${index}`);
    if (source.length + next.length > SOURCE_MAX) break;
    source += next;
  }
  assert.is(engine.whyNot(Buffer.from(source)), null);
});

test.run();

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { signed, unsigned } from '../../../node/functions/wasm/binary.ts';
import { countWork } from '../../../node/functions/wasm/count-work.ts';
import { webAssembly } from '../../../node/functions/web-assembly.ts';

const I32 = 0x7f;
const LIMITS = { depthMax: 10, stackFloor: 1000 };

type Exports = {
  readonly run: (argument: number) => number;
  readonly work: { value: bigint };
  readonly depth: { value: number };
  readonly pages: { value: number };
  readonly stack: { value: number };
};

/** A module with one function, `run`, that takes and returns an i32, and a stack pointer that is 5,000. */
function moduleWith(code: readonly number[]): Uint8Array {
  const section = (id: number, body: readonly number[]) => [id, ...unsigned(body.length), ...body];
  const name = (text: string) => [text.length, ...Buffer.from(text)];
  const body = [0, ...code, 0x0b];
  return Buffer.from([
    ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, [1, 0x60, 1, I32, 1, I32]),
    ...section(2, [1, ...name('a'), ...name('memory'), 2, 0, 1]),
    ...section(3, [1, 0]),
    ...section(6, [1, I32, 1, 0x41, ...signed(5000), 0x0b]),
    ...section(7, [1, ...name('run'), 0, 0]),
    ...section(10, [1, ...unsigned(body.length), ...body]),
  ]);
}

function instanceOf(code: readonly number[]): { exports: Exports; memory: Uint8Array } {
  const memory = new webAssembly.Memory({ initial: 1, maximum: 1 });
  const module = new webAssembly.Module(countWork(moduleWith(code), LIMITS));
  const exports = new webAssembly.Instance(module, { a: { memory } }).exports as unknown as Exports;
  return { exports, memory: new Uint8Array(memory.buffer) };
}

/** The work that a call takes. */
function workOf(exports: Exports, argument: number): number {
  exports.work.value = 1_000_000n;
  exports.run(argument);
  return 1_000_000 - Number(exports.work.value);
}

/** Counts its argument down to 0 in a loop, and returns it. */
const COUNT_DOWN = [0x03, 0x40, 0x20, 0, 0x41, 1, 0x6b, 0x22, 0, 0x0d, 0, 0x0b, 0x20, 0];
/** Calls itself with one less until that is 0; returns from within a block. */
const CALL_DOWN = [
  0x02, 0x40, 0x20, 0, 0x45, 0x04, 0x40, 0x41, 7, 0x0f, 0x0b, 0x0b, 0x20, 0, 0x41, 1, 0x6b, 0x10, 0,
];

test('each round of a loop is one unit, and so is the function', () => {
  const { exports } = instanceOf(COUNT_DOWN);
  assert.is(workOf(exports, 1), 2);
  assert.is(workOf(exports, 1000), 1001);
  assert.is(exports.depth.value, 0);
});

test('below zero it traps, at the same place each time', () => {
  const { exports } = instanceOf(COUNT_DOWN);
  exports.work.value = 100n;
  assert.is(exports.run(99), 0);
  exports.work.value = 100n;
  assert.throws(() => exports.run(100), /unreachable/);
  assert.is(exports.work.value, -1n);
});

test('functions that are entered and not left are counted, however they are left', () => {
  const { exports } = instanceOf(CALL_DOWN);
  assert.is(exports.run(9), 7);
  assert.is(exports.depth.value, 0);
  assert.throws(() => exports.run(10), /unreachable/);
  assert.is(exports.depth.value, 11);
});

test('memory that is filled and copied is charged by its length', () => {
  const fill = instanceOf([0x41, 0, 0x41, 9, 0x20, 0, 0xfc, 11, 0, 0x41, 0]);
  assert.is(workOf(fill.exports, 63), 1);
  assert.is(workOf(fill.exports, 64_000), 1001);
  assert.is(fill.memory[63_999], 9);
  const copy = instanceOf([0x41, ...signed(1000), 0x41, 0, 0x20, 0, 0xfc, 10, 0, 0, 0x41, 0]);
  copy.memory[5] = 3;
  assert.is(workOf(copy.exports, 640), 11);
  assert.is(copy.memory[1005], 3);
  fill.exports.work.value = 100n;
  assert.throws(() => fill.exports.run(64_000), /unreachable/);
});

test('the memory has as many pages as it is told', () => {
  const { exports } = instanceOf([0x3f, 0]);
  exports.pages.value = 42;
  assert.is(exports.run(0), 42);
});

test('the stack does not go below its floor', () => {
  const { exports } = instanceOf([0x20, 0, 0x24, 0, 0x41, 0]);
  exports.run(1000);
  assert.is(exports.stack.value, 1000);
  assert.throws(() => exports.run(999), /unreachable/);
});

test('what is not known is refused, since it might not be counted', () => {
  const grow = moduleWith([0x41, 1, 0x40, 0]);
  assert.throws(() => countWork(grow, LIMITS), /makes its memory grow/);
  const vector = moduleWith([0xfd, 0x0c]);
  assert.throws(() => countWork(vector, LIMITS), /instruction 0xfd/);
  const threads = moduleWith([0xfe, 0x00]);
  assert.throws(() => countWork(threads, LIMITS), /instruction 0xfe/);
  assert.throws(() => countWork(moduleWith([0x43]), LIMITS), /ends too early/);
});

test.run();

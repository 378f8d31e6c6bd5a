/**
 * What is run in every engine before any function: takes away what would differ between two processes, and builds `tx`.
 *
 * Taken away beside Date, which is not there: chance, promises and what waits for the collector, since nothing runs after the
 * call; shared memory; and floating point numbers in bytes, since WebAssembly leaves open which bits a NaN has.
 *
 * The functions of ours take strings without a zero character, which QuickJS hands out with a zero behind them, and
 * ArrayBuffers. A part of the engine's identity: another text is another engine.
 */
export const PRELUDE = `'use strict';
for (const name of ['Promise', 'WeakRef', 'FinalizationRegistry', 'SharedArrayBuffer', 'Atomics', 'queueMicrotask',
  'Float16Array', 'Float32Array', 'Float64Array', 'Date', 'performance', 'console', 'print', 'InternalError'])
  delete globalThis[name];
delete Math.random;
for (const width of [16, 32, 64]) {
  delete DataView.prototype['getFloat' + width];
  delete DataView.prototype['setFloat' + width];
}
delete (async () => {})().__proto__.constructor;

((get, set, remove, keys, prefix, textOf, answer, fail) => {
  const bufferOf = (view) =>
    view.byteOffset === 0 && view.byteLength === view.buffer.byteLength
      ? view.buffer
      : view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength);

  const utf8 = (text) => {
    const bytes = [];
    for (const character of text) {
      const code = character.codePointAt(0);
      if (code < 0x80) bytes.push(code);
      else if (code < 0x800) bytes.push(0xc0 | code >> 6, 0x80 | code & 63);
      else if (code < 0x10000) bytes.push(0xe0 | code >> 12, 0x80 | code >> 6 & 63, 0x80 | code & 63);
      else bytes.push(0xf0 | code >> 18, 0x80 | code >> 12 & 63, 0x80 | code >> 6 & 63, 0x80 | code & 63);
    }
    return Uint8Array.from(bytes).buffer;
  };

  const raw = (what, value) => {
    if (typeof value === 'string') {
      const text = value.toWellFormed();
      return text.includes('\\0') ? utf8(text) : text;
    }
    if (ArrayBuffer.isView(value)) return bufferOf(value);
    if (value instanceof ArrayBuffer) return value;
    throw new TypeError(what + ' is a string or bytes, not ' + (value === null ? 'null' : 'a ' + typeof value));
  };

  const text = (bytes) => {
    const end = bytes.indexOf(0);
    if (end < 0) return textOf(bufferOf(bytes));
    return textOf(bufferOf(bytes.subarray(0, end))) + '\\0' + text(bytes.subarray(end + 1));
  };

  class Bytes extends Uint8Array {
    toString() { return text(this); }
    toJSON() { return text(this); }
  }
  const bytesOf = (buffer) => (buffer === undefined ? undefined : new Bytes(buffer));

  const listOf = (buffer) => {
    const lengths = new DataView(buffer);
    const list = [];
    for (let at = 0; at < buffer.byteLength; ) {
      const length = lengths.getUint32(at);
      list.push(new Bytes(buffer.slice(at + 4, at + 4 + length)));
      at += 4 + length;
    }
    return list;
  };
  const limitOf = (max) => (max === undefined ? -1 : Number(max));
  const optional = (what, value) => (value === undefined || value === null ? undefined : raw(what, value));
  const isSame = (bytes, wanted) => {
    const other = typeof wanted === 'string' ? new Uint8Array(utf8(wanted)) : new Uint8Array(wanted);
    return bytes.length === other.length && bytes.every((byte, at) => byte === other[at]);
  };
  const shown = (key) => (typeof key === 'string' ? key : text(new Uint8Array(key)));

  const tx = {
    get: (key) => bytesOf(get(raw('a key', key))),
    exists: (key) => get(raw('a key', key)) !== undefined,
    set: (key, value) => { set(raw('a key', key), raw('a value', value)); },
    delete: (key) => {
      const name = raw('a key', key);
      if (!remove(name)) throw new Error('not found: ' + shown(name));
    },
    assert: (key, expected) => {
      const name = raw('a key', key);
      const wanted = optional('a value', expected);
      const value = bytesOf(get(name));
      const holds = wanted === undefined ? value === undefined : value !== undefined && isSame(value, wanted);
      if (!holds) throw new Error('assertion failed: ' + shown(name));
    },
    range: (first, firstIncluded, last, lastIncluded, max) =>
      listOf(keys(optional('a key', first), firstIncluded ? 1 : 0, optional('a key', last), lastIncluded ? 1 : 0,
        limitOf(max))),
    prefix: (begin, max) => listOf(prefix(raw('a prefix', begin), limitOf(max))),
  };

  const saidOf = (error) => {
    let said = error instanceof Error ? error.name + ': ' + error.message : String(error);
    if (error instanceof SyntaxError) said += ' (' + String(error.stack).trim().split('\\n')[0] + ')';
    return said.slice(0, 1000).toWellFormed().replaceAll('\\0', ' ');
  };

  return {
    load: (namespace) => {
      const main = namespace.default;
      if (typeof main !== 'function') throw new TypeError('a function is a module with: export default (tx, argument) => result');
      return main;
    },
    run: (main, argument) => {
      let result;
      try {
        result = main(tx, bytesOf(argument));
        result = optional('a result', result);
      } catch (error) {
        fail(saidOf(error));
        return;
      }
      answer(result);
    },
    say: saidOf,
  };
});
`;

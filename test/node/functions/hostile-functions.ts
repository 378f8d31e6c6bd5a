/** Functions that do as much as they can of what they should not; each is the body of one. */

/** By what they try. */
export const HOSTILE: Readonly<Record<string, string>> = {
  'an endless loop': 'for (;;);',
  'a loop in an expression': 'let n = 0; while (n >= 0) n += 1; return String(n)',
  'a slow search in a long string': "const s = 'a'.repeat(1 << 20); for (;;) s.indexOf('b')",
  'a slow split': "const s = 'a,'.repeat(1 << 18); for (;;) s.split(',')",
  'a slow sort': 'for (;;) Array.from({ length: 20000 }, (_, i) => (i * 7919) % 20011).sort((a, b) => a - b)',
  'a regular expression that tries everything': "return String(/^(a+)+$/.test('a'.repeat(40) + 'b'))",
  'long numbers': 'let n = 3n; for (;;) n *= n',
  'JSON there and back': "let s = JSON.stringify('x'.repeat(1 << 18)); for (;;) JSON.parse(s)",
  'bytes filled for ever': 'const b = new Uint8Array(1 << 20); for (;;) b.fill(7)',
  'bytes copied for ever': 'const b = new Uint8Array(1 << 20); for (;;) b.copyWithin(0, 1 << 19)',
  'a string that doubles': "let s = 'a'; for (;;) s += s",
  'an array that grows': 'const a = []; for (;;) a.push(a.length)',
  'many objects': 'const a = []; for (;;) a.push({ a: [1, 2, 3] })',
  'one huge array': 'return String(new Uint8Array(64 << 20).length)',
  'a huge result': 'return new Uint8Array(8 << 20)',
  'calls without end': 'const f = () => f() + 1; return String(f())',
  'calls in turn': 'const f = (n) => g(n + 1); const g = (n) => f(n + 1) + 1; return String(f(0))',
  'calls through a built-in': 'const f = () => [1].map(f); f()',
  'calls through a getter': 'const o = { get a() { return this.a } }; return o.a',
  'calls through a proxy':
    'let p = {}; for (let i = 0; i < 20000; i++) p = new Proxy(p, {}); return String(p.x)',
  'calls through bind': 'let f = () => 1; for (let i = 0; i < 20000; i++) f = f.bind(1); return String(f())',
  'code nested in parentheses': "return String(eval('('.repeat(50000) + '1' + ')'.repeat(50000)))",
  'code nested in brackets': "return String(eval('['.repeat(50000) + ']'.repeat(50000)))",
  'code nested in signs': "return String(eval('- '.repeat(50000) + '1'))",
  'data nested in JSON': "return String(JSON.parse('['.repeat(100000) + ']'.repeat(100000)))",
  'data nested and written':
    'let p = {}; for (let i = 0; i < 20000; i++) p = { p }; return JSON.stringify(p)',
  'data nested and flattened':
    'let a = []; for (let i = 0; i < 20000; i++) a = [a]; return String(a.flat(Infinity))',
  'data nested and dropped': 'let p = {}; for (let i = 0; i < 50000; i++) p = { p }; p = null',
  'a pattern nested deeply': "new RegExp('(?:'.repeat(5000) + 'a' + ')*'.repeat(5000)).test('a')",
  'generators within generators':
    'function* g(n) { if (n > 0) yield* g(n - 1); yield n } return String([...g(5000)].length)',
  'a tree of ropes':
    "let s = 'a'; for (let i = 0; i < 30000; i++) s = 'bbbbbbbbbbbbbbbbbbbb' + s + i; return s.slice(5, 9)",
  'reads for ever': "for (;;) tx.get('key')",
  'writes for ever': "for (let i = 0; ; i++) tx.set('key' + i, 'x'.repeat(1000))",
  'what it may not is caught': "for (;;) try { tx.set('outside', 'x') } catch {}",
  'an error whose text never ends': 'throw { toString() { for (;;); } }',
  'an error with a long text': "throw new Error('x'.repeat(1 << 20))",
};

/** The source of a function with this body. */
export function sourceOf(body: string): Uint8Array {
  return Buffer.from(`export default (tx, argument) => { ${body} };`);
}

/** What is changed of a program, and what is left alone. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { editsOf } from './operators.ts';
import { parseAll } from './parse.ts';

/** Each change of `text` as the whole text with it. */
function changesOf(text: string): string[] {
  const changed: string[] = [];
  parseAll(new Map([['changed.js', text]]), (_, tree) => {
    for (const { start, end, text: to } of editsOf(tree))
      changed.push(text.slice(0, start) + to + text.slice(end));
  });
  return changed;
}

test('a condition is negated, and removed either way', () => {
  assert.equal(changesOf('if (isFree(x)) f(x);'), [
    'if (!(isFree(x))) f(x);',
    'if (true) f(x);',
    'if (false) f(x);',
  ]);
});

test('a comparison is negated and moved by one', () => {
  assert.equal(changesOf('const less = a < b;'), ['const less = a >= b;', 'const less = a <= b;']);
  assert.equal(changesOf('const same = a === b;'), ['const same = a !== b;']);
});

test('one side of a conjunction is removed after the other', () => {
  assert.equal(changesOf('const both = a && b;'), ['const both = a;', 'const both = b;']);
});

test('a negation and a default are removed', () => {
  assert.equal(changesOf('const not = !a;'), ['const not = a;']);
  assert.equal(changesOf('const one = a ?? b;'), ['const one = a;', 'const one = b;']);
});

test('statements are dropped where something else goes on after them', () => {
  assert.equal(changesOf('f(); g();'), ['; g();', 'f(); ;']);
  assert.equal(
    changesOf('function f() { g(); return; }'),
    ['function f() { ; return; }'],
    'its end is there anyway',
  );
  const last = 'switch (a) { case b: f(); break; default: break; }';
  assert.equal(changesOf(last), [last.replace('f();', ';')], 'behind it nothing would have run');
});

test('constants change: what is counted by one, bounds to nothing', () => {
  assert.equal(changesOf('const count = 1;'), ['const count = 2;']);
  assert.equal(changesOf('const MAX = 4_096;'), ['const MAX = 0;']);
  assert.equal(changesOf('const is = true;'), ['const is = false;']);
});

test('arithmetic changes, but no texts are subtracted', () => {
  assert.equal(changesOf('const sum = a + b;'), ['const sum = a - b;']);
  assert.equal(changesOf("const text = a + 'b';"), []);
  assert.equal(changesOf('total -= a;'), [';', 'total += a;']);
});

test('any and all, least and greatest change places', () => {
  assert.equal(changesOf('const any = list.some(f);'), ['const any = list.every(f);']);
  assert.equal(changesOf('const text = a.toString();'), []);
  assert.equal(changesOf('const least = Math.min(a, b);'), ['const least = Math.max(a, b);']);
});

test('what an updated copy changes stays as it was', () => {
  assert.equal(changesOf('const copy = { ...before, a: b, c };'), [
    'const copy = { ...before,  c };',
    'const copy = { ...before, a: b,  };',
  ]);
});

test('invariants, log and texts are left alone', () => {
  assert.equal(changesOf("invariant(a < b, 'a is less');"), []);
  assert.equal(changesOf("out.push({ kind: 'log', level: 1 });"), []);
  assert.equal(changesOf("const there = present(a, b ? 'x' : 'y');"), []);
  // biome-ignore lint/suspicious/noTemplateCurlyInString: it is the program's text
  assert.equal(changesOf('const text = `${a + 1} of ${b}`;'), []);
});

test('an error that nobody expects goes on, as if it were an invariant', () => {
  assert.equal(changesOf('try { f(); } catch (error) { if (is(error)) throw error; }'), [
    'try { ; } catch (error) { if (is(error)) throw error; }',
    'try { f(); } catch (error) { if (!(is(error))) throw error; }',
    'try { f(); } catch (error) { if (true) throw error; }',
  ]);
});

test('a change is told with its function and the piece that changes', () => {
  parseAll(new Map([['changed.js', 'function f() { count += 1; }']]), (_, tree) => {
    const shown = editsOf(tree).map(({ where, was, becomes }) => [where, was, becomes]);
    assert.equal(shown, [
      ['f', 'count += 1;', ';'],
      ['f', 'count += 1', 'count -= 1'],
      ['f', 'count += 1', 'count += 2'],
    ]);
  });
});

test.run();

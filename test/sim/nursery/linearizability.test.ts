/** The judge is judged: known histories of one key, and many small ones against all orders there are. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { seeded } from '../../support/seeded.ts';
import { checkKey, type KeyOperation, type Need, type Step } from './linearizability.ts';

const ANY: Need = { kind: 'any' };
const NEVER = Number.POSITIVE_INFINITY;

function operation(name: string, calledAt: number, answeredAt: number, ...steps: Step[]): KeyOperation {
  return { name, calledAt, answeredAt, steps };
}
function write(value: string | null, calledAt: number, answeredAt: number): KeyOperation {
  return operation(`write ${value}`, calledAt, answeredAt, { need: ANY, next: value });
}
function read(value: string | null, calledAt: number, answeredAt: number): KeyOperation {
  return operation(`read ${value}`, calledAt, answeredAt, {
    need: { kind: 'is', value },
    next: undefined,
  });
}

test('a read sees what was written before it', () => {
  assert.is(checkKey([write('a', 1, 2), read('a', 3, 4)]).kind, 'linearizable');
  const verdict = checkKey([write('a', 1, 2), read(null, 3, 4)]);
  assert.is(verdict.kind, 'impossible');
  assert.is(verdict.kind === 'impossible' && verdict.operation.name, 'read null');
});

test('what overlaps may go either way, and all must see the same way', () => {
  const both = [write('a', 1, 10), write('b', 2, 9)];
  assert.is(checkKey([...both, read('a', 11, 12)]).kind, 'linearizable');
  assert.is(checkKey([...both, read('b', 11, 12)]).kind, 'linearizable');
  assert.is(checkKey([...both, read('a', 11, 12), read('b', 13, 14)]).kind, 'impossible');
});

test('an unknown outcome may take effect late, once, or never', () => {
  const lost = write('x', 1, NEVER);
  assert.is(checkKey([lost, read(null, 2, 3), read('x', 4, 5)]).kind, 'linearizable');
  assert.is(checkKey([lost, read(null, 2, 3)]).kind, 'linearizable');
  const again = [lost, read('x', 2, 3), write('y', 4, 5), read('x', 6, 7)];
  assert.is(checkKey(again).kind, 'impossible', 'not twice');
});

test('a condition that held is a read', () => {
  const swap = operation('swap', 3, 4, { need: { kind: 'is', value: 'a' }, next: 'b' });
  assert.is(checkKey([write('a', 1, 2), swap, read('b', 5, 6)]).kind, 'linearizable');
  assert.is(checkKey([write('c', 1, 2), swap]).kind, 'impossible');
});

test('many unknown outcomes that nobody saw cost nothing', () => {
  const lost = Array.from({ length: 200 }, (_, index) => write(`lost ${index}`, index + 1, NEVER));
  const later = Array.from({ length: 100 }, (_, index) => {
    const at = 1000 + index * 10;
    return [write(`v${index}`, at, at + 1), read(`v${index}`, at + 2, at + 3)];
  });
  assert.is(checkKey([...lost, ...later.flat()]).kind, 'linearizable');
});

seeded('agrees with trying every order', (random) => {
  for (let round = 0; round < 3000; round += 1) {
    const count = 2 + random.below(4);
    const values = [null, 'a', 'b'];
    const operations = Array.from({ length: count }, (_, index) => {
      const calledAt = random.below(12) + index / 100;
      const answeredAt = random.chance(0.25) ? NEVER : calledAt + 0.001 + random.below(6);
      const value = random.pick(values);
      switch (random.below(4)) {
        case 0:
          return read(value, calledAt, answeredAt);
        case 1:
          return operation(`swap ${index}`, calledAt, answeredAt, {
            need: { kind: random.chance(0.5) ? 'is' : 'not', value },
            next: random.pick(values),
          });
        default:
          return write(value, calledAt, answeredAt);
      }
    });
    const expected = existsOrder(operations, null, new Set()) ? 'linearizable' : 'impossible';
    assert.is(checkKey(operations).kind, expected, JSON.stringify(operations));
  }
});

/** Tries everything: the definition, and nothing clever. */
function existsOrder(all: readonly KeyOperation[], state: string | null, done: Set<KeyOperation>): boolean {
  const left = all.filter((each) => !done.has(each));
  if (left.every(({ answeredAt }) => answeredAt === NEVER)) return true;
  const first = Math.min(...left.map(({ answeredAt }) => answeredAt));
  for (const each of left) {
    if (each.calledAt > first) continue;
    let after: string | null | undefined = state;
    for (const { need, next } of each.steps) {
      const fits = need.kind === 'any' || (need.kind === 'is' ? after === need.value : after !== need.value);
      if (!fits) {
        after = undefined;
        break;
      }
      if (next !== undefined) after = next;
    }
    if (after !== undefined && existsOrder(all, after, new Set([...done, each]))) return true;
  }
  return false;
}

test.run();

/** Memory in sum: what passes, who waits, in which order, and who is let go. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type Account, Budget, type Patience, SHORT_BYTES } from '../../../src/process/budget.ts';
import { until } from '../../support/wait.ts';

const MIB = 1024 * 1024;
const PATIENT: Patience = { isOver: () => false, waitMs: 20_000 };

/** An account whose holder is let go by being closed, as a connection is. */
function open(budget: Budget, isAwaited = true): { account: Account; letGo: () => boolean } {
  let isGone = false;
  const account = budget.open({
    isAwaited: () => isAwaited,
    letGo: () => {
      isGone = true;
      account.close();
    },
  });
  return { account, letGo: () => isGone };
}

/** Waits for `bytes`; what came of it, null for not yet. */
function waiting(account: Account, bytes: number, patience: Patience = PATIENT): () => boolean | null {
  let outcome: boolean | null = null;
  account.wait(bytes, patience, (isGranted) => {
    outcome = isGranted;
  });
  return () => outcome;
}

test('what is long passes while there is room; then it waits until something is given back', async () => {
  const budget = new Budget(10 * MIB);
  const [a, b] = [open(budget).account, open(budget, false).account];
  assert.ok(a.tryReserve(6 * MIB));
  assert.not.ok(b.tryReserve(6 * MIB));
  const granted = waiting(b, 6 * MIB);
  assert.is(budget.waiting, 1);
  assert.is(granted(), null);
  a.release(6 * MIB);
  await until('the grant', granted);
  assert.is(budget.usedBytes, 6 * MIB);
  b.release(6 * MIB);
  assert.is(budget.usedBytes, 0);
});

test('nobody overtakes: where one waits, the next one waits too, though it would fit', async () => {
  const budget = new Budget(10 * MIB);
  const [a, b, c] = [open(budget).account, open(budget).account, open(budget).account];
  a.reserve(6 * MIB);
  const second = waiting(b, 6 * MIB);
  assert.not.ok(c.tryReserve(MIB));
  const third = waiting(c, MIB);
  a.release(6 * MIB);
  await until('both', () => second() === true && third() === true);
});

test('accounts have their turns one after the other, however much one of them asks for', async () => {
  const budget = new Budget(10 * MIB);
  const [a, b, c] = [open(budget).account, open(budget).account, open(budget).account];
  a.reserve(10 * MIB);
  const order: string[] = [];
  const wait = (account: Account, name: string): void =>
    account.wait(10 * MIB, PATIENT, () => {
      order.push(name);
      account.release(10 * MIB);
    });
  for (const n of [1, 2, 3]) wait(b, `b${n}`);
  wait(c, 'c1');
  a.release(10 * MIB);
  await until('all', () => order.length === 4);
  assert.equal(order, ['b1', 'c1', 'b2', 'b3']);
});

test('one account never takes everything: what it has not room for passes it by', async () => {
  const budget = new Budget(1000 * MIB);
  const [a, b] = [open(budget, false).account, open(budget).account];
  a.set(90 * MIB);
  assert.not.ok(a.tryReserve(20 * MIB));
  const first = waiting(a, 20 * MIB);
  const second = waiting(b, 20 * MIB);
  await until('the other', second);
  assert.is(first(), null);
  a.set(0);
  await until('the first', first);
});

test('who takes nothing is let go while others wait, the greatest first, and nobody beyond need', async () => {
  const budget = new Budget(20 * MIB);
  const [idle, greater, working] = [open(budget), open(budget), open(budget, false)];
  idle.account.set(5 * MIB);
  greater.account.set(8 * MIB);
  working.account.set(7 * MIB);
  const next = open(budget);
  await until('the grant', waiting(next.account, 6 * MIB));
  assert.equal([idle.letGo(), greater.letGo(), working.letGo()], [false, true, false]);
  assert.is(budget.letGo, 1);
});

test('who takes what it is owed stays', async () => {
  const budget = new Budget(10 * MIB);
  const [reader, lurker] = [open(budget), open(budget)];
  lurker.account.set(2 * MIB);
  reader.account.set(8 * MIB);
  const granted = waiting(open(budget).account, MIB);
  await until('the grant', () => {
    reader.account.progressed();
    return granted();
  });
  assert.equal([reader.letGo(), lurker.letGo()], [false, true]);
});

test('nobody is let go where nobody waits', async () => {
  const budget = new Budget(10 * MIB);
  const lurker = open(budget);
  lurker.account.set(20 * MIB);
  const short = open(budget).account;
  assert.ok(budget.isExhausted);
  const refused = waiting(short, MIB, { isOver: () => false, waitMs: 1 });
  await until('the end of its patience', () => refused() === false);
  assert.not.ok(lurker.letGo());
});

test('short ones pass beyond the budget, up to a quarter; then they wait', async () => {
  const budget = new Budget(10 * MIB);
  const { account } = open(budget, false);
  account.set(11 * MIB);
  assert.not.ok(account.isExhausted);
  account.set(13 * MIB);
  assert.ok(account.isExhausted);
  let isGranted: boolean | null = null;
  const other = open(budget).account;
  other.waitShort(PATIENT, (granted) => {
    isGranted = granted;
  });
  account.set(13 * MIB - SHORT_BYTES);
  account.set(12 * MIB);
  await until('the grant', () => isGranted);
  assert.is(other.bytes, 0);
});

test('what is closed gives everything back, and waits for nothing', async () => {
  const budget = new Budget(10 * MIB);
  const [a, b] = [open(budget).account, open(budget).account];
  a.set(4 * MIB);
  a.reserve(5 * MIB);
  const never = waiting(a, 9 * MIB);
  const next = waiting(b, 9 * MIB);
  a.close();
  a.set(9 * MIB);
  a.release(5 * MIB);
  await until('the next', next);
  await until('the word that it has no turn', () => never() === false);
  const late = waiting(a, MIB);
  await until('the same at once', () => late() === false);
  assert.is(budget.usedBytes, 9 * MIB);
  assert.is(budget.waiting, 0);
});

test('who is gone, or has waited long enough, is told so and takes no room', async () => {
  const budget = new Budget(MIB);
  const [holder, a] = [open(budget, false).account, open(budget).account];
  holder.set(MIB);
  const gone = waiting(a, MIB, { isOver: () => true, waitMs: 20_000 });
  const late = waiting(a, MIB, { isOver: () => false, waitMs: 10 });
  await until('both', () => gone() === false && late() === false);
  assert.is(budget.waiting, 0);
  assert.is(budget.usedBytes, MIB);
});

test.run();

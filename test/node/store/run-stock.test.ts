/** Which tables may hold a new run: none that a reader may still look into. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type Environment, openEnvironment } from '../../../node/store/environment.ts';
import { RUN_TABLES } from '../../../node/store/run-policy.ts';
import { RunStock } from '../../../node/store/run-stock.ts';

const dir = mkdtempSync(join(tmpdir(), 'nursery-stock-'));
test.after(() => rmSync(dir, { recursive: true, force: true }));

function addRun(environment: Environment, stock: RunStock, slot: number): number {
  const table = stock.take() ?? -1;
  const note = { slot, table, rows: 1, removed: 0 };
  environment.transactionSync(() => {
    void stock.table(table).put('\x01a', Buffer.from('a'));
    stock.putAdded(note, Buffer.of(1));
  });
  stock.added(note);
  return table;
}

test('a table is emptied when readers know that its run is gone, and not before; then it is free again', async () => {
  const environment = openEnvironment(dir);
  const stock = new RunStock(environment);
  const table = addRun(environment, stock, 1);
  addRun(environment, stock, 2);
  const before = stock.version;
  environment.transactionSync(() => stock.putRemoved(new Set([1])));
  stock.removed(new Set([1]));
  assert.equal(
    stock.runs.map(({ slot }) => slot),
    [2],
  );
  stock.seen(before);
  assert.not.ok(stock.hasWaste, 'readers have the list of before');
  assert.is(stock.table(table).get('\x01a')?.toString(), 'a');
  stock.seen(stock.version);
  assert.ok(stock.hasWaste);
  const free = (): number[] => {
    const taken: number[] = [];
    for (let next = stock.take(); next !== null; next = stock.take()) taken.push(next);
    return taken;
  };
  assert.is(free().length, RUN_TABLES - 2, 'it is not empty yet');
  stock.emptyOne();
  assert.equal(free(), [table]);
  await environment.close();
});

test('what a start finds in a table without a run is emptied first', async () => {
  const environment = openEnvironment(dir);
  const stock = new RunStock(environment);
  const table = stock.take() ?? -1;
  await stock.table(table).put('\x01torn', Buffer.from('torn'));
  const again = new RunStock(environment);
  assert.ok(again.hasWaste);
  again.emptyOne();
  assert.not.ok(again.hasWaste);
  assert.is(again.table(table).get('\x01torn'), undefined);
  await environment.close();
});

test.run();

/** Ranges that lie side by side become one while clients work, and what is refused is told. */
import * as assert from 'uvu/assert';
import { EXIT_CODES } from '../../src/base/errors.ts';
import { Load } from '../support/load.ts';
import { eventsOf, TestNursery } from '../support/nurseries.ts';
import { labSuite } from '../support/processes.ts';

const tests = labSuite('merging ranges');

const keyOf = (n: number): string => `m/${String(n).padStart(4, '0')}`;

tests.test('ranges become one under load; two owners, and what is on its way, do not', async (lab) => {
  const nursery = await TestNursery.start(lab, { prefix: 'mg', keeperSize: 1, size: 1 });
  const [ams, bru] = nursery.clusters;
  const keys = Array.from({ length: 400 }, (_, n) => keyOf(n));
  const initial = await nursery.fill(keys, '1');
  const range = `${keyOf(50)}..${keyOf(100)}`;
  for (const { id } of [bru, ams]) await nursery.succeed(['migrate', '--range', range, '--to', id]);
  const before = await nursery.owners();
  assert.is(before.size, 3, 'each move leaves entries');

  const refused = await nursery.run(['merge', keyOf(42)]);
  assert.is(refused.code, EXIT_CODES.REFUSED);
  assert.match(refused.stderr, /no two ranges meet at/);
  assert.match(
    (await nursery.succeed(['merge', '--all', '--dry-run'])).stdout,
    /would make one range of \[""\.\.end\)/,
  );
  assert.is((await nursery.owners()).size, 3);

  const callers = await nursery.callers(4);
  let next = 0;
  const keysOfClient = (client: number): string[] => keys.filter((_, n) => n % 4 === client);
  const load = Load.start({ clients: 4, keysOf: keysOfClient, maybeAllowed: false, initial }, () => {
    next += 1;
    return callers[(next - 1) % callers.length] as (typeof callers)[number];
  });
  const seen = await load.during(nursery.persistentCaller(), async () => {
    const one = await nursery.succeed(['merge', keyOf(100), '--json']);
    assert.equal(eventsOf(one.stdout).at(-1)?.event, 'ended');
    assert.is((await nursery.owners()).size, 2);
    // What is moved away and left there is not merged with its neighbours.
    await nursery.succeed(['migrate', '--range', `${keyOf(300)}..`, '--to', bru.id]);
    const all = await nursery.succeed(['merge', '--all']);
    assert.match(all.stdout, /becomes one range, at mg-ams/);
    assert.match(all.stdout, /: done/);
  });
  console.log(`${seen.acknowledged} updates meanwhile, longest ${Math.round(seen.longestCallMs)} ms`);
  assert.equal(
    [...(await nursery.owners())],
    [
      ['', ams.id],
      [keyOf(300), bru.id],
    ],
  );
  const two = await nursery.run(['merge', keyOf(300)]);
  assert.is(two.code, EXIT_CODES.REFUSED);
  assert.match(two.stderr, /have two owners/);
  assert.match(
    (await nursery.succeed(['migrations'])).stdout,
    /merge at mg-ams +2 ranges.*, asked for by .+@.+ \(person\)/,
  );
  assert.match((await nursery.succeed(['history', keyOf(70)])).stdout, /by merge/);
});

tests.run();

/** Two looks share the time of one, whoever is silent. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type Look, lookTwice } from '../../../../src/cli/status/gather.ts';
import type { Facts } from '../../../../src/health/facts.ts';
import { RangeMap } from '../../../../src/keyspace/rangemap.ts';
import { NO_LOAD } from '../../../../src/protocol/admin/node-facts.ts';

/** Any moment (ms). */
const UNTIL_MS = 10_000;

/** A cluster whose master owns nothing at `epoch` of the map is one that disagrees with it; another node is silent. */
function factsOf({ epoch, why = null }: { readonly epoch: number; readonly why?: string | null }): Facts {
  const status = {
    cluster: 'a',
    node: 'a_0',
    role: 'master',
    master: 'a_0',
    applied: 9,
    chosen: 9,
    founding: 'f-a',
    keeper: 'f-k',
    members: [],
    owned: [{ lo: '', hi: null, epoch: 2, sealedBy: null }],
  };
  const said = {
    version: '1',
    atMs: 0,
    conditions: [],
    visitors: [],
    counts: null,
    countedMs: 0,
    load: NO_LOAD,
    status,
  };
  const nodes = [
    { name: 'a_0', facts: said, why: '', turnedAway: null },
    { name: 'a_1', facts: null, why: 'no answer', turnedAway: null },
  ];
  const map = RangeMap.of(3, [{ lo: '', hi: null, owner: 'a', epoch, founding: 'f-a' }]);
  const known = { map, clusters: [{ cluster: 'a', nodes: [], founding: 'f-a' }] };
  return {
    file: 'r.ini',
    front: null,
    keeper: { cluster: 'k', known, migrations: [], orders: [], why },
    clusters: [{ cluster: 'a', founding: 'f-a', nodes, isElsewhere: false }],
    router: null,
  } as unknown as Facts;
}

type Seen = { readonly facts: Facts; readonly done: readonly string[] };

async function looking(...answers: readonly Facts[]): Promise<Seen> {
  const done: string[] = [];
  let looks = 0;
  const begin = async (before: Facts | null): Promise<Look> => {
    const turn = looks;
    assert.is(before, turn === 0 ? null : answers[0], 'the second look knows what the first has found');
    looks += 1;
    return {
      at: async (ms) => {
        done.push(`${turn} until ${ms - UNTIL_MS}`);
        return answers[turn] as Facts;
      },
      close: () => done.push(`${turn} closed`),
    };
  };
  return { facts: await lookTwice(begin, UNTIL_MS), done };
}

test('a disagreement is looked at again before the silent have used up the time', async () => {
  const [first, second] = [factsOf({ epoch: 1 }), factsOf({ epoch: 2 })];
  const { facts, done } = await looking(first, second);
  assert.is(facts, second);
  assert.equal(done, ['0 until -700', '1 until 0', '1 closed', '0 closed']);
});

test('without one the silent have all the time there is', async () => {
  const well = factsOf({ epoch: 2 });
  const { facts, done } = await looking(well);
  assert.is(facts, well);
  assert.equal(done, ['0 until -700', '0 until 0', '0 closed']);
});

test('a keeper that gives no second answer has given its first', async () => {
  const first = factsOf({ epoch: 1 });
  const { facts } = await looking(first, factsOf({ epoch: 2, why: 'no answer' }));
  assert.is(facts, first);
});

test.run();

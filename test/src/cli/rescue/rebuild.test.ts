/** A map and open moves from what clusters have told, or why not. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Yield } from '../../../../src/cli/rescue/claims.ts';
import { type Rebuilt, rebuild, type Told } from '../../../../src/cli/rescue/rebuild.ts';
import type { Belongings, Owned } from '../../../../src/protocol/admin/admin.ts';

const own = (lo: string, hi: string | null, epoch: number, sealedBy: number | null = null): Owned => ({
  lo,
  hi,
  epoch,
  sealedBy,
});

function told(cluster: string, has: Partial<Belongings>): Told {
  const nothing = {
    owned: [],
    exports: [],
    imports: [],
    closed: [],
    tokens: [],
    forward: [],
    adopted: 0,
    keepers: [],
    floor: 0,
    functions: { keeper: '', version: 0 },
  };
  return {
    cluster,
    belongings: { founding: `${cluster}1`, unconfirmed: '', lastMid: 0, ...nothing, ...has },
  };
}

type Said = {
  readonly lost?: readonly string[];
  readonly unclaimed?: string | null;
  readonly yields?: readonly Yield[];
};

function asked(
  all: readonly Told[],
  { lost = [], unclaimed = null, yields = [] }: Said,
): ReturnType<typeof rebuild> {
  return rebuild(all, {
    order: 9,
    keeper: { cluster: 'K', founding: 'k2', from: 'k1' },
    lost,
    unclaimed,
    yields,
  });
}

function mapOf(all: readonly Told[], said: Said = {}): string[] {
  return built(all, said).entries.map(
    ({ lo, hi, owner, epoch, founding }) => `${lo}..${hi ?? ''} ${owner} ${epoch} ${founding}`,
  );
}

function built(all: readonly Told[], said: Said = {}): Rebuilt {
  const result = asked(all, said);
  if ('whyNot' in result) throw new Error(result.whyNot.join());
  return result;
}

function whyNot(all: readonly Told[], said: Said = {}): string {
  const result = asked(all, said);
  return 'whyNot' in result ? result.whyNot.join('\n') : 'built';
}

test('what each one owns, at its epochs; numbers go on far above', () => {
  const all = [
    told('a', {
      owned: [own('', 'm', 1)],
      lastMid: 7,
      forward: [{ lo: 'm', hi: null, owner: 'b', epoch: 2 }],
    }),
    told('b', { owned: [own('m', 't', 2), own('t', null, 9)], lastMid: 9 }),
  ];
  assert.equal(mapOf(all), ['..m a 1 a1', 'm..t b 2 b1', 't.. b 9 b1']);
  assert.is(built(all).lastMid, 1_000_009);
  assert.equal(built(all).migrations, []);
});

test('what two own is refused with both epochs, and what nobody owns with who had it', () => {
  const twice = [told('a', { owned: [own('', null, 1)] }), told('b', { owned: [own('m', null, 2)] })];
  assert.match(whyNot(twice), /\[m\.\.end\) is owned by a at epoch 1 and b at epoch 2/);
  const forward = [{ lo: 'm', hi: null, owner: 'b', epoch: 2, founding: 'b1' }];
  const missing = [told('a', { owned: [own('', 'm', 1)], forward, lastMid: 2 })];
  assert.match(whyNot(missing), /nobody owns \[m\.\.end\): b had it last/);
  assert.match(whyNot(missing, { lost: ['c'] }), /nobody owns \[m\.\.end\): b had it last/);
  assert.equal(mapOf(missing, { lost: ['b'] }), ['..m a 1 a1', 'm.. b 2 b1']);
  const vague = [told('a', { owned: [own('', 'm', 1)], exports: [end(3, 'b')], lastMid: 3 })];
  assert.equal(
    mapOf(vague, { lost: ['b'] }),
    ['..m a 1 a1', 'm.. b 1000004 b1'],
    'since nobody knows when: since now',
  );
});

const end = (mid: number, peer: string) => ({ mid, lo: 'h', hi: 'm', peer, founding: `${peer}1` });

test('a move whose target has activated goes on, whoever else claims the range; any other goes back', () => {
  const sealed = told('a', {
    owned: [own('', 'h', 1), own('h', 'm', 1, 5), own('m', null, 1)],
    exports: [end(5, 'b')],
    tokens: [{ mid: 5, token: 3 }],
    lastMid: 5,
  });
  const activated = told('b', {
    owned: [own('h', 'm', 5)],
    closed: [{ mid: 5, outcome: 'activated' }],
    tokens: [{ mid: 5, token: 4 }],
  });
  const done = built([sealed, activated]);
  assert.equal(mapOf([sealed, activated]), ['..h a 1 a1', 'h..m b 5 b1', 'm.. a 1 a1']);
  const [record] = done.migrations;
  assert.is(record?.phase, 'published');
  assert.is(record?.token, 4, 'whoever claims it is above all that were seen');
  assert.equal(record?.foundings, { keeper: 'k2', source: 'a1', target: 'b1' });

  const importing = told('b', { imports: [end(5, 'a')] });
  const back = built([sealed, importing]);
  assert.equal(mapOf([sealed, importing]), ['.. a 1 a1']);
  assert.is(back.migrations[0]?.phase, 'active');
  assert.is(back.migrations[0]?.wish, 'abort');
  assert.is(back.migrations.length, 1, 'both ends tell of the same one');
  assert.match(whyNot([sealed]), /a has migration 5 with b, which has not answered/);
});

test('a founding that nobody has confirmed is known by the one whose place it takes', () => {
  const all = [told('a', { owned: [own('', null, 1)], founding: 'a2', unconfirmed: 'a1' })];
  assert.equal(mapOf(all), ['.. a 1 a1']);
});

test('keeper and the cluster that owned nearly all are lost together: nobody has ever had to do with it', () => {
  const all = [told('b', { owned: [own('m', null, 4)], lastMid: 4 })];
  assert.match(
    whyNot(all),
    /nobody owns \["?"?\.\.m\): nobody says whose it was; name the file of its cluster/,
  );
  assert.equal(mapOf(all, { lost: ['a'] }), ['..m a 1000005 unknown-a', 'm.. b 4 b1']);
  assert.match(whyNot(all, { lost: ['a', 'c'] }), /a, c are lost: --unclaimed with the name of one/);
  assert.equal(mapOf(all, { lost: ['a', 'c'], unclaimed: 'c' })[0], '..m c 1000005 unknown-c');
  assert.match(whyNot(all, { lost: ['a', 'c'], unclaimed: 'b' }), /--unclaimed with the name of one/);
});

test('a dead founding is never taken for a living one of its id', () => {
  const forward = [{ lo: 'm', hi: null, owner: 'b', epoch: 2, founding: 'b1' }];
  const a = told('a', { owned: [own('', 'm', 1)], forward, exports: [end(7, 'b')], lastMid: 7 });
  const b = told('b', { founding: 'b2', owned: [own('m', null, 5)] });
  const { clusters, migrations } = built([a, b], { lost: [] });
  assert.equal(clusters, [
    { cluster: 'a', founding: 'a1' },
    { cluster: 'b', founding: 'b2' },
  ]);
  assert.equal(mapOf([a, b]), ['..m a 1 a1', 'm.. b 5 b2']);
  assert.equal(migrations[0]?.foundings, { keeper: 'k2', source: 'a1', target: 'b1' });
  const epoch = built([a, b]).lastMid;
  assert.equal(migrations[0]?.rescue, { order: 9, dead: 'target', epoch, isThere: false, isCopy: false });
  assert.is(migrations[0]?.phase, 'active');

  const survivor = told('b', { founding: 'b2' });
  assert.match(whyNot([a, survivor]), /in founding b1, whose place b2 has taken: .*--unclaimed b/);
  assert.equal(mapOf([a, survivor], { unclaimed: 'b' }), ['..m a 1 a1', 'm.. b 2 b1']);
  const waiting = told('b', { founding: 'b2', unconfirmed: 'b1' });
  assert.match(whyNot([a, waiting]), /in founding b1, whose place b2 has taken: .*--unclaimed b/);
  assert.equal(mapOf([a, waiting], { unclaimed: 'b' }), ['..m a 1 a1', 'm.. b 2 b1']);
});

test('a source that has sealed yields to a survivor of its target, which has the range at a later epoch', () => {
  const a = told('a', {
    owned: [own('', 'h', 1), own('h', 'm', 1, 5), own('m', null, 1)],
    exports: [end(5, 'b')],
  });
  const b = told('b', { founding: 'b2', owned: [own('h', 'm', 8)], lastMid: 8 });
  assert.equal(mapOf([a, b]), ['..h a 1 a1', 'h..m b 8 b2', 'm.. a 1 a1']);
  const [record] = built([a, b]).migrations;
  assert.is(record?.phase, 'published');
  assert.equal(record?.rescue, { order: 9, dead: 'target', epoch: 0, isThere: true, isCopy: false });
});

test('a founding that nobody has confirmed yields to whoever got the range later', () => {
  const a = told('a', { owned: [own('', null, 9)] });
  const b = told('b', { founding: 'b2', unconfirmed: 'b1', owned: [own('m', null, 4)] });
  assert.equal(mapOf([a, b]), ['.. a 9 a1']);
  const both = told('b', { owned: [own('m', null, 4)] });
  assert.match(whyNot([a, both]), /owned by a at epoch 9 and b at epoch 4/);
});

test('a move that was aborted while its target did not answer is still to be told there, and nothing else', () => {
  const a = told('a', { owned: [own('', null, 1)], floor: 6 });
  const b = told('b', { imports: [end(5, 'a')] });
  const [record] = built([a, b]).migrations;
  assert.equal([record?.phase, record?.isUntold, record?.rescue], ['aborted', true, undefined]);
  const survivor = told('b', { founding: 'b2', unconfirmed: 'b1', imports: [end(5, 'a')] });
  assert.equal(built([a, survivor]).migrations, [], 'it drops that when it is confirmed');
  const released = told('a', { owned: [own('', null, 1)], closed: [{ mid: 5, outcome: 'released' }] });
  assert.is(built([released, survivor]).migrations[0]?.phase, 'published');
  const open = told('a', { owned: [own('', null, 1)], floor: 5 });
  assert.is(built([open, b]).migrations[0]?.phase, 'active');
});

test('what the lost keeper served itself, and a move with it, stays with its founding', () => {
  const forward = [{ lo: 'm', hi: null, owner: 'K', epoch: 2, founding: 'k1' }];
  const a = told('a', { owned: [own('', 'm', 1)], forward, imports: [end(7, 'K')] });
  assert.match(whyNot([a]), /a has migration 7 with K/);
  assert.match(whyNot([a]), /K had it last, which is the keeper itself: name its own file with --lost/);
  assert.equal(mapOf([a], { lost: ['K'] }), ['..m a 1 a1', 'm.. K 2 k1']);
  assert.is(built([a], { lost: ['K'] }).migrations[0]?.rescue?.dead, 'source');
  assert.equal(mapOf([told('a', {})], { lost: ['K'] }), ['.. K 1000001 k1']);
});

test('thousands of ranges in a few sweeps', () => {
  const name = (index: number): string => String(index).padStart(6, '0');
  const count = 20_000;
  const owned = Array.from({ length: count }, (_, index) =>
    own(index === 0 ? '' : name(index), index + 1 === count ? null : name(index + 1), index + 1),
  );
  const even = told('a', { owned: owned.filter((_, index) => index % 2 === 0) });
  const odd = told('b', { owned: owned.filter((_, index) => index % 2 === 1) });
  const before = process.cpuUsage(); // not by the clock of the wall: the machine may be busy with something else
  assert.is(built([even, odd]).entries.length, count);
  assert.ok(process.cpuUsage(before).user < 2_000_000, 'in µs; it takes a tenth of a second');
});

test('where two own a range one of them yields, by the word of the operator, as far as that goes', () => {
  const twice = [told('a', { owned: [own('', null, 1)] }), told('b', { owned: [own('m', null, 2)] })];
  assert.match(whyNot(twice), /--yields CLUSTER, or CLUSTER=FROM\.\.TO, says whose rows of it are given up/);
  const older = [{ cluster: 'a', range: { lo: '', hi: null } }];
  assert.equal(mapOf(twice, { yields: older }), ['..m a 1 a1', 'm.. b 2 b1']);
  const { yielded, lastMid } = built(twice, { yields: older });
  const to = { lo: 'm', hi: null, owner: 'b', epoch: 2, founding: 'b1' };
  assert.equal(yielded, [{ cluster: 'a', mid: lastMid, to }]);
  const newer = [{ cluster: 'b', range: { lo: '', hi: null } }];
  assert.equal(mapOf(twice, { yields: newer }), ['.. a 1 a1'], 'the epoch decides nothing');
  const part = [
    { cluster: 'a', range: { lo: 'm', hi: 'p' } },
    { cluster: 'b', range: { lo: 'p', hi: null } },
  ];
  assert.equal(mapOf(twice, { yields: part }), ['..m a 1 a1', 'm..p b 2 b1', 'p.. a 1 a1']);
  assert.match(whyNot(twice, { yields: part.slice(0, 1) }), /^\[p\.\.end\) is owned by a at epoch 1 and b/);
  assert.match(whyNot(twice, { yields: [...older, ...newer] }), /and all of them yield/);
  const alone = [told('a', { owned: [own('', null, 1)] })];
  assert.equal(mapOf(alone, { yields: older }), ['.. a 1 a1'], 'whoever is alone owns it');
  assert.equal(built(alone, { yields: older }).yielded, []);
});

test('a range of which a move is open is not yielded', () => {
  const moving = told('a', { owned: [own('', null, 1)], exports: [end(5, 'c')] });
  const others = [told('b', { owned: [own('h', null, 2)] }), told('c', {})];
  const yields = [{ cluster: 'a', range: { lo: '', hi: null } }];
  assert.match(
    whyNot([moving, ...others], { yields }),
    /a does not yield \[h\.\.end\), of which it has migration 5/,
  );
});

test.run();

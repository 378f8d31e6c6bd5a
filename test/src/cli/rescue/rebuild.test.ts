/** A map and open moves from what clusters have told, or why not. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type Rebuilt, rebuild, type Told } from '../../../../src/cli/rescue/rebuild.ts';
import type { Belongings, Owned } from '../../../../src/protocol/admin/admin.ts';

const own = (lo: string, hi: string | null, epoch: number, sealedBy: number | null = null): Owned => ({
  lo,
  hi,
  epoch,
  sealedBy,
});

function told(cluster: string, has: Partial<Belongings>): Told {
  const nothing = { owned: [], exports: [], imports: [], closed: [], tokens: [], forward: [], adopted: 0, keepers: [], floor: 0 };
  return {
    cluster,
    belongings: { founding: `${cluster}1`, unconfirmed: '', lastMid: 0, ...nothing, ...has },
  };
}

function mapOf(...all: Parameters<typeof rebuild>): string[] {
  return built(...all).entries.map(
    ({ lo, hi, owner, epoch, founding }) => `${lo}..${hi ?? ''} ${owner} ${epoch} ${founding}`,
  );
}

function built(...all: Parameters<typeof rebuild>): Rebuilt {
  const result = rebuild(...all);
  if ('whyNot' in result) throw new Error(result.whyNot.join());
  return result;
}

function whyNot(...all: Parameters<typeof rebuild>): string {
  const result = rebuild(...all);
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
  assert.equal(mapOf('k2', all, []), ['..m a 1 a1', 'm..t b 2 b1', 't.. b 9 b1']);
  assert.is(built('k2', all, []).lastMid, 1_000_009);
  assert.equal(built('k2', all, []).migrations, []);
});

test('what two own is refused with both epochs, and what nobody owns with who had it', () => {
  const twice = [told('a', { owned: [own('', null, 1)] }), told('b', { owned: [own('m', null, 2)] })];
  assert.match(whyNot('k2', twice, []), /\[m\.\.end\) is owned by a at epoch 1 and b at epoch 2/);
  const forward = [{ lo: 'm', hi: null, owner: 'b', epoch: 2, founding: 'b1' }];
  const missing = [told('a', { owned: [own('', 'm', 1)], forward, lastMid: 2 })];
  assert.match(whyNot('k2', missing, []), /nobody owns \[m\.\.end\): b had it last/);
  assert.match(whyNot('k2', missing, ['c']), /nobody who answered has ever had to do with c/);
  assert.equal(mapOf('k2', missing, ['b']), ['..m a 1 a1', 'm.. b 2 b1']);
  const vague = [told('a', { owned: [own('', 'm', 1)], exports: [end(3, 'b')], lastMid: 3 })];
  assert.equal(
    mapOf('k2', vague, ['b']),
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
  const done = built('k2', [sealed, activated], []);
  assert.equal(mapOf('k2', [sealed, activated], []), ['..h a 1 a1', 'h..m b 5 b1', 'm.. a 1 a1']);
  const [record] = done.migrations;
  assert.is(record?.phase, 'published');
  assert.is(record?.token, 4, 'whoever claims it is above all that were seen');
  assert.equal(record?.foundings, { keeper: 'k2', source: 'a1', target: 'b1' });

  const importing = told('b', { imports: [end(5, 'a')] });
  const back = built('k2', [sealed, importing], []);
  assert.equal(mapOf('k2', [sealed, importing], []), ['.. a 1 a1']);
  assert.is(back.migrations[0]?.phase, 'active');
  assert.is(back.migrations[0]?.wish, 'abort');
  assert.is(back.migrations.length, 1, 'both ends tell of the same one');
  assert.match(whyNot('k2', [sealed], []), /a has migration 5 with b, which has not answered/);
});

test('a founding that nobody has confirmed is known by the one whose place it takes', () => {
  const all = [told('a', { owned: [own('', null, 1)], founding: 'a2', unconfirmed: 'a1' })];
  assert.equal(mapOf('k2', all, []), ['.. a 1 a1']);
});

test.run();

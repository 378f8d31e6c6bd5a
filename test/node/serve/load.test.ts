/** How busy ranges are: rates are differences of sums, whatever the ranges become meanwhile; and which keys are hot. */
import * as fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { HotKeys } from '../../../node/serve/hot-keys.ts';
import { Load, RANGES_MAX, TOLD_MAX } from '../../../node/serve/load.ts';
import type { Owned } from '../../../src/identity/founding.ts';
import type { RangeLoad } from '../../../src/protocol/admin/node-facts.ts';
import { failure, OK, okBytes } from '../../../src/protocol/arakoon/replies.ts';

function owned(lo: string, hi: string | null, epoch: number): Owned {
  return { lo, hi, epoch, sealedBy: null };
}

/** A node's load under a clock of its own. */
class Bench {
  nowMs = 0;
  ranges: readonly Owned[] = [owned('', 'm', 1), owned('m', null, 2)];
  readonly load = new Load(
    () => this.nowMs,
    () => this.ranges,
  );

  /** Lets a time pass, as a process lives: it looks twenty times a second. */
  pass(ms: number): void {
    for (const untilMs = this.nowMs + ms; this.nowMs < untilMs; ) {
      this.nowMs = Math.min(untilMs, this.nowMs + 50);
      this.load.look();
    }
  }

  of(lo: string): RangeLoad | undefined {
    return this.load.told.ranges.find((each) => each.lo === lo);
  }
}

test('requests are counted in the range of their key, with the bytes of both ways', () => {
  const bench = new Bench();
  for (let count = 0; count < 100; count += 1) bench.load.answered('get', 'a', 20, okBytes(Buffer.alloc(72)));
  for (let count = 0; count < 40; count += 1) bench.load.answered('set', 'zoo', 50, OK);
  bench.pass(10_000);
  assert.equal(bench.of(''), {
    lo: '',
    hi: 'm',
    epoch: 1,
    reads: { s10: 10, m1: 10, m10: 10 },
    writes: { s10: 0, m1: 0, m10: 0 },
    bytes: { s10: 1000, m1: 1000, m10: 1000 },
  });
  assert.is(bench.of('m')?.writes.s10, 4);
  assert.equal(bench.load.totals[0], { lo: '', reads: 100, writes: 0, bytes: 10_000 });
});

test('each rate is of its own time, and what is older does not count', () => {
  const bench = new Bench();
  for (let count = 0; count < 600; count += 1) bench.load.answered('get', 'a', 0, OK);
  bench.pass(60_000);
  const { s10, m1, m10 } = bench.of('')?.reads ?? { s10: -1, m1: -1, m10: -1 };
  assert.equal([s10, m1, m10], [0, 10, 10]);
  bench.pass(540_000);
  assert.equal(bench.of('')?.reads, { s10: 0, m1: 0, m10: 1 });
  bench.pass(61_000);
  assert.is(bench.of(''), undefined, 'idle for ten minutes');
});

test('what another node serves, or what was refused, is no load', () => {
  const bench = new Bench();
  bench.load.answered('get', 'a', 9, failure('NOT_MASTER', 'n2'));
  bench.load.answered('set', 'a', 9, failure('OUT_OF_RANGE', 'a'));
  bench.load.answered('set', 'a', 9, failure('GOING_DOWN', 'x'));
  bench.load.answered('get', 'a', 9, failure('NOT_FOUND', 'a'));
  const [first] = bench.load.totals;
  assert.equal([first?.reads, first?.writes], [1, 0]);
});

test('a range that goes on keeps its sums; one that is new, or of another epoch, begins without', () => {
  const bench = new Bench();
  for (const key of ['a', 'n', 'z']) bench.load.answered('get', key, 0, OK);
  bench.pass(5000);
  bench.ranges = [owned('', 'c', 1), owned('c', 'm', 7), owned('m', 'y', 2)];
  bench.load.answered('get', 'd', 0, OK);
  bench.load.answered('get', 'zz', 0, OK);
  bench.pass(5000);
  const reads = bench.load.told.ranges.map((each) => [each.lo, each.reads.s10]);
  assert.equal(reads, [
    ['', 0.1],
    ['c', 0.1],
    ['m', 0.2],
  ]);
  // The machine was loaded again from its store.
  bench.ranges = bench.ranges.map((each) => ({ ...each }));
  assert.is(bench.of('m')?.reads.s10, 0.2);
});

test('more ranges than are counted by themselves are told of by the busiest, and all others are counted together', () => {
  const bench = new Bench();
  const name = (at: number): string => String(at).padStart(6, '0');
  bench.ranges = Array.from({ length: 3000 }, (_, at) => owned(name(at), name(at + 1), at + 1));
  for (let at = 0; at < 3000; at += 1) {
    for (let count = 0; count <= (at === 17 ? 5 : 0); count += 1)
      bench.load.answered('get', `${name(at)}x`, 0, OK);
  }
  bench.load.answered('get', 'beyond all', 0, OK);
  bench.pass(10_000);
  assert.is(bench.load.totals.length, RANGES_MAX);
  const { ranges } = bench.load.told;
  assert.equal([ranges.length, ranges[0]?.lo], [TOLD_MAX, name(17)]);
});

test('rates are those of all requests within their time, to a second in ten', () => {
  const beat = fc.record({
    ms: fc.integer({ min: 0, max: 3000 }),
    requests: fc.integer({ min: 0, max: 20 }),
  });
  fc.assert(
    fc.property(fc.array(beat, { minLength: 1, maxLength: 60 }), (beats) => {
      const bench = new Bench();
      const atMs: number[] = [];
      for (const { ms, requests } of beats) {
        for (let count = 0; count < requests; count += 1) {
          bench.load.answered('get', 'a', 0, OK);
          atMs.push(bench.nowMs);
        }
        bench.pass(ms);
      }
      const since = (ms: number): number => atMs.filter((each) => bench.nowMs - each < ms).length;
      const seconds = (ms: number): number => Math.max(1, Math.min(bench.nowMs, ms) / 1000);
      const rate = bench.of('')?.reads.s10 ?? 0;
      // The time begins up to a second before.
      assert.ok(rate <= since(11_100) / seconds(10_000) + 1e-9, 'not more than there were');
      assert.ok(rate >= since(10_000) / seconds(11_100) - 1e-9, 'not less than there were');
    }),
    { numRuns: 500 },
  );
});

/** Asks for keys and says which are hot; half of all requests are for one, the others for many. */
function heat(requests: number, keyAt: (at: number) => string): HotKeys {
  const keys = new HotKeys(0);
  for (let at = 0; at < requests; at += 1) keys.asked(keyAt(at));
  return keys;
}

test('a hot key is found among many, with about its rate', () => {
  const keys = heat(100_000, (at) => (at % 2 === 0 ? 'hot' : `cold ${at}`));
  keys.look(10_000);
  const [first, second] = keys.hottest(12_000);
  assert.is(first?.key, 'hot');
  assert.ok(Math.abs((first?.perSecond ?? 0) - 5000) < 700, `${first?.perSecond}`);
  assert.is(second, undefined, 'none of the others is hot');
});

test('keys that are asked for in turn are sampled alike', () => {
  const keys = heat(160_000, (at) => `key ${at % 16}`);
  const rates = keys.hottest(10_000).map(({ perSecond }) => perSecond);
  assert.is(rates.length, 10);
  for (const rate of rates) assert.ok(rate > 800 && rate < 1200, `${rate}`);
});

test('what was hot is forgotten', () => {
  const keys = heat(1000, () => 'hot');
  keys.look(10_000);
  keys.look(20_000);
  assert.equal(keys.hottest(20_000), []);
});

test.run();

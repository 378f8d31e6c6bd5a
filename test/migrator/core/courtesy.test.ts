/** How a copy gives way to requests: halved where they wait too long, slowly back, and never stuck. */
import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
  boundMs,
  type Courtesy,
  givesWay,
  goOn,
  heard,
  heardBefore,
  measure,
  UNHURRIED,
} from '../../../migrator/core/courtesy.ts';
import { SETTINGS } from '../../../migrator/core/settings.ts';

const MIB = 1024 * 1024;
const LOWEST = SETTINGS.courteousBytesMin;
type Party = 'source' | 'target';

const before = (party: Party, waitedMs: number, of: Courtesy = UNHURRIED): Courtesy =>
  heardBefore(of, { party, cluster: party, waitedMs }, 0, SETTINGS);
const hear = (of: Courtesy, waitedMs: number, nowMs: number, party: Party = 'target'): Courtesy =>
  heard(of, { party, cluster: party, waitedMs }, nowMs, SETTINGS);
/** A copy to an idle cluster that has brought so much in its first second. */
const copied = (bytes: number): Courtesy => measure(before('source', 0, before('target', 0)), bytes, 1000);

test('where nobody waits a copy has no limit; where there are clients it begins slowly', () => {
  assert.is(before('target', 0).rate, null);
  assert.is(before('source', 0).rate, null);
  for (const party of ['source', 'target'] as const) assert.is(before(party, 3).rate, 4 * LOWEST);
  assert.equal(givesWay(before('target', 3)), { rate: 4 * LOWEST, waitedMs: 3, cluster: 'target' });
  assert.is(givesWay(UNHURRIED), undefined);
});

test('too long is twice as long as before the copy, within bounds; the first word of each end counts', () => {
  assert.is(boundMs(UNHURRIED, 'target', SETTINGS), SETTINGS.waitedMinMs);
  assert.is(boundMs(before('target', 30), 'target', SETTINGS), 60);
  assert.is(boundMs(before('target', 30), 'source', SETTINGS), SETTINGS.waitedMinMs);
  assert.is(boundMs(before('target', 30_000), 'target', SETTINGS), SETTINGS.waitedMaxMs);
  const twice = before('target', 500, before('target', 30));
  assert.is(boundMs(twice, 'target', SETTINGS), 60);
});

test('it is halved from what it was, once for one burst, and says for whom', () => {
  const fast = copied(20 * MIB);
  assert.is(hear(fast, SETTINGS.waitedMinMs, 1010).rate, null, 'as long as they may');
  const halved = hear(fast, SETTINGS.waitedMinMs + 1, 1010);
  assert.is(halved.rate, 10 * MIB);
  assert.equal(givesWay(halved), { rate: 10 * MIB, waitedMs: SETTINGS.waitedMinMs + 1, cluster: 'target' });
  const burst = hear(halved, 100, 2200);
  assert.is(burst.rate, 10 * MIB, 'what nodes tell for a second');
  assert.is(hear(burst, 100, 2210).rate, 5 * MIB, 'another one');
  assert.is(hear(fast, 100, 1010, 'source').because?.cluster, 'source');
  assert.is(hear(before('target', 0), 100, 1010, 'source').rate, null, 'it was never heard before');
});

test('a limit that does nothing is no beginning: it is halved from what is copied', () => {
  const slow = { ...copied(4 * MIB), rate: 100 * MIB, because: { cluster: 'B', waitedMs: 9 } };
  assert.is(hear(slow, 100, 3000).rate, 2 * MIB);
});

test('it never goes below the lowest rate', () => {
  let now = copied(2 * MIB);
  for (let atMs = 2000; atMs < 60_000; atMs += 200) now = hear(now, 10_000, atMs);
  assert.is(now.rate, LOWEST);
});

test('it rises by a tenth a second, with the answers of the target alone, and not for what it has not heard', () => {
  const halved = hear(copied(20 * MIB), 100, 1000);
  assert.is(hear(halved, 0, 1500, 'source').rate, 10 * MIB);
  let now = halved;
  for (let atMs = 1100; atMs <= 2000; atMs += 100) now = hear(now, 1, atMs);
  assert.ok(Math.abs((now.rate as number) / (10 * MIB) - 1.1) < 0.01, String(now.rate));
  assert.is(hear(halved, 1, 60_000).rate, 11 * MIB, 'after a minute of silence');
  assert.is(hear(hear(halved, 100, 2000), 1, 2100).rate, 10.1 * MIB, 'nor while they waited');
});

test('a limit that does nothing any more goes', () => {
  let now = measure(hear(copied(2 * MIB), 100, 1000), MIB, 2050);
  let atMs = 2100;
  for (; now.rate !== null; atMs += 100) {
    now = hear(now, 0, atMs);
    assert.ok(atMs < 20_000, 'it stays for ever');
  }
  assert.is(givesWay(now), undefined);
  assert.ok(atMs > 4000, 'it was gone before it had risen');
});

test('how fast it is is not measured over a time in which it stood still', () => {
  const halved = hear(copied(20 * MIB), 100, 1000);
  const still = measure(halved, 1, 30_000);
  assert.is(still.measured.bytesPerSecond, 20 * MIB);
});

test('whoever takes over goes on at the rate on record, and not below the lowest one', () => {
  const because = { waitedMs: 12, cluster: 'B' };
  assert.equal(givesWay(goOn(UNHURRIED, { rate: MIB, ...because }, 5, SETTINGS)), { rate: MIB, ...because });
  assert.is(goOn(UNHURRIED, { rate: 1, ...because }, 5, SETTINGS).rate, LOWEST);
  assert.is(goOn(UNHURRIED, undefined, 5, SETTINGS), UNHURRIED);
  const later = before('target', 3, goOn(UNHURRIED, { rate: 9 * MIB, ...because }, 5, SETTINGS));
  assert.is(later.rate, 9 * MIB, 'and does not begin anew');
});

test('whatever is heard: a finite limit that is not below the lowest, and one that says why', () => {
  const step = fc.record({
    waitedMs: fc.oneof(fc.nat({ max: 20 }), fc.nat({ max: 1e6 })),
    afterMs: fc.nat({ max: 5000 }),
    bytes: fc.nat({ max: 64 * MIB }),
    party: fc.constantFrom<Party>('source', 'target'),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), fc.nat({ max: 100 }), (steps, first) => {
      let now = before('source', 0, before('target', first));
      let atMs = 0;
      for (const { waitedMs, afterMs, bytes, party } of steps) {
        atMs += afterMs;
        now = hear(measure(now, bytes, atMs), waitedMs, atMs, party);
        const { rate, because } = now;
        assert.is(rate === null, because === null);
        assert.ok(rate === null || (rate >= LOWEST && rate <= 1024 ** 3), String(rate));
      }
    }),
  );
});

test.run();

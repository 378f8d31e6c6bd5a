/** Long reads have all of the event loop where nobody asks for what is short, and a share of it where somebody does. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
  COLLECTION_WEIGHT,
  EXPECTED_MS,
  FairShare,
  PAUSE_FACTOR,
  PAUSE_MAX_MS,
} from '../../../node/driver/fair-share.ts';
import { Scheduler } from '../../../node/driver/scheduler.ts';
import type { Work } from '../../../node/store/types.ts';

/** Time that passes only where a slice, or a pause, takes it. */
class Bench {
  nowMs = 1000;
  readonly pausesMs: number[] = [];
  readonly #due: (() => void)[] = [];
  readonly share = new FairShare({
    nowMs: () => this.nowMs,
    after: (delayMs, run) => {
      this.pausesMs.push(delayMs);
      this.#due.push(() => {
        this.nowMs += delayMs;
        run();
      });
    },
    defer: (run) => this.#due.push(run),
  });

  /** Whether something was due. */
  run(): boolean {
    const next = this.#due.shift();
    next?.();
    return next !== undefined;
  }

  /** A long read whose slices take so long. */
  read(...slicesMs: number[]): void {
    const bench = this;
    function* work(): Work<undefined> {
      for (const sliceMs of slicesMs) {
        bench.nowMs += sliceMs;
        yield;
      }
    }
    new Scheduler(() => this.nowMs, this.share.defer).run(
      work(),
      () => undefined,
      (error) => {
        throw error;
      },
    );
  }
}

test('a long read goes on at once where nobody asks for anything short', () => {
  const bench = new Bench();
  bench.read(1, 2, 3);
  while (bench.run());
  assert.equal(bench.pausesMs, []);
  assert.is(bench.nowMs, 1006);
});

test('beside short ones it pauses after each slice, for several times as long as that took', () => {
  const bench = new Bench();
  bench.share.short();
  bench.read(1, 3, 1000);
  bench.run(); // the pause
  bench.run(); // the slice
  assert.equal(bench.pausesMs, [PAUSE_FACTOR, 3 * PAUSE_FACTOR]);
  bench.share.short();
  bench.run();
  bench.share.short();
  bench.nowMs += EXPECTED_MS - 1;
  bench.run();
  assert.equal(bench.pausesMs.slice(2), [], 'the last short one is long ago: it took a second');
});

test('no pause is longer than its bound', () => {
  const bench = new Bench();
  bench.share.short();
  bench.share.defer(() => undefined, 10 * PAUSE_MAX_MS);
  assert.equal(bench.pausesMs, [PAUSE_MAX_MS]);
});

test('what was short long ago is forgotten', () => {
  const bench = new Bench();
  bench.share.short();
  bench.nowMs += EXPECTED_MS;
  bench.read(1, 1);
  assert.equal(bench.pausesMs, []);
});

test('collections count as time of long reads, those in between only', () => {
  const bench = new Bench();
  bench.share.collected(5); // no long read is under way
  bench.share.short();
  bench.share.defer(() => undefined, 1);
  bench.share.collected(2);
  bench.share.defer(() => undefined, 1);
  bench.share.defer(() => undefined, 1);
  assert.equal(
    bench.pausesMs,
    [1, 1 + 2 * COLLECTION_WEIGHT, 1].map((ms) => ms * PAUSE_FACTOR),
  );
});

test.run();

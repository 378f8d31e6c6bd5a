/** How often a node looks at its clock. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Pulse } from '../../../node/driver/pulse.ts';
import { beatsOf, isNews } from '../../../node/driver/timing.ts';

test('a beat is short beside what is due within a lease, and no shorter than what an idle process can afford', () => {
  const beats = (leaseMs: number): number[] => {
    const { idleMs, busyMs, quietMs } = beatsOf(leaseMs);
    return [idleMs, busyMs, quietMs];
  };
  assert.equal([100, 300, 1000, 2000, 60_000].map(beats), [
    [7, 7, 28],
    [19, 10, 76],
    [63, 10, 252],
    [126, 10, 504],
    [126, 10, 504],
  ]);
  for (const leaseMs of [100, 101, 333, 1999, 3_600_000]) {
    const [idleMs] = beats(leaseMs) as [number];
    const beatMs = leaseMs / 8;
    assert.ok(idleMs < beatMs * 0.6, `${idleMs}: a master beats every eighth of ${leaseMs}`);
    assert.ok(
      idleMs === 126 || 2 * idleMs >= beatMs,
      `${idleMs}: at every second look, and not at every third`,
    );
    assert.ok(Number.isInteger(idleMs));
  }
});

test('what says only that all goes on is no news', () => {
  assert.equal([isNews({ kind: 'heartbeat' }), isNews({ kind: 'granted' })], [false, false]);
  for (const kind of ['accept', 'accepted', 'prepare', 'promise', 'nack', 'ask'] as const)
    assert.ok(isNews({ kind }));
});

/** A pulse whose time a test lets pass. */
class Clocked {
  nowMs = 0;
  /** Until when nothing is due. */
  untilMs = 0;
  readonly beats: number[] = [];
  readonly pulse: Pulse;
  #timer: { readonly atMs: number; readonly run: () => void } | null = null;

  constructor() {
    this.pulse = new Pulse({
      idleMs: 50,
      busyMs: 10,
      quietMs: 200,
      nowMs: () => this.nowMs,
      untilMs: () => this.untilMs,
      after: (delayMs, run) => {
        assert.is(this.#timer, null, 'one timer at a time');
        const timer = { atMs: this.nowMs + delayMs, run };
        this.#timer = timer;
        return () => {
          if (this.#timer === timer) this.#timer = null;
        };
      },
    });
    this.pulse.each(() => this.beats.push(this.nowMs));
  }

  until(ms: number): void {
    for (let timer = this.#timer; timer !== null && timer.atMs <= ms; timer = this.#timer) {
      this.nowMs = timer.atMs;
      this.#timer = null;
      timer.run();
    }
    this.nowMs = ms;
  }
}

test('it beats seldom while nothing happens, and soon after something did, however much that was', () => {
  const clocked = new Clocked();
  clocked.until(120);
  assert.equal(clocked.beats, [50, 100]);
  clocked.pulse.hasten();
  clocked.until(125);
  for (let times = 0; times < 5; times += 1) clocked.pulse.hasten();
  clocked.until(200);
  assert.equal(clocked.beats, [50, 100, 130, 180], 'what hastens it again does not put it off');
  clocked.pulse.hasten();
  clocked.pulse.close();
  clocked.pulse.hasten();
  clocked.until(1000);
  assert.is(clocked.beats.length, 4);
});

test('it rests for longer where nothing is due, and beats when something is', () => {
  const clocked = new Clocked();
  clocked.untilMs = 1000;
  clocked.pulse.plan();
  clocked.until(450);
  assert.equal(clocked.beats, [200, 400], 'it is not for ever that nothing is looked at');
  clocked.untilMs = 519;
  clocked.pulse.plan();
  clocked.until(540);
  assert.equal(clocked.beats.slice(2), [520], 'when it is due for certain, as a timer may fire early');
  clocked.untilMs = 530;
  clocked.pulse.plan();
  clocked.until(600);
  assert.equal(clocked.beats.slice(3), [570], 'no sooner than it would without knowing');
  clocked.untilMs = 10_000;
  for (let times = 0; times < 50; times += 1) {
    clocked.until(clocked.nowMs + 10);
    clocked.pulse.plan();
  }
  assert.equal(clocked.beats.slice(4), [770, 970], 'planning puts nothing off');
  clocked.pulse.hasten();
  clocked.pulse.plan();
  clocked.until(1110);
  assert.equal(clocked.beats.slice(6), [1110]);
});

test('what a beat brings about hastens the next one', () => {
  const clocked = new Clocked();
  clocked.pulse.each(() => {
    if (clocked.nowMs < 80) clocked.pulse.hasten();
  });
  clocked.until(200);
  assert.equal(clocked.beats, [50, 60, 70, 80, 130, 180]);
});

test.run();

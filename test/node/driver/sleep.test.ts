/** Clocks that jump: a machine that slept has a lease that its own clock still believes in. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { SleepWatch } from '../../../node/driver/sleep.ts';
import { FakeWorld } from './fake-world.ts';

const LEASE_MS = 1000;

/** Three drivers that hear one another; the first is master. */
class Trio {
  readonly worlds = [
    new FakeWorld(['a', 'b', 'c']),
    new FakeWorld(['b', 'a', 'c']),
    new FakeWorld(['c', 'a', 'b']),
  ];
  readonly #delivered = this.worlds.map(() => 0);
  isCut = false;

  get master(): FakeWorld {
    const found = this.worlds.find((world) => world.driver.replica.role.kind === 'master');
    if (found === undefined) throw new Error('there is no master');
    return found;
  }

  /** Time goes on for all of them, and what they say arrives, unless they are cut off. */
  pass(forMs: number): void {
    for (let passed = 0; passed < forMs; passed += 10) {
      for (const world of this.worlds) {
        world.driver.lookAtClocks();
        world.pass(10);
      }
      this.#deliver();
    }
  }

  #deliver(): void {
    for (const [index, world] of this.worlds.entries()) {
      const from = 'abc'[index] as string;
      for (const { to, message } of world.sent.slice(this.#delivered[index])) {
        if (this.isCut) continue;
        const there = this.worlds['abc'.indexOf(to)] as FakeWorld;
        there.driver.submit({ kind: 'message', from, incarnation: 'f'.repeat(32), message });
        there.turn();
        while (there.appending > 0) there.disk();
      }
      this.#delivered[index] = world.sent.length;
    }
  }
}

function mastered(): Trio {
  const trio = new Trio();
  trio.pass(10 * LEASE_MS);
  assert.ok(trio.master.driver.mayRead());
  return trio;
}

test('a master whose machine slept for a lease answers no read before its lease was granted anew', () => {
  const trio = mastered();
  const { master } = trio;
  master.aheadMs += LEASE_MS;
  assert.not.ok(master.driver.mayRead(), 'the first read after the sleep, before any tick');
  trio.pass(40);
  assert.ok(master.driver.mayRead(), 'asked for at once, not at the next heartbeat');
});

test('a grant from before the sleep, that comes late, is none', () => {
  const trio = mastered();
  const { master } = trio;
  const { replica } = master.driver;
  const grants = (): number[] => (replica.role.kind === 'master' ? [...replica.role.grants.values()] : []);
  const before = master.nowMs;
  master.aheadMs += LEASE_MS;
  assert.not.ok(master.driver.mayRead());
  assert.ok(
    grants().every((sentAtMs) => sentAtMs <= before),
    'its lease would still last',
  );
  trio.isCut = true;
  trio.pass(50);
  assert.not.ok(master.driver.mayRead());
});

test('a wall clock that is set back, or slewed, harms nothing; one that is set forward costs a heartbeat', () => {
  const trio = mastered();
  const { master } = trio;
  master.aheadMs -= 3_600_000;
  assert.ok(master.driver.mayRead());
  for (let step = 0; step < 100; step += 1) {
    master.aheadMs += 10;
    assert.ok(master.driver.mayRead());
  }
  master.aheadMs += 3_600_000;
  assert.not.ok(master.driver.mayRead());
  trio.pass(40);
  assert.ok(master.driver.mayRead());
});

test('followers whose machines slept go on', () => {
  const trio = mastered();
  const { master } = trio;
  for (const world of trio.worlds) if (world !== master) world.aheadMs += LEASE_MS;
  trio.pass(LEASE_MS);
  assert.is(trio.master, master);
  assert.ok(master.driver.mayRead());
});

test('a cluster of one has nobody to ask', () => {
  const world = new FakeWorld(['a']);
  world.pass(2 * LEASE_MS);
  world.aheadMs += LEASE_MS;
  assert.ok(world.driver.mayRead());
});

test('an interruption between the two readings is no sleep, and no measure', () => {
  let nowMs = 0;
  let wallMs = 1e12;
  let interruptedMs = 0;
  const read = (): number => {
    wallMs += interruptedMs;
    nowMs += interruptedMs;
    return wallMs;
  };
  const readThenInterrupted = (): number => {
    const at = wallMs;
    wallMs += interruptedMs;
    nowMs += interruptedMs;
    return at;
  };
  for (const wall of [read, readThenInterrupted]) {
    const watch = new SleepWatch(() => nowMs, wall, 20);
    assert.not.ok(watch.hasSlept());
    interruptedMs = 500;
    assert.not.ok(watch.hasSlept());
    interruptedMs = 0;
    assert.not.ok(watch.hasSlept());
    wallMs += 99;
    assert.not.ok(watch.hasSlept());
    wallMs += 100;
    assert.ok(watch.hasSlept());
    assert.not.ok(watch.hasSlept(), 'said once');
  }
});

test.run();

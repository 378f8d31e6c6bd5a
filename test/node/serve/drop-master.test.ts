/** Who asks to drop the master is answered once another one is there, or with an error when that takes too long. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { dropMaster } from '../../../node/serve/drop-master.ts';
import { RETURN_CODES } from '../../../src/base/errors.ts';
import { type Answer, messageOf, returnCodeOf } from '../../../src/protocol/arakoon/values.ts';

const LEASE_MS = 2000;

class Bench {
  nowMs = 0;
  master: string | null;
  dropped = 0;
  readonly answers: Answer[] = [];
  readonly #timers: { readonly atMs: number; readonly run: () => void }[] = [];

  constructor(master: string | null, config: { nodes?: number; forcedMaster?: string } = {}) {
    this.master = master;
    const { nodes = 3, forcedMaster = null } = config;
    const wished = Array.from({ length: nodes }, (_, index) => `n${index}`);
    const context = {
      node: 'n0',
      nowMs: () => this.nowMs,
      after: (delayMs: number, run: () => void) => this.#timers.push({ atMs: this.nowMs + delayMs, run }),
      driver: {
        replica: { config: { wished, forcedMaster, leaseMs: LEASE_MS } },
        master: () => this.master,
        submit: () => {
          this.dropped += 1;
        },
      },
    };
    dropMaster(context as unknown as Parameters<typeof dropMaster>[0], (answer) => this.answers.push(answer));
  }

  passes(ms: number): void {
    const untilMs = this.nowMs + ms;
    for (;;) {
      const next = this.#timers.shift();
      if (next === undefined || next.atMs > untilMs) {
        if (next !== undefined) this.#timers.unshift(next);
        break;
      }
      this.nowMs = next.atMs;
      next.run();
    }
    this.nowMs = untilMs;
  }

  get codes(): number[] {
    return this.answers.map(({ bytes }) => returnCodeOf(bytes));
  }

  get says(): string {
    return messageOf((this.answers[0] as Answer).bytes).toString();
  }
}

test('a master is answered when another node has taken over, not before', () => {
  const bench = new Bench('n0');
  assert.is(bench.dropped, 1);
  bench.passes(500);
  bench.master = null;
  bench.passes(500);
  assert.equal(bench.codes, []);
  bench.master = 'n2';
  bench.passes(20);
  assert.equal(bench.codes, [RETURN_CODES.OK]);
});

test('a follower of a master has nothing to wait for', () => {
  assert.equal(new Bench('n1').codes, [RETURN_CODES.OK]);
});

test('where nobody takes over within two leases and five seconds, that is said', () => {
  const bench = new Bench('n0');
  bench.passes(8990);
  assert.equal(bench.codes, []);
  bench.passes(20);
  assert.equal(bench.codes, [RETURN_CODES.UNKNOWN_FAILURE]);
  assert.match(bench.says, /no other node has become master in 9 s, and n0 is master again/);
  const without = new Bench(null);
  without.passes(9010);
  assert.match(without.says, 'there is no master');
});

test('where no other node may be master, nothing is dropped', () => {
  for (const bench of [new Bench('n0', { nodes: 1 }), new Bench('n0', { forcedMaster: 'n0' })]) {
    assert.equal(bench.codes, [RETURN_CODES.NOT_SUPPORTED]);
    assert.is(bench.dropped, 0);
  }
});

test.run();

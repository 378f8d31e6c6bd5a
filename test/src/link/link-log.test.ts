import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { LinkLog, type LogClock } from '../../../src/link/link-log.ts';
import { SILENT } from '../../../src/process/log.ts';

/** A clock that a test sets, and the lines that a log had. */
class Rig implements LogClock {
  readonly lines: string[] = [];
  #nowMs = 0;
  #timers: { atMs: number; run: () => void }[] = [];
  readonly log = new LinkLog({
    logger: {
      ...SILENT,
      info: (facts, message) => this.lines.push(`${message} ${JSON.stringify(facts)}`),
    },
    facts: { peer: 'p' },
    up: 'up',
    down: 'down',
    clock: this,
  });

  nowMs(): number {
    return this.#nowMs;
  }

  after(delayMs: number, run: () => void): () => void {
    const timer = { atMs: this.#nowMs + delayMs, run };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((one) => one !== timer);
    };
  }

  pass(ms: number): void {
    const untilMs = this.#nowMs + ms;
    for (;;) {
      const next = this.#timers.filter(({ atMs }) => atMs <= untilMs).sort((a, b) => a.atMs - b.atMs)[0];
      if (next === undefined) break;
      this.#timers = this.#timers.filter((one) => one !== next);
      this.#nowMs = next.atMs;
      next.run();
    }
    this.#nowMs = untilMs;
  }
}

test('a dead peer costs one line, however long it is dead, and one when it is back', () => {
  const rig = new Rig();
  rig.log.up();
  for (let second = 0; second < 3600; second += 1) {
    rig.log.down('connect ECONNREFUSED');
    rig.pass(1000);
  }
  assert.equal(rig.lines, ['up {"peer":"p"}', 'down {"peer":"p","why":"connect ECONNREFUSED"}']);
  rig.log.up();
  assert.equal(rig.lines.slice(2), ['up {"peer":"p","attempts":3600,"downSeconds":3600}']);
});

test('another reason is another line', () => {
  const rig = new Rig();
  rig.log.down('connect ECONNREFUSED');
  rig.pass(5000);
  rig.log.down('cluster id keeper, here ams');
  rig.log.down('cluster id keeper, here ams');
  rig.log.down('connect ECONNREFUSED');
  assert.is(rig.lines.length, 2, 'reasons that take turns are said once each');
  assert.match(rig.lines[1] as string, /here ams.*"attempts":2,"downSeconds":5/);
});

test('what comes and goes all the time is counted, and its last state is said', () => {
  const rig = new Rig();
  const minutes = 60;
  for (let second = 0; second < 60 * minutes; second += 1) {
    rig.log.up();
    rig.log.down('closed');
    rig.pass(1000);
  }
  assert.ok(rig.lines.length <= minutes + 11, `${rig.lines.length} lines for ${120 * minutes} changes`);
  const counted = rig.lines.map((line) => Number(/"changes":(\d+)/.exec(line)?.[1] ?? 0) + 1);
  rig.log.up();
  rig.pass(60_000);
  assert.match(rig.lines.at(-1) as string, /^up /);
  assert.ok(counted.reduce((sum, count) => sum + count) > 110 * minutes, 'nearly all changes are counted');
  const before = rig.lines.length;
  rig.pass(600_000);
  assert.is(rig.lines.length, before, 'nothing changes, nothing is said');
  rig.log.down('closed');
  assert.is(rig.lines.length, before + 1, 'after a quiet time a change is said at once');
});

test('a log that is closed says nothing more', () => {
  const rig = new Rig();
  for (let round = 0; round < 11; round += 1) {
    rig.log.up();
    rig.log.down('closed');
  }
  const before = rig.lines.length;
  rig.log.close();
  rig.log.up();
  rig.pass(600_000);
  assert.is(rig.lines.length, before);
});

test.run();

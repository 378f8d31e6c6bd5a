/** Flushing, collapsing and rewriting on request: once at a time, never at a master where Arakoon would not, and with its refusals. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Upkeep } from '../../../node/serve/upkeep.ts';
import { NurseryError, RETURN_CODES } from '../../../src/base/errors.ts';
import { decodeCollapse } from '../../../src/protocol/arakoon/replies.ts';
import { type Answer, messageOf, returnCodeOf } from '../../../src/protocol/arakoon/values.ts';

class Bench {
  nowMs = 0;
  master = 'n1';
  readonly done: string[] = [];
  /** What stands in the way of the next work. */
  error: Error | null = null;
  readonly upkeep: Upkeep;

  constructor() {
    const work = async (what: string): Promise<void> => {
      await Promise.resolve();
      if (this.error !== null) throw this.error;
      this.done.push(what);
    };
    const context = {
      node: 'n0',
      nowMs: () => this.nowMs,
      driver: { master: () => this.master },
      flush: () => work('flush'),
      compact: () => work('compact'),
      collapse: async (keep: number, dropped: () => void) => {
        await work(`collapse to ${keep}`);
        for (let count = 0; count < 2; count += 1) {
          this.nowMs += 3;
          dropped();
        }
        return 2;
      },
    };
    this.upkeep = new Upkeep(context as unknown as ConstructorParameters<typeof Upkeep>[0]);
  }
}

function answered(ask: (respond: (answer: Answer) => void) => void): Promise<Answer> {
  return new Promise(ask);
}

function said({ bytes }: Answer): string {
  return `${returnCodeOf(bytes).toString(16)} ${messageOf(bytes)}`;
}

test('a collapse flushes first, and says of each segment when it was gone', async () => {
  const bench = new Bench();
  const { bytes } = await answered((respond) => bench.upkeep.collapse(2, respond));
  assert.equal(decodeCollapse(bytes), [3000, 6000]);
  assert.equal(bench.done, ['flush', 'collapse to 2']);
});

test('a collapse is refused as Arakoon refuses it', async () => {
  const bench = new Bench();
  assert.match(
    said(await answered((respond) => bench.upkeep.collapse(0, respond))),
    /^ff 0 is not acceptable/,
  );
  const first = answered((respond) => bench.upkeep.collapse(1, respond));
  const second = await answered((respond) => bench.upkeep.collapse(1, respond));
  assert.is(said(second), 'ff Collapsing already in progress');
  assert.is(returnCodeOf((await first).bytes), RETURN_CODES.OK);
  assert.is(returnCodeOf((await answered((respond) => bench.upkeep.collapse(1, respond))).bytes), 0);
});

test('the store is not rewritten, nor its log cut for a head, at the master', async () => {
  const bench = new Bench();
  bench.master = 'n0';
  const asked = [
    await answered((respond) => bench.upkeep.compact('optimize_db', respond)),
    await answered((respond) => bench.upkeep.compact('defrag_db', respond)),
    await answered((respond) => bench.upkeep.copyToHead(1, respond)),
  ];
  for (const answer of asked) {
    assert.match(said(answer), /^20 \w+: Operation cannot be performed on master node n0/);
  }
  assert.equal(bench.done, []);
});

test('the store is rewritten once at a time; a failure is told, and the next one may begin', async () => {
  const bench = new Bench();
  bench.error = new NurseryError('DISK_FULL', 'no room');
  const first = answered((respond) => bench.upkeep.compact('defrag_db', respond));
  const second = await answered((respond) => bench.upkeep.compact('optimize_db', respond));
  assert.match(said(second), /^ff optimize_db: the store is being rewritten already/);
  assert.match(said(await first), /no room/);
  bench.error = null;
  const third = await answered((respond) => bench.upkeep.compact('optimize_db', respond));
  assert.is(returnCodeOf(third.bytes), RETURN_CODES.OK);
});

test('a head is the store itself: flushed, with so much of the log as is asked for', async () => {
  const bench = new Bench();
  const { bytes } = await answered((respond) => bench.upkeep.copyToHead(3, respond));
  assert.equal([...bytes], [0, 0, 0, 0]);
  assert.equal(bench.done, ['flush', 'collapse to 3']);
  assert.match(said(await answered((respond) => bench.upkeep.copyToHead(0, respond))), /^ff 0 is not/);
});

test.run();

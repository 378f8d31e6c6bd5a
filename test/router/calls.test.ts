/** Reads under way for clients: room for their replies, turns, and clients that are gone. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Calls } from '../../router/calls.ts';
import { FRAME_MAX } from '../../src/base/limits.ts';
import type { LinkResult } from '../../src/link/link.ts';
import { type Asker, Budget } from '../../src/process/budget.ts';
import { OK } from '../../src/protocol/arakoon/replies.ts';
import { until } from '../support/wait.ts';

const REPLY: LinkResult = { kind: 'reply', bytes: Buffer.alloc(4), hint: null };

/** A client's read, and what a node could do about it. */
class Read {
  readonly events: string[] = [];
  done: (result: LinkResult) => void = () => assert.unreachable('not asked');
  withheld: (() => void) | undefined;
  readonly request: number;

  constructor(calls: Calls, asker: Asker) {
    this.request = calls.add(() => this.events.push('answered'), asker);
    calls.ask({
      request: this.request,
      call: this.request,
      ask: (done, withheld) => {
        this.events.push(withheld === undefined ? 'asked' : 'asked for a short one');
        this.done = done;
        this.withheld = withheld;
        return () => this.events.push('cancelled');
      },
      done: ({ kind }) => this.events.push(kind),
      abandoned: () => this.events.push('abandoned'),
    });
  }
}

function setup(): { budget: Budget; client: () => Asker & { isGone: boolean } } {
  const budget = new Budget(FRAME_MAX + 1024);
  const client = (): Asker & { isGone: boolean } => {
    const asker = {
      isGone: false,
      isShort: false,
      waitMs: 20_000,
      isOver: () => asker.isGone,
      replies: budget.open(null),
    };
    return asker;
  };
  return { budget, client };
}

test('a whole reply is asked for where there is room; else a short one, and where it is long it waits its turn', async () => {
  const { budget, client } = setup();
  const calls = new Calls(setImmediate);
  const first = new Read(calls, client());
  const second = new Read(calls, client());
  const third = new Read(calls, client());
  third.done(REPLY);
  second.withheld?.();
  assert.equal(second.events, ['asked for a short one']);
  assert.equal(third.events, ['asked for a short one', 'reply']);
  first.done(REPLY);
  calls.answer(first.request, OK);
  assert.equal(first.events, ['asked', 'reply', 'answered']);
  await until('the second turn', () => second.events.length > 1);
  assert.equal(second.events, ['asked for a short one', 'asked']);
  second.done(REPLY);
  calls.answer(second.request, OK);
  assert.is(budget.usedBytes, 0);
});

test('a client that is gone: what is under way is cancelled, what waits is given up', async () => {
  const { budget, client } = setup();
  const calls = new Calls(setImmediate);
  const [goes, waits] = [client(), client()];
  const stays = new Read(calls, client());
  const underWay = new Read(calls, goes);
  const waiting = new Read(calls, waits);
  waiting.withheld?.();
  goes.isGone = true;
  goes.replies.close();
  waits.isGone = true;
  waits.replies.close();
  calls.gone();
  await until('both to end', () => underWay.events.length + waiting.events.length === 5);
  assert.equal(underWay.events, ['asked for a short one', 'cancelled', 'abandoned']);
  assert.equal(waiting.events, ['asked for a short one', 'abandoned']);
  assert.equal(stays.events, ['asked']);
  calls.answer(stays.request, OK);
  assert.is(budget.usedBytes, 0);
});

test.run();

/** The router's driver in a World under the test's control: what it opens, asks, waits for, and lets go of. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type Connect, Driver, type LinkEvents } from '../../router/driver.ts';
import type { LinkResult } from '../../src/link/link.ts';
import { type Asker, unboundedBudgets } from '../../src/process/budget.ts';
import { SILENT } from '../../src/process/log.ts';
import { OK } from '../../src/protocol/arakoon/replies.ts';
import { encodeRequest } from '../../src/protocol/arakoon/requests.ts';
import { mapOf } from './world.ts';

const GET = encodeRequest({ kind: 'get', consistency: { kind: 'consistent' }, key: 'a' });

/** A link that the driver has opened. */
type Opened = { readonly to: Connect; readonly events: LinkEvents; isClosed: boolean };

class Rig {
  nowMs = 0;
  readonly links: Opened[] = [];
  readonly asked: { readonly node: string; readonly done: (result: LinkResult) => void }[] = [];
  /** Timers that are due some time, and what was deferred. */
  readonly timers = new Map<number, { readonly atMs: number; readonly run: () => void }>();
  readonly deferred: (() => void)[] = [];
  readonly answers: Uint8Array[] = [];
  refreshed = 0;
  isGone = false;
  readonly driver: Driver;
  #lastTimer = 0;

  constructor() {
    this.driver = new Driver(
      {
        nowMs: () => this.nowMs,
        defer: (run) => this.deferred.push(run),
        after: (delayMs, run) => {
          this.#lastTimer += 1;
          const timer = this.#lastTimer;
          this.timers.set(timer, { atMs: this.nowMs + delayMs, run });
          return () => this.timers.delete(timer);
        },
        logger: SILENT,
        link: (to, events) => {
          const link: Opened = { to, events, isClosed: false };
          this.links.push(link);
          return {
            request: (_body, _deadlineMs, done) => {
              this.asked.push({ node: to.node, done });
              return () => undefined;
            },
            close: () => {
              link.isClosed = true;
            },
          };
        },
        refreshMap: () => {
          this.refreshed += 1;
        },
      },
      { name: 'R', clusterId: 'nursery', keeper: 'K' },
    );
  }

  /** One cluster of one node, of the founding `f`. */
  learn(): Opened {
    const nodes = [{ name: 'A1', ips: ['10.0.0.1'], port: 4000 }];
    const clusters = [{ cluster: 'A', nodes, founding: 'f' }];
    this.driver.learn({ map: { map: mapOf(['', 'A']), clusters }, changed: null });
    return this.links.at(-1) as Opened;
  }

  ask(): void {
    const asker: Asker = {
      replies: unboundedBudgets().replies.open(null),
      isOver: () => this.isGone,
      isShort: false,
      waitMs: 0,
    };
    this.driver.request(0, GET, ({ bytes }) => this.answers.push(bytes), null, asker);
  }
}

/** The master is found: the node was asked for it, and names itself. */
function reached(rig: Rig): void {
  rig.learn().events.up();
  const question = rig.asked.shift();
  const name = Buffer.from([0, 0, 0, 0, 1, 2, 0, 0, 0, 0x41, 0x31]); // OK, some text of two bytes
  question?.done({ kind: 'reply', bytes: name, hint: null });
}

test('opens links by the map, asks, and answers what the node says', () => {
  const rig = new Rig();
  rig.ask();
  assert.is(rig.asked.length, 0, 'there is no map yet');
  reached(rig);
  assert.equal(
    rig.asked.map(({ node }) => node),
    ['A1'],
  );
  rig.asked[0]?.done({ kind: 'reply', bytes: Buffer.from(OK.bytes), hint: null });
  assert.equal(rig.answers, [Buffer.from(OK.bytes)]);
});

test('a time to wake at takes the place of the one before', () => {
  const rig = new Rig();
  const due = (): number[] => [...rig.timers.values()].map(({ atMs }) => atMs);
  rig.ask();
  const [later = 0, ...others] = due();
  assert.equal(others, []);
  reached(rig);
  rig.asked[0]?.done({ kind: 'failed', why: 'overloaded', sent: false });
  const [sooner = 0, ...more] = due();
  assert.equal(more, [], 'the timer of before is taken back');
  assert.ok(sooner < later, `${sooner} ms, and ${later} ms before`);
});

test('what is read for a client that is gone ends', () => {
  const rig = new Rig();
  reached(rig);
  rig.ask();
  assert.is(rig.driver.router.inFlight.size, 1);
  rig.isGone = true;
  rig.driver.gone();
  assert.is(rig.driver.router.inFlight.size, 1, 'after the present turn');
  rig.deferred.shift()?.();
  assert.is(rig.driver.router.inFlight.size, 0);
});

test('who meets another founding asks the keeper anew', () => {
  const rig = new Rig();
  const { events } = rig.learn();
  events.met('f');
  assert.is(rig.refreshed, 0);
  events.met('g');
  assert.is(rig.refreshed, 1);
});

test('closed, it lets go of links and timers', () => {
  const rig = new Rig();
  rig.ask();
  reached(rig);
  rig.ask();
  rig.driver.close();
  assert.ok(rig.links.every(({ isClosed }) => isClosed));
  assert.is(rig.timers.size, 0);
});

test.run();

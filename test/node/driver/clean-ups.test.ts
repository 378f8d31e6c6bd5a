/** Steps of clean-ups: one after the other while they are taken, and none where nobody would take them. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { CleanUps } from '../../../node/driver/clean-ups.ts';
import type { Respond } from '../../../node/driver/proposals.ts';
import { failure, OK } from '../../../src/protocol/arakoon/replies.ts';

/** A node with clean-ups to be done. */
class Rig {
  mids: number[] = [];
  mayRead = true;
  readonly asked: Respond[] = [];
  readonly deferred: (() => void)[] = [];
  readonly cleanUps: CleanUps;

  constructor() {
    const rig = this;
    this.cleanUps = new CleanUps({
      driver: {
        get machine() {
          return { cleanups: rig.mids };
        },
        mayRead: () => this.mayRead,
        propose: (_update, respond) => this.asked.push(respond),
      },
      defer: (run) => this.deferred.push(run),
    });
  }
}

test('a step is followed by the next one, after others had their turn', () => {
  const rig = new Rig();
  rig.mids = [7, 8];
  rig.cleanUps.look();
  assert.is(rig.asked.length, 2, 'one of each');
  rig.cleanUps.look();
  assert.is(rig.asked.length, 2, 'they are under way');
  rig.asked[0]?.(OK);
  assert.is(rig.asked.length, 2);
  rig.deferred.shift()?.();
  assert.is(rig.asked.length, 3);
  rig.mids = [];
  rig.asked[2]?.(OK);
  rig.deferred.shift()?.();
  assert.is(rig.asked.length, 3, 'nothing is left');
});

test('a step that is refused is not repeated before somebody looks again', () => {
  const rig = new Rig();
  rig.mids = [7];
  rig.cleanUps.look();
  rig.asked[0]?.(failure('READ_ONLY', 'disk is full'));
  assert.is(rig.deferred.length, 0, 'a full disk would keep the process busy');
  rig.cleanUps.look();
  assert.is(rig.asked.length, 2);
});

test('who is no master deletes nothing', () => {
  const rig = new Rig();
  rig.mids = [7];
  rig.mayRead = false;
  rig.cleanUps.look();
  assert.is(rig.asked.length, 0);
});

test.run();

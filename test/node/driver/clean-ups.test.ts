/** Steps of clean-ups: one after the other while they are taken, and none where nobody would take them. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { CleanUps } from '../../../node/driver/clean-ups.ts';
import type { Respond } from '../../../node/driver/proposals.ts';
import { type Migration, NO_PROGRESS } from '../../../src/protocol/admin/admin.ts';
import { NO_AUTO } from '../../../src/protocol/admin/auto.ts';
import { failure, OK } from '../../../src/protocol/arakoon/replies.ts';
import { decodeUpdate } from '../../../src/protocol/arakoon/updates.ts';

/** A node with clean-ups to be done. */
class Rig {
  mids: number[] = [];
  migrations = new Map<number, Migration>();
  auto = NO_AUTO;
  mayRead = true;
  readonly asked: Respond[] = [];
  /** Migrations whose records were to be dropped. */
  readonly forgotten: number[] = [];
  readonly deferred: (() => void)[] = [];
  readonly cleanUps: CleanUps;

  constructor() {
    const rig = this;
    this.cleanUps = new CleanUps({
      driver: {
        get machine() {
          return { cleanups: rig.mids, migrations: rig.migrations, auto: rig.auto };
        },
        mayRead: () => this.mayRead,
        propose: (bytes, respond) => {
          this.asked.push(respond);
          const update = decodeUpdate(bytes);
          if (update.kind === 'admin' && update.command.kind === 'forget')
            this.forgotten.push(update.command.mid);
        },
      },
      defer: (run) => this.deferred.push(run),
      recordsKept: 2,
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

test('of too many records the oldest finished ones go, one by one, until there are few enough', () => {
  const rig = new Rig();
  const record = (mid: number, more: Partial<Migration>): void => {
    rig.migrations.set(mid, { mid, phase: 'done', ...more } as Migration);
  };
  record(1, { phase: 'active' });
  record(2, { phase: 'aborted', isUntold: true });
  record(3, {});
  rig.cleanUps.look();
  assert.equal(rig.forgotten, [3]);
  rig.cleanUps.look();
  assert.equal(rig.forgotten, [3], 'it is under way');
  rig.migrations.delete(3);
  rig.asked[0]?.(OK);
  rig.deferred.shift()?.();
  assert.equal(rig.forgotten, [3], 'two may stay');
  record(4, { phase: 'published' });
  record(5, { rescue: {} as NonNullable<Migration['rescue']> });
  rig.cleanUps.look();
  assert.equal(rig.forgotten, [3], 'none of these may go');
  record(6, { phase: 'aborted' });
  rig.cleanUps.look();
  assert.equal(rig.forgotten, [3, 6]);
});

test('a move that another one takes back stays for as long as that one', () => {
  const rig = new Rig();
  const record = (mid: number, undoes: number | null): void => {
    const asked = { rate: null, who: '', reason: 'person', undoes } as const;
    rig.migrations.set(mid, { mid, phase: 'done', asked } as Migration);
  };
  record(1, null);
  record(2, 1);
  record(3, null);
  rig.cleanUps.look();
  assert.equal(rig.forgotten, [2]);
  rig.migrations.delete(2);
  record(4, null);
  rig.cleanUps.look();
  assert.equal(rig.forgotten, [2, 1]);
});

test('what rebalancing by itself still counts is not dropped', () => {
  const rig = new Rig();
  rig.auto = { ...NO_AUTO, isOn: true, coolDownSeconds: 60 };
  const ended = (mid: number, startedAtMs: number): void => {
    rig.migrations.set(mid, {
      ...{ mid, phase: 'done', receipt: null },
      progress: { ...NO_PROGRESS, startedAtMs },
    } as unknown as Migration);
  };
  for (const mid of [1, 2, 3]) ended(mid, 1e12);
  rig.cleanUps.look();
  assert.equal(rig.forgotten, []);
  ended(4, 1e12 + 60_000);
  rig.cleanUps.look();
  assert.equal(rig.forgotten, [1]);
});

test('who is no master drops no record', () => {
  const rig = new Rig();
  for (const mid of [1, 2, 3]) rig.migrations.set(mid, { mid, phase: 'done' } as Migration);
  rig.mayRead = false;
  rig.cleanUps.look();
  assert.is(rig.asked.length, 0);
});

test.run();

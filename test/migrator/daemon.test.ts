/** What a daemon asks the keeper, and when. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Request } from '../../migrator/core/calls.ts';
import { Daemon, type DaemonEvent } from '../../migrator/daemon.ts';
import type { MovesNews, MovesWatch, World } from '../../migrator/world.ts';
import type { AdminAnswer } from '../../src/protocol/admin/admin.ts';

/** A keeper without moves, and a clock that stands still between timers. */
class Rig implements World, MovesWatch {
  readonly asked: Request[] = [];
  readonly events: DaemonEvent[] = [];
  readonly daemon: Daemon;
  tell: (news: MovesNews) => void = () => assert.unreachable('nobody watches');
  isUnwatched = false;
  #answer: ((answer: AdminAnswer | Error) => void) | null = null;
  #timer: (() => void) | null = null;

  constructor() {
    const how = { onEvent: (event: DaemonEvent) => void this.events.push(event) };
    this.daemon = new Daemon(this, how, assert.unreachable);
    this.daemon.start();
  }

  nowMs = (): number => 0;
  wallMs = (): number => 0;
  defer = (run: () => void): void => run();
  after = (_delayMs: number, run: () => void): (() => void) => {
    this.#timer = run;
    return () => {
      this.#timer = null;
    };
  };

  watchMoves(listener: (news: MovesNews) => void): () => void {
    this.tell = listener;
    return () => {
      this.isUnwatched = true;
    };
  }

  ask(_cluster: string, request: Request, _deadlineMs: number, done: (answer: AdminAnswer | Error) => void) {
    this.asked.push(request);
    this.#answer = done;
  }

  /** The keeper answers, and then the next timer fires, if there is one. */
  goOn(): void {
    this.#answer?.({ kind: 'migrations', migrations: [] });
    this.#answer = null;
    const timer = this.#timer;
    this.#timer = null;
    timer?.();
  }
}

test('it asks nothing while there are no moves, and looks while there are', () => {
  const rig = new Rig();
  rig.goOn();
  rig.tell({ kind: 'moves', areAny: false });
  rig.goOn();
  assert.is(rig.asked.length, 0);
  rig.tell({ kind: 'moves', areAny: true });
  assert.is(rig.asked.length, 1, 'at once');
  rig.tell({ kind: 'moves', areAny: true });
  assert.is(rig.asked.length, 1, 'one look at a time');
  rig.goOn();
  rig.goOn();
  assert.is(rig.asked.length, 3);
  rig.tell({ kind: 'moves', areAny: false });
  rig.goOn();
  rig.goOn();
  assert.is(rig.asked.length, 3, 'the last look is behind it');
  rig.tell({ kind: 'moves', areAny: true });
  assert.is(rig.asked.length, 4);
});

test('that moves come again while the last look is under way is not missed', () => {
  const rig = new Rig();
  rig.tell({ kind: 'moves', areAny: true });
  rig.tell({ kind: 'moves', areAny: false });
  rig.tell({ kind: 'moves', areAny: true });
  rig.goOn();
  assert.is(rig.asked.length, 2);
});

test('says why the keeper cannot be watched, and looks at nothing once it has stopped', () => {
  const rig = new Rig();
  rig.tell({ kind: 'silent', why: 'K_0: connection refused' });
  assert.is(rig.events[0]?.kind === 'keeperSilent' && rig.events[0].error.message, 'K_0: connection refused');
  rig.daemon.stop();
  assert.ok(rig.isUnwatched);
  rig.tell({ kind: 'moves', areAny: true });
  assert.is(rig.asked.length, 0);
});

test.run();

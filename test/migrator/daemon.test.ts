/** What a daemon asks the keeper, and when. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Request } from '../../migrator/core/calls.ts';
import { Daemon, type DaemonEvent, type DaemonWorld } from '../../migrator/daemon.ts';
import type { MovesNews, MovesWatch, World } from '../../migrator/world.ts';
import type { AdminAnswer, Migration } from '../../src/protocol/admin/admin.ts';
import { MID, Rig as Moving } from './core/rig.ts';

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
  chance = (): number => 0;
  defer = (run: () => void): void => run();
  findRoom = (_migration: Migration, done: (why: string | null) => void): void => done(null);
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

/** A daemon beside others, with a real keeper, source and target; the clock goes from one timer to the next. */
class Watcher implements DaemonWorld {
  readonly events: DaemonEvent['kind'][] = [];
  readonly daemon: Daemon;
  readonly #nursery: RealNursery;
  readonly #chance: number;

  constructor(nursery: RealNursery, chance: number) {
    this.#nursery = nursery;
    this.#chance = chance;
    const how = { onEvent: ({ kind }: DaemonEvent) => void (kind === 'progress' || this.events.push(kind)) };
    this.daemon = new Daemon(this, how, assert.unreachable);
    this.daemon.start();
  }

  nowMs = (): number => this.#nursery.nowMs;
  wallMs = (): number => 0;
  chance = (): number => this.#chance;
  defer = (run: () => void): void => void this.after(0, run);
  findRoom = (_migration: Migration, done: (why: string | null) => void): void =>
    void this.after(1, () => done(null));
  after = (delayMs: number, run: () => void): (() => void) => this.#nursery.after(delayMs, run);

  watchMoves(listener: (news: MovesNews) => void): () => void {
    listener({ kind: 'moves', areAny: true });
    return () => undefined;
  }

  ask(cluster: string, request: Request, _deadlineMs: number, done: (answer: AdminAnswer | Error) => void) {
    this.after(1, () => {
      const answer = this.#nursery.answer(cluster, request);
      this.after(1, () => done(answer));
    });
  }
}

class RealNursery {
  nowMs = 0;
  readonly rig = new Moving();
  #timers: { readonly atMs: number; readonly run: () => void }[] = [];

  get record(): Migration {
    return this.rig.keeper.machine.migrations.get(MID) as Migration;
  }

  after(delayMs: number, run: () => void): () => void {
    const timer = { atMs: this.nowMs + Math.max(delayMs, 0), run };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer);
    };
  }

  answer(cluster: string, request: Request): AdminAnswer {
    const to = cluster === '' ? 'keeper' : cluster === 'A' ? 'source' : 'target';
    const answer = this.rig.answerOf({ kind: 'send', call: 0, to, cluster, request });
    for (const mid of this.rig[to].machine.cleanups)
      this.rig[to].command({ kind: 'cleanupStep', mid, rowsMax: 1000 });
    return answer;
  }

  /** Lets time pass up to `untilMs`, or until `stop` says so. */
  run(untilMs: number, stop: () => boolean = () => false): void {
    while (!stop()) {
      this.#timers.sort((a, b) => a.atMs - b.atMs);
      const next = this.#timers[0];
      if (next === undefined || next.atMs > untilMs) break;
      this.#timers.shift();
      this.nowMs = next.atMs;
      next.run();
    }
  }
}

test('of several watchers one claims what stands still for a second; the others stop without a failure, and watch on', () => {
  const nursery = new RealNursery();
  const watchers = [0.5, 0.5, 0].map((chance) => new Watcher(nursery, chance));
  nursery.run(999);
  assert.is(nursery.record.token, 0);
  nursery.run(1010);
  assert.is(nursery.record.token, 1, 'not a look later: the first by chance');
  nursery.run(3000);
  assert.is(nursery.record.phase, 'done');
  assert.equal(
    watchers.map(({ events }) => events),
    [[], [], ['takesOver', 'ended']],
  );
});

test('two that claim at one moment: the token decides, and the loser goes on once the winner is dead', () => {
  for (const isKilled of [false, true]) {
    const nursery = new RealNursery();
    const [first, second] = [new Watcher(nursery, 0), new Watcher(nursery, 0)];
    nursery.run(3000, () => first.events.length > 0);
    if (isKilled) first.daemon.stop();
    const diedMs = nursery.nowMs;
    nursery.run(diedMs + 2000, () => nursery.record.phase === 'done');
    assert.is(nursery.record.phase, 'done', 'within two seconds of the death');
    nursery.run(diedMs + 5000);
    assert.equal(first.events, isKilled ? ['takesOver'] : ['takesOver', 'ended']);
    assert.equal(second.events, isKilled ? ['takesOver', 'ended'] : ['fenced']);
  }
});

test('one that goes down in order gives up what it works on: another goes on at its next look', () => {
  const nursery = new RealNursery();
  const first = new Watcher(nursery, 0);
  nursery.run(3000, () => nursery.record.progress.stage === 'preparing');
  const second = new Watcher(nursery, 0);
  let isLeft = false;
  first.daemon.leave(() => {
    isLeft = true;
  });
  first.daemon.work(MID, null);
  const leftMs = nursery.nowMs;
  nursery.run(leftMs + 400, () => nursery.record.phase === 'done');
  assert.ok(isLeft);
  assert.is(nursery.record.phase, 'done');
  assert.equal(second.events[0], 'takesOver');
});

test('one that goes down while the keeper is silent goes down all the same', () => {
  const nursery = new RealNursery();
  const watcher = new Watcher(nursery, 0);
  nursery.run(3000, () => nursery.record.progress.stage === 'preparing');
  nursery.answer = () => ({ kind: 'busy', why: 'silent' });
  let isLeft = false;
  watcher.daemon.leave(() => {
    isLeft = true;
  });
  nursery.run(nursery.nowMs + 1001);
  assert.ok(isLeft);
});

test.run();

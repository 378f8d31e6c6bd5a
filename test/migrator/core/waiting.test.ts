/** A migration that waits: what it costs the clusters, who takes it for dead, and how soon it goes on. On a virtual clock. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { beatsSlower, claimAfterMs } from '../../../migrator/core/beat.ts';
import type { Effect, Event } from '../../../migrator/core/calls.ts';
import { checkState } from '../../../migrator/core/invariants.ts';
import { SETTINGS } from '../../../migrator/core/settings.ts';
import type { Seen } from '../../../migrator/core/state.ts';
import { type Coordination, createCoordination, step } from '../../../migrator/core/step.ts';
import { type AdminAnswer, decodeAnswer, type Migration } from '../../../src/protocol/admin/admin.ts';
import { type LocalCluster, LocalNursery } from '../local-nursery.ts';

type WithoutTime = Event extends infer E ? (E extends Event ? Omit<E, 'nowMs'> : never) : never;

/** A nursery and one coordinator. Each answer takes a millisecond; a cluster that is down does not answer in half a second. */
class Rig {
  readonly nursery = new LocalNursery();
  readonly mid: number;
  nowMs = 0;
  outcome: string | null = null;
  readonly down = new Set<LocalCluster>();
  readonly #coordinator: Coordination;
  #agenda: { atMs: number; event: WithoutTime }[] = [];
  #wakeAtMs = Number.POSITIVE_INFINITY;

  constructor(begin: (nursery: LocalNursery) => number, seen: Seen | null = null) {
    for (let key = 0; key < 20; key += 1) this.nursery.a.set(`k${key}`);
    this.mid = begin(this.nursery);
    this.#coordinator = createCoordination({
      mid: this.mid,
      startedAtMs: 0,
      claimAtOnce: seen === null,
      seen,
    });
    this.#step({ kind: 'start' });
  }

  get record(): Migration {
    return this.nursery.keeper.sim.state.migrations.get(this.mid) as Migration;
  }

  /** Slots that the keeper, source and target were given. */
  get slots(): number[] {
    const { keeper, a, b } = this.nursery;
    return [keeper, a, b].map(({ sim }) => sim.store.image.slot);
  }

  /** Lets time pass; returns how many slots of each that cost. */
  pass(ms: number): number[] {
    const before = this.slots;
    const untilMs = this.nowMs + ms;
    for (;;) {
      this.#agenda.sort((one, other) => one.atMs - other.atMs);
      const next = this.#agenda[0];
      const atMs = Math.min(next?.atMs ?? Number.POSITIVE_INFINITY, this.#wakeAtMs);
      if (atMs > untilMs) break;
      this.nowMs = Math.max(this.nowMs, atMs);
      if (next !== undefined && next.atMs <= this.#wakeAtMs) {
        this.#agenda.shift();
        this.#step(next.event);
      } else {
        this.#wakeAtMs = Number.POSITIVE_INFINITY;
        this.#step({ kind: 'tick' });
      }
    }
    this.nowMs = untilMs;
    return this.slots.map((slot, index) => slot - (before[index] as number));
  }

  #step(event: WithoutTime): void {
    const effects = step(this.#coordinator, { ...event, nowMs: this.nowMs } as Event);
    checkState(this.#coordinator);
    for (const effect of effects) this.#do(effect);
  }

  #do(effect: Effect): void {
    if (effect.kind === 'wake') this.#wakeAtMs = effect.atMs;
    else if (effect.kind === 'finished') this.outcome = effect.result.outcome;
    else if (effect.kind === 'failed') this.outcome = effect.code;
    else if (effect.kind === 'findRoom')
      this.#agenda.push({ atMs: this.nowMs + 1, event: { kind: 'room', why: null } });
    else if (effect.kind === 'send') {
      const { call, cluster: id } = effect;
      const cluster = id === '' ? this.nursery.keeper : this.nursery.cluster(id);
      if (this.down.has(cluster)) {
        this.#agenda.push({
          atMs: this.nowMs + 500,
          event: { kind: 'unanswered', call, why: 'no connection' },
        });
      } else {
        const answer = answerOf(cluster, effect);
        this.#agenda.push({ atMs: this.nowMs + 1, event: { kind: 'answer', call, answer } });
      }
    }
  }
}

function answerOf(cluster: LocalCluster, { request }: Extract<Effect, { kind: 'send' }>): AdminAnswer {
  if (request.kind === 'command') {
    const answer = cluster.sim.command(request.command);
    for (const mid of cluster.sim.machine.cleanups) {
      cluster.sim.command({ kind: 'cleanupStep', mid, rowsMax: 1000 });
    }
    return answer;
  }
  if (request.query.kind === 'slowDown') return { kind: 'ok' };
  return decodeAnswer(cluster.sim.query(request.query, 'master').bytes as Buffer);
}

/** What each of the ways to wait leaves, and how it is ended. */
const WAITS: readonly {
  readonly what: string;
  readonly begin: (nursery: LocalNursery) => number;
  readonly waitsFor: RegExp;
  readonly end: (rig: Rig) => void;
  readonly afterwards: string;
}[] = [
  {
    what: 'for a source that exports to somebody else',
    begin: (nursery) => {
      const header = { token: 1, floor: 1, lo: 'k1', hi: 'k2' };
      nursery.a.sim.command({ kind: 'beginExport', mid: 99, peer: 'c', ...header });
      return nursery.plan('a', 'b', 'k', null);
    },
    waitsFor: /source a, which is busy: migration 99 moves/,
    end: ({ nursery }) => {
      const header = { token: 1, floor: 1, lo: 'k1', hi: 'k2' };
      nursery.a.sim.command({ kind: 'unseal', mid: 99, peer: 'c', ...header });
    },
    afterwards: 'done',
  },
  {
    what: 'for a target that still has rows there',
    begin: (nursery) => {
      const header = { token: 1, floor: 1, lo: 'k1', hi: 'k2' };
      nursery.b.sim.command({ kind: 'beginImport', mid: 98, peer: 'c', ...header });
      return nursery.plan('a', 'b', 'k', null);
    },
    waitsFor: /target b, which is busy: migration 98 imports/,
    end: ({ nursery }) => {
      const header = { token: 1, floor: 1, lo: 'k1', hi: 'k2' };
      nursery.b.sim.command({ kind: 'abandon', mid: 98, peer: 'c', ...header });
      nursery.b.sim.command({ kind: 'cleanupStep', mid: 98, rowsMax: 1000 });
    },
    afterwards: 'done',
  },
  {
    what: 'for an operator who paused it',
    begin: (nursery) => {
      const mid = nursery.plan('a', 'b', 'k', null);
      nursery.keeper.sim.command({ kind: 'wish', mid, wish: 'pause', why: '' });
      return mid;
    },
    waitsFor: /an operator, who paused it/,
    end: ({ nursery, mid }) => {
      nursery.keeper.sim.command({ kind: 'wish', mid, wish: 'run', why: '' });
    },
    afterwards: 'done',
  },
  {
    what: 'paused, and then aborted',
    begin: (nursery) => {
      const mid = nursery.plan('a', 'b', 'k', null);
      nursery.keeper.sim.command({ kind: 'wish', mid, wish: 'pause', why: '' });
      return mid;
    },
    waitsFor: /an operator, who paused it/,
    end: ({ nursery, mid }) => {
      nursery.keeper.sim.command({ kind: 'wish', mid, wish: 'abort', why: 'changed my mind' });
    },
    afterwards: 'aborted',
  },
];

for (const { what, begin, waitsFor, end, afterwards } of WAITS) {
  test(`waiting ${what}: hardly a slot, and no delay when it is over`, () => {
    const rig = new Rig(begin);
    rig.pass(5000);
    assert.match(rig.record.progress.waitingFor, waitsFor);
    assert.ok(beatsSlower(rig.record.progress), 'its record says that it beats slower');
    const minute = rig.pass(60_000);
    const [keeper, source, target] = minute as [number, number, number];
    assert.ok(keeper >= 15 && keeper <= 21, `${keeper} slots of the keeper in a minute`);
    assert.equal([source, target], [0, 0], 'it asks, and commands nothing');
    end(rig);
    rig.pass(3000);
    assert.is(rig.outcome, afterwards);
  });
}

test('waiting for a target that does not answer: the keeper has a beat every three seconds', () => {
  const rig = new Rig((nursery) => nursery.plan('a', 'b', 'k', null));
  rig.down.add(rig.nursery.b);
  rig.pass(5000);
  assert.match(rig.record.progress.waitingFor, /target b, which has not answered/);
  const [keeper] = rig.pass(60_000) as [number];
  assert.ok(keeper >= 15 && keeper <= 21, `${keeper} slots of the keeper in a minute`);
  rig.down.clear();
  rig.pass(5000);
  assert.is(rig.outcome, 'done');
});

test('from the check before the seal on it beats as fast as ever, however long it waits', () => {
  const rig = new Rig((nursery) => nursery.plan('a', 'b', 'k', null));
  const { a, b } = rig.nursery;
  while (![...a.sim.state.owned].some(({ sealedBy }) => sealedBy !== null)) rig.pass(1);
  rig.down.add(b);
  rig.pass(3000);
  assert.is(rig.record.progress.stage, 'sealed');
  assert.match(rig.record.progress.waitingFor, /target b/);
  const [keeper] = rig.pass(30_000) as [number];
  assert.ok(keeper >= 90, `${keeper} slots of the keeper in half a minute`);
  assert.is(claimAfterMs(SETTINGS, rig.record.progress), SETTINGS.claimAfterMs);
});

test('one that beats slower is not taken for dead, and is after ten seconds without a beat', () => {
  const rig = new Rig((nursery) => {
    const mid = nursery.plan('a', 'b', 'k', null);
    nursery.keeper.sim.command({ kind: 'wish', mid, wish: 'pause', why: '' });
    return mid;
  });
  rig.pass(5000);
  let standsMs = 0;
  let longestMs = 0;
  for (let beat = -1, ms = 0; ms < 60_000; ms += 10) {
    rig.pass(10);
    standsMs = rig.record.heartbeat === beat ? standsMs + 10 : 0;
    beat = rig.record.heartbeat;
    longestMs = Math.max(longestMs, standsMs);
  }
  const { token, heartbeat, progress } = rig.record;
  assert.ok(longestMs * 3 < claimAfterMs(SETTINGS, progress), `the heartbeat stood for ${longestMs} ms`);
  const looker = (atMs: number): string | null => {
    const other = createCoordination({
      mid: rig.mid,
      startedAtMs: 0,
      claimAtOnce: false,
      seen: { token, heartbeat, atMs },
    });
    const [asked] = step(other, { kind: 'start', nowMs: 0 });
    assert.is(asked?.kind, 'send');
    const answer: AdminAnswer = { kind: 'migrations', migrations: [rig.record] };
    const call = asked?.kind === 'send' ? asked.call : 0;
    const sent = step(other, { kind: 'answer', call, answer, nowMs: 1 }).find(({ kind }) => kind === 'send');
    return sent?.kind === 'send' && sent.request.kind === 'command' ? sent.request.command.kind : null;
  };
  assert.is(looker(-9000), null);
  assert.is(looker(-10_000), 'claim');
});

test.run();

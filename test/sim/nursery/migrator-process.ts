/** A migrator daemon: takes over what stands still, as migrator/daemon.ts does, with the real coordinators. */

import { claimAfterMs } from '../../../migrator/core/beat.ts';
import type { Effect } from '../../../migrator/core/calls.ts';
import { checkState } from '../../../migrator/core/invariants.ts';
import { SETTINGS, type Settings } from '../../../migrator/core/settings.ts';
import type { Seen } from '../../../migrator/core/state.ts';
import {
  type Coordination,
  createCoordination,
  hasEnded,
  stageOf,
  step,
} from '../../../migrator/core/step.ts';
import type { AdminAnswer, Migration } from '../../../src/protocol/admin/admin.ts';
import { Asker } from './asker.ts';
import { Host } from './host.ts';
import type { Nursery } from './nursery.ts';
import { Violation } from './violation.ts';

/** Small pages and limits, so that few rows make many steps. */
const SETTINGS_HERE: Partial<Settings> = {
  heartbeatMs: 400,
  waitingBeats: 3,
  pageBytes: 40,
  dirtyRowsMax: 3,
  sealRowsMax: 2,
  sealBytesMax: 120,
  pollMs: 60,
  stuckRounds: 2,
  giveUpMs: 20_000,
};
/** Between two looks at the keeper (ms). */
const LOOK_MS = 400;

export class MigratorProcess extends Host {
  readonly #nursery: Nursery;
  readonly #asker: Asker;
  readonly runs = new Map<number, Run>();
  readonly #watched = new Map<number, Seen>();

  constructor(nursery: Nursery, name: string) {
    super(nursery.schedule, name, nursery.random.next() * 1e6);
    this.#nursery = nursery;
    this.#asker = new Asker(nursery, this);
    this.#look();
  }

  /** Works on a migration that this process planned, or that an operator sent it to. */
  start(mid: number, options: { readonly seen: Seen | null }): void {
    if (this.isDead || this.runs.has(mid)) return;
    const coordinator = createCoordination({
      mid,
      settings: SETTINGS_HERE,
      startedAtMs: Math.floor(this.#nursery.wallClockMs + this.schedule.nowMs),
      claimAtOnce: options.seen === null,
      seen: options.seen,
    });
    const run = new Run(this, this.#nursery, this.#asker, coordinator, () => this.runs.delete(mid));
    this.runs.set(mid, run);
    run.step({ kind: 'start' });
  }

  #look(): void {
    this.local(LOOK_MS * (0.8 + 0.4 * this.#nursery.random.next()), () => {
      this.#asker.ask('K', { kind: 'query', query: { kind: 'listMigrations' }, node: 'master' }, (answer) => {
        if (typeof answer !== 'string' && answer.kind === 'migrations') this.#found(answer.migrations);
        this.#look();
      });
    });
  }

  #found(migrations: readonly Migration[]): void {
    for (const { mid, phase, token, heartbeat, progress } of migrations) {
      if (phase === 'done' || phase === 'aborted' || this.runs.has(mid)) {
        this.#watched.delete(mid);
        continue;
      }
      const before = this.#watched.get(mid);
      if (before === undefined || before.token !== token || before.heartbeat !== heartbeat) {
        this.#watched.set(mid, { token, heartbeat, atMs: this.nowMs() });
        continue;
      }
      const settings = { ...SETTINGS, ...SETTINGS_HERE };
      if (this.nowMs() - before.atMs < claimAfterMs(settings, progress)) continue;
      this.#watched.delete(mid);
      this.start(mid, { seen: before });
    }
  }
}

type WithoutTime =
  | { readonly kind: 'start' | 'tick' }
  | { readonly kind: 'answer'; readonly call: number; readonly answer: AdminAnswer }
  | { readonly kind: 'unanswered'; readonly call: number; readonly why: string };

/** One coordinator in a migrator. */
export class Run {
  readonly coordinator: Coordination;
  readonly #host: MigratorProcess;
  readonly #nursery: Nursery;
  readonly #asker: Asker;
  readonly #ended: () => void;
  #wakeAtMs = 0;
  #stage = '';

  constructor(
    host: MigratorProcess,
    nursery: Nursery,
    asker: Asker,
    coordinator: Coordination,
    ended: () => void,
  ) {
    this.#host = host;
    this.#nursery = nursery;
    this.#asker = asker;
    this.coordinator = coordinator;
    this.#ended = ended;
  }

  step(event: WithoutTime): void {
    if (hasEnded(this.coordinator)) return;
    const effects = step(this.coordinator, { ...event, nowMs: this.#host.nowMs() });
    checkState(this.coordinator);
    for (const effect of effects) this.#carryOut(effect);
    const stage = stageOf(this.coordinator);
    if (stage === this.#stage) return;
    this.#stage = stage;
    this.#nursery.nemesis.onStage(this.#host, stage);
  }

  #carryOut(effect: Effect): void {
    const { rare } = this.#nursery;
    switch (effect.kind) {
      case 'send': {
        const { call, cluster, request } = effect;
        this.#nursery.trace?.(
          this.#host.name,
          () => `asks ${cluster || 'K'}: ${JSON.stringify(request, plain)}`,
        );
        this.#asker.ask(cluster === '' ? 'K' : cluster, request, (answer) => {
          if (typeof answer === 'string') this.step({ kind: 'unanswered', call, why: answer });
          else {
            if (COUNTED.has(answer.kind)) rare.note(`answer: ${answer.kind}`);
            this.step({ kind: 'answer', call, answer });
          }
        });
        return;
      }
      case 'wake':
        this.#wakeAtMs = effect.atMs;
        this.#host.wake(effect.atMs, () => {
          if (this.#wakeAtMs === effect.atMs) this.step({ kind: 'tick' });
        });
        return;
      case 'finished': {
        const { outcome, why } = effect.result;
        rare.note(`coordinator: ${outcome}`);
        if (why.startsWith('too late')) rare.note('abort too late');
        if (why.startsWith('ALARM')) throw new Violation('alarm', why);
        this.#ended();
        return;
      }
      case 'failed':
        rare.note(`coordinator: ${effect.code}`);
        if (effect.code === 'DAMAGED') throw new Violation('alarm', effect.message);
        this.#ended();
        return;
      default: // progress: nobody looks
    }
  }
}

const COUNTED: ReadonlySet<string> = new Set([
  'fenced',
  'behind',
  'gap',
  'stale',
  'busy',
  'closed',
  'mismatch',
  'none',
]);

function plain(_name: string, value: unknown): unknown {
  if (typeof value === 'bigint') return String(value);
  return value instanceof Uint8Array ? Buffer.from(value).toString('latin1') : value;
}

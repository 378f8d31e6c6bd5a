/** A migrator: the real daemon with its real runs, in a World of simulated links. */

import { checkState } from '../../../migrator/core/invariants.ts';
import type { Settings } from '../../../migrator/core/settings.ts';
import type { Seen } from '../../../migrator/core/state.ts';
import { stageOf } from '../../../migrator/core/step.ts';
import { Daemon, type DaemonEvent } from '../../../migrator/daemon.ts';
import type { Run } from '../../../migrator/driver.ts';
import type { MovesNews, World, WorldRequest } from '../../../migrator/world.ts';
import { unreachable } from '../../../src/base/assert.ts';
import { NurseryError } from '../../../src/base/errors.ts';
import type { AdminAnswer } from '../../../src/protocol/admin/admin.ts';
import { Violation } from '../base/violation.ts';
import { Asker } from './asker.ts';
import { Host } from './host.ts';
import { KeeperWatch } from './keeper-watch.ts';
import type { Nursery } from './nursery.ts';
import { KEEPER } from './watch.ts';

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

/** Moves come and go within seconds. */
const AUTO_TIMES_HERE = { lookMs: 1000, soonMs: 300 };

export class MigratorProcess extends Host {
  readonly #nursery: Nursery;
  readonly #asker: Asker;
  readonly #daemon: Daemon;
  /** By migration: the stage that its coordinator was in when it was last looked at. */
  readonly #stages = new Map<number, string>();

  constructor(nursery: Nursery, name: string) {
    super(nursery.schedule, name, nursery.random.next() * 1e6);
    this.#nursery = nursery;
    this.#asker = new Asker(nursery, this);
    this.#daemon = new Daemon(
      {
        ...this.#world(),
        watchMoves: (listener) => this.#watchMoves(listener),
        chance: () => nursery.random.next(),
      },
      { settings: SETTINGS_HERE, auto: AUTO_TIMES_HERE, onEvent: (event) => this.#onEvent(event) },
      (error) => {
        throw error;
      },
    );
    this.#daemon.start();
  }

  /** Migrations that it works on. */
  get runs(): ReadonlyMap<number, Run> {
    return this.#daemon.runs;
  }

  /** Goes down in order; `left` is called once it is down. */
  leave(left: () => void): void {
    this.#daemon.leave(() => {
      if (this.isDead) return;
      this.die();
      left();
    });
  }

  /** Works on a migration that this process planned, or that an operator sent it to. */
  start(mid: number, seen: Seen | null): void {
    if (!this.isDead) this.#daemon.work(mid, seen);
  }

  /** Whatever happens to a coordinator comes by timers and answers. */
  #world(): World {
    return {
      ...this.timers,
      wallMs: () => Math.floor(this.#nursery.wallClockMs + this.schedule.nowMs),
      after: (delayMs, run) =>
        this.timers.after(delayMs, () => {
          run();
          this.#look();
        }),
      findRoom: (_migration, done) => {
        this.timers.after(this.#nursery.random.next() * 50, () => {
          done(null);
          this.#look();
        });
      },
      ask: (cluster, request, _deadlineMs, done) => {
        this.#tell(cluster, request);
        if (request.kind === 'command') this.#nursery.watch.auto.asked(request.command);
        this.#asker.ask(cluster === '' ? KEEPER : cluster, request, (answer) => {
          this.#noteAnswer(request, answer);
          done(typeof answer === 'string' ? new NurseryError('UNREACHABLE', answer) : answer);
          this.#look();
        });
      },
    };
  }

  /** As in life: whoever is lost, or has missed a push, is told again. */
  #watchMoves(listener: (news: MovesNews) => void): () => void {
    new KeeperWatch(this.#nursery, this, {
      version: () => -1,
      moves: (areAny) => {
        if (this.isDead) return;
        listener({ kind: 'moves', areAny });
        this.#look();
      },
      auto: (wish) => {
        if (!this.isDead) listener({ kind: 'auto', wish });
      },
    });
    return () => undefined;
  }

  #tell(cluster: string, request: WorldRequest): void {
    if (isLook(request)) return;
    this.#nursery.trace?.(this.name, () => `asks ${cluster || 'K'}: ${JSON.stringify(request, plain)}`);
  }

  #noteAnswer(request: WorldRequest, answer: AdminAnswer | string): void {
    if (typeof answer === 'string' || isLook(request) || !COUNTED.has(answer.kind)) return;
    this.#nursery.rare.note(`answer: ${answer.kind}`);
  }

  /** Compares its coordinators with themselves, and tells of stages. */
  #look(): void {
    for (const { mid, coordination } of this.runs.values()) {
      checkState(coordination);
      const stage = stageOf(coordination);
      if (this.#stages.get(mid) === stage) continue;
      this.#stages.set(mid, stage);
      this.#nursery.nemesis.onStage(this, stage);
    }
  }

  #onEvent(event: DaemonEvent): void {
    const { rare } = this.#nursery;
    switch (event.kind) {
      case 'ended': {
        const { mid, outcome, why } = event.result;
        this.#stages.delete(mid);
        rare.note(`coordinator: ${outcome}`);
        if (why.startsWith('too late')) rare.note('abort too late');
        if (why.startsWith('ALARM')) throw new Violation('alarm', why);
        return;
      }
      case 'failed': {
        const { mid, error } = event;
        this.#stages.delete(mid);
        rare.note(`coordinator: ${error.code}`);
        if (error.code === 'DAMAGED') throw new Violation('alarm', error.message);
        return;
      }
      case 'fenced':
        this.#stages.delete(event.mid);
        rare.note('coordinator: FENCED');
        return;
      case 'told':
        rare.note('target told of an abort');
        return;
      case 'auto':
        rare.note(`auto: ${event.looked.verdict.kind}`);
        return;
      case 'takesOver':
      case 'progress':
      case 'keeperSilent':
        return; // nobody looks
      default:
        unreachable(event);
    }
  }
}

/** The daemon's own question, asked all the time. */
function isLook(request: WorldRequest): boolean {
  return request.kind === 'query' && request.query.kind === 'openMigrations';
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

/** The people who run the nursery: they found it, plan moves, and change their minds. */

import type { Range } from '../../../src/keyspace/range.ts';
import { soleEntry } from '../../../src/keyspace/rangemap.ts';
import type { AdminCommand, Migration } from '../../../src/protocol/admin/admin.ts';
import { NO_AUTO } from '../../../src/protocol/admin/auto.ts';
import { Asker } from './asker.ts';
import { EXCHANGE_SOURCE, EXCHANGES, FIRST_FUNCTIONS } from './functions.ts';
import { Host } from './host.ts';
import { SEPARATORS } from './keys.ts';
import type { Nursery } from './nursery.ts';
import { KEEPER } from './watch.ts';

const AGAIN_MS = 200;
const FIRST = 'A';

export class Operator {
  readonly #nursery: Nursery;
  #host: Host | null = null;
  #asker: Asker | null = null;
  #isOver = false;
  #lastMove: { readonly lo: string; readonly hi: string | null } | null = null;
  /** Migrations that the keeper took on. */
  planned = 0;
  /** How many of EXCHANGES were put, or are about to be. */
  functionsPut = 0;
  /** What is wished of rebalancing by itself must be off at the end: else there would be none. */
  get #isAuto(): boolean {
    return this.#nursery.watch.keeper?.auto.isOn === true;
  }
  /** How many of them may still be removed. */
  #removals = 3;

  constructor(nursery: Nursery) {
    this.#nursery = nursery;
  }

  /** Gives everything to the first cluster, once all have made themselves known to the keeper. */
  initialise(asker: Asker, done: () => void): void {
    const assume = (epoch: number): void => {
      const { keeper } = this.#nursery.watch;
      const founding = keeper?.identities.get(FIRST)?.founding ?? '';
      const command = { kind: 'assume', epoch } as const;
      const under = {
        kind: 'under',
        keeper: keeper?.bound?.mine ?? '',
        founding,
        peer: '',
        command,
      } as const;
      this.#insist(asker, FIRST, under, () => done());
    };
    const map = (): void => {
      asker.ask(KEEPER, { kind: 'command', command: { kind: 'initMap', cluster: FIRST } }, (answer) => {
        if (typeof answer !== 'string' && answer.kind === 'planned') assume(answer.mid);
        else {
          // An earlier attempt may have been carried out after all.
          const entry = this.#nursery.watch.keeper?.map.entries[0];
          if (entry !== undefined) assume(entry.epoch);
          else this.#nursery.schedule.after(AGAIN_MS, map);
        }
      });
    };
    const known = (): void => {
      const { plan, watch, schedule } = this.#nursery;
      const isKnown = (id: string): boolean => (watch.keeper?.identities.get(id)?.founding ?? '') !== '';
      const isBound = (id: string): boolean => watch.cluster(id).state?.bound != null;
      if ([...plan.sizes.keys()].every((id) => isKnown(id) && isBound(id))) map();
      else schedule.after(AGAIN_MS, known);
    };
    known();
  }

  /** Asks until it is done, or proves to be. */
  #insist(asker: Asker, cluster: string, command: AdminCommand, done: () => void): void {
    asker.ask(cluster, { kind: 'command', command }, (answer) => {
      const isOwner = (this.#nursery.watch.cluster(FIRST).state?.owned.length ?? 0) > 0;
      const isDone = typeof answer !== 'string' && answer.kind !== 'refused' && answer.kind !== 'busy';
      if (isDone || isOwner) done();
      else this.#nursery.schedule.after(AGAIN_MS, () => this.#insist(asker, cluster, command, done));
    });
  }

  begin(): void {
    this.#host = new Host(this.#nursery.schedule, 'op', 0);
    this.#asker = new Asker(this.#nursery, this.#host);
    this.#later(300);
    for (const [name, source] of FIRST_FUNCTIONS) this.#putFunction(name, source);
    this.functionsPut = 1;
  }

  /** Asks until it is there. */
  #putFunction(name: string, source: Uint8Array): void {
    this.#ask({ kind: 'putFunction', name, source }, (answer) => {
      if (answer === 'changed') this.#nursery.rare.note('function put');
      else this.#nursery.schedule.after(AGAIN_MS, () => this.#putFunction(name, source));
    });
  }

  /** One that clients go on calling; not the newest, whose put may still be under way. */
  #removeFunction(): void {
    const { random, history, schedule } = this.#nursery;
    if (this.#removals === 0 || this.functionsPut < 3) return;
    this.#removals -= 1;
    const name = EXCHANGES[random.below(this.functionsPut - 2)] as string;
    history.functionGoes(name);
    const remove = (): void =>
      this.#ask({ kind: 'removeFunction', name }, (answer) => {
        if (answer !== 'changed' && answer !== 'none') schedule.after(AGAIN_MS, remove);
      });
    remove();
  }

  /** A function that clients call at once, while clusters come to have it one after the other. */
  #putNextFunction(): void {
    const name = EXCHANGES[this.functionsPut];
    if (name === undefined) return;
    this.functionsPut += 1;
    this.#putFunction(name, EXCHANGE_SOURCE);
  }

  /** Plans nothing more, and lets what was paused go on. */
  end(): void {
    this.#isOver = true;
    this.#resumeAll();
    this.#endAuto();
  }

  #endAuto(): void {
    if (!this.#nursery.plan.auto) return;
    if (this.#isAuto) this.#wishAuto(false);
    // One that was wished just before the end may be late.
    this.#nursery.schedule.after(1000, () => this.#endAuto());
  }

  #wishAuto(isOn: boolean): void {
    const { watch, random, rare } = this.#nursery;
    const { number, ...before } = watch.keeper?.auto ?? NO_AUTO;
    const bounds = { beginPercent: 20, movesMax: random.pick([1, 2, 3]), coolDownSeconds: 60 };
    this.#ask({ kind: 'setAuto', seen: number, wish: { ...before, ...bounds, isOn } }, (answer) => {
      if (answer === 'ok') rare.note(`auto wished ${isOn ? 'on' : 'off'}`);
    });
  }

  /** Why the operator is not at ease yet; null where nothing is paused. */
  unfinished(): string | null {
    const paused = this.#open.find(({ wish }) => wish === 'pause');
    if (paused !== undefined) return `migration ${paused.mid} is paused`;
    return this.#isAuto ? 'it rebalances by itself' : null;
  }

  /** Tells the keeper what is wished of a migration. */
  wish(mid: number, wish: Migration['wish']): void {
    const why = `somebody wants it to ${wish}`;
    this.#ask({ kind: 'wish', mid, wish, why }, (answer) => {
      if (answer !== 'ok') return;
      this.#nursery.rare.note(`wish: ${wish}`);
      if (wish === 'abort') this.#tryAgain(mid);
    });
  }

  /** Whoever took a move back may want the very same one at once, while the rows of the first are still there. */
  #tryAgain(mid: number): void {
    const { random, schedule, watch } = this.#nursery;
    if (!random.chance(0.5)) return;
    const again = (left: number): void => {
      const record = watch.keeper?.migrations.get(mid);
      if (this.#isOver || left === 0 || record === undefined) return;
      if (record.phase === 'active') schedule.after(40, () => again(left - 1));
      else if (record.phase === 'aborted') this.#move(record.source, record.target, record, true);
    };
    again(100);
  }

  get #open(): Migration[] {
    const all = [...(this.#nursery.watch.keeper?.migrations.values() ?? [])];
    return all.filter(({ phase }) => phase === 'active' || phase === 'published');
  }

  #resumeAll(): void {
    const paused = this.#open.filter(({ wish }) => wish === 'pause');
    for (const { mid } of paused) this.wish(mid, 'run');
    // A wish may be lost, or may still be under way.
    this.#nursery.schedule.after(1000, () => this.#resumeAll());
  }

  #ask(command: AdminCommand, done: (answer: string, mid: number) => void): void {
    this.#asker?.ask(KEEPER, { kind: 'command', command }, (answer) => {
      if (typeof answer === 'string') done('', 0);
      else done(answer.kind, answer.kind === 'planned' ? answer.mid : 0);
    });
  }

  #later(delayMs: number): void {
    this.#nursery.schedule.after(delayMs, () => {
      if (this.#isOver) return;
      this.#act();
      this.#later(this.#nursery.plan.moveEveryMs * (0.3 + this.#nursery.random.next() * 0.7));
    });
  }

  #act(): void {
    const { random } = this.#nursery;
    const open = this.#open;
    if (random.chance(0.2)) this.#putNextFunction();
    else if (random.chance(0.1)) this.#removeFunction();
    if (open.length === 0 || random.chance(0.3)) this.#plan();
    if (random.chance(0.4)) this.#merge();
    if (this.#nursery.plan.auto && random.chance(this.#isAuto ? 0.1 : 0.5)) this.#wishAuto(!this.#isAuto);
    for (const { mid, wish } of open) {
      if (wish === 'pause') {
        if (random.chance(0.6)) this.wish(mid, 'run');
      } else if (wish === 'run' && random.chance(0.08)) this.wish(mid, 'abort');
      else if (random.chance(0.08)) this.wish(mid, 'pause');
    }
  }

  /** Often what has just been moved: on to the next cluster, back, or the same once more. */
  #plan(): void {
    const { random, plan, watch } = this.#nursery;
    const map = watch.keeper?.map;
    if (map === undefined || map.entries.length === 0) return;
    const again = random.chance(0.5) ? this.#lastMove : null;
    const at = random.below(SEPARATORS.length + 1);
    const lo = again?.lo ?? SEPARATORS[at - 1] ?? '';
    const hi = again === null ? (SEPARATORS[at + random.below(4)] ?? null) : again.hi;
    const source = soleEntry(map, { lo, hi })?.owner;
    if (source === undefined) return;
    const others = [...plan.sizes.keys()].filter((id) => id !== KEEPER && id !== source);
    this.#move(source, random.pick(others), { lo, hi }, again !== null);
  }

  /** Neighbours of one owner, wherever there are any; some of them may be on their way elsewhere. */
  #merge(): void {
    const { random, rare, watch } = this.#nursery;
    const entries = watch.keeper?.map.entries ?? [];
    const pairs = entries.flatMap((first, at) => {
      const next = entries[at + 1];
      return next?.owner === first.owner ? [{ lo: first.lo, hi: next.hi, cluster: first.owner }] : [];
    });
    if (pairs.length === 0) return;
    this.#ask({ kind: 'planMerge', ...random.pick(pairs) }, (answer, mid) => {
      if (answer !== 'planned') return;
      rare.note('merge planned');
      if (random.chance(0.85)) this.#nursery.nemesis.anyMigrator()?.start(mid, null);
    });
  }

  #move(source: string, target: string, range: Range, isAgain: boolean): void {
    const { random, rare } = this.#nursery;
    const { lo, hi } = range;
    this.#ask({ kind: 'plan', source, target, lo, hi }, (answer, mid) => {
      if (answer !== 'planned') return;
      if (isAgain) rare.note('moved again: on, back or the same');
      this.#lastMove = { lo, hi };
      this.planned += 1;
      if (random.chance(0.85)) this.#nursery.nemesis.anyMigrator()?.start(mid, null);
    });
  }
}

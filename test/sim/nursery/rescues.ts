/**
 * A majority of a cluster burns, and people rescue what is left: a survivor is promoted, and what its founding has missed comes to
 * another cluster, from a backup or empty; as all that a cluster had does which burns as a whole, unless it begins anew with the image
 * of a backup. The keeper burns, with survivors or without. Lost homes may come back late, as they were; whoever types a command may be
 * interrupted at each step of it.
 */
import { firstRecords, LEAP, promotedRows, restoredRows } from '../../../node/life/first-image.ts';
import { readMembers } from '../../../node/life/members-row.ts';
import { statusOf } from '../../../node/paxos/step.ts';
import { type Slot, type Value, valueCodec } from '../../../node/paxos/values.ts';
import type { Image } from '../../../node/store/memory-store.ts';
import { type StoreKey, TABLES } from '../../../node/store/types.ts';
import { present } from '../../../src/base/assert.ts';
import { sameBytes } from '../../../src/base/bytes.ts';
import { type Place, successionOf } from '../../../src/cli/restore/succession.ts';
import type { Range } from '../../../src/keyspace/range.ts';
import { without } from '../../../src/keyspace/sweep.ts';
import { chainOf } from '../../../src/protocol/admin/lineage.ts';
import { encodeUpdate } from '../../../src/protocol/arakoon/updates.ts';
import { encode } from '../../../src/wire/codec.ts';
import type { Random } from '../../support/random.ts';
import { check } from '../base/violation.ts';
import { type Backup, Backups, type ImageRow, rowsIn, type Taken } from './backups.ts';
import { Hardware } from './hardware.ts';
import type { NodeProcess } from './node-process.ts';
import type { Machine, Nursery } from './nursery.ts';
import type { Rescue } from './plan.ts';
import {
  lose,
  type MadeHome,
  placesOf,
  Rescuer,
  type RowSource,
  rebuildKeeper,
  replaceByImage,
} from './rescuer.ts';
import { imageOf } from './sim-store.ts';
import { FOREIGN_VALUE, KEEPER, type Milestone } from './watch.ts';

/** When a catastrophe is due, of the time with faults. */
const DUE = { from: 0.05, upTo: 0.7 };
/** One that is due waits for a step of a move for so long at most (ms). */
const AMBUSH_MS = 4000;
/** How long survivors may have been cut off before the others burn, at most (ms). */
const LAG_MS = 2500;
/** Lost homes come back, emptied or as they were, within so long (ms). */
const BACK_MS = 14_000;
/** Until people look, or type a command again, at most (ms). */
const AWAKE_MS = 4000;
/** A survivor that comes to nothing is given up for another one after so long (ms). */
const PATIENCE_MS = 10_000;

/** So much of what is brought comes from a backup, where one has it. */
const BACKUP_SHARE = 0.7;
/** A home that is made of an image is started before its keeper has answered, at times. */
const EARLY_SHARE = 0.3;
/** So many promotions rest on a word that is false. */
const FALSE_SHARE = 0.2;

const BURNS: { readonly [rescue in Rescue]: string } = {
  promote: 'a majority burns',
  lost: 'a cluster burns',
  restore: 'a cluster burns, of which there is a backup',
  keeper: 'the keeper burns',
  keeperSurvives: 'a majority of the keeper burns',
};

/** One catastrophe. */
type Case = {
  readonly rescue: Rescue;
  readonly cluster: string;
  /** The founding that has burnt. */
  readonly founding: string;
  /** Whose home is gone, by the word of people. */
  readonly burnt: Set<string>;
  /** Homes that may come back as they were. */
  readonly homes: Map<string, Hardware>;
  /** Who runs, cut off, although people say that it is gone. */
  readonly exiles: Set<string>;
  /** Whose home has come back as it was. */
  readonly back: Set<string>;
  /** Whose home is empty, and nobody starts the node yet. */
  readonly off: Set<string>;
  /** With what the cluster begins anew; null unless it is restored. */
  readonly image: Taken | null;
  /** The home that was made of it. */
  made: MadeHome | null;
  /** '' where nobody is left. */
  survivor: string;
  sinceMs: number;
  rescuers: Rescuer[];
};

export class Rescues {
  readonly #nursery: Nursery;
  readonly #backups: Backups;
  readonly #cases = new Map<string, Case>();
  #due: Rescue[] = [];
  #isOver = false;

  constructor(nursery: Nursery) {
    this.#nursery = nursery;
    this.#backups = new Backups(nursery);
  }

  begin(): void {
    const { plan, random, schedule, watch } = this.#nursery;
    if (plan.rescues.length > 0) this.#backups.begin();
    watch.losses.isFromBackup = (key, value) => this.#backups.had(key, value);
    for (const rescue of plan.rescues) {
      const share = DUE.from + (DUE.upTo - DUE.from) * random.next();
      schedule.after(plan.faultyMs * share, () => {
        this.#due.push(rescue);
        schedule.after(AMBUSH_MS, () => this.#strike(null));
      });
    }
  }

  /** Nothing more burns, and nothing comes back any more; what was begun is brought to its end. */
  end(): void {
    this.#isOver = true;
    this.#due = [];
    this.#backups.end();
  }

  /** Why people are not at ease yet. */
  unfinished(): string | null {
    const [open] = this.#cases.values();
    if (open === undefined) return null;
    const waits = this.#nursery.running
      .filter(({ cluster }) => cluster === open.cluster)
      .map((node) => `${node.name}: ${statusOf(node.driver.replica, node.nowMs()).waitsFor}`);
    return `cluster ${open.cluster} is being rescued (${open.rescue}): ${waits.join('; ')}`;
  }

  /** Whether nobody touches the disks of a cluster: they are all that is left. */
  isUnderWay(cluster: string): boolean {
    return this.#cases.has(cluster);
  }

  /** Whether nobody starts that node at present. */
  isOff({ cluster, name }: Machine): boolean {
    return this.#cases.get(cluster)?.off.has(name) === true;
  }

  /** A move has come to a step: what is due strikes one of its ends, at times. */
  onMilestone({ cluster, mid }: Milestone): void {
    if (this.#due.length === 0 || !this.#nursery.random.chance(0.3)) return;
    const record = this.#nursery.watch.keeper?.migrations.get(mid);
    const ends = record === undefined ? [cluster] : [record.source, record.target];
    const end = this.#nursery.random.pick(ends);
    this.#nursery.schedule.after(this.#nursery.random.next() * 20, () => this.#strike(end));
  }

  // ── What burns ───────────────────────────────────────────────────────────────────────────────────────────

  #strike(wanted: string | null): void {
    const { random, plan, schedule } = this.#nursery;
    const [rescue] = this.#due;
    if (this.#isOver || rescue === undefined) return;
    const fit = [...plan.sizes.keys()].filter((id) => this.#mayBurn(id, rescue));
    const cluster = wanted !== null && fit.includes(wanted) ? wanted : null;
    if (wanted !== null && cluster === null) return;
    if (fit.length === 0) {
      schedule.after(AMBUSH_MS, () => this.#strike(null));
      return;
    }
    this.#due.shift();
    this.#burn(cluster ?? random.pick(fit), rescue);
  }

  /** A cluster with all of its nodes in order: whatever is lost then was lost by the fire. */
  #mayBurn(cluster: string, rescue: Rescue): boolean {
    const isOfKeeper = rescue === 'keeper' || rescue === 'keeperSurvives';
    if (isOfKeeper !== (cluster === KEEPER)) return false;
    // A keeper that is rebuilt is told by all: whoever is to be rescued itself has to be first.
    if (this.#cases.has(KEEPER) || (isOfKeeper && this.#cases.size > 0)) return false;
    const { watch, nemesis } = this.#nursery;
    const { state } = watch.cluster(cluster);
    const members = watch.members(cluster)?.members ?? [];
    const isKnown = state !== null && state.bound !== null && state.unconfirmed === '';
    if (!isKnown || !nemesis.isAtPeace(cluster)) return false;
    if (rescue === 'restore') return this.#imageFor(cluster) !== null;
    if (rescue === 'lost') return this.#othersStay(cluster);
    if (!leavesSurvivors(rescue)) return true;
    return members.length > 1 && this.#nursery.rolesOf(cluster).forcedMaster === null;
  }

  /** Somebody has to be left to whom it can be brought. */
  #othersStay(cluster: string): boolean {
    const others = [...this.#nursery.plan.sizes.keys()].filter((id) => id !== KEEPER && id !== cluster);
    return others.some((id) => this.#cases.get(id)?.rescue !== 'lost');
  }

  #burn(cluster: string, rescue: Rescue): void {
    const { random, watch, network, schedule, rare, machines, membership } = this.#nursery;
    const names = (watch.members(cluster)?.members ?? []).map(({ node }) => node);
    const isLost = !leavesSurvivors(rescue);
    // A survivor that has not heard of its present keeper is of no use, nor one whose store is doubtful: then a cluster is lost.
    const able = names.filter(
      (name) =>
        this.#nursery.nodeAt(name)?.driver.standing === 'sound' &&
        (rescue !== 'promote' || this.#knowsItsKeeper(name)),
    );
    const fit = able.length > 0 ? able : names;
    const count = Math.min(fit.length, 1 + random.below(Math.floor(names.length / 2)));
    const left = isLost ? [] : someOf(fit, count, random);
    const burning = machines.filter(
      (each) =>
        each.cluster === cluster &&
        membership.isInUse(each) &&
        !left.includes(each.name) &&
        (isLost || !each.isLearner || random.chance(0.5)),
    );
    const it: Case = {
      rescue,
      cluster,
      founding: watch.cluster(cluster).founding,
      burnt: new Set(),
      homes: new Map(),
      exiles: new Set(),
      back: new Set(),
      off: new Set(),
      image: rescue === 'restore' ? this.#imageFor(cluster) : null,
      made: null,
      survivor: left[0] ?? '',
      sinceMs: schedule.nowMs,
      rescuers: [],
    };
    this.#cases.set(cluster, it);
    if (isLost) this.#nursery.impostors.leave(cluster);
    // A new keeper is told by all what they have.
    if (rescue !== 'keeper') this.#nursery.history.burns();
    rare.note(BURNS[rescue]);
    const others = names.filter((name) => !left.includes(name));
    const cuts = left.flatMap((a) =>
      others.flatMap((b): [string, string][] => [
        [a, b],
        [b, a],
      ]),
    );
    const isLagging = random.chance(0.6);
    if (isLagging) for (const [from, to] of cuts) network.cut(from, to);
    schedule.after(isLagging ? random.next() * LAG_MS : 0, () => {
      for (const [from, to] of cuts) network.mend(from, to);
      this.#nursery.note(`burns, ${left.join() || 'nobody'} is left`, cluster);
      const isTrue = rescue !== 'promote' || !random.chance(FALSE_SHARE);
      for (const machine of burning) {
        if (isTrue || random.chance(0.2)) this.#lose(it, machine);
        else this.#exile(it, machine);
      }
      if (it.exiles.size > 0) rare.note('rescue: on a false word');
      if (rescue === 'keeper') this.#foundKeeper(it);
      schedule.after(random.next() * AWAKE_MS, () => this.#type(it));
    });
  }

  #knowsItsKeeper(name: string): boolean {
    const { watch } = this.#nursery;
    const bound = this.#nursery.nodeAt(name)?.driver.machine.bound;
    return bound != null && bound.keeper.founding === watch.keeper?.bound?.mine;
  }

  #lose(it: Case, machine: Machine): void {
    const { random, schedule, rare } = this.#nursery;
    this.#nursery.crashNode(machine);
    it.burnt.add(machine.name);
    it.back.delete(machine.name);
    it.off.add(machine.name);
    it.homes.set(machine.name, machine.hardware);
    machine.hardware = this.#nursery.newHardware();
    if (it.rescue === 'keeper') return;
    const delayMs = random.next() * BACK_MS;
    const isBackAsItWas = random.chance(0.3);
    if (isBackAsItWas) {
      schedule.after(delayMs, () => {
        const home = it.homes.get(machine.name);
        if (home === undefined || this.#isOver || !it.off.has(machine.name)) return;
        // All of them would be the cluster as it was.
        if (it.survivor === '' && !this.#isBuried(it)) return;
        rare.note('rescue: a lost home comes back late');
        this.#nursery.note('comes back with its home', machine.name);
        machine.hardware = home;
        it.back.add(machine.name);
        this.#begin(it, machine);
      });
    } else if (random.chance(0.3)) schedule.after(delayMs, () => this.#begin(it, machine));
  }

  /** Empty homes found another keeper in the place of the one that is lost. */
  #foundKeeper(it: Case): void {
    const { watch, random, schedule, machines } = this.#nursery;
    watch.keeperLost();
    for (const machine of machines) {
      if (it.off.has(machine.name)) schedule.after(random.next() * AWAKE_MS, () => this.#begin(it, machine));
    }
  }

  /** It runs, and is reached by nobody but those who are cut off as well: people take it for gone. */
  #exile(it: Case, { name }: Machine): void {
    const { network, schedule, random } = this.#nursery;
    it.burnt.add(name);
    it.exiles.add(name);
    network.exile(name, (other) => it.exiles.has(other));
    const meet = (): void => {
      if (this.#cases.get(it.cluster) !== it) return;
      const isConfirmed = this.#current(it.cluster) !== it.founding && this.#isConfirmed(it);
      if (isConfirmed) this.#writeForeign(it, name);
      if (!isConfirmed || (!this.#isOver && random.chance(0.7))) schedule.after(500, meet);
      else this.#meet(it, name);
    };
    schedule.after(500, meet);
  }

  /** Somebody writes to who is cut off: none of that may ever be seen elsewhere. */
  #writeForeign(it: Case, name: string): void {
    const node = this.#nursery.nodeAt(name);
    if (node?.founding !== it.founding || !node.driver.mayRead()) return;
    this.#nursery.rare.note('rescue: a founding that is over takes updates, cut off');
    const value = Buffer.from(`${FOREIGN_VALUE} ${name}`);
    for (const key of ['a', 'k', 'u'])
      node.driver.propose(encodeUpdate({ kind: 'set', key, value }), () => undefined);
  }

  /** It meets its nursery again, but no clients yet: nothing can keep those from it who were its own. */
  #meet(it: Case, name: string): void {
    const { network, plan } = this.#nursery;
    const isClient = new Set([
      ...this.#nursery.routerNames,
      ...Array.from({ length: plan.clients }, (_, index) => `c${index + 1}`),
    ]);
    network.exile(name, (other) => !isClient.has(other));
    const untilOver = (): void => {
      const process = this.#nursery.nodeAt(name);
      if (process === null || process.founding !== it.founding) {
        it.exiles.delete(name);
        network.comeBack(name);
      } else this.#nursery.schedule.after(5, untilOver);
    };
    untilOver();
  }

  /** Its node is started, with whatever its home holds. */
  #begin(it: Case, machine: Machine): void {
    if (!it.off.delete(machine.name)) return;
    it.homes.delete(machine.name);
    this.#nursery.startNode(machine);
  }

  // ── What people do ───────────────────────────────────────────────────────────────────────────────────────

  /** Somebody types the command; at times two do, and at times one of them is interrupted and types it again. */
  #type(it: Case): void {
    const { random, schedule, rare } = this.#nursery;
    it.rescuers = it.rescuers.filter(({ isDead }) => !isDead);
    if (this.#cases.get(it.cluster) !== it) return;
    const rescuer = new Rescuer(this.#nursery);
    it.rescuers.push(rescuer);
    if (it.rescuers.length > 1) rare.note('rescue: two at once');
    this.#go(it, rescuer);
    if (it.rescuers.length === 1 && !this.#isOver && random.chance(0.2))
      schedule.after(random.next() * AWAKE_MS, () => this.#type(it));
    if (this.#isOver || random.chance(0.4)) return;
    schedule.after(random.next() * AWAKE_MS * 2, () => {
      if (rescuer.isDead || this.#isOver) return;
      rare.note('rescue: interrupted');
      rescuer.die();
      schedule.after(random.next() * AWAKE_MS, () => this.#type(it));
    });
  }

  #go(it: Case, rescuer: Rescuer): void {
    const { founding, cluster } = it;
    if (it.rescue === 'keeper') {
      this.#rebuild(it, rescuer);
      return;
    }
    if (it.rescue === 'lost') {
      rescuer.type(
        () => lose(cluster, [founding], this.#heir(cluster)),
        () => this.#bringRest(it, rescuer),
      );
      return;
    }
    if (it.image !== null) {
      const { image } = it.image;
      rescuer.type(
        () =>
          replaceByImage({ cluster, typed: founding, image }, (place, keeper) =>
            this.#make(it, place, keeper),
          ),
        () => this.#restored(it, rescuer),
      );
      return;
    }
    rescuer.promote(() => {
      const isOver = this.#current(cluster) !== founding || this.#cases.get(cluster) !== it;
      return isOver ? null : { name: it.survivor, founding, gone: this.#gone(it) };
    });
    this.#follow(it, rescuer);
  }

  /** Looks on until the new founding works, and brings what it left behind. */
  #follow(it: Case, rescuer: Rescuer): void {
    rescuer.local(500, () => {
      if (this.#cases.get(it.cluster) !== it) {
        rescuer.die();
        return;
      }
      if (this.#current(it.cluster) === it.founding) {
        this.#lookAt(it);
        this.#follow(it, rescuer);
      } else if (it.cluster === KEEPER) this.#rebuild(it, rescuer);
      else if (this.#isConfirmed(it)) this.#bringRest(it, rescuer);
      else this.#follow(it, rescuer);
    });
  }

  /** The keeper that begins anew is told by every cluster what it has. */
  #rebuild(it: Case, rescuer: Rescuer): void {
    rescuer.type(
      () => rebuildKeeper(this.#nursery),
      () => {
        this.#nursery.rare.note(
          it.survivor === '' ? 'rescue: a keeper is rebuilt' : "rescue: a keeper's survivor is told all",
        );
        this.#restore(it);
      },
    );
  }

  /** A home is made of the image, once, on one of the cluster's machines. */
  #make(it: Case, place: Place, keeper: string): MadeHome {
    if (it.made !== null) return it.made;
    const { machines, random, rare, watch, schedule } = this.#nursery;
    const { image, rows } = present(it.image, 'an image');
    const { cluster } = it;
    const theirs = machines.filter((each) => each.cluster === cluster && it.burnt.has(each.name));
    const machine = random.pick(theirs.filter(({ isLearner }) => !isLearner));
    const { name } = machine;
    this.#nursery.crashNode(machine); // an empty home, that waits
    it.off.add(name);
    const founder = { node: name, incarnation: this.#nursery.newLife() };
    const ref = { cluster: KEEPER, founding: keeper, nodes: placesOf(this.#nursery, KEEPER) };
    const { members, slot, own } = restoredRows(image, founder, successionOf(image, place, ref));
    const data = rows.map(({ key, value }): readonly [StoreKey, Uint8Array] => [TABLES.DATA + key, value]);
    it.homes.delete(name); // nobody puts the lost disk back in the place of the one that is left
    machine.hardware = this.#nursery.newHardware();
    machine.hardware.image = { slot, rows: [...data, ...own] };
    machine.hardware.append(firstRecords(members, slot));
    const owned = image.owned.map(({ lo, hi, epoch }) => ({ lo, hi, epoch, sealedBy: null }));
    const { replaced } = place;
    const made = { node: name, founding: members.cluster, slot, owned, was: image.founding, replaced };
    it.made = made;
    rare.note('rescue: a home is made of an image');
    if (image.founding !== it.founding) rare.note('rescue: of an image of an earlier founding');
    this.#nursery.note(`begins anew with slot ${image.slot} of founding ${image.founding}`, name);
    watch.began(cluster, machine.hardware.image, { founding: image.founding, slot: image.slot });
    if (random.chance(EARLY_SHARE)) schedule.after(random.next() * 1000, () => this.#begin(it, machine));
    return made;
  }

  /** The keeper has said which ranges of the image are still its own: now it is started. */
  #restored(it: Case, rescuer: Rescuer): void {
    const { random, schedule, rare, watch } = this.#nursery;
    const made = present(it.made, 'a home');
    const order = [...(watch.keeper?.orders.values() ?? [])].find((each) => each.founding === made.founding);
    const given = order?.given?.ranges ?? [];
    if (given.length > 0) rare.note('rescue: ranges come back with an image');
    if (without(made.owned, given).length > 0) rare.note('rescue: an image has what went away since');
    schedule.after(random.next() * 500, () => this.#begin(it, this.#nursery.machine(made.node)));
    this.#bringRest(it, rescuer);
  }

  /** An image with which the founding in force could begin anew, of whichever backup. */
  #imageFor(cluster: string): Taken | null {
    const { keeper } = this.#nursery.watch;
    if (keeper === null) return null;
    const inForce = keeper.identities.get(cluster)?.founding ?? '';
    const keepers = [keeper.bound?.mine, ...keeper.replaced];
    const isFit = ({ image }: Taken): boolean =>
      image.cluster === cluster &&
      keepers.includes(image.keeper) &&
      (image.founding === inForce ||
        chainOf(keeper.orders.values(), { cluster, founding: inForce }, image.founding).at(-1)?.was ===
          image.founding);
    return this.#backups.some((backup) => backup.some(isFit))?.find(isFit) ?? null;
  }

  /** Whether the keeper knows that the founding which has burnt is over. */
  #isBuried({ cluster, founding }: Case): boolean {
    return this.#nursery.watch.keeper?.identities.get(cluster)?.founding !== founding;
  }

  #current(cluster: string): string {
    return this.#nursery.watch.cluster(cluster).founding;
  }

  #isConfirmed({ cluster }: Case): boolean {
    const { state } = this.#nursery.watch.cluster(cluster);
    return state !== null && state.unconfirmed === '';
  }

  /** Who is said to be gone: whose home burnt, and has not come back as it was. */
  #gone({ burnt, back }: Case): string[] {
    return [...burnt].filter((name) => !back.has(name));
  }

  /** The cluster may work again without the survivor, or another one may have to be promoted. */
  #lookAt(it: Case): void {
    const { random, rare, schedule, running, machines } = this.#nursery;
    const theirs = running.filter(({ cluster, name }) => cluster === it.cluster && !it.exiles.has(name));
    const isWorking = theirs.some(({ driver }) => driver.mayRead());
    if (isWorking && schedule.nowMs > it.sinceMs + AWAKE_MS) {
      rare.note('rescue: nothing to do, lost homes came back');
      for (const machine of machines) {
        if (machine.cluster !== it.cluster || machine.hardware.disk.summary.retired === undefined) continue;
        this.#nursery.crashNode(machine);
        machine.hardware = this.#nursery.newHardware();
        this.#nursery.startNode(machine);
      }
      this.#close(it);
      return;
    }
    if (schedule.nowMs < it.sinceMs + PATIENCE_MS) return;
    it.sinceMs = schedule.nowMs;
    const others = theirs.filter(
      ({ name, founding, hardware, config, driver }) =>
        name !== it.survivor &&
        founding === it.founding &&
        // Nobody promotes who lost its store and has nothing yet, and would be refused, in the place of who has all.
        driver.machine.state.bound !== null &&
        !config.learners.includes(name) &&
        (hardware.disk.summary.retired?.parted ?? null) === null,
    );
    if (others.length === 0) return;
    rare.note('rescue: another survivor is promoted');
    // Who has retired for somebody else is refused, and says so.
    const isFree = ({ name, hardware }: NodeProcess): boolean =>
      [name, undefined].includes(retiredFor(hardware));
    const free = others.filter(isFree);
    it.survivor = random.pick(free.length > 0 ? free : others).name;
    this.#nursery.note('is to be promoted in the place of another', it.survivor);
    // Nor does it retire for another one, and least of all who began to be promoted: people vouch that it is gone, and empty its home.
    for (const { name, hardware } of theirs) {
      if (name === it.survivor || [undefined, it.survivor].includes(retiredFor(hardware))) continue;
      rare.note('rescue: who has retired for another is given up');
      const isParted = (hardware.disk.summary.retired?.parted ?? null) !== null;
      this.#lose(it, this.#nursery.machine(name));
      if (isParted) it.homes.delete(name); // what it took may be another history
    }
  }

  /** What the map still gives to foundings that are dead. */
  #bringRest(it: Case, rescuer: Rescuer): void {
    const { watch, rare } = this.#nursery;
    const inForce = this.#current(it.cluster);
    const behind = (watch.keeper?.map.entries ?? []).flatMap(({ owner, founding }) =>
      owner === it.cluster && founding !== undefined && founding !== inForce ? [founding] : [],
    );
    if (behind.length === 0) {
      this.#restore(it);
      return;
    }
    rare.note('rescue: what was left behind is brought');
    rescuer.type(
      () => lose(it.cluster, [...new Set(behind)], this.#heir(it.cluster)),
      () => this.#bringRest(it, rescuer),
    );
  }

  /** Whom to bring something to, and out of which backup; of what that has not, nothing is brought. */
  #heir(cluster: string): { readonly at: string; readonly rows: RowSource } {
    const { random, watch } = this.#nursery;
    const keepers = [watch.keeper?.bound?.mine, ...(watch.keeper?.replaced ?? [])];
    const isOurs = (backup: Backup): boolean => backup.every(({ image }) => keepers.includes(image.keeper));
    const backup = random.chance(BACKUP_SHARE) ? this.#backups.some(isOurs) : null;
    const rows = (range: Range): readonly ImageRow[] =>
      (backup === null ? null : rowsIn(backup, range)) ?? [];
    return { at: this.#another(cluster), rows };
  }

  /** Somebody to bring something to; not who burns itself, where there is anybody else. */
  #another(cluster: string): string {
    const { random, plan } = this.#nursery;
    const others = [...plan.sizes.keys()].filter((id) => id !== KEEPER && id !== cluster);
    const whole = others.filter((id) => !this.isUnderWay(id));
    return random.pick(whole.length > 0 ? whole : others);
  }

  /** All homes that are gone are replaced by empty ones; once their nodes are members, the case is closed. */
  #restore(it: Case): void {
    const { machines, membership, schedule, random, watch } = this.#nursery;
    for (const machine of machines) {
      if (machine.cluster !== it.cluster || !it.off.has(machine.name)) continue;
      schedule.after(random.next() * 1000, () => this.#begin(it, machine));
    }
    const untilMembers = (): void => {
      this.#emptyWhoJoinedTheDead(it);
      // Until the keeper has bound it, anybody may be the new one of that name.
      const isBound = watch.cluster(it.cluster).state?.bound != null;
      const isWhole = it.off.size === 0 && it.exiles.size === 0 && isBound;
      if (isWhole && membership.unfinished(it.cluster) === null) this.#close(it);
      else schedule.after(500, untilMembers);
    };
    untilMembers();
  }

  /**
   * An empty home may have joined the founding that is dead, by the word of a lost home that came back for a moment; where that was before
   * it knew of the present keeper nobody can tell it. Status shows whose founding it is, and people empty it once more.
   */
  #emptyWhoJoinedTheDead(it: Case): void {
    if (it.survivor !== '' || !this.#isBuried(it)) return;
    const { machines, rare } = this.#nursery;
    for (const machine of machines) {
      const isOfIt = machine.cluster === it.cluster && !it.exiles.has(machine.name);
      if (!isOfIt || machine.process?.isDead !== false || machine.process.founding !== it.founding) continue;
      rare.note('rescue: an empty home had joined what is dead');
      this.#nursery.crashNode(machine);
      machine.hardware = this.#nursery.newHardware();
      this.#nursery.startNode(machine);
    }
  }

  #close(it: Case): void {
    if (this.#cases.get(it.cluster) !== it) return;
    this.#cases.delete(it.cluster);
    for (const rescuer of it.rescuers) rescuer.die();
    for (const name of it.exiles) this.#nursery.network.comeBack(name);
    for (const name of it.off) {
      it.off.delete(name);
      this.#nursery.startNode(this.#nursery.machine(name));
    }
  }

  // ── What nodes do ────────────────────────────────────────────────────────────────────────────────────────

  /** A node's founding is over by an order. */
  mayStop({ cluster, founding }: NodeProcess): boolean {
    return this.#nursery.watch.foundings.isOver(cluster, founding);
  }

  /** It has stopped; people empty its home. */
  stopped(machine: Machine, cause: Error): void {
    const { rare, schedule, plan } = this.#nursery;
    rare.note(
      cause.message.includes('took the place of')
        ? 'rescue: an old home stops beside its founding'
        : 'rescue: an old home stops by the word of its keeper',
    );
    const { process } = machine;
    schedule.after(plan.leaseMs, () => {
      if (machine.process === process) this.#nursery.nemesis.emptied(machine);
    });
  }

  /** All that is left is in the store of this node. It ends, and begins anew as the first member of another founding. */
  promoted(node: NodeProcess, slot: Slot): void {
    const it = this.#cases.get(node.cluster);
    check(
      it !== undefined && it.founding === node.founding && it.rescuers.length > 0,
      'promotion',
      () => `${node.name} is promoted at ${slot}, and nobody gave an order`,
    );
    const { schedule, random, rare } = this.#nursery;
    schedule.after(random.next() * 30, () => {
      if (node.isDead) {
        rare.note('rescue: a survivor dies before its home is promoted');
        return;
      }
      this.#promote(it as Case, node, slot);
    });
  }

  #promote(it: Case, node: NodeProcess, slot: Slot): void {
    const { watch, rare, nemesis } = this.#nursery;
    const { name, cluster, store } = node;
    check(store.slot === slot, 'promotion', () => `${name} is at slot ${store.slot}, not at ${slot}`);
    this.#checkKept(it, node, slot);
    const machine = this.#nursery.machine(name);
    const survivor = { node: name, incarnation: this.#nursery.newLife() };
    const before = present(readMembers(store), 'members');
    const to = slot + LEAP;
    const { members, changes } = promotedRows(store, before, { survivor, to });
    const image = changed(imageOf(store), changes, to);
    this.#nursery.crashNode(machine);
    const { clockRate, syncMaxMs } = machine.hardware;
    machine.hardware = new Hardware(clockRate, syncMaxMs);
    machine.hardware.image = image;
    machine.hardware.append(firstRecords(members, to));
    rare.note(slot < watch.cluster(cluster).top ? 'rescue: a laggard is promoted' : 'rescue: promoted');
    this.#nursery.note(`is promoted with slot ${slot} of ${watch.cluster(cluster).top}`, name);
    watch.began(cluster, image, { founding: it.founding, slot });
    nemesis.startLater(machine);
  }

  /** What anybody who is left knows to be chosen, or has voted for where it was chosen, is kept. */
  #checkKept(it: Case, node: NodeProcess, slot: Slot): void {
    const { machines } = this.#nursery;
    const theirs = machines.filter(({ cluster }) => cluster === it.cluster);
    const gone = node.driver.replica.promotion?.gone ?? this.#gone(it);
    const left = theirs.filter(({ name }) => !gone.includes(name)).map(({ hardware }) => hardware);
    const all = [...theirs.map(({ hardware }) => hardware), ...it.homes.values()];
    const { top } = this.#nursery.watch.foundings.of(it.cluster, it.founding);
    for (let at = node.hardware.disk.firstSlot; at <= top; at += 1) {
      const chosen = chosenAt(all, it.founding, at);
      if (chosen === null) continue;
      const isLeft = left.some(
        ({ disk }) => disk.summary.founded?.state.cluster === it.founding && isSame(disk.valueAt(at), chosen),
      );
      if (!isLeft) return; // what follows rests on a gap, and is given up with it
      check(
        at <= slot && isSame(node.hardware.disk.valueAt(at), chosen),
        'promotion',
        () => `slot ${at} of ${it.cluster} is left with somebody, and ${node.name} goes on without it`,
      );
    }
  }
}

/** For whose promotion a life has retired; undefined where it has not. */
function retiredFor({ disk }: Hardware): string | undefined {
  return disk.summary.retired?.by;
}

function leavesSurvivors(rescue: Rescue): boolean {
  return rescue === 'promote' || rescue === 'keeperSurvives';
}

function someOf<T>(all: readonly T[], count: number, random: Random): T[] {
  const left = [...all];
  return Array.from({ length: count }, () => left.splice(random.below(left.length), 1)[0] as T);
}

/** What a slot was chosen to be, as some home of the founding says that had not parted. */
function chosenAt(homes: readonly Hardware[], founding: string, slot: Slot): Value | null {
  for (const { disk } of homes) {
    const { founded, chosen, retired } = disk.summary;
    const isWitness = founded?.state.cluster === founding && (retired?.parted ?? null) === null;
    const value = disk.valueAt(slot);
    if (isWitness && chosen >= slot && value !== undefined) return value;
  }
  return null;
}

function isSame(a: Value | undefined, b: Value): boolean {
  return a !== undefined && sameBytes(encode(valueCodec, a), encode(valueCodec, b));
}

/** An image with these changes, as of another slot. */
function changed({ rows }: Image, changes: ReadonlyMap<StoreKey, Uint8Array | null>, slot: Slot): Image {
  const after = new Map(rows);
  for (const [key, value] of changes) {
    if (value === null) after.delete(key);
    else after.set(key, value);
  }
  return { slot, rows: [...after] };
}

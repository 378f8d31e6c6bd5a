/** What must hold after every slot of every cluster: the invariants of docs/architecture.md, "Moving a range". */

import { eachDirty } from '../../../node/machine/dirty.ts';
import { rowsIn } from '../../../node/machine/rows.ts';
import type { SystemState } from '../../../node/machine/system-state.ts';
import { printKey, sameBytes } from '../../../src/base/bytes.ts';
import { RETURN_CODES } from '../../../src/base/errors.ts';
import { covers, overlaps, printRange, type Range, WHOLE } from '../../../src/keyspace/range.ts';
import { checkPartition, lookup, soleEntry } from '../../../src/keyspace/rangemap.ts';
import type { Migration, Outcome, Owned } from '../../../src/protocol/admin/admin.ts';
import type { Update } from '../../../src/protocol/arakoon/updates.ts';
import type { Answer } from '../../../src/protocol/arakoon/values.ts';
import { invariant } from '../base/invariant.ts';
import { Violation as Broken } from '../base/violation.ts';
import { KEYS, Model, prefixRange } from './model.ts';
import { type AppliedSlot, drain, type SimCluster } from './sim-cluster.ts';

/** What was broken, and how. */
export class Violation extends Broken {
  constructor(message: string) {
    super('moves', message);
  }
}

/** Sees every slot as it is applied, and the whole nursery at once. */
export class Checker {
  readonly model = new Model();
  readonly #keeper: SimCluster;
  readonly #clusters: ReadonlyMap<string, SimCluster>;
  /** Outcomes seen, by cluster and migration. */
  readonly #outcomes = new Map<string, Outcome>();
  readonly #asOf = new Map<string, number>();
  /** The highest epoch of a key that the map has had. */
  readonly #epochs = new Map<string, number>();

  constructor(keeper: SimCluster, clusters: ReadonlyMap<string, SimCluster>) {
    this.#keeper = keeper;
    this.#clusters = clusters;
  }

  /** @throws Violation */
  afterSlot(cluster: SimCluster, slot: AppliedSlot): void {
    if (cluster === this.#keeper) {
      this.#checkKeeper();
      return;
    }
    this.#checkAnswers(cluster, slot);
    this.#checkServing(cluster);
    this.#checkOutcomes(cluster, slot);
    this.#checkImports(cluster, slot.before);
    this.#checkClosedCommands(cluster, slot);
    this.#checkKeeper();
  }

  /** Clients' updates take effect one after the other in one key space, wherever they are executed. */
  #checkAnswers(cluster: SimCluster, { updates, answers, before }: AppliedSlot): void {
    const changesOwnership = before.owned !== cluster.state.owned;
    for (const [index, update] of updates.entries()) {
      if (update.kind === 'admin') continue;
      const answer = answers[index] as Answer;
      const isRefused = answer.bytes[0] === RETURN_CODES.OUT_OF_RANGE;
      if (!changesOwnership) {
        const serving = servingOf(before);
        const isServed = namedRanges(update).every((range) => serving.some((own) => covers(own, range)));
        check(
          isServed !== isRefused,
          () => `${cluster.id} ${isServed ? 'serves' : 'does not own'} ${print(update)}`,
        );
      }
      if (isRefused) continue;
      const expected = this.model.execute(update);
      const isSame = sameBytes(expected.bytes, answer.bytes);
      check(
        isSame,
        () => `1: ${cluster.id} answers ${print(update)} by ${hex(answer)}, expected ${hex(expected)}`,
      );
    }
  }

  /** 1. At most one cluster serves a key, and its rows are what was acknowledged; a sealed range stays so too. */
  #checkServing(cluster: SimCluster): void {
    for (const own of cluster.state.owned) {
      const overtaken = own.sealedBy !== null && this.#isActivated(own.sealedBy);
      if (!overtaken)
        sameRows(rowsIn(cluster.store, own), this.model.rowsIn(own), `1: ${cluster.id} ${printRange(own)}`);
      for (const other of this.#clusters.values()) {
        if (other === cluster || own.sealedBy !== null) continue;
        const twice = other.state.owned.find((theirs) => theirs.sealedBy === null && overlaps(theirs, own));
        check(twice === undefined, () => `1: ${cluster.id} and ${other.id} both serve ${printRange(own)}`);
      }
    }
  }

  #isActivated(mid: number): boolean {
    return [...this.#clusters.keys()].some((id) => this.#outcomes.get(`${id}/${mid}`) === 'activated');
  }

  /** 5. What was decided stays so, and no two clusters decide differently. */
  #checkOutcomes(cluster: SimCluster, { updates, before }: AppliedSlot): void {
    for (const [mid, outcome] of cluster.state.closed) {
      const id = `${cluster.id}/${mid}`;
      const earlier = this.#outcomes.get(id);
      check(earlier === undefined || earlier === outcome, () => `5: ${id} was ${earlier}, now ${outcome}`);
      this.#outcomes.set(id, outcome);
      const record = this.#keeper.state.migrations.get(mid);
      if (record === undefined || earlier !== undefined) continue;
      if (outcome === 'merged') this.#checkMerge(cluster, record);
      // What clients did in the same slot, behind the activation, is compared with the model.
      const isLast = updates.every(({ kind }) => kind === 'admin');
      if (outcome === 'activated' && isLast) this.#checkActivation(cluster, record);
      const source = this.#outcomes.get(`${record.source}/${mid}`);
      const target = this.#outcomes.get(`${record.target}/${mid}`);
      // Before the seal the source decides alone.
      const wasSealed = (before.exports.get(mid)?.seal ?? null) !== null;
      const isSound =
        (source !== 'unsealed' || target !== 'activated') &&
        (outcome !== 'unsealed' || !wasSealed || target === 'abandoned') &&
        (source !== 'released' || target === 'activated');
      check(isSound, () => `5: migration ${mid} is ${target} at the target, ${source} at the source`);
      const isPublished = record.phase === 'published' || record.phase === 'done';
      check(
        outcome !== 'released' || isPublished,
        () => `6: migration ${mid} released before it was published`,
      );
    }
  }

  /** A merge lies across no move: the target would have the range at an epoch below it. */
  #checkMerge({ id, state }: SimCluster, { mid, lo, hi }: Migration): void {
    const across = [...state.exports, ...state.imports].find(([, move]) => overlaps(move, { lo, hi }));
    check(across === undefined, () => `5: ${id} merges by ${mid} across migration ${across?.[0]}`);
    const own = state.owned.find((each) => each.lo === lo);
    const isOne = own?.hi === hi && own.epoch === mid && own.sealedBy === null;
    check(isOne, () => `5: ${id} has merged by ${mid}, and owns ${JSON.stringify(own)}`);
  }

  /** 4. At activation the staging is the source's range as it was at the seal. */
  #checkActivation(target: SimCluster, { mid, source, lo, hi }: Migration): void {
    const from = this.#cluster(source);
    const export_ = from.state.exports.get(mid);
    check(
      export_?.seal !== null && export_?.seal !== undefined,
      () => `4: migration ${mid} activated without a seal`,
    );
    sameRows(
      rowsIn(target.store, { lo, hi }),
      rowsIn(from.store, { lo, hi }),
      `4: activation of migration ${mid}`,
    );
  }

  /** 2. What was copied and is not dirty is the same at the target. 3. Its age never falls. */
  #checkImports(cluster: SimCluster, before: SystemState): void {
    for (const target of this.#clusters.values()) {
      for (const [mid, record] of target.state.imports) {
        const source = this.#cluster(record.source);
        if (target !== cluster && source !== cluster) continue;
        const id = `${target.id}/${mid}`;
        const asOf = this.#asOf.get(id) ?? 0;
        check(record.asOf >= asOf, () => `3: asOf of migration ${mid} falls from ${asOf} to ${record.asOf}`);
        this.#asOf.set(id, record.asOf);
        if (source.state.exports.has(mid)) this.#checkStaging(target, source, mid);
      }
    }
    for (const [mid, record] of cluster.state.imports) {
      const earlier = before.imports.get(mid);
      check(earlier === undefined || record.seq >= earlier.seq, () => `3: seq of migration ${mid} falls`);
    }
  }

  #checkStaging(target: SimCluster, source: SimCluster, mid: number): void {
    const { lo, hi, cursor } = target.state.imports.get(mid) as Range & { cursor: string | null };
    const dirty = new Set<string>();
    drain(
      eachDirty(source.store, mid, '', (key) => {
        dirty.add(key);
        return true;
      }),
    );
    const isCopied = (key: string): boolean => cursor === hi || (cursor !== null && key < cursor);
    const counted = ([key]: [string, Uint8Array]): boolean => isCopied(key) && !dirty.has(key);
    const copied = rowsIn(target.store, { lo, hi }).filter(counted);
    sameRows(copied, rowsIn(source.store, { lo, hi }).filter(counted), `2: staging of migration ${mid}`);
  }

  /** 6. The map names the target of what is published, and the source of what is not. */
  #checkKeeper(): void {
    const { map, migrations } = this.#keeper.state;
    checkPartition(map);
    for (const key of KEYS) {
      const epoch = lookup(map, key)?.epoch ?? 0;
      const before = this.#epochs.get(key) ?? 0;
      check(epoch >= before, () => `7: the epoch of ${printKey(key)} falls from ${before} to ${epoch}`);
      this.#epochs.set(key, epoch);
    }
    for (const record of migrations.values()) {
      const { mid, phase, source, target } = record;
      const later = [...migrations.values()].some((other) => other.mid > mid && overlaps(other, record));
      if (later) continue;
      if (phase === 'published' || phase === 'done') {
        const entry = soleEntry(map, record);
        check(
          entry?.owner === target && entry.epoch === mid,
          () => `6: ${mid} is ${phase}, the map names ${entry?.owner}`,
        );
        continue;
      }
      const owner = lookup(map, record.lo)?.owner;
      check(owner === source, () => `6: migration ${mid} is ${phase}, the map names ${owner}`);
      const serving = servingOf(this.#cluster(source).state);
      const serves = phase === 'active' || serving.some((own) => covers(own, record));
      check(serves, () => `6: migration ${mid} is aborted, ${source} does not serve its range`);
    }
  }

  /** 7. What is decided, or below the floor, changes nothing but floor and token. */
  #checkClosedCommands(cluster: SimCluster, { before, updates }: AppliedSlot): void {
    const [update] = updates;
    if (updates.length !== 1 || update?.kind !== 'admin' || !('floor' in update.command)) return;
    const { mid, floor } = update.command;
    if (!before.closed.has(mid) && mid >= Math.max(before.floor, floor)) return;
    const after = cluster.state;
    // What is staged below a floor that rises was aborted without this cluster, and goes.
    const isDropping = [...before.imports.keys()].some((each) => each < after.floor);
    const isSame =
      before.owned === after.owned &&
      (isDropping || sameEntries(before.imports, after.imports)) &&
      before.exports === after.exports &&
      (isDropping || before.cleanups === after.cleanups) &&
      before.forward === after.forward;
    check(isSame, () => `7: ${update.command.kind} of closed migration ${mid} changes ${cluster.id}`);
  }

  /** 8. Nothing is left of what ended, and every key is served by exactly the cluster that the map names. */
  atEnd(): void {
    const { map, migrations } = this.#keeper.state;
    for (const { mid, phase } of migrations.values()) {
      check(phase === 'done' || phase === 'aborted', () => `8: migration ${mid} is still ${phase}`);
    }
    for (const cluster of this.#clusters.values()) {
      const { imports, exports, cleanups, owned } = cluster.state;
      const left = [...imports.keys(), ...exports.keys(), ...cleanups.keys()];
      check(left.length === 0, () => `8: ${cluster.id} still has something of migrations ${left.join(', ')}`);
      check(
        owned.every(({ sealedBy }) => sealedBy === null),
        () => `8: ${cluster.id} has a sealed range`,
      );
      const rows = rowsIn(cluster.store, WHOLE);
      const mine = owned.flatMap((own) => this.model.rowsIn(own));
      sameRows(rows, mine, `8: all rows of ${cluster.id}`);
    }
    for (const entry of map.entries) {
      const { owned } = this.#cluster(entry.owner).state;
      const serves = owned.some((own) => covers(own, entry) && own.epoch === entry.epoch);
      check(serves, () => `8: ${entry.owner} does not serve ${printRange(entry)} at epoch ${entry.epoch}`);
    }
  }

  #cluster(id: string): SimCluster {
    const cluster = this.#clusters.get(id);
    invariant(cluster !== undefined, 'a migration is between clusters of the simulation');
    return cluster;
  }
}

function sameEntries<T>(a: ReadonlyMap<number, T>, b: ReadonlyMap<number, T>): boolean {
  return a.size === b.size && [...a].every(([id, value]) => b.get(id) === value);
}

/** Ranges that are served, neighbours joined. */
function servingOf({ owned }: SystemState): Range[] {
  const serving: Range[] = [];
  for (const { lo, hi, sealedBy } of owned as readonly Owned[]) {
    if (sealedBy !== null) continue;
    const last = serving.at(-1);
    if (last?.hi === lo) serving[serving.length - 1] = { lo: last.lo, hi };
    else serving.push({ lo, hi });
  }
  return serving;
}

/** Everything that an update names. */
function namedRanges(update: Update): Range[] {
  switch (update.kind) {
    case 'sequence':
    case 'syncedSequence':
      return update.updates.flatMap(namedRanges);
    case 'deletePrefix':
    case 'assertRange':
      return [prefixRange(update.prefix)];
    case 'nop':
    case 'userFunction':
    case 'admin':
      return [];
    default:
      return [{ lo: update.key, hi: `${update.key}\0` }];
  }
}

function sameRows(actual: [string, Uint8Array][], expected: [string, Uint8Array][], what: string): void {
  const isSame =
    actual.length === expected.length &&
    actual.every(([key, value], index) => {
      const other = expected[index];
      return other !== undefined && other[0] === key && sameBytes(other[1], value);
    });
  check(isSame, () => `${what}: has ${printRows(actual)}, expected ${printRows(expected)}`);
}

function check(condition: boolean, what: () => string): void {
  if (!condition) throw new Violation(what());
}

function print(update: Update): string {
  return JSON.stringify(update);
}

function hex({ bytes }: Answer): string {
  return Buffer.from(bytes).toString('hex');
}

function printRows(rows: [string, Uint8Array][]): string {
  return `{${rows.map(([key, value]) => `${printKey(key)}=${Buffer.from(value).toString()}`).join(' ')}}`;
}

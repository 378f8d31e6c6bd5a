/** Sees every slot of every cluster when the first node applies it, and the whole nursery at once. */
import { eachDirty } from '../../../node/machine/dirty.ts';
import { inForce, type SystemState } from '../../../node/machine/system-state.ts';
import type { Message } from '../../../node/paxos/messages.ts';
import type { MembersState } from '../../../node/paxos/values.ts';
import type { Image } from '../../../node/store/memory-store.ts';
import type { Changes } from '../../../node/store/types.ts';
import { printKey, sameBytes } from '../../../src/base/bytes.ts';
import { contains, covers, overlaps, printRange, type Range } from '../../../src/keyspace/range.ts';
import { checkPartition, entriesIn } from '../../../src/keyspace/rangemap.ts';
import type { Migration, Outcome } from '../../../src/protocol/admin/admin.ts';
import { type FunctionsVersion, NO_FUNCTIONS } from '../../../src/protocol/admin/functions.ts';
import { isMerge } from '../../../src/protocol/admin/migration.ts';
import type { Rare } from '../base/rare.ts';
import { check } from '../base/violation.ts';
import { drain } from '../migration/sim-cluster.ts';
import { AutoWatch } from './auto-watch.ts';
import { ClusterHistory } from './cluster-history.ts';
import { Foundings } from './foundings.ts';
import { FunctionWatch } from './function-watch.ts';
import type { History } from './history.ts';
import { Losses } from './losses.ts';
import type { NodeProcess } from './node-process.ts';
import { type Known, Registered } from './registered.ts';

/** Something in a migration that faults like to strike at. */
export type Milestone = { readonly cluster: string; readonly mid: number; readonly what: string };

export const KEEPER = 'K';
/** Clusters that are none of the nursery's (impostors.ts). */
export const IMPOSTOR = 'X';
export const SECOND_KEEPER = 'Y';
/** Two clusters that have the same id in their files. */
export const RACERS: readonly string[] = ['R', 'S'];
export const RACED = 'Z';
/** How the values begin that a cluster has which lived by itself. */
export const FOREIGN_VALUE = 'foreign';

export class Watch {
  readonly foundings: Foundings;
  readonly losses: Losses;
  readonly auto: AutoWatch;
  readonly #functions: FunctionWatch;
  readonly #apart = new Map([IMPOSTOR, SECOND_KEEPER, ...RACERS].map((id) => [id, new ClusterHistory(id)]));
  readonly #known: Known = {
    foundingOf: (id) => (this.clusters.has(id) ? (this.members(id)?.cluster ?? null) : null),
    isOver: (id, founding) => this.foundings.isOver(id, founding),
  };
  /** What each keeper has registered, by its history, the one in force last: homes of one that is over may go on beside that. */
  readonly #registered = new Map<ClusterHistory, Registered>();
  readonly #rare: Rare;
  readonly #history: History;
  readonly #onMilestone: (milestone: Milestone) => void;
  /** Outcomes seen, by cluster, founding and migration. */
  readonly #outcomes = new Map<string, Outcome>();
  /** By migration: how far the functions of its source were when it was sealed. */
  readonly #functionsAtSeal = new Map<number, FunctionsVersion>();
  readonly #asOf = new Map<string, number>();
  /** Per cluster and slot, the ballot of its first proposal. */
  readonly #proposed = new Map<string, string>();

  constructor(
    ids: Iterable<string>,
    history: History,
    rare: Rare,
    onMilestone: (milestone: Milestone) => void,
  ) {
    this.foundings = new Foundings(ids);
    this.#registered.set(this.cluster(KEEPER), new Registered(this.#known));
    this.losses = new Losses(history, rare, (id, founding) => this.foundings.isOver(id, founding));
    this.#functions = new FunctionWatch(history, rare);
    this.auto = new AutoWatch(rare);
    this.#history = history;
    this.#rare = rare;
    this.#onMilestone = onMilestone;
  }

  /** Of each cluster the founding that counts. */
  get clusters(): ReadonlyMap<string, ClusterHistory> {
    return this.foundings.current;
  }

  cluster(id: string): ClusterHistory {
    return (this.clusters.get(id) ?? this.#apart.get(id)) as ClusterHistory;
  }

  /** Another cluster than before stands apart under this name. */
  anew(id: string): void {
    this.#apart.set(id, new ClusterHistory(id));
  }

  /** State of the keeper after its highest slot; null before it was founded. */
  get keeper(): SystemState | null {
    return this.cluster(KEEPER).state;
  }

  /** Members in force after a cluster's highest slot; null before it was founded. */
  members(id: string): MembersState | null {
    const cluster = this.cluster(id);
    return cluster.membersAt(cluster.top);
  }

  // ── What nodes do ────────────────────────────────────────────────────────────────────────────────────────

  /** A node's process began with this image, or put it in the place of its store. */
  opened(node: NodeProcess, image: Image): void {
    this.#historyOfImage(node, image)?.checkImage(node.name, 'opens', image);
  }

  flushed(node: NodeProcess, image: Image): void {
    this.#historyOfImage(node, image)?.checkImage(node.name, 'flushes', image);
  }

  committed(node: NodeProcess, changes: Changes, slot: number): void {
    this.historyOf(node)?.committed(node.name, changes, slot);
  }

  /** The history that the slots of a node belong to; null while it is being promoted. */
  historyOf(node: NodeProcess): ClusterHistory | null {
    return this.#apart.get(node.cluster) ?? this.foundings.at(node);
  }

  #historyOfImage(node: NodeProcess, image: Image): ClusterHistory | null {
    return this.#apart.get(node.cluster) ?? this.foundings.ofImage(node, image);
  }

  /** The keeper is gone, with all that it alone knew: another one begins in its place. */
  keeperLost(): void {
    this.#registered.set(this.foundings.succeed(KEEPER, null), new Registered(this.#known, true));
  }

  /**
   * A survivor, or a backup, begins a founding with this image: what its cluster has chosen besides is lost.
   *
   * @param of which founding the image is of, and of which slot of it
   */
  began(id: string, image: Image, of: { readonly founding: string; readonly slot: number }): void {
    const { founding: former } = this.cluster(id);
    const begun = this.foundings.succeed(id, image, of);
    const { founding, state } = begun;
    if (id === KEEPER) this.#registered.set(begun, new Registered(this.#known, true));
    // What it took nobody may have applied before: of the founding before it counts what its survivor shows.
    for (const [mid, outcome] of state?.closed ?? [])
      for (const each of [former, founding]) this.#outcomes.set(`${id}/${each}/${mid}`, outcome);
  }

  /** The machine of `node` now shows the state after `slot`. */
  applied(node: NodeProcess, slot: number): void {
    const cluster = this.historyOf(node);
    if (cluster === null || slot !== cluster.top || slot === cluster.checked) return;
    cluster.checked = slot;
    const state = node.driver.machine.state;
    if (cluster.id === KEEPER) this.losses.heard(state);
    const before = cluster.state ?? state;
    cluster.versions.owns(slot, inForce(state));
    if (cluster.state !== null && state === before && cluster.lastChanges.length === 0) return;
    cluster.state = state;
    if (cluster.id !== SECOND_KEEPER) this.#checkBinding(cluster, state);
    if (this.#apart.has(cluster.id)) {
      checkApart(cluster, state);
      return;
    }
    if (cluster.id === KEEPER) {
      if (before.map !== state.map || before.migrations !== state.migrations)
        this.#checkKeeper(state, before);
      if (before.migrations !== state.migrations) this.auto.applied(before, state);
      this.#registered.get(cluster)?.applied(state, before);
      if (before.orders !== state.orders) this.#bury(state);
      this.#functions.keeperApplied(before, state, this.#ofNursery);
      return;
    }
    // One that is over serves nobody, whatever it holds and does: nobody who belongs to the nursery hears it.
    if (this.foundings.isOver(cluster.id, cluster.founding)) return;
    this.#checkWrites(cluster, slot, before, state);
    if (before.owned !== state.owned) {
      this.#checkServing(cluster, state);
      this.losses.owns(cluster, slot, state, this.keeper);
      const owners = this.#ofNursery.filter((each) => (each.state?.owned.length ?? 0) > 0);
      if (owners.length > 1) this.#history.parted();
    }
    if (before.functions !== state.functions || before.bound !== state.bound)
      this.#functions.clusterApplied(cluster, this.keeper, this.#ofNursery);
    if (before.closed !== state.closed) this.#checkOutcomes(cluster, state, before);
    if (before !== state) checkClosed(cluster, state, before);
    this.#checkStagings(cluster, before, state);
    if (before !== state) this.#tell(cluster, state, before);
  }

  /** Clusters that share the keys, in the foundings that count. */
  get #ofNursery(): ClusterHistory[] {
    return [...this.clusters.values()].filter(({ id }) => id !== KEEPER);
  }

  /** What is lost by an order serves nobody any more: empty homes may begin another founding. */
  #bury({ orders }: SystemState): void {
    for (const { kind, cluster, was } of orders.values()) {
      if (kind !== 'lost' || this.cluster(cluster).founding !== was) continue;
      this.foundings.succeed(cluster, null);
      this.#rare.note('rescue: lost');
    }
  }

  /** A master asks for votes. */
  proposed(node: NodeProcess, message: Extract<Message, { kind: 'accept' }>): void {
    const at = `${node.cluster}/${message.slot}`;
    const ballot = `${message.ballot.round}.${message.ballot.node}`;
    const first = this.#proposed.get(at);
    if (first === undefined) this.#proposed.set(at, ballot);
    else if (first !== ballot) {
      this.#proposed.set(at, ballot);
      if (message.value.kind === 'batch') this.#rare.note('value adopted from a promise');
      if (message.value.kind === 'noop') this.#rare.note('hole filled or no-op adopted');
    }
  }

  // ── Whose a cluster is ───────────────────────────────────────────────────────────────────────────────────

  /** A cluster belongs to the keeper, in a founding that this has bound. */
  #checkBinding({ id }: ClusterHistory, { bound, unconfirmed }: SystemState): void {
    if (bound === null) return;
    const { keeper, mine } = bound;
    const own = this.members(KEEPER)?.cluster;
    const registered = [...this.#registered.values()];
    check(
      keeper.founding === own || this.foundings.isOver(KEEPER, keeper.founding),
      'one-founding',
      () => `${id} is bound to keeper ${keeper.founding}, not ${own}`,
    );
    check(
      id === KEEPER ||
        unconfirmed !== '' ||
        registered.some((each) => each.wasBound(RACERS.includes(id) ? RACED : id, mine)) ||
        // Before a new keeper was told who is who, anybody could be.
        (id === IMPOSTOR && registered.slice(1).some((each) => each.hasBound(mine))),
      'one-founding',
      () => `founding ${mine} of ${id} is bound, and the keeper has never bound it`,
    );
  }

  // ── Checks of one slot ───────────────────────────────────────────────────────────────────────────────────

  /** A row changes because a client changes it in a served range, or because it is staged, or cleaned up. */
  #checkWrites(cluster: ClusterHistory, slot: number, before: SystemState, after: SystemState): void {
    for (const { key, after: value } of cluster.lastChanges) {
      const isServed = isServing(before, key) || isServing(after, key);
      if (isServed) {
        if (value !== null) this.#history.appliedAt(cluster.name, slot, key, value);
        continue;
      }
      const isSealed = sealOf(before, key) !== null && sealOf(after, key) === sealOf(before, key);
      check(
        !isSealed,
        'sealed-changes',
        () => `${cluster.id} changes ${printKey(key)} in slot ${slot}, while its range is sealed`,
      );
      const isStaged = isWithin(before.imports, key) || isWithin(after.imports, key);
      const isCleaned = isWithin(before.cleanups, key) || isWithin(after.cleanups, key);
      check(
        isStaged || (isCleaned && value === null),
        'outside',
        () =>
          `${cluster.id} changes ${printKey(key)} to ${value === null ? 'nothing' : Buffer.from(value)} in slot ${slot}, which it does not serve: ${JSON.stringify(after.owned)}`,
      );
    }
    this.#history.appliedSlot(cluster.name, slot, cluster.lastChanges);
  }

  #checkServing(cluster: ClusterHistory, state: SystemState): void {
    for (const own of inForce(state)) {
      if (own.sealedBy !== null) continue;
      for (const other of this.clusters.values()) {
        if (other === cluster || other.state === null) continue;
        const twice = inForce(other.state).find(
          (theirs) => theirs.sealedBy === null && overlaps(theirs, own),
        );
        check(
          twice === undefined,
          'one-owner',
          () => `${cluster.id} and ${other.id} both serve ${printRange(own)}`,
        );
      }
    }
  }

  #checkOutcomes(cluster: ClusterHistory, after: SystemState, before: SystemState): void {
    for (const [mid, outcome] of after.closed) {
      const id = `${cluster.id}/${cluster.founding}/${mid}`;
      const earlier = this.#outcomes.get(id);
      check(
        earlier === undefined || earlier === outcome,
        'outcome',
        () => `migration ${mid} was ${earlier} at ${cluster.id}, and is ${outcome} now`,
      );
      if (earlier !== undefined) continue;
      this.#outcomes.set(id, outcome);
      const record = this.keeper?.migrations.get(mid);
      if (record === undefined) continue;
      if (outcome === 'activated') this.#checkActivation(cluster, record);
      const { source, target } = this.#outcomesOf(record);
      const wasSealed = (before.exports.get(mid)?.seal ?? null) !== null;
      // Before the seal the source decides alone.
      const isSound =
        outcome === 'takenBack'
          ? record.rescue?.dead === 'target'
          : (source !== 'unsealed' || target !== 'activated') &&
            (outcome !== 'unsealed' || !wasSealed || target === 'abandoned') &&
            (source !== 'released' || target === 'activated');
      check(isSound, 'outcome', () => `migration ${mid} is ${target} at the target, ${source} at the source`);
      const isPublished = record.phase === 'published' || record.phase === 'done';
      check(
        outcome !== 'released' || isPublished,
        'evidence',
        () => `migration ${mid} is released before it is published`,
      );
      if (outcome === 'unsealed' && wasSealed) this.#rare.note('abort after seal');
      if (outcome === 'takenBack') this.#rare.note('rescue: a sealed range goes back to its source');
    }
  }

  /** What the target serves from now on is what the source sealed; but for what clients did in the same slot. */
  #checkActivation(target: ClusterHistory, record: Migration): void {
    const { mid, source: id, rescue } = record;
    if (rescue?.isCopy === true) return; // nobody is left with whom to compare
    const source = this.foundings.of(id, record.foundings?.source ?? '');
    const exporting = source.state?.exports.get(mid);
    check(
      exporting?.seal !== null && exporting?.seal !== undefined,
      'activation',
      () => `migration ${mid} is activated without a seal at ${id}`,
    );
    const changed = new Set(target.lastChanges.map(({ key }) => key));
    const difference = differenceOf(target, source, record, (key) => !changed.has(key));
    check(difference === null, 'activation', () => `migration ${mid}: ${difference}`);
    const there = this.#functionsAtSeal.get(mid) ?? NO_FUNCTIONS;
    const here = target.state?.functionsVersion ?? NO_FUNCTIONS;
    check(
      // What a former keeper had nobody waits for: people put it anew.
      there.keeper !== record.foundings?.keeper ||
        (here.keeper === there.keeper && here.version >= there.version),
      'function-missing',
      () =>
        `migration ${mid} is activated with functions at version ${here.version}; the source had ${there.version} at the seal`,
    );
  }

  #checkStagings(cluster: ClusterHistory, before: SystemState, after: SystemState): void {
    for (const [mid, record] of after.imports) {
      const id = `${cluster.id}/${cluster.founding}/${mid}`;
      const asOf = this.#asOf.get(id) ?? 0;
      check(
        record.asOf >= asOf,
        'as-of',
        () => `staging of migration ${mid} at ${cluster.id} falls from ${asOf} to ${record.asOf}`,
      );
      this.#asOf.set(id, record.asOf);
      const earlier = before.imports.get(mid);
      check(
        earlier === undefined || record.seq >= earlier.seq,
        'as-of',
        () => `page number of migration ${mid} falls at ${cluster.id}`,
      );
      const source = this.#peer(record.source, record.founding);
      const mayDiffer = record !== earlier || cluster.lastChanges.length > 0;
      const ours = source?.state?.exports.get(mid);
      if (source === null || ours === undefined || !mayDiffer) continue;
      if (isWith(ours, cluster)) this.#checkStaging(cluster, source, mid);
    }
    if (cluster.lastChanges.length === 0 && after.exports === before.exports) return;
    for (const [mid, record] of after.exports) {
      const target = this.#peer(record.target, record.founding);
      const theirs = target?.state?.imports.get(mid);
      if (target === null || theirs === undefined) continue;
      if (isWith(theirs, cluster)) this.#checkStaging(target, cluster, mid);
    }
  }

  /** The founding at the other end of a move, as long as it counts. */
  #peer(id: string, founding = ''): ClusterHistory | null {
    const peer = this.cluster(id);
    return founding === '' || founding === peer.founding ? peer : null;
  }

  /** What became of a migration at its ends, in the foundings that it began with. */
  #outcomesOf({ mid, source, target, foundings }: Migration): {
    readonly source: Outcome | undefined;
    readonly target: Outcome | undefined;
  } {
    const at = (id: string, founding = this.cluster(id).founding): Outcome | undefined =>
      this.#outcomes.get(`${id}/${founding}/${mid}`);
    return { source: at(source, foundings?.source), target: at(target, foundings?.target) };
  }

  #checkStaging(target: ClusterHistory, source: ClusterHistory, mid: number): void {
    const record = target.state?.imports.get(mid);
    if (record === undefined) return;
    const { lo, hi, cursor } = record;
    if (cursor === lo) return;
    const dirty = new Set<string>();
    drain(eachDirty(source.view, mid, '', (key) => note(dirty, key)));
    const isCopied = (key: string): boolean => cursor === hi || (cursor !== null && key < cursor);
    const difference = differenceOf(target, source, { lo, hi }, (key) => isCopied(key) && !dirty.has(key));
    check(difference === null, 'staging', () => `migration ${mid}: ${difference}`);
  }

  #checkKeeper(after: SystemState, before: SystemState): void {
    const { map, migrations } = after;
    if (map.entries.length > 0) {
      try {
        checkPartition(map);
      } catch (error) {
        check(false, 'partition', () => (error as Error).message);
      }
    }
    const records = [...migrations.values()];
    for (const record of records) {
      const { mid, phase, source, target } = record;
      const earlier = before.migrations.get(mid);
      if (earlier !== record && earlier?.phase !== phase) {
        this.#onMilestone({ cluster: KEEPER, mid, what: `migration ${phase}` });
        this.#rare.note(`migration ${phase}`);
        this.#checkEvidence(record);
      }
      if (records.some((other) => other.mid > mid && overlaps(other, record))) continue;
      // What an order gave to somebody since has an epoch that is higher than any before.
      const entries = entriesIn(map, record).filter(({ epoch }) => epoch <= mid);
      if (phase === 'published' || phase === 'done') {
        const other = entries.find((entry) => entry.owner !== target || entry.epoch !== mid);
        check(other === undefined, 'map-owner', () => `${mid} is ${phase}, the map names ${other?.owner}`);
        continue;
      }
      // Of a move that was published, and of which both ends died then, the map stays.
      const isTheirs = (epoch: number, owner: string): boolean =>
        phase === 'lost' && epoch === mid && owner === target;
      const other = entries.find(({ epoch, owner }) => owner !== source && !isTheirs(epoch, owner));
      check(
        other === undefined,
        'map-owner',
        () => `migration ${mid} is ${phase}, the map names ${other?.owner}`,
      );
    }
  }

  #checkEvidence(record: Migration): void {
    const { mid, phase, isUntold, rescue } = record;
    const { source: atSource, target: atTarget } = this.#outcomesOf(record);
    if (isMerge(record)) {
      const isEvident =
        phase === 'published' ? atSource === 'merged' : phase !== 'aborted' || atSource === 'unsealed';
      check(isEvident, 'evidence', () => `merge ${mid} is ${phase}, and ${atSource} at its owner`);
      return;
    }
    if (phase === 'published')
      check(
        atTarget === 'activated',
        'evidence',
        () => `migration ${mid} is published, and ${atTarget} at its target`,
      );
    if (phase === 'aborted')
      check(
        atSource === 'unsealed' &&
          (atTarget === 'abandoned' ||
            (atTarget === undefined && (isUntold === true || rescue?.dead === 'target'))),
        'evidence',
        () => `migration ${mid} is aborted, ${atTarget} at its target and ${atSource} at its source`,
      );
  }

  /** Counts and announces the steps of migrations. */
  #tell(cluster: ClusterHistory, after: SystemState, before: SystemState): void {
    const tell = (mid: number, what: string): void => {
      this.#rare.note(what);
      this.#onMilestone({ cluster: cluster.id, mid, what });
    };
    for (const mid of after.imports.keys()) if (!before.imports.has(mid)) tell(mid, 'import begun');
    for (const mid of after.exports.keys()) if (!before.exports.has(mid)) tell(mid, 'export begun');
    for (const [mid, { seal, base }] of after.exports) {
      const earlier = before.exports.get(mid);
      if (seal !== null && (earlier?.seal ?? null) === null) {
        // As of the slot before: what came in the same one may have come behind the seal.
        this.#functionsAtSeal.set(mid, before.functionsVersion);
        tell(mid, 'sealed');
      }
      if (base !== null && (earlier?.base ?? null) === null) tell(mid, 'base set');
    }
    for (const mid of before.cleanups.keys()) if (!after.cleanups.has(mid)) tell(mid, 'cleaned up');
    for (const [mid, outcome] of after.closed) if (!before.closed.has(mid)) tell(mid, outcome);
    for (const [mid, token] of after.tokens) {
      if (token > 1 && before.tokens.get(mid) !== token) this.#rare.note('taken over by a newer coordinator');
    }
  }

  // ── At the end ───────────────────────────────────────────────────────────────────────────────────────────

  /** What is still under way; null where everything has ended. */
  unfinished(): string | null {
    const keeper = this.keeper;
    if (keeper === null) return 'the keeper was never founded';
    for (const { mid, phase, progress, isUntold, target, foundings } of keeper.migrations.values()) {
      const isThere = foundings !== undefined && this.clusters.get(target)?.founding === foundings.target;
      if (isUntold === true && isThere)
        return `target ${target} does not know that migration ${mid} was aborted`;
      if (phase !== 'done' && phase !== 'aborted' && phase !== 'lost')
        return `migration ${mid} is ${phase} (${progress.stage}, ${progress.waitingFor})`;
    }
    for (const cluster of this.clusters.values()) {
      if (cluster.state === null) return `cluster ${cluster.id} was never founded`;
      if (cluster.state.cleanups.size > 0) return `cluster ${cluster.id} still cleans up`;
      if (cluster.state.unconfirmed !== '') return `cluster ${cluster.id} is not confirmed`;
    }
    return null;
  }

  /** Nothing is left of what ended, and every key is served by exactly the cluster that the map names. */
  atEnd(): void {
    const keeper = this.keeper as SystemState;
    for (const cluster of this.clusters.values()) {
      const { imports, exports, owned } = cluster.state as SystemState;
      const left = [...imports.keys(), ...exports.keys()];
      check(left.length === 0, 'leftovers', () => `${cluster.id} has something left of migrations ${left}`);
      for (const { sealedBy } of owned)
        check(sealedBy === null, 'leftovers', () => `${cluster.id} has a sealed range`);
      for (const key of cluster.data.keys()) {
        check(
          isServing(cluster.state as SystemState, key),
          'leftovers',
          () => `${cluster.id} still has a row ${printKey(key)} that it does not serve`,
        );
      }
    }
    for (const entry of keeper.map.entries) {
      const owned = this.cluster(entry.owner).state?.owned ?? [];
      check(
        owned.some((own) => covers(own, entry) && own.epoch === entry.epoch && own.sealedBy === null),
        'leftovers',
        () => `${entry.owner} does not serve ${printRange(entry)} at epoch ${entry.epoch}`,
      );
    }
  }
}

/** Whether a move is with that founding, as one end of it says. */
function isWith({ founding = '' }: { readonly founding?: string }, cluster: ClusterHistory): boolean {
  return founding === '' || founding === cluster.founding;
}

/** Of a cluster that is none of the nursery's: it owns nothing, or all that it had before, and gets and gives no rows. */
function checkApart({ id, lastChanges }: ClusterHistory, { owned, imports, exports }: SystemState): void {
  const hasOwn = id === IMPOSTOR && owned.every(({ epoch }) => epoch === 0);
  check(
    imports.size === 0 && exports.size === 0 && (owned.length === 0 || hasOwn),
    'one-founding',
    () => `${id}, an impostor, is given something, or gives it`,
  );
  const strange = lastChanges.find(
    ({ after }) => after !== null && !Buffer.from(after).toString().startsWith(FOREIGN_VALUE),
  );
  check(
    strange === undefined,
    'one-founding',
    () => `${id}, an impostor, has a row ${printKey(strange?.key ?? '')}`,
  );
}

/** What is decided, or lies below the floor, is never begun again. */
function checkClosed({ id }: ClusterHistory, after: SystemState, before: SystemState): void {
  for (const [what, now, then] of [
    ['imports', after.imports, before.imports],
    ['exports', after.exports, before.exports],
    ['cleanups', after.cleanups, before.cleanups],
  ] as const) {
    for (const mid of now.keys()) {
      const isDecided = before.closed.has(mid) || mid < before.floor;
      const isBegun = now.get(mid) !== then.get(mid) && (what !== 'cleanups' || !then.has(mid));
      check(
        !isDecided || !isBegun,
        'closed-command',
        () => `migration ${mid} is over at ${id}, and is in ${what} again`,
      );
    }
  }
}

function note(keys: Set<string>, key: string): true {
  keys.add(key);
  return true;
}

function isServing(state: SystemState, key: string): boolean {
  return inForce(state).some((own) => own.sealedBy === null && contains(own, key));
}

/** The migration that has sealed `key`'s range, or null. */
function sealOf({ owned }: SystemState, key: string): number | null {
  return owned.find((own) => contains(own, key))?.sealedBy ?? null;
}

function isWithin(ranges: ReadonlyMap<number, Range>, key: string): boolean {
  for (const range of ranges.values()) if (contains(range, key)) return true;
  return false;
}

/** The first row in which two clusters differ in `range`, of those that count. */
function differenceOf(
  target: ClusterHistory,
  source: ClusterHistory,
  range: Range,
  counts: (key: string) => boolean,
): string | null {
  for (const [key, value] of source.data) {
    if (!contains(range, key) || !counts(key)) continue;
    const other = target.data.get(key);
    if (other === undefined) return `${target.id} lacks ${printKey(key)}`;
    if (!sameBytes(other, value)) {
      return `${printKey(key)} is ${Buffer.from(other)} at ${target.id}, ${Buffer.from(value)} at ${source.id}`;
    }
  }
  for (const key of target.data.keys()) {
    if (contains(range, key) && counts(key) && !source.data.has(key)) {
      return `${target.id} has ${printKey(key)}, which ${source.id} has not`;
    }
  }
  return null;
}

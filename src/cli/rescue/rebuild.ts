/**
 * The map and the open moves of a nursery whose keeper is lost, computed from what every cluster has told of itself; or why that
 * cannot be (docs/architecture.md, "Rescue"). Pure: the same answers give the same map.
 */
import type { Key } from '../../base/bytes.ts';
import { overlaps, printRange, type Range } from '../../keyspace/range.ts';
import type { MapEntry } from '../../keyspace/rangemap.ts';
import { type Belongings, type Migration, NO_PROGRESS, type Outcome } from '../../protocol/admin/admin.ts';
import { type Claim, claimsOf, cutAt, sweep, weigh, whoStays, whyDisputed, type Yield } from './claims.ts';
import { unknownFounding } from './unknown-founding.ts';

/** What one cluster has told, as of the slot in which it came to the new keeper. */
export type Told = { readonly cluster: string; readonly belongings: Belongings };

/** What the operator says. */
export type Order = {
  readonly order: number;
  /** The new keeper's cluster, its founding, and the founding of the one that is lost. */
  readonly keeper: { readonly cluster: string; readonly founding: string; readonly from: string };
  /** Clusters that cannot tell any more; also the keeper's, where that served keys. */
  readonly lost: readonly string[];
  /** Where two own a range: who yields there, whatever its epoch; its rows go to clean-up. */
  readonly yields: readonly Yield[];
  /** Whose is what nobody says anything of, or what a dead founding of that cluster had last; null: that is to be refused. */
  readonly unclaimed: string | null;
};

/** What the new keeper is given. `clusters`: those that told, and those that are said to be lost, as far as anybody knows them. */
export type Rebuilt = {
  readonly clusters: readonly { readonly cluster: string; readonly founding: string }[];
  readonly entries: readonly MapEntry[];
  readonly migrations: readonly Migration[];
  /** Before the map is given: what a cluster does not own any more, and who does; `mid` names its clean-up. */
  readonly yielded: readonly Yielded[];
  readonly lastMid: number;
};
/** A range that a cluster has to give up first. */
export type Yielded = { readonly cluster: string; readonly mid: number; readonly to: MapEntry };

/** So far above everything that was met the new keeper goes on: what the lost one allotted and nobody met lies below. */
const LEAP = 1_000_000;

/** Which founding of each id is in force, and of which of them somebody waits to take the place. */
type Known = ReadonlyMap<string, { readonly founding: string; readonly successor: string | null }>;
/** Whose an interval is; `epoch` null where nobody says since when. */
type Owner = {
  readonly cluster: string;
  readonly founding: string;
  readonly epoch: number | null;
  /** Others that own it too, and have to give it up. */
  readonly yielding: readonly string[];
};

/** The map and the open moves, or all reasons why not. */
export function rebuild(told: readonly Told[], order: Order): Rebuilt | { readonly whyNot: string[] } {
  const foundings = foundingsOf(told, order);
  const whyNot = missingOf(told, order);
  let lastMid = told.reduce((high, { belongings }) => Math.max(high, belongings.lastMid), 0) + LEAP;
  const entries: MapEntry[] = [];
  const sides = told.map(sideOf);
  const yielded: Yielded[] = [];
  for (const range of intervalsOf(told, order)) {
    const owner = ownerOf(range, sides, foundings, order);
    if ('whyNot' in owner) {
      whyNot.push(owner.whyNot);
      continue;
    }
    const { cluster, founding, yielding } = owner;
    // Nobody says since when it is a lost one's: since now.
    if (owner.epoch === null) lastMid += 1;
    const epoch = owner.epoch ?? lastMid;
    for (const other of yielding) {
      lastMid += 1;
      yielded.push({ cluster: other, mid: lastMid, to: { ...range, owner: cluster, epoch, founding } });
    }
    const last = entries.at(-1);
    const joins = last?.owner === cluster && last.founding === founding && last.epoch === epoch;
    if (joins && last.hi === range.lo) entries[entries.length - 1] = { ...last, hi: range.hi };
    else entries.push({ ...range, owner: cluster, epoch, founding });
  }
  whyNot.push(...yielded.flatMap((each) => movingOf(told, each)));
  if (whyNot.length > 0) return { whyNot };
  const moves = new Moves(told, foundings, order, lastMid);
  const migrations = moves.records();
  const clusters = [...foundings].map(([cluster, { founding }]) => ({ cluster, founding }));
  return { clusters, entries, migrations, yielded, lastMid: moves.lastMid };
}

/**
 * Which founding of each id is in force. Who tells says it himself; one that no keeper has confirmed yet is known by the one whose
 * place it takes. Of a lost one it is what was met last, if anybody has met it.
 */
function foundingsOf(told: readonly Told[], { lost, keeper }: Order): Known {
  const met = new Map<string, { readonly founding: string; readonly at: number }>();
  const meet = (id: string, founding: string, at: number): void => {
    if (founding !== '' && at >= (met.get(id)?.at ?? 0)) met.set(id, { founding, at });
  };
  for (const { belongings } of told) {
    for (const { peer, founding, mid } of [...belongings.exports, ...belongings.imports])
      meet(peer, founding, mid);
    for (const { owner, founding = '', epoch } of belongings.forward) meet(owner, founding, epoch);
  }
  const foundings = new Map<string, { readonly founding: string; readonly successor: string | null }>();
  for (const id of lost) {
    const known = id === keeper.cluster ? keeper.from : met.get(id)?.founding;
    foundings.set(id, { founding: known ?? unknownFounding(id), successor: null });
  }
  for (const { cluster, belongings } of told) {
    const { founding, unconfirmed } = belongings;
    const isPlain = unconfirmed === '';
    foundings.set(
      cluster,
      isPlain ? { founding, successor: null } : { founding: unconfirmed, successor: founding },
    );
  }
  return foundings;
}

/** Whoever has begun a move must have answered, or be named as lost: its log decides. */
function missingOf(told: readonly Told[], { lost }: Order): string[] {
  const known = new Set([...told.map(({ cluster }) => cluster), ...lost]);
  return told.flatMap(({ cluster, belongings }) =>
    [...belongings.exports, ...belongings.imports].flatMap(({ mid, peer }) =>
      known.has(peer)
        ? []
        : [
            `${cluster} has migration ${mid} with ${peer}, which has not answered: name its file too, or, where it is lost, --lost and its file`,
          ],
    ),
  );
}

/** A move decides whose the range is, and has to come to its end at both clusters that it began at. */
function movingOf(told: readonly Told[], { cluster, to }: Yielded): string[] {
  const belongings = told.find((each) => each.cluster === cluster)?.belongings;
  const moves = [...(belongings?.exports ?? []), ...(belongings?.imports ?? [])];
  return moves
    .filter((move) => overlaps(move, to))
    .map(
      ({ mid }) =>
        `${cluster} does not yield ${printRange(to)}, of which it has migration ${mid}: stop ${cluster}, and name it with --lost`,
    );
}

/** The key space, cut wherever a range of anybody begins or ends. */
function intervalsOf(told: readonly Told[], { yields }: Order): Range[] {
  return cutAt([
    ...yields.map(({ range }) => range),
    ...told.flatMap(({ belongings }) => [...belongings.owned, ...belongings.forward]),
  ]);
}

/** What one cluster says of key after key, each above the one before. */
type Side = { readonly claim: (key: Key) => Claim[]; readonly hint: (key: Key) => MapEntry | null };

function sideOf({ cluster, belongings }: Told): Side {
  const { unconfirmed, owned, forward } = belongings;
  return { claim: claimsOf({ cluster, isConfirmed: unconfirmed === '', owned }), hint: sweep(forward) };
}

function ownerOf(
  range: Range,
  sides: readonly Side[],
  foundings: Known,
  order: Order,
): Owner | { readonly whyNot: string } {
  const claims = sides.flatMap((side) => side.claim(range.lo));
  const hints = sides.flatMap((side) => side.hint(range.lo) ?? []);
  const { standing, yielding } = weigh(range, claims, order.yields);
  const owner = whoStays({ standing, yielding });
  if (owner !== null) {
    const { cluster, epoch } = owner;
    return { cluster, founding: foundings.get(cluster)?.founding ?? '', epoch, yielding };
  }
  if (standing.length > 0) return { whyNot: whyDisputed({ ...range, standing, yielding }) };
  const hint = hints.reduce<MapEntry | null>(
    (high, each) => (high === null || each.epoch > high.epoch ? each : high),
    null,
  );
  return hint === null ? ownerOfUnknown(range, foundings, order) : ownerByHint(range, hint, foundings, order);
}

/** Nobody owns it, and somebody says who had it last. */
function ownerByHint(
  range: Range,
  { owner, epoch, founding }: MapEntry,
  foundings: Known,
  { lost, unclaimed, keeper }: Order,
): Owner | { readonly whyNot: string } {
  const now = foundings.get(owner);
  const had = founding ?? now?.founding ?? '';
  if (lost.includes(owner)) return { cluster: owner, founding: had, epoch, yielding: [] };
  const nobody = `nobody owns ${printRange(range)}: ${owner} had it last`;
  if (owner === keeper.cluster)
    return { whyNot: `${nobody}, which is the keeper itself: name its own file with --lost` };
  const successor = now?.founding === had ? now.successor : (now?.founding ?? null);
  if (successor === null)
    return {
      whyNot: `${nobody}, and does not claim it, or has not answered; name the file of its cluster, or, where it is lost, --lost and its file`,
    };
  // A survivor that lacked it took the place of whoever had it.
  if (unclaimed === owner) return { cluster: owner, founding: had, epoch, yielding: [] };
  return {
    whyNot: `${nobody}, in founding ${had}, whose place ${successor} has taken: where no other cluster has it, --unclaimed ${owner} leaves it to that one, and nursery rescue lost ${owner} brings it to another cluster`,
  };
}

/** Nobody owns it, and nobody knows who did. */
function ownerOfUnknown(
  range: Range,
  foundings: Known,
  { lost, unclaimed }: Order,
): Owner | { readonly whyNot: string } {
  const heir = unclaimed ?? (lost.length === 1 ? lost[0] : null) ?? null;
  const founding = heir === null || !lost.includes(heir) ? undefined : foundings.get(heir)?.founding;
  if (heir !== null && founding !== undefined) return { cluster: heir, founding, epoch: null, yielding: [] };
  const nobody = `nobody owns ${printRange(range)}: nobody says whose it was`;
  if (lost.length === 0)
    return {
      whyNot: `${nobody}; name the file of its cluster, or, where that is lost, --lost and its file`,
    };
  return {
    whyNot: `${nobody}, and ${lost.join(', ')} are lost: --unclaimed with the name of one of them leaves it to that one, from where nursery rescue lost brings it to another cluster, as all that was theirs`,
  };
}

type End = Belongings['exports'][number] & { readonly source: string; readonly target: string };

/** Moves that are begun somewhere. One whose target has activated is finished; any other goes back. */
class Moves {
  lastMid: number;
  readonly #told: ReadonlyMap<string, Belongings>;
  readonly #tokens = new Map<number, number>();
  readonly #closed = new Map<string, ReadonlyMap<number, Outcome>>();
  readonly #exports = new Map<string, ReadonlySet<number>>();
  readonly #foundings: Known;
  readonly #order: Order;

  constructor(told: readonly Told[], foundings: Known, order: Order, lastMid: number) {
    this.#told = new Map(told.map(({ cluster, belongings }) => [cluster, belongings]));
    this.#foundings = foundings;
    this.#order = order;
    this.lastMid = lastMid;
    for (const { cluster, belongings } of told) {
      for (const { mid, token } of belongings.tokens)
        this.#tokens.set(mid, Math.max(token, this.#tokens.get(mid) ?? 0));
      this.#closed.set(cluster, new Map(belongings.closed.map(({ mid, outcome }) => [mid, outcome])));
      this.#exports.set(cluster, new Set(belongings.exports.map(({ mid }) => mid)));
    }
  }

  /** In the order of their numbers. */
  records(): Migration[] {
    const records = new Map<number, Migration>();
    for (const [cluster, belongings] of this.#told) {
      for (const end of belongings.exports)
        records.set(end.mid, this.#record({ ...end, source: cluster, target: end.peer }, cluster));
      for (const each of belongings.imports) {
        const end = { ...each, source: each.peer, target: cluster };
        // Whoever waits to be confirmed drops what it had staged by that.
        const isDropped = this.#isOver(end) && belongings.unconfirmed !== '';
        if (!records.has(each.mid) && !isDropped) records.set(each.mid, this.#record(end, cluster));
      }
    }
    return [...records.values()].sort((a, b) => a.mid - b.mid);
  }

  #record(end: End, teller: string): Migration {
    const { mid, lo, hi, source, target, founding } = end;
    const founded = (id: string): string =>
      (id === teller ? '' : founding) || (this.#foundings.get(id)?.founding ?? '');
    const isActivated = this.#hasActivated(end);
    const isPublished = isActivated || this.#hasReleased(end);
    const isOver = this.#isOver(end);
    const foundings = {
      keeper: this.#order.keeper.founding,
      source: founded(source),
      target: founded(target),
    };
    const rescue = isOver ? {} : this.#rescueOf(end, foundings, isActivated);
    return {
      mid,
      source,
      target,
      lo,
      hi,
      phase: isOver ? 'aborted' : isPublished ? 'published' : 'active',
      token: this.#tokens.get(mid) ?? 0,
      heartbeat: 0,
      wish: isPublished ? 'run' : 'abort',
      why: isPublished ? '' : 'its keeper was lost',
      progress: NO_PROGRESS,
      receipt: null,
      foundings,
      ...(isOver ? { isUntold: true as const } : {}),
      ...rescue,
    };
  }

  #outcomeOf(cluster: string, mid: number): Outcome | undefined {
    return this.#closed.get(cluster)?.get(mid);
  }

  /** A survivor of a target that had activated has the range at a later epoch. */
  #hasActivated({ mid, target, ...range }: End): boolean {
    if (this.#outcomeOf(target, mid) === 'activated') return true;
    const owned = this.#told.get(target)?.owned ?? [];
    return owned.some((own) => own.epoch >= mid && overlaps(own, range));
  }

  /** Its target had activated, which a survivor of that one does not know. */
  #hasReleased({ mid, source }: End): boolean {
    return this.#outcomeOf(source, mid) === 'released';
  }

  /** It was aborted while its target did not answer: its source has forgotten it, and the target is to be told. */
  #isOver({ mid, source, target }: End): boolean {
    const theirs = this.#told.get(source);
    if (theirs === undefined || this.#exports.get(source)?.has(mid) === true) return false;
    return mid < theirs.floor && this.#told.get(target)?.imports.some((end) => end.mid === mid) === true;
  }

  /** An end of it was dead before the keeper was lost, or is the keeper: it is settled without that one. */
  #rescueOf(
    { source, target }: End,
    foundings: { readonly source: string; readonly target: string },
    isActivated: boolean,
  ): Pick<Migration, 'rescue'> {
    const { order, keeper } = this.#order;
    const isDead = (id: string, founding: string): boolean =>
      id === keeper.cluster || this.#foundings.get(id)?.founding !== founding;
    const dead = isDead(target, foundings.target)
      ? 'target'
      : isDead(source, foundings.source)
        ? 'source'
        : null;
    if (dead === null) return {};
    const isThere = dead === 'target' && isActivated;
    if (dead === 'target' && !isThere) this.lastMid += 1;
    const epoch = dead === 'target' && !isThere ? this.lastMid : 0;
    return { rescue: { order, dead, epoch, isThere, isCopy: false } };
  }
}

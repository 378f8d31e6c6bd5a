/**
 * The map and the open moves of a nursery whose keeper is lost, computed from what every cluster has told of itself; or why that
 * cannot be (docs/architecture.md, "Rescue"). Pure: the same answers give the same map.
 */
import { contains, printRange, type Range } from '../../keyspace/range.ts';
import type { MapEntry } from '../../keyspace/rangemap.ts';
import { type Belongings, type Migration, NO_PROGRESS } from '../../protocol/admin/admin.ts';

/** What one cluster has told, as of the slot in which it came to the new keeper. */
export type Told = { readonly cluster: string; readonly belongings: Belongings };

/** What the new keeper is given. `clusters`: those that told, and those that are said to be lost, as far as anybody knows them. */
export type Rebuilt = {
  readonly clusters: readonly { readonly cluster: string; readonly founding: string }[];
  readonly entries: readonly MapEntry[];
  readonly migrations: readonly Migration[];
  readonly lastMid: number;
};

/** So far above everything that was met the new keeper goes on: what the lost one allotted and nobody met lies below. */
const LEAP = 1_000_000;

type Claim = { readonly cluster: string; readonly epoch: number; readonly sealedBy: number | null };

/**
 * @param keeper founding of the new keeper
 * @param lost clusters that cannot tell any more, by the operator's word
 */
export function rebuild(
  keeper: string,
  told: readonly Told[],
  lost: readonly string[],
): Rebuilt | { readonly whyNot: string[] } {
  const foundings = foundingsOf(told, lost);
  const whyNot = [...missingOf(told, lost), ...unknownOf(lost, foundings)];
  const lastMet = Math.max(0, ...told.map(({ belongings }) => belongings.lastMid));
  let lastMid = lastMet + LEAP;
  const entries: MapEntry[] = [];
  for (const range of intervalsOf(told)) {
    const owner = ownerOf(range, told, lost);
    if ('whyNot' in owner) {
      whyNot.push(owner.whyNot);
      continue;
    }
    const { cluster } = owner;
    const founding = foundings.get(cluster);
    // Nobody says since when it is a lost one's: since now.
    if (owner.epoch === null) lastMid += 1;
    const epoch = owner.epoch ?? lastMid;
    const last = entries.at(-1);
    if (last?.owner === cluster && last.epoch === epoch && last.hi === range.lo)
      entries[entries.length - 1] = { ...last, hi: range.hi };
    else entries.push({ ...range, owner: cluster, epoch, ...(founding === undefined ? {} : { founding }) });
  }
  if (whyNot.length > 0) return { whyNot };
  const migrations = migrationsOf(keeper, told, foundings);
  const clusters = [...foundings].map(([cluster, founding]) => ({ cluster, founding }));
  return { clusters, entries, migrations, lastMid };
}

/** A founding that no keeper has confirmed yet is known by the one whose place it takes. */
function foundingsOf(told: readonly Told[], lost: readonly string[]): Map<string, string> {
  const foundings = new Map(
    told.map(({ cluster, belongings }) => [cluster, belongings.unconfirmed || belongings.founding]),
  );
  for (const { belongings } of told) {
    for (const { peer, founding } of [...belongings.exports, ...belongings.imports])
      if (lost.includes(peer) && founding !== '') foundings.set(peer, founding);
    for (const { owner, founding } of belongings.forward)
      if (lost.includes(owner) && founding !== undefined) foundings.set(owner, founding);
  }
  return foundings;
}

/** Whoever is named by an answer must have answered, or be named as lost: its log decides. */
function missingOf(told: readonly Told[], lost: readonly string[]): string[] {
  const known = new Set([...told.map(({ cluster }) => cluster), ...lost]);
  return told.flatMap(({ cluster, belongings }) =>
    [...belongings.exports, ...belongings.imports].flatMap(({ mid, peer }) =>
      known.has(peer)
        ? []
        : [
            `${cluster} has migration ${mid} with ${peer}, which has not answered: name its file too, or --lost ${peer}`,
          ],
    ),
  );
}

function unknownOf(lost: readonly string[], foundings: ReadonlyMap<string, string>): string[] {
  return lost.flatMap((id) =>
    foundings.has(id)
      ? []
      : [`nobody who answered has ever had to do with ${id}: it owns nothing that could be known`],
  );
}

/** The key space, cut wherever a range of anybody begins or ends. */
function intervalsOf(told: readonly Told[]): Range[] {
  const ranges = told.flatMap(({ belongings }) => [...belongings.owned, ...belongings.forward]);
  const cuts = new Set(['', ...ranges.flatMap(({ lo, hi }) => (hi === null ? [lo] : [lo, hi]))]);
  const sorted = [...cuts].sort();
  return sorted.map((lo, index) => ({ lo, hi: sorted[index + 1] ?? null }));
}

/** Whose an interval is; `epoch` null where nobody says since when. */
function ownerOf(
  range: Range,
  told: readonly Told[],
  lost: readonly string[],
): { readonly cluster: string; readonly epoch: number | null } | { readonly whyNot: string } {
  const claims = told.flatMap(({ cluster, belongings }): Claim[] => {
    const own = belongings.owned.find((each) => contains(each, range.lo));
    return own === undefined ? [] : [{ cluster, epoch: own.epoch, sealedBy: own.sealedBy }];
  });
  // A source that has sealed and a target that has activated: the range is the target's.
  const standing = claims.filter(
    ({ sealedBy }) => sealedBy === null || !claims.some((other) => other.epoch === sealedBy),
  );
  const [first, second] = standing;
  if (first !== undefined && second !== undefined) {
    const both = standing.map(({ cluster, epoch }) => `${cluster} at epoch ${epoch}`).join(' and ');
    return {
      whyNot: `${printRange(range)} is owned by ${both}: the higher epoch is the later one; stop the other cluster, and name it with --lost`,
    };
  }
  if (first !== undefined) return { cluster: first.cluster, epoch: first.epoch };
  const hints = told
    .flatMap(({ belongings }) => belongings.forward.filter((entry) => contains(entry, range.lo)))
    .sort((a, b) => b.epoch - a.epoch);
  const [hint] = hints;
  if (hint !== undefined && lost.includes(hint.owner)) return { cluster: hint.owner, epoch: hint.epoch };
  const [only] = lost;
  if (hint === undefined && only !== undefined && lost.length === 1) return { cluster: only, epoch: null };
  const whose =
    hint === undefined
      ? 'nobody says whose it was'
      : `${hint.owner} had it last, and does not claim it, or has not answered`;
  return {
    whyNot: `nobody owns ${printRange(range)}: ${whose}; name the file of its cluster, or --lost CLUSTER`,
  };
}

/** Moves that are begun somewhere. One whose target has activated is finished; any other goes back. */
function migrationsOf(
  keeper: string,
  told: readonly Told[],
  foundings: ReadonlyMap<string, string>,
): Migration[] {
  const records = new Map<number, Migration>();
  const of = (id: string): Belongings | undefined => told.find(({ cluster }) => cluster === id)?.belongings;
  for (const { cluster, belongings } of told) {
    const ends = [
      ...belongings.exports.map((end) => ({ ...end, source: cluster, target: end.peer })),
      ...belongings.imports.map((end) => ({ ...end, source: end.peer, target: cluster })),
    ];
    for (const { mid, lo, hi, source, target } of ends) {
      const theirs = of(target);
      const isActivated =
        theirs?.closed.some((each) => each.mid === mid && each.outcome === 'activated') === true ||
        theirs?.owned.some(({ epoch }) => epoch === mid) === true;
      const tokens = [of(source), theirs].flatMap(
        (each) => each?.tokens.filter((token) => token.mid === mid) ?? [],
      );
      records.set(mid, {
        mid,
        source,
        target,
        lo,
        hi,
        phase: isActivated ? 'published' : 'active',
        token: Math.max(0, ...tokens.map(({ token }) => token)),
        heartbeat: 0,
        wish: isActivated ? 'run' : 'abort',
        why: isActivated ? '' : 'its keeper was lost',
        progress: NO_PROGRESS,
        receipt: null,
        foundings: { keeper, source: foundings.get(source) ?? '', target: foundings.get(target) ?? '' },
      });
    }
  }
  return [...records.values()].sort((a, b) => a.mid - b.mid);
}

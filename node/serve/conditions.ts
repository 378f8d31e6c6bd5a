/** What is so at a node that ought not to be, and since when by its own clock: for status, which judges it (src/health). */
import type { Condition } from '../../src/protocol/admin/node-facts.ts';
import type { ReplicaStatus } from '../paxos/status.ts';
import { statusOf } from '../paxos/step.ts';
import type { Slot } from '../paxos/values.ts';
import type { Heartbeats } from './heartbeats.ts';
import type { RequestContext } from './request-context.ts';

/** Conditions that are told at most. */
const CONDITIONS_MAX = 2000;
/** How often it is noted what is chosen (ms). */
const MARK_EVERY_MS = 500;
/** How often it is looked since when something is as it ought not to be, which is told in seconds (ms). */
const LOOK_EVERY_MS = 500;
/** A peer has so long to apply what is chosen (ms), beside half a lease: it tells how far it is eight times a lease. */
const BEHIND_MS = 2000;

/** One that holds now; `sinceMs` by the monotonic clock, where somebody knows better than whoever looks. */
export type Present = Omit<Condition, 'sinceMs'> & { readonly sinceMs?: number };

/** Keeps since when each has held without a break. */
export class Conditions {
  #known = new Map<string, Condition>();

  /** To be called often with all that hold, the monotonic and the wall clock (ms). */
  look(present: readonly Present[], nowMs: number, wallMs: number): void {
    const known = new Map<string, Condition>();
    for (const { kind, subject, detail, sinceMs } of present.slice(0, CONDITIONS_MAX)) {
      const id = `${kind} ${subject}`;
      const before = this.#known.get(id);
      const began = sinceMs === undefined ? wallMs : Math.round(wallMs - (nowMs - sinceMs));
      known.set(id, { kind, subject, detail, sinceMs: before?.sinceMs ?? began });
    }
    this.#known = known;
  }

  get all(): Condition[] {
    return [...this.#known.values()];
  }
}

/** What was chosen a while ago: whoever has not applied that is behind, however fast it goes on. */
export class Lag {
  #marks: { readonly atMs: number; readonly chosen: Slot }[] = [];

  /** The slot that everybody should have applied by now; to be called often. */
  look(chosen: Slot, leaseMs: number, nowMs: number): Slot {
    const last = this.#marks.at(-1);
    if (last === undefined || nowMs - last.atMs >= MARK_EVERY_MS) this.#marks.push({ atMs: nowMs, chosen });
    const old = (mark: { readonly atMs: number } | undefined): boolean =>
      mark !== undefined && nowMs - mark.atMs >= BEHIND_MS + leaseMs / 2;
    while (old(this.#marks[1])) this.#marks.shift();
    const [first] = this.#marks;
    return first !== undefined && old(first) ? first.chosen : 0;
  }
}

type Looked = Pick<RequestContext, 'driver' | 'introduction' | 'heartbeats' | 'seals' | 'nowMs'>;
/** What a node sees beside its replica, and its clocks. */
export type Seen = Pick<RequestContext, 'seals' | 'nowMs'> & {
  readonly heartbeats: Heartbeats;
  /** Wall clock (ms since 1970). */
  wallMs(): number;
};

/** Looks at one node. */
export class ConditionWatch {
  readonly #looked: Looked & Seen;
  readonly #conditions = new Conditions();
  readonly #lag = new Lag();
  #lookedMs = Number.NEGATIVE_INFINITY;

  constructor(looked: Pick<Looked, 'driver' | 'introduction'> & Seen) {
    this.#looked = looked;
  }

  /** To be called often. */
  tick(): void {
    if (this.#looked.nowMs() - this.#lookedMs >= LOOK_EVERY_MS) this.look();
  }

  /** Looks now. */
  look(): void {
    const { driver, nowMs, wallMs } = this.#looked;
    this.#lookedMs = nowMs();
    const status = statusOf(driver.replica, nowMs());
    const due = this.#lag.look(status.chosen, driver.replica.config.leaseMs, nowMs());
    this.#conditions.look(presentConditions(this.#looked, status, due), nowMs(), wallMs());
  }

  /** All that hold now. */
  get all(): Condition[] {
    this.look();
    return this.#conditions.all;
  }
}

/** All that hold at this moment. @param due the slot that peers should have applied */
export function presentConditions(
  context: Looked,
  { role, waitsFor }: Pick<ReplicaStatus, 'role' | 'waitsFor'>,
  due: Slot,
): Present[] {
  const { driver, introduction, seals, nowMs } = context;
  const { machine, replica } = driver;
  const one = (kind: Present['kind'], detail: string | null): Present[] =>
    detail === null ? [] : [{ kind, subject: '', detail }];
  // Who has no vote grants no lease, and is told of none.
  const votes = replica.founded !== null && role !== 'learner' && role !== 'joining';
  return [
    ...one('noMaster', votes && driver.master() === null ? 'no master has a lease' : null),
    ...one('waits', waitsFor),
    ...one('refuses', introduction.waits ?? null).map((each) => ({
      ...each,
      subject: introduction.succession?.why == null ? 'keeper' : 'succession',
    })),
    ...one('full', driver.waitsForRoom),
    ...one('store', driver.standing === 'sound' ? null : `${driver.standing} store`),
    ...machine.seals.map(({ mid }): Present => {
      const age = seals.ageOf(mid, nowMs());
      const since = age === null ? {} : { sinceMs: nowMs() - age.ms };
      return { kind: 'sealed', subject: String(mid), detail: '', ...since };
    }),
    ...(driver.mayRead() ? asMaster(context, due) : []),
    ...(introduction.noted ?? []).map(
      ({ subject, text, sinceMs }): Present => ({ kind: 'note', subject, detail: text, sinceMs }),
    ),
    ...one('note', machine.strangersWhy === null ? null : `nursery init is refused: ${machine.strangersWhy}`),
  ];
}

/** What a master alone sees: the others, and moves that stand still. */
function asMaster({ driver, heartbeats, nowMs }: Looked, due: Slot): Present[] {
  const { config, members, peers, chosen } = driver.replica;
  const others = new Set([...members.members.map(({ node }) => node), ...config.learners]);
  others.delete(config.node);
  const seen: Present[] = [];
  for (const node of others) {
    const peer = peers.get(node);
    if (peer === undefined || nowMs() - peer.heardMs > config.leaseMs) {
      const since = peer === undefined ? {} : { sinceMs: peer.heardMs };
      seen.push({ kind: 'unseen', subject: node, detail: '', ...since });
    } else if (peer.applied < due) {
      seen.push({ kind: 'behind', subject: node, detail: `slot ${peer.applied} of ${chosen}` });
    }
  }
  const isVoter = (node: string): boolean => !config.learners.includes(node);
  const absent = config.wished.filter(
    (wished) => isVoter(wished) && !members.members.some(({ node }) => node === wished),
  );
  const still = heartbeats?.still?.(nowMs()) ?? [];
  return [
    ...seen,
    ...absent.map((subject): Present => ({ kind: 'absent', subject, detail: '' })),
    ...still.map(
      ({ mid, atMs }): Present => ({ kind: 'still', subject: String(mid), detail: '', sinceMs: atMs }),
    ),
  ];
}

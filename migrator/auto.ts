/**
 * Rebalancing by itself, in a process that migrates: looks now and then while people wish it, and asks the keeper for the moves that the
 * look has led to (core/auto.ts). While nobody wishes it, it asks nobody anything.
 */
import { NurseryError } from '../src/base/errors.ts';
import type { AdminAnswer, AdminQuery, KeeperMap } from '../src/protocol/admin/admin.ts';
import { type AutoAnswer, type AutoWish, RECENT_MAX } from '../src/protocol/admin/auto.ts';
import type { CountedBucket } from '../src/protocol/admin/node-facts.ts';
import { keeperOf } from './connections.ts';
import {
  AUTO_BEGINNING,
  type AutoJudged,
  type AutoPlan,
  type AutoState,
  autoIdle,
  judgeAuto,
  planAuto,
  whileIdle,
} from './core/auto.ts';
import { type Told, toldIn } from './core/weigh.ts';
import { ANSWER_MS, unexpected } from './questions.ts';
import type { World } from './world.ts';

/** Between two looks, give or take a quarter (ms): where all is even, and where something is to be done. */
export type AutoTimes = { readonly lookMs: number; readonly soonMs: number };
const TIMES: AutoTimes = { lookMs: 60_000, soonMs: 10_000 };
/** Before the first look (ms), up to so long. */
const FIRST_MS = 1000;
/** A node that is down must not keep the others waiting (ms). */
const NODE_MS = 1000;
/** Clusters, and nodes, that are asked at a time. */
const AT_ONCE = 8;

/** How a look has ended: what is wished, and what it has led to, of which map. */
export type AutoLooked = AutoPlan & { readonly wish: AutoWish; readonly mapVersion: number };

/** What a planner tells. */
export type AutoListener = {
  /** The keeper has taken a move, or a merge: it has that number. */
  planned(mid: number): void;
  /** Each look. */
  looked(looked: AutoLooked): void;
  /** An invariant does not hold: the process should end. */
  broken(error: Error): void;
};

/** Plans by itself while people wish it. */
export class AutoPlanner {
  readonly #world: World & { chance(): number };
  readonly #listener: AutoListener;
  readonly #times: AutoTimes;
  #state: AutoState = AUTO_BEGINNING;
  /** The number of the wish that was heard of last; 0: none. */
  #wish = 0;
  #isLooking = false;
  #isStopped = false;
  /** Takes the next look back; null where none is to come. */
  #timer: (() => void) | null = null;

  constructor(world: World & { chance(): number }, listener: AutoListener, times: Partial<AutoTimes> = {}) {
    this.#world = world;
    this.#listener = listener;
    this.#times = { ...TIMES, ...times };
  }

  /** What it keeps between two looks. */
  get state(): AutoState {
    return this.#state;
  }

  /** @param wish the number of the wish in force, as a node of the keeper says; 0: none */
  hear(wish: number): void {
    const isNew = wish !== this.#wish;
    this.#wish = wish;
    if (this.#isStopped || this.#isLooking || (!isNew && this.#timer !== null)) return;
    this.#timer?.();
    this.#timer = null;
    if (wish > 0) this.#lookAfter(FIRST_MS * this.#world.chance());
  }

  /** Looks no more, and plans nothing. */
  stop(): void {
    this.#isStopped = true;
    this.#timer?.();
  }

  #lookAfter(delayMs: number): void {
    this.#timer = this.#world.after(delayMs, () => {
      this.#timer = null;
      this.#look();
    });
  }

  #look(): void {
    const wish = this.#wish;
    this.#isLooking = true;
    lookForAuto(this.#world, this.#state, (looked) => {
      if (this.#isStopped) return;
      this.#isLooking = false;
      if (looked instanceof Error) {
        if (!(looked instanceof NurseryError)) {
          this.#listener.broken(looked);
          return;
        }
        this.#next(this.#times.lookMs); // the keeper is silent, which others say
        return;
      }
      this.#state = looked.state;
      this.#listener.looked(looked);
      // Of a wish that came meanwhile it is looked anew.
      if (wish !== this.#wish) this.#next(FIRST_MS);
      else if (looked.verdict.kind === 'off') this.#wish = 0;
      else {
        this.#propose(looked);
        const { lookMs, soonMs } = this.#times;
        const { state, verdict } = looked;
        // A day is long, and a look asks for buckets.
        const isSoon = verdict.kind !== 'spent' && (state.looks > 0 || state.isEvening);
        this.#next(isSoon ? soonMs : lookMs);
      }
    });
  }

  #next(delayMs: number): void {
    if (this.#wish > 0) this.#lookAfter(delayMs * (0.75 + this.#world.chance() / 2));
  }

  /** Whatever is refused is planned anew with the next look; what is taken without a word is gone on with by whoever finds it. */
  #propose({ moves, wish, mapVersion }: AutoLooked): void {
    for (const move of moves) {
      const command = { kind: 'planAuto', wish: wish.number, mapVersion, ...move } as const;
      this.#world.ask('', { kind: 'command', command }, ANSWER_MS, (answer) => {
        if (this.#isStopped) return;
        if (answer instanceof Error && !(answer instanceof NurseryError)) this.#listener.broken(answer);
        else if (!(answer instanceof Error) && answer.kind === 'planned') this.#listener.planned(answer.mid);
      });
    }
  }
}

/**
 * One look, which asks and changes nothing. `done` is called once: with what it has led to; or why not, where the keeper does not answer
 * or an invariant is broken.
 *
 * @param times what is found counts as if it had been found so often in a row: for whoever looks once, and is to say what planners do
 */
export function lookForAuto(
  world: World,
  state: AutoState,
  done: (looked: AutoLooked | Error) => void,
  times = 1,
): void {
  const wallMs = world.wallMs();
  askAuto(world, 0, (early) => {
    if (early instanceof Error) return done(early);
    const { wish } = early;
    const idle = autoIdle({ ...early, wallMs });
    if (idle !== null)
      return done({ state: whileIdle(state, idle), verdict: idle, moves: [], wish, mapVersion: 0 });
    // The map comes before records and counts: what others publish meanwhile makes a plan of it one of an old map.
    ask(world, '', { kind: 'getMap' }, (known) => {
      if (known instanceof Error || known.kind !== 'keeperMap') return done(wrong('getMap', known));
      askAuto(world, RECENT_MAX, (auto) => {
        if (auto instanceof Error) return done(auto);
        lookAtClusters(world, { state, times, wallMs, known, auto }, done);
      });
    });
  });
}

type Begun = {
  readonly state: AutoState;
  readonly times: number;
  readonly wallMs: number;
  readonly known: KeeperMap;
  readonly auto: AutoAnswer;
};

function lookAtClusters(
  world: World,
  { state, times, wallMs, known, auto }: Begun,
  done: (looked: AutoLooked | Error) => void,
): void {
  const { map } = known;
  const end = (plan: AutoPlan): void => done({ ...plan, wish: auto.wish, mapVersion: map.version });
  const ids = placesOf(known);
  askEach(world, ids.map(ofMaster), (answers) => {
    if (answers instanceof Error) return done(answers);
    const toldOf = new Map(ids.map((id, at) => [id, toldFrom(answers[at] ?? null)]));
    const seen = { ...auto, wallMs, map, toldOf };
    let judged = judgeAuto(state, seen);
    for (let time = 1; time < times; time += 1) judged = judgeAuto(judged.state, seen);
    if (judged.split.length === 0) return end(planAuto(judged, { buckets: new Map(), freeOf: new Map() }));
    askMore(world, known, judged, (more) =>
      more instanceof Error ? done(more) : end(planAuto(judged, more)),
    );
  });
}

/** @param recent how many finished migrations are told at most */
function askAuto(world: World, recent: number, done: (auto: AutoAnswer | Error) => void): void {
  ask(world, '', { kind: 'getAuto', recent }, (answer) => {
    done(answer instanceof Error || answer.kind !== 'auto' ? wrong('getAuto', answer) : answer);
  });
}

type More = {
  readonly buckets: ReadonlyMap<string, readonly CountedBucket[] | null>;
  readonly freeOf: ReadonlyMap<string, number | null>;
};

/** Where ranges may be cut, and how much is free at the fullest disk of each target. */
function askMore(
  world: World,
  { clusters }: KeeperMap,
  { split, targets }: AutoJudged,
  done: (more: More | Error) => void,
): void {
  const nodes = clusters.flatMap(({ cluster, nodes: all }) =>
    targets.includes(cluster) ? all.map(({ name }) => ({ cluster, node: name })) : [],
  );
  const asked: Asked[] = [
    ...split.map((cluster) => ({ cluster, node: 'master', query: { kind: 'listBuckets' } as const })),
    ...nodes.map((each) => ({ ...each, query: { kind: 'nodeFacts' } as const })),
  ];
  askEach(world, asked, (answers) => {
    if (answers instanceof Error) return done(answers);
    const buckets = new Map<string, readonly CountedBucket[] | null>();
    const freeOf = new Map<string, number | null>();
    for (const [at, answer] of answers.entries()) {
      const { cluster } = asked[at] as Asked;
      if (answer?.kind === 'buckets') buckets.set(cluster, answer.buckets);
      else if (answer?.kind === 'nodeFacts' && answer.freeBytes !== null)
        freeOf.set(cluster, Math.min(freeOf.get(cluster) ?? Number.POSITIVE_INFINITY, answer.freeBytes));
    }
    done({ buckets, freeOf });
  });
}

/** A keeper that serves no keys is no place for them. */
function placesOf(known: KeeperMap): string[] {
  const keeper = keeperOf(known);
  return known.clusters
    .map(({ cluster }) => cluster)
    .filter((id) => id !== keeper || known.map.entries.some(({ owner }) => owner === id));
}

function toldFrom(answer: AdminAnswer | null): Told | null {
  return answer?.kind === 'nodeFacts' ? toldIn(answer) : null;
}

type Asked = { readonly cluster: string; readonly node: string; readonly query: AdminQuery };

function ofMaster(cluster: string): Asked {
  return { cluster, node: 'master', query: { kind: 'nodeFacts' } };
}

function ask(
  world: World,
  cluster: string,
  query: AdminQuery,
  done: (answer: AdminAnswer | Error) => void,
): void {
  world.ask(cluster, { kind: 'query', query, node: 'master' }, ANSWER_MS, done);
}

/** Asks all of them, some at a time; null stands for who does not answer. `done` gets an error where an invariant is broken. */
function askEach(
  world: World,
  asked: readonly Asked[],
  done: (answers: readonly (AdminAnswer | null)[] | Error) => void,
): void {
  const answers = new Array<AdminAnswer | null>(asked.length).fill(null);
  let [next, left, isOver] = [0, asked.length, false];
  if (left === 0) {
    done(answers);
    return;
  }
  const one = (): void => {
    const at = next;
    const each = asked[at];
    if (each === undefined) return;
    next += 1;
    const { cluster, query, node } = each;
    world.ask(cluster, { kind: 'query', query, node }, NODE_MS, (answer) => {
      if (isOver) return;
      left -= 1;
      if (!(answer instanceof Error)) answers[at] = answer;
      isOver = left === 0 || (answer instanceof Error && !(answer instanceof NurseryError));
      if (isOver) done(answer instanceof Error && !(answer instanceof NurseryError) ? answer : answers);
      else one();
    });
  };
  for (let begun = 0; begun < AT_ONCE; begun += 1) one();
}

function wrong(kind: AdminQuery['kind'], answer: AdminAnswer | Error): Error {
  return answer instanceof Error ? answer : unexpected(kind, answer);
}

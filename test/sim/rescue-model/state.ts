/**
 * What the model of rescues consists of: one key that moves between two clusters, their foundings, the keeper and those that took its
 * place, coordinators, and messages that may come at any time, again and again. All of it is plain, so that a state has a text.
 */

export type Id = 'A' | 'B';
/** One beginning of a cluster; `g` counts them. */
export type Place = { readonly id: Id; readonly g: number };
export type Outcome = 'activated' | 'abandoned' | 'unsealed' | 'released' | 'takenBack';

/** A founding: replicas of one log count as one, which is there, or is not. */
export type Founding = {
  id: Id;
  g: number;
  /** `down`: its homes burnt, or it is off; `cut`: it runs, and nobody but clients of its own reaches it; `over`: stopped for ever. */
  at: 'up' | 'down' | 'cut' | 'over';
  /** It runs on, although people said that it is gone: what it serves meanwhile nothing can prevent. */
  isFalse: boolean;
  /** Whose place it took, which its keeper has not confirmed yet; 0: it is confirmed. */
  was: number;
  /** Foundings whose place it took, the last one first. */
  after: number[];
  /** The keeper that it is bound to. */
  keeper: number;
  own: { epoch: number; sealed: (Place & { mid: number }) | null } | null;
  /** The version of the row that it holds; 0: none. */
  row: number;
  closed: { [mid: number]: Outcome };
  tokens: { [mid: number]: number };
  /** Where the key went. */
  forward: (Place & { epoch: number }) | null;
};

export type Rescued = {
  dead: 'from' | 'to';
  /** At which the source gets it back. */
  epoch: number;
  /** The survivor of a target shows that it had taken over. */
  isThere: boolean;
  /** Brought by the command of an order, without a source. */
  isCopy: boolean;
};
export type Phase = 'active' | 'published' | 'done' | 'aborted' | 'lost';
export type Move = {
  mid: number;
  from: Place;
  to: Place;
  phase: Phase;
  token: number;
  isWishedAway: boolean;
  rescue: Rescued | null;
};
/** One entry of the keeper's log; `g` 0: the cluster is lost. `given`: the epoch that the founding got; null: not yet; 0: nothing. */
export type Order = { id: Id; was: number; g: number; given: number | null; before: number };

export type Keeper = {
  k: number;
  isUp: boolean;
  map: (Place & { epoch: number }) | null;
  /** 0: none. */
  inForce: { A: number; B: number };
  moves: Move[];
  orders: Order[];
  lastMid: number;
};

/** Whoever claimed a move; it believes the record as of then once a newer one has claimed it. */
export type Coordinator = { k: number; token: number; believed: Move };

export type Message = {
  to: Id | 'K';
  /** The keeper that it belongs to. */
  k: number;
  /** The founding that it is meant for; 0 at a keeper. */
  g: number;
  kind:
    | 'seal'
    | 'cancel'
    | 'unseal'
    | 'release'
    | 'takeBack'
    | 'activate'
    | 'abandon'
    | 'publish'
    | 'recordAbort'
    | 'settle'
    | 'finish'
    | 'confirm';
  mid: number;
  token: number;
  /** Of `seal`: for whom. */
  peer: Place | null;
  row: number;
  epoch: number;
};

/** Somebody has every cluster come to a new keeper. */
export type Rebuilder = { k: number; told: { A: Founding | null; B: Founding | null } };

/** What may still happen. */
export type Budget = {
  writes: number;
  moves: number;
  /** Second coordinators. */
  claims: number;
  aborts: number;
  /** Somebody falls behind, or a backup is taken. */
  images: number;
  burns: number;
  /** Of these alone clusters burn. */
  burning: string;
  promotions: number;
  restores: number;
  losses: number;
  /** Copies that are given up, and begun anew. */
  copies: number;
  /** Old homes are started again. */
  backs: number;
  cuts: number;
  keepers: number;
  rebuilders: number;
};

export type State = {
  foundings: Founding[];
  keepers: Keeper[];
  coordinators: Coordinator[];
  /** Sent once, they may come at any time from then on. */
  messages: Message[];
  rebuilders: Rebuilder[];
  /** A founding as it was some time ago: a member that lags, and the image of a backup. */
  image: Founding | null;
  /** The keeper as it was some time ago. */
  keeperImage: Keeper | null;
  left: Budget;
  ghost: Ghost;
};

/** What nobody in the model knows, and the checks need. */
export type Ghost = {
  /** By version, from 1: where it was acknowledged, and whether an order said that it may be lost. */
  versions: { at: Place; isLossOrdered: boolean }[];
  /** Who served last. */
  holder: Place;
  /** By epoch: who served at it. */
  servedAt: { [epoch: number]: string };
  highestEpoch: number;
  /** Every number that a keeper gave. */
  mids: number[];
  /** What was broken, as soon as it is. */
  broken: string | null;
};

const NOTHING: Budget = {
  writes: 0,
  moves: 0,
  claims: 0,
  aborts: 0,
  images: 0,
  burns: 0,
  burning: 'AB',
  promotions: 0,
  restores: 0,
  losses: 0,
  copies: 0,
  backs: 0,
  cuts: 0,
  keepers: 0,
  rebuilders: 0,
};

function founding(id: Id, own: Founding['own'], row: number): Founding {
  return {
    id,
    g: 1,
    at: 'up',
    isFalse: false,
    was: 0,
    after: [],
    keeper: 1,
    own,
    row,
    closed: {},
    tokens: {},
    forward: null,
  };
}

/** A owns the key, and has acknowledged one version of its row. */
export function initial(left: Partial<Budget>): State {
  return {
    foundings: [founding('A', { epoch: 1, sealed: null }, 1), founding('B', null, 0)],
    keepers: [
      {
        k: 1,
        isUp: true,
        map: { id: 'A', g: 1, epoch: 1 },
        inForce: { A: 1, B: 1 },
        moves: [],
        orders: [],
        lastMid: 1,
      },
    ],
    coordinators: [],
    messages: [],
    rebuilders: [],
    image: null,
    keeperImage: null,
    left: { ...NOTHING, ...left },
    ghost: {
      versions: [{ at: { id: 'A', g: 1 }, isLossOrdered: false }],
      holder: { id: 'A', g: 1 },
      servedAt: { 1: 'A1' },
      highestEpoch: 1,
      mids: [1],
      broken: null,
    },
  };
}

export function other(id: Id): Id {
  return id === 'A' ? 'B' : 'A';
}

export function isSame(a: Place, b: Place): boolean {
  return a.id === b.id && a.g === b.g;
}

export function nameOf({ id, g }: Place): string {
  return `${id}${g}`;
}

export function foundingAt(state: State, place: Place): Founding | null {
  return state.foundings.find((each) => isSame(each, place)) ?? null;
}

/** The founding of that id that runs and is reached, if any. */
export function reached(state: State, id: Id): Founding | null {
  return state.foundings.find((each) => each.id === id && each.at === 'up') ?? null;
}

/** The keeper that answers; null where there is none. */
export function keeperOf(state: State): Keeper | null {
  return state.keepers.find(({ isUp }) => isUp) ?? null;
}

export function isOpen({ phase }: Move): boolean {
  return phase === 'active' || phase === 'published';
}

/** Whether clients are served there, whoever they are. */
export function isServing({ at, was, own }: Founding): boolean {
  return (at === 'up' || at === 'cut') && was === 0 && own !== null && own.sealed === null;
}

/** The next number of a keeper: each comes once, whatever keeper gives it. */
export function allot(state: State, keeper: Keeper): number {
  keeper.lastMid += 1;
  const mid = keeper.lastMid;
  if (state.ghost.mids.includes(mid)) state.ghost.broken ??= `number ${mid} comes twice`;
  else state.ghost.mids.push(mid);
  return mid;
}

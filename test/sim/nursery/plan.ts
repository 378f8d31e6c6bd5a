/** What a seed decides before time begins: the clusters, the weather, and which faults may happen at all. */
import type { Random } from '../../support/random.ts';

export const FAULTS = [
  'crashNode',
  'crashCluster',
  'crashRouter',
  'crashMigrator',
  'pauseNode',
  'pauseRouter',
  'pauseMigrator',
  'partition',
  'oneWay',
  'isolate',
  'storm',
  'resetLinks',
  'slowDisk',
  'fullDisk',
  'diskError',
  'dropMaster',
  'wipe',
  'unmount',
  'loseStore',
  'flipLog',
  'flipStore',
  'collapse',
  'clockRate',
  'clockJump',
  'reconfigure',
  'lagWatchers',
  'secondMigrator',
] as const;
/** One kind of trouble. */
export type Fault = (typeof FAULTS)[number];

/** How people go on where a majority of a cluster is gone, or of the keeper. */
export const RESCUES = ['promote', 'lost', 'restore', 'keeper', 'keeperSurvives'] as const;
export type Rescue = (typeof RESCUES)[number];
/** One seed in so many has rescues. */
const RESCUES_ONE_IN = 5;
/** One seed in so many evens itself out. */
const AUTO_ONE_IN = 4;

/** How bad the network is. */
export type Weather = {
  readonly lossShare: number;
  readonly repeatShare: number;
  readonly delayMaxMs: number;
  readonly lateShare: number;
  readonly lateMaxMs: number;
  /** Share of requests on a link that find it broken. */
  readonly resetShare: number;
};

export const CALM: Weather = {
  lossShare: 0,
  repeatShare: 0,
  delayMaxMs: 3,
  lateShare: 0,
  lateMaxMs: 0,
  resetShare: 0,
};

/** What the INI of a cluster says of single nodes. */
export type Roles = {
  /** One node more than the cluster has members follows without a vote. */
  readonly learner: boolean;
  /** Which member alone may be master, counted from 0; null: any. */
  readonly forced: number | null;
  /** Which member takes over mastership when it can; null: none. */
  readonly preferred: number | null;
};
export const NO_ROLES: Roles = { learner: false, forced: null, preferred: null };

export type Plan = {
  /** Members of the keeper and of each data cluster, by its id. The keeper's id is `K`. */
  readonly sizes: ReadonlyMap<string, number>;
  /** Machines beside those, by which each cluster may grow. */
  readonly spares: ReadonlyMap<string, number>;
  /** By cluster. */
  readonly roles: ReadonlyMap<string, Roles>;
  readonly leaseMs: number;
  /** Coarser than in life: events cost time (ms). */
  readonly tickMs: number;
  readonly routers: number;
  readonly migrators: number;
  readonly clients: number;
  /** How many of the clients speak to nodes themselves. */
  readonly directClients: number;
  /** Mean time that a client thinks between two operations (ms). */
  readonly thinkMs: number;
  /** Operations that a client may have under way. */
  readonly pipeline: number;
  /** Chance that a client sends several operations at once on one connection. */
  readonly burst: number;
  /** Bursts of large values that each client sends at most. */
  readonly bulky: number;
  /** Between two steps of the comparison of stores (ms); 0: never. */
  readonly scrubStepMs: number;
  readonly faults: readonly Fault[];
  /** Mean time between two faults (ms). */
  readonly faultEveryMs: number;
  /** Virtual time with faults (ms). */
  readonly faultyMs: number;
  readonly faultsMin: number;
  readonly operationsMin: number;
  readonly weather: Weather;
  /** What people rescue in this seed; mostly nothing. */
  readonly rescues: readonly Rescue[];
  /** Whether people turn on, and off again, that migrators even the nursery out by themselves. */
  readonly auto: boolean;
  readonly syncMaxMs: number;
  readonly flushEveryMs: number;
  /** Mean time between two wishes to move a range (ms). */
  readonly moveEveryMs: number;
  /** Chance that a fault strikes at a step of a migration that matters. */
  readonly ambush: number;
  /** Whether messages between nodes go through their codec. */
  readonly encodes: boolean;
  /** Factor by which clocks leave their margin: 1, unless a test plants that. */
  readonly driftFactor: number;
  /** Whether a wiped home goes on under its old incarnation: never, unless a test plants that. */
  readonly keepsIncarnation: boolean;
};

/** Draws a plan. Each seed has few kinds of faults, so that rare combinations are not drowned by frequent ones. */
export function drawPlan(random: Random): Plan {
  const size = (): number => random.pick([1, 2, 3, 3, 3, 3, 5]);
  const sizes = new Map([
    ['K', random.pick([1, 3, 3, 3])],
    ['A', size()],
    ['B', size()],
    ['C', size()],
  ]);
  const share = random.pick([0.2, 0.35, 0.6]);
  const faults = FAULTS.filter(() => random.chance(share));
  const spares = (): number => (faults.includes('reconfigure') ? random.pick([0, 1, 2]) : 0);
  const isScrubbed = faults.includes('flipStore') || random.chance(0.2);
  const isBulky = random.chance(0.1);
  return {
    sizes,
    spares: new Map([...sizes.keys()].map((cluster) => [cluster, spares()])),
    roles: new Map([...sizes].map(([cluster, members]) => [cluster, drawRoles(random, members)])),
    leaseMs: random.pick([1000, 2000]),
    tickMs: random.pick([50, 80]),
    routers: 2,
    migrators: random.pick([2, 3]),
    clients: 12,
    directClients: random.pick([1, 2, 3]),
    thinkMs: random.pick([160, 200]),
    pipeline: random.pick([1, 1, 2]),
    burst: isBulky ? 0.06 : random.pick([0, 0.03, 0.06]),
    bulky: isBulky ? 1 : 0,
    scrubStepMs: isScrubbed ? random.pick([400, 1000]) : 0,
    faults: faults.length > 0 ? faults : ['crashNode'],
    faultEveryMs: random.pick([700, 1000, 1300]),
    faultyMs: 45_000,
    faultsMin: 30,
    operationsMin: 2000,
    weather: drawWeather(random),
    rescues: [],
    auto: false,
    syncMaxMs: random.pick([1, 5, 20]),
    flushEveryMs: random.pick([200, 500, 1500]),
    moveEveryMs: random.pick([2000, 4000]),
    ambush: random.pick([0, 0.1, 0.3]),
    encodes: random.chance(0.1),
    driftFactor: 1,
    keepsIncarnation: false,
  };
}

function drawRoles(random: Random, members: number): Roles {
  return {
    learner: random.chance(0.1),
    forced: members > 2 && random.chance(0.05) ? random.below(members) : null,
    preferred: members > 1 && random.chance(0.15) ? random.below(members) : null,
  };
}

/** From chance of its own: a seed without rescues is what it was before there were any. */
export function drawRescues(random: Random): readonly Rescue[] {
  if (random.below(RESCUES_ONE_IN) > 0) return [];
  const drawn = Array.from({ length: random.pick([1, 1, 2, 3]) }, () =>
    random.pick(['promote', 'promote', 'promote', 'lost', 'lost', 'keeper', 'keeperSurvives'] as const),
  );
  return [...drawn, random.pick(['restore', 'restore', 'restore', 'lost'] as const)];
}

/** From chance of its own, likewise. */
export function drawAuto(random: Random): boolean {
  return random.below(AUTO_ONE_IN) === 0;
}

/** Weather to live with: bad, but such that most exchanges end within a lease. */
export function drawWeather(random: Random): Weather {
  if (random.chance(0.25)) return CALM;
  return {
    lossShare: random.pick([0, 0.01, 0.05]),
    repeatShare: random.pick([0, 0, 0.1]),
    delayMaxMs: random.pick([2, 8, 30]),
    lateShare: random.pick([0, 0.01, 0.05]),
    lateMaxMs: random.pick([500, 2000, 6000]),
    resetShare: random.pick([0, 0.002, 0.01]),
  };
}

/** Weather in which hardly anything works. */
export function drawStorm(random: Random): Weather {
  return {
    lossShare: random.pick([0.3, 0.6]),
    repeatShare: random.pick([0, 0.3]),
    delayMaxMs: random.pick([100, 400]),
    lateShare: 0.2,
    lateMaxMs: 6000,
    resetShare: random.pick([0.02, 0.1]),
  };
}

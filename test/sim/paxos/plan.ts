/** What a seed decides before time begins: the cluster, the weather, and which faults may happen at all. */
import type { Message } from '../../../node/paxos/messages.ts';
import type { NodeName } from '../../../node/paxos/values.ts';
import type { Random } from '../../support/random.ts';
import { CALM, type Weather } from './network.ts';

/** All nodes that may ever be a member, in the order of their names. */
export const NAMES: readonly NodeName[] = ['n1', 'n2', 'n3', 'n4', 'n5', 'n6'];

/** Messages whose loss, or a crash right after them, hits the protocol in the middle of something. */
const KINDS: readonly Message['kind'][] = [
  'prepare',
  'promise',
  'accept',
  'accepted',
  'heartbeat',
  'granted',
  'entries',
  'adopted',
  'retire',
  'retired',
];

export const FAULTS = [
  'crash',
  'crashAll',
  'crashOnSend',
  'pause',
  'partition',
  'isolate',
  'cut',
  'storm',
  'deaf',
  'slowDisk',
  'wipe',
  'collapse',
  'loseStore',
  'duel',
  'lateCopies',
  'dropMaster',
  'reconfigure',
  'promote',
] as const;
export type Fault = (typeof FAULTS)[number];

export type Plan = {
  /** Members that the INI wishes in the beginning. */
  readonly wished: readonly NodeName[];
  readonly leaseMs: number;
  readonly driftMs: number;
  readonly windowMax: number;
  /** Founds with `bootstrap` on its first member, which need not see the others. */
  readonly bootstrap: boolean;
  readonly forcedMaster: NodeName | null;
  readonly preferredMasters: readonly NodeName[];
  /** Virtual time with faults (ms). */
  readonly faultyMs: number;
  /** Mean time between two faults (ms). */
  readonly faultEveryMs: number;
  readonly faults: readonly Fault[];
  /** Kinds of messages that the faults `deaf` and `crashOnSend` choose from. */
  readonly kinds: readonly Message['kind'][];
  readonly weather: Weather;
  /** Whether a message may reach a later process of the node that it was sent to. */
  readonly acrossLives: boolean;
  readonly syncMaxMs: number;
  /** Longest that the state machine takes for what is chosen (ms); 0: at once. */
  readonly applyMaxMs: number;
  readonly flushEveryMs: number;
  /** Slots in one answer from a log. */
  readonly serveMax: number;
  /** Mean time between two proposals (ms). */
  readonly proposeEveryMs: number;
  /** Whether every message goes through its codec. */
  readonly encodes: boolean;
};

/** Draws a plan. Each seed has few kinds of faults, so that rare combinations are not drowned by frequent ones. */
export function drawPlan(random: Random): Plan {
  const size = random.pick([1, 2, 3, 3, 3, 3, 5]);
  const wished = NAMES.slice(0, size);
  const leaseMs = random.pick([300, 500, 1000]);
  return {
    wished,
    leaseMs,
    driftMs: leaseMs * random.pick([0.02, 0.1]),
    windowMax: random.pick([1, 2, 8, 8, 16]),
    bootstrap: random.chance(0.1),
    forcedMaster: random.chance(0.05) ? random.pick(wished) : null,
    preferredMasters: random.chance(0.1) ? [random.pick(wished)] : [],
    faultyMs: leaseMs * random.pick([20, 40, 60]),
    faultEveryMs: leaseMs * random.pick([0.5, 1, 2, 4]),
    faults: drawFaults(random),
    kinds: KINDS,
    weather: drawWeather(random, leaseMs),
    acrossLives: random.chance(0.3),
    syncMaxMs: random.pick([1, 10, 50]),
    applyMaxMs: random.pick([0, 0, 5, 50]),
    flushEveryMs: random.pick([50, 200, 1000]),
    serveMax: random.pick([20, 100]),
    proposeEveryMs: random.pick([10, 50, 200]),
    encodes: random.chance(0.1),
  };
}

/** Few kinds more often than many: what two faults do together is rare where ten kinds compete. */
function drawFaults(random: Random): Fault[] {
  const left: Fault[] = [...FAULTS];
  const drawn: Fault[] = [];
  for (let count = random.pick([1, 2, 2, 3, 4, 8]); count > 0; count -= 1) {
    drawn.push(...left.splice(random.below(left.length), 1));
  }
  return drawn;
}

/** Weather to live with: bad, but such that most exchanges end within a lease. */
export function drawWeather(random: Random, leaseMs: number): Weather {
  if (random.chance(0.2)) return CALM;
  return {
    lossShare: random.pick([0, 0, 0.02, 0.1]),
    repeatShare: random.pick([0, 0, 0.1]),
    delayMaxMs: random.pick([2, 10, leaseMs * 0.05]),
    lateShare: random.pick([0, 0.02, 0.1]),
    lateMaxMs: leaseMs * random.pick([0.5, 2, 6]),
    lostKind: null,
  };
}

/** Weather in which hardly anything works. */
export function drawStorm(random: Random, leaseMs: number): Weather {
  return {
    lossShare: random.pick([0.3, 0.6, 0.9]),
    repeatShare: random.pick([0, 0.3]),
    delayMaxMs: leaseMs * random.pick([0.1, 0.5, 2]),
    lateShare: 0.3,
    lateMaxMs: leaseMs * 6,
    lostKind: null,
  };
}

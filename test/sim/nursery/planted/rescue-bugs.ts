/** Planted bugs that whole nurseries with rescues look for (test/sim/nursery/rescues.ts). */
import { BUSY, bug, type PlantedBug } from './bug.ts';

/** Survivors are promoted while ranges move. */
const PROMOTED = { ...BUSY, rescues: ['promote', 'promote', 'promote'] } as const;
/** The keeper burns. */
const REBUILT = { ...BUSY, rescues: ['keeper', 'keeper'] } as const;
/** Whole clusters burn. */
const LOST = { ...BUSY, rescues: ['lost', 'lost', 'lost'] } as const;

export const RESCUE_BUGS: readonly PlantedBug[] = [
  bug(
    'a move begins at a cluster that waits for its ranges',
    'no move begins at a cluster that waits for its ranges (!)',
    'node/machine/keeper.js#plan',
    'if (waits !== null)',
    'if (false)',
    { changes: PROMOTED, seedsMax: 60 },
  ),
  bug(
    'who has joined a dead founding stays',
    'an empty home that joined a dead founding stops when its keeper says so',
    'node/identity/introduction.js##refusedBy',
    "(verdict === 'dead' && !driver.mayRead())",
    'false',
    { changes: LOST, seedsMax: 60 },
  ),
  bug(
    'a cluster that has come to a new keeper stops since its id is taken there',
    'whoever is bound stops when its founding is called dead, and on no other word of a keeper that is new (!)',
    'node/identity/introduction.js##refusedBy',
    "driver.machine.bound !== null && verdict === 'taken'",
    'false',
    { changes: REBUILT, seedsMax: 60 },
  ),
  bug(
    'an old home that comes back serves by itself',
    'a home that starts serves nothing before its keeper says that its founding is in force (!)',
    'node/identity/introduction.js#waits',
    'if (this.#serves)',
    'if (true)',
    { changes: PROMOTED, seedsMax: 60 },
  ),
];

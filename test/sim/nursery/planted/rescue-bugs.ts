/** Planted bugs that whole nurseries with rescues look for (test/sim/nursery/rescues.ts). */
import { BUSY, bug, type PlantedBug } from './bug.ts';

/** Survivors are promoted while ranges move. */
const PROMOTED = { ...BUSY, rescues: ['promote', 'promote', 'promote'] } as const;
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
    '(isDead && !driver.mayRead())',
    'false',
    { changes: LOST, seedsMax: 60 },
  ),
  bug(
    'an old home that comes back serves by itself',
    'a home that starts serves nothing before its keeper says that its founding is in force (!)',
    'node/identity/introduction.js#refusal',
    'if (this.#serves)',
    'if (true)',
    { changes: PROMOTED, seedsMax: 60 },
  ),
  bug(
    'whoever coordinated a move with the dead goes on',
    'an order fences who coordinates a move with the dead founding (!)',
    'node/machine/orders.js#fence',
    'token: token + 1',
    'token',
    { changes: PROMOTED, seedsMax: 60 },
  ),
  bug(
    'what a survivor missed is given to it',
    'a survivor is given what it owned at the epoch of the map, and nothing that it has missed a move of (!)',
    'node/machine/orders.js#give',
    'of.epoch === then',
    'then !== null',
    { changes: PROMOTED, seedsMax: 60 },
  ),
];

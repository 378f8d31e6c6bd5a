/** Planted bugs of who is who. */
import { bug, type PlantedBug } from './bug.ts';

export const IDENTITY_BUGS: readonly PlantedBug[] = [
  bug(
    'an empty home founds without asking',
    'nothing is founded before the keeper has said that the id is free',
    'node/paxos/founding.js#foundIfAllEmpty',
    'if (!replica.mayFound || ',
    'if (',
  ),
  bug(
    'the keeper tells an empty home that its id is free',
    'an id whose founding is in force is taken',
    'node/machine/registry.js#standingOf',
    "return say('taken', takenBy(cluster, identity));",
    "return say('free', '');",
  ),
  bug(
    'another keeper is believed',
    'no cluster stops on the word of another keeper than its own (!)',
    'node/introduction.js##judge',
    'keeper.founding !== this.keeper',
    'false',
    { seedsMax: 30 },
  ),
];

/**
 * Planted bugs of the drivers, one or more for each service: what carries out the effects of the cores is simulated too. (Of a
 * node, `reply before sync` in node-bugs.ts is another.)
 */
import { BUSY, bug, HARSH, type PlantedBug } from './bug.ts';

export const DRIVER_BUGS: readonly PlantedBug[] = [
  bug(
    'timer of a router never set',
    'a router wakes its core when the core asks for it',
    'router/driver.js##carryOut',
    'this.#wake(effect.atMs);',
    '',
    { changes: HARSH, seedsMax: 200 },
  ),
  bug(
    'sent called unsent by a router',
    'a router sends again only what was not sent',
    'router/driver.js##ended',
    'sent: result.sent',
    'sent: false',
    { changes: HARSH },
  ),
  bug(
    'timer of a coordinator never set',
    'a migrator wakes its coordinator when that asks for it',
    'migrator/driver.js##carryOut',
    'this.#wake(effect.atMs);',
    '',
    { changes: BUSY },
  ),
  bug(
    'what stands still left alone',
    'a migration whose migrator has died is taken over',
    'migrator/daemon.js##found',
    "else\n                this.#work(mid, seen, () => this.#how.onEvent?.({ kind: 'takesOver', migration }));",
    '',
    { changes: BUSY },
  ),
  bug(
    'rows of ranges that went elsewhere stay',
    'a master deletes the rows of what it has released',
    'node/driver/clean-ups.js#look',
    "this.#propose({ kind: 'cleanupStep', mid, rowsMax });",
    '{ }',
    { changes: BUSY },
  ),
];

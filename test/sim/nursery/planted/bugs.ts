/** All planted bugs. */
import type { PlantedBug } from './bug.ts';
import { CLIENT_BUGS } from './client-bugs.ts';
import { CONSENSUS_BUGS } from './consensus-bugs.ts';
import { DRIVER_BUGS } from './driver-bugs.ts';
import { FUNCTION_BUGS } from './function-bugs.ts';
import { HISTORY_BUGS } from './history-bugs.ts';
import { IDENTITY_BUGS } from './identity-bugs.ts';
import { LOST_STORE_BUGS } from './lost-store-bugs.ts';
import { MOVE_BUGS } from './move-bugs.ts';
import { NODE_BUGS } from './node-bugs.ts';
import { PROMOTION_BUGS } from './promotion-bugs.ts';
import { RESCUE_BUGS } from './rescue-bugs.ts';
import { STORE_BUGS } from './store-bugs.ts';

export const BUGS: readonly PlantedBug[] = [
  ...CONSENSUS_BUGS,
  ...LOST_STORE_BUGS,
  ...HISTORY_BUGS,
  ...PROMOTION_BUGS,
  ...NODE_BUGS,
  ...CLIENT_BUGS,
  ...DRIVER_BUGS,
  ...IDENTITY_BUGS,
  ...MOVE_BUGS,
  ...FUNCTION_BUGS,
  ...RESCUE_BUGS,
  ...STORE_BUGS,
];

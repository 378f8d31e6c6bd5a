/** What many seeds together must have met at least once, or the simulator has lost its teeth. */

/** Seeds from which on every one of them is to be expected. */
export const CONSENSUS_WANTED_FROM_SEEDS = 200;

export const CONSENSUS_WANTED: readonly string[] = [
  'founding a cluster',
  'cluster is active',
  'became master',
  'value adopted',
  'hole filled',
  'lease lost',
  'mastership ended',
  'proposals lost',
  'window full',
  'snapshot installed',
  'home wiped',
  'store lost',
  'store lost behind its log',
  'older store put back',
  'short',
  'chosen, and told to nobody',
  'two values reported for a slot',
  'an old master is told what its successor proposed in its place',
  'fault: lateCopies',
  'member admitted',
  'member added',
  'member removed',
  'stops itself: SUPERSEDED',
  'survivor promoted',
  'chosen slots lost by order',
  'an old home comes back',
  'sent retired',
  'sent adopted',
  'sent entries',
  'sent nack',
  'sent over',
  'sent release',
];

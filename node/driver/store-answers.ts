/** What clients hear of a node that must not serve from its store. */

export const STORE_DAMAGED_ANSWER =
  'the store of this node is damaged and will be rebuilt; not executed, ask another node';
export const STORE_DOUBTFUL_ANSWER =
  'the store of this node differs from that of another, and no majority says which is right; not executed';

/** What was broken, and how. `check` is the stable name under which docs and tables list it. */
export class Violation extends Error {
  override readonly name = 'Violation';
  readonly check: Check;

  constructor(check: Check, message: string) {
    super(`${check}: ${message}`);
    this.check = check;
  }
}

/** Every check of the simulation, with what it stands for. */
export const CHECKS = {
  linearizable: 'I18 I19 I23: each key is linearizable, unknown outcomes kept as such',
  'lost-rows': 'what was acknowledged is lost by an order alone, which named the cluster and the range',
  returned:
    'no row comes back from a survivor or a backup beside a newer one that another cluster has had since',
  'epoch-twice': 'whoever gets a key, by a move or an order, has it at an epoch above all before',
  backup: 'an image has just what its cluster had at its slot',
  'stale-read': 'a read without guarantees still shows a value that was written before it ended',
  acknowledged: 'I15: what was acknowledged stands where it was acknowledged',
  admission: 'I20: an emptied home votes again only when that is safe (docs/architecture.md)',
  history: 'what once went wrong, by a schedule written by hand (test/sim/paxos/histories.ts)',
  'lost-store':
    'a clause of what a node may do whose store is lost behind its log, by a schedule written by hand (test/sim/paxos/lost-store.ts)',
  promotion:
    'a clause of what becomes of a survivor that is promoted, by a schedule written by hand (test/sim/paxos/promotion.ts)',
  'migration-rule': 'a clause of moving a range, by a schedule written by hand (test/sim/migration/rules.ts)',
  'rescue-rule': 'a clause of a rescue, by a schedule written by hand (test/sim/migration/rescue-rules.ts)',
  moves: 'moves of ranges between state machines alone (test/sim/migration/checker.ts)',
  'one-cluster': 'I20: whoever founds, everybody joins the same cluster',
  'one-image':
    'I23: what one node answers to one read is what its cluster had at one slot, all values and gaps of it',
  'at-least': 'a read with a stamp shows a state of that slot or a later one, and is refused before it alone',
  executed: 'I13 I17 I19: an update changes, and is answered, what a model of one key space says',
  'function-final': 'a call without a key is refused for good only where several clusters own keys',
  'function-gone': 'a function that was removed, and that nobody has any more, is called no more',
  'function-missing': 'a function that was called where a key was is there wherever the key goes',
  once: 'I6 I19: an update takes effect at most once, in one slot of one cluster',
  'refused-applied': 'I19: what was refused never takes effect',
  atomic: 'a sequence takes effect as a whole, in one slot',
  order: 'updates that were sent on one connection to one cluster take effect in their order',
  'replicas-agree': 'I14 I17: equal slots, equal changes on every replica',
  'one-founding':
    'one founding of an id serves, and no row moves into another; nobody stops on the word of another keeper',
  addresses:
    'what the keeper says of where a node is reached, the node has said; no working cluster loses its list',
  memory: 'a process remembers all that its life told its peers',
  'image-agrees': 'I14 I16 I21: the image that a node starts from, flushes or installs is that of its slot',
  'one-reader': 'I3 I18: one node at a time serves consistent reads',
  partition: 'I5: the map is a partition of the key space',
  'one-owner': 'I5, migration 1: at most one cluster serves a key',
  outside: 'I1 I12 I13: a client changes rows of served ranges alone',
  'sealed-changes': 'I2, migration 1: no row of a sealed range changes',
  staging: 'I7, migration 2: copied and not dirty at the source is equal at the target',
  auto: 'a move that nobody has asked for is of the present map, under the wish in force, and within its bounds',
  'as-of': 'migration 3: the age of a staging never falls, nor does its page number',
  activation: 'I7, migration 4: at activation the staging is the range as it was sealed',
  outcome: 'I10 I11, migration 5: an outcome never changes, and two clusters never contradict each other',
  evidence:
    'I9 I11, migration 6: published after activated, released after published, aborted after unsealed',
  'map-owner':
    'migration 6: what is published belongs to the target, what is active or aborted to the source',
  'closed-command': 'migration 7: what is decided, or below the floor, changes nothing',
  leftovers: 'migration 8: no import, export, seal, clean-up or stray row is left',
  'store-image':
    'what a store shows of a slot is what was committed by then, whichever runs lie above its rows',
  'store-kept': 'what was flushed is there after a death: whole slots, and none that the log may lose',
  'store-runs':
    'a merge rests for readers of older images; with nothing in the way all runs are merged, counts are exact, and nothing else is left',
  progress: 'I24 I25: after faults stop every operation and migration ends within a bound',
  deadline: 'I23: a call ends within its deadline',
  alarm: 'a coordinator met facts that exclude each other',
  invariant: 'an assertion of the code itself',
} as const;
export type Check = keyof typeof CHECKS;

/** @throws Violation */
export function check(condition: boolean, name: Check, what: () => string): void {
  if (!condition) throw new Violation(name, what());
}

/** The rules of docs/architecture.md, "Rescue", each of which can be left out of the model: then a state breaks a promise. */

export const RULES = {
  newEpoch: 'every range that a rescue hands out gets a new number as its epoch',
  addressee: 'a command that is meant for another keeper or founding does nothing at all',
  inForce: 'a home that starts serves nothing before its keeper says that its founding is in force',
  ownKeeper: "another keeper's word is nothing",
  sealBinds: 'a source takes nothing back by itself that it has sealed: the target may have served',
  evidence: 'an outcome that a survivor shows counts, and is published first',
  newFounding: 'a survivor begins a new founding, under a new name',
  epochOfTheMap: 'owned is what it owned at the epoch that the map gives the key',
  unconfirmed: 'a founding that took the place of another one serves nothing before its keeper has spoken',
  settledFirst: 'moves with a dead end are settled before a survivor is given anything',
  keeperForgets: 'a survivor of the keeper begins without its map and its moves',
  leap: 'a new keeper counts on far above any number that was met',
  answered: 'all whom an answer names have answered, or are named as lost',
  twoOwners: 'two that own the key are refused, unless one of them yields',
  yieldsFirst: 'who yields gives up what it has before the map is given',
  oneMap: 'a keeper is told once, while it has no map',
  silence: 'nobody is declared dead who runs and is reached',
} as const;

export type Rule = keyof typeof RULES;
/** Those that are left out. */
export type Without = ReadonlySet<Rule>;

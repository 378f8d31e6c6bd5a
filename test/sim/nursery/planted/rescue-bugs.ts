/** Planted bugs that whole nurseries with rescues look for (test/sim/nursery/rescues.ts), or schedules of rescues by hand. */
import { BUSY, bug, bugOf, inPaxos, type PlantedBug, type Replacement, ruleBug } from './bug.ts';

/** Survivors are promoted while ranges move. */
const PROMOTED = { ...BUSY, rescues: ['promote', 'promote', 'promote'] } as const;
/** Whole clusters burn, of which there are backups. */
const RESTORED = { ...BUSY, rescues: ['restore', 'restore', 'restore'] } as const;

function piece(place: string, from: string, to: string): Replacement[] {
  return [{ file: place.replace(/(?=#)|$/, '.js'), from, to }];
}

const NEW_EPOCH = 'every range that a rescue hands out gets a new mid as its epoch (!)';
const AS_OF_THE_MAP = 'owned is what the survivor owned at the epoch that the map gives the key (!)';
const YIELDS = 'who yields serves none of it before the map is given (!)';
const YIELDS_BY_ORDER = 'only the rescue by which a cluster came to its keeper has it yield';
const REPLACE = 'an image takes the place of a founding that came from it, and of no other (!)';

export const RESCUE_BUGS: readonly PlantedBug[] = [
  bug(
    'a move begins at a cluster that waits for its ranges',
    'no move begins at a cluster that waits for its ranges (!)',
    'node/machine/planning.js#planned',
    'if (waits !== null)',
    'if (false)',
    { changes: PROMOTED, seedsMax: 60 },
  ),
  ruleBug(
    'who has joined a dead founding stays',
    'an empty home that joined a dead founding stops when its keeper says so',
    piece('node/identity/introduction##refusedBy', "(verdict === 'dead' && !driver.mayRead())", 'false'),
  ),
  ruleBug(
    'a cluster that has come to a new keeper stops since its id is taken there',
    'whoever is bound stops when its founding is called dead, and on no other word of a keeper that is new (!)',
    piece(
      'node/identity/introduction##refusedBy',
      "driver.machine.bound !== null && verdict === 'taken'",
      'false',
    ),
  ),
  ruleBug(
    'an old home that comes back serves by itself',
    'a home that starts serves nothing before its keeper says that its founding is in force (!)',
    piece('node/identity/introduction#waits', 'if (this.#serves)', 'if (true)'),
  ),
  bugOf(
    'what comes back keeps its epoch',
    NEW_EPOCH,
    [
      ...piece(
        'node/machine/orders#give',
        'ranges.push({ lo, hi, epoch, sealedBy: null });',
        'ranges.push({ lo, hi, epoch: then, sealedBy: null });',
      ),
      ...piece(
        'node/machine/orders#give',
        'return { lo, hi, owner: cluster, epoch, founding };',
        'return { lo, hi, owner: cluster, epoch: then, founding };',
      ),
    ],
    { changes: PROMOTED, seedsMax: 60 },
  ),
  ruleBug(
    'what is taken back keeps its epoch',
    NEW_EPOCH,
    piece(
      'node/machine/rescue#takeBack',
      '[{ ...common, epoch, sealedBy: null }]',
      '[{ ...own, ...common, sealedBy: null }]',
    ),
  ),
  ruleBug(
    'a range that was sealed for a dead target is merely unsealed',
    'a target that is dead may have served what its source had sealed (!)',
    piece(
      'migrator/core/next-move#withoutOne',
      "isSealed ? { kind: 'takeBack' }",
      "isSealed ? { kind: 'unseal' }",
    ),
  ),
  ruleBug(
    'what a survivor had taken over is taken back',
    'an outcome that the survivor’s log shows counts, and is published first',
    piece('node/machine/orders#fence', "dead === 'target' && shown.has(mid)", 'false'),
  ),
  ruleBug(
    'what was taken back is lost with the next order',
    'what a source had taken back from a dead target is its own, though the map was not told (!)',
    piece('node/machine/orders#fence', "dead === 'source' && shown.has(before.epoch)", 'false'),
  ),
  ruleBug(
    'an image shows nothing of moves',
    'an image that owns a range at the number of a move had taken it over',
    piece('node/machine/orders#fence', '...owned.map(({ epoch }) => epoch)', ''),
  ),
  ruleBug(
    'who retires reports nothing',
    'who retires reports in that answer what it voted, as in phase 1 (!)',
    inPaxos(['promotion#onRetire', '...report(replica, message.from)', 'accepted: [], upTo: null']),
  ),
  ruleBug(
    'what was merely accepted is nothing',
    'above what is known to be chosen the accepted value of the highest ballot counts: it may be acknowledged (!)',
    inPaxos(['gathering#valuesToTake', 'best.get(slot)?.value ??', 'undefined ??']),
  ),
  bug(
    'a home that is made of an image serves at once',
    'a home that is made of an image is not confirmed, and serves nothing (!)',
    'node/life/first-image.js#bindingOf',
    'unconfirmed: was',
    "unconfirmed: ''",
    { changes: RESTORED, seedsMax: 60 },
  ),
  ruleBug(
    'what is left of a keeper goes on as a cluster',
    'a keeper is never replaced by what is left of it, or an image: its mids and floors are old (!)',
    piece('node/machine/orders#replace', 'cluster === draft.state.bound?.keeper.cluster', 'false'),
  ),
  ruleBug(
    'whoever is named in an answer is passed over',
    'all whom an answer names have answered, or are named lost (!)',
    piece('src/cli/rescue/rebuild#missingOf', 'known.has(peer)', 'true'),
  ),
  ruleBug(
    'a new keeper counts on from what was met',
    'numbers go on a million above any that was met',
    piece('src/cli/rescue/rebuild#rebuild', '+ LEAP', ''),
  ),
  ruleBug(
    'a keeper that has a map is told another one',
    'a keeper is told once, while it has no map',
    piece('node/machine/orders#install', 'if (!map.isEmpty)', 'if (false)'),
  ),
  ruleBug(
    'an earlier rescue takes a cluster from a later one',
    'an order below one that was seen is refused, so that two rescues never mix',
    piece('node/machine/rescue#adopt', 'order < adopted', 'false'),
  ),
  ruleBug(
    'of two that own a range the map names one',
    'two that serve a key are refused, unless the operator says who yields',
    piece(
      'src/cli/rescue/claims#whoStays',
      'first === undefined || second !== undefined',
      'first === undefined',
    ),
  ),
  ruleBug(
    'who yields is told nothing',
    YIELDS,
    piece('src/cli/rescue/rebuild#rebuild', 'for (const other of yielding)', 'for (const other of [])'),
  ),
  ruleBug(
    'who has yielded serves on',
    YIELDS,
    piece('node/machine/rescue#yieldRange', 'owned: removeRange(owned, to),', ''),
  ),
  ruleBug(
    'rows that were yielded stay',
    YIELDS,
    piece(
      'node/machine/rescue#yieldRange',
      'cleanups: withEntry(cleanups, mid, { lo: to.lo, hi: to.hi }),',
      '',
    ),
  ),
  ruleBug(
    'any rescue has a cluster yield',
    YIELDS_BY_ORDER,
    piece('node/machine/rescue#yieldRange', 'adopted !== order', 'false'),
  ),
  ruleBug(
    'any founding yields',
    YIELDS_BY_ORDER,
    piece('node/machine/rescue#yieldRange', ' || bound.mine !== founding', ''),
  ),
  ruleBug(
    'what moves is yielded',
    'nobody yields what it moves',
    piece('node/machine/rescue#yieldRange', 'moving !== undefined', 'false'),
  ),
  ruleBug(
    'an image of any founding takes its place',
    REPLACE,
    piece('src/cli/restore/succession#placeOf', '!replaced.includes(founding)', 'false'),
  ),
  ruleBug(
    'a founding is replaced that nobody named',
    REPLACE,
    piece('src/cli/restore/succession#refuseUnnamed', 'if (isNamed(typed, founding))', 'if (true)'),
  ),
  ruleBug(
    'an image of another nursery takes its place',
    REPLACE,
    piece('src/cli/restore/succession#placeOf', "!isTheirs && (keeper === '' || !map.isEmpty)", 'false'),
  ),
  ruleBug(
    'epochs of an image are compared with those of today',
    AS_OF_THE_MAP,
    piece('src/protocol/admin/lineage#epochsThen', 'earlier !== undefined; earlier', 'false; earlier'),
  ),
];

/** What a rescue tells and is told: orders, and what clusters say of themselves (docs/architecture.md, "Rescue"). */
import { lifeCodec, nodeAddressCodec, ownedCodec, storedWithMore } from '../../identity/founding.ts';
import { mapEntryCodec } from '../../keyspace/rangemap.ts';
import { type Codec, type Coded, i64, key, list, oneOf, option, struct, text } from '../../wire/codec.ts';
import { type FunctionSet, functionSetCodec, functionsVersionCodec } from './functions.ts';
import { migrationCodec } from './migration.ts';

/** Outcome of a migration at one cluster; the first one chosen stands for ever. */
export const outcomeCodec = oneOf('activated', 'abandoned', 'unsealed', 'released', 'takenBack', 'merged');
export type Outcome = Coded<typeof outcomeCodec>;

/** What a founding that takes the place of another tells the keeper; `owned` and `activated` as its log shows them. */
export const replacementCodec = struct({
  cluster: text,
  /** The keeper that it is bound to: another one gives it nothing. */
  keeper: text,
  was: text,
  founding: text,
  /** Foundings that its own log came from, of whatever age: one of them may be in force that nobody has confirmed to `was`. */
  after: list(text),
  /** Slot as of which this is. */
  version: i64,
  members: list(lifeCodec),
  owned: list(ownedCodec),
  /** Migrations to here that it has activated, and merges that it has carried out. */
  activated: list(i64),
  /** Imports that it had begun: their rows go. */
  imports: i64,
  /** The highest migration that it has met. */
  lastMid: i64,
  /** When, by the clock of the node that says so (ms since 1970). */
  takenMs: i64,
});
export type Replacement = Coded<typeof replacementCodec>;

/** What the keeper gives it; `spareMid`: the first of as many numbers as it needs for its clean-ups. */
export const confirmationCodec = struct({
  order: i64,
  ranges: list(ownedCodec),
  floorMid: i64,
  spareMid: i64,
});
export type Confirmation = Coded<typeof confirmationCodec>;

/** A move that a cluster has begun: its other end, and which founding of it. */
const endCodec = struct({ mid: i64, lo: key, hi: option(key), peer: text, founding: text });
/** Keepers that a cluster remembers having come from. */
export const KEEPERS_MAX = 32;
/** The last order by which a cluster came to another keeper (0: none), and the last `KEEPERS_MAX` that it came from, oldest first. */
export const adoptions = { adopted: i64, keepers: list(text) };
/** All of a cluster that a new keeper can be rebuilt from, as of one slot. */
export const belongingsCodec = struct({
  founding: text,
  /** The founding that it takes the place of and that no keeper has confirmed; '' where that is not so. */
  unconfirmed: text,
  owned: list(ownedCodec),
  exports: list(endCodec),
  imports: list(endCodec),
  closed: list(struct({ mid: i64, outcome: outcomeCodec })),
  tokens: list(struct({ mid: i64, token: i64 })),
  forward: list(mapEntryCodec),
  /** Every migration below is decided and forgotten. */
  floor: i64,
  /** The highest migration that it has met. */
  lastMid: i64,
  ...adoptions,
  /** Whose functions of users it has, and how far it has come with them. */
  functions: functionsVersionCodec,
});
export type Belongings = Coded<typeof belongingsCodec>;

/** An order of an operator, as the keeper records it: for ever, so that people can ask who did what. */
export const orderCodec = struct({
  order: i64,
  kind: oneOf('promote', 'lost', 'keeper'),
  cluster: text,
  /** The founding that is dead by it, and the one in its place ('': none). */
  was: text,
  founding: text,
  takenMs: i64,
  /** What the new founding was given, once its moves are settled. */
  given: option(confirmationCodec),
  /** The epoch that each range which was given had until then. */
  before: list(i64),
});
export type Order = Coded<typeof orderCodec>;

const installedCodec = struct({
  order: i64,
  from: text,
  /** All keepers that the new one stands for. */
  replaced: list(text),
  /** When, by the clock of whoever gives the order (ms since 1970). */
  takenMs: i64,
  /** `nodes`: where files say that they are, or were; whoever lives tells that himself from then on. */
  clusters: list(struct({ cluster: text, founding: text, nodes: list(nodeAddressCodec) })),
  entries: list(mapEntryCodec),
  migrations: list(migrationCodec),
  lastMid: i64,
});
/**
 * What a new keeper goes on with in the place of `from`. `functions`: those of users, as the cluster has them that has come furthest;
 * earlier builds said nothing of them.
 */
export const installationCodec: Codec<Coded<typeof installedCodec> & { readonly functions?: FunctionSet }> =
  storedWithMore(
    installedCodec,
    functionSetCodec,
    ({ functions }) => functions ?? null,
    (value, functions) => ({ ...value, functions }),
  );

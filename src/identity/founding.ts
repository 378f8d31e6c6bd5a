/**
 * Who is who: how clusters and the keeper name themselves to one another (docs/architecture.md, "Identity").
 *
 * A *founding* is the incarnation of the node that founded a cluster, 32 hexadecimal digits; the keeper's own is what the
 * nursery is. An empty text stands for "none yet".
 */
import {
  bool,
  type Codec,
  type Coded,
  i64,
  key,
  list,
  oneOf,
  option,
  type Reader,
  struct,
  text,
  u32,
} from '../wire/codec.ts';

/** Layout of a cluster's client configuration, as Arakoon's clients know it: node names, addresses, client port. */
export const nodeAddressCodec = struct({ name: text, ips: list(text), port: u32 });
export type NodeAddress = Coded<typeof nodeAddressCodec>;
export const clusterConfigCodec = struct({ cluster: text, nodes: list(nodeAddressCodec) });
export type ClusterConfig = Coded<typeof clusterConfigCodec>;

/** The founding of whatever an entry names; missing where the keeper has not bound one yet (homes of before). */
export type Founded = { readonly founding?: string };

/** `inner`, then the founding; for the wire. */
export function withFounding<T extends object>(inner: Codec<T>): Codec<T & Founded> {
  return {
    write: (writer, value) => {
      inner.write(writer, value);
      text.write(writer, value.founding ?? '');
    },
    read: (reader) => founded(inner.read(reader), text.read(reader)),
  };
}

/** The same for a row that holds nothing else: without a founding it has the bytes that it always had. */
export function storedWithFounding<T extends object>(inner: Codec<T>): Codec<T & Founded> {
  return storedWithMore(
    inner,
    text,
    ({ founding }) => founding ?? null,
    (value, founding) => founded(value, founding),
  );
}

/** A row that holds `inner`, and behind it what later versions know where there is any. */
export function storedWithMore<T, M, V extends T>(
  inner: Codec<T>,
  more: Codec<M>,
  moreOf: (value: V) => M | null,
  join: (value: T, more: M) => V,
): Codec<V> {
  return {
    write: (writer, value) => {
      inner.write(writer, value);
      const rest = moreOf(value);
      if (rest !== null) more.write(writer, rest);
    },
    // What has no more is what was written before there was any.
    read: (reader: Reader) => {
      const value = inner.read(reader);
      return reader.left === 0 ? (value as V) : join(value, more.read(reader));
    },
  };
}

function founded<T extends object>(value: T, founding: string): T & Founded {
  return founding === '' ? value : { ...value, founding };
}

/** How to reach a cluster, and which founding of its id that is. */
export const knownClusterCodec = withFounding(clusterConfigCodec);
export type KnownCluster = Coded<typeof knownClusterCodec>;

/** A keeper: its cluster id, its founding, which is the nursery's identity, and how to reach it. */
export const keeperRefCodec = struct({ cluster: text, founding: text, nodes: list(nodeAddressCodec) });
export type KeeperRef = Coded<typeof keeperRefCodec>;

/** To which keeper a cluster is bound, for ever; `mine`: its own founding. */
export const bindingCodec = struct({ keeper: keeperRefCodec, mine: text });
export type Binding = Coded<typeof bindingCodec>;

/** Which life of which node. */
export type NodeLife = { readonly node: string; readonly incarnation: string };

/** Whether both are the same life of the same node. */
export function isSameLife(a: NodeLife, b: NodeLife): boolean {
  return a.node === b.node && a.incarnation === b.incarnation;
}

/** Whether `life` is among `lives`. */
export function includesLife(lives: readonly NodeLife[], life: NodeLife): boolean {
  return lives.some((each) => isSameLife(each, life));
}

/** A member in force, or a learner, in its present life. */
export const lifeCodec = struct({ node: text, incarnation: text, learner: bool });
export type Life = Coded<typeof lifeCodec>;

/** The same as the keeper knows it: with the address that it told itself, of which there may be none yet. */
export const knownLifeCodec = struct({
  node: text,
  incarnation: text,
  learner: bool,
  ips: list(text),
  port: u32,
  label: text,
});
export type KnownLife = Coded<typeof knownLifeCodec>;

/** A range that a cluster owns: the epoch at which it got it, and the migration that has sealed it. */
export const ownedCodec = struct({ lo: key, hi: option(key), epoch: i64, sealedBy: option(i64) });
export type Owned = Coded<typeof ownedCodec>;

/** What the master of a cluster tells the keeper. */
export const introductionCodec = struct({
  cluster: text,
  founding: text,
  /** Founding of the keeper that it is bound to, '' before. */
  keeper: text,
  /** Slot as of which `members` is. */
  version: i64,
  members: list(lifeCodec),
  /** All that it owns. */
  owned: list(ownedCodec),
});
export type Introduction = Coded<typeof introductionCodec>;

/** What each node tells of itself alone, in its present life. */
const selfFields = {
  cluster: text,
  founding: text,
  node: text,
  incarnation: text,
  ips: list(text),
  port: u32,
  label: text,
};
export const selfCodec = struct(selfFields);
export type Self = Coded<typeof selfCodec>;

/** The same, of one process of that life. */
export const claimedAddressCodec = struct({
  ...selfFields,
  /** Random, of the process alone. */
  process: text,
  /** Its claim has stood for so long that a living process at the address in force would have spoken. */
  insists: bool,
});
export type ClaimedAddress = Coded<typeof claimedAddressCodec>;

/** Another process of a node's life than the one at the address in force asks to be the one that is reached. */
export const claimCodec = struct({
  process: text,
  ips: list(text),
  port: u32,
  /** The process at the address in force has spoken since: the life runs twice, and this one is not it. */
  refused: bool,
});
export type Claim = Coded<typeof claimCodec>;

/** A node whose present life has told its address, and at most one claim to be reached elsewhere: the last one. */
export const presenceCodec = struct({ node: text, claim: option(claimCodec) });
export type Presence = Coded<typeof presenceCodec>;

/**
 * What a keeper says of a founding: it is in force; nobody has its id; somebody else has it; nobody has it, and the map gives it
 * other ranges than this one owns; it is over, for ever; it belongs to another keeper; this is no keeper (yet).
 */
export const verdictCodec = oneOf('inForce', 'free', 'taken', 'unfit', 'dead', 'foreign', 'notKeeper');
export type Verdict = Coded<typeof verdictCodec>;

export const standingCodec = struct({
  verdict: verdictCodec,
  /** Who says so; its founding is '' where it is no keeper. */
  keeper: keeperRefCodec,
  /** For people: why, and what to do. */
  why: text,
  /** It has no map yet: it may not have been told who is who, and whoever is bound to it waits for that. */
  isNew: bool,
  /** As of which slot the keeper knows the members, and who they are; of a founding in force alone. */
  version: i64,
  members: list(knownLifeCodec),
  /** Those of them that have told their address in their present life. */
  presences: list(presenceCodec),
});
export type Standing = Coded<typeof standingCodec>;

/** What a node is made of, and what it is told at its start. */
import type { FatalError } from '../src/base/errors.ts';
import type { ClusterIni } from '../src/config/cluster-config.ts';
import type { NodeIni } from '../src/config/node-section.ts';
import type { Dashboard } from '../src/dashboard/http.ts';
import type { ClientPort } from '../src/port/port.ts';
import type { Logger } from '../src/process/log.ts';
import type { Driver } from './driver/driver.ts';
import type { UpdateCost } from './driver/update-cost.ts';
import type { Introduction } from './identity/introduction.ts';
import type { Storage } from './life/storage.ts';
import type { Peers } from './members/peers.ts';
import type { SnapshotServer } from './members/snapshots.ts';
import type { Slot } from './paxos/values.ts';
import type { Scrubber } from './scrub/scrubber.ts';
import type { ConditionWatch, Seen } from './serve/conditions.ts';
import type { Load } from './serve/load.ts';
import type { Requests } from './serve/requests.ts';

export type NodeOptions = {
  readonly ini: ClusterIni;
  readonly node: NodeIni;
  readonly logger: Logger;
  /** Founds a cluster although not all members report empty homes. */
  readonly bootstrap: boolean;
  /** Serves, for this start, although the keeper has not said that the cluster's founding is in force. Default false. */
  readonly withoutKeeper?: boolean;
  /** Served at its client port; none by default. */
  readonly dashboard?: Dashboard;
  /** Hears for what the node waits: that its own host name can be resolved, or room on its disk. */
  waits(what: string): void;
  /** Ends the process; called once, when the node can not go on. */
  stop(error: FatalError): void;
};

/** What a node has counted in all lives of its store. */
export type Tally = { scrubDifferences: number; storeRebuilds: number };

/** What a node is made of, in the order in which it is built: each part is given those before it. */
export type Parts = {
  readonly storage: Storage;
  /** They are dialled once the others are there to hear them. */
  readonly peers: Peers;
  /** Told of each slot that was applied, in this order; the parts that follow the driver add themselves. */
  readonly applied: ((slot: Slot) => void)[];
  readonly driver: Driver;
  readonly introduction: Introduction;
  readonly scrubber: Scrubber;
  readonly snapshots: SnapshotServer;
  readonly serving: Serving;
  readonly requests: Requests;
  readonly ports: readonly ClientPort[];
};

/** What requests and what happens beside them look at together. */
export type Serving = Seen & {
  readonly cost: UpdateCost;
  readonly conditions: ConditionWatch;
  readonly load: Load;
};

/** The parts before one, by the names of those that it needs. */
export type Built<K extends keyof Parts> = Pick<Parts, K>;

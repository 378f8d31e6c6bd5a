/** Bugs planted on purpose at the simulator's seams: what proves that it would see one. */
import { type Replica, step } from '../../../node/paxos/step.ts';
import type { Effect, Event, LogRecord, Recovered } from '../../../node/paxos/types.ts';
import type { Disk } from './disk.ts';

/** The seams; without a bug, each does what it says. */
export type Bugs = {
  /** What a starting process is told of its disk. */
  recover(recovered: Recovered): Recovered;
  step(replica: Replica, event: Event): Effect[];
  /** Makes records durable. */
  write(disk: Disk, records: readonly LogRecord[]): void;
  /** Whether a message leaves before the record that it waits for is durable. */
  readonly sendsEarly: boolean;
  /** Whether the store is flushed as far as it is applied, durable or not. */
  readonly flushesEarly: boolean;
  /** Whether a wiped home goes on under its old number. */
  readonly keepsIncarnation: boolean;
  /** Factor by which clocks leave the margin. */
  readonly driftFactor: number;
  /** Whether a paused process asks its last tick for the time. */
  readonly trustsLastTick: boolean;
};

export const NO_BUGS: Bugs = {
  recover: (recovered) => recovered,
  step,
  write: (disk, records) => disk.append(records),
  sendsEarly: false,
  flushesEarly: false,
  keepsIncarnation: false,
  driftFactor: 1,
  trustsLastTick: false,
};

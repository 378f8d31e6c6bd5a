/** Bugs planted on purpose at the simulator's seams: what proves that it would see one. */

import type { Effect, Event, Recovered } from '../../../node/paxos/contract.ts';
import type { Message } from '../../../node/paxos/messages.ts';
import { type Replica, step } from '../../../node/paxos/step.ts';
import { type LogRecord, NO_BALLOT } from '../../../node/paxos/values.ts';
import type { Disk } from './disk.ts';
import type { Fault } from './plan.ts';

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
  /** Whether a wiped home goes on under its old number, and its membership. */
  readonly keepsLife: boolean;
  /** Factor by which clocks leave the margin. */
  readonly driftFactor: number;
  /** Whether reads ask for the time of the last event, and not for the present one. */
  readonly trustsLastEvent: boolean;
};

export const NO_BUGS: Bugs = {
  recover: (recovered) => recovered,
  step,
  write: (disk, records) => disk.append(records),
  sendsEarly: false,
  flushesEarly: false,
  keepsLife: false,
  driftFactor: 1,
  trustsLastEvent: false,
};

/** Hands the core every event, after a change to the messages that it gets. */
function hearing(change: (message: Message) => Message): Bugs['step'] {
  return (replica, event) =>
    step(replica, event.kind === 'message' ? { ...event, message: change(event.message) } : event);
}

/** Writes only some of the records. */
function writing(isWritten: (record: LogRecord) => boolean): Bugs['write'] {
  return (disk, records) => disk.append(records.filter(isWritten));
}

export type Planted = {
  /** The mistake that an implementation could make. */
  readonly name: string;
  /** The mistake, as a change to the seams. */
  readonly bugs: Partial<Bugs>;
  /** Troubles in which it shows; where empty, those that the seeds draw. */
  readonly faults: readonly Fault[];
  /** Size of the cluster. */
  readonly nodes: number;
  /** Seeds within which it is caught. */
  readonly within: number;
};

export const PLANTED: readonly Planted[] = [
  {
    name: 'promises are not written',
    faults: [],
    nodes: 3,
    within: 20,
    bugs: { write: writing(({ kind }) => kind !== 'promise') },
  },
  { name: 'messages do not wait for the disk', faults: [], nodes: 3, within: 20, bugs: { sendsEarly: true } },
  {
    name: 'the store is flushed ahead of the log',
    faults: [],
    nodes: 3,
    within: 40,
    bugs: { flushesEarly: true },
  },
  {
    name: 'a wiped home goes on under its old number',
    faults: ['wipe', 'crash', 'isolate'],
    nodes: 3,
    within: 30,
    bugs: { keepsLife: true },
  },
  {
    name: 'clocks leave the margin',
    faults: ['isolate', 'pause'],
    nodes: 3,
    within: 20,
    bugs: { driftFactor: 60 },
  },
  {
    name: 'a read trusts the time of the last event',
    faults: ['isolate', 'pause'],
    nodes: 3,
    within: 20,
    bugs: { trustsLastEvent: true },
  },
  {
    name: 'a restarted node forgets that it promised',
    faults: [],
    nodes: 3,
    within: 20,
    bugs: { recover: (recovered) => ({ ...recovered, promised: NO_BALLOT }) },
  },
  {
    name: 'what was accepted counts as chosen after a restart',
    faults: ['isolate', 'crash'],
    nodes: 3,
    within: 30,
    bugs: {
      recover: (recovered) => ({ ...recovered, chosen: recovered.accepted.at(-1)?.slot ?? recovered.chosen }),
    },
  },
  {
    name: 'what was accepted is forgotten by a restart',
    faults: [],
    nodes: 3,
    within: 20,
    bugs: {
      recover: (recovered) => ({
        ...recovered,
        accepted: recovered.accepted.filter(({ slot }) => slot <= recovered.chosen),
      }),
    },
  },
  {
    name: 'phase 1 ignores what acceptors report',
    faults: ['isolate', 'crash'],
    nodes: 3,
    within: 40,
    bugs: {
      step: hearing((message) => (message.kind === 'promise' ? { ...message, accepted: [] } : message)),
    },
  },
  {
    name: 'a watermark counts whatever was accepted',
    faults: ['isolate', 'deaf', 'crash'],
    nodes: 3,
    within: 30,
    bugs: {
      step: (replica, event) => {
        if (event.kind === 'message' && event.message.kind === 'heartbeat') {
          for (const [slot, { value }] of replica.accepted) {
            replica.accepted.set(slot, { ballot: event.message.ballot, value });
          }
        }
        return step(replica, event);
      },
    },
  },
  {
    name: 'one granted lease counts as a quorum of them',
    faults: ['isolate', 'partition'],
    nodes: 5,
    within: 20,
    bugs: {
      step: (replica, event) => {
        const effects = step(replica, event);
        const { role } = replica;
        if (role.kind === 'master') {
          const newest = Math.max(...role.grants.values());
          for (const { node, incarnation } of replica.members.members) {
            role.grants.set(`${node}.${incarnation.slice(0, 12)}`, newest);
          }
        }
        return effects;
      },
    },
  },
  {
    name: 'a lease counts from its answer',
    faults: ['isolate', 'pause'],
    nodes: 3,
    within: 100,
    bugs: {
      step: (replica, event) => {
        if (event.kind !== 'message' || event.message.kind !== 'granted') return step(replica, event);
        return step(replica, { ...event, message: { ...event.message, sentAtMs: Math.floor(event.nowMs) } });
      },
    },
  },
];

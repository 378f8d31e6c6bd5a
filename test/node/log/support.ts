/** What the log's tests share: a log on a fake disk, and records to put into it. */
import { type LogOptions, TransactionLog } from '../../../node/log/log.ts';
import type { LogRecord, MembersState, Slot } from '../../../node/paxos/values.ts';
import type { FakeDisk } from './fake-disk.ts';

export const DIR = '/home/a/tlog';
/** Path of segment `number`. */
export const segmentPath = (number: number): string => `${DIR}/${String(number).padStart(10, '0')}.tlog`;

/** Opens the log of node `a` of cluster `ricky`. */
export async function openLog(disk: FakeDisk, options: Partial<LogOptions> = {}) {
  const warnings: string[] = [];
  const { log, recovered } = await TransactionLog.open({
    dir: DIR,
    cluster: 'ricky',
    node: 'a',
    appliedSlot: 0,
    segmentBytes: 4096,
    reserveBytes: 0,
    disk,
    onWarning: (message) => warnings.push(message),
    ...options,
  });
  return { log, recovered, warnings };
}

/** `append` as a promise. */
export function append(log: TransactionLog, ...entries: LogRecord[]): Promise<void> {
  return new Promise((resolve, reject) => {
    log.append(entries, (error) => (error === null ? resolve() : reject(error)));
  });
}

/** Waits for `work`, or for the machine to stop. */
export async function unlessCrashed<T>(disk: FakeDisk, work: Promise<T>): Promise<T | 'crashed'> {
  return await Promise.race([work, disk.crashed.then(() => 'crashed' as const)]);
}

export const STATE: MembersState = {
  cluster: 'c'.repeat(32),
  members: [{ node: 'a', incarnation: 'i'.repeat(32) }],
  superseded: [],
};

/** An accept whose value says its slot and `mark`. */
export function accept(
  slot: Slot,
  options: { round?: number; mark?: string; chosen?: Slot; bytes?: number } = {},
): LogRecord {
  const { round = 1, mark = '', chosen = 0, bytes = 0 } = options;
  const text = `${slot}${mark}`.padEnd(bytes, '.');
  const value = { kind: 'batch', bytes: Uint8Array.from(Buffer.from(text)) } as const;
  return { kind: 'accept', slot, ballot: { round, node: 'b' }, value, chosen };
}

/** Slots with the texts of their batches, for comparison. */
export function texts(values: readonly { slot: Slot; value: { kind: string } }[]): [Slot, string][] {
  return values.map(({ slot, value }) => [
    slot,
    'bytes' in value ? Buffer.from(value.bytes as Uint8Array).toString() : value.kind,
  ]);
}

/** Slots from `from` to `upTo`. */
export function slots(from: Slot, upTo: Slot): Slot[] {
  return Array.from({ length: upTo - from + 1 }, (_, i) => from + i);
}

/** What stands in a log, as people and scripts read it. */
import type { InspectedRecord } from '../../../node/log/inspect.ts';
import { type LogRecord, printBallot, type Value } from '../../../node/paxos/values.ts';
import { NurseryError } from '../../base/errors.ts';
import { decodeBatch, isFollower } from '../../protocol/arakoon/batch.ts';
import { decodeUpdate, isSequence, type Update } from '../../protocol/arakoon/updates.ts';
import { jsonForm, jsonKey } from '../forms.ts';

/** Bytes before an update that follows the one before it (batch.ts). */
const FOLLOWER_BYTES = 4;

type Plain = { readonly [name: string]: unknown };

/** A record as an object; values of keys are left out, but for their lengths, unless `withValues`. */
export function plainRecord({ offset, number, record }: InspectedRecord, withValues: boolean): Plain {
  return { number, offset, ...(record === null ? { kind: 'proof' } : plainEntry(record, withValues)) };
}

/** The same in one line. */
export function sayRecord(inspected: InspectedRecord, withValues: boolean): string {
  const { number, kind, offset, ...rest } = plainRecord(inspected, withValues);
  const more = Object.entries(rest).map(
    ([name, value]) => `${name} ${typeof value === 'object' ? JSON.stringify(value) : value}`,
  );
  return [`${number} ${kind}`, ...more].join('  ');
}

function plainEntry(record: LogRecord, withValues: boolean): Plain {
  switch (record.kind) {
    case 'accept': {
      const { kind, slot, ballot, chosen } = record;
      return { kind, slot, ballot: printBallot(ballot), chosen, ...plainValue(record.value, withValues) };
    }
    case 'learn':
      return {
        kind: 'learn',
        slot: record.slot,
        chosen: record.chosen,
        ...plainValue(record.value, withValues),
      };
    case 'promise':
      return { kind: 'promise', ballot: printBallot(record.ballot) };
    case 'founded': {
      const { cluster, members } = record.state;
      return { kind: 'founded', founding: cluster, members };
    }
    default:
      return { ...record };
  }
}

function plainValue(value: Value, withValues: boolean): Plain {
  if (value.kind !== 'batch') return { value };
  return { updates: decodeBatch(value.bytes).map((bytes) => readUpdate(bytes, withValues)) };
}

/** What another version wrote is shown as bytes: a dump goes on. */
function readUpdate(bytes: Uint8Array, withValues: boolean): Plain {
  const follows = isFollower(bytes);
  try {
    const update = plainUpdate(decodeUpdate(follows ? bytes.subarray(FOLLOWER_BYTES) : bytes), withValues);
    return follows ? { ...update, follows } : update;
  } catch (error) {
    if (!(error instanceof NurseryError)) throw error;
    return { kind: 'unknown', why: error.message, bytes: bytes.length };
  }
}

function plainUpdate(update: Update, withValues: boolean): Plain {
  if (isSequence(update)) {
    return { kind: update.kind, updates: update.updates.map((inner) => plainUpdate(inner, withValues)) };
  }
  if (update.kind === 'admin') return { kind: 'admin', command: update.command.kind };
  const { kind, ...fields } = update;
  const entries = Object.entries(fields).map(
    ([name, value]) => [name, plainField(value, withValues)] as const,
  );
  return { kind, ...Object.fromEntries(entries) };
}

/** Keys are text, values are bytes. */
function plainField(value: unknown, withValues: boolean): unknown {
  if (typeof value === 'string') return jsonKey(value);
  if (Array.isArray(value)) return value.map((key: string) => jsonKey(key));
  if (!(value instanceof Uint8Array)) return value;
  return withValues ? jsonForm(value) : `${value.length} bytes`;
}

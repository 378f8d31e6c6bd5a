/** The bytes that Arakoon's own Python client makes and accepts, as recorded in test/golden/arakoon-vectors.json. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Key } from '../../../../src/base/bytes.ts';
import type { Consistency } from '../../../../src/protocol/arakoon/requests.ts';
import type { Update } from '../../../../src/protocol/arakoon/updates.ts';

/** A byte string, or what JSON has. */
export type Hex = { readonly hex: string };
export type RequestVector = {
  readonly name: string;
  readonly call: string;
  readonly args: readonly unknown[];
  readonly request_hex: string;
};
export type ResponseVector = {
  readonly name: string;
  readonly decoder: string;
  readonly response_hex: string;
  readonly result?: unknown;
  readonly exception?: string;
};

export const VECTORS: {
  readonly requests: readonly RequestVector[];
  readonly responses: readonly ResponseVector[];
} = JSON.parse(readFileSync(join(process.cwd(), 'test/golden/arakoon-vectors.json'), 'utf8'));

export function bytesOf(value: unknown): Buffer {
  return Buffer.from((value as Hex).hex, 'hex');
}

export function keyOf(value: unknown): Key {
  return bytesOf(value).toString('latin1');
}

export function optionalBytes(value: unknown): Buffer | null {
  return value === null ? null : bytesOf(value);
}

export function optionalKey(value: unknown): Key | null {
  return value === null ? null : keyOf(value);
}

export function consistencyOf(value: unknown): Consistency {
  const { consistency, i } = value as { consistency: string; i?: string };
  if (consistency === 'Consistent') return { kind: 'consistent' };
  if (consistency === 'NoGuarantee') return { kind: 'noGuarantees' };
  return { kind: 'atLeast', slot: Number(i) };
}

/** An update as the vectors describe it. */
export function updateOfVector(step: Record<string, unknown>): Update {
  switch (step['kind']) {
    case 'Set':
      return { kind: 'set', key: keyOf(step['key']), value: bytesOf(step['value']) };
    case 'Delete':
      return { kind: 'delete', key: keyOf(step['key']) };
    case 'DeletePrefix':
      return { kind: 'deletePrefix', prefix: keyOf(step['prefix'] ?? step['key']) };
    case 'Assert':
      return { kind: 'assert', key: keyOf(step['key']), expected: optionalBytes(step['vo']) };
    case 'AssertExists':
      return { kind: 'assertExists', key: keyOf(step['key']) };
    case 'AssertRange':
      return {
        kind: 'assertRange',
        prefix: keyOf(step['prefix']),
        keys: (step['containsExactly'] as unknown[]).map(keyOf),
      };
    case 'Sequence':
      return {
        kind: 'sequence',
        updates: (step['sequence'] as Record<string, unknown>[]).map(updateOfVector),
      };
    default:
      throw new Error(`no update is called ${String(step['kind'])}`);
  }
}

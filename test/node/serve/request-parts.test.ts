/** Where the load of a request is counted: the first key that it names. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { keyIn } from '../../../node/serve/request-parts.ts';
import type { Request } from '../../../src/protocol/arakoon/requests.ts';
import { encodeUpdate, firstKeyOf, type Update } from '../../../src/protocol/arakoon/updates.ts';

const consistency = { kind: 'consistent' } as const;
const value = Buffer.from('v');
const bounds = { consistency, firstIncluded: true, lastIncluded: false, max: -1 };

function sequence(...updates: readonly Update[]): Uint8Array {
  return encodeUpdate({ kind: 'sequence', updates });
}

test('each kind of request has a first key, or none', () => {
  const cases: readonly (readonly [Request, string | null])[] = [
    [{ kind: 'get', consistency, key: 'k' }, 'k'],
    [{ kind: 'set', key: 'k', value }, 'k'],
    [{ kind: 'multiGet', consistency, keys: ['b', 'a'] }, 'b'],
    [{ kind: 'multiGet', consistency, keys: [] }, null],
    [{ kind: 'deletePrefix', prefix: 'p' }, 'p'],
    [{ kind: 'prefixKeys', consistency, prefix: 'p', max: 1 }, 'p'],
    [{ kind: 'range', ...bounds, first: 'f', last: null }, 'f'],
    [{ kind: 'range', ...bounds, first: null, last: 'z' }, ''],
    [{ kind: 'revRangeEntries', ...bounds, first: 'z', last: 'm' }, 'm'],
    [{ kind: 'sequence', update: sequence({ kind: 'delete', key: 'd' }, { kind: 'delete', key: 'e' }) }, 'd'],
    [{ kind: 'nop' }, null],
    [{ kind: 'whoMaster' }, null],
  ];
  for (const [request, key] of cases) assert.is(keyIn(request), key, request.kind);
});

test('of a sequence it is that of its first update, however deep; what is no sequence has none', () => {
  const inner: Update = { kind: 'sequence', updates: [{ kind: 'assertRange', prefix: 'p', keys: ['q'] }] };
  assert.is(firstKeyOf(sequence(inner)), 'q');
  assert.is(firstKeyOf(sequence()), null);
  assert.is(firstKeyOf(sequence({ kind: 'nop' }, { kind: 'delete', key: 'd' })), null);
  assert.is(firstKeyOf(Buffer.from([5, 0, 0])), null);
  assert.is(firstKeyOf(Buffer.alloc(0)), null);
});

test.run();

/** Whoever types `rescue lost` once more, or beside somebody else, is told what has come, and from which image. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { NurseryError } from '../../../../src/base/errors.ts';
import type { NurseryConnections } from '../../../../src/cli/connections.ts';
import type { Used } from '../../../../src/cli/rescue/backup-rows.ts';
import {
  broughtBefore,
  broughtOtherwise,
  overtaken,
  sayBefore,
  sourceOf,
} from '../../../../src/cli/rescue/brought-before.ts';
import { restoredFrom } from '../../../../src/health/restored.ts';
import { WHOLE } from '../../../../src/keyspace/range.ts';
import { type Migration, NO_PROGRESS, type Order } from '../../../../src/protocol/admin/admin.ts';

const USED: Used = { range: WHOLE, cluster: 'bru', epoch: 3, slot: 12, taken: '2026-01-02T03:04:05Z' };
const backup = (...used: Used[]) => ({ used: () => used });
const THU = restoredFrom(sourceOf(backup(USED), WHOLE));
const ORDER: Order = {
  ...{ order: 4, kind: 'lost', cluster: 'bru', was: 'g1', founding: '', takenMs: 1, before: [], given: null },
};

function copy(mid: number, stage: string, source = 'g1'): Migration {
  return {
    ...{ mid, source: 'bru', target: 'ams', lo: 'c', hi: 'h', phase: 'done', token: 1, heartbeat: 0 },
    ...{ wish: 'run', why: '', receipt: null, progress: { ...NO_PROGRESS, stage, keysCopied: 7 } },
    foundings: { keeper: 'K', source, target: 'a' },
    rescue: { order: 4, dead: 'source', epoch: 0, isThere: false, isCopy: true },
  };
}

test('a range that was brought before is told with order and image; another image than is named now is said', () => {
  const came = '[c..h) came to ams before, by order 4, with 7 keys, at epoch 9';
  const image = 'from the image of bru as of slot 12, 2026-01-02T03:04:05Z';
  assert.is(sayBefore(copy(9, THU), { backup: backup(USED), at: 'ams' }), `${came}: restored ${image}`);
  const now = `from the image of bru as of slot 11, ${USED.taken}`;
  const other = sayBefore(copy(9, THU), { backup: backup({ ...USED, slot: 11 }), at: 'ams' });
  assert.is(other, `${came}: restored ${image}, and not ${now}, as was asked for now`);
  assert.is(
    sayBefore(copy(9, THU), { backup: null, at: 'ams' }),
    `${came}: restored ${image}, and not empty, as was asked for now`,
  );
  assert.is(
    sayBefore(copy(9, 'restoring'), { backup: null, at: 'ams' }),
    came,
    'of a build that did not note it',
  );
});

test('what was brought otherwise than is asked for is refused in the same words, and the very same wish is not', () => {
  const empty = restoredFrom(sourceOf(null, WHOLE));
  const wish = { backup: backup(USED), at: 'ams' };
  const given = copy(9, empty);
  const refused = broughtOtherwise([given], wish);
  assert.is(refused?.code, 'REFUSED');
  assert.ok(refused?.message.includes(sayBefore(given, wish)), refused?.message);
  assert.match(
    refused?.message ?? '',
    /restored empty, and not from the image of bru .*, as was asked for now/,
  );
  assert.is(broughtOtherwise([given], { backup: null, at: 'ams' }), null, 'typed again');
  assert.is(broughtOtherwise([copy(9, THU)], wish), null, 'typed again');
  const elsewhere = broughtOtherwise([copy(9, THU)], { ...wish, at: 'cru' });
  assert.match(elsewhere?.message ?? '', /, and not to cru, as was asked for now/);
  assert.is(broughtOtherwise([copy(9, 'restoring')], wish), null, 'of a build that did not note it');
  assert.is(broughtOtherwise([], wish), null);
  const longAgo: Migration = {
    ...copy(5, empty),
    rescue: { order: 2, dead: 'source', epoch: 0, isThere: false, isCopy: true },
  };
  assert.is(broughtOtherwise([longAgo, copy(9, THU)], wish), null, 'of a founding that was lost before');
});

test('of several images some are named, and the others counted', () => {
  const many = backup(...[1, 2, 3, 4, 5, 6].map((slot) => ({ ...USED, slot })));
  assert.match(sourceOf(many, WHOLE), /slot 1, .*slot 4, [^;]*; and from 2 more$/);
});

test('before: not what was brought just now, and what the map gave to that very founding', async () => {
  const moves = [copy(8, THU, 'g0'), copy(9, THU), copy(10, THU)];
  const query = async () => ({ kind: 'migrations', migrations: moves });
  const nursery = { keeper: { query } } as unknown as NurseryConnections;
  const mids = async (named: readonly string[]) => {
    const entries = named.map((founding) => ({ ...WHOLE, owner: 'bru', epoch: 1, founding }));
    const found = await broughtBefore(nursery, [ORDER], { entries, wanted: WHOLE, copied: [{ mid: 10 }] });
    return found.map(({ mid }) => mid);
  };
  assert.equal(await mids(['g1']), [9]);
  assert.equal(await mids([]), [8, 9]);
});

test('a copy that another command has cut short says that, and what comes of it', async () => {
  const why = async (migrations: readonly Migration[], error: Error): Promise<string | null> => {
    const query = async () => ({ kind: 'migrations', migrations });
    const nursery = { keeper: { query } } as unknown as NurseryConnections;
    const what = { cluster: 'bru', wanted: WHOLE, known: new Set([8]), error };
    return (await overtaken(nursery, [ORDER], what))?.message ?? null;
  };
  const fenced = new NurseryError('FENCED', 'beginImport: fenced');
  const theirs: Migration = { ...copy(10, 'restoring'), phase: 'active', target: 'cru' };
  assert.match(
    (await why([copy(8, THU), { ...copy(9, ''), phase: 'lost' }, theirs], fenced)) ?? '',
    /^another nursery rescue lost bru is at work, or was carried out meanwhile: migration 10 brings \[c\.\.h\) to cru \(restoring\)\. Let one/,
  );
  const refused = new NurseryError('REFUSED', '[c..h) is not of founding g1 of bru');
  assert.match(
    (await why([copy(11, restoredFrom('empty'))], refused)) ?? '',
    /migration 11 has brought \[c\.\.h\) to ams \(restored empty\)/,
  );
  assert.is(await why([copy(8, THU)], refused), null, 'it is refused for another reason');
  assert.is(await why([], new NurseryError('UNREACHABLE', 'silent')), null);
});

test.run();

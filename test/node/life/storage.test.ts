/** A node's two files on a real disk. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { MEMBERS_KEY, readMembers } from '../../../node/life/members-row.ts';
import { Storage, storePlace } from '../../../node/life/storage.ts';
import { membersStateCodec } from '../../../node/paxos/values.ts';
import { NurseryError } from '../../../src/base/errors.ts';
import { encode } from '../../../src/wire/codec.ts';

const IGNORED = (): void => undefined;
const LIFE = 'b'.repeat(32);

const tests = suite('storage', { home: '' });

tests.before.each((context) => {
  context.home = mkdtempSync(join(tmpdir(), 'nursery-storage-'));
});
tests.after.each(({ home }) => rmSync(home, { recursive: true }));

tests(
  'while the store is being replaced, what needs it is refused, and nothing is thrown at a timer',
  async ({ home }) => {
    const storage = await Storage.open({
      place: storePlace(home, 'ricky', 'a'),
      logDir: join(home, 'tlog'),
      segmentBytes: 64 * 1024,
      reserveBytes: 0,
      logger: { debug: IGNORED, info: IGNORED, warn: IGNORED, error: IGNORED },
    });
    const store = storage.store.take();
    const refusal = await storage.collapse().catch((error: Error) => error);
    assert.ok(refusal instanceof NurseryError && refusal.code === 'GOING_DOWN', `${refusal}`);
    assert.equal(storage.syncs.store, 0);
    storage.store.put(store);
    assert.is(await storage.collapse(), 0);
    await storage.close(0);
  },
);

tests(
  'rows of a founding that a home has not durably joined say nothing at the next start',
  async ({ home }) => {
    const open = (): Promise<Storage> =>
      Storage.open({
        place: storePlace(home, 'ricky', 'a'),
        logDir: join(home, 'tlog'),
        segmentBytes: 64 * 1024,
        reserveBytes: 0,
        logger: { debug: IGNORED, info: IGNORED, warn: IGNORED, error: IGNORED },
      });
    const members = { cluster: LIFE, members: [{ node: 'b', incarnation: LIFE }], superseded: [] };
    const killed = await open();
    killed.store.commit(new Map([[MEMBERS_KEY, encode(membersStateCodec, members)]]), 0);
    await killed.close(0);
    const again = await open();
    assert.equal(readMembers(again.store), members, 'they were flushed');
    assert.is(again.recovered.members, null);
    await again.close(0);
  },
);

tests.run();

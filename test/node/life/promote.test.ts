/** A survivor's home becomes the first of a new founding; broken off at any step it is completed at the next start. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { LEAP } from '../../../node/life/first-image.ts';
import { readMembers } from '../../../node/life/members-row.ts';
import { canBeRebuilt } from '../../../node/life/peers.ts';
import { type ClosedHome, finishPromotion, promoteHome } from '../../../node/life/promote.ts';
import { restoreHome } from '../../../node/life/restore.ts';
import { Storage, storePlace } from '../../../node/life/storage.ts';
import { TransactionLog } from '../../../node/log/log.ts';
import type { Value } from '../../../node/paxos/values.ts';
import { LmdbStore } from '../../../node/store/lmdb-store.ts';
import { FatalError } from '../../../src/base/errors.ts';

const tests = suite('a home that is promoted');
const made: string[] = [];
tests.after(() => {
  for (const dir of made) rmSync(dir, { recursive: true, force: true });
});

/** A home with a row, of a founding of its own. */
async function home(): Promise<{ closed: ClosedHome; slot: number; founding: string }> {
  const dir = mkdtempSync(join(tmpdir(), 'nursery-promote-'));
  made.push(dir);
  const closed = {
    home: join(dir, 'n1'),
    logDir: join(dir, 'log'),
    place: storePlace(join(dir, 'n1'), 'c', 'n1'),
  };
  const owned = [{ lo: '', hi: null, epoch: 0 }];
  async function* rows() {
    yield [{ key: 'apple', value: Buffer.from('red') }];
  }
  const restored = await restoreHome({
    ...closed,
    image: { slot: 10, owned, keeper: '' },
    rows: rows(),
    succession: null,
  });
  return { closed, ...restored };
}

/** What a node that starts there would find. */
async function look({ logDir, place }: ClosedHome) {
  const store = await LmdbStore.open(place);
  const members = readMembers(store);
  const { slot } = store;
  const { log, recovered } = await TransactionLog.open({
    dir: logDir,
    cluster: place.cluster,
    node: place.node,
    appliedSlot: slot,
    snapshotSlot: slot,
    members,
    onWarning: (message) => assert.unreachable(message),
  });
  await log.close();
  await store.close();
  return { slot, members, recovered };
}

tests('it has a new life, which names the founding; the old one is over', async () => {
  const { closed, slot, founding } = await home();
  await promoteHome(closed, slot);
  const { members, recovered, slot: now } = await look(closed);
  assert.is(now, slot + LEAP);
  assert.is.not(members?.cluster, founding);
  assert.equal(members?.members, [{ node: 'n1', incarnation: members?.cluster }]);
  assert.ok(members?.superseded.some(({ node, incarnation }) => node === 'n1' && incarnation === founding));
  assert.ok(members?.superseded.some(({ node, incarnation }) => node === '' && incarnation === founding));
  assert.is(recovered.incarnation, members?.cluster);
  assert.is(recovered.founded?.state.cluster, members?.cluster);
  assert.is(recovered.retired, undefined);
  assert.not.ok(existsSync(join(closed.home, 'PROMOTING')));
});

tests('broken off anywhere, it is completed with the same life', async () => {
  const { closed, slot } = await home();
  const marker = join(closed.home, 'PROMOTING');
  const incarnation = 'ab'.repeat(16);
  const order = `${JSON.stringify({ from: slot, to: slot + LEAP, incarnation })}\n`;
  writeFileSync(marker, order); // nothing else was done
  await finishPromotion(closed);
  assert.is((await look(closed)).members?.cluster, incarnation);
  writeFileSync(marker, order); // all but the removal of the marker
  await finishPromotion(closed);
  writeFileSync(marker, order); // between the old log and the new one
  for (const name of readdirSync(closed.logDir)) rmSync(join(closed.logDir, name));
  await finishPromotion(closed);
  const { members, recovered, slot: now } = await look(closed);
  assert.equal([now, members?.cluster, recovered.incarnation], [slot + LEAP, incarnation, incarnation]);
  await finishPromotion(closed); // nothing to do
});

tests('a store that is of another slot, and a marker that nobody wrote, change nothing', async () => {
  const { closed, slot } = await home();
  const refusal = async (work: Promise<void>): Promise<string> =>
    work.then(
      () => 'done',
      (error: unknown) => (error instanceof FatalError ? error.message : String(error)),
    );
  assert.match(await refusal(promoteHome(closed, slot + 1)), /is of slot \d+, not of/);
  assert.not.ok(existsSync(join(closed.home, 'PROMOTING')));
  writeFileSync(join(closed.home, 'PROMOTING'), 'what?');
  assert.match(await refusal(finishPromotion(closed)), /is not what a promotion wrote/);
  assert.is(readFileSync(join(closed.home, 'PROMOTING'), 'utf8'), 'what?');
  assert.is((await look(closed)).slot, slot);
});

tests('a store that is not the one that was marked stays as it is, and so does the log', async () => {
  const { closed, slot } = await home();
  const incarnation = 'cd'.repeat(16);
  const file = join(closed.place.dir, 'data.mdb');
  const marked = (from: number): void =>
    writeFileSync(
      join(closed.home, 'PROMOTING'),
      `${JSON.stringify({ from, to: from + LEAP, incarnation })}\n`,
    );
  const refusal = async (): Promise<string> =>
    finishPromotion(closed).then(
      () => 'done',
      (error: unknown) => (error instanceof FatalError ? error.message : String(error)),
    );
  marked(slot - 1); // an older copy was put back
  assert.match(await refusal(), /is of slot \d+: it is not the one that was promoted; put back a copy/);
  marked(slot - LEAP); // as high as what the order leads to, and of another founding
  assert.match(await refusal(), /is not the one that was promoted/);
  marked(slot);
  const whole = readFileSync(file);
  writeFileSync(file, Buffer.alloc(whole.length, 1));
  assert.match(await refusal(), /is damaged .*do not delete it/);
  rmSync(file);
  assert.match(await refusal(), /is not there; put back a copy/);
  assert.not.ok(existsSync(file), 'nothing is made in its place');
  writeFileSync(file, whole);
  assert.ok(readdirSync(closed.logDir).some((name) => name.endsWith('.tlog')));
  assert.is(await refusal(), 'done');
});

tests(
  'without its store the first of a founding does not wait for peers that never had it, but for a learner',
  async () => {
    const { closed } = await home();
    rmSync(closed.place.dir, { recursive: true });
    const quiet = (): void => undefined;
    const storage = await Storage.open({
      ...{ place: closed.place, logDir: closed.logDir, segmentBytes: null, reserveBytes: null },
      logger: { debug: quiet, info: quiet, warn: quiet, error: quiet },
    });
    assert.throws(
      () => storage.refuseUnfit(closed.home, [{ learner: false }]),
      (error: unknown) => error instanceof FatalError && /put back a copy/.test(error.message),
    );
    storage.refuseUnfit(closed.home, [{ learner: false }, { learner: true }]);
    await storage.close(0);
  },
);

tests('the only store of a founding is never given up to be rebuilt', async () => {
  const { closed, slot } = await home();
  assert.is(await canBeRebuilt(closed, ['n2', 'n3']), false, 'restored');
  await promoteHome(closed, slot);
  assert.is(await canBeRebuilt(closed, ['n2', 'n3']), false, 'promoted');
  const append = async (value: Value): Promise<void> => {
    const { cluster, node } = closed.place;
    const { log } = await TransactionLog.open({
      ...{ dir: closed.logDir, cluster, node, appliedSlot: slot + LEAP },
      onWarning: (message) => assert.unreachable(message),
    });
    await new Promise<void>((resolve) => {
      const at = slot + LEAP + 1;
      log.append([{ kind: 'learn', slot: at, value, chosen: at }], () => resolve());
    });
    await log.close();
  };
  await append({ kind: 'addMember', node: 'n2', incarnation: 'ef'.repeat(16) });
  assert.is(await canBeRebuilt(closed, ['n2', 'n3']), true, 'another member has it');
  assert.is(await canBeRebuilt(closed, []), false, 'no peer');
});

tests.run();

/**
 * A log that the first build wrote (test/golden/log-of-the-first-build): its headers hold no list of members. It begins with
 * a snapshot of slot 20 in its second segment, and goes up to slot 30; segment 1 was dropped.
 */
import { copyFileSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { TransactionLog } from '../../../node/log/log.ts';
import type { MembersState, Slot } from '../../../node/paxos/values.ts';
import { slots } from './support.ts';

const GOLDEN = 'test/golden/log-of-the-first-build';
const tests = suite('a log of the first build', { dir: '' });

tests.before.each((context) => {
  context.dir = mkdtempSync(join(tmpdir(), 'nursery-first-build-'));
  for (const name of readdirSync(GOLDEN)) copyFileSync(join(GOLDEN, name), join(context.dir, name));
});
tests.after.each(({ dir }) => rmSync(dir, { recursive: true }));

const MEMBERS: MembersState = {
  cluster: 'x'.repeat(32),
  members: ['a', 'b', 'c', 'd'].map((node) => ({ node, incarnation: node.repeat(32) })),
  superseded: [],
};

async function open(dir: string, appliedSlot: Slot, members: MembersState | null) {
  return await TransactionLog.open({
    dir,
    cluster: 'ricky',
    node: 'a',
    appliedSlot,
    members,
    segmentBytes: 2048,
    reserveBytes: 0,
    onWarning: (message) => assert.unreachable(message),
  });
}

tests('it is read, and without a store nobody knows who was a member', async ({ dir }) => {
  const { log, recovered } = await open(dir, 0, null);
  await log.close();
  assert.is(recovered.founded?.state.members.length, 3);
  assert.is(recovered.floorMembers, null, 'the founding list may be long outdated');
  assert.is(recovered.firstLogSlot, 21);
  assert.is(recovered.chosen, 29);
  assert.equal(
    recovered.accepted.map(({ slot }) => slot),
    slots(21, 30),
  );
});

tests('it is gone on with; from the next segment on the list of the store is kept', async ({ dir }) => {
  const { log } = await open(dir, 30, MEMBERS);
  const value = { kind: 'batch', bytes: new Uint8Array(800) } as const;
  for (let slot = 31; slot < 40; slot += 1) {
    await new Promise<void>((resolve, reject) => {
      const record = {
        kind: 'accept',
        slot,
        ballot: { round: 2, node: 'b' },
        value,
        chosen: slot - 1,
      } as const;
      log.append([record], (error) => (error === null ? resolve() : reject(error)));
    });
  }
  await log.collapse(34, 1);
  await log.close();
  const { log: again, recovered } = await open(dir, 0, null);
  await again.close();
  assert.ok(recovered.firstLogSlot > 30);
  assert.equal(recovered.floorMembers, MEMBERS);
});

tests.run();

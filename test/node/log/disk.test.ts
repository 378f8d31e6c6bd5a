/** The log on a real file system. */
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { REAL_DISK } from '../../../node/log/disk.ts';
import { TransactionLog } from '../../../node/log/log.ts';
import { accept, append, slots, texts } from './support.ts';

let home = '';
test.before.each(async () => {
  home = await mkdtemp(join(tmpdir(), 'nursery-log-'));
});
test.after.each(async () => {
  await rm(home, { recursive: true });
});

test('appends, reads, collapses and opens again', async () => {
  const dir = join(home, 'made', 'here');
  const warnings: string[] = [];
  const options = {
    dir,
    cluster: 'ricky',
    node: 'a',
    segmentBytes: 64 * 1024,
    reserveBytes: 0,
    onWarning: (message: string) => warnings.push(message),
  };
  const { log } = await TransactionLog.open({ ...options, appliedSlot: 0 });
  for (let slot = 1; slot <= 200; slot += 10) {
    await append(log, ...slots(slot, slot + 9).map((each) => accept(each, { chosen: each, bytes: 2000 })));
  }
  assert.is(log.statistics.syncs, 20);
  assert.is((await log.readSlots(1, 200, 1e9)).length, 200);
  assert.ok((await log.collapse(150, 1)) >= 3);
  await log.close();

  const { log: again, recovered } = await TransactionLog.open({ ...options, appliedSlot: 190 });
  assert.equal(
    recovered.accepted.map(({ slot }) => slot),
    slots(191, 200),
  );
  assert.is(texts(recovered.accepted)[0]?.[1], '191'.padEnd(2000, '.'));
  await again.verified;
  await again.close();
  assert.equal(warnings, []);
  for (const name of await readdir(dir)) {
    assert.match(name, /^\d{10}\.tlog$/);
    assert.is((await readFile(join(dir, name))).length, 64 * 1024);
  }
});

test('failures are reported, free space is known', async () => {
  assert.ok((await REAL_DISK.freeBytes(home)) > 0);
  const file = await REAL_DISK.open(join(home, 'file'), 'create');
  await file.close();
  const readOnly = await REAL_DISK.open(join(home, 'file'), 'read');
  const error = await new Promise<Error | null>((resolve) => readOnly.write(Buffer.alloc(1), 0, resolve));
  assert.is((error as NodeJS.ErrnoException).code, 'EBADF');
  assert.is(await readOnly.read(Buffer.alloc(9), 0), 0);
  await readOnly.close();
});

test.run();

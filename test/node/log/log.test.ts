import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { GroupWriter, RECORD_HEADER_BYTES, slotOfPayload } from '../../../node/log/record.ts';
import type { LogRecord } from '../../../node/paxos/values.ts';
import { FatalError, NurseryError } from '../../../src/base/errors.ts';
import { createRandom } from '../../support/seeded.ts';
import { FakeDisk } from './fake-disk.ts';
import { accept, append, DIR, openLog, STATE, segmentPath, slots, texts } from './support.ts';

/** The FatalError or NurseryError that `work` ends with. */
async function failureOf(work: Promise<unknown>): Promise<FatalError | NurseryError> {
  try {
    await work;
  } catch (error) {
    if (error instanceof FatalError || error instanceof NurseryError) return error;
    throw error;
  }
  throw new Error('it did not fail');
}

/** A disk with a closed log of `count` slots of some 100 bytes, one append each: about 30 to a segment. */
async function filled(count: number): Promise<FakeDisk> {
  const disk = new FakeDisk();
  const { log } = await openLog(disk);
  for (const slot of slots(1, count)) await append(log, accept(slot, { chosen: slot - 1, bytes: 64 }));
  await log.close();
  return disk;
}

test('an empty directory becomes an empty log', async () => {
  const disk = new FakeDisk();
  const { log, recovered } = await openLog(disk);
  assert.equal(recovered, {
    incarnation: null,
    founded: null,
    promised: { round: 0, node: '' },
    accepted: [],
    chosen: 0,
    superseded: [],
    firstLogSlot: 1,
    floorMembers: null,
  });
  assert.equal(await log.readSlots(1, 9, 1000), []);
  await log.close();
  assert.equal(disk.paths, [segmentPath(1)]);
});

test('every kind of record is found again', async () => {
  const disk = new FakeDisk();
  const { log } = await openLog(disk);
  const genesis = Uint8Array.of(1, 2, 3);
  const entries: LogRecord[] = [
    { kind: 'incarnation', incarnation: 'i'.repeat(32) },
    { kind: 'founded', state: STATE, genesis },
    { kind: 'promise', ballot: { round: 7, node: 'b' } },
    accept(1, { round: 9 }),
    accept(2, { round: 9, mark: 'old' }),
    { kind: 'promise', ballot: { round: 8, node: 'z' } },
    { kind: 'learn', slot: 1, value: { kind: 'noop' }, chosen: 1 },
    accept(2, { round: 9, mark: 'new' }),
    { kind: 'chosen', chosen: 1 },
    { kind: 'supersede', node: 'c', incarnation: 's'.repeat(32) },
    { kind: 'supersede', node: 'c', incarnation: 's'.repeat(32) },
  ];
  await append(log, ...entries);
  await log.close();

  const { recovered } = await openLog(disk);
  assert.is(recovered.incarnation, 'i'.repeat(32));
  assert.equal(recovered.founded?.state, STATE);
  assert.equal(Buffer.from(recovered.founded?.genesis ?? []), Buffer.from(genesis));
  assert.equal(recovered.promised, { round: 9, node: 'b' });
  assert.is(recovered.chosen, 1);
  assert.equal(recovered.superseded, [{ node: 'c', incarnation: 's'.repeat(32) }]);
  assert.equal(texts(recovered.accepted), [
    [1, 'noop'],
    [2, '2new'],
  ]);
  assert.equal(
    recovered.accepted.map((entry) => entry.ballot),
    [null, { round: 9, node: 'b' }],
  );
});

test('only slots above the store are recovered, across segments', async () => {
  const disk = await filled(100);
  assert.ok(disk.paths.length > 2);
  const { recovered } = await openLog(disk, { appliedSlot: 40 });
  assert.equal(
    recovered.accepted.map((entry) => entry.slot),
    slots(41, 100),
  );
  assert.is(recovered.chosen, 99);
  assert.is(recovered.firstLogSlot, 1);
});

test('one append is one write and one sync, however many records', async () => {
  const disk = new FakeDisk();
  const { log } = await openLog(disk, { segmentBytes: 1024 * 1024 });
  await append(log, accept(1)); // sets the next segment off
  const { writes, datasyncs } = disk.counts;
  await append(log, ...slots(2, 200).map((slot) => accept(slot)));
  assert.is(disk.counts.writes - writes, 1);
  assert.is(disk.counts.datasyncs - datasyncs, 1);
  assert.is(log.statistics.syncs, 2);
  assert.is(log.statistics.records, 200);
});

test('the next segment is full of zeros before it is needed', async () => {
  const disk = new FakeDisk();
  const { log } = await openLog(disk);
  while (!disk.paths.includes(`${DIR}/next.tlog.new`)) await append(log, { kind: 'chosen', chosen: 0 });
  assert.is(log.statistics.segments, 1);
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(disk.bytesOf(`${DIR}/next.tlog.new`), Buffer.alloc(4096));
});

test('a group larger than a segment gets a segment of its own size', async () => {
  const disk = new FakeDisk();
  const { log } = await openLog(disk);
  await append(log, accept(1), accept(2, { bytes: 300_000 }), accept(3));
  assert.equal(
    (await log.readSlots(1, 3, 1e6)).map(({ slot }) => slot),
    [1, 2, 3],
  );
  await log.close();
  const { recovered } = await openLog(disk);
  assert.is(recovered.accepted.length, 3);
});

test('readSlots: the last record of each slot, from any segment, within the bound', async () => {
  const disk = await filled(400);
  const { log } = await openLog(disk, { appliedSlot: 399 });
  assert.ok(log.statistics.segments > 10, 'more segments than are kept open');
  await append(log, accept(7, { mark: 'again', round: 2, bytes: 64 }));
  const values = await log.readSlots(1, 1000, 1e6);
  assert.equal(
    values.map(({ slot }) => slot),
    slots(1, 400),
  );
  assert.is(texts(values)[6]?.[1], '7again'.padEnd(64, '.'));
  assert.is(texts(values)[7]?.[1], '8'.padEnd(64, '.'));
  assert.is((await log.readSlots(5, 400, 1)).length, 1);
  assert.is((await log.readSlots(5, 400, 1000)).length, 10); // of 99 bytes each
  assert.equal(await log.readSlots(401, 402, 1000), []);
});

test('readSlots waits for a record of the slot that is being written', async () => {
  const disk = new FakeDisk();
  const { log } = await openLog(disk);
  await append(log, accept(1, { mark: 'old' }));
  const appended = append(log, accept(1, { mark: 'new', round: 2 }));
  assert.equal(texts(await log.readSlots(1, 1, 1000)), [[1, '1new']]);
  await appended;
});

test('readSlots ends before what was appended while it read', async () => {
  for (const bytes of [64, 4000]) {
    const disk = new FakeDisk();
    const { log } = await openLog(disk);
    await append(log, accept(1));
    disk.whileReading = () => append(log, accept(2, { bytes }));
    assert.equal(texts(await log.readSlots(1, 2, 1e6)), [[1, '1']]);
    assert.is((await log.readSlots(1, 2, 1e6)).length, 2);
  }
});

test('a second append while one is in flight is a bug', async () => {
  const { log } = await openLog(new FakeDisk());
  const first = append(log, accept(1));
  assert.throws(() => log.append([accept(2)], () => undefined), /one append is in flight/);
  await first;
});

test('a snapshot makes the log begin above it', async () => {
  const disk = new FakeDisk();
  const { log } = await openLog(disk);
  await append(log, accept(1), accept(2));
  await append(log, { kind: 'snapshot', slot: 50, members: STATE });
  assert.is(log.firstSlot, 51);
  await append(log, accept(51));
  assert.equal(await log.readSlots(2, 60, 1000), []);
  assert.equal(texts(await log.readSlots(51, 60, 1000)), [[51, '51']]);
  await log.close();
  const { recovered } = await openLog(disk, { appliedSlot: 50 });
  assert.is(recovered.firstLogSlot, 51);
  assert.is(recovered.chosen, 50);
  assert.is(recovered.accepted.length, 1);
});

test('a snapshot voids what was accepted below it, and nothing that came after', async () => {
  const disk = new FakeDisk();
  const { log } = await openLog(disk);
  await append(log, accept(1, { mark: ' never chosen' }), accept(3, { mark: ' accepted' }));
  await append(log, { kind: 'snapshot', slot: 2, members: STATE });
  await append(log, { kind: 'learn', slot: 2, value: { kind: 'noop' }, chosen: 2 });
  await log.close();
  const { recovered } = await openLog(disk);
  assert.equal(
    recovered.accepted.map((entry) => entry.slot),
    [2, 3],
  );
});

test('the log tells who was a member just below its first slot; what the store says of a current slot counts', async () => {
  const disk = new FakeDisk();
  const { log } = await openLog(disk);
  await append(log, { kind: 'founded', state: STATE, genesis: new Uint8Array(0) });
  const added = { kind: 'addMember', node: 'b', incarnation: 'i' } as const;
  await append(log, { kind: 'accept', slot: 1, ballot: { round: 1, node: 'b' }, value: added, chosen: 0 });
  for (let slot = 2; slot < 60; slot += 1) await append(log, accept(slot, { chosen: slot - 1, bytes: 400 }));
  await log.collapse(50, 1);
  await log.close();
  const names = async (options: Parameters<typeof openLog>[1]): Promise<string | undefined> => {
    const { log: again, recovered } = await openLog(disk, options);
    assert.ok(recovered.firstLogSlot > 1);
    await again.close();
    return recovered.floorMembers?.members.map(({ node }) => node).join();
  };
  assert.is(await names({}), 'a,b', 'without any store');
  assert.is(await names({ members: STATE }), 'a,b', 'a store that was begun anew knows the founding alone');
  const grown = { ...STATE, members: [...STATE.members, { node: 'c', incarnation: 'c' }] };
  assert.is(await names({ appliedSlot: 59, members: grown }), 'a,c', 'a store that is ahead of the records');
});

test('a store that was swapped for a snapshot just before a crash is not ahead of its log', async () => {
  const disk = await filled(3);
  assert.is((await failureOf(openLog(disk, { appliedSlot: 80 }))).message.includes('slot 80'), true);
  const { log, recovered, warnings } = await openLog(disk, {
    appliedSlot: 80,
    snapshotSlot: 80,
    members: STATE,
  });
  assert.is(recovered.firstLogSlot, 81);
  assert.equal(warnings, [], 'nothing of it was damaged');
  assert.is(recovered.chosen, 80);
  await log.close();
  const again = await openLog(disk, { appliedSlot: 80 });
  assert.is(again.recovered.chosen, 80);
});

test('a slot that a cut end of the log took from among later ones, and the store has: the log begins behind the store', async () => {
  for (const isDamaged of [false, true]) {
    const disk = new FakeDisk();
    const { log } = await openLog(disk);
    for (const slot of [1, 2, 3, 5]) await append(log, accept(slot, { chosen: Math.min(slot - 1, 2) }));
    await append(log, accept(4, { chosen: 2, mark: 'needle' })); // it came late, alone in the last group
    disk.alter(segmentPath(1), (bytes) => {
      if (isDamaged) bytes[bytes.indexOf('4needle')] = 0xee;
      return bytes;
    });
    const after = disk.restart('kill', createRandom(1));
    const opened = await openLog(after, { appliedSlot: 5, members: STATE });
    assert.is(opened.recovered.firstLogSlot, isDamaged ? 6 : 1);
    assert.is(
      opened.warnings.some((warning) => /slot 4 is in .*begins behind slot 5/.test(warning)),
      isDamaged,
    );
    const served = await opened.log.readSlots(4, 5, 1000);
    assert.is(served.length, isDamaged ? 0 : 2, 'who asks for it is sent the image');
    await append(opened.log, accept(6, { chosen: 5 }));
    await opened.log.close();
    const again = await openLog(after, { appliedSlot: 6, members: STATE });
    assert.is(again.recovered.firstLogSlot, isDamaged ? 6 : 1);
    assert.equal(again.warnings, []);
    await again.log.close();
  }
});

test('collapse drops the oldest segments and nothing that is needed', async () => {
  const disk = await filled(200);
  const { log } = await openLog(disk, { appliedSlot: 150 });
  const before = log.statistics.segments;
  assert.is(await log.collapse(0, 0), 0);
  assert.is(await log.collapse(150, before), 0);
  const dropped = await log.collapse(150, 1);
  assert.ok(dropped >= 3);
  const { firstSlot } = log;
  assert.ok(firstSlot > 80 && firstSlot <= 151);
  assert.equal(await log.readSlots(firstSlot - 1, 200, 1e6), []);
  assert.equal(
    (await log.readSlots(firstSlot, 200, 1e6)).map(({ slot }) => slot),
    slots(firstSlot, 200),
  );
  await log.close();
  const { log: again, recovered } = await openLog(disk, { appliedSlot: 150 });
  assert.is(recovered.firstLogSlot, firstSlot);
  assert.is(recovered.promised.round, 1);
  assert.is(await again.collapse(200, 0), before - dropped - 1);
  assert.is(again.statistics.segments, 1);
});

test('what the dropped segments said besides slots is carried on', async () => {
  const disk = new FakeDisk();
  const { log } = await openLog(disk);
  await append(log, { kind: 'incarnation', incarnation: 'i'.repeat(32) });
  await append(log, { kind: 'founded', state: STATE, genesis: Uint8Array.of(9) });
  await append(log, { kind: 'promise', ballot: { round: 99, node: 'c' } });
  await append(log, { kind: 'supersede', node: 'b', incarnation: 'x' });
  for (const slot of slots(1, 100)) await append(log, accept(slot, { chosen: slot, bytes: 64 }));
  await log.collapse(100, 1);
  await log.close();
  assert.is(disk.paths.length, 1);
  const { recovered } = await openLog(disk, { appliedSlot: 100 });
  assert.is(recovered.incarnation, 'i'.repeat(32));
  assert.equal(recovered.founded?.state, STATE);
  assert.equal(recovered.promised, { round: 99, node: 'c' });
  assert.equal(recovered.superseded, [{ node: 'b', incarnation: 'x' }]);
  assert.is(recovered.chosen, 100);
});

test('a torn tail is cut with a warning, and none of it comes back', async () => {
  const disk = new FakeDisk();
  const { log } = await openLog(disk);
  await append(log, accept(1));
  await append(log, accept(2), accept(3, { mark: 'needle' }), accept(4));
  // Process and machine die; of the last group, the middle was torn.
  disk.alter(segmentPath(1), (bytes) => {
    bytes[bytes.indexOf('3needle')] = 0xee;
    return bytes;
  });
  const after = disk.restart('kill', createRandom(1));
  const { recovered, warnings, log: second } = await openLog(after);
  assert.equal(
    recovered.accepted.map((entry) => entry.slot),
    [1, 2],
  );
  assert.is(warnings.length, 1);
  assert.match(warnings[0] as string, /0000000001\.tlog, offset \d+/);
  await append(second, accept(9));
  await second.close();
  const third = await openLog(after);
  assert.equal(third.warnings, []);
  assert.equal(
    third.recovered.accepted.map((entry) => entry.slot),
    [1, 2, 9],
  );
});

test('a damaged record before the last proven offset stops the node', async () => {
  for (const field of ['checksum', 'length', 'payload', 'all'] as const) {
    const disk = new FakeDisk();
    const { log } = await openLog(disk);
    for (const slot of slots(1, 5)) await append(log, accept(slot, { mark: 'needle' }));
    disk.alter(segmentPath(1), (bytes) => {
      const payload = bytes.indexOf('2needle');
      if (field === 'payload') bytes[payload] = 0;
      else {
        // Search back for the record's header: its number is 2.
        let at = Math.floor(payload / 8) * 8;
        while (!(bytes.readUInt32LE(at + 8) === 2 && bytes.readUInt32LE(at + 20) === 1)) at -= 8;
        if (field === 'checksum') bytes[at] = (bytes[at] as number) ^ 1;
        if (field === 'length') bytes.writeUInt32LE(0x7fffffff, at + 4);
        if (field === 'all') bytes.fill(0, at, at + RECORD_HEADER_BYTES);
      }
      return bytes;
    });
    const error = await failureOf(openLog(disk));
    assert.ok(error instanceof FatalError);
    assert.is(error.exitCode, 49, field);
    assert.match(
      error.message,
      /0000000001\.tlog, offset \d+: record 2 .*remove its log AND its store \(rm -r/,
    );
  }
});

test('after an orderly end the last group is proven too', async () => {
  const disk = new FakeDisk();
  const { log } = await openLog(disk);
  await append(log, accept(1, { mark: 'needle' }));
  await log.close();
  disk.alter(segmentPath(1), (bytes) => {
    bytes[bytes.indexOf('1needle')] = 0;
    return bytes;
  });
  const error = await failureOf(openLog(disk));
  assert.match(error.message, /log damaged/);
});

test('a copy of a record inside a value proves nothing', async () => {
  const disk = new FakeDisk();
  const { log } = await openLog(disk);
  await append(log, accept(1));
  const copy = disk.bytesOf(segmentPath(1)).subarray(512, 1024);
  const value = { kind: 'batch', bytes: copy } as const;
  await append(log, { kind: 'accept', slot: 2, ballot: { round: 1, node: 'b' }, value, chosen: 0 });
  disk.alter(segmentPath(1), (bytes) => {
    let at = 512;
    while (bytes.readUInt32LE(at + 8) !== 2) at += 8;
    bytes.fill(0, at, at + RECORD_HEADER_BYTES);
    return bytes;
  });
  const { recovered, warnings } = await openLog(disk);
  assert.is(recovered.accepted.length, 1);
  assert.is(warnings.length, 1);
});

test('damage in a segment that is needed stops the node; in one that is not, it is a warning', async () => {
  const disk = await filled(100);
  disk.alter(segmentPath(1), (bytes) => {
    bytes[2000] = (bytes[2000] as number) ^ 1;
    return bytes;
  });
  const error = await failureOf(openLog(disk, { appliedSlot: 3 }));
  assert.match(error.message, /log damaged: .*0000000001\.tlog/);

  const { log, warnings } = await openLog(disk, { appliedSlot: 95 });
  await log.verified;
  assert.is(warnings.length, 1);
  assert.match(warnings[0] as string, /log damaged: .*0000000001\.tlog, offset \d+/);
  const served = await failureOf(log.readSlots(1, 100, 1e6));
  assert.match(served.message, /log damaged/);
  assert.ok((await log.readSlots(60, 100, 1e6)).length === 41);
});

test('a segment whose end was wiped is a gap', async () => {
  const disk = await filled(100);
  disk.alter(segmentPath(1), (bytes) => bytes.fill(0, 3200));
  const error = await failureOf(openLog(disk));
  // Where the wiped part begins inside a record, that record is damaged instead.
  assert.match(error.message, /0000000001\.tlog, offset \d+: record/);
  disk.alter(segmentPath(2), (bytes) => bytes.fill(0, 512));
  const gap = await failureOf(openLog(disk, { appliedSlot: 30 }));
  assert.ok(gap instanceof FatalError);
  assert.is(gap.exitCode, 48);
  assert.match(gap.message, /log has a gap: .*0000000002\.tlog, offset 512: record \d+ should stand here/);
});

test('a record out of order is a gap', async () => {
  const disk = new FakeDisk();
  const { log } = await openLog(disk);
  await append(log, accept(1));
  const bytes = disk.bytesOf(segmentPath(1));
  const salt = saltOf(bytes);
  const group = new GroupWriter();
  group.add(3, accept(2));
  let end = 512;
  while (bytes.readUInt32LE(end + 4) !== 0) end += Math.ceil((24 + bytes.readUInt32LE(end + 4)) / 8) * 8;
  disk.alter(segmentPath(1), (content) => {
    group.seal(end, salt).copy(content, end);
    return content;
  });
  const error = await failureOf(openLog(disk));
  assert.ok(error instanceof FatalError);
  assert.is(error.exitCode, 48);
  assert.match(error.message, /record 3 stands here, out of order/);
});

/** The salt in a segment's header: 4 bytes after cluster, node, life (texts), number and first record. */
function saltOf(bytes: Buffer): number {
  return bytes.readUInt32LE(16 + (4 + 'ricky'.length) + (4 + 'a'.length) + (4 + 32) + 8 + 8);
}

test('a missing segment in the middle is a gap', async () => {
  const disk = await filled(100);
  disk.remove(segmentPath(2));
  const error = await failureOf(openLog(disk, { appliedSlot: 99 }));
  assert.ok(error instanceof FatalError);
  assert.is(error.exitCode, 48);
  assert.match(error.message, /0000000002\.tlog, offset 0: the segment is missing/);
});

test('a renamed, a cut and a headless segment are refused', async () => {
  const renamed = await filled(100);
  const last = renamed.paths.length;
  renamed.copy(segmentPath(1), segmentPath(last + 1));
  assert.match((await failureOf(openLog(renamed))).message, /the file was renamed/);

  const cut = await filled(10);
  cut.alter(segmentPath(1), (bytes) => bytes.subarray(0, 1000));
  assert.match((await failureOf(openLog(cut))).message, /log damaged: .*cut short: 1000 bytes of 4096/);

  const headless = await filled(10);
  headless.alter(segmentPath(1), (bytes) => bytes.fill(7, 30, 60));
  assert.match((await failureOf(openLog(headless))).message, /header has a bad checksum/);
});

test('a log of another node, cluster or life is foreign', async () => {
  const disk = await filled(40);
  for (const other of [{ node: 'b' }, { cluster: 'lucy' }]) {
    const error = await failureOf(openLog(disk, other));
    assert.ok(error instanceof FatalError);
    assert.is(error.exitCode, 50);
    assert.match(error.message, /belongs to node a of cluster ricky/);
  }
  const otherLife = await filled(40);
  disk.alter(segmentPath(2), () => otherLife.bytesOf(segmentPath(2)));
  assert.match((await failureOf(openLog(disk))).message, /another log of this node/);
});

test('a store ahead of its log is refused', async () => {
  const disk = await filled(10);
  const error = await failureOf(openLog(disk, { appliedSlot: 11, store: '/home/a/store' }));
  assert.ok(error instanceof FatalError);
  assert.is(error.exitCode, 40);
  assert.match(error.message, /slot 11, .* ends at slot 10.*'\/home\/a\/tlog' '\/home\/a\/store'/);
  // Not chosen as far as the log knows, but held by it.
  await openLog(disk, { appliedSlot: 10 });
  const empty = await failureOf(openLog(new FakeDisk(), { appliedSlot: 1, snapshotSlot: 1 }));
  assert.match(empty.message, /store ahead of its log/);
});

test('a failed sync or write is fatal, now and later', async () => {
  for (const what of ['write', 'datasync'] as const) {
    const disk = new FakeDisk();
    const { log } = await openLog(disk);
    await append(log, accept(1));
    await new Promise((resolve) => setImmediate(resolve)); // the next segment is ready
    disk.failures[what] = Object.assign(new Error('EIO: i/o error'), { code: 'EIO' });
    for (let i = 0; i < 2; i += 1) {
      const error = await failureOf(append(log, accept(2)));
      assert.ok(error instanceof FatalError);
      assert.is(error.exitCode, 74);
      assert.match(error.message, /0000000001\.tlog failed: EIO/);
    }
    await log.close();
  }
});

test('a full disk refuses updates before anything is written, lets promises through, and resumes', async () => {
  const disk = new FakeDisk();
  disk.free = 20_000;
  const { log } = await openLog(disk, { reserveBytes: 13_000 });
  let slot = 1;
  let refusal: FatalError | NurseryError | null = null;
  while (refusal === null) {
    await append(log, accept(slot, { bytes: 64 })).then(
      () => {
        slot += 1;
      },
      (error) => {
        refusal = error;
      },
    );
  }
  assert.is((refusal as NurseryError).code, 'DISK_FULL');
  assert.ok(log.isFull, 'the shell is told before the next proposal');
  assert.is(disk.free, 20_000 - 4096, 'one segment was made, the reserve is untouched');
  const writes = disk.counts.writes;
  assert.is(((await failureOf(append(log, accept(slot, { bytes: 64 })))) as NurseryError).code, 'DISK_FULL');
  assert.is(disk.counts.writes, writes, 'nothing was written');
  await append(log, { kind: 'promise', ballot: { round: 5, node: 'c' } });
  assert.is((await log.readSlots(1, slot, 1e6)).length, slot - 1);

  disk.free = 1e6;
  await log.checkSpace();
  await new Promise((resolve) => setImmediate(resolve));
  assert.not(log.isFull);
  await append(log, accept(slot, { bytes: 64 }));
  await log.close();
  const { recovered } = await openLog(disk);
  assert.is(recovered.accepted.length, slot);
  assert.is(recovered.promised.round, 5);
});

test('the file system says no before statfs does: the same refusal', async () => {
  const disk = new FakeDisk();
  disk.free = 4096 + 2000;
  const { log } = await openLog(disk, { reserveBytes: 0 });
  const error = await failureOf(append(log, accept(1, { bytes: 5000 })));
  assert.is((error as NurseryError).code, 'DISK_FULL');
  await append(log, accept(1, { bytes: 100 }));
});

test('space taken by others refuses updates while segments have room', async () => {
  const disk = new FakeDisk();
  disk.free = 1e6;
  const { log } = await openLog(disk, { reserveBytes: 10_000 });
  disk.free = 8000;
  await log.checkSpace();
  assert.ok(log.isFull);
  await append(log, accept(1)); // what is under way still finds room
  disk.free = 4000;
  await log.checkSpace();
  assert.is(((await failureOf(append(log, accept(2)))) as NurseryError).code, 'DISK_FULL');
  disk.free = 1e6;
  await log.checkSpace();
  await append(log, accept(2));
  assert.not(log.isFull);
});

test('the slot of an entry is read without decoding it', () => {
  const group = new GroupWriter();
  for (const slot of [1, 2 ** 31, 2 ** 40 + 5]) {
    group.reset();
    group.add(1, accept(slot));
    assert.is(slotOfPayload(group.seal(0, 0).subarray(RECORD_HEADER_BYTES)), slot);
    group.reset();
    group.add(1, { kind: 'learn', slot, value: { kind: 'noop' }, chosen: 0 });
    assert.is(slotOfPayload(group.seal(0, 0).subarray(RECORD_HEADER_BYTES)), slot);
  }
  group.reset();
  group.add(1, { kind: 'snapshot', slot: 5, members: STATE });
  assert.is(slotOfPayload(group.seal(0, 0).subarray(RECORD_HEADER_BYTES)), null);
});

test.run();

/** Crashes at every operation, with loss and tear of what was not synced: what was acknowledged is there, and nothing else is odd. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { TransactionLog } from '../../../node/log/log.ts';
import {
  type Ballot,
  compareBallots,
  type LogRecord,
  NO_BALLOT,
  type Slot,
} from '../../../node/paxos/values.ts';
import { createRandom, type Random, seeded } from '../../support/seeded.ts';
import { FakeDisk } from './fake-disk.ts';
import { accept, append, openLog, STATE, slots, texts, unlessCrashed } from './support.ts';

/** What the disk should say after these records: the plainest fold of all. */
function replay(records: readonly LogRecord[]) {
  let promised: Ballot = NO_BALLOT;
  let chosen = 0;
  let snapshot = 0;
  let incarnation: string | null = null;
  const superseded: string[] = [];
  const values = new Map<Slot, string>();
  for (const record of records) {
    if (
      (record.kind === 'promise' || record.kind === 'accept') &&
      compareBallots(record.ballot, promised) > 0
    ) {
      promised = record.ballot;
    }
    if ('chosen' in record) chosen = Math.max(chosen, record.chosen);
    if (record.kind === 'incarnation') incarnation = record.incarnation;
    if (record.kind === 'supersede') superseded.push(record.incarnation);
    if (record.kind === 'snapshot') {
      snapshot = Math.max(snapshot, record.slot);
      chosen = Math.max(chosen, record.slot);
      for (const slot of [...values.keys()]) if (slot <= record.slot) values.delete(slot);
    }
    if (record.kind === 'accept' || record.kind === 'learn') {
      const ballot = record.kind === 'accept' ? record.ballot.round : null;
      values.set(record.slot, `${ballot} ${texts([record])[0]?.[1]}`);
    }
  }
  return { promised, chosen, snapshot, incarnation, superseded, values };
}

/** A node that writes what a member might write, and remembers what it was told is durable. */
class Writer {
  readonly #random: Random;
  /** Given to the log, in order; the first `acknowledged` of them are durable. */
  records: LogRecord[] = [];
  acknowledged = 0;
  #serial = 0;

  constructor(random: Random) {
    this.#random = random;
  }

  /** Of what was acknowledged: the slot that a store may be at. */
  get applied(): Slot {
    return replay(this.records.slice(0, this.acknowledged)).chosen;
  }

  group(): LogRecord[] {
    const group: LogRecord[] = [];
    const count = 1 + this.#random.below(4);
    while (group.length < count) group.push(this.#record([...this.records, ...group]));
    return group;
  }

  #record(before: readonly LogRecord[]): LogRecord {
    const random = this.#random;
    const state = replay(before);
    const highest = Math.max(state.snapshot, ...state.values.keys());
    this.#serial += 1;
    const mark = `#${this.#serial}`;
    const round = state.promised.round;
    const roll = random.next();
    if (roll < 0.05) return { kind: 'promise', ballot: { round: round + 1, node: 'a' } };
    if (roll < 0.1) return { kind: 'chosen', chosen: highest };
    if (roll < 0.12) return { kind: 'supersede', node: 'c', incarnation: mark };
    if (roll < 0.13) return { kind: 'incarnation', incarnation: mark };
    if (roll < 0.15) return { kind: 'snapshot', slot: highest + 1 + random.below(3000), members: STATE };
    const again = state.chosen < highest && random.chance(0.3);
    const slot = again ? state.chosen + 1 + random.below(highest - state.chosen) : highest + 1;
    const chosen = random.chance(0.5) ? state.chosen : slot - 1;
    const bytes = random.chance(0.05) ? random.below(6000) : random.below(200);
    const record = accept(slot, { round: round + random.below(2), mark, chosen, bytes });
    return random.chance(0.1) && record.kind === 'accept'
      ? { kind: 'learn', slot, value: record.value, chosen }
      : record;
  }
}

/** How many of the writer's records the log came back with: at least all acknowledged ones, in one piece. */
function survivors(
  writer: Writer,
  recovered: Awaited<ReturnType<typeof openLog>>['recovered'],
  applied: Slot,
): number {
  const found = {
    promised: recovered.promised,
    chosen: recovered.chosen,
    incarnation: recovered.incarnation,
    superseded: recovered.superseded.map((member) => member.incarnation),
    accepted: recovered.accepted.map((e) => `${e.slot}: ${e.ballot?.round ?? null} ${texts([e])[0]?.[1]}`),
  };
  for (let count = writer.records.length; count >= writer.acknowledged; count -= 1) {
    const { promised, chosen, incarnation, superseded, values } = replay(writer.records.slice(0, count));
    const accepted = [...values].filter(([slot]) => slot > applied).sort(([a], [b]) => a - b);
    const expected = {
      promised,
      chosen,
      incarnation,
      superseded,
      accepted: accepted.map(([slot, value]) => `${slot}: ${value}`),
    };
    if (JSON.stringify(expected) === JSON.stringify(found)) return count;
  }
  throw new Error(`recovered state is no prefix with all of ${writer.acknowledged} acknowledged records`);
}

/** One life of the process: appends and collapses until the machine stops. */
async function live(disk: FakeDisk, log: TransactionLog, writer: Writer, random: Random): Promise<void> {
  for (let i = 0; i < 40; i += 1) {
    if (random.chance(0.1)) {
      const upTo = writer.applied;
      if ((await unlessCrashed(disk, log.collapse(upTo, random.below(3)))) === 'crashed') return;
      continue;
    }
    const group = writer.group();
    writer.records.push(...group);
    if ((await unlessCrashed(disk, append(log, ...group))) === 'crashed') return;
    writer.acknowledged = writer.records.length;
  }
  if (random.chance(0.5)) await unlessCrashed(disk, log.close());
}

seeded('acknowledged records survive any crash, and what is recovered is a prefix', async (seeds) => {
  for (let run = 0; run < 60; run += 1) {
    const random = createRandom(seeds.below(2 ** 32));
    const writer = new Writer(random);
    const segmentBytes = 1024 + random.below(8) * 1024;
    let disk = new FakeDisk();
    let firstSlot = 1;
    for (let life = 0; life < 6; life += 1) {
      disk.operationsLeft = random.chance(0.9) ? 1 + random.below(120) : Number.POSITIVE_INFINITY;
      // The store's image: any slot up to what was applied, but never below what the log dropped.
      const { snapshot } = replay(writer.records.slice(0, writer.acknowledged));
      const least = Math.max(snapshot, firstSlot - 1);
      const applied = random.chance(0.5) ? least : Math.max(least, writer.applied);
      const opened = await unlessCrashed(disk, openLog(disk, { segmentBytes, appliedSlot: applied }));
      if (opened !== 'crashed') {
        const { log, recovered } = opened;
        const count = survivors(writer, recovered, applied);
        writer.records.length = count;
        // Whatever the process saw at its start is durable from now on.
        writer.acknowledged = count;
        const { operationsLeft } = disk;
        disk.operationsLeft = Number.POSITIVE_INFINITY;
        await checkServed(log, writer, recovered.firstLogSlot);
        disk.operationsLeft = operationsLeft;
        const firstMax = Math.max(firstSlot, replay(writer.records).snapshot + 1);
        assert.ok(recovered.firstLogSlot <= firstMax, 'nothing more is missing than was dropped');
        firstSlot = recovered.firstLogSlot;
        await live(disk, log, writer, random);
        firstSlot = log.firstSlot;
      }
      disk.operationsLeft = 0;
      disk = disk.restart(random.chance(0.3) ? 'kill' : 'power cut', random);
    }
  }
});

/** Every chosen slot from the log's first on is read back as last written. */
async function checkServed(log: TransactionLog, writer: Writer, from: Slot): Promise<void> {
  const { chosen, values } = replay(writer.records);
  for (let slot = from; slot <= chosen; ) {
    const read = texts(await log.readSlots(slot, chosen, 1000));
    assert.ok(read.length > 0, `slot ${slot} is served`);
    for (const [found, text] of read) {
      assert.is(found, slot);
      assert.is(text, values.get(slot)?.split(' ')[1]);
      slot += 1;
    }
  }
}

test('collapse: a crash after any operation leaves a log that opens, with the same state', async () => {
  const random = createRandom(7);
  for (let operations = 0; ; operations += 1) {
    const disk = new FakeDisk();
    const { log } = await openLog(disk);
    for (const slot of slots(1, 150)) await append(log, accept(slot, { chosen: slot, bytes: 64 }));
    disk.operationsLeft = operations + 1;
    const ended = await unlessCrashed(disk, log.collapse(149, 1));
    disk.operationsLeft = 0;
    const { log: after, recovered } = await openLog(disk.restart('power cut', random), { appliedSlot: 149 });
    assert.is(recovered.chosen, 150);
    assert.equal(
      recovered.accepted.map((entry) => entry.slot),
      [150],
    );
    const { firstSlot } = after;
    assert.equal(
      (await after.readSlots(firstSlot, 150, 1e6)).map(({ slot }) => slot),
      slots(firstSlot, 150),
    );
    if (ended !== 'crashed') {
      assert.ok(operations > 4);
      return;
    }
  }
});

test('a new segment: a crash after any operation loses nothing that was acknowledged', async () => {
  const random = createRandom(8);
  for (let operations = 1; operations < 60; operations += 1) {
    const disk = new FakeDisk();
    const { log } = await openLog(disk, { segmentBytes: 1024 });
    disk.operationsLeft = operations;
    let slot = 0;
    while ((await unlessCrashed(disk, append(log, accept(slot + 1, { bytes: 150 })))) !== 'crashed')
      slot += 1;
    const { recovered } = await openLog(disk.restart('power cut', random));
    assert.ok(recovered.accepted.length >= slot && recovered.accepted.length <= slot + 1);
  }
});

test('a log that was being begun when the machine stopped is begun again', async () => {
  const random = createRandom(9);
  for (let operations = 1; operations < 20; operations += 1) {
    const disk = new FakeDisk();
    disk.operationsLeft = operations;
    await unlessCrashed(disk, openLog(disk));
    disk.operationsLeft = 0;
    const { log } = await openLog(disk.restart('power cut', random));
    await append(log, accept(1));
    assert.is((await log.readSlots(1, 1, 100)).length, 1);
  }
});

test.run();

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { readMembers } from '../../../node/life/members-row.ts';
import { Machine } from '../../../node/machine/machine.ts';
import type { MembersState } from '../../../node/paxos/values.ts';
import { RETURN_CODES } from '../../../src/base/errors.ts';
import { encodeUpdate } from '../../../src/protocol/arakoon/updates.ts';
import { type Answer, returnCodeOf } from '../../../src/protocol/arakoon/values.ts';
import { NO_RUNNER } from '../../support/no-runner.ts';
import { diskFull, FakeWorld } from './fake-world.ts';

const SET = encodeUpdate({ kind: 'set', key: 'k', value: Buffer.from('v') });

/** A cluster of one whose master serves. */
function mastered(): FakeWorld {
  const world = new FakeWorld(['a']);
  world.pass(2000);
  assert.ok(world.driver.mayRead(), 'a cluster of one has a master');
  return world;
}

function propose(world: FakeWorld): Answer[] {
  const answers: Answer[] = [];
  world.driver.propose(SET, (answer) => answers.push(answer));
  world.turn();
  return answers;
}

test('a cluster of one acknowledges only what its disk holds', () => {
  const world = mastered();
  const answers = propose(world);
  assert.equal(answers, [], 'not before the sync');
  assert.is(world.appending, 1);
  world.disk();
  assert.is(answers.length, 1);
  assert.is(returnCodeOf((answers[0] as Answer).bytes), RETURN_CODES.OK);
  assert.equal(Buffer.from(world.store.get('\x01k') as Uint8Array).toString(), 'v');
});

test('nothing is read while the store is being replaced, whoever holds the lease', () => {
  const world = mastered();
  world.driver.holdApplying();
  assert.not(world.driver.mayRead());
  world.driver.releaseApplying();
  assert.ok(world.driver.mayRead());
});

test('one append is under way at a time; what gathers goes with the next', () => {
  const world = mastered();
  propose(world);
  const second = propose(world);
  const third = propose(world);
  assert.is(world.appending, 1);
  world.disk();
  assert.is(world.appending, 1, 'both together');
  world.disk();
  assert.is(second.length + third.length, 2);
});

test('what waits behind a slow disk is refused before its client gives up, and is never executed', () => {
  const world = mastered();
  const underWay = [propose(world), propose(world)];
  const late: Answer[] = [];
  world.driver.propose(SET, (answer) => late.push(answer), world.nowMs + 50);
  world.turn();
  assert.is(late.length, 0, 'two batches are under way, so that it waits');
  world.nowMs += 60;
  world.driver.submit({ kind: 'tick', random: 0.5 });
  world.turn();
  assert.is(returnCodeOf((late[0] as Answer).bytes), RETURN_CODES.GOING_DOWN);
  while (world.appending > 0) world.disk();
  for (const [answer] of underWay) assert.is(returnCodeOf((answer as Answer).bytes), RETURN_CODES.OK);
  assert.is(world.driver.counters.updatesApplied, 2);
});

test('the store may be flushed only up to what the own log durably holds', () => {
  const world = mastered();
  const before = world.driver.durableSlot;
  propose(world);
  assert.is(world.driver.durableSlot, before);
  world.disk();
  assert.is(world.driver.durableSlot, before + 1);
});

test('applying waits while the overlay has all that it may, and goes on when there is more room', () => {
  const world = mastered();
  let bytesMax = world.store.overlayBytes - 1;
  Object.defineProperty(world.store, 'overlayBytesMax', { get: () => bytesMax });
  const waits = propose(world);
  world.disk();
  assert.is(waits.length, 0, 'it is chosen, and not applied');
  bytesMax = Number.MAX_SAFE_INTEGER;
  world.driver.resume();
  world.turn();
  assert.is(returnCodeOf((waits[0] as Answer).bytes), RETURN_CODES.OK);
});

test('each round of events is told at its end: something may be due at another time than before', () => {
  const world = mastered();
  const before = world.rounds;
  world.driver.submit({ kind: 'tick', random: 0 });
  assert.is(world.rounds, before);
  world.turn();
  assert.is(world.rounds, before + 1);
});

test('a full disk refuses updates as read only, keeps what it was given, and writing resumes', () => {
  const world = mastered();
  const caught = propose(world);
  world.disk(diskFull());
  assert.ok(world.driver.waitsForRoom !== null);
  const refused = propose(world);
  assert.is(returnCodeOf((refused[0] as Answer).bytes), RETURN_CODES.READ_ONLY);
  assert.ok(world.driver.mayRead(), 'reads go on');
  world.timers();
  assert.is(world.appending, 1, 'the same records are tried again');
  world.disk();
  assert.is(returnCodeOf((caught[0] as Answer).bytes), RETURN_CODES.OK);
  const later = propose(world);
  world.disk();
  assert.is(returnCodeOf((later[0] as Answer).bytes), RETURN_CODES.OK);
});

test('what waits for room on the disk ends with the driver: the log may be closed by then', () => {
  const world = mastered();
  const caught = propose(world);
  world.disk(diskFull());
  world.driver.stop();
  assert.is(returnCodeOf((caught[0] as Answer).bytes), RETURN_CODES.MAYBE_APPLIED);
  world.timers();
  assert.is(world.appending, 0, 'nothing is given to the log any more');
});

/** Lines about a full disk, each with how often. */
function linesAbout(world: FakeWorld): [string, number | undefined][] {
  return world.said
    .filter(({ message }) => message.startsWith('disk '))
    .map(({ facts, message }) => [message, (facts as { times?: number }).times]);
}
const FULL_LINE = 'disk is full: updates are refused, reads go on';
const ROOM_LINE = 'disk has room again: updates are taken';

test('a full disk is a line at the change, a count each minute, and a line when it has had room for a while', () => {
  const world = mastered();
  world.isFull = true;
  world.pass(100);
  assert.equal(linesAbout(world), [[FULL_LINE, 1]], 'also where nobody updates anything');
  for (let n = 0; n < 50; n += 1) propose(world);
  assert.is(linesAbout(world).length, 1);
  world.nowMs += 60_000;
  propose(world);
  assert.equal(linesAbout(world).slice(1), [[FULL_LINE, 51]]);
  for (let n = 0; n < 5; n += 1) {
    world.isFull = !world.isFull; // at the brink
    world.pass(1000);
  }
  assert.not(world.isFull);
  assert.is(linesAbout(world).length, 2);
  world.pass(10_000);
  assert.equal(linesAbout(world).slice(2), [[ROOM_LINE, undefined]]);
});

test('records that wait for room are one line, however often they are tried', () => {
  const world = mastered();
  propose(world);
  for (let n = 0; n < 20; n += 1) {
    world.disk(diskFull());
    assert.ok(world.driver.waitsForRoom !== null, 'until something was written');
    world.timers();
  }
  assert.equal(linesAbout(world), [[FULL_LINE, 1]]);
  world.disk();
  assert.is(world.driver.waitsForRoom, null);
});

test('a store that was held and not replaced goes on where it was', () => {
  const world = mastered();
  const before = world.store.slot;
  const held = world.driver.holdApplying();
  const waiting = propose(world);
  world.disk();
  assert.equal(waiting, [], 'chosen, and not applied');
  assert.is(world.store.slot, before);
  const { slots, bytes } = held.queued;
  assert.ok(slots === 1 && bytes >= SET.length, `${slots} of ${bytes} bytes`);
  world.driver.releaseApplying();
  assert.equal(held.queued, { slots: 0, bytes: 0 });
  assert.is(returnCodeOf((waiting[0] as Answer).bytes), RETURN_CODES.OK);
  assert.is(world.store.slot, before + 1);
});

test('an image in place of the store is told as its slot is, before the next one (nursery, 9600000109)', () => {
  const world = mastered();
  world.driver.holdApplying();
  for (let slots = 0; slots < 2; slots += 1) {
    propose(world);
    world.disk();
  }
  const slot = world.store.slot + 1;
  world.store.commit(new Map(), slot);
  world.applied.length = 0;
  const members = readMembers(world.store) as MembersState;
  world.driver.snapshotInstalled(new Machine(world.store, NO_RUNNER), {
    kind: 'snapshotInstalled',
    slot,
    members,
  });
  world.driver.resume();
  assert.equal(world.applied, [slot, slot + 1], 'who watches the map must not wait for the next change');
});

test('a store that is damaged stays held, whatever becomes of a snapshot', () => {
  const world = mastered();
  world.driver.holdApplying();
  propose(world);
  world.driver.quarantine();
  world.disk();
  const before = world.store.slot;
  world.driver.releaseApplying();
  assert.is(world.store.slot, before);
});

test('a disk that is nearly full refuses before anything is proposed', () => {
  const world = mastered();
  world.isFull = true;
  const refused = propose(world);
  assert.is(returnCodeOf((refused[0] as Answer).bytes), RETURN_CODES.READ_ONLY);
  assert.is(world.appending, 0);
});

test('a follower whose disk is full says who is master: that one may have room', () => {
  const world = new FakeWorld(['a', 'b', 'c']);
  world.turn();
  world.isFull = true;
  const answers = propose(world);
  assert.is(returnCodeOf((answers[0] as Answer).bytes), RETURN_CODES.NOT_MASTER);
});

test('a disk that fails ends the process, and nothing is acknowledged', () => {
  const world = mastered();
  const answers = propose(world);
  world.disk(new Error('EIO'));
  assert.is(world.stops[0]?.exit, 'DISK_FAILED');
  assert.is(returnCodeOf((answers[0] as Answer).bytes), RETURN_CODES.MAYBE_APPLIED);
});

test('without a master an update is refused, and certainly not executed', () => {
  const world = new FakeWorld(['a', 'b', 'c']);
  world.turn();
  const answers = propose(world);
  assert.is(returnCodeOf((answers[0] as Answer).bytes), RETURN_CODES.NOT_MASTER);
});

test('an empty home tells nobody its life before its disk holds it', () => {
  const world = new FakeWorld(['a', 'b', 'c']);
  world.turn();
  assert.is(world.appending, 1, 'its incarnation is on the way to the disk');
  world.driver.submit({
    kind: 'message',
    from: 'b',
    incarnation: 'b'.repeat(32),
    message: {
      kind: 'ask',
      cluster: '',
      chosen: 0,
      votes: false,
      eligible: false,
      isRetired: false,
      echo: 0,
    },
  });
  world.turn();
  const reports = world.sent.filter(({ message }) => message.kind === 'report');
  assert.is(reports.length, 0, 'a report names a life; one that may be forgotten must not be named');
  world.disk();
});

test('after stop nothing is left unanswered', () => {
  const world = mastered();
  const answers = propose(world);
  world.driver.stop();
  assert.is(returnCodeOf((answers[0] as Answer).bytes), RETURN_CODES.MAYBE_APPLIED);
  const late = propose(world);
  assert.is(returnCodeOf((late[0] as Answer).bytes), RETURN_CODES.GOING_DOWN);
});

test('a store in doubt serves no client, but the commands by which doubt ends', () => {
  const world = mastered();
  world.driver.doubt(true);
  assert.not(world.driver.mayRead());
  assert.is(returnCodeOf((propose(world)[0] as Answer).bytes), RETURN_CODES.GOING_DOWN);
  const own: Answer[] = [];
  world.driver.proposeOwn(SET, (answer) => own.push(answer));
  world.turn();
  world.disk();
  assert.is(returnCodeOf((own[0] as Answer).bytes), RETURN_CODES.OK);
  world.driver.doubt(false);
  assert.ok(world.driver.mayRead());
});

test('a damaged store answers nothing any more, not even what is under way, and no doubt clears it', () => {
  const world = mastered();
  const caught = propose(world);
  const before = world.store.slot;
  world.driver.quarantine();
  assert.is(returnCodeOf((caught[0] as Answer).bytes), RETURN_CODES.MAYBE_APPLIED);
  world.disk();
  assert.is(world.store.slot, before, 'nothing is applied to it');
  world.driver.doubt(false);
  assert.not(world.driver.mayRead());
  assert.is(returnCodeOf((propose(world)[0] as Answer).bytes), RETURN_CODES.GOING_DOWN);
  assert.is(caught.length, 1);
});

test.run();

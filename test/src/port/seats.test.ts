import { Duplex } from 'node:stream';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type Guest, Seats } from '../../../src/port/seats.ts';

/** Seats with a clock of the test's, and guests that it makes busy or idle. */
class Room {
  nowMs = 0;
  limits = { clients: 3, own: 1, spare: 2 };
  readonly gone: string[] = [];
  readonly seats = new Seats(
    () => this.limits,
    () => this.nowMs,
  );
  readonly busy = new Set<string>();
  readonly active = new Map<string, number>();
  readonly sockets = new Map<string, Duplex>();

  enter(name: string): boolean {
    const socket = new Duplex({ read: () => undefined, write: () => undefined });
    this.sockets.set(name, socket);
    socket.once('close', () => this.gone.push(name));
    return this.seats.enter(socket);
  }

  /** Enters and takes a seat. */
  sit(name: string, kind: 'client' | 'own' = 'client'): boolean {
    if (!this.enter(name)) return false;
    this.active.set(name, this.nowMs);
    const guest: Guest = {
      activeMs: () => this.active.get(name) as number,
      isBusy: () => this.busy.has(name),
      letGo: () => this.gone.push(name),
    };
    return this.seats.take(this.sockets.get(name) as Duplex, kind, kind === 'own' ? null : guest);
  }

  leave(name: string): void {
    this.seats.leave(this.sockets.get(name) as Duplex);
  }
}

/** Three clients that came one after the other and are idle. */
function full(): Room {
  const room = new Room();
  for (const name of ['a', 'b', 'c']) {
    assert.ok(room.sit(name));
    room.nowMs += 100;
  }
  room.nowMs = 10_000;
  return room;
}

test('whoever was idle for longest has to go, which is not always who came first', () => {
  const room = full();
  room.active.set('a', 5000);
  assert.ok(room.sit('d'));
  assert.equal(room.gone, ['b']);
  room.nowMs += 200;
  assert.ok(room.sit('e'));
  assert.equal(room.gone, ['b', 'c']);
});

test('who has a request under way stays, and so does who was active a moment ago', () => {
  const room = full();
  room.busy.add('a');
  room.active.set('b', room.nowMs - 500);
  assert.ok(room.sit('d'));
  assert.equal(room.gone, ['c']);
  assert.not(room.sit('e'), 'the others are busy, or not idle for long');
  assert.is(room.seats.figures.turnedAway, 1);
});

test('one that was found idle and has become busy since stays', () => {
  const room = full();
  assert.ok(room.sit('d')); // a goes; b and c are found too
  room.busy.add('b');
  assert.ok(room.sit('e'));
  assert.equal(room.gone, ['a', 'c']);
});

test('our own processes have seats beyond those of clients, and never go', () => {
  const room = full();
  for (const name of ['a', 'b', 'c']) room.busy.add(name);
  assert.ok(room.sit('node', 'own'));
  assert.not(room.sit('second', 'own'), 'not without end');
  room.leave('second');
  room.nowMs += 60_000;
  assert.not(room.sit('d'));
  room.busy.clear();
  room.nowMs += 1000;
  assert.ok(room.sit('third', 'own'), 'in the place of a client that is idle');
  assert.not(room.gone.includes('node'));
});

test('beyond all seats the oldest that has said nothing goes; where there is none the next is not even told', () => {
  const room = new Room();
  for (const name of ['a', 'b', 'c', 'd', 'e', 'f']) assert.ok(room.enter(name));
  assert.ok(room.enter('g'));
  assert.is(room.seats.figures.open, 6);
  assert.is(room.seats.figures.letGo, 1);
  assert.ok(room.sockets.get('a')?.destroyed);
});

test('who is on the way out does not stand in the way: of too many the oldest is closed at once', () => {
  const room = full();
  for (const name of ['a', 'b', 'c']) room.busy.add(name);
  for (const name of ['x', 'y', 'z']) assert.not(room.sit(name), 'they are told');
  assert.ok(room.sockets.get('x')?.destroyed);
  assert.not(room.sockets.get('y')?.destroyed);
  for (let n = 0; n < 20; n += 1) assert.not(room.sit(`more ${n}`));
  assert.ok(room.sit('node', 'own'));
  assert.ok(room.seats.figures.open <= 6);
});

test('limits may change while connections are open', () => {
  const room = full();
  room.limits = { clients: 5, own: 1, spare: 2 };
  assert.ok(room.sit('d'));
  assert.equal(room.gone, []);
  room.limits = { clients: 2, own: 1, spare: 2 };
  for (const name of ['a', 'b', 'c', 'd']) room.busy.add(name);
  assert.not(room.sit('e'));
  room.busy.clear();
  room.limits = { clients: 1, own: 1, spare: 1 };
  room.nowMs += 2000;
  room.seats.shrink();
  assert.ok(room.seats.figures.open <= 3, 'those that were one too many have gone');
  const rest = room.seats.figures.open;
  room.seats.shrink();
  assert.is(room.seats.figures.open, rest);
});

test('a seat that was left is free', () => {
  const room = full();
  for (const name of ['a', 'b', 'c']) room.busy.add(name);
  room.leave('b');
  assert.ok(room.sit('d'));
  assert.equal(room.gone, []);
  assert.is(room.seats.figures.open, 3);
});

test.run();

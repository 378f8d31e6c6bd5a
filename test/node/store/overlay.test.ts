/** The overlay's stack: what it freezes, keeps for a flush and merges. That the rows are right is held against a model elsewhere. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Overlay, OverlaySnapshot } from '../../../node/store/overlay.ts';
import { OverlayMap } from '../../../node/store/overlay-map.ts';

/** Keys of one slot that together with as many are more than are ever merged. */
const MANY = 2049;

/** An overlay above a base of slot 10. */
function begun(): Overlay {
  return new Overlay(10);
}

/** Adds a slot that sets so many keys, of which each begins with `name`. */
function add(overlay: Overlay, slot: number, keys = 1, name = `${slot}`): void {
  const rows = Array.from({ length: keys }, (_, n) => [`\x01${name}.${n}`, Uint8Array.of(slot)] as const);
  overlay.commit(new Map(rows), slot);
}

/** Slots and sizes of what is pinned, newest first. */
function pinned(overlay: Overlay): string {
  return shown(overlay.pin());
}

function shown(generations: ReturnType<Overlay['pin']>): string {
  return generations.map(({ slot, rows }) => `${slot}:${rows.size}`).join(' ');
}

test('an image pins what has grown, once', () => {
  const overlay = begun();
  assert.is(pinned(overlay), '', 'nothing is above the base');
  add(overlay, 11);
  assert.is(pinned(overlay), '11:1');
  assert.is(pinned(overlay), '11:1', 'nothing has grown since');
  overlay.commit(new Map(), 12);
  assert.is(pinned(overlay), '12:0 11:1', 'a slot without changes is a new image');
  overlay.commit(new Map(), 13);
  assert.is(pinned(overlay), '13:0 11:1');
  assert.is(overlay.slot, 13);
});

test('slot 0 alone may be added to: there a store begins', () => {
  const overlay = new Overlay(0);
  add(overlay, 0);
  assert.is(pinned(overlay), '0:1');
  add(overlay, 0, 1, 'more');
  assert.is(pinned(overlay), '0:2');
  assert.throws(() => add(begun(), 10), /slots are committed in order/);
  assert.throws(() => add(begun(), 9), /slots are committed in order/);
  const later = new Overlay(0);
  add(later, 1);
  assert.throws(() => add(later, 0), /slots are committed in order/);
});

test('keys begin with their table, and are not too long', () => {
  const refused = /a key begins with its table/;
  const set = (key: string): void => begun().commit(new Map([[key, null]]), 11);
  assert.throws(() => set('\0slot'), refused);
  assert.throws(() => set(`\x01${'a'.repeat(4026)}`), refused);
  set(`\x01${'a'.repeat(4025)}`);
  set('\x01');
});

test('small generations are merged, so that sizes at least double downwards', () => {
  const overlay = begun();
  const after = (slot: number, keys: number): string => {
    add(overlay, slot, keys);
    return pinned(overlay);
  };
  assert.is(after(11, 5), '11:5');
  assert.is(after(12, 2), '12:2 11:5');
  assert.is(after(13, 1), '13:8', 'two are half of what is below, and so on');
  assert.is(after(14, 3), '14:3 13:8');
  assert.is(after(15, 4), '15:15');
});

test('what is large is not merged', () => {
  const overlay = begun();
  add(overlay, 11, MANY);
  overlay.pin();
  add(overlay, 12, MANY - 2);
  assert.is(pinned(overlay), `12:${2 * MANY - 2}`, 'together just as many as may be');
  const larger = begun();
  add(larger, 11, MANY);
  larger.pin();
  add(larger, 12, MANY - 1);
  assert.is(pinned(larger), `12:${MANY - 1} 11:${MANY}`);
});

test('in a merged generation the newer value counts, and removals stay', () => {
  const overlay = begun();
  overlay.commit(
    new Map([
      ['\x01a', Uint8Array.of(1)],
      ['\x01b', Uint8Array.of(1)],
    ]),
    11,
  );
  overlay.pin();
  overlay.commit(
    new Map([
      ['\x01a', Uint8Array.of(2)],
      ['\x01b', null],
    ]),
    12,
  );
  const [merged, ...rest] = overlay.pin();
  assert.is(rest.length, 0);
  assert.equal(
    [...(merged?.rows.ordered() ?? [])],
    [
      ['\x01a', Uint8Array.of(2)],
      ['\x01b', null],
    ],
  );
});

test('a pinned image stays as it is while what it pins is merged', () => {
  const overlay = begun();
  add(overlay, 11);
  const image = overlay.pin();
  add(overlay, 12);
  assert.is(pinned(overlay), '12:2');
  assert.is(shown(image), '11:1');
});

test('a flush takes what is durable, oldest first, and it goes once it is in the base', () => {
  const overlay = begun();
  add(overlay, 11, 5);
  overlay.pin();
  add(overlay, 12, 2);
  overlay.pin();
  assert.is(shown(overlay.hold(11)), '11:5');
  overlay.drop();
  assert.is(pinned(overlay), '12:2');
  add(overlay, 13, 9);
  assert.is(shown(overlay.hold(13)), '13:11');
  overlay.drop();
  assert.is(pinned(overlay), '');
  assert.is(overlay.bytes, 0);
  overlay.commit(new Map(), 14);
  assert.is(shown(overlay.hold(14)), '14:0', 'the base has slot 13 now');
});

test('a flush freezes nothing where what was frozen before is not durable yet', () => {
  const overlay = begun();
  add(overlay, 11, 50);
  overlay.pin();
  add(overlay, 12);
  assert.is(shown(overlay.hold(10)), '');
  overlay.drop();
  assert.is(overlay.generations.length, 2, 'what grows goes on growing');
  assert.is(shown(overlay.hold(11)), '11:50', 'slot 12 is frozen, and not durable');
  overlay.drop();
  assert.is(overlay.generations.length, 2);
  assert.is(shown(overlay.hold(12)), '12:1');
});

test('what is being written is not merged, before it is released', () => {
  const overlay = begun();
  add(overlay, 11);
  const held = overlay.hold(11);
  assert.is(shown(held), '11:1');
  add(overlay, 12);
  assert.is(pinned(overlay), '12:1 11:1');
  add(overlay, 13);
  assert.is(pinned(overlay), '13:2 11:1', 'what is above it is');
  overlay.release();
  add(overlay, 14);
  assert.is(pinned(overlay), '14:4');
  assert.is(shown(held), '11:1');
  assert.is(shown(overlay.hold(14)), '14:4', 'all that could not be written is written later');
});

test('one flush at a time', () => {
  const overlay = begun();
  add(overlay, 11);
  overlay.hold(11);
  assert.throws(() => overlay.hold(11), /one flush at a time/);
});

test('a flush of nothing changes nothing', () => {
  const overlay = begun();
  assert.is(shown(overlay.hold(10)), '');
  overlay.drop();
  assert.is(overlay.slot, 10);
  assert.is(pinned(overlay), '');
});

test('memory: each key once, with what it costs beside its value', () => {
  const overlay = begun();
  const cost = '\x01a'.length + 96;
  const after = (slot: number, value: Uint8Array | null): number => {
    overlay.commit(new Map([['\x01a', value]]), slot);
    return overlay.bytes;
  };
  assert.is(after(11, new Uint8Array(10)), cost + 10);
  assert.is(after(12, new Uint8Array(7)), cost + 7);
  assert.is(after(13, null), cost);
  assert.is(after(14, null), cost);
  assert.is(after(15, new Uint8Array(3)), cost + 3);
  overlay.pin();
  overlay.commit(new Map([['\x01b', null]]), 16);
  assert.is(overlay.bytes, 2 * cost + 3, 'all generations');
});

test('an image that is closed says so; closing it again is nothing', () => {
  let renewed = 0;
  let closed = 0;
  const snapshot = new OverlaySnapshot(
    7,
    [],
    new OverlayMap<Uint8Array>(),
    () => (renewed += 1),
    () => (closed += 1),
  );
  snapshot.renew();
  assert.equal([renewed, closed], [1, 0]);
  snapshot.close();
  snapshot.close();
  assert.is(closed, 1);
  const isClosed = (error: { code?: string }): boolean => error.code === 'SNAPSHOT_CLOSED';
  assert.throws(() => snapshot.get('\x01'), isClosed);
  assert.throws(() => snapshot.scan('', null, () => true), isClosed);
  assert.throws(() => snapshot.scanDown('', null, () => true), isClosed);
  assert.throws(() => snapshot.renew(), isClosed);
  assert.is(renewed, 1);
});

test.run();

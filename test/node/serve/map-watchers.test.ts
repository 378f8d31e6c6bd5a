import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type ForMigrators, MapWatchers } from '../../../node/serve/map-watchers.ts';
import { WHOLE } from '../../../src/keyspace/range.ts';
import { carve, EMPTY_MAP } from '../../../src/keyspace/rangemap.ts';
import { TOPIC } from '../../../src/link/frames.ts';
import type { Link } from '../../../src/link/link.ts';
import { type KeeperMap, type Migration, mapPushCodec } from '../../../src/protocol/admin/admin.ts';
import { NO_AUTO } from '../../../src/protocol/admin/auto.ts';
import { bool, decode, i64 } from '../../../src/wire/codec.ts';

/** A link that notes what is pushed. */
class FakeLink {
  readonly pushed: string[] = [];
  /** What it was told of moves. */
  readonly moves: boolean[] = [];
  /** Of wishes to rebalance by itself. */
  readonly wishes: number[] = [];
  bufferedBytes = 0;
  isFull = false;

  post(topic: number, body: Buffer): boolean {
    if (this.isFull) return false;
    if (topic === TOPIC.moves) {
      this.moves.push(decode(bool, body));
      return true;
    }
    if (topic === TOPIC.auto) {
      this.wishes.push(decode(i64, body));
      return true;
    }
    const push = decode(mapPushCodec, body);
    this.pushed.push(
      push.kind === 'whole'
        ? `whole ${push.map.version}`
        : `${push.from} to ${push.version}, ${push.entries.length}`,
    );
    return true;
  }
}

function setup(): { publish: () => void; watch: (version: number) => FakeLink; watchers: MapWatchers } {
  const watchers = new MapWatchers();
  let known: KeeperMap = { map: carve(EMPTY_MAP, WHOLE, 'a', 1), clusters: [] };
  watchers.changed(1, () => known);
  return {
    watchers,
    publish: () => {
      const { map } = known;
      known = { map: carve(map, { lo: String(map.version), hi: null }, 'b', map.version + 1), clusters: [] };
      watchers.changed(known.map.version, () => known);
    },
    watch: (version) => {
      const link = new FakeLink();
      watchers.add(link as unknown as Link, version);
      return link;
    },
  };
}

test('who knows the version before is sent the change, others the whole map', () => {
  const { publish, watch } = setup();
  const [current, behind] = [watch(1), watch(0)];
  publish();
  publish();
  assert.equal(current.pushed, ['1 to 2, 2', '2 to 3, 2']);
  assert.equal(behind.pushed, ['whole 2', '2 to 3, 2']);
});

test('who lags, or could not be sent one, is sent the whole map when it reads again', () => {
  const { publish, watch } = setup();
  const [slow, full] = [watch(1), watch(1)];
  slow.bufferedBytes = 2 * 1024 * 1024;
  full.isFull = true;
  publish();
  slow.bufferedBytes = 0;
  full.isFull = false;
  publish();
  publish();
  for (const { pushed } of [slow, full]) assert.equal(pushed, ['whole 3', '3 to 4, 2']);
});

test('where all watchers together are owed much, only who has read everything is sent more', () => {
  const { publish, watch } = setup();
  const idle = Array.from({ length: 100 }, () => watch(1));
  for (const link of idle) link.bufferedBytes = 700 * 1024;
  const reader = watch(1);
  publish();
  assert.equal(reader.pushed, ['1 to 2, 2']);
  assert.ok(idle.every(({ pushed }) => pushed.length === 0));
  for (const link of idle) link.bufferedBytes = 0;
  publish();
  assert.ok(idle.every(({ pushed }) => pushed[0] === 'whole 3'));
});

test('an unchanged version is pushed to nobody, nor anything to who is gone', () => {
  const { publish, watch, watchers } = setup();
  const [stays, goes] = [watch(1), watch(1)];
  watchers.changed(1, () => {
    throw new Error('not asked for');
  });
  watchers.remove(goes as unknown as Link);
  publish();
  assert.equal([stays.pushed.length, goes.pushed.length, watchers.size], [1, 0, 1]);
});

function records(...phases: Partial<Migration>[]): ForMigrators {
  return {
    migrations: new Map(phases.map((record, mid) => [mid, { mid, ...record } as Migration])),
    auto: NO_AUTO,
  };
}

test('watchers hear when the first migration needs a migrator, and when none does any more', () => {
  const { watch, watchers } = setup();
  const early = watch(1);
  assert.equal(early.moves, [false], 'as it is when they come');
  watchers.moved(records({ phase: 'done' }), true);
  watchers.moved(records({ phase: 'done' }, { phase: 'active' }), true);
  watchers.moved(records({ phase: 'published' }, { phase: 'active' }), true);
  assert.equal(early.moves, [false, true], 'further ones, and each beat, are not told');
  const late = watch(1);
  watchers.moved(records({ phase: 'aborted', isUntold: true }), true);
  assert.equal(early.moves, [false, true], 'a target that has not been told needs one');
  watchers.moved(records({ phase: 'aborted' }, { phase: 'lost' }), true);
  assert.equal(early.moves, [false, true, false]);
  assert.equal(late.moves, [true, false]);
});

test('watchers hear which wish to rebalance by itself is in force', () => {
  const { watch, watchers } = setup();
  const early = watch(1);
  const wished = (number: number, isOn: boolean): ForMigrators => ({
    migrations: new Map(),
    auto: { ...NO_AUTO, number, isOn },
  });
  watchers.moved(wished(1, true), true);
  watchers.moved(wished(1, true), true);
  const late = watch(1);
  watchers.moved(wished(2, true), true);
  watchers.moved(wished(3, false), true);
  assert.equal(early.wishes, [0, 1, 2, 0]);
  assert.equal(late.wishes, [1, 2, 0]);
});

test('a node that follows no master says that there may be moves, until it has one again', () => {
  const { watch, watchers } = setup();
  const link = watch(1);
  const none = records({ phase: 'done' });
  watchers.moved(none, true);
  watchers.moved(none, false);
  watchers.moved(none, false);
  assert.equal(link.moves, [false, true]);
  watchers.moved(none, true);
  assert.equal(link.moves, [false, true, false]);
});

test('what only the command of an order can go on with needs no migrator', () => {
  const { watch, watchers } = setup();
  const link = watch(1);
  const rescue = { order: 1, dead: 'source', epoch: 0, isThere: false, isCopy: true } as const;
  watchers.moved(records({ phase: 'active', rescue }), true);
  assert.equal(link.moves, [false]);
  watchers.moved(records({ phase: 'published', rescue }), true);
  assert.equal(link.moves, [false, true]);
});

test('who asks for the map is reminded of moves, watcher or not: a push may have been missed', () => {
  const { watch, watchers } = setup();
  const full = watch(1);
  full.isFull = true;
  watchers.moved(records({ phase: 'active' }), true);
  full.isFull = false;
  watchers.remind(full as unknown as Link);
  const other = new FakeLink();
  watchers.remind(other as unknown as Link);
  assert.equal([full.moves, other.moves], [[false, true], [true]]);
});

test.run();

/** Rebalancing by itself at the keeper: what may be wished, and which planned moves are taken. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { storeState } from '../../../node/machine/system-state.ts';
import { type AdminCommand, type Migration, NO_PROGRESS } from '../../../src/protocol/admin/admin.ts';
import {
  type AutoSettings,
  type AutoWish,
  DAY_MS,
  NO_AUTO,
  RECENT_MAX,
  stillCounted,
} from '../../../src/protocol/admin/auto.ts';
import { UNSAID } from '../../../src/protocol/admin/migration.ts';
import { TestCluster } from './cluster.ts';

const receipt = { sealSlot: 7, digest: { sum: 3n, count: 2, bytes: 1 }, pauseMs: 4, pauseAtLeast: false };
const { number: _, ...DEFAULTS } = NO_AUTO;
const ON: AutoSettings = { ...DEFAULTS, isOn: true, who: 'me@here' };

/** A keeper of five clusters: A has everything but [k..t) at B; the map is at version 7. */
function keeper(wish: Partial<AutoSettings> | null = {}): TestCluster {
  const cluster = new TestCluster();
  for (const id of ['A', 'B', 'C', 'D', 'E'])
    cluster.expect({ kind: 'setClusterConfig', cluster: id, nodes: [] }, 'ok');
  cluster.expect({ kind: 'initMap', cluster: 'A' }, 'planned');
  end(cluster, cluster.expect({ kind: 'plan', source: 'A', target: 'B', lo: 'k', hi: 't' }, 'planned').mid);
  if (wish !== null) cluster.expect({ kind: 'setAuto', seen: 0, wish: { ...ON, ...wish } }, 'ok');
  return cluster;
}

function end(cluster: TestCluster, mid: number): void {
  cluster.expect({ kind: 'claim', mid, tokenSeen: 0 }, 'claimed');
  cluster.expect({ kind: 'publish', mid, token: 1, receipt }, 'ok');
  cluster.expect({ kind: 'finish', mid, token: 1 }, 'ok');
}

const wishOf = (cluster: TestCluster): AutoWish =>
  cluster.query({ kind: 'getAuto', recent: 1000 }, 'auto').wish;
const recordOf = (cluster: TestCluster, mid: number): Migration =>
  cluster.query({ kind: 'getMigration', mid }, 'migrations').migrations[0] as Migration;

type Planned = Extract<AdminCommand, { kind: 'planAuto' }>;
const planned = (cluster: TestCluster, changed: Partial<Planned> = {}): Planned => ({
  kind: 'planAuto',
  wish: 1,
  mapVersion: cluster.machine.mapVersion,
  source: 'A',
  target: 'C',
  lo: 'a',
  hi: 'b',
  ...changed,
});

test('it is off unless told, and a wish is kept for whoever has seen the one before', () => {
  const cluster = keeper(null);
  assert.equal(wishOf(cluster), NO_AUTO);
  cluster.expect({ kind: 'setAuto', seen: 0, wish: ON }, 'ok');
  assert.equal(wishOf(cluster), { ...ON, number: 1 });
  const late = cluster.expect(
    { kind: 'setAuto', seen: 0, wish: { ...ON, isOn: false, who: 'you' } },
    'refused',
  );
  assert.match(late.why, /set meanwhile, by me@here/);
  cluster.expect({ kind: 'setAuto', seen: 1, wish: { ...ON, isOn: false, who: 'you' } }, 'ok');
  assert.equal([wishOf(cluster).isOn, wishOf(cluster).number], [false, 2]);
  const { auto } = cluster.machine;
  cluster.restart();
  assert.equal(cluster.machine.auto, auto, 'it is stored');
});

test('it is not on before there is a map', () => {
  const cluster = new TestCluster();
  assert.match(
    cluster.expect({ kind: 'setAuto', seen: 0, wish: ON }, 'refused').why,
    /no map yet: nursery init/,
  );
  cluster.expect({ kind: 'setAuto', seen: 0, wish: { ...ON, isOn: false } }, 'ok');
});

test('what makes no sense is not wished', () => {
  const cluster = keeper(null);
  const why = (changed: Partial<AutoSettings>): string =>
    cluster.expect({ kind: 'setAuto', seen: 0, wish: { ...ON, ...changed } }, 'refused').why;
  assert.match(why({ beginPercent: 10 }), /begins above where it stops/);
  assert.match(why({ stopPercent: 0 }), /1 to 1000/);
  assert.match(why({ beginPercent: 1001 }), /1 to 1000/);
  assert.match(why({ movesMax: 0 }), /1 to 64/);
  assert.match(why({ movesMax: 65 }), /1 to 64/);
  assert.match(why({ coolDownSeconds: 59 }), /60 to 2592000/);
  assert.match(why({ coolDownSeconds: 2592001 }), /60 to 2592000/);
  for (const quiet of [
    { from: 24, to: 3 },
    { from: 3, to: 24 },
    { from: 3, to: 3 },
  ])
    assert.match(why({ quiet }), /two different hours/);
  assert.match(why({ rate: 0 }), /1 or more/);
  assert.match(why({ bytesPerDay: 0 }), /1 or more/);
  assert.equal(wishOf(cluster), NO_AUTO);
});

test('a move is taken under the wish and for the map that it was planned for, with its rate', () => {
  const cluster = keeper({ rate: 500 });
  const { mid } = cluster.expect(planned(cluster), 'planned');
  const { source, target, lo, hi, phase, asked } = recordOf(cluster, mid);
  assert.equal([source, target, lo, hi, phase], ['A', 'C', 'a', 'b', 'active']);
  assert.equal(asked, { rate: 500, who: 'me@here', reason: 'auto', undoes: null });
});

test('a plan of an old map, or under another wish, is refused', () => {
  const cluster = keeper();
  const old = planned(cluster);
  end(cluster, cluster.expect({ kind: 'plan', source: 'A', target: 'D', lo: 'x', hi: null }, 'planned').mid);
  assert.match(cluster.expect(old, 'refused').why, /planned for version \d+ of the map, which is at \d+/);
  assert.match(cluster.expect(planned(cluster, { wish: 0 }), 'refused').why, /under wish 0, and 1 holds/);
  cluster.expect({ kind: 'setAuto', seen: 1, wish: { ...ON, isOn: false } }, 'ok');
  assert.match(cluster.expect(planned(cluster, { wish: 2 }), 'refused').why, /is off/);
  cluster.expect({ kind: 'setAuto', seen: 2, wish: ON }, 'ok');
  cluster.expect(planned(cluster, { wish: 3 }), 'planned');
});

test('two planners never add up: each cluster takes part in one move, and no more are open than may be', () => {
  const cluster = keeper({ movesMax: 2 });
  const busy = (changed: Partial<Planned>): string =>
    cluster.expect(planned(cluster, changed), 'refused').why;
  const { mid } = cluster.expect(planned(cluster), 'planned');
  assert.match(busy({ target: 'D', lo: 'c', hi: 'd' }), new RegExp(`A or D takes part in migration ${mid}`));
  assert.match(busy({ source: 'B', lo: 'k', hi: 'm' }), new RegExp(`B or C takes part in migration ${mid}`));
  cluster.expect(planned(cluster, { source: 'B', target: 'D', lo: 'k', hi: 'm' }), 'planned');
  assert.match(busy({ source: 'E', target: 'E' }), /2 such moves are open/);
  const person = keeper();
  person.expect({ kind: 'plan', source: 'A', target: 'C', lo: 'c', hi: 'd' }, 'planned');
  assert.match(person.expect(planned(person, { target: 'D' }), 'refused').why, /takes part in migration/);
  const free = keeper({ movesMax: 1 });
  free.expect({ kind: 'plan', source: 'A', target: 'C', lo: 'c', hi: 'd' }, 'planned');
  free.expect(planned(free, { source: 'B', target: 'D', lo: 'k', hi: 'm' }), 'planned');
});

test('nothing else counts as asked for by nobody: it would be bounded by no wish', () => {
  const cluster = keeper();
  const asked = { ...UNSAID, reason: 'auto' } as const;
  const move = { source: 'A', target: 'C', lo: 'a', hi: 'b', asked };
  assert.match(cluster.expect({ kind: 'plan', ...move }, 'refused').why, /planAuto/);
  const merge = { cluster: 'A', lo: '', hi: 'k', asked };
  assert.match(cluster.expect({ kind: 'planMerge', ...merge }, 'refused').why, /planAuto/);
});

test('neighbours of one owner are merged within the same bounds, and what nobody may move is refused as ever', () => {
  const cluster = keeper();
  assert.match(cluster.expect(planned(cluster, { source: 'B' }), 'refused').why, /B does not own all/);
  end(cluster, cluster.expect({ kind: 'plan', source: 'B', target: 'A', lo: 'k', hi: 'm' }, 'planned').mid);
  const merge = { source: 'A', target: 'A', lo: '', hi: 'm' };
  const { mid } = cluster.expect(planned(cluster, merge), 'planned');
  assert.equal([recordOf(cluster, mid).merges?.length, recordOf(cluster, mid).asked?.reason], [2, 'auto']);
  assert.match(cluster.expect(planned(cluster, { lo: 'u', hi: 'v' }), 'refused').why, /takes part/);
});

test('who plans is told of every open move, and of the newest that have ended', () => {
  const cluster = keeper();
  const open = cluster.expect({ kind: 'plan', source: 'A', target: 'C', lo: 'c', hi: 'd' }, 'planned').mid;
  const few = cluster.query({ kind: 'getAuto', recent: 1000 }, 'auto');
  assert.equal([few.migrations.map(({ mid }) => mid), few.isCut], [[2, open], false]);
  const finished = Array.from({ length: RECENT_MAX }, (_each, at): [number, Migration] => {
    const mid = open + 1 + at;
    return [mid, { ...recordOf(cluster, 2), mid, progress: NO_PROGRESS }];
  });
  const { state } = cluster.machine;
  const changes = new Map<string, Uint8Array | null>();
  const migrations = new Map([...state.migrations, ...finished]);
  storeState(state, { ...state, migrations }, (key, value) => changes.set(key, value));
  cluster.store.commit(changes, cluster.slot + 1);
  cluster.restart();
  const many = cluster.query({ kind: 'getAuto', recent: 1000 }, 'auto');
  assert.equal(
    [many.migrations.length, many.isCut, many.migrations.at(-1)?.mid],
    [RECENT_MAX + 1, true, open],
  );
  assert.is(many.migrations[0]?.mid, open + 1);
  const none = cluster.query({ kind: 'getAuto', recent: 0 }, 'auto');
  assert.equal([none.migrations.map(({ mid }) => mid), none.isCut], [[open], true]);
});

test('while it is on, what it still counts is not forgotten', () => {
  const cluster = keeper({ coolDownSeconds: 60 });
  const moveAt = (startedAtMs: number): number => {
    const { mid } = cluster.expect({ kind: 'plan', source: 'A', target: 'C', lo: 'a', hi: 'b' }, 'planned');
    cluster.expect({ kind: 'claim', mid, tokenSeen: 0 }, 'claimed');
    const span = { startedAtMs, tookMs: 5000 };
    cluster.expect({ kind: 'recordAbort', mid, token: 1, why: 'asked', told: true, span }, 'ok');
    return mid;
  };
  const forget = (mid: number) => ({ kind: 'forget', mid }) as const;
  const first = moveAt(1e12);
  assert.match(cluster.expect(forget(first), 'refused').why, /rebalancing by itself still counts migration/);
  const second = moveAt(1e12 + 60_000);
  cluster.expect(forget(first), 'ok');
  cluster.expect(forget(second), 'refused');
  cluster.expect({ kind: 'setAuto', seen: 1, wish: { ...ON, coolDownSeconds: 60, bytesPerDay: 9 } }, 'ok');
  const later = moveAt(1e12 + 60_000 + DAY_MS);
  cluster.expect(forget(second), 'ok');
  const last = moveAt(1e12 + 60_000 + DAY_MS + 3_600_000);
  cluster.expect(forget(later), 'refused');
  const merge = cluster.expect({ kind: 'plan', source: 'B', target: 'A', lo: 'k', hi: 't' }, 'planned').mid;
  end(cluster, merge);
  const { mid } = cluster.expect(planned(cluster, { wish: 2, target: 'A', lo: '', hi: null }), 'planned');
  end(cluster, mid);
  cluster.expect(forget(mid), 'ok');
  cluster.expect({ kind: 'setAuto', seen: 2, wish: { ...ON, isOn: false } }, 'ok');
  for (const each of [later, last]) cluster.expect(forget(each), 'ok');
});

test('of more than planners are told of, one more stays, which says that there are some', () => {
  const { migrations } = keeper(null).machine;
  const [record] = migrations.values();
  const many = Array.from({ length: RECENT_MAX + 9 }, (_, at) => ({ ...(record as Migration), mid: at }));
  const counted = stillCounted({ ...ON }, many);
  assert.equal([counted.size, counted.has(7), counted.has(8)], [RECENT_MAX + 1, false, true]);
  assert.is(stillCounted(ON, [{ ...(record as Migration), merges: [] }]).size, 0);
});

test.run();

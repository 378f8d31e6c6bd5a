import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { changeBetween, MapFollower } from '../../../src/client/map-follower.ts';
import { WHOLE } from '../../../src/keyspace/range.ts';
import { carve, EMPTY_MAP } from '../../../src/keyspace/rangemap.ts';
import type { ClusterConfig, KeeperMap } from '../../../src/protocol/admin/admin.ts';
import { mapChangeCodec } from '../../../src/protocol/admin/admin.ts';
import { decode, encode } from '../../../src/wire/codec.ts';
import { seeded } from '../../support/seeded.ts';

const config = (cluster: string, port = 4000): ClusterConfig => ({
  cluster,
  nodes: [{ name: `${cluster}1`, ips: ['::1'], port }],
});
const plain = ({ map, clusters }: KeeperMap): unknown => [map.version, map.entries, clusters];

test('a change follows the version that it changes, and no other', () => {
  const [a, b] = [config('a'), config('b')];
  const one: KeeperMap = { map: carve(EMPTY_MAP, WHOLE, 'a', 1), clusters: [a, b] };
  const two: KeeperMap = { map: carve(one.map, { lo: 'k', hi: null }, 'b', 2), clusters: [a, b] };
  const three: KeeperMap = { map: two.map.at(3), clusters: [config('a', 5000)] };
  const follower = new MapFollower();
  assert.is(follower.version, -1);
  assert.is(follower.change(changeBetween(one, two)), 'behind', 'without any map');
  assert.equal(follower.whole(one)?.changed, null);
  assert.is(follower.whole(one), null, 'the same again');
  assert.is(follower.change(changeBetween(two, three)), 'behind', 'one was missed');
  const news = follower.change(changeBetween(one, two));
  if (news === null || news === 'behind') throw new Error('news');
  assert.equal(plain(news.map), plain(two));
  assert.equal(
    news.changed?.map(({ lo }) => lo),
    ['', 'k'],
  );
  assert.is(news.map.clusters, one.clusters, 'the very same list');
  assert.is(follower.change(changeBetween(one, two)), null, 'known already');
  assert.is(follower.whole(one), null, 'an older one');
  const last = follower.change(changeBetween(two, three));
  if (last === null || last === 'behind') throw new Error('news');
  assert.equal(plain(last.map), plain(three));
  assert.is(follower.version, 3);
});

seeded('changes, one after the other, over the wire, lead where the keeper is', (random) => {
  let keeper: KeeperMap = { map: carve(EMPTY_MAP, WHOLE, 'c0', 1), clusters: [config('c0')] };
  const follower = new MapFollower();
  follower.whole(keeper);
  for (let mid = 2; mid < 400; mid += 1) {
    const before = keeper;
    const id = `c${random.below(5)}`;
    if (random.chance(0.2)) {
      const others = before.clusters.filter(({ cluster }) => cluster !== id);
      const clusters = random.chance(0.3) ? others : [...others, config(id, mid)];
      keeper = { map: before.map.at(before.map.version + 1), clusters };
    } else {
      const lo = String(random.below(1000)).padStart(4, '0');
      const hi = random.chance(0.1) ? null : `${lo}${random.below(9)}`;
      keeper = { map: carve(before.map, { lo, hi }, id, mid), clusters: before.clusters };
    }
    const change = decode(mapChangeCodec, encode(mapChangeCodec, changeBetween(before, keeper)));
    const news = follower.change(change);
    if (news === null || news === 'behind') throw new Error(`change to ${keeper.map.version} was not taken`);
    assert.equal(news.map.map.entries, keeper.map.entries);
    const ids = (map: KeeperMap): unknown => map.clusters.map((each) => each.cluster).sort();
    assert.equal(ids(news.map), ids(keeper));
  }
});

test('another keeper is a stranger, whatever its version; but for one that says that it has replaced this one', () => {
  const of = (founding: string, version: number, replaced: readonly string[] = []): KeeperMap => ({
    map: carve(EMPTY_MAP, WHOLE, `owner of ${founding}`, 1).at(version),
    clusters: [],
    nursery: { founding, replaced },
  });
  const follower = new MapFollower();
  assert.is(follower.isStranger(of('K', 5)), false, 'the first one');
  follower.whole(of('K', 5));
  assert.is(follower.keeper, 'K');
  for (const stranger of [of('S', 1), of('S', 5), of('S', 9), of('S', 9, ['T'])]) {
    assert.ok(follower.isStranger(stranger));
    assert.is(follower.whole(stranger), null);
  }
  assert.is(follower.change(changeBetween(of('S', 5), of('S', 6))), 'behind', 'its changes, too');
  const nobody = { map: of('S', 9).map, clusters: [] };
  assert.ok(follower.isStranger(nobody), 'a keeper that does not know itself');
  assert.is(follower.whole(nobody), null);
  assert.is(follower.version, 5);

  const successor = of('K2', 2, ['J', 'K']);
  assert.is(follower.isStranger(successor), false);
  assert.is(
    follower.whole(successor)?.map.map.version,
    2,
    'versions of two keepers say nothing of each other',
  );
  assert.is(follower.keeper, 'K2');
  assert.is(follower.whole(of('K', 99)), null, 'the one that was replaced');
  assert.is(follower.whole(of('K2', 1, ['K'])), null, 'an older one');
});

test('a keeper that comes to know itself is followed on', () => {
  const follower = new MapFollower();
  const before: KeeperMap = { map: carve(EMPTY_MAP, WHOLE, 'a', 1), clusters: [] };
  follower.whole(before);
  assert.is(follower.keeper, '');
  const after: KeeperMap = { ...before, nursery: { founding: 'K', replaced: [] } };
  assert.ok(follower.whole(after) !== null);
  assert.is(follower.keeper, 'K');
});

test.run();

/** What a keeper or a node may answer and push, in a version that is not ours or by a mistake of its: nobody dies of it. */
import * as fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { NurseryError } from '../../../src/base/errors.ts';
import { ClusterClient } from '../../../src/client/cluster-client.ts';
import { fits, type MapEntry, RangeMap, replace } from '../../../src/keyspace/rangemap.ts';
import { TOPIC } from '../../../src/link/frames.ts';
import { encodeAnswer, mapPushCodec } from '../../../src/protocol/admin/admin.ts';
import { encodeRequest } from '../../../src/protocol/arakoon/requests.ts';
import { encode } from '../../../src/wire/codec.ts';
import { until } from '../../support/wait.ts';
import { FakeCluster } from './fake-cluster.ts';

const tests = suite<{ cluster: FakeCluster; client: ClusterClient }>('hostile answers');

tests.before.each(async (context) => {
  context.cluster = await new FakeCluster().start(1);
  context.client = new ClusterClient(context.cluster.config, { role: 'client', node: 'test' });
});
tests.after.each(async ({ cluster, client }) => {
  client.close();
  await cluster.stop();
});

const entry = (lo: string, hi: string | null, owner = 'a'): MapEntry => ({ lo, hi, owner, epoch: 1 });
const whole = (version: number, entries: readonly MapEntry[]) => ({
  map: RangeMap.of(version, entries),
  clusters: [],
});

/** Answers that are cut short, or nothing at all, or a success with rubbish behind it. */
const RUBBISH = [
  [],
  [0],
  [0, 0, 0],
  [0, 0, 0, 0],
  [0, 0, 0, 0, 255, 255, 255, 255],
  [4, 0, 0, 0],
  [4, 0, 0, 0, 9, 0, 0, 0],
].map((bytes) => Buffer.from(bytes));

/** Maps that are no partitions of the key space. */
const BROKEN = [
  [entry('a', null)],
  [entry('', 'k')],
  [entry('', 'k'), entry('m', null)],
  [entry('', 'm'), entry('k', null)],
  [entry('', 'k'), entry('k', 'k'), entry('k', null)],
];

tests(
  'an answer that cannot be read is an error with a code, whatever was asked',
  async ({ cluster, client }) => {
    for (const bytes of RUBBISH) {
      cluster.interfere = () => ({ bytes, hint: null });
      const asked = [
        client.query({ kind: 'getMap' }, { to: 'n0', deadlineMs: 200 }),
        client.query({ kind: 'getMap' }, { deadlineMs: 200 }),
        client.command({ kind: 'initMap', cluster: 'a' }, { deadlineMs: 200 }),
      ];
      for (const result of await Promise.allSettled(asked)) {
        assert.is(result.status, 'rejected');
        if (result.status === 'rejected') assert.instance(result.reason, NurseryError);
      }
    }
    // An update whose answer is rubbish may have been applied.
    cluster.interfere = ({ kind }) => (kind === 'set' ? { bytes: Buffer.alloc(2), hint: null } : undefined);
    const set = encodeRequest({ kind: 'set', key: 'k', value: Buffer.from('v') });
    await client.send(set).then(
      () => assert.unreachable(),
      (error: NurseryError) => assert.is(error.code, 'MAYBE_APPLIED'),
    );
  },
);

tests(
  'maps and changes that cannot be are not taken, and the next good one is',
  async ({ cluster, client }) => {
    cluster.map = whole(1, [entry('', null)]);
    const seen: number[] = [];
    client.watchMap({ map: ({ map }) => seen.push(map.map.version) });
    await until('the first map', () => seen.includes(1));
    const [node] = cluster.nodes;
    const push = (body: Uint8Array): void => {
      for (const link of node?.links ?? []) link.post(TOPIC.map, body);
    };
    let version = 2;
    for (const entries of BROKEN) {
      version += 1;
      push(encode(mapPushCodec, { kind: 'whole', ...whole(version, entries) }));
      push(
        encode(mapPushCodec, {
          kind: 'change',
          keeper: '',
          from: 1,
          version,
          entries,
          clusters: [],
          dropped: [],
        }),
      );
      push(Buffer.from([9, 9, 9]));
      cluster.map = whole(version, [entry('', null)]);
      await until('the good map behind it', () => {
        node?.push();
        return seen.includes(version);
      });
    }
    // So for those that come as an answer, to a subscription as to a question.
    cluster.interfere = ({ kind }) =>
      kind === 'adminQuery'
        ? { bytes: encodeAnswer({ kind: 'keeperMap', ...whole(99, BROKEN[1] as MapEntry[]) }), hint: null }
        : undefined;
    const again = new ClusterClient(cluster.config, { role: 'client', node: 'test' });
    again.watchMap({ map: ({ map }) => seen.push(map.map.version) });
    try {
      await until('it to be asked', () => cluster.log.filter((line) => line === 'n0 adminQuery').length > 3);
      assert.not.ok(seen.includes(99));
      cluster.interfere = () => undefined;
      cluster.map = whole(100, [entry('', null)]);
      await until('a good map at last', () => seen.includes(100));
    } finally {
      again.close();
    }
  },
);

tests('a change is taken only where what comes of it is a partition', () => {
  const keys = fc.constantFrom('', 'a', 'b', 'c', 'd', 'e');
  const bounds = fc
    .uniqueArray(keys, { minLength: 1, maxLength: 6 })
    .map((list) => [...new Set(['', ...list])].sort());
  const maps = bounds.map((los) =>
    RangeMap.of(
      1,
      los.map((lo, index) => entry(lo, los[index + 1] ?? null)),
    ),
  );
  const rows = fc.array(
    fc.record({ lo: keys, hi: fc.option(keys), owner: fc.constant('b'), epoch: fc.constant(2) }),
    {
      maxLength: 3,
    },
  );
  const isPartition = ({ entries }: RangeMap): boolean =>
    entries[0]?.lo === '' &&
    entries.every(({ lo, hi }, index) => (entries[index + 1]?.lo ?? null) === hi && (hi === null || lo < hi));
  fc.assert(
    fc.property(maps, rows, (map, entries) => {
      if (fits(map, entries)) assert.ok(isPartition(replace(map, entries, 2)));
    }),
    { numRuns: 3000 },
  );
  const map = RangeMap.of(1, [entry('', 'k'), entry('k', null)]);
  assert.ok(fits(map, [entry('', 'c', 'b'), entry('c', 'k', 'b')]));
  assert.ok(fits(map, [entry('k', null, 'b')]));
  assert.not.ok(fits(map, [entry('', 'c', 'b')]));
});

tests.run();

/**
 * Homes that the build before the redesign wrote (test/golden/homes-before-the-redesign): whatever comes later starts with
 * them, says what they said then, takes updates, and goes on with the moves that were under way.
 */
import { createHash } from 'node:crypto';
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { LmdbStore } from '../../node/store/lmdb-store.ts';
import { keyToBytes } from '../../src/base/bytes.ts';
import { ArakoonClient } from '../../src/client/arakoon-client.ts';
import { ClusterClient } from '../../src/client/cluster-client.ts';
import type { AdminQuery } from '../../src/protocol/admin/admin.ts';
import type { TestCluster } from '../support/clusters.ts';
import { goldenNursery, goldenOslo, HOMES, OSLO, unpackHome } from '../support/golden-homes.ts';
import { selfOf } from '../support/identities.ts';
import { FRONT, servedAt } from '../support/nurseries.ts';
import { labSuite } from '../support/processes.ts';
import { until } from '../support/wait.ts';

/** A value as it is, or what a long one is known by. */
type Known = { readonly hex: string } | { readonly bytes: number; readonly sha256: string };
type Row = { readonly key: string; readonly value: Known };
type Document = { readonly [field: string]: unknown };
type Expected = {
  /** Migrations: half copied and paused, and sealed. */
  readonly half: number;
  readonly sealed: number;
  readonly absent: readonly string[];
  readonly clusters: { readonly [id: string]: { readonly self: Document; readonly rows: readonly Row[] } };
  readonly map: Document;
  readonly migrations: { readonly migrations: readonly { mid: number; lo: string; hi: string | null }[] };
  readonly standings: { readonly [id: string]: Document };
  readonly rangeStatus: { readonly [id: string]: readonly Document[] };
  readonly oslo: {
    readonly founding: string;
    readonly members: readonly string[];
    readonly owned: unknown;
    readonly absent: readonly string[];
    readonly rows: readonly Row[];
  };
};

const EXPECTED: Expected = JSON.parse(readFileSync(join(HOMES, 'expected.json'), 'utf8'));
/** Values up to this are written out (bytes). */
const SHOWN_MAX = 64;

const tests = labSuite('homes of the build before the redesign');

/** As JSON has it, numbers of 128 bits as text. */
function plain(value: unknown): Document {
  return JSON.parse(JSON.stringify(value, (_key, each) => (typeof each === 'bigint' ? String(each) : each)));
}

function known(value: Buffer): Known {
  if (value.length <= SHOWN_MAX) return { hex: value.toString('hex') };
  return { bytes: value.length, sha256: createHash('sha256').update(value).digest('hex') };
}

function shown(entries: readonly (readonly [Buffer, Buffer])[]): Row[] {
  return entries.map(([key, value]) => ({ key: key.toString('hex'), value: known(value) }));
}

async function ask(cluster: TestCluster, query: AdminQuery) {
  const client = new ClusterClient(cluster.config, { role: 'client', node: 'test' });
  return await client.query(query).finally(() => client.close());
}

/** All rows that a cluster of one serves. */
async function rowsOf(cluster: TestCluster): Promise<Row[]> {
  const [{ name, clientPort }] = cluster.nodes as [TestCluster['nodes'][number]];
  const self = await selfOf(cluster.id, name, clientPort);
  if (self === null) throw new Error(`${name} says nothing yet`);
  const rows: Row[] = [];
  for (const { lo, hi, sealedBy } of self.owned) {
    if (sealedBy !== null) continue;
    const last = hi === null ? {} : { last: keyToBytes(hi) };
    const entries = await cluster.ask(name, (client) =>
      client.rangeEntries({ first: keyToBytes(lo), ...last }),
    );
    rows.push(...shown(entries));
  }
  return rows;
}

/** What a node says of itself, as it is recorded. */
async function recordedSelf(cluster: TestCluster): Promise<Document> {
  const [{ name, clientPort }] = cluster.nodes as [TestCluster['nodes'][number]];
  const self = await selfOf(cluster.id, name, clientPort);
  if (self === null) throw new Error(`${name} says nothing`);
  const { founding, keeper, owned, keys } = self;
  return plain({ founding, keeper, owned, keys });
}

async function expectMap(keeper: TestCluster): Promise<void> {
  const answer = await ask(keeper, { kind: 'getMap' });
  if (answer.kind !== 'keeperMap') throw new Error(answer.kind);
  const { map, clusters, nursery } = answer;
  assert.equal(plain({ version: map.version, entries: map.entries, clusters, nursery }), EXPECTED.map);
  assert.equal(plain(await ask(keeper, { kind: 'listMigrations' })), EXPECTED.migrations);
  for (const [cluster, standing] of Object.entries(EXPECTED.standings)) {
    const query = { kind: 'standing', cluster, founding: '', keeper: '' } as const;
    // That it says whether it has a map came later; and its words for people are others by now.
    const said = { ...(plain(await ask(keeper, query)) as object), why: '' };
    assert.equal(said, { ...standing, isNew: false, why: '' }, `of ${cluster}`);
  }
}

async function expectMoves(cluster: TestCluster): Promise<void> {
  const said: Document[] = [];
  for (const { mid, lo, hi } of EXPECTED.migrations.migrations) {
    const { slot, sealAge, ...status } = plain(await ask(cluster, { kind: 'rangeStatus', mid, lo, hi }));
    assert.ok(typeof slot === 'number' && sealAge !== undefined);
    said.push({ mid, ...status });
  }
  assert.equal(said, EXPECTED.rangeStatus[cluster.id], `of ${cluster.id}`);
}

tests.test('a nursery: all is there, updates are taken, and moves that were under way end', async (lab) => {
  const { keeper, ams, bru, all, file, routerPort, startRouter } = await goldenNursery(lab);
  for (const cluster of all) cluster.startAll();
  for (const cluster of [ams, bru]) await until(`${cluster.id} to serve`, () => rowsOf(cluster));
  await expectMap(keeper);
  for (const cluster of all) {
    assert.equal(await recordedSelf(cluster), EXPECTED.clusters[cluster.id]?.self, cluster.id);
    assert.equal(await rowsOf(cluster), EXPECTED.clusters[cluster.id]?.rows, `rows of ${cluster.id}`);
  }
  for (const cluster of [ams, bru]) await expectMoves(cluster);

  await ams.ask('ams_0', (client) => client.set('apple', 'green'));
  await ams.ask('ams_0', (client) => client.delete('banana'));
  await bru.ask('bru_0', (client) => client.set('kiwi', 'gold'));
  for (const cluster of all) await cluster.killAll();
  for (const cluster of all) cluster.startAll();
  const hex = (text: string): string => Buffer.from(text).toString('hex');
  const changed = (id: string): Row[] =>
    (EXPECTED.clusters[id]?.rows ?? [])
      .filter(({ key }) => key !== hex('banana'))
      .map((row) => {
        if (row.key === hex('apple')) return { ...row, value: { hex: hex('green') } };
        return row.key === hex('kiwi') ? { ...row, value: { hex: hex('gold') } } : row;
      });
  for (const cluster of [ams, bru]) {
    const rows = await until(`${cluster.id} to serve again`, () => rowsOf(cluster));
    assert.equal(rows, changed(cluster.id));
  }
  await expectMap(keeper);

  const router = await startRouter();
  const wished = await lab.run(['migrate', '--config', file, '--continue', String(EXPECTED.half)]);
  assert.is(wished.code, 0, wished.stderr);
  const finished = await lab.run(['migrate', '--config', file, '--resume']);
  assert.is(finished.code, 0, finished.stderr);
  for (const mid of [EXPECTED.half, EXPECTED.sealed]) {
    assert.match(finished.stdout, new RegExp(`migration ${mid}: done`));
  }
  const client = await ArakoonClient.connect({ host: '127.0.0.1', port: routerPort, cluster: FRONT });
  lab.closing(() => client.close());
  assert.is(await servedAt(routerPort, 'grape'), 'blue');
  for (const key of EXPECTED.absent) assert.not(await client.exists(Buffer.from(key, 'hex')), key);
  const before = ['ams', 'bru'].flatMap(changed);
  const sorted = [...before, { key: hex('grape'), value: { hex: hex('blue') } }].sort((a, b) =>
    a.key < b.key ? -1 : 1,
  );
  assert.equal(shown(await client.rangeEntries()), sorted);
  const { owned } = await recordedSelf(ams);
  assert.equal(
    (owned as { lo: string; epoch: number }[]).map(({ lo, epoch }) => [lo, epoch]),
    [
      ['', 1],
      ['h', 1],
      ['q', EXPECTED.half],
    ],
  );
  await router.kill();
  for (const cluster of all) await cluster.killAll();
});

/** All rows of a store that nobody has open, as they are stored. */
async function storedRows(dir: string, cluster: string, node: string): Promise<Map<string, string>> {
  const store = await LmdbStore.open({ dir, cluster, node });
  const rows = new Map<string, string>();
  let from: string | null = '';
  while (from !== null) {
    from = store.scan(from, null, (key, value) => {
      rows.set(key, Buffer.from(value).toString('hex'));
      return true;
    });
  }
  await store.close();
  return rows;
}

tests.test('what was logged is replayed where the stores are gone, and stored as it was', async (lab) => {
  const { keeper, bru } = await goldenNursery(lab);
  for (const cluster of [keeper, bru]) {
    for (const { home } of cluster.nodes) rmSync(join(home, 'store'), { recursive: true });
    cluster.startAll();
  }
  assert.equal(await until('bru to serve', () => rowsOf(bru)), EXPECTED.clusters['bru']?.rows);
  await expectMap(keeper);
  await expectMoves(bru);
  for (const cluster of [keeper, bru]) {
    const { id } = cluster;
    const [{ name, home }] = cluster.nodes as [TestCluster['nodes'][number]];
    assert.is((await cluster.process(name).terminate()).code, 0);
    const before = join(lab.dir, `${name}-before`);
    unpackHome(join(HOMES, name), before);
    const stored = await storedRows(join(home, 'store'), id, name);
    assert.ok(stored.size > 8, `${stored.size} rows`);
    assert.equal([...stored], [...(await storedRows(join(before, 'store'), id, name))]);
  }
});

tests.test(
  'a cluster of three with a learner: each has all of it, and votes or follows as before',
  async (lab) => {
    const oslo = await goldenOslo(lab);
    const { rows, founding, members, owned, absent } = EXPECTED.oslo;
    const names = [...OSLO.members, OSLO.learner];
    const all = async (name: string): Promise<Row[]> =>
      shown(await oslo.ask(name, (client) => client.rangeEntries({ consistency: { kind: 'noGuarantees' } })));
    oslo.startAll();
    const master = await oslo.master();
    const self = await selfOf(OSLO.id, master, oslo.place(master).clientPort);
    assert.is(self?.founding, founding);
    assert.equal(
      self?.members.map(({ node }) => node),
      members,
    );
    assert.equal(plain(self?.owned), owned);
    // Of three in the same state all must have voted for what one alone could not decide.
    await Promise.all(OSLO.members.map((name) => oslo.caughtUp(name)));
    for (const name of names) {
      await until(`${name} to have it all`, async () => {
        assert.equal(await all(name), rows);
        return true;
      });
      for (const key of absent) {
        const value = await oslo.ask(name, (client) =>
          client.multiGetOption([Buffer.from(key, 'hex')], { consistency: { kind: 'noGuarantees' } }),
        );
        assert.equal(value, [null]);
      }
    }

    const client = oslo.client();
    await client.call((each) => each.set('fjord', 'wide'));
    await oslo.killAll();
    oslo.startAll();
    assert.is((await client.call((each) => each.get('fjord'))).toString(), 'wide');
    await until('the learner to have it', async () => {
      const consistency = { kind: 'noGuarantees' } as const;
      const value = await oslo.ask(OSLO.learner, (each) => each.get('fjord', { consistency }));
      return value.toString() === 'wide';
    });
    await oslo.killAll();
  },
);

tests.run();

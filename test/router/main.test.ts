/** The router as it runs: real sockets, clients of both kinds, and fake nodes behind it. */
import { get as httpGet } from 'node:http';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { keeperOf, type RunningRouter, startRouter } from '../../router/main.ts';
import type { NurseryError } from '../../src/base/errors.ts';
import { ArakoonClient } from '../../src/client/arakoon-client.ts';
import { NurseryClient } from '../../src/client/nursery-client.ts';
import type { RouterIni } from '../../src/config/router-config.ts';
import { RangeMap } from '../../src/keyspace/rangemap.ts';
import { type Hello, LINK_PROTOCOL, TOPIC } from '../../src/link/frames.ts';
import type { Link } from '../../src/link/link.ts';
import { ClientPort } from '../../src/port/port.ts';
import { SILENT } from '../../src/process/log.ts';
import {
  encodeAnswer,
  type KeeperMap,
  mapPushCodec,
  type NodeAddress,
} from '../../src/protocol/admin/admin.ts';
import { failure, okOptionalText } from '../../src/protocol/arakoon/replies.ts';
import { decodeRequest } from '../../src/protocol/arakoon/requests.ts';
import type { Answer } from '../../src/protocol/arakoon/values.ts';
import { encode } from '../../src/wire/codec.ts';
import { FakeCluster, mapOf } from './world.ts';

const LOCAL = '127.0.0.1';

/** A port that answers links and Arakoon's clients in the same way. */
function serve(
  cluster: string,
  node: string,
  answer: (body: Buffer, link: Link | null) => Answer,
  { port = 0, founding = '' } = {},
): Promise<ClientPort> {
  const who: Hello = { protocol: LINK_PROTOCOL, role: 'node', cluster, node, incarnation: '' };
  const hello: Hello = founding === '' ? who : { ...who, founding };
  return ClientPort.listen({
    ips: [LOCAL],
    port,
    clusterId: cluster,
    hello: () => hello,
    links: {
      request: (link, body, respond) => respond(answer(body, link)),
      post: () => undefined,
      closed: () => undefined,
    },
    handle: (_connection, body, respond) => respond(answer(body, null)),
    warn: () => undefined,
    graceMs: 50,
  });
}

/** Clusters, a keeper, and a router, all in this process. */
class Setup {
  readonly clusters = new Map<string, FakeCluster>();
  readonly ports = new Map<string, ClientPort>();
  readonly closing: (() => unknown)[] = [];
  /** After the router. */
  readonly atEnd: (() => unknown)[] = [];
  readonly #watchers = new Set<Link>();
  /** What the keeper says of cluster C in place of the truth; an older one may have stored anything. */
  stored: readonly NodeAddress[] | null = null;
  map: RangeMap;
  /** Whose map it is. */
  nursery = { founding: 'K', replaced: [] as string[] };
  /** Hears the router's errors. */
  complained: (message: string) => void = () => undefined;
  router!: RunningRouter;

  constructor(map: RangeMap) {
    this.map = map;
  }

  async start(isKeeperUp = true): Promise<this> {
    for (const id of ['A', 'B', 'C']) {
      const cluster = new FakeCluster(id, [`${id}1`, `${id}2`]);
      cluster.owned = this.map.entries.filter(({ owner }) => owner === id);
      this.clusters.set(id, cluster);
      for (const node of cluster.nodes) {
        this.ports.set(node, await serve(id, node, (body) => cluster.serve(node, body)));
      }
    }
    const keeper = await this.#serveKeeper(0);
    const keeperPort = keeper.port;
    if (isKeeperUp) this.ports.set('keeper1', keeper);
    else await keeper.close();
    const ini: RouterIni = {
      dashboardToken: null,
      dashboardHosts: [],
      file: 'router.ini',
      name: 'router1',
      clusterId: 'nursery',
      ips: [LOCAL],
      port: 0,
      writtenAt: { ip: 'router.ini:4: [router] ip', clientPort: 'router.ini:5: [router] client_port' },
      logDir: '.',
      logLevel: 'info',
      migrator: false,
      slowMs: 1000,
      nursery: { clusterId: 'keeper', nodes: [{ name: 'keeper1', ips: [LOCAL], port: keeperPort }] },
      warnings: [],
    };
    const keeperClient = keeperOf(ini);
    this.router = await startRouter({
      ini,
      logger: { ...SILENT, error: (_facts, message) => this.complained(message) },
      keeper: keeperClient,
      waits: () => undefined,
    });
    this.atEnd.push(() => keeperClient.close());
    return this;
  }

  cluster(id: string): FakeCluster {
    return this.clusters.get(id) as FakeCluster;
  }

  /** Has the keeper push another map. */
  publish(map: RangeMap): void {
    this.map = map;
    for (const link of this.#watchers)
      link.post(TOPIC.map, encode(mapPushCodec, { kind: 'whole', ...this.#keeperMap() }));
  }

  /** Another keeper is at the address of the first one, with that map. */
  async replaceKeeper(nursery: { founding: string; replaced: string[] }, map: RangeMap): Promise<void> {
    const before = this.ports.get('keeper1') as ClientPort;
    const { port } = before;
    await before.close();
    this.nursery = nursery;
    this.map = map;
    this.ports.set('keeper1', await this.#serveKeeper(port));
  }

  async arakoon(): Promise<ArakoonClient> {
    const client = await ArakoonClient.connect({ host: LOCAL, port: this.router.port, cluster: 'nursery' });
    this.closing.push(() => client.close());
    return client;
  }

  async native(): Promise<NurseryClient> {
    const client = await NurseryClient.connect({ addresses: [`${LOCAL}:${this.router.port}`] });
    this.closing.push(() => client.close());
    return client;
  }

  /** Resolves with the status once it is `wanted`. */
  async health(wanted: number): Promise<{ ok: boolean; why: string }> {
    for (;;) {
      const [status, body] = await this.#readyz();
      if (status === wanted) return JSON.parse(body);
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  async stop(): Promise<void> {
    for (const close of this.closing) close();
    await this.router.close();
    for (const close of this.atEnd) close();
    await Promise.all([...this.ports.values()].map((port) => port.close()));
  }

  #readyz(): Promise<[number, string]> {
    return new Promise((resolve, reject) => {
      const url = `http://${LOCAL}:${this.router.port}/readyz`;
      httpGet(url, { agent: false }, (response) => {
        let body = '';
        response.on('data', (chunk) => {
          body += chunk;
        });
        response.on('end', () => resolve([response.statusCode ?? 0, body]));
      }).on('error', reject);
    });
  }

  #serveKeeper(port: number): Promise<ClientPort> {
    const { founding } = this.nursery;
    return serve('keeper', 'keeper1', (body, link) => this.#keep(body, link), { port, founding });
  }

  #keep(body: Buffer, link: Link | null): Answer {
    const request = decodeRequest(body);
    if (request.kind === 'whoMaster') return okOptionalText('keeper1');
    if (request.kind !== 'adminQuery') return failure('NOT_SUPPORTED', request.kind);
    const { query } = request;
    if (query.kind === 'watchMap' && link !== null) this.#watchers.add(link);
    const since = query.kind === 'watchMap' ? query.sinceVersion : -1;
    if (this.map.version <= since) return { bytes: encodeAnswer({ kind: 'ok' }), hint: null };
    return { bytes: encodeAnswer({ kind: 'keeperMap', ...this.#keeperMap() }), hint: null };
  }

  #keeperMap(): KeeperMap {
    const clusters = [...this.clusters.values()].map(({ id, nodes }) => ({
      cluster: id,
      nodes:
        id === 'C' && this.stored !== null
          ? [...this.stored]
          : nodes.map((name): NodeAddress => ({ name, ips: [LOCAL], port: this.ports.get(name)?.port ?? 1 })),
    }));
    return { map: this.map, clusters, nursery: this.nursery };
  }
}

const router = suite<{ setup: Setup }>('router');

router.before.each(async (context) => {
  context.setup = await new Setup(mapOf(['', 'A'], ['k', 'B'])).start();
});
router.after.each(async ({ setup }) => {
  await setup.stop();
});

router('both kinds of client see one key space', async ({ setup }) => {
  const [arakoon, native] = [await setup.arakoon(), await setup.native()];
  await arakoon.set('a', '1');
  await native.set('x', '2');
  assert.is((await native.get('a')).toString(), '1');
  assert.is((await arakoon.get('x')).toString(), '2');
  for (const client of [arakoon, native]) {
    assert.equal(
      (await client.rangeEntries()).map(([key, value]) => `${key}${value}`),
      ['a1', 'x2'],
    );
    assert.equal(
      (await client.revRangeEntries()).map(([key, value]) => `${key}${value}`),
      ['x2', 'a1'],
    );
    assert.is(await client.keyCount(), 2);
    assert.is(await client.whoMaster(), 'router1');
  }
  assert.is(setup.cluster('A').data.size, 1);
  assert.is(setup.cluster('B').data.size, 1);
});

router(
  'pipelined updates of a connection keep their order, reads see the updates before them',
  async ({ setup }) => {
    const client = await setup.arakoon();
    const sets = Array.from({ length: 300 }, (_, index) => client.set('a', `${index}`));
    const last = client.get('a');
    await Promise.all(sets);
    assert.is((await last).toString(), '299');
    const values = setup
      .cluster('A')
      .executed.flatMap((request) => (request.kind === 'set' ? [Number(Buffer.from(request.value))] : []));
    assert.equal(values, [...values.keys()]);
  },
);

router('while a range moves clients see latency, not an error', async ({ setup }) => {
  const client = await setup.arakoon();
  await client.set('a', '0');
  const [a, c] = [setup.cluster('A'), setup.cluster('C')];
  const range = { lo: '', hi: 'k' };
  a.owned = [];
  a.hints = [{ range, hint: { entry: { ...range, owner: 'C', epoch: 9 }, confirmed: false } }];
  c.hints = [{ range, hint: { entry: { ...range, owner: 'A', epoch: 9 }, confirmed: false } }];
  const held = [client.set('a', '1'), client.set('b', '2')];
  // The third question goes to C again: the range has been waited for.
  let asked = 0;
  const serve = c.serve.bind(c);
  c.serve = (node, body) => {
    asked += 1;
    if (asked === 3) c.owned = [range];
    return serve(node, body);
  };
  await Promise.all(held);
  assert.is(c.data.size, 2);
  const entries = [
    { lo: '', hi: 'k', owner: 'C', epoch: 9 },
    { lo: 'k', hi: null, owner: 'B', epoch: 2 },
  ];
  setup.publish(RangeMap.of(2, entries));
  await client.set('c', '3');
  assert.is(c.data.size, 3);
});

router('a lost master is replaced by the next one', async ({ setup }) => {
  const client = await setup.native();
  await client.set('a', '1');
  await setup.ports.get('A1')?.close();
  setup.ports.delete('A1');
  setup.cluster('A').master = 'A2';
  assert.is((await client.get('a')).toString(), '1');
  await client.set('a', '2');
  assert.is(setup.cluster('A').data.size, 1);
});

router(
  'a cluster stored with addresses that are none is not reached, and harms nobody else',
  async ({ setup }) => {
    await setup.health(200);
    setup.stored = [
      { name: 'C1', ips: ['::1 lo', 'http://[::1'], port: 4000 },
      { name: 'C2', ips: [LOCAL], port: 70_000 },
      { name: 'C3', ips: [], port: 0 },
    ];
    const entries = [
      { lo: '', hi: 'k', owner: 'A', epoch: 1 },
      { lo: 'k', hi: 'p', owner: 'B', epoch: 2 },
      { lo: 'p', hi: null, owner: 'C', epoch: 3 },
    ];
    setup.cluster('B').owned = [{ lo: 'k', hi: 'p' }];
    setup.publish(RangeMap.of(2, entries));
    const { why } = await setup.health(503);
    assert.match(why, /C/);
    const client = await setup.native();
    await client.set('a', '1');
    await client.set('k', '2');
    try {
      await client.set('q', '3', { deadlineMs: 500 });
      assert.unreachable();
    } catch (error) {
      assert.is.not((error as NurseryError).code, undefined, String(error));
    }
    // Once the keeper hears of better ones, all is well.
    setup.stored = null;
    setup.cluster('C').owned = [{ lo: 'p', hi: null }];
    setup.publish(RangeMap.of(3, entries));
    await setup.health(200);
    await client.set('q', '3');
  },
);

router('goes on without the keeper', async ({ setup }) => {
  await setup.health(200);
  await setup.ports.get('keeper1')?.close();
  setup.ports.delete('keeper1');
  const client = await setup.arakoon();
  await client.set('a', '1');
  assert.is((await client.get('a')).toString(), '1');
});

router('says whether it can serve, and why not', async ({ setup }) => {
  assert.is((await setup.health(200)).ok, true);
  const lost = new Setup(mapOf(['', 'A']));
  await lost.start(false);
  try {
    const { ok, why } = await lost.health(503);
    assert.is(ok, false);
    assert.match(why, /no map/);
  } finally {
    await lost.stop();
  }
});

router('an unserved command is refused by name, over TCP and links', async ({ setup }) => {
  for (const client of [await setup.arakoon(), await setup.native()]) {
    try {
      await client.dropMaster();
      assert.unreachable();
    } catch (error) {
      assert.match((error as Error).message, /drop_master/);
    }
  }
});

router('large values pass both ways', async ({ setup }) => {
  const value = Buffer.alloc(3 * 1024 * 1024, 'x');
  for (const client of [await setup.arakoon(), await setup.native()]) {
    await client.set('a', value);
    assert.ok((await client.get('a')).equals(value));
  }
});

router('it passes to the keeper that has replaced its own, and to no other', async ({ setup }) => {
  const client = await setup.arakoon();
  await client.set('a', '1');
  setup.publish(mapOf(['', 'A'], ['k', 'B']).at(9));
  // A stranger at those addresses, with a later map: nobody follows it.
  const met = new Promise<void>((resolve) => {
    setup.complained = (message) => {
      if (message.includes('another keeper')) resolve();
    };
  });
  await setup.replaceKeeper({ founding: 'S', replaced: ['other'] }, mapOf(['', 'B']).at(20));
  await met;
  await client.set('b', '1');
  assert.equal([...setup.cluster('A').data.keys()], ['a', 'b'], 'as before');

  // One that was rescued, with an earlier version: only its map tells where the keys are now.
  const rescued = RangeMap.of(1, [{ lo: '', hi: null, owner: 'C', epoch: 1_000_002 }]);
  setup.cluster('A').owned = [];
  setup.cluster('C').owned = [...rescued.entries];
  await setup.replaceKeeper({ founding: 'L', replaced: ['K'] }, rescued);
  await client.set('c', '2');
  assert.equal([...setup.cluster('C').data.keys()], ['c']);
});

router.run();

/** Whatever a peer, a migrator or a client sends over a link: no process ends by it, and all go on. */
import { randomInt } from 'node:crypto';
import * as assert from 'uvu/assert';
import { NurseryError } from '../../src/base/errors.ts';
import { dial } from '../../src/link/dial.ts';
import { LINK_PROTOCOL, type Role, TOPIC } from '../../src/link/frames.ts';
import {
  type AdminCommand,
  type AdminQuery,
  encodeCommand,
  encodeQuery,
} from '../../src/protocol/admin/admin.ts';
import { encodeRequest, REQUEST_CODES } from '../../src/protocol/arakoon/requests.ts';
import { TestNursery } from '../support/nurseries.ts';
import { labSuite, type NurseryProcess } from '../support/processes.ts';
import { createRandom, type Random } from '../support/random.ts';

const tests = labSuite('peers');
/** Links to each place, and requests on each link. */
const LINKS = 8;
const REQUESTS = 40;
/** Some wait for what never comes (ms). */
const ANSWER_MS = 200;
const ROLES: readonly Role[] = ['node', 'router', 'migrator', 'client'];
const MOST = Number.MAX_SAFE_INTEGER;

/** Commands and queries of every kind whose numbers and keys are at the ends of what can be. */
function strange(random: Random): Buffer {
  const number = (): number => random.pick([0, 1, 2, 3, -1, MOST, MOST - 1, -MOST]);
  const key = (): string => random.pick(['', 'a', 'k', 'z', '\xff', '\xff'.repeat(4025)]);
  const hi = (): string | null => random.pick([null, key()]);
  const id = (): string => random.pick(['peers-ams', 'peers-bru', '', 'nobody', 'x'.repeat(300)]);
  const digest = { count: number(), bytes: number(), sum: random.pick([0n, 1n, (1n << 128n) - 1n]) };
  const header = { mid: number(), token: number(), floor: 1, lo: key(), hi: hi(), peer: id() };
  const row = { kind: random.below(4), key: key(), value: random.pick([null, Buffer.from('v')]) };
  const commands: AdminCommand[] = [
    { kind: 'beginImport', ...header },
    {
      kind: 'page',
      ...header,
      seq: number(),
      asOf: number(),
      page: random.below(4),
      from: key(),
      to: hi(),
      rows: [row],
    },
    { kind: 'activate', ...header, seq: number(), sealSlot: number(), digest },
    { kind: 'beginExport', ...header },
    { kind: 'setBase', ...header, base: digest },
    { kind: 'trim', ...header, from: key(), to: hi(), slot: number() },
    { kind: 'seal', ...header, rowsMax: number(), bytesMax: number() },
    { kind: 'cleanupStep', mid: number(), rowsMax: random.pick([0, 1, 0xffff_ffff]) },
    { kind: 'scrub', from: key(), rowsMax: random.pick([0, 1, 0xffff_ffff]) },
    { kind: 'plan', source: id(), target: id(), lo: key(), hi: hi() },
    { kind: 'claim', mid: number(), tokenSeen: number() },
    {
      kind: 'publish',
      mid: number(),
      token: number(),
      receipt: { sealSlot: number(), digest, pauseMs: number(), pauseAtLeast: false },
    },
    { kind: 'finish', mid: number(), token: number() },
    { kind: 'dropCluster', cluster: 'nobody' },
  ];
  const queries: AdminQuery[] = [
    { kind: 'rangeStatus', mid: number(), lo: key(), hi: hi() },
    {
      kind: 'readPage',
      mid: number(),
      lo: key(),
      hi: hi(),
      from: key(),
      bytesMax: 0xffff_ffff,
      minSlot: number(),
    },
    { kind: 'readDirty', mid: number(), from: key(), rowsMax: 0, bytesMax: 0, minSlot: number() },
    { kind: 'scanBase', mid: number(), minSlot: number() },
    { kind: 'slowDown', mid: number(), delayMs: 0xffff_ffff },
    { kind: 'watchMap', sinceVersion: number() },
    { kind: 'getMigration', mid: number() },
    { kind: 'getMapSince', version: number() },
  ];
  return random.chance(0.7) ? encodeCommand(random.pick(commands)) : encodeQuery(random.pick(queries));
}

/** A request with some of its bytes changed, cut short, or with others behind it. */
function mangled(random: Random): Buffer {
  const set = encodeRequest({ kind: 'set', key: 'k', value: Buffer.from('v') });
  const code = Buffer.from([random.pick(Object.values(REQUEST_CODES)), 0, 0xff, 0xb1]);
  const bytes = Buffer.from(
    random.pick([set, strange(random), Buffer.concat([code, Buffer.alloc(random.below(40), 1)])]),
  );
  for (let change = random.below(4); change > 0 && bytes.length > 4; change -= 1) {
    bytes[4 + random.below(bytes.length - 4)] = random.pick([0, 1, 127, 128, 255]);
  }
  return random.chance(0.1) ? bytes.subarray(0, random.below(bytes.length + 1)) : bytes;
}

tests.test('whatever comes over links, nodes and routers go on', async (lab) => {
  const seed = Number(process.env['SEED'] ?? randomInt(2 ** 32));
  console.log(`replay: SEED=${seed}`);
  const nursery = await TestNursery.start(lab, { prefix: 'peers', keeperSize: 1, size: 1 });
  const places = nursery.all.flatMap(({ id, nodes }) =>
    nodes.flatMap(({ clientPort, messagingPort }) =>
      [clientPort, messagingPort].map((port) => ({ cluster: id, port })),
    ),
  );
  places.push({ cluster: 'nursery', port: nursery.routerPort });
  const processes: NurseryProcess[] = [nursery.router];
  for (const cluster of nursery.all)
    for (const { name } of cluster.nodes) processes.push(cluster.process(name));

  const attack = async ({ cluster, port }: (typeof places)[number], random: Random): Promise<void> => {
    for (let links = 0; links < LINKS; links += 1) {
      const node = random.pick(['', 'a', 'peers-ams_0']);
      const hello = { protocol: LINK_PROTOCOL, role: random.pick(ROLES), cluster, node, incarnation: '' };
      const handlers = { request: () => undefined, post: () => undefined, closed: () => undefined };
      try {
        const link = await dial({ host: '127.0.0.1', port, hello, handlers, timeoutMs: 5000 });
        const asked = Array.from({ length: REQUESTS }, () =>
          random.chance(0.5) ? strange(random) : mangled(random),
        );
        await Promise.all(asked.map((body) => new Promise((done) => link.request(body, ANSWER_MS, done))));
        link.post(random.pick(Object.values(TOPIC)), mangled(random));
        link.close('that was all');
      } catch (error) {
        if (!(error instanceof NurseryError)) throw error; // it was turned away
      }
    }
  };
  await Promise.all(places.map((place, index) => attack(place, createRandom(seed + index))));
  for (const { name, isRunning, stderr } of processes)
    assert.ok(isRunning, `SEED=${seed} ${name}: ${stderr}`);
  // What they were told is durable: they come back with it.
  for (const each of nursery.all) {
    await each.killAll();
    each.startAll();
  }
  for (const each of nursery.all) await each.master();
});

tests.run();

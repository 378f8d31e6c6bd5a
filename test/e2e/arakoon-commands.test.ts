/** What Arakoon's tools ask beside the data: statistics, states, and work on a node's files; at nodes and through a router. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { RETURN_CODES } from '../../src/base/errors.ts';
import { decodeCollapse, decodeText } from '../../src/protocol/arakoon/replies.ts';
import { hasReplyShape, scanReply } from '../../src/protocol/arakoon/reply-shapes.ts';
import {
  encodePrologue,
  encodeRequest,
  type Request,
  requestCode,
} from '../../src/protocol/arakoon/requests.ts';
import type { Field } from '../../src/protocol/arakoon/statistics.ts';
import { Raw } from '../src/port/raw.ts';
import { VECTORS } from '../src/protocol/arakoon/vectors.ts';
import { TestCluster } from '../support/clusters.ts';
import { FRONT, TestNursery } from '../support/nurseries.ts';
import { type Lab, labSuite } from '../support/processes.ts';
import { until } from '../support/wait.ts';

const tests = labSuite('what Arakoon’s tools ask');
let shared: Promise<TestCluster> | null = null;

function ricky(lab: Lab): Promise<TestCluster> {
  shared ??= TestCluster.start(lab, { clusterId: 'ricky', extra: { tlog_max_size: '20_000' } });
  return shared;
}

async function raw(lab: Lab, port: number, id: string): Promise<Raw> {
  const connection = await Raw.connect(port);
  lab.closing(() => connection.socket.destroy());
  connection.send(encodePrologue(id));
  return connection;
}

/** The return code of one answer, and its message where that is not 0. */
async function refusal(connection: Raw, request: Request): Promise<[code: number, says: string]> {
  connection.send(encodeRequest(request));
  const code = (await connection.read(4)).readUInt32LE();
  if (code === 0) return [code, ''];
  const length = (await connection.read(4)).readUInt32LE();
  return [code, (await connection.read(length)).toString()];
}

function figureIn(fields: readonly Field[], ...path: readonly string[]): Field['value'] {
  let list = fields;
  let value: Field['value'] = fields;
  for (const name of path) {
    const found = list.find((field) => field.name === name);
    if (found === undefined) throw new Error(`there is no ${path.join('.')}`);
    value = found.value;
    if (found.kind === 'list') list = found.value;
  }
  return value;
}

tests.test('statistics: what was asked, how long it took, and how far each node is', async (lab) => {
  const cluster = await ricky(lab);
  const master = await cluster.master();
  const client = await cluster.connect(master);
  await client.set('statistics', '12345');
  await client.get('statistics');
  await client.get('nobody').catch(() => undefined);
  await client.sequence([{ kind: 'set', key: 'statistics', value: 'x' }]);
  const fields = await client.statistics();
  assert.equal(
    fields.slice(0, 3).map(({ name }) => name),
    ['start', 'last', 'avg_set_size'],
  );
  assert.ok((figureIn(fields, 'last') as number) >= (figureIn(fields, 'start') as number));
  assert.is(figureIn(fields, 'avg_set_size'), 5);
  assert.is(figureIn(fields, 'set_info', 'n'), 1);
  const seconds = figureIn(fields, 'set_info', 'avg') as number;
  assert.ok(seconds > 0 && seconds < 5, `a set took ${seconds} s`);
  assert.ok((figureIn(fields, 'harvest_stats', 'n') as number) >= 2);
  assert.ok((figureIn(fields, 'mem_maxrss') as number) > 10_000);
  assert.is(figureIn(fields, 'since_start', 'get', 'failed'), 1);
  assert.is(figureIn(fields, 'since_start', 'sequence', 'n'), 1);
  const seen = figureIn(fields, 'node_is') as readonly Field[];
  assert.equal(seen.map(({ name }) => name).sort(), cluster.nodes.map(({ name }) => name).sort());
});

tests.test('get_db: a follower sends an image that nursery verify reads; the master refuses', async (lab) => {
  const cluster = await ricky(lab);
  const client = await cluster.connect(await cluster.master());
  const value = Buffer.alloc(2000, 'v');
  for (let from = 0; from < 1000; from += 100) {
    const keys = Array.from({ length: 100 }, (_, n) => `db/${String(from + n).padStart(5, '0')}`);
    await client.sequence(keys.map((key) => ({ kind: 'set', key, value })));
  }
  const master = await raw(lab, cluster.place(await cluster.master()).clientPort, 'ricky');
  const [code, says] = await refusal(master, { kind: 'getDb' });
  assert.is(code, RETURN_CODES.NOT_SUPPORTED);
  assert.match(says, /is master.*nursery backup/);
  const follower = await cluster.follower();
  await cluster.caughtUp(follower);
  const connection = await raw(lab, cluster.place(follower).clientPort, 'ricky');
  connection.send(encodeRequest({ kind: 'getDb' }), encodeRequest({ kind: 'currentState' }));
  const header = await connection.read(12);
  assert.is(header.readUInt32LE(0), 0);
  const text = await connection.read(Number(header.readBigInt64LE(4)));
  assert.is((await connection.read(4)).readUInt32LE(), 0, 'the answer to the next request follows');
  const file = join(lab.dir, 'ricky.image');
  writeFileSync(file, text);
  const verified = await lab.run(['verify', file]);
  assert.is(verified.code, 0, verified.stderr);
  assert.match(verified.stdout, /ricky/);
});

tests.test('the log is cut, and the store rewritten, where that holds nobody up', async (lab) => {
  const cluster = await ricky(lab);
  const client = await cluster.connect(await cluster.master());
  for (let n = 0; n < 40; n += 1) await client.set(`log/${n}`, Buffer.alloc(5000));
  const master = await raw(lab, cluster.place(await cluster.master()).clientPort, 'ricky');
  for (const kind of ['optimizeDb', 'defragDb'] as const) {
    const [code, says] = await refusal(master, { kind });
    assert.is(code, RETURN_CODES.NOT_SUPPORTED);
    assert.match(says, 'cannot be performed on master');
  }
  assert.is((await refusal(master, { kind: 'copyDbToHead', keep: 1 }))[0], RETURN_CODES.NOT_SUPPORTED);
  assert.equal(await refusal(master, { kind: 'collapse', keep: 0 }), [
    RETURN_CODES.UNKNOWN_FAILURE,
    '0 is not acceptable: at least one segment of the log is kept',
  ]);
  const name = await cluster.follower();
  await cluster.caughtUp(name);
  const follower = await raw(lab, cluster.place(name).clientPort, 'ricky');
  follower.send(encodeRequest({ kind: 'collapse', keep: 2 }));
  const head = await follower.read(8);
  const count = head.readUInt32LE(4);
  assert.ok(count > 0, 'segments went');
  const steps = decodeCollapse(Buffer.concat([head, await follower.read(12 * count)]));
  assert.equal(
    [...steps].sort((one, other) => one - other),
    steps,
    'each at its time',
  );
  assert.equal(await refusal(follower, { kind: 'copyDbToHead', keep: 1 }), [0, '']);
  const value = Buffer.alloc(40_000, 'v');
  for (let n = 0; n < 100; n += 1) await client.set(`room/${n}`, value);
  await cluster.caughtUp(name);
  assert.equal(await refusal(follower, { kind: 'flushStore' }), [0, '']);
  await client.deletePrefix('room/');
  await cluster.caughtUp(name);
  assert.equal(await refusal(follower, { kind: 'optimizeDb' }), [0, '']);
  assert.equal(await refusal(follower, { kind: 'defragDb' }), [0, '']);
  await client.set('after', 'all');
  await cluster.caughtUp(name);
  const seen = await cluster.ask(name, (one) => one.get('after', { consistency: { kind: 'noGuarantees' } }));
  assert.is(seen.toString(), 'all');
  const log = readFileSync(join(cluster.place(name).home, `${name}.log`), 'utf8');
  const [, bytesBefore, bytesAfter] = /"bytesBefore":(\d+),"bytesAfter":(\d+)/.exec(log) ?? [];
  assert.ok(Number(bytesAfter) < Number(bytesBefore) / 2, `${bytesBefore} bytes became ${bytesAfter}`);
});

tests.test('what follows on this connection is asked with further bits beside the magic', async (lab) => {
  const cluster = await ricky(lab);
  const connection = await raw(lab, cluster.place(await cluster.master()).clientPort, 'ricky');
  const request = encodeRequest({ kind: 'currentState' });
  request.writeUInt32LE((request.readUInt32LE() | 0x4e000000) >>> 0);
  connection.send(request);
  const head = await connection.read(8);
  const text = decodeText(Buffer.concat([head, await connection.read(head.readUInt32LE(4))]));
  assert.is(text, 'Stable_master');
});

tests.test('who asks to drop the master hears of it when there is another one', async (lab) => {
  const cluster = await ricky(lab);
  const before = await cluster.master();
  const client = await cluster.connect(before);
  await client.dropMaster();
  const after = await client.whoMaster();
  assert.ok(after !== null && after !== before, `${after} is master behind ${before}`);
});

tests.test('hooks and what would move keys are refused with a reason', async (lab) => {
  const cluster = await ricky(lab);
  const port = cluster.place(await cluster.master()).clientPort;
  const hook = await refusal(await raw(lab, port, 'ricky'), {
    kind: 'userHook',
    consistency: { kind: 'consistent' },
    name: 'nobody',
  });
  assert.is(hook[0], RETURN_CODES.USER_HOOK_NOT_FOUND);
  const moved = await refusal(await raw(lab, port, 'ricky'), {
    kind: 'setRoutingDelta',
    left: 'a',
    separator: 'm',
    right: 'b',
  });
  assert.is(moved[0], RETURN_CODES.NOT_SUPPORTED);
  assert.match(moved[1], 'nursery init, migrate and remove');
});

/** What docs/arakoon.md says of a command: whether a router refuses it. */
function isRefusedByRouter(code: number): boolean {
  const hex = code.toString(16).padStart(2, '0');
  const row = new RegExp(`^\\| ${hex} \\| \\w+ \\| (.*) \\|$`, 'm').exec(
    readFileSync('docs/arakoon.md', 'utf8'),
  )?.[1];
  if (row === undefined) throw new Error(`docs/arakoon.md has no command ${hex}`);
  return /\*router\*: 20/.test(row) || row.startsWith('left out (20)');
}

tests.test(
  'every request of Arakoon’s own client gets through a router what the documents say',
  async (lab) => {
    const nursery = await TestNursery.start(lab, { prefix: 'all', keeperSize: 1, size: 1 });
    const asked = new Set<number>();
    for (const vector of VECTORS.requests) {
      const request = Buffer.from(vector.request_hex, 'hex');
      const code = requestCode(request);
      // The prologue is none; hooks have answers of any form; and one of each kind suffices where many differ in their keys alone.
      if (vector.name.startsWith('prologue') || !hasReplyShape(code) || asked.has(code)) continue;
      asked.add(code);
      const connection = await raw(lab, nursery.routerPort, FRONT);
      connection.send(request);
      let reply = Buffer.alloc(0);
      for (let wanted = 4; ; ) {
        reply = Buffer.concat([reply, await connection.read(wanted - reply.length)]);
        assert.is(reply.length, wanted, `${vector.name}: the connection ended`);
        const scanned = scanReply(code, reply, 0, reply.length);
        if (scanned.kind === 'complete') break;
        wanted = scanned.bytes;
      }
      const said = reply.readUInt32LE();
      const what = `${vector.name}: ${said.toString(16)} ${said === 0 ? '' : reply.subarray(8).toString('latin1')}`;
      assert.is(said === RETURN_CODES.NOT_SUPPORTED, isRefusedByRouter(code), what);
      // The vectors' ping names the cluster that they were recorded with.
      if (vector.name !== 'ping/plain') assert.is.not(said, RETURN_CODES.UNKNOWN_FAILURE, what);
      connection.socket.destroy();
    }
    assert.ok(asked.size > 25, `${asked.size} kinds of requests`);
  },
);

tests.test('a router has the same statistics, and refuses what is about one node', async (lab) => {
  const nursery = await TestNursery.start(lab, { prefix: 'tools', keeperSize: 1, size: 1 });
  const client = await nursery.connect();
  await client.set('key', 'value');
  const fields = await until('the router to count', () => client.statistics());
  assert.is(fields[0]?.name, 'start');
  assert.is(figureIn(fields, 'set_info', 'n'), 1);
  assert.is(figureIn(fields, 'avg_set_size'), 5);
  assert.equal(figureIn(fields, 'node_is'), []);
  assert.is(await client.currentState(), 'ROUTING');
  const unserved: Request[] = [
    { kind: 'getDb' },
    { kind: 'optimizeDb' },
    { kind: 'defragDb' },
    { kind: 'copyDbToHead', keep: 1 },
    { kind: 'collapse', keep: 1 },
    { kind: 'dropMaster' },
    { kind: 'flushStore' },
  ];
  for (const request of unserved) {
    const [code, says] = await refusal(await raw(lab, nursery.routerPort, FRONT), request);
    assert.is(code, RETURN_CODES.NOT_SUPPORTED, request.kind);
    assert.match(says, 'ask a node of a cluster');
  }
});

tests.run();

import { once } from 'node:events';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Budget } from '../../../src/process/budget.ts';
import { OK, okBytes } from '../../../src/protocol/arakoon/replies.ts';
import { encodeRequest } from '../../../src/protocol/arakoon/requests.ts';
import { EVERYTHING, socketsOf } from '../../support/crowd.ts';
import { HOSTILE_KINDS, visit } from '../../support/hostile.ts';
import { createRandom } from '../../support/random.ts';
import { until } from '../../support/wait.ts';
import { Bench, Raw } from './raw.ts';

const MIB = 1024 * 1024;
/** Longer than all buffers between a port and a client that does not read. */
const LONG = okBytes(Buffer.alloc(16 * MIB));
/** Of each kind: they leave at different moments, half of them by a reset. */
const OF_EACH = 8;
/** So short that a test need not wait (ms). */
const UNREAD_MS = 50;

const everything = encodeRequest(EVERYTHING);

for (const kind of HOSTILE_KINDS) {
  test(`${kind}: nothing is left of those who have gone`, async () => {
    const bench = await new Bench().listen({}, () => LONG);
    const random = createRandom(1);
    const target = { port: bench.port.port, cluster: 'ricky' };
    const left: Promise<unknown>[] = [];
    for (let n = 0; n < OF_EACH; n += 1) {
      const socket = visit(kind, target, random);
      await once(socket, 'connect');
      const leave = (): void =>
        void (n % 2 === 1 && socket.writable ? socket.resetAndDestroy() : socket.destroy());
      left.push(once(socket, 'close'));
      if (n < OF_EACH / 2) leave();
      else setTimeout(leave, 10 * n);
    }
    await Promise.all(left);
    await until('their seats to be free', () => bench.port.seats.open === 0);
    assert.equal(bench.port.connections, { tcp: 0, links: 0, http: 0 });
    await bench.port.close();
  });
}

test('one who left while its long request waited for room is noticed', async () => {
  const budgets = { replies: new Budget(MIB), requests: new Budget(4 * MIB) };
  const own = { replies: new Budget(MIB), requests: new Budget(MIB) };
  const taken = budgets.requests.open(null);
  taken.set(4 * MIB);
  const bench = await new Bench().listen({ budgets: { clients: budgets, own } }, () => OK);
  const client = await bench.client();
  const request = encodeRequest({ kind: 'set', key: 'k', value: Buffer.alloc(MIB) });
  client.send(request.subarray(0, -1));
  await until('it to wait', () => budgets.requests.waiting === 1);
  client.socket.destroy();
  taken.set(0);
  await until('its seat to be free', () => bench.port.seats.open === 0);
  assert.equal(bench.kinds, []);
  await bench.port.close();
});

for (const isHalf of [false, true]) {
  const whose = isHalf ? 'half-closed ' : '';
  test(`a ${whose}connection whose answers nobody takes is closed, though nobody waits for its memory`, async () => {
    const bench = await new Bench().listen({ unreadMs: UNREAD_MS }, () => LONG);
    const client = await bench.client();
    client.socket.pause();
    client.send(everything);
    if (isHalf) client.socket.end();
    await bench.whenBegun(1);
    await until('its seat to be free', () => bench.port.seats.open === 0);
    client.socket.destroy();
    await bench.port.close();
  });
}

test('one who is owed nothing may be silent for as long as it likes', async () => {
  const bench = await new Bench().listen({ unreadMs: UNREAD_MS }, () => OK);
  const client = await bench.client();
  for (let round = 0; round < 2; round += 1) {
    client.send(everything);
    assert.equal(await client.read(4), Buffer.from(OK.bytes));
    await new Promise((resolve) => setTimeout(resolve, 3 * UNREAD_MS));
  }
  assert.is(bench.port.seats.open, 1);
  client.socket.destroy();
  await bench.port.close();
});

test('the kernel probes connections that are silent', async () => {
  const bench = await new Bench().listen({}, () => OK);
  const client = await bench.client();
  client.send(everything);
  assert.is((await client.read(4)).length, 4);
  const ours = `${bench.port.port} of ${client.socket.localPort}:`;
  await until('a probe to be planned', () =>
    socketsOf(process.pid).some((socket) => socket.startsWith(ours) && socket.endsWith('probed')),
  );
  client.socket.destroy();
  await bench.port.close();
});

/** Sends bytes one by one until the connection is closed; returns how long that took (ms). */
async function drip({ socket }: Raw, bytes: string): Promise<number> {
  const beganMs = performance.now();
  let at = 0;
  const dripping = setInterval(() => {
    if (socket.writable) socket.write(bytes[at++ % bytes.length] as string);
  }, 20);
  await new Promise((resolve) => socket.once('close', resolve));
  clearInterval(dripping);
  return performance.now() - beganMs;
}

test('HTTP whose header comes byte by byte, or stops in its middle, is closed within a bound', async () => {
  const bench = await new Bench().listen({
    headerMs: 300,
    idleMs: 500,
    http: (_request, response) => response.end('fine'),
  });
  const [slow, half, again, body] = await Promise.all([0, 1, 2, 3].map(() => Raw.connect(bench.port.port)));
  const start = (client: Raw | undefined, text: string): Raw => {
    (client as Raw).send(Buffer.from(text));
    return client as Raw;
  };
  const request = 'GET /healthz HTTP/1.1\r\nHost: x\r\n';
  const silent = start(half, 'GET /link HTTP/1.1\r\nUpgrade: webso');
  const [slowMs, againMs, bodyMs] = await Promise.all([
    drip(start(slow, request), 'X-A: b\r\n'),
    drip(start(again, `${request}\r\n`), `${request}X-A: b`),
    drip(start(body, 'POST /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n'), 'x'),
    silent.rest(),
  ]);
  silent.socket.destroy();
  assert.ok(slowMs >= 250 && slowMs < 2000, String(slowMs));
  assert.ok(againMs >= 450 && againMs < 3000, String(againMs));
  assert.ok(bodyMs < 3000, String(bodyMs));
  await until('all to be gone', () => bench.port.connections.http === 0);
  await bench.port.close();
});

test.run();

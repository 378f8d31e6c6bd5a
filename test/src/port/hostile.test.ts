import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { once } from 'node:events';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { LINK_PATH } from '../../../src/link/frames.ts';
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
  assert.ok(slowMs >= 250 && slowMs < 10_000, String(slowMs));
  assert.ok(againMs >= 450 && againMs < 10_000, String(againMs));
  assert.ok(bodyMs < 10_000, String(bodyMs));
  await until('all to be gone', () => bench.port.connections.http === 0);
  await bench.port.close();
});

const GET = 'GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n';
const UPGRADE = `GET ${LINK_PATH} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n`;

for (const [what, more] of [
  ['a request', GET],
  ['a thousand requests', GET.repeat(1000)],
  ['an upgrade', UPGRADE],
] as const) {
  test(`HTTP that sends ${what} before it has the answer is closed, and no handler runs for it`, async () => {
    let asked = 0;
    const bench = await new Bench().listen({
      http: (_request, response) => {
        asked += 1;
        setImmediate(() => response.end('fine'));
      },
    });
    const [patient, hasty] = [await Raw.connect(bench.port.port), await Raw.connect(bench.port.port)];
    for (let times = 1; times <= 3; times += 1) {
      patient.send(Buffer.from(GET));
      let answer = '';
      while (!answer.endsWith('fine')) answer += (await patient.read(1)).toString();
      assert.is(asked, times);
    }
    hasty.send(Buffer.from(GET + more));
    assert.is((await hasty.rest()).length, 0);
    assert.is(asked, 4);
    assert.is(bench.port.connections.http, 1);
    patient.socket.destroy();
    await bench.port.close();
  });
}

test('of requests that come at once few are parsed after the one that ends the connection', async () => {
  let parsed = 0;
  const counting = (message: unknown): void => {
    if ((message as { readonly request?: unknown }).request !== undefined) parsed += 1;
  };
  subscribe('http.server.request.start', counting);
  const bench = await new Bench().listen({ http: () => undefined });
  const client = await Raw.connect(bench.port.port);
  client.send(Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(2000)));
  await client.rest();
  unsubscribe('http.server.request.start', counting);
  assert.ok(parsed > 1 && parsed < 50, `${parsed} were parsed`);
  await bench.port.close();
});

test('a client that sends more than the request for a link, before it has one, is closed', async () => {
  const bench = await new Bench().listen();
  const client = await Raw.connect(bench.port.port);
  client.send(Buffer.from(UPGRADE), Buffer.alloc(4096));
  await client.rest();
  await until('it to be gone', () => bench.port.seats.open === 0);
  await bench.port.close();
});

test('answers over HTTP that nobody reads are counted, and end; beyond the bound only health is told', async () => {
  const budgets = { replies: new Budget(4 * MIB), requests: new Budget(MIB) };
  const own = { replies: new Budget(MIB), requests: new Budget(MIB) };
  const asked = new Map<string, number>();
  const bench = await new Bench().listen({
    budgets: { clients: budgets, own },
    httpUnreadMs: 20 * UNREAD_MS,
    http: ({ url = '' }, response) => {
      asked.set(url, (asked.get(url) ?? 0) + 1);
      response.end(url === '/metrics' ? LONG.bytes : 'fine');
    },
  });
  const statusOf = async (path: string): Promise<number> => {
    const url = `http://127.0.0.1:${bench.port.port}${path}`;
    return (await fetch(url, { headers: { connection: 'close' } })).status;
  };
  const silent = await Raw.connect(bench.port.port);
  silent.socket.pause();
  silent.send(Buffer.from(GET));
  await until('its answer to be counted', () => budgets.replies.usedBytes >= LONG.bytes.length);
  for (const path of ['/metrics', '/metrics?x', '/dashboard/document', '/'])
    assert.is(await statusOf(path), 503, path);
  for (const path of ['/healthz', '/readyz', '/readyz?verbose']) assert.is(await statusOf(path), 200, path);
  assert.equal(
    [...asked],
    [
      ['/metrics', 1],
      ['/healthz', 1],
      ['/readyz', 1],
      ['/readyz?verbose', 1],
    ],
  );
  await until('its connection to be closed', () => bench.port.seats.open === 0);
  assert.is(budgets.replies.usedBytes, 0);
  assert.is(await statusOf('/'), 200);
  silent.socket.destroy();
  await bench.port.close();
});

test('one that takes nothing of its answer over HTTP goes for the next one', async () => {
  const bench = await new Bench().listen({
    limits: () => ({ clients: 0, own: 1, spare: 4 }),
    http: (_request, response) => response.end(LONG.bytes),
  });
  const silent = await Raw.connect(bench.port.port);
  silent.socket.pause();
  silent.send(Buffer.from(GET));
  const health = `http://127.0.0.1:${bench.port.port}/healthz`;
  await until('health to be told', async () => {
    const { status, body } = await fetch(health, { headers: { connection: 'close' } });
    await body?.cancel();
    return status === 200;
  });
  assert.is(bench.port.seats.letGo, 1);
  silent.socket.destroy();
  await bench.port.close();
});

test.run();

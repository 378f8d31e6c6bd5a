import { once } from 'node:events';
import { connect } from 'node:net';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { EXIT_CODES, FatalError, NurseryError } from '../../../src/base/errors.ts';
import { dial } from '../../../src/link/dial.ts';
import { LINK_PATH, ROLE_HEADER, type Role } from '../../../src/link/frames.ts';
import type { Link } from '../../../src/link/link.ts';
import { ClientPort } from '../../../src/port/port.ts';
import { failure, OK, okBytes } from '../../../src/protocol/arakoon/replies.ts';
import { encodeRequest } from '../../../src/protocol/arakoon/requests.ts';
import { until } from '../../support/wait.ts';
import { ask, handlers, hello } from '../link/pair.ts';
import { type Begun, Bench, Raw } from './raw.ts';

const whoMaster = encodeRequest({ kind: 'whoMaster' });

function dialTo(
  bench: Bench,
  given: Parameters<typeof handlers>[0] = {},
  role: Role = 'client',
): Promise<Link> {
  const { port } = bench.port;
  const mine = { ...hello('ricky'), role };
  return dial({ host: '127.0.0.1', port, hello: mine, handlers: handlers(given), timeoutMs: 2000 });
}

test('Arakoon, links and HTTP share one port', async () => {
  const bench = await new Bench().listen(
    {
      http: (request, response) => response.end(`you asked for ${request.url}`),
      links: handlers({ request: (_link, body, respond) => respond(okBytes(body)) }),
    },
    () => OK,
  );
  const client = await bench.client();
  client.send(whoMaster);
  assert.equal(await client.read(4), Buffer.from(OK.bytes));
  const link = await dialTo(bench);
  assert.is((await ask(link, Buffer.from('x'))).kind, 'reply');
  const base = `http://127.0.0.1:${bench.port.port}`;
  assert.is(await (await fetch(`${base}/healthz`)).text(), 'you asked for /healthz');
  const posted = await fetch(`${base}/x`, { method: 'POST', body: 'x'.repeat(300_000) });
  assert.is(await posted.text(), 'you asked for /x');
  assert.is(bench.port.connections.tcp, 1);
  assert.is(bench.port.connections.links, 1);
  link.close('done');
  client.socket.destroy();
  await bench.port.close();
  assert.equal(bench.port.connections, { tcp: 0, links: 0, http: 0 });
});

test('HTTP without a handler gets 404, an upgrade elsewhere too', async () => {
  const bench = await new Bench().listen();
  assert.is((await fetch(`http://127.0.0.1:${bench.port.port}/metrics`)).status, 404);
  const client = await Raw.connect(bench.port.port);
  client.send(
    Buffer.from('GET /elsewhere HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n'),
  );
  assert.match((await client.rest()).toString(), /^HTTP\/1\.1 404/);
  await bench.port.close();
});

test('a first byte of no protocol closes the connection', async () => {
  const bench = await new Bench().listen();
  const client = await Raw.connect(bench.port.port);
  client.send(Buffer.from([0x16, 0x03, 0x01]));
  assert.is((await client.rest()).length, 0);
  await bench.port.close();
});

test('one connection too many hears fe and is closed; a link hears 503', async () => {
  const bench = await new Bench().listen({ limits: () => ({ clients: 2, own: 1, spare: 4 }) }, () => OK);
  const clients = [await bench.client(), await bench.client()];
  for (const client of clients) {
    client.send(whoMaster);
    assert.is((await client.read(4)).length, 4);
  }
  const third = await bench.client();
  const reply = await third.rest();
  assert.is(reply.readUInt32LE(0), 0xfe);
  assert.is(reply.toString('utf8', 8), 'too many connections: the limit is 2');
  try {
    await dialTo(bench);
    assert.unreachable();
  } catch (error) {
    assert.instance(error, NurseryError);
    assert.is((error as NurseryError).code, 'TOO_MANY_CONNECTIONS');
  }
  assert.is(bench.port.seats.turnedAway, 2);
  // Whoever watches over the process has another seat (and nothing is served here).
  const statusOf = async (path: string): Promise<number> =>
    (await fetch(`http://127.0.0.1:${bench.port.port}${path}`, { headers: { connection: 'close' } })).status;
  for (const path of ['/metrics', '/metrics?x', '/metrics/', '/dashboard/document'])
    assert.is(await statusOf(path), 404, path);
  for (const path of ['/', '/metrics/x', '/dashboards/']) assert.is(await statusOf(path), 503, path);
  for (const client of clients) client.socket.destroy();
  await bench.port.close();
});

test('who only claims to be one of our own, and says nothing, makes room for one that does', async () => {
  const bench = await new Bench().listen({ limits: () => ({ clients: 1, own: 2, spare: 4 }) }, () => OK);
  const lines = [
    `GET ${LINK_PATH} HTTP/1.1`,
    'Host: port',
    'Connection: Upgrade',
    'Upgrade: websocket',
    'Sec-WebSocket-Version: 13',
    'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==',
    `${ROLE_HEADER}: router`,
  ];
  const claimants = Array.from({ length: 3 }, () => connect({ port: bench.port.port, host: '127.0.0.1' }));
  for (const claimant of claimants) {
    claimant.on('error', () => undefined).resume();
    claimant.write(`${lines.join('\r\n')}\r\n\r\n`);
  }
  for (const claimant of claimants) await once(claimant, 'data'); // each has a seat
  const link = await until('one of our own to get in', () => dialTo(bench, {}, 'operator').catch(() => null));
  assert.is(bench.port.seats.letGo, 1, 'nobody else had to go');
  link.close('done');
  for (const claimant of claimants) claimant.destroy();
  await bench.port.close();
});

test('our own processes and health checks get in where clients are turned away', async () => {
  const bench = await new Bench().listen({
    limits: () => ({ clients: 1, own: 2, spare: 4 }),
    http: (_request, response) => response.end('fine'),
    links: handlers({ request: (_link, body, respond) => respond(okBytes(body)) }),
  });
  const client = await bench.client();
  client.send(whoMaster); // stays unanswered
  await bench.whenBegun(1);
  const [link] = await Promise.all([dialTo(bench, {}, 'router'), dialTo(bench, {}, 'operator')]);
  assert.is((await ask(link as Link, Buffer.from('x'))).kind, 'reply');
  const base = `http://127.0.0.1:${bench.port.port}`;
  assert.is((await fetch(`${base}/healthz`)).status, 503, 'own seats are taken too');
  (link as Link).close('done');
  await until('a health check', async () => (await fetch(`${base}/healthz`)).status === 200);
  assert.is((await fetch(`${base}/other`, { headers: { connection: 'close' } })).status, 503);
  client.socket.destroy();
  await bench.port.close();
});

test('the client that was idle for longest goes for the next one; never one with a request under way', async () => {
  const bench = await new Bench().listen({ limits: () => ({ clients: 3, own: 1, spare: 8 }) }, ({ kind }) =>
    kind === 'whoMaster' ? OK : null,
  );
  const busy = await bench.client();
  busy.send(encodeRequest({ kind: 'version' })); // stays unanswered
  await bench.whenBegun(1);
  const link = await dialTo(bench);
  const idle = await bench.client();
  idle.send(whoMaster);
  assert.is((await idle.read(4)).length, 4);
  const served: Raw[] = [];
  for (let n = 0; n < 2; n += 1) {
    await until('a place for the next one', async () => {
      const next = await bench.client();
      next.send(whoMaster);
      const reply = await next.read(4);
      if (reply.length < 4 || reply.readUInt32LE(0) !== 0) return false;
      served.push(next);
      return true;
    });
  }
  assert.is((await idle.rest()).length, 0, 'closed, and without a word that it did not ask for');
  await until('the link to be let go', () => bench.port.connections.links === 0);
  assert.is(bench.port.seats.letGo, 2);
  (bench.begun[0] as Begun).respond(okBytes(Buffer.from('still here')));
  assert.is((await busy.read(4)).readUInt32LE(0), 0);
  for (const client of [busy, ...served]) client.socket.destroy();
  link.close('done');
  await bench.port.close();
});

test('a crowd that says nothing keeps nobody out', async () => {
  const bench = await new Bench().listen({ limits: () => ({ clients: 2, own: 1, spare: 1 }) }, () => OK);
  const crowd = await Promise.all(Array.from({ length: 50 }, () => Raw.connect(bench.port.port)));
  const client = await bench.client();
  client.send(whoMaster);
  assert.is((await client.read(4)).length, 4);
  assert.ok(bench.port.seats.letGo >= 46, `${bench.port.seats.letGo} were let go`);
  for (const { socket } of [...crowd, client]) socket.destroy();
  await bench.port.close();
});

test('a port in use, and an address of another machine, end the process with codes of their own', async () => {
  const bench = await new Bench().listen();
  const exitCode = async (ips: string[], port: number): Promise<number> => {
    try {
      await new Bench().listen({ ips, port });
      return 0;
    } catch (error) {
      if (!(error instanceof FatalError)) throw error;
      return error.exitCode;
    }
  };
  assert.is(await exitCode(['127.0.0.1'], bench.port.port), EXIT_CODES.PORT_IN_USE);
  assert.is(await exitCode(['127.0.0.2', '127.0.0.1'], bench.port.port), EXIT_CODES.PORT_IN_USE);
  assert.is(await exitCode(['192.0.2.1'], 0), EXIT_CODES.CONFIG);
  await bench.port.close();
});

test('several addresses get the same port', async () => {
  const bench = await new Bench().listen({ ips: ['127.0.0.1', '127.0.0.2'] }, () => OK);
  const other = await fetch(`http://127.0.0.2:${bench.port.port}/`);
  assert.is(other.status, 404);
  const client = await bench.client();
  client.send(whoMaster);
  assert.is((await client.read(4)).length, 4);
  client.socket.destroy();
  await bench.port.close();
});

test('closing answers what is under way, refuses what comes, and tells links', async () => {
  let respondToLink = (): void => {};
  let linkAsked = (): void => {};
  const asked = new Promise<void>((resolve) => {
    linkAsked = resolve;
  });
  const bench = await new Bench().listen({
    links: handlers({
      request: (_link, _body, respond) => {
        respondToLink = () => respond(OK);
        linkAsked();
      },
    }),
  });
  const { port } = bench.port;
  const client = await bench.client();
  const idle = await Raw.connect(port);
  client.send(whoMaster);
  await bench.whenBegun(1);
  let farewell: (why: string) => void = () => {};
  const farewells = new Promise<string>((resolve) => {
    farewell = resolve;
  });
  const link = await dialTo(bench, { closed: (_link, why) => farewell(why) });
  const answer = ask(link, Buffer.from('x'));
  await asked;
  const closed = bench.port.close();
  client.send(whoMaster);
  bench.begun[0]?.respond(OK);
  respondToLink();
  const refusal = failure('GOING_DOWN', 'going down; not executed, send it again').bytes;
  assert.equal(await client.rest(), Buffer.concat([OK.bytes, refusal]));
  assert.is((await answer).kind, 'reply');
  assert.is((await idle.rest()).length, 0);
  await closed;
  assert.is(await farewells, 'going down');
  assert.is(bench.begun.length, 1);
  const late = await Raw.connect(port).then(
    () => 'taken',
    () => 'refused',
  );
  assert.is(late, 'refused');
});

test('what is never answered delays closing for the grace only', async () => {
  const bench = await new Bench().listen({ graceMs: 20 });
  const client = await bench.client();
  client.send(whoMaster);
  await bench.whenBegun(1);
  await bench.port.close();
  await client.rest();
  bench.begun[0]?.respond(OK);
});

test('closing does not wait for idle HTTP connections', async () => {
  const port = await ClientPort.listen({
    ips: ['127.0.0.1'],
    port: 0,
    clusterId: 'c',
    hello: () => hello('c'),
    links: handlers(),
    handle: () => {},
    warn: () => {},
    graceMs: 60_000,
  });
  const client = await Raw.connect(port.port);
  client.send(Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n'));
  assert.match((await client.read(12)).toString(), 'HTTP/1.1 404');
  assert.is(port.connections.http, 1);
  const gone = once(client.socket, 'close');
  client.socket.on('end', () => client.socket.destroy());
  await port.close();
  await gone;
});

test.run();

import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { WebSocket, WebSocketServer } from 'ws';
import { NurseryError } from '../../../src/base/errors.ts';
import type { Followed } from '../../../src/link/about.ts';
import { decodeHello, dial, encodeHello, linkName, Speechless } from '../../../src/link/dial.ts';
import {
  CLOSE,
  encodeLeft,
  Gather,
  LINK_PATH,
  LINK_PROTOCOL,
  PART_BYTES,
  TYPE,
} from '../../../src/link/frames.ts';
import { BUFFERED_MAX, type Link, type LinkResult, REQUESTS_MAX } from '../../../src/link/link.ts';
import { Budget } from '../../../src/process/budget.ts';
import { TOO_LONG } from '../../../src/protocol/arakoon/replies.ts';
import type { Answer } from '../../../src/protocol/arakoon/values.ts';
import { until } from '../../support/wait.ts';
import { Acceptor, ask, handlers, hello } from './pair.ts';

const text = (answer: string): Answer => ({ bytes: Buffer.from(answer), hint: null });

function pattern(bytes: number): Buffer {
  const buffer = Buffer.allocUnsafe(bytes);
  for (let at = 0; at < bytes; at += 1) buffer[at] = (at * 31 + (at >>> 8)) & 0xff;
  return buffer;
}

/** A server that greets as a link would, and then does only what `then` does. */
async function impostor(then: (socket: WebSocket) => void): Promise<{ port: number; close(): void }> {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
  await once(server, 'listening');
  server.on('connection', (socket) => {
    socket.once('message', () => {
      socket.send(encodeHello(hello('c')));
      then(socket);
    });
  });
  const { port } = server.address() as { port: number };
  const close = (): void => {
    for (const client of server.clients) client.terminate();
    server.close();
  };
  return { port, close };
}

/** A request as it travels, for a socket that is no link. */
function requestBytes(body: string): Buffer {
  const gather = new Gather();
  gather.put(TYPE.request, 1, encodeLeft(5000), Buffer.from(body));
  return gather.take();
}

function dialTo(port: number, given: Parameters<typeof handlers>[0] = {}): Promise<Link> {
  return dial({ host: '127.0.0.1', port, hello: hello('c'), handlers: handlers(given), timeoutMs: 2000 });
}

test('requests arrive in order, and answers find theirs in any order', async () => {
  const waiting: { body: string; respond: (answer: Answer) => void }[] = [];
  const acceptor = await new Acceptor({
    request: (_link, body, respond) => {
      waiting.push({ body: body.toString(), respond });
      if (waiting.length < 1000) return;
      for (const one of [...waiting].reverse()) one.respond(text(`re ${one.body}`));
    },
  }).listen();
  const link = await acceptor.dial();
  const names = Array.from({ length: 1000 }, (_, index) => `${index}`);
  const results = await Promise.all(names.map((name) => ask(link, Buffer.from(name))));
  assert.equal(
    waiting.map(({ body }) => body),
    names,
  );
  results.forEach((result, index) => {
    assert.is(result.kind === 'reply' && result.bytes.toString(), `re ${index}`);
  });
  assert.is(link.outstanding, 0);
  link.close('done');
  await acceptor.close();
});

test('both ends ask and post, hints come along, hellos are known', async () => {
  const hint = { entry: { lo: 'a', hi: 'b', owner: 'other', epoch: 3 }, confirmed: false };
  const posted: string[] = [];
  let accepted: Link | null = null;
  const acceptor = await new Acceptor({
    opened: (link) => {
      accepted = link;
    },
    request: (_link, _body, respond) => respond({ bytes: Buffer.from('out of range'), hint }),
    post: (_link, topic, body) => posted.push(`${topic} ${body}`),
  }).listen();
  const link = await acceptor.dial({ request: (_link, body, respond) => respond(text(`${body}!`)) });
  assert.is(link.peer.node, 'n');
  assert.is((accepted as Link | null)?.peer.node, 'caller');
  assert.ok(link.post(2, Buffer.from('map')));
  const there = await ask(link, Buffer.from('x'));
  assert.equal(there.kind === 'reply' && there.hint, hint);
  assert.is(there.kind === 'reply' && there.bytes.toString(), 'out of range');
  assert.equal(posted, ['2 map']);
  const back = await ask(accepted as unknown as Link, Buffer.from('y'));
  assert.is(back.kind === 'reply' && back.bytes.toString(), 'y!');
  link.close('done');
  await acceptor.close();
});

test('long messages go both ways; posts overtake them, requests do not', async () => {
  const seen: string[] = [];
  const acceptor = await new Acceptor({
    request: (_link, body, respond) => {
      seen.push(`request ${body.length}`);
      respond({ bytes: Buffer.from(body), hint: null });
    },
    post: () => seen.push('post'),
  }).listen();
  const link = await acceptor.dial();
  const long = pattern(20 * 1024 * 1024 + 3);
  const first = ask(link, long);
  const second = ask(link, Buffer.from('short'));
  const third = ask(link, pattern(PART_BYTES + 1));
  link.post(1, Buffer.from('heartbeat'));
  const [one, two, three] = await Promise.all([first, second, third]);
  assert.equal(seen, ['post', `request ${long.length}`, 'request 5', `request ${PART_BYTES + 1}`]);
  assert.ok(one.kind === 'reply' && one.bytes.equals(long));
  assert.is(two.kind === 'reply' && two.bytes.toString(), 'short');
  assert.ok(three.kind === 'reply' && three.bytes.equals(pattern(PART_BYTES + 1)));
  await until('all to be written, and a ping that may have come beside it', () => link.bufferedBytes === 0);
  link.close('done');
  await acceptor.close();
});

test('a request that is cancelled is over for both ends; other answers come as if it had not been', async () => {
  const asked: { isOver: () => boolean; respond: (answer: Answer) => void }[] = [];
  const acceptor = await new Acceptor({
    request: (_link, _body, respond, _leftMs, { isOver }) => asked.push({ isOver, respond }),
  }).listen();
  const link = await acceptor.dial();
  const never = (): void => assert.unreachable('it was cancelled');
  const waiting = link.request(Buffer.from('waiting'), 5000, never);
  const long = link.request(Buffer.from('long'), 5000, never);
  const kept = ask(link, Buffer.from('kept'));
  await until('three requests', () => asked.length === 3);
  waiting();
  await until('it to be over', () => asked[0]?.isOver());
  assert.not.ok(asked[2]?.isOver());
  asked[0]?.respond(text('too late'));
  asked[1]?.respond({ bytes: pattern(50 * PART_BYTES), hint: null });
  asked[2]?.respond({ bytes: pattern(3 * PART_BYTES), hint: null });
  long(); // some of it may be under way already
  const reply = await kept;
  assert.ok(reply.kind === 'reply' && reply.bytes.equals(pattern(3 * PART_BYTES)));
  assert.is(link.outstanding, 0);
  for (const there of acceptor.links.links) await until('all to be sent', () => there.bufferedBytes === 0);
  link.close('done');
  await acceptor.close();
});

test('the parts of an answer that nobody waits for any more are thrown away as they come', async () => {
  const answers = [pattern(40 * PART_BYTES), pattern(4 * PART_BYTES)];
  const acceptor = await new Acceptor({
    request: (there, _body, respond) => {
      respond({ bytes: answers.shift() as Buffer, hint: null });
      there.post(1, Buffer.from('cancel it')); // it overtakes what is not sent yet
    },
  }).listen();
  let cancel: () => void = () => assert.unreachable('not asked yet');
  let isCancelled = false;
  const link = await acceptor.dial({
    post: () => {
      cancel();
      isCancelled = true;
    },
  });
  cancel = link.request(Buffer.from('first'), 5000, () => assert.unreachable('it was cancelled'));
  await until('the cancellation', () => isCancelled);
  const second = await ask(link, Buffer.from('second'));
  assert.ok(second.kind === 'reply' && second.bytes.equals(pattern(4 * PART_BYTES)));
  assert.is(link.closedWhy, null);
  link.close('done');
  await acceptor.close();
});

test('who asks for a short reply is told where it would be long', async () => {
  const acceptor = await new Acceptor({
    request: (_link, body, respond, _leftMs, { isShort }) =>
      respond(isShort && body.toString() === 'long' ? TOO_LONG : text(`${body}, ${isShort}`)),
  }).listen();
  const link = await acceptor.dial();
  const outcome = (body: string): Promise<string> =>
    new Promise((resolve) => {
      const done = (result: LinkResult): void =>
        resolve(result.kind === 'reply' ? result.bytes.toString() : result.why);
      link.request(Buffer.from(body), 5000, done, () => resolve('withheld'));
    });
  assert.is(await outcome('short'), 'short, true');
  assert.is(await outcome('long'), 'withheld');
  const whole = await ask(link, Buffer.from('long'));
  assert.is(whole.kind === 'reply' && whole.bytes.toString(), 'long, false');
  link.close('done');
  await acceptor.close();
});

test('requests that come at once are begun no faster than their answers are taken', async () => {
  const answer = { bytes: pattern(4 * 1024 * 1024), hint: null };
  let begun = 0;
  const acceptor = await new Acceptor({
    request: (_link, _body, respond) => {
      begun += 1;
      respond(answer);
    },
  }).listen();
  const link = await acceptor.dial();
  const results = Promise.all(Array.from({ length: 40 }, () => ask(link, Buffer.from('x'), 60_000)));
  await until('the first', () => begun > 0);
  assert.ok(begun < 10, `${begun} were begun`);
  for (const result of await results) assert.ok(result.kind === 'reply' && result.bytes.equals(answer.bytes));
  assert.is(begun, 40);
  link.close('done');
  await acceptor.close();
});

test('a client that does not read is let go where others wait, one of our own processes is not', async () => {
  const budgets = { replies: new Budget(4 * 1024 * 1024), requests: new Budget(4 * 1024 * 1024) };
  const closed: string[] = [];
  const acceptor = await new Acceptor({
    budgets: () => budgets,
    request: (_link, _body, respond) => respond({ bytes: pattern(24 * 1024 * 1024), hint: null }),
    closed: (link) => closed.push(link.peer.role),
  }).listen();
  const sockets = ['client', 'router'].map((role) => {
    const socket = new WebSocket(`ws://127.0.0.1:${acceptor.port}${LINK_PATH}`);
    socket.once('open', () => {
      socket.send(encodeHello({ ...hello('c'), role: role as 'client' }));
      socket.send(requestBytes('everything'));
      socket.pause();
    });
    socket.on('error', () => undefined);
    return socket;
  });
  await until('both to be owed', () => budgets.replies.usedBytes > 40 * 1024 * 1024);
  budgets.replies.open(null).wait(1024, { isOver: () => false, waitMs: 20_000 }, () => undefined);
  await until('one to be let go', () => closed.length > 0);
  assert.equal(closed, ['client']);
  assert.is(budgets.replies.letGo, 1);
  for (const socket of sockets) socket.terminate();
  await acceptor.close();
});

test('a long hinted reply comes whole', async () => {
  const hint = { entry: { lo: 'a', hi: null, owner: 'other', epoch: 3 }, confirmed: true };
  const long = pattern(PART_BYTES);
  const acceptor = await new Acceptor({
    request: (_link, _body, respond) => respond({ bytes: long, hint }),
  }).listen();
  const link = await acceptor.dial();
  const result = await ask(link, Buffer.from('x'));
  assert.equal(result.kind === 'reply' && result.hint, hint);
  assert.ok(result.kind === 'reply' && result.bytes.equals(long));
  link.close('done');
  await acceptor.close();
});

test('a reply in pieces comes whole, hinted or not, however long they are', async () => {
  const whole = pattern(3 * PART_BYTES + 5);
  const cuts = [0, 1, 1, 100, PART_BYTES + 7, PART_BYTES + 8, whole.length];
  const hint = { entry: { lo: '', hi: null, owner: 'o', epoch: 1 }, confirmed: true };
  const acceptor = await new Acceptor({
    request: (_link, body, respond) => {
      const [first, ...rest] = cuts.slice(1).map((end, index) => whole.subarray(cuts[index], end));
      const isHinted = body.toString() === 'hinted';
      respond({ bytes: first as Buffer, rest, hint: isHinted ? hint : null });
    },
  }).listen();
  const link = await acceptor.dial();
  const results = await Promise.all(['hinted', 'not', 'hinted'].map((body) => ask(link, Buffer.from(body))));
  for (const [index, result] of results.entries()) {
    assert.ok(result.kind === 'reply' && result.bytes.equals(whole));
    assert.equal(result.hint, index === 1 ? null : hint);
  }
  await acceptor.close();
});

test('the time that is left comes with a request, whatever its length and whatever goes before it', async () => {
  const heard = new Map<number, number>();
  const acceptor = await new Acceptor({
    request: (_link, body, respond, leftMs) => {
      heard.set(body.length, leftMs);
      respond(text('heard'));
    },
  }).listen();
  const link = await acceptor.dial();
  const lengths = [0, 1, PART_BYTES - 5, PART_BYTES - 4, PART_BYTES - 3, PART_BYTES, PART_BYTES + 1];
  const results = [...lengths, 3_000_000, 2].map((length) => ask(link, pattern(length), 60_000 + length));
  const beyond = ask(link, pattern(3), Number.MAX_SAFE_INTEGER);
  for (const result of await Promise.all([...results, beyond])) assert.is(result.kind, 'reply');
  for (const length of [...lengths, 3_000_000, 2]) {
    const leftMs = heard.get(length) as number;
    const wantedMs = 60_000 + length;
    assert.ok(leftMs <= wantedMs && leftMs > wantedMs - 30_000, `${length} bytes: ${leftMs} of ${wantedMs}`);
  }
  assert.is(heard.get(3), 0xffff_ffff);
  link.close('done');
  await acceptor.close();
});

test('a request without an answer ends at its deadline, and a late answer is ignored', async () => {
  let late: ((answer: Answer) => void) | null = null;
  const acceptor = await new Acceptor({
    request: (_link, body, respond) => {
      if (body.toString() === 'late') late = respond;
      else respond(text('in time'));
    },
  }).listen();
  const link = await acceptor.dial();
  const longest = ask(link, Buffer.from('late'), 60_000);
  assert.equal(await ask(link, Buffer.from('late'), 5), { kind: 'failed', why: 'timeout', sent: true });
  (late as ((answer: Answer) => void) | null)?.(text('too late'));
  const after = await ask(link, Buffer.from('x'));
  assert.is(after.kind === 'reply' && after.bytes.toString(), 'in time');
  assert.is(link.outstanding, 1);
  link.close('done');
  assert.equal(await longest, { kind: 'failed', why: 'closed', sent: true });
  await acceptor.close();
});

test('what was never handed to the socket says so, and is not sent afterwards', async () => {
  const received: Buffer[] = [];
  let reader: WebSocket | null = null;
  const server = await impostor((socket) => {
    reader = socket;
    socket.pause();
    socket.on('message', (data: Buffer) => received.push(data));
  });
  const link = await dialTo(server.port);
  const long = Buffer.alloc(30 * 1024 * 1024);
  const results = await Promise.all([
    ask(link, long, 60),
    ask(link, Buffer.concat([Buffer.from('never'), long]), 20),
    ask(link, Buffer.from('never'), 20),
    ask(link, Buffer.alloc(20 * 1024 * 1024), 20),
  ]);
  assert.equal(results, [
    { kind: 'failed', why: 'timeout', sent: true },
    { kind: 'failed', why: 'timeout', sent: false },
    { kind: 'failed', why: 'timeout', sent: false },
    { kind: 'failed', why: 'overloaded', sent: false },
  ]);
  assert.not(link.post(1, Buffer.alloc(BUFFERED_MAX)), 'a post over the limit is dropped');
  const last = ask(link, Buffer.from('the last'), 5000);
  const arrived = new Promise<void>((resolve) => {
    reader?.on('message', (data: Buffer) => {
      if (data.includes('the last')) resolve();
    });
  });
  reader = reader as WebSocket | null;
  reader?.resume();
  await arrived;
  assert.not(Buffer.concat(received).includes('never'));
  link.close('done');
  assert.equal(await last, { kind: 'failed', why: 'closed', sent: true });
  server.close();
});

test('unanswered requests are bounded', async () => {
  const acceptor = await new Acceptor({}).listen();
  const link = await acceptor.dial();
  let closed = 0;
  for (let made = 0; made < REQUESTS_MAX; made += 1) {
    link.request(Buffer.from('x'), 5000, () => {
      closed += 1;
    });
  }
  assert.equal(await ask(link, Buffer.from('x')), { kind: 'failed', why: 'overloaded', sent: false });
  link.close('done');
  assert.is(closed, REQUESTS_MAX);
  await acceptor.close();
});

test('when a link closes, its requests fail, both ends hear it once, and nothing is sent any more', async () => {
  const heard: string[] = [];
  let respondLater: (answer: Answer) => void = () => {};
  let requested = (): void => {};
  const arrived = new Promise<void>((resolve) => {
    requested = resolve;
  });
  const acceptor = await new Acceptor({
    request: (_link, _body, respond) => {
      respondLater = respond;
      requested();
    },
    closed: (_link, why) => heard.push(`acceptor: ${why}`),
  }).listen();
  const link = await acceptor.dial({ closed: (_link, why) => heard.push(`caller: ${why}`) });
  const open = ask(link, Buffer.from('x'));
  await arrived;
  for (const one of acceptor.links.links) one.close('going down', CLOSE.goingDown);
  assert.equal(await open, { kind: 'failed', why: 'closed', sent: true });
  assert.is(link.closedWhy, 'going down');
  assert.equal(heard, ['acceptor: going down', 'caller: going down']);
  respondLater(text('nobody listens'));
  assert.equal(await ask(link, Buffer.from('x')), { kind: 'failed', why: 'closed', sent: false });
  assert.not(link.post(1, Buffer.from('x')));
  link.close('again');
  assert.is(heard.length, 2);
  await acceptor.close();
});

test('a request that crosses the farewell of a link whose requests are all answered was not executed', async () => {
  let requests = 0;
  const acceptor = await new Acceptor({
    request: (_link, _body, respond) => {
      requests += 1;
      respond(text('here'));
    },
  }).listen();
  const link = await acceptor.dial();
  assert.is((await ask(link, Buffer.from('x'))).kind, 'reply');
  for (const one of acceptor.links.links) one.closeWhenAnswered('going down');
  // The farewell is on its way, and so is this: handed to the socket, never read.
  const crossing = ask(link, Buffer.from('x'));
  assert.equal(await crossing, { kind: 'failed', why: 'closed', sent: false });
  assert.is(requests, 1);
  await acceptor.close();
});

test('callers of another cluster or protocol, and refused ones, hear why', async () => {
  const acceptor = await new Acceptor({
    refuse: (peer) => (peer.incarnation === 'old' ? 'incarnation old was superseded' : null),
  }).listen();
  const refused = async (mine: Parameters<Acceptor['dial']>[1]): Promise<string> => {
    try {
      await acceptor.dial({}, mine);
      return 'taken';
    } catch (error) {
      if (!(error instanceof NurseryError)) throw error;
      return `${error.code} ${error.message.replace(/^\S+: /, '')}`;
    }
  };
  assert.is(await refused(hello('d')), 'WRONG_CLUSTER cluster id d, here c');
  assert.is(
    await refused({ ...hello('c'), protocol: LINK_PROTOCOL + 1 }),
    `NOT_SUPPORTED link protocol ${LINK_PROTOCOL + 1}, here ${LINK_PROTOCOL}: there is the newer version; restart the older one with it`,
  );
  assert.is(await refused({ ...hello('c'), incarnation: 'old' }), 'REFUSED incarnation old was superseded');
  assert.is(await refused(hello('')), 'taken');
  const { port } = acceptor;
  await acceptor.close();
  try {
    await dialTo(port);
    assert.unreachable();
  } catch (error) {
    assert.is((error as NurseryError).code, 'UNREACHABLE');
    assert.match((error as NurseryError).message, 'ECONNREFUSED');
  }
});

test('the caller refuses an acceptor of another protocol', async () => {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
  await once(server, 'listening');
  server.on('connection', (socket) =>
    socket.send(encodeHello({ ...hello('c'), protocol: LINK_PROTOCOL + 1 })),
  );
  const { port } = server.address() as { port: number };
  try {
    await dialTo(port);
    assert.unreachable();
  } catch (error) {
    assert.is((error as NurseryError).code, 'NOT_SUPPORTED');
  }
  for (const client of server.clients) client.terminate();
  server.close();
});

test('who does not answer with a hello in time is unreachable', async () => {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  try {
    await dial({ host: '127.0.0.1', port, hello: hello('c'), handlers: handlers(), timeoutMs: 1000 });
    assert.unreachable();
  } catch (error) {
    assert.is((error as NurseryError).code, 'UNREACHABLE');
    assert.match((error as NurseryError).message, 'it has said nothing for 1000 ms');
  }
  for (const client of server.clients) client.terminate();
  server.close();
});

test('of a process that takes connections and says nothing at all the same is said', async () => {
  const server = createServer((socket) => socket.resume()); // one that is not read does not notice its end
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  const refused = await dial({
    host: '127.0.0.1',
    port,
    hello: hello('c'),
    handlers: handlers(),
    timeoutMs: 1000,
  }).catch((error: unknown) => error);
  assert.is((refused as NurseryError).code, 'UNREACHABLE');
  assert.match((refused as NurseryError).message, 'it has said nothing for 1000 ms');
  assert.instance((refused as NurseryError).cause, Speechless, 'it is there, which one that refuses is not');
  server.close();
  await once(server, 'close');
  const gone = await dial({
    host: '127.0.0.1',
    port,
    hello: hello('c'),
    handlers: handlers(),
    timeoutMs: 5000,
  }).catch((error: unknown) => error);
  assert.match((gone as NurseryError).message, 'ECONNREFUSED');
  assert.not.instance((gone as NurseryError).cause, Speechless);
});

test('an attempt that nobody waits for any more ends at once', async () => {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  const wanted = new AbortController();
  const dialled = dial({
    host: '127.0.0.1',
    port,
    hello: hello('c'),
    handlers: handlers(),
    timeoutMs: 600_000,
    signal: wanted.signal,
  }).catch((error: unknown) => error);
  await once(server, 'connection');
  wanted.abort();
  assert.match(((await dialled) as NurseryError).message, 'nobody wants to know any more');
  server.close();
});

test('bytes that are no messages close the link, with its own code', async () => {
  const acceptor = await new Acceptor({}).listen();
  const wrong: (Buffer | string)[] = [
    Buffer.from([2, 0, 0]),
    Buffer.from([2, 0, 0, 0, 0, 9, 0, 0, 0, 1]),
    Buffer.from([2, 0, 0, 0, 0, 3, 0, 0, 0, 1, 2, 3]),
    Buffer.from([99, 0, 0, 0, 0, 0, 0, 0, 0]),
    Buffer.from([1, 0, 0, 0, 0, 0, 0, 0, 0]),
    Buffer.from([8, 0, 0, 0, 0, 1, 0, 0, 0, 1]),
    Buffer.from([8, 0, 0, 0, 0, 10, 0, 0, 0, 8, 0, 0, 0, 0, 1, 0, 0, 0, 1]),
    Buffer.from([4, 0, 0, 0, 0, 1, 0, 0, 0, 1]),
    'text',
  ];
  for (const bytes of wrong) {
    const socket = new WebSocket(`ws://127.0.0.1:${acceptor.port}${LINK_PATH}`);
    await once(socket, 'open');
    socket.send(encodeHello(hello('c')));
    const [greeting] = (await once(socket, 'message')) as [Buffer];
    assert.is(decodeHello(greeting)?.node, 'n');
    socket.send(bytes);
    const [code] = (await once(socket, 'close')) as [number];
    assert.is(code, CLOSE.broken);
  }
  assert.is(acceptor.links.links.size, 0);
  await acceptor.close();
});

test('a page in a browser gets no link', async () => {
  const acceptor = await new Acceptor({}).listen();
  const socket = connect(acceptor.port, '127.0.0.1');
  socket.write(
    `GET ${LINK_PATH} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
      'Origin: http://elsewhere\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n',
  );
  const [answer] = (await once(socket, 'data')) as [Buffer];
  assert.match(answer.toString(), /^HTTP\/1\.1 403/);
  await once(socket, 'close');
  await acceptor.close();
});

test('a link whose other end is silent dies; one that only pings lives', async () => {
  const sockets: WebSocket[] = [];
  const server = await impostor((socket) => sockets.push(socket));
  try {
    let died = '';
    const silent = await dialTo(server.port, { closed: (_link, why) => (died = why) });
    const alive = await dialTo(server.port);
    const [, talker] = sockets as [WebSocket, WebSocket];
    const ping = Buffer.from([5, 0, 0, 0, 0, 0, 0, 0, 0]);
    const beganMs = performance.now();
    while (died === '') {
      talker.send(ping);
      await once(talker, 'message'); // its pong, or a ping of its own
      await new Promise((resolve) => setTimeout(resolve, 100)); // between two things that it says
    }
    assert.is(died, 'nothing received for 5 s');
    assert.is(silent.closedWhy, died);
    assert.ok(performance.now() - beganMs > 3500, 'it has five beats');
    assert.is(alive.closedWhy, null);
    alive.close('done');
  } finally {
    server.close();
  }
});

test('who follows requests hears of each at both ends by one id, which no other request has', async () => {
  const heard = { here: [] as string[], there: [] as string[] };
  const followed =
    (list: string[]) =>
    ({ step, id, body }: Followed): void => {
      list.push(`${step} ${id}${body === null ? '' : ` ${Buffer.from(body)}`}`);
    };
  const acceptor = await new Acceptor({
    request: (_link, body, respond) => respond(text(`${body}!`)),
    follow: followed(heard.there),
  }).listen();
  const links = [
    await acceptor.dial({ follow: followed(heard.here) }),
    await acceptor.dial({ follow: followed(heard.here) }),
  ];
  for (const link of links) for (const body of ['a', 'b']) await ask(link, Buffer.from(body));
  const idOf = (line = ''): string => line.split(' ')[1] as string;
  assert.is(new Set(heard.here.map(idOf)).size, 4);
  for (const id of new Set(heard.here.map(idOf))) {
    const of = (list: readonly string[]): string[] => list.filter((line) => idOf(line) === id);
    const body = of(heard.here)[0]?.at(-1);
    assert.equal(of(heard.here), [`sent ${id} ${body}`, `heard ${id}`]);
    assert.equal(of(heard.there), [`received ${id} ${body}`, `answered ${id}`]);
  }
  await acceptor.close();
});

test('a name that another program gives a link is not taken into a log', () => {
  assert.is(linkName('0123abcd'), '0123abcd');
  for (const name of ['0123abcde', 'x', '"', undefined, ['0123abcd']]) assert.is(linkName(name), '');
});

test.run();

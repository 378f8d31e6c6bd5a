/** Whom an import reads from: one of another cluster, or nobody, is told from one whose master is being elected. */
import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { NurseryError, RETURN_CODES } from '../../../../src/base/errors.ts';
import { ArakoonSource, type Patience } from '../../../../src/cli/way-over/source.ts';

const PATIENCE: Patience = { unheardMs: 300, silentMs: 900 };

/** Of which every connection is handed to `serve`. */
class Peer {
  readonly #server: Server;
  readonly #sockets: Socket[] = [];
  connections = 0;

  constructor(serve: (socket: Socket) => void) {
    this.#server = createServer((socket) => {
      this.connections += 1;
      this.#sockets.push(socket);
      socket.on('error', () => undefined); // whoever asks may be gone
      serve(socket);
    });
  }

  async start(): Promise<string> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  close(): void {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
  }
}

const tests = suite<{ peers: Peer[] }>('the source of an import');
tests.before.each((context) => {
  context.peers = [];
});
tests.after.each(({ peers }) => {
  for (const peer of peers) peer.close();
});

async function failureOf(addresses: string, patience = PATIENCE): Promise<NurseryError> {
  const source = new ArakoonSource('ricky', addresses, patience);
  try {
    for await (const page of source.pages(null)) assert.unreachable(`${page.length} entries`);
  } catch (error) {
    assert.instance(error, NurseryError);
    return error as NurseryError;
  } finally {
    source.close();
  }
  throw new Error('it did not fail');
}

function notMaster(socket: Socket): void {
  socket.on('data', () => {
    const text = Buffer.from('None');
    const reply = Buffer.alloc(8);
    reply.writeUInt32LE(RETURN_CODES.NOT_MASTER, 0);
    reply.writeUInt32LE(text.length, 4);
    socket.end(Buffer.concat([reply, text]));
  });
}

async function peer(peers: Peer[], serve: (socket: Socket) => void): Promise<string> {
  const made = new Peer(serve);
  peers.push(made);
  return await made.start();
}

tests('nobody listens: unreachable, after a bounded time', async ({ peers }) => {
  const address = await peer(peers, () => undefined);
  peers[0]?.close();
  const failure = await failureOf(address);
  assert.is(failure.code, 'UNREACHABLE');
  assert.match(failure.message, `cluster ricky at ${address}: nobody answers; the last, ${address}, said: `);
});

tests('whoever closes connections unanswered is of another cluster, or no Arakoon', async ({ peers }) => {
  for (const serve of [
    (socket: Socket) => socket.end(),
    (socket: Socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'),
  ]) {
    const address = await peer(peers, serve);
    const failure = await failureOf(address, { ...PATIENCE, unheardMs: 60_000 });
    assert.is(failure.code, 'WRONG_CLUSTER');
    assert.match(failure.message, `${address} takes connections, and closes them without an answer`);
  }
});

tests('one that closes now and then is asked on where another one has answered', async ({ peers }) => {
  const closing = await peer(peers, (socket) => socket.end());
  const elected = await peer(peers, notMaster);
  const failure = await failureOf(`${elected},${closing}`);
  assert.is.not(failure.code, 'WRONG_CLUSTER');
  assert.match(failure.message, 'no master answers');
});

tests('nodes that have no master are given up after a while, too', async ({ peers }) => {
  const failure = await failureOf(await peer(peers, notMaster));
  assert.is(failure.code, 'NOT_MASTER');
  assert.ok((peers[0]?.connections ?? 0) > 2, 'it has waited for an election');
});

tests.run();

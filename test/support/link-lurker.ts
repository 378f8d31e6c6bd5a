/** The other end of a link that says who it is and that it lives, asks, and reads only up to its first bytes. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { encodeHello } from '../../src/link/dial.ts';
import { encodeLeft, Gather, type Hello, LINK_PATH, ROLE_HEADER, TYPE } from '../../src/link/frames.ts';

/** Well below the time after which a silent link is closed (ms). */
const PING_EVERY_MS = 500;
/** How long it waits for answers, as it says (ms). */
const LEFT_MS = 60_000;
const BINARY = 0x82;
const MASKED = 0x80;
const TWO_BYTES = 126;
const NOTHING = Buffer.alloc(0);

/** A link that nobody reads. */
export class LinkLurker {
  readonly #socket: Socket;
  readonly #pings: NodeJS.Timeout;
  #id = 0;

  private constructor(socket: Socket) {
    this.#socket = socket;
    this.#pings = setInterval(() => this.#send(TYPE.ping, 0, NOTHING), PING_EVERY_MS);
    socket.on('error', () => undefined); // being thrown out is what it is here for
    socket.once('close', () => clearInterval(this.#pings));
  }

  /** @throws Error where the other end does not take it in */
  static async connect(port: number, hello: Hello): Promise<LinkLurker> {
    const socket = connect({ port, host: '127.0.0.1' });
    await once(socket, 'connect');
    const lines = [
      `GET ${LINK_PATH} HTTP/1.1`,
      'Host: lurker',
      'Connection: Upgrade',
      'Upgrade: websocket',
      'Sec-WebSocket-Version: 13',
      'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==',
      `${ROLE_HEADER}: ${hello.role}`,
    ];
    socket.write(`${lines.join('\r\n')}\r\n\r\n`);
    const [answer] = (await once(socket, 'data')) as [Buffer];
    if (!answer.toString('latin1').startsWith('HTTP/1.1 101')) throw new Error(answer.toString('latin1'));
    socket.write(frame(encodeHello(hello)));
    await once(socket, 'data'); // its hello
    socket.pause();
    return new LinkLurker(socket);
  }

  get isClosed(): boolean {
    return this.#socket.destroyed;
  }

  /** Sends a request whose answer it will not read. */
  ask(body: Uint8Array): void {
    this.#id += 1;
    this.#send(TYPE.request, this.#id, Buffer.concat([encodeLeft(LEFT_MS), body]));
  }

  close(): void {
    this.#socket.destroy();
  }

  #send(type: number, id: number, body: Uint8Array): void {
    if (this.isClosed) return;
    const gather = new Gather();
    gather.put(type, id, body, null);
    this.#socket.write(frame(gather.take()));
  }
}

/** One binary message of WebSocket, below 64 KiB, with a mask of zeros. */
function frame(message: Uint8Array): Buffer {
  const short = message.length < TWO_BYTES;
  const length = short
    ? [message.length]
    : [TWO_BYTES, Math.floor(message.length / 256), message.length % 256];
  const [first = 0, ...rest] = length;
  return Buffer.concat([Buffer.from([BINARY, MASKED + first, ...rest, 0, 0, 0, 0]), message]);
}

/** Connections that know no more of our protocols than where a message ends: what goes over a port, byte by byte. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { until } from './wait.ts';

/** How long an answer may take (ms). */
const ANSWER_MS = 20_000;
const BINARY = 2;
const CLOSE = 8;
/** In the first byte of a frame: it is the last, or only, one of its message. */
const FINAL = 0x80;
const MASKED = 0x80;
/** Lengths that announce two and eight bytes of length. */
const LENGTH_16 = 126;
const LENGTH_64 = 127;

/** What came on a TCP connection and was not taken yet. */
export class RawConnection {
  readonly #socket: Socket;
  #received = Buffer.alloc(0);
  #isClosed = false;

  protected constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('error', () => undefined); // its close follows
    socket.on('close', () => {
      this.#isClosed = true;
    });
    socket.on('data', (bytes) => {
      this.#received = Buffer.concat([this.#received, bytes]);
    });
  }

  static async open(port: number): Promise<RawConnection> {
    return new RawConnection(await dialled(port));
  }

  send(bytes: Uint8Array): void {
    this.#socket.write(bytes);
  }

  /**
   * Takes what `endOf` says is whole, which returns -1 while it is not; all that came, where the connection ends before. Null
   * where that is nothing.
   */
  async take(what: string, endOf: (received: Buffer) => number): Promise<Buffer | null> {
    const isWhole = (): boolean => endOf(this.#received) >= 0;
    await until(what, () => isWhole() || this.#isClosed, { withinMs: ANSWER_MS, everyMs: 1 });
    const end = isWhole() ? endOf(this.#received) : this.#received.length;
    const taken = Buffer.from(this.#received.subarray(0, end));
    this.#received = this.#received.subarray(end);
    return end === 0 ? null : taken;
  }

  /** Waits for the other end to close; what came before that. */
  async rest(): Promise<Buffer> {
    await until('the connection to be closed', () => this.#isClosed, { withinMs: ANSWER_MS, everyMs: 5 });
    return this.#received;
  }

  close(): void {
    this.#socket.destroy();
  }
}

/** One message on a link: see the layout in src/link/frames.ts, which this does not use. */
export type LinkMessage = { readonly type: number; readonly id: number; readonly body: Buffer };

export const LINK_TYPE = { hello: 1, request: 2, ping: 5, pong: 6, post: 7 } as const;
/** Types whose messages answer a request. */
const ANSWERS = [3, 4, 11];
const HEADER_BYTES = 9;
/** How long the sender of each request says that it waits (ms). */
const LEFT_MS = 60_000;

/** A link, seen from its dialling end. */
export class RawLink extends RawConnection {
  #received: LinkMessage[] = [];
  #pieces: Buffer = Buffer.alloc(0);
  #id = 0;
  /** What the other end said as it closed: code and reason. */
  farewell: { readonly code: number; readonly reason: string } | null = null;

  /** Asks for a link; what HTTP answers. */
  static async dial(port: number, role: string): Promise<{ link: RawLink; answer: Buffer | null }> {
    const link = new RawLink(await dialled(port));
    const lines = [
      'GET /link HTTP/1.1',
      'Host: recorded',
      'Connection: Upgrade',
      'Upgrade: websocket',
      'Sec-WebSocket-Version: 13',
      'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==',
      `nursery-role: ${role}`,
    ];
    link.send(Buffer.from(`${lines.join('\r\n')}\r\n\r\n`));
    const answer = await link.take('the answer to an upgrade', (bytes) => {
      const end = bytes.indexOf('\r\n\r\n');
      return end < 0 ? -1 : end + 4;
    });
    return { link, answer };
  }

  /** Sends one message, in a frame of its own. */
  message(type: number, id: number, body: Uint8Array): void {
    const head = Buffer.alloc(HEADER_BYTES);
    head.writeUInt8(type, 0);
    head.writeUInt32LE(id, 1);
    head.writeUInt32LE(body.length, 5);
    this.send(frame(Buffer.concat([head, body])));
  }

  /** Sends a request and takes its answer; null where the link is closed instead. */
  async ask(body: Uint8Array): Promise<LinkMessage | null> {
    this.#id += 1;
    const id = this.#id;
    const left = Buffer.alloc(4);
    left.writeUInt32LE(LEFT_MS, 0);
    this.message(LINK_TYPE.request, id, Buffer.concat([left, body]));
    return await this.hear('an answer', (message) => ANSWERS.includes(message.type) && message.id === id);
  }

  /** Forgets what was not taken. */
  forget(): void {
    this.#received = [];
  }

  /** The first message of those that `isIt`; null where the link is closed, or `withinMs` are over, before it comes. */
  async hear(
    what: string,
    isIt: (message: LinkMessage) => boolean,
    withinMs = ANSWER_MS,
  ): Promise<LinkMessage | null> {
    const untilMs = performance.now() + withinMs;
    for (;;) {
      const at = this.#received.findIndex(isIt);
      if (at >= 0) return this.#received.splice(at, 1)[0] ?? null;
      if (this.farewell !== null || !(await this.#next(what, untilMs))) return null;
    }
  }

  /** Takes what came, waiting a little where that is nothing. False: nothing more will come in time. */
  async #next(what: string, untilMs: number): Promise<boolean> {
    const leftMs = untilMs - performance.now();
    if (leftMs <= 0) return false;
    let isLate = false;
    const timer = setTimeout(() => {
      isLate = true;
    }, leftMs);
    const framed = await this.take(what, (bytes) => (isLate ? 0 : frameEnd(bytes)));
    clearTimeout(timer);
    if (framed === null) return false;
    const { code, payload } = unframed(framed);
    if (code === CLOSE) {
      this.farewell = { code: payload.readUInt16BE(0), reason: payload.subarray(2).toString('utf8') };
      return true;
    }
    if (code !== BINARY) throw new Error(`a frame of kind ${code}`);
    this.#pieces = payload;
    while (this.#pieces.length > 0) this.#takeMessage();
    return true;
  }

  #takeMessage(): void {
    const type = this.#pieces.readUInt8(0);
    const id = this.#pieces.readUInt32LE(1);
    const end = HEADER_BYTES + this.#pieces.readUInt32LE(5);
    const body = this.#pieces.subarray(HEADER_BYTES, end);
    this.#pieces = this.#pieces.subarray(end);
    // It lives as long as it answers these.
    if (type === LINK_TYPE.ping) this.message(LINK_TYPE.pong, 0, Buffer.alloc(0));
    else this.#received.push({ type, id, body });
  }
}

async function dialled(port: number): Promise<Socket> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true });
  await once(socket, 'connect');
  return socket;
}

/** One binary message of WebSocket, with a mask of zeros. */
function frame(payload: Buffer): Buffer {
  const head = Buffer.alloc(payload.length < LENGTH_16 ? 2 : 4);
  head.writeUInt8(FINAL + BINARY, 0);
  if (payload.length < LENGTH_16) head.writeUInt8(MASKED + payload.length, 1);
  else {
    head.writeUInt8(MASKED + LENGTH_16, 1);
    head.writeUInt16BE(payload.length, 2); // nothing longer is sent
  }
  return Buffer.concat([head, Buffer.alloc(4), payload]);
}

/** Where the first frame, which is not masked, ends; -1 while it is not whole. */
function frameEnd(bytes: Buffer): number {
  if (bytes.length < 2) return -1;
  const at = payloadAt(bytes);
  if (bytes.length < at) return -1;
  const end = at + payloadBytes(bytes);
  return bytes.length < end ? -1 : end;
}

function unframed(bytes: Buffer): { readonly code: number; readonly payload: Buffer } {
  if ((bytes[0] as number) < FINAL) throw new Error('a message in several frames');
  return { code: (bytes[0] as number) - FINAL, payload: bytes.subarray(payloadAt(bytes)) };
}

function payloadAt(bytes: Buffer): number {
  const length = bytes[1] as number;
  return length === LENGTH_64 ? 10 : length === LENGTH_16 ? 4 : 2;
}

function payloadBytes(bytes: Buffer): number {
  const length = bytes[1] as number;
  if (length === LENGTH_64) return Number(bytes.readBigUInt64BE(2));
  return length === LENGTH_16 ? bytes.readUInt16BE(2) : length;
}

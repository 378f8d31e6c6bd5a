/** A crowd of clients as no service wants them: slow readers, idle ones, resets, half-closed sockets, half requests, garbage. */
import { connect, type Socket } from 'node:net';
import { encodePrologue, encodeRequest } from '../../src/protocol/arakoon/requests.ts';
import { EVERYTHING, type Target } from './crowd.ts';
import type { Random } from './random.ts';

/** Connections that it holds at a time, at most. */
const CROWD_MAX = 200;
/** Every so often (ms) some go and others come. */
const ROUND_MS = 100;
const COME_EACH_ROUND = 8;
/** How long one stays, at most (ms). */
const STAY_MS = 5000;
/** What a trickle reads now and then (bytes). */
const SIP_BYTES = 1000;
/** What half a request announces (bytes): nearly the longest value. */
const ANNOUNCED_BYTES = 8 * 1024 * 1024 - 1;

type Visit = (socket: Socket, target: Target, random: Random) => void;

const range = encodeRequest(EVERYTHING);

/** What each kind does with its connection; none reads unless it says so. */
const VISITS: { readonly [kind: string]: Visit } = {
  'reads nothing': (socket, { cluster }) => {
    socket.write(Buffer.concat([encodePrologue(cluster), range, range]));
  },
  'reads in sips': (socket, { cluster }) => {
    socket.write(Buffer.concat([encodePrologue(cluster), range]));
    const timer = setInterval(() => socket.read(SIP_BYTES), ROUND_MS);
    socket.once('close', () => clearInterval(timer));
  },
  'says nothing': () => undefined,
  'only greets': (socket, { cluster }) => {
    socket.write(encodePrologue(cluster));
  },
  'asks and resets': (socket, { cluster }, random) => {
    socket.write(Buffer.concat([encodePrologue(cluster), range]));
    setTimeout(() => socket.resetAndDestroy(), random.below(ROUND_MS));
  },
  'asks and closes its half': (socket, { cluster }) => {
    socket.end(Buffer.concat([encodePrologue(cluster), range]));
  },
  'sends half a request': (socket, { cluster }, random) => {
    const key = Buffer.from('half');
    const head = Buffer.alloc(8);
    head.writeUInt32LE(0xb1ff0009, 0);
    head.writeUInt32LE(key.length, 4);
    const announced = Buffer.alloc(4);
    announced.writeUInt32LE(ANNOUNCED_BYTES, 0);
    const some = Buffer.alloc(random.below(1024 * 1024));
    socket.write(Buffer.concat([encodePrologue(cluster), head, key, announced, some]));
  },
  'pipelines HTTP': (socket) => {
    socket.write('GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(1000));
  },
  garbage: (socket, _target, random) => {
    const bytes = Buffer.from(Array.from({ length: 1 + random.below(1000) }, () => random.below(256)));
    bytes[0] = random.pick([0, 0x47, random.below(256)]);
    socket.write(bytes);
  },
  'garbage after the prologue': (socket, { cluster }, random) => {
    const bytes = Buffer.from(Array.from({ length: 1 + random.below(1000) }, () => random.below(256)));
    socket.write(Buffer.concat([encodePrologue(cluster), bytes]));
  },
  'a link that says nothing': (socket) => {
    socket.write(
      'GET /link HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
        'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n',
    );
  },
  'garbage on a link': (socket, target, random) => {
    VISITS['a link that says nothing']?.(socket, target, random);
    socket.write(Buffer.from(Array.from({ length: 200 }, () => random.below(256))));
  },
};

/** The kinds that there are. */
export const HOSTILE_KINDS = Object.keys(VISITS);

/** One of a kind comes, and stays. */
export function visit(kind: string, target: Target, random: Random): Socket {
  const socket = connect({ port: target.port, host: '127.0.0.1', allowHalfOpen: true });
  socket.pause();
  socket.once('connect', () => VISITS[kind]?.(socket, target, random));
  socket.on('error', () => undefined); // being thrown out is what it is here for
  return socket;
}

/** Comes and goes until it is stopped. */
export class Hostile {
  readonly counts = new Map<string, number>();
  readonly #targets: readonly Target[];
  readonly #random: Random;
  readonly #sockets = new Set<Socket>();
  readonly #timer: NodeJS.Timeout;

  constructor(targets: readonly Target[], random: Random) {
    this.#targets = targets;
    this.#random = random;
    this.#timer = setInterval(() => this.#round(), ROUND_MS);
  }

  /** Connections that it holds. */
  get size(): number {
    return this.#sockets.size;
  }

  /** Everybody leaves. */
  stop(): void {
    clearInterval(this.#timer);
    for (const socket of this.#sockets) socket.destroy();
  }

  #round(): void {
    for (let n = 0; n < COME_EACH_ROUND && this.#sockets.size < CROWD_MAX; n += 1) {
      this.#come(this.#random.pick(HOSTILE_KINDS), this.#random.pick(this.#targets));
    }
  }

  #come(kind: string, target: Target): void {
    this.counts.set(kind, (this.counts.get(kind) ?? 0) + 1);
    const socket = visit(kind, target, this.#random);
    this.#sockets.add(socket);
    const leave = setTimeout(() => socket.destroy(), this.#random.below(STAY_MS));
    socket.once('close', () => {
      clearTimeout(leave);
      this.#sockets.delete(socket);
    });
  }
}

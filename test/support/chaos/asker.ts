/** How the clients of a chaos run ask: once, without repeating anything, and with the whole answer in hand. */
import { connect, type Socket } from 'node:net';
import { NurseryError } from '../../../src/base/errors.ts';
import { ClusterClient } from '../../../src/client/cluster-client.ts';
import type { ClusterConfig } from '../../../src/protocol/admin/admin.ts';
import { scanReply } from '../../../src/protocol/arakoon/reply-shapes.ts';
import { encodePrologue, requestCode } from '../../../src/protocol/arakoon/requests.ts';

/** How long a client waits for an answer (ms); a router gives up earlier. */
export const PATIENCE_MS = 12_000;
/** How long a connection may take (ms). */
const CONNECT_MS = 1000;

/** The whole reply; null: there was none, and `sent` says whether the request may have been carried out. */
export type Asked = { readonly answer: Uint8Array | null; readonly sent: boolean };

/** One client's way to the nursery. One request at a time. */
export type Asker = {
  ask(body: Uint8Array): Promise<Asked>;
  close(): void;
};

/** Over WebSocket, as our own client library does it: repeats only what certainly was not carried out. */
export class LinkAsker implements Asker {
  readonly #client: ClusterClient;

  constructor(routers: ClusterConfig) {
    this.#client = new ClusterClient(routers, { role: 'client', node: '' });
  }

  async ask(body: Uint8Array): Promise<Asked> {
    try {
      const { bytes } = await this.#client.send(body, { deadlineMs: PATIENCE_MS });
      return { answer: bytes, sent: true };
    } catch (error) {
      if (!(error instanceof NurseryError)) throw error;
      return { answer: null, sent: error.traits.applied === 'maybe' };
    }
  }

  close(): void {
    this.#client.close();
  }
}

type Waiting = { readonly code: number; readonly resolve: (answer: Uint8Array | null) => void };

/** Over Arakoon's TCP protocol: one connection, to the next address whenever it is lost. */
export class TcpAsker implements Asker {
  readonly #cluster: string;
  readonly #ports: readonly number[];
  #turn: number;
  #socket: Socket | null = null;
  #input = Buffer.alloc(0);
  #waiting: Waiting | null = null;

  /** @param first which of the ports comes first */
  constructor(cluster: string, ports: readonly number[], first: number) {
    this.#cluster = cluster;
    this.#ports = ports;
    this.#turn = first;
  }

  async ask(body: Uint8Array): Promise<Asked> {
    const socket = this.#socket ?? (await this.#connect());
    if (socket === null) return { answer: null, sent: false };
    let timer: NodeJS.Timeout | undefined;
    const answer = await new Promise<Uint8Array | null>((resolve) => {
      this.#waiting = { code: requestCode(body), resolve };
      timer = setTimeout(() => socket.destroy(), PATIENCE_MS);
      socket.write(body);
    });
    clearTimeout(timer);
    return { answer, sent: true };
  }

  close(): void {
    this.#socket?.destroy();
  }

  #connect(): Promise<Socket | null> {
    const port = this.#ports[this.#turn % this.#ports.length] as number;
    this.#turn += 1;
    const socket = connect({ host: '127.0.0.1', port, noDelay: true });
    const timer = setTimeout(() => socket.destroy(), CONNECT_MS);
    return new Promise((resolve) => {
      socket.on('error', () => undefined); // its close follows
      socket.on('close', () => {
        clearTimeout(timer);
        if (this.#socket === socket) this.#lost();
        resolve(null);
      });
      socket.on('connect', () => {
        clearTimeout(timer);
        this.#socket = socket;
        this.#input = Buffer.alloc(0);
        socket.on('data', (chunk: Buffer) => this.#received(socket, chunk));
        socket.write(encodePrologue(this.#cluster));
        resolve(socket);
      });
    });
  }

  #lost(): void {
    this.#socket = null;
    this.#answered(null);
  }

  #received(socket: Socket, chunk: Buffer): void {
    if (this.#waiting === null) {
      socket.destroy(); // nobody asked
      return;
    }
    this.#input = Buffer.concat([this.#input, chunk]);
    const scanned = scanReply(this.#waiting.code, this.#input, 0, this.#input.length);
    if (scanned.kind === 'need') return;
    const answer = this.#input.subarray(0, scanned.end);
    this.#input = this.#input.subarray(scanned.end);
    this.#answered(answer);
  }

  #answered(answer: Uint8Array | null): void {
    const waiting = this.#waiting;
    this.#waiting = null;
    waiting?.resolve(answer);
  }
}

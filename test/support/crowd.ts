/** Clients that nobody wants: they ask and do not read, send half of what they announce, or say nothing. */
import { once } from 'node:events';
import { readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { encodePrologue, encodeRequest, type Request } from '../../src/protocol/arakoon/requests.ts';

/** Whom a crowd goes to. */
export type Target = { readonly port: number; readonly cluster: string };

/** All entries, however many. */
export const EVERYTHING: Request = {
  kind: 'rangeEntries',
  consistency: { kind: 'consistent' },
  first: null,
  firstIncluded: true,
  last: null,
  lastIncluded: true,
  max: -1,
};

/** One of a crowd: a connection over Arakoon's TCP that reads only when it is told to. */
export class Lurker {
  readonly socket: Socket;
  #isClosed = false;

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.pause();
    socket.on('error', () => undefined); // being thrown out is what it is here for
    socket.on('close', () => {
      this.#isClosed = true;
    });
  }

  static async connect({ port, cluster }: Target): Promise<Lurker> {
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    await once(socket, 'connect');
    socket.write(encodePrologue(cluster));
    return new Lurker(socket);
  }

  /** Whether its connection is known to be gone; one that does not read hears of it when it writes. */
  get isClosed(): boolean {
    return this.#isClosed;
  }

  ask(request: Request): void {
    this.send(encodeRequest(request));
  }

  send(bytes: Uint8Array): void {
    if (!this.#isClosed) this.socket.write(bytes);
  }

  close(): void {
    this.socket.destroy();
  }
}

/** So many of them, each of whom asks `request`. */
export async function lurkers(count: number, target: Target, request: Request): Promise<Lurker[]> {
  const crowd = await Promise.all(Array.from({ length: count }, () => Lurker.connect(target)));
  for (const lurker of crowd) lurker.ask(request);
  return crowd;
}

/** Memory of a process: what it has now, and the most since `forgetPeak` (bytes). */
export function memoryOf(pid: number): { readonly now: number; readonly peak: number } {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const of = (name: string): number => Number(new RegExp(`${name}:\\s+(\\d+) kB`).exec(status)?.[1]) * 1024;
  return { now: of('VmRSS'), peak: of('VmHWM') };
}

/** The most that a process has had counts from now on. */
export function forgetPeak(pid: number): void {
  writeFileSync(`/proc/${pid}/clear_refs`, '5');
}

/** Memory of a process that is no part of a file (bytes). */
export function ownMemoryOf(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(/RssAnon:\s+(\d+) kB/.exec(status)?.[1]) * 1024;
}

/** States of TCP as the kernel counts them. */
const STATES = [
  '?',
  'established',
  'syn sent',
  'syn received',
  'fin wait 1',
  'fin wait 2',
  'time wait',
  'closed',
  'close wait',
  'last ack',
  'listening',
  'closing',
];

/**
 * Sockets that a process has open: for each its ports, its state, what waits in it (connections to be
 * accepted, where it listens), and whether the kernel probes it. One too many says so what it is.
 */
export function socketsOf(pid: number): string[] {
  const known = new Map<string, string>();
  for (const file of ['tcp', 'tcp6']) {
    for (const line of readFileSync(`/proc/${pid}/net/${file}`, 'utf8').split('\n').slice(1)) {
      const [, local, remote, state, queues, timer, , , , inode] = line.trim().split(/\s+/);
      if (local === undefined || remote === undefined || inode === undefined) continue;
      const portOf = (address: string): number => Number.parseInt(address.split(':')[1] as string, 16);
      const [unsent, unread] = (queues as string).split(':').map((bytes) => Number.parseInt(bytes, 16));
      const at = `${portOf(local)} of ${portOf(remote)}`;
      const what = STATES[Number.parseInt(state as string, 16)];
      const probed = timer?.startsWith('02:') === true ? ', probed' : '';
      known.set(`socket:[${inode}]`, `${at}: ${what}, ${unsent} bytes unsent, ${unread} unread${probed}`);
    }
  }
  return readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
    try {
      const target = readlinkSync(`/proc/${pid}/fd/${fd}`);
      return target.startsWith('socket:') ? [known.get(target) ?? `${target}, not of TCP`] : [];
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []; // closed meanwhile
      throw error;
    }
  });
}

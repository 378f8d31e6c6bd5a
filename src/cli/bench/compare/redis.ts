/** Redis: one server, not replicated, which syncs before it answers. Its protocol: https://redis.io/docs/latest/develop/reference/protocol-spec/ */
import { mkdirSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { present } from '../../../base/assert.ts';
import { NurseryError } from '../../../base/errors.ts';
import { freePorts } from '../../../process/free-ports.ts';
import type { Reply, Wire } from '../client.ts';
import type { Dialect } from '../operations.ts';
import { TcpLoadClient } from '../tcp-client.ts';
import { type Contestant, Processes } from './contestant.ts';

const IP = '127.0.0.1';
/** How long a connection may take (ms). */
const CONNECT_MS = 1000;
/** Kinds of replies by their first byte: those that a line is all of, an error, and a value whose length the line says. */
const LINES = [...'+:'].map((kind) => kind.charCodeAt(0));
const ERROR = '-'.charCodeAt(0);
const VALUE = '$'.charCodeAt(0);
const NOTHING = Buffer.alloc(0);

export const redisDialect: Dialect = (name, key, { valueBytes }) => {
  const value = 'v'.repeat(valueBytes);
  const words = {
    set: ['SET', key, value],
    fill: ['SET', key, value],
    get: ['GET', key],
    delete: ['DEL', key],
  }[name as string];
  if (words === undefined) throw new NurseryError('REFUSED', `${name} cannot be compared with Redis`);
  const parts = words.map((word) => `$${word.length}\r\n${word}\r\n`);
  return { frame: Buffer.from(`*${words.length}\r\n${parts.join('')}`), code: 0 };
};

export const redisWire: Wire = {
  hello: () => NOTHING,
  reply: (_operation, input, at): Reply | null => {
    const lineEnd = input.indexOf('\r\n', at);
    if (lineEnd < 0) return null;
    const kind = input[at] as number;
    const line = input.toString('latin1', at + 1, lineEnd);
    const end = lineEnd + 2;
    if (LINES.includes(kind)) return { end, failure: null };
    if (kind === ERROR) return { end, failure: line };
    const length = Number(line);
    if (kind !== VALUE || !Number.isInteger(length))
      throw new NurseryError(
        'REFUSED',
        `no answer of Redis begins with ${JSON.stringify(line.slice(0, 40))}`,
      );
    if (length < 0) return { end, failure: null };
    return end + length + 2 <= input.length ? { end: end + length + 2, failure: null } : null;
  },
};

export function redis(): Contestant {
  const processes = new Processes();
  let port: number | undefined;
  return {
    name: 'redis',
    how: 'one server, not replicated, appendfsync always',
    dialect: redisDialect,
    processes,
    connect: async (load, lost) =>
      new TcpLoadClient(load, { host: IP, port: present(port, 'port'), cluster: '' }, redisWire, lost),
    start: async (dir) => {
      const [chosen] = await freePorts(IP, 1);
      port = present(chosen, 'port');
      const home = join(dir, 'redis');
      mkdirSync(home);
      const durable = ['--save', '', '--appendonly', 'yes', '--appendfsync', 'always'];
      const place = ['--bind', IP, '--port', String(port), '--dir', home];
      processes.start('redis-server', [...place, ...durable], 'redis-server');
      await processes.untilUp('redis', () => reach(IP, port as number));
    },
  };
}

/** @throws Error where nobody listens there */
function reach(host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, timeout: CONNECT_MS });
    const end = (error?: Error): void => {
      socket.destroy();
      if (error === undefined) resolve();
      else reject(error);
    };
    socket.once('connect', () => end());
    socket.once('error', end);
    socket.once('timeout', () => end(new Error('connect timed out')));
  });
}

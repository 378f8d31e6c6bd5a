/** Ports for servers that this program starts itself. */
import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';
import { NurseryError } from '../base/errors.ts';

/** Below those that systems give to outgoing connections, so that a later run finds its own free as well. */
const PORT_FIRST = 20_000;
const PORT_LAST = 32_000;

/**
 * Ports of `ip` that are free now, and their successors too.
 *
 * @throws NurseryError UNREACHABLE where there are not so many
 */
export async function freePorts(ip: string, count: number): Promise<number[]> {
  const ports: number[] = [];
  let candidate = PORT_FIRST + 2 * randomInt((PORT_LAST - PORT_FIRST) / 2);
  for (let tried = 0; ports.length < count; tried += 1) {
    if (tried > PORT_LAST - PORT_FIRST) throw new NurseryError('UNREACHABLE', 'no free ports below 32768');
    if ((await isFree(ip, candidate)) && (await isFree(ip, candidate + 1))) ports.push(candidate);
    candidate = candidate + 2 < PORT_LAST ? candidate + 2 : PORT_FIRST;
  }
  return ports;
}

function isFree(ip: string, port: number): Promise<boolean> {
  const server = createServer();
  return new Promise((done) => {
    server.once('error', () => done(false));
    server.listen(port, ip, () => server.close(() => done(true)));
  });
}

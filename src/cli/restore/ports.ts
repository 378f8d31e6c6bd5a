/** Whether somebody has the ports of a node that is about to get another home. */
import { createServer } from 'node:net';
import { NurseryError } from '../../base/errors.ts';
import { printAddress } from '../../identity/address.ts';
import type { Founder } from './make-home.ts';

/**
 * A process whose home was removed under it goes on, whatever it answers, and the node could not be started beside it.
 *
 * @throws NurseryError REFUSED where a port of the node is in use on this machine
 */
export async function refuseInUse(node: Founder): Promise<void> {
  const { name, ips, clientPort, messagingPort } = node;
  const ports = messagingPort === null ? [clientPort] : [clientPort, messagingPort];
  for (const ip of ips.length > 0 ? ips : [undefined])
    for (const port of ports) {
      if (!(await isInUse(port, ip))) continue;
      throw new NurseryError(
        'REFUSED',
        `a process on this machine has ${printAddress(ip ?? '*', port)}, a port of ${name}: stop it first, as where ${name} still runs with a home that was removed; nothing was done`,
      );
    }
}

/** What is wrong with an address otherwise its node says when it starts. */
function isInUse(port: number, host: string | undefined): Promise<boolean> {
  const server = createServer();
  return new Promise((resolve) => {
    server.once('error', (error: NodeJS.ErrnoException) => resolve(error.code === 'EADDRINUSE'));
    server.once('listening', () => server.close(() => resolve(false)));
    server.listen({ port, ...(host === undefined ? {} : { host }), exclusive: true });
  });
}

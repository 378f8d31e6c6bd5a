/** etcd: three members. */
import { request } from 'node:http';
import { join } from 'node:path';
import { NurseryError } from '../../../base/errors.ts';
import { freePorts } from '../../../process/free-ports.ts';
import type { Place } from '../client.ts';
import { type Contestant, Processes } from './contestant.ts';
import { EtcdLoadClient } from './etcd-client.ts';
import { etcdDialect } from './etcd-protocol.ts';

const IP = '127.0.0.1';
/** How long a member may take to say whether it leads (ms), and how much it may say (bytes). */
const ASK_MS = 2000;
const METRICS_MAX = 4 * 1024 * 1024;
export function etcd(): Contestant {
  const processes = new Processes();
  let members: readonly Place[] = [];
  return {
    name: 'etcd',
    how: 'three members, a majority syncs before an answer, reads are linearizable',
    dialect: etcdDialect,
    processes,
    connect: async (load, lost) => new EtcdLoadClient(load, await leaderOf(members), lost),
    start: async (dir) => {
      members = (await freePorts(IP, 3)).map((port) => ({ host: IP, port, cluster: '' }));
      const peers = members.map(({ port }, index) => `m${index}=http://${IP}:${port + 1}`).join();
      for (const [index, { port }] of members.entries()) {
        const [clients, peer] = [`http://${IP}:${port}`, `http://${IP}:${port + 1}`];
        processes.start(
          'etcd',
          [
            ...['--name', `m${index}`, '--data-dir', join(dir, `etcd-${index}`), '--log-level', 'error'],
            ...['--listen-client-urls', clients, '--advertise-client-urls', clients],
            ...['--listen-peer-urls', peer, '--initial-advertise-peer-urls', peer],
            ...['--initial-cluster', peers, '--initial-cluster-state', 'new'],
          ],
          'etcd-server',
        );
      }
      await processes.untilUp('etcd', () => leaderOf(members));
    },
  };
}

/** @throws NurseryError UNREACHABLE where none of them leads */
async function leaderOf(members: readonly Place[]): Promise<Place> {
  for (const member of members) {
    if (/^etcd_server_is_leader 1$/m.test(await metricsOf(member))) return member;
  }
  throw new NurseryError('UNREACHABLE', 'etcd has no leader at present');
}

/** What a member says of itself; nothing where it does not answer. */
function metricsOf({ host, port }: Place): Promise<string> {
  return new Promise((resolve) => {
    const asked = request({ host, port, path: '/metrics', timeout: ASK_MS }, (answer) => {
      let text = '';
      answer.setEncoding('utf8').on('data', (part: string) => {
        text += part;
        if (text.length > METRICS_MAX) asked.destroy();
      });
      answer.once('close', () => resolve(text));
    });
    asked.once('timeout', () => asked.destroy());
    asked.once('error', () => resolve(''));
    asked.end();
  });
}

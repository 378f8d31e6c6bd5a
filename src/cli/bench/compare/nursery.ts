/** A cluster of three nodes of ours. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { present } from '../../../base/assert.ts';
import { renderClusterIni } from '../../../config/render.ts';
import { freePorts } from '../../../process/free-ports.ts';
import { arakoonWire } from '../arakoon-wire.ts';
import { MasterFinder } from '../find-master.ts';
import { arakoon } from '../operations.ts';
import { TcpLoadClient } from '../tcp-client.ts';
import { type Contestant, Processes } from './contestant.ts';

const IP = '127.0.0.1';
const CLUSTER = 'bench';
/** The program that all nodes run. */
const MAIN = fileURLToPath(new URL('../../main.js', import.meta.url));

export function nursery(): Contestant {
  const processes = new Processes();
  let finder: MasterFinder | null = null;
  return {
    name: 'nursery',
    how: 'three nodes, a majority syncs before an answer, reads are consistent',
    dialect: arakoon,
    processes,
    connect: async (load, lost) =>
      new TcpLoadClient(load, await present(finder, 'cluster').find(), arakoonWire, lost),
    start: async (dir) => {
      const nodes = (await freePorts(IP, 3)).map((clientPort, index) => ({
        name: `${CLUSTER}_${index}`,
        ip: IP,
        clientPort,
        home: join(dir, `${CLUSTER}_${index}`),
        extra: { messaging_port: String(clientPort + 1) },
      }));
      const file = join(dir, `${CLUSTER}.ini`);
      writeFileSync(file, renderClusterIni({ clusterId: CLUSTER, nodes, keeper: null }));
      for (const { name } of nodes)
        processes.start(process.execPath, [MAIN, 'node', '--config', file, '--node', name]);
      const places = nodes.map(({ name, clientPort }) => ({ name, ips: [IP], port: clientPort }));
      const found = new MasterFinder({ cluster: CLUSTER, nodes: places });
      await processes.untilUp(CLUSTER, found.find);
      finder = found;
    },
  };
}

/**
 * Two routers and a migrator in one process, as the command line might put them together: `node one-process-child.js ROUTER.ini
 * ROUTER.ini SOURCE TARGET`. It ends by itself once they are closed.
 */
import { Operations, openNursery, runDaemon } from '../../migrator/operations.ts';
import { keeperOf, startRouter } from '../../router/main.ts';
import { ArakoonClient } from '../../src/client/arakoon-client.ts';
import type { Moves } from '../../src/client/moves.ts';
import { readRouterConfig } from '../../src/config/router-config.ts';
import { SILENT } from '../../src/process/log.ts';

const [first = '', second = '', source = '', target = ''] = process.argv.slice(2);

const routers = await Promise.all(
  [first, second].map(async (file) => {
    const ini = readRouterConfig(file);
    const keeper = keeperOf(ini);
    const running = await startRouter({ ini, logger: SILENT, keeper, waits: () => undefined });
    const client = await ArakoonClient.connect({
      host: '127.0.0.1',
      port: running.port,
      cluster: ini.clusterId,
    });
    const close = async (): Promise<void> => {
      await running.close();
      keeper.close();
    };
    return { ini, client, close };
  }),
);
const [one, two] = routers as [(typeof routers)[number], (typeof routers)[number]];
const { nodes, clusterId: cluster } = one.ini.nursery;
const nursery = openNursery({ cluster, nodes: [...nodes] });
const stop = new AbortController();
const daemon = runDaemon({ clusters: nursery, signal: stop.signal });
const moves: Moves = new Operations(nursery);

await one.client.set('a', 'by the first');
await one.client.set('z', 'by the first');
// One moves what it has recorded; the other way round the daemon finds it.
await moves.migrate({ kind: 'range', range: { lo: 'k', hi: null }, target });
await moves.migrate({ kind: 'range', range: { lo: 'k', hi: null }, target: source }, { detach: true });
for (;;) {
  const phases = (await moves.list()).map(({ phase }) => phase);
  if (phases.length === 2 && phases.every((phase) => phase === 'done')) break;
  await new Promise((resolve) => setTimeout(resolve, 50));
}
console.log(`a ${await two.client.get('a')}, z ${await two.client.get('z')}`);

// A router goes, the other goes on.
one.client.close();
await one.close();
console.log(`z ${await two.client.get('z')}`);
two.client.close();
await two.close();
stop.abort();
await daemon;
nursery.close();
console.log('closed');

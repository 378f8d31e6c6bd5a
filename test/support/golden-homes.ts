/** Homes that an older build wrote, kept as test data: packed file by file, and put where a configuration wants them. */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { renderRouterIni } from '../../src/config/render.ts';
import { TestCluster } from './clusters.ts';
import { FRONT } from './nurseries.ts';
import { type Lab, type NurseryProcess, untilFree } from './processes.ts';

/** What the build before the redesign wrote; the README there says what is in it. */
export const HOMES = 'test/golden/homes-before-the-redesign';
/** Client and messaging ports, and the router's. The keeper's register has them: elsewhere a node waits to be believed. */
const PORTS = { keeper: [9701, 9702], ams: [9703, 9704], bru: [9705, 9706], router: [9707] } as const;

/** Puts the home that lies at `from` to `home`, in the place of any that is there. */
export function unpackHome(from: string, home: string): void {
  rmSync(home, { recursive: true, force: true }); // of a test before
  for (const file of readdirSync(from, { recursive: true, encoding: 'utf8' })) {
    if (!file.endsWith('.gz')) continue;
    const to = join(home, file.slice(0, -3));
    mkdirSync(dirname(to), { recursive: true });
    writeFileSync(to, gunzipSync(readFileSync(join(from, file))));
  }
  if (!existsSync(join(home, 'store', 'data.mdb'))) throw new Error(`${from} holds no store`);
}

/** Puts the homes of a cluster, as they lie below `golden`, where its configuration says. */
export function unpackHomes(golden: string, cluster: TestCluster): void {
  for (const { name, home } of cluster.nodes) unpackHome(join(golden, name), home);
}

/** The nursery whose homes lie in `HOMES`, of one node each; nothing of it runs yet. */
export type GoldenNursery = {
  readonly keeper: TestCluster;
  readonly ams: TestCluster;
  readonly bru: TestCluster;
  readonly all: readonly TestCluster[];
  /** The router's configuration, which every command takes. */
  readonly file: string;
  readonly routerPort: number;
  /** Starts the router, which keeps no home. */
  startRouter(): Promise<NurseryProcess>;
};

/** Writes its configurations, at the addresses that the keeper's register has. `unpack`: the homes too. */
export async function goldenNursery(
  lab: Lab,
  { unpack = true, extra = {} }: { unpack?: boolean; extra?: { readonly [key: string]: string } } = {},
): Promise<GoldenNursery> {
  await untilFree(Object.values(PORTS).flat());
  const keeper = await TestCluster.create(lab, {
    clusterId: 'keeper',
    size: 1,
    keeper: 'itself',
    ports: PORTS.keeper,
  });
  const create = (clusterId: 'ams' | 'bru'): Promise<TestCluster> =>
    TestCluster.create(lab, { clusterId, size: 1, keeper: keeper.config, ports: PORTS[clusterId], extra });
  const [ams, bru] = [await create('ams'), await create('bru')];
  const all = [keeper, ams, bru];
  if (unpack) for (const cluster of all) unpackHomes(HOMES, cluster);
  const file = join(lab.dir, 'router.ini');
  const [routerPort] = PORTS.router;
  const draft = { name: 'router_0', clusterId: FRONT, ip: '127.0.0.1', port: routerPort, logDir: lab.dir };
  writeFileSync(file, renderRouterIni({ ...draft, migrator: false, keeper: keeper.config }));
  const startRouter = async (): Promise<NurseryProcess> => {
    const router = lab.start('router', ['router', '--config', file]);
    await router.output('it to be up', (text) => text.includes('clients at port'));
    return router;
  };
  return { keeper, ams, bru, all, file, routerPort, startRouter };
}

/** The names of the cluster that was in no nursery: two that stayed, one that was wiped and taken in again, and a learner. */
export const OSLO = { id: 'oslo', members: ['oslo_0', 'oslo_1', 'oslo_2'], learner: 'oslo_3' } as const;

/** That cluster, at any ports. Nothing of it runs yet. */
export async function goldenOslo(
  lab: Lab,
  { unpack = true, extra = {} }: { unpack?: boolean; extra?: { readonly [key: string]: string } } = {},
): Promise<TestCluster> {
  const size = OSLO.members.length + 1;
  const oslo = await TestCluster.create(lab, { clusterId: OSLO.id, size, extra });
  const section = `[${OSLO.learner}]\n`;
  const text = readFileSync(oslo.file, 'utf8');
  writeFileSync(oslo.file, text.replace(section, `${section}learner = true\n`));
  if (unpack) unpackHomes(HOMES, oslo);
  return oslo;
}

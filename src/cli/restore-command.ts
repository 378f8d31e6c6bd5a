/** `nursery restore`: a home from a backup, from which a cluster begins anew. */
import { FatalError, NurseryError } from '../base/errors.ts';
import { whoDoes } from '../base/names.ts';
import { ClusterClient } from '../client/cluster-client.ts';
import { type ClusterIni, readClusterConfig, toClusterConfig } from '../config/cluster-config.ts';
import { printRange } from '../keyspace/range.ts';
import { printJson, printLine } from './output.ts';
import type { ReplaceArgs } from './restore/in-nursery.ts';
import { founderOf, homeOf, imageFor, makeHome } from './restore/make-home.ts';
import { refuseInUse } from './restore/ports.ts';

/** How long a node may take to show that it lives (ms). */
const NODE_MS = 1500;
/**
 * Makes the home of one node from the image of a backup, which is checked as a whole first. The other nodes of the file start with
 * empty homes, and join. In a nursery it takes the place of a founding (`restoreInNursery`).
 *
 * @throws NurseryError BAD_INPUT where the backup is not whole, or has no image of the cluster; REFUSED where a node of the file
 *   answers, or the cluster belongs to a nursery and nothing is to be replaced
 * @throws FatalError CONFIG, and as `restoreHome`
 */
export async function runRestore(args: ReplaceArgs): Promise<void> {
  const ini = readClusterConfig(args.config);
  if (ini.nursery !== null || args.replace !== null) {
    const { restoreInNursery } = await import('./restore/in-nursery.ts');
    await restoreInNursery(args, ini);
    return;
  }
  refuseOptions(args);
  const node = founderOf(ini, args.node);
  const file = await imageFor(args.path, ini.clusterId);
  const { image, path } = file;
  if (image.keeper !== '') {
    throw new NurseryError(
      'REFUSED',
      `${path} is of a cluster of nursery ${image.keeper}: what has moved since belongs to others; with [nursery] in the configuration, --replace says which founding of it is dead; nursery import brings rows back, through a router, or into a cluster that is founded anew`,
    );
  }
  await refuseLiving(ini);
  await refuseInUse(node);
  const { founding, slot } = await makeHome(ini.clusterId, node, file, null);
  const home = homeOf(node);
  if (args.json) {
    printJson({ node: node.name, home, founding, slot });
    return;
  }
  const ranges = image.owned.map(printRange).join(' ') || 'nothing';
  printLine(`home ${home} of node ${node.name} holds ${ranges} as of slot ${image.slot} of ${image.cluster}`);
  printLine(`start ${node.name}, then the others with empty homes: founding ${founding} begins with it`);
  if (ini.nodes.length > 1)
    printLine(
      'let clients in once status shows all of them as members, and never start an old home: until then all rests on this one',
    );
}

/** @throws FatalError USAGE for what only makes sense in a nursery */
function refuseOptions({ gone, yes, dryRun, timeout }: ReplaceArgs): void {
  if (gone === null && yes === null && !dryRun && timeout === null) return;
  throw new FatalError('USAGE', '--gone, --yes, --dry-run and --timeout belong to --replace, in a nursery');
}

/** @throws NurseryError REFUSED where a node of the file runs: its cluster is not gone, or it would meet another founding */
async function refuseLiving(ini: ClusterIni): Promise<void> {
  const { nodes } = toClusterConfig(ini);
  const client = new ClusterClient({ cluster: '', nodes }, { role: 'operator', node: 'restore' });
  try {
    const alive = await Promise.all(
      nodes.map(async ({ name }) => {
        try {
          await client.query({ kind: 'nodeStatus' }, { to: name, deadlineMs: NODE_MS });
          return [name];
        } catch (error) {
          if (!(error instanceof NurseryError)) throw error;
          // Whoever refuses, or is too slow, lives.
          return error.code === 'UNREACHABLE' ? [] : [name];
        }
      }),
    );
    const names = alive.flat();
    if (names.length > 0) {
      throw new NurseryError(
        'REFUSED',
        `${whoDoes(names, 'answers', `of ${ini.clusterId}`)}: stop all nodes of the file first`,
      );
    }
  } finally {
    client.close();
  }
}

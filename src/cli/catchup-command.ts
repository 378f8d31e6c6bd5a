/** `nursery catchup`: a stopped node's files are brought up to date. */
import { FatalError, NurseryError } from '../base/errors.ts';
import { ClusterClient } from '../client/cluster-client.ts';
import { type ClusterIni, nodeOf, readClusterConfig, toClusterConfig } from '../config/cluster-config.ts';
import type { NodeIni } from '../config/node-section.ts';
import { SILENT } from '../process/log.ts';
import { complain, printJson, printLine } from './output.ts';

/** How long a node may take to say how it is (ms). */
const NODE_MS = 1500;

type Source = { readonly node: NodeIni; readonly applied: number };

/**
 * Copies the image of `source`, or of whoever has most, into the home of `node`, which does not run.
 *
 * @throws as `catchUp` of node/life/catch-up.ts; NurseryError UNREACHABLE where no other node answers
 */
export async function runCatchup(args: {
  readonly config: string;
  readonly node: string;
  readonly source: string | null;
  readonly json: boolean;
}): Promise<void> {
  const ini = readClusterConfig(args.config);
  const node = nodeOf(ini, args.node);
  if (args.source === node.name) throw new FatalError('USAGE', `--source ${args.source} is the node itself`);
  const source = args.source === null ? await bestOf(ini, node) : nodeOf(ini, args.source);
  const { catchUp } = await import('../../node/life/catch-up.ts');
  const warn = (_facts: object, message: string): void => complain(`nursery: ${message}`);
  const logger = { ...SILENT, warn, error: warn };
  const { before, after, lacks } = await catchUp({ ini, node, source, logger });
  if (lacks !== null)
    throw new NurseryError(
      'REFUSED',
      `${node.name} has everything up to slot ${after}, and ${source.name} no more; slots ${lacks.from} to ${lacks.upTo}, which the log of ${node.name} has let go of, are with neither: --source names one that has them, or start ${node.name} when one is up`,
    );
  if (args.json) printJson({ node: node.name, source: source.name, before, after });
  else if (after === before)
    printLine(`${node.name} has all that ${source.name} has: everything up to slot ${before}`);
  else
    printLine(
      `${node.name} has everything up to slot ${after}, from ${source.name}; it had it up to ${before}`,
    );
}

/** The other node that has applied most. */
async function bestOf(ini: ClusterIni, node: NodeIni): Promise<NodeIni> {
  const others = ini.nodes.filter(({ name }) => name !== node.name);
  if (others.length === 0)
    throw new NurseryError('REFUSED', `${node.name} has no peer to catch up from: it is a cluster of one`);
  const client = new ClusterClient(toClusterConfig(ini), { role: 'operator', node: 'catchup' });
  const whys: string[] = [];
  try {
    const asked = await Promise.all(
      others.map(async (other): Promise<Source[]> => {
        try {
          const answer = await client.query({ kind: 'nodeStatus' }, { to: other.name, deadlineMs: NODE_MS });
          return answer.kind === 'nodeStatus' ? [{ node: other, applied: answer.applied }] : [];
        } catch (error) {
          if (!(error instanceof NurseryError)) throw error;
          whys.push(`${other.name}: ${error.message}`);
          return [];
        }
      }),
    );
    const [best] = asked.flat().sort((one, other) => other.applied - one.applied);
    if (best === undefined)
      throw new NurseryError('UNREACHABLE', `no other node answers: ${whys.join('; ')}`);
    return best.node;
  } finally {
    client.close();
  }
}

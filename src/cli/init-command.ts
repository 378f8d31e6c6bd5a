/** `nursery init`: gives the whole key space to the first cluster of a nursery. */

import { NurseryError } from '../base/errors.ts';
import type { AdminCommand, KeeperMap } from '../protocol/admin/admin.ts';
import { type NurseryConnections, unknownCluster, withNursery } from './connections.ts';
import { sayWhoWaits } from './init/who-waits.ts';
import { printJson, printLine } from './output.ts';
import { notice } from './report.ts';
import { nearest } from './usage.ts';

/** How long the cluster may take to make itself known to the keeper (ms), and how often the keeper is asked. */
const KNOWN_WITHIN_MS = 15_000;
const ASK_EVERY_MS = 200;
/** How long the cluster may take to own everything (ms). */
const ASSUME_MS = 30_000;

/**
 * Records the map at the keeper, then lets the cluster own it. A run that died between the two is finished by the
 * next one.
 *
 * @throws NurseryError REFUSED where a map exists already, or the cluster is unknown or owns something
 */
export async function runInit(args: { config: string; cluster: string; json: boolean }): Promise<void> {
  await withNursery(args.config, async (nursery) => {
    const foresee = async (known: KeeperMap): Promise<void> => {
      const who = known.map.isEmpty ? await sayWhoWaits(args.config) : null;
      if (who !== null) notice(who);
    };
    const { epoch, keeper, founding } = await recordMap(nursery, args.cluster, foresee);
    await assume(nursery, args.cluster, {
      kind: 'under',
      keeper,
      founding,
      peer: '',
      command: { kind: 'assume', epoch },
    });
    if (args.json) printJson({ cluster: args.cluster, epoch });
    else printLine(`${args.cluster} owns the whole key space (epoch ${epoch})`);
  });
}

/** Lets the cluster own everything; one that does not know yet which keeper it belongs to is asked again. */
async function assume(nursery: NurseryConnections, cluster: string, command: AdminCommand): Promise<void> {
  const untilMs = performance.now() + ASSUME_MS;
  for (;;) {
    const leftMs = Math.max(ASK_EVERY_MS, untilMs - performance.now());
    const answer = await nursery
      .cluster(cluster)
      .command(command, { idempotent: true, deadlineMs: Math.ceil(leftMs) });
    if (answer.kind !== 'refused' && answer.kind !== 'busy') return;
    if (answer.kind === 'refused' || performance.now() >= untilMs)
      throw new NurseryError('REFUSED', `cluster ${cluster}: ${answer.why}`);
    await new Promise((resolve) => setTimeout(resolve, ASK_EVERY_MS));
  }
}

/** The epoch at which the cluster owns everything, by the keeper's map, and which founding of it. */
async function recordMap(
  nursery: NurseryConnections,
  cluster: string,
  foresee: (known: KeeperMap) => Promise<void>,
): Promise<{ readonly epoch: number; readonly keeper: string; readonly founding: string }> {
  const { map, keeper, founding } = await waitUntilBound(nursery, cluster, foresee);
  const [entry] = map.entries;
  if (entry !== undefined) {
    if (map.entries.length === 1 && entry.owner === cluster) return { epoch: entry.epoch, keeper, founding };
    throw new NurseryError(
      'REFUSED',
      `the nursery has a map already (version ${map.version}); move ranges with nursery migrate`,
    );
  }
  const answer = await nursery.keeper.command({ kind: 'initMap', cluster });
  if (answer.kind === 'planned') return { epoch: answer.mid, keeper, founding };
  const why = answer.kind === 'refused' ? answer.why : `keeper answered ${answer.kind}`;
  throw new NurseryError('REFUSED', why);
}

async function waitUntilBound(
  nursery: NurseryConnections,
  cluster: string,
  foresee: (known: KeeperMap) => Promise<void>,
): Promise<{ readonly map: KeeperMap['map']; readonly keeper: string; readonly founding: string }> {
  const untilMs = performance.now() + KNOWN_WITHIN_MS;
  for (let isSaid = false; ; isSaid = true) {
    const known = await nursery.refresh();
    // Before the keeper is asked for anything: it knows only whom it has heard of already.
    if (!isSaid) await foresee(known);
    const keeper = known.nursery?.founding;
    const config = known.clusters.find((each) => each.cluster === cluster);
    const founding = config?.founding;
    // Bound by its master's word, it is reached once its nodes have told where they are.
    const isReached = config !== undefined && config.nodes.length > 0;
    if (keeper !== undefined && founding !== undefined && isReached)
      return { map: known.map, keeper, founding };
    if (performance.now() >= untilMs) {
      if (keeper === undefined) throw noKeeper(nursery.keeper.cluster);
      throw await refusedOrUnknown(nursery, cluster, known);
    }
    const ids = known.clusters.map((config) => config.cluster);
    if (!isSaid) notice(whoIsUnknown(cluster, ids));
    await new Promise((resolve) => setTimeout(resolve, ASK_EVERY_MS));
  }
}

/** Where the keeper's master has just refused this cluster, what it said then is what people need. */
async function refusedOrUnknown(
  nursery: NurseryConnections,
  cluster: string,
  known: KeeperMap,
): Promise<NurseryError> {
  const status = await nursery.keeper.query({ kind: 'nodeStatus' }, { to: 'master' });
  const notes = status.kind === 'nodeStatus' ? status.notes : [];
  const said = notes.find((note) => note.includes(` of cluster ${cluster}, which `));
  return said === undefined ? unknownCluster(cluster, known) : new NurseryError('REFUSED', said);
}

/** Said at once: who waits for nobody should not have to. */
function whoIsUnknown(cluster: string, ids: readonly string[]): string {
  const known = ids.length === 0 ? 'none is' : `known are ${ids.join(', ')}`;
  if (ids.includes(cluster)) {
    return `cluster ${cluster} has not told the keeper yet how it is reached; waits ${KNOWN_WITHIN_MS / 1000} s for that`;
  }
  const near = nearest(cluster, ids);
  const meant = near === null ? '' : ` (is ${near} meant?)`;
  const wait = `waits ${KNOWN_WITHIN_MS / 1000} s for its nodes to make it known`;
  return `no cluster ${cluster} is known to the keeper${meant}; ${known}; ${wait}`;
}

function noKeeper(id: string): NurseryError {
  return new NurseryError('REFUSED', `${id} is not a keeper: its own file must name itself under [nursery]`);
}

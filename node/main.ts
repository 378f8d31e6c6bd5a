/** One node of a cluster: its home locked, its lives one after the other. */

import { FatalError, NurseryError } from '../src/base/errors.ts';
import { TIMERS } from '../src/process/timers.ts';
import { OverForEver } from './identity/over.ts';
import { checkBegun, checkFiles, type HomeLock, lockHome, prepareDirectory } from './life/home.ts';
import { Lives } from './life/lives.ts';
import { noteOver } from './life/over.ts';
import { canBeRebuilt } from './life/peers.ts';
import { finishPromotion, promoteHome } from './life/promote.ts';
import { refuseUnfinished } from './life/restore.ts';
import { logDirOf, storePlace } from './life/storage.ts';
import type { NodeOptions, Tally } from './parts.ts';
import { NodeProcess } from './process.ts';
import { removeStore } from './store/install.ts';

/** A node that runs. */
export type RunningNode = {
  readonly clientPort: number;
  /** Gives up mastership, answers what is under way, flushes, and lets go of the home. */
  close(): Promise<void>;
};

/**
 * Starts a node.
 *
 * @throws FatalError with an exit code of its own for each reason not to start
 */
export async function startNode(options: NodeOptions): Promise<RunningNode> {
  const { ini, node } = options;
  const logDir = logDirOf(node);
  const hasRoom = [node.home, logDir].map(prepareDirectory).every(Boolean);
  const lock = lockHome(node.home, logDir);
  try {
    checkFiles(node.home, logDir);
    refuseUnfinished(node.home);
    await finishPromotion({
      home: node.home,
      logDir,
      place: storePlace(node.home, ini.clusterId, node.name),
    });
    if (!hasRoom) checkBegun(node.home, logDir);
    return await startLives(options, lock);
  } catch (error) {
    lock.release();
    throw error instanceof NurseryError && error.code === 'DISK_FULL'
      ? new FatalError('HOME_UNUSABLE', error.message, { cause: error })
      : error;
  }
}

/** A node with peers outlives its store: it begins anew with an empty one, which log and peers fill again. */
async function startLives(options: NodeOptions, lock: HomeLock): Promise<RunningNode> {
  const { ini, node, logger } = options;
  const place = storePlace(node.home, ini.clusterId, node.name);
  const peers = ini.nodes.map(({ name }) => name).filter((name) => name !== node.name);
  const tally: Tally = { scrubDifferences: 0, storeRebuilds: 0 };
  const stop = (error: FatalError): void => {
    if (error instanceof OverForEver) noteOver(node.home, error, logger);
    options.stop(error);
  };
  const lives = await Lives.start({
    begin: (ends) => new NodeProcess({ ...options, stop }, tally, ends).start(),
    removeStore: async () => {
      tally.storeRebuilds += 1;
      await removeStore(place.dir);
    },
    promote: (slot) => promoteHome({ home: node.home, logDir: logDirOf(node), place }, slot),
    canRebuild: () => canBeRebuilt({ logDir: logDirOf(node), place }, peers),
    logger,
    nowMs,
    stop,
  });
  return {
    clientPort: lives.clientPort,
    close: async () => {
      await lives.close();
      lock.release();
      logger.info({}, 'node is down');
    },
  };
}

const { nowMs } = TIMERS;

/**
 * What a home remembers of the end of its founding. A keeper that said so may be lost later, and the one in its place be told of this
 * founding as of one that lives.
 */
import { closeSync, existsSync, fsyncSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { isOfSystem } from '../../src/base/errors.ts';
import type { Logger } from '../../src/process/log.ts';
import { OverForEver } from '../identity/over.ts';
import type { Recovered } from '../paxos/contract.ts';

/** In a home that was told; it counts for the founding that it names alone. */
const MARKER = 'OVER';

/**
 * Notes it, durably. A disk that has no room keeps nobody from stopping: the keeper says so once more at the next start, and the log
 * that it could not be noted.
 */
export function noteOver(home: string, { founding, why }: OverForEver, logger: Logger): void {
  const path = join(home, MARKER);
  try {
    const file = openSync(`${path}.new`, 'w');
    try {
      writeSync(file, `${founding}\n${why}\n`);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    renameSync(`${path}.new`, path);
    const directory = openSync(home, 'r');
    try {
      fsyncSync(directory);
    } finally {
      closeSync(directory);
    }
  } catch (error) {
    if (!isOfSystem(error)) throw error;
    logger.warn({ reason: error.message }, 'that this founding is over could not be noted in its home');
  }
}

/**
 * To be called before a home is served from.
 *
 * @throws OverForEver where it is of a founding that its keeper has said to be over
 */
export function refuseOver(home: string, { members, founded }: Pick<Recovered, 'members' | 'founded'>): void {
  const noted = readOver(join(home, MARKER));
  const founding = members?.cluster ?? founded?.state.cluster;
  if (noted === null || noted.founding !== founding) return;
  throw new OverForEver(noted.founding, `${noted.why} (as its keeper has told this home before)`, home);
}

/** Null where there is none. */
function readOver(path: string): { readonly founding: string; readonly why: string } | null {
  if (!existsSync(path)) return null;
  const [founding = '', why = ''] = readFileSync(path, 'utf8').split('\n');
  return { founding, why };
}

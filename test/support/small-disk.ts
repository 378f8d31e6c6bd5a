/** Disks that tests fill: small ones of their own where mounting is permitted, else such as look full. */
import { spawnSync } from 'node:child_process';
import { closeSync, mkdirSync, openSync, rmSync, statfsSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { Environment, Lab } from './processes.ts';

/** More than the reserve of a log, and room for what a test writes. */
const DISK_MIB = 192;
const CHUNK = Buffer.alloc(256 * 1024);
/** Loaded into nodes whose disk only looks full. */
const PRELOAD = new URL('./full-disk.js', import.meta.url).href;

/** Mounted now. */
const mounts = new Set<string>();

export type SmallDisk = {
  /** For the home of one node. */
  readonly dir: string;
  readonly env: Environment;
  /** Leaves so many bytes free. */
  fill(leaveBytes: number): void;
  /** Everything that filled it goes. */
  free(): void;
};

/** A disk of its own, gone with the lab. `SMALL_DISK=injected` in the environment asks for one that looks full only. */
export function smallDisk(lab: Lab, name: string): SmallDisk {
  const dir = join(lab.dir, `disk-${name}`);
  mkdirSync(dir);
  return process.env['SMALL_DISK'] !== 'injected' && isMounted(lab, dir) ? mounted(dir) : injected(dir);
}

function isMounted(lab: Lab, dir: string): boolean {
  const args = ['-t', 'tmpfs', '-o', `size=${DISK_MIB}m`, 'nursery-test', dir];
  if (spawnSync('mount', args).status !== 0) return false;
  if (mounts.size === 0) process.prependListener('exit', unmountAll);
  mounts.add(dir);
  lab.closing(unmountAll);
  return true;
}

/** Processes may still be there: what they have open goes with them. */
function unmountAll(): void {
  for (const dir of mounts) spawnSync('umount', ['-l', dir]);
  mounts.clear();
  process.off('exit', unmountAll);
}

function mounted(dir: string): SmallDisk {
  const filler = join(dir, 'filler');
  return {
    dir,
    env: {},
    fill: (leaveBytes) => {
      const handle = openSync(filler, 'a');
      try {
        for (let left = freeOf(dir) - leaveBytes; left > 0; left = freeOf(dir) - leaveBytes) {
          writeSync(handle, CHUNK, 0, Math.min(CHUNK.length, left));
        }
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
      } finally {
        closeSync(handle);
      }
    },
    free: () => rmSync(filler, { force: true }),
  };
}

function injected(dir: string): SmallDisk {
  const file = `${dir}.free`;
  return {
    dir,
    env: { NODE_OPTIONS: `--import=${PRELOAD}`, FULL_DISK: file },
    fill: (leaveBytes) => writeFileSync(file, String(leaveBytes)),
    free: () => rmSync(file, { force: true }),
  };
}

function freeOf(dir: string): number {
  const { bavail, bsize } = statfsSync(dir);
  return bavail * bsize;
}

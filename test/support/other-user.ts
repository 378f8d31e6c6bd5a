/** Processes of a user who may not do everything: permissions mean nothing to root. */
import { chmodSync, chownSync, lstatSync, mkdirSync } from 'node:fs';
import type { Lab } from './processes.ts';

const NOBODY = 65_534;
const isRoot = process.getuid?.() === 0;

/** A command that becomes the process, for `Lab.start`; nothing where the test is not root's itself. */
export const AS_OTHER_USER: readonly string[] = isRoot
  ? ['setpriv', `--reuid=${NOBODY}`, `--regid=${NOBODY}`, '--clear-groups']
  : [];

/** Makes a folder that belongs to that user, who may also reach it. */
export function folderOfOther(lab: Lab, path: string): void {
  chmodSync(lab.dir, 0o755);
  mkdirSync(path, { recursive: true });
  give(path);
}

/** Makes a file or folder that user's. */
export function give(path: string): void {
  if (isRoot) chownSync(path, NOBODY, NOBODY);
}

/** Takes a file or folder away from that user. Returns how to give it back. */
export function forbid(path: string): () => void {
  const { mode, uid, gid } = lstatSync(path);
  if (isRoot) chownSync(path, 0, 0);
  chmodSync(path, 0);
  return () => {
    chmodSync(path, mode & 0o7777);
    if (isRoot) chownSync(path, uid, gid);
  };
}

/** What a process may open: read, and set anew while it runs. */
import { spawnSync } from 'node:child_process';
import { readdirSync, statSync } from 'node:fs';
import { AS_OTHER_USER } from './other-user.ts';
import type { NurseryProcess } from './processes.ts';

/** Lowers the number of file descriptors that a process may have. Returns how it gets back what it had. */
export function limitDescriptors(process: NurseryProcess, limit: number): () => void {
  return limitOf(process, 'nofile', limit);
}

/** The same for the size of its files (bytes). */
export function limitFileSize(process: NurseryProcess, bytes: number): () => void {
  return limitOf(process, 'fsize', bytes);
}

function limitOf({ pid }: NurseryProcess, what: 'nofile' | 'fsize', limit: number): () => void {
  // Even root may need to be the process's own user for that.
  const as = statSync(`/proc/${pid}`).uid === process.getuid?.() ? [] : AS_OTHER_USER;
  const prlimit = [...as, 'prlimit', '--pid', String(pid)];
  const before = run([...prlimit, `--${what}`, '--output', 'SOFT', '--noheadings']);
  const set = (soft: string): void => {
    run([...prlimit, `--${what}=${soft}:`]);
  };
  set(String(limit));
  return () => set(before);
}

/** How many descriptors a process has open. */
export function descriptorsOf({ pid }: NurseryProcess): number {
  return readdirSync(`/proc/${pid}/fd`).length;
}

function run([command, ...args]: readonly string[]): string {
  const { stdout, stderr, status } = spawnSync(command as string, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${command} ${args.join(' ')}: ${stderr}`);
  return stdout.trim();
}

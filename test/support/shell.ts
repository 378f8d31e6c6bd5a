/** Command lines as a shell runs them: pipes, redirections and standard input. */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Finished } from './processes.ts';
import { within } from './wait.ts';

/** The command line. */
export const MAIN = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url));

/**
 * Runs `script` in bash, where `nursery` is the command line and `$CONFIG` is `config`. Runs in an empty folder of its own. Ends as its first command did, where it
 * is a pipe.
 */
export async function shell(
  script: string,
  config: string,
  input: Uint8Array = Buffer.alloc(0),
): Promise<Finished> {
  const setUp = `nursery() { "${process.execPath}" "${MAIN}" "$@"; }; `;
  const cwd = mkdtempSync(join(tmpdir(), 'nursery-shell-')); // where a script may leave files
  const child = spawn('bash', ['-c', `${setUp}${script}\nexit "\${PIPESTATUS[0]}"`], {
    cwd,
    env: { ...process.env, CONFIG: config },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  child.stdin.on('error', () => undefined); // a command that reads nothing
  child.stdin.end(input);
  const exit = await within(
    60_000,
    script,
    new Promise<Pick<Finished, 'code' | 'signal'>>((resolve) =>
      child.once('close', (code, signal) => resolve({ code, signal })),
    ),
  );
  rmSync(cwd, { recursive: true });
  return { ...exit, stdout, stderr };
}

/**
 * The test command: lint, then every test, in phases. What is listed together in a phase runs side by side, one
 * process each. Ends with the line `N passed, N failed` and exits
 * non-zero where anything failed. Arguments narrow it to folders: `npm test -- sim/paxos`.
 */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { stripVTControlCharacters } from 'node:util';

/** A folder below dist/test, and the files of it that one process runs. */
type Part = { readonly folder: string; readonly files: RegExp };

const ALL = /\.test\.js$/;
/** End-to-end tests that mostly wait for processes to come back, and so leave room for the others. */
const FAULTS = /^(bad-input|chaos|damage|full-disk|status)[^/]*\.test\.js$/;
const OTHERS = /^(?!bad-input|chaos|damage|full-disk|status)[^/]*\.test\.js$/;

const PHASES: readonly (readonly Part[])[] = [
  [whole('src'), whole('node')],
  [whole('router'), whole('migrator'), whole('layout')],
  [whole('sim/paxos'), whole('sim/migration'), whole('sim/nursery')],
  [
    { folder: 'e2e', files: FAULTS },
    { folder: 'e2e', files: OTHERS },
  ],
  [whole('examples')],
];
/** Processes at a time: as many as the smallest machine has cores. */
const SIDE_BY_SIDE = 2;
/** Longest that one folder's tests may take (ms): far above what they need, so that a hang has an end. */
const FOLDER_MS = Number(process.env['TEST_FOLDER_MS'] ?? 20 * 60_000);
/** How long a process may live after its summary (ms): longer, and a test has left something open. */
const EXIT_MS = 15_000;

type Outcome = { readonly passed: number; readonly failed: number };

async function main(): Promise<void> {
  const wanted = process.argv.slice(2);
  const startedMs = performance.now();
  const outcomes: Outcome[] = [await lint()];
  for (const phase of PHASES) {
    const parts = phase.filter(
      ({ folder }) => wanted.length === 0 || wanted.some((want) => folder.startsWith(want)),
    );
    const workers = Array.from({ length: SIDE_BY_SIDE }, async () => {
      for (let part = parts.shift(); part !== undefined; part = parts.shift()) {
        outcomes.push(await runPart(part));
      }
    });
    await Promise.all(workers);
  }
  const passed = outcomes.reduce((sum, outcome) => sum + outcome.passed, 0);
  const failed = outcomes.reduce((sum, outcome) => sum + outcome.failed, 0);
  console.log(`took ${Math.round((performance.now() - startedMs) / 1000)} s`);
  console.log(`${passed} passed, ${failed} failed`);
  process.exit(failed === 0 && passed > 0 ? 0 : 1);
}

function whole(folder: string): Part {
  return { folder, files: ALL };
}

async function lint(): Promise<Outcome> {
  const { code, output } = await run(['node_modules/@biomejs/biome/bin/biome', 'ci', '.']);
  console.log(`── lint\n${output}`);
  return { passed: 0, failed: code === 0 ? 0 : 1 };
}

/** One uvu process; one that dies before its summary, or does not end after it, counts as a failure. */
async function runPart({ folder, files }: Part): Promise<Outcome> {
  const path = `dist/test/${folder}`;
  if (!existsSync(path)) return { passed: 0, failed: 0 };
  const startedMs = performance.now();
  const { code, output } = await run(['node_modules/uvu/bin.js', path, files.source]);
  console.log(`── ${folder}, ${Math.round((performance.now() - startedMs) / 1000)} s\n${output}`);
  const plain = stripVTControlCharacters(output);
  const total = Number(/^\s*Total:\s+(\d+)/m.exec(plain)?.[1] ?? 0);
  const passed = Number(/^\s*Passed:\s+(\d+)/m.exec(plain)?.[1] ?? 0);
  return { passed, failed: Math.max(total - passed, code === 0 ? 0 : 1) };
}

async function run(args: string[]): Promise<{ code: number; output: string }> {
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  const end = (why: string): void => {
    output += `\nended by the test command: ${why}\n`;
    child.kill('SIGKILL');
  };
  const limit = setTimeout(() => end(`not done within ${FOLDER_MS} ms`), FOLDER_MS);
  let leftover: NodeJS.Timeout | undefined;
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
      if (/^\s*Duration:/m.test(text))
        leftover = setTimeout(() => end('a test left something open'), EXIT_MS);
    });
  }
  const code = await new Promise<number>((resolve) => child.once('close', (status) => resolve(status ?? 1)));
  clearTimeout(limit);
  clearTimeout(leftover);
  return { code, output };
}

await main();

/**
 * The test command: lint, then every test, in groups that run one after the other. Ends with the line
 * `N passed, N failed` and exits non-zero where anything failed. An argument narrows it: `npm test -- sim`.
 */
import { spawn } from 'node:child_process';
import { stripVTControlCharacters } from 'node:util';

/** Folder below dist/test, and what it is; timing-sensitive ones run alone. */
const GROUPS = ['src', 'node', 'router', 'migrator', 'layout', 'sim', 'e2e', 'examples'];

type Outcome = { readonly passed: number; readonly failed: number };

async function main(): Promise<void> {
  const wanted = process.argv.slice(2);
  const startedMs = performance.now();
  const lintFailed = (await run('lint', ['node_modules/@biomejs/biome/bin/biome', 'ci', '.'])).code !== 0;
  let passed = 0;
  let failed = lintFailed ? 1 : 0;
  for (const group of GROUPS.filter((name) => wanted.length === 0 || wanted.includes(name))) {
    const outcome = await runGroup(group);
    passed += outcome.passed;
    failed += outcome.failed;
  }
  console.log(`took ${Math.round((performance.now() - startedMs) / 1000)} s`);
  console.log(`${passed} passed, ${failed} failed`);
  process.exitCode = failed === 0 && passed > 0 ? 0 : 1;
}

/** One uvu process; a run that dies before its summary counts as a failure. */
async function runGroup(group: string): Promise<Outcome> {
  const { code, output } = await run(group, [
    'node_modules/uvu/bin.js',
    `dist/test/${group}`,
    '\\.test\\.js$',
  ]);
  const plain = stripVTControlCharacters(output);
  const total = Number(/^\s*Total:\s+(\d+)/m.exec(plain)?.[1] ?? 0);
  const passed = Number(/^\s*Passed:\s+(\d+)/m.exec(plain)?.[1] ?? 0);
  const failed = Math.max(total - passed, code === 0 ? 0 : 1);
  return { passed, failed };
}

async function run(what: string, args: string[]): Promise<{ code: number; output: string }> {
  console.log(`── ${what}`);
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text;
    process.stdout.write(text);
  });
  const code = await new Promise<number>((resolve) => child.once('close', (status) => resolve(status ?? 1)));
  return { code, output };
}

await main();

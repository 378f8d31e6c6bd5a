/**
 * The test command: lint, then every test, in two lanes side by side: tests of real processes, which mostly wait, and
 * all others, which compute and get what processor time the former leave. Ends with the line `N passed, N failed` and
 * exits non-zero where anything failed. Arguments narrow it: `npm test -- sim/paxos e2e/rescue`.
 */
import { spawn } from 'node:child_process';
import { readdirSync, statSync } from 'node:fs';
import { stripVTControlCharacters } from 'node:util';

/** A folder below dist/test, or one file of it: what one process runs, at this niceness. */
type Part = { readonly folder: string; readonly file?: string; readonly niceness: number };

/** Parts that are run in this order, so many processes at a time. */
type Lane = { readonly parts: readonly Part[]; readonly processes: number };

/** Simulations and the like know no clock: they get what processor time is left. */
const PATIENT = 19;
/** Tests of units with real sockets and timers: not before the real processes, and yet never kept from running for long. */
const TIMED = 4;

/** Two at a time: with three, what they wait for comes late more often than it saves time. */
const WAITING: Lane = {
  parts: [...each('e2e', 0), { folder: 'examples', niceness: 0 }],
  processes: 2,
};
/** The longest first, so that nothing is left over for one core at the end. */
const COMPUTING: Lane = {
  parts: [
    ...each('sim/nursery', PATIENT),
    { folder: 'sim/paxos', niceness: PATIENT },
    { folder: 'node', niceness: TIMED },
    ...['sim/migration', 'sim/rescue-model', 'sim/store', 'mutate'].map((folder) => ({
      folder,
      niceness: PATIENT,
    })),
    ...['src', 'router', 'migrator'].map((folder) => ({ folder, niceness: TIMED })),
    { folder: 'layout', niceness: PATIENT },
  ],
  processes: 2,
};
/** Longest that one process's tests may take (ms): far above what they need, so that a hang has an end. */
const FOLDER_MS = Number(process.env['TEST_FOLDER_MS'] ?? 40 * 60_000);
/** How long a process may live after its summary (ms): longer, and a test has left something open. */
const EXIT_MS = 15_000;

/**
 * So many parts that go by the clock may fail beside all others and pass by themselves: with two cores for four of them something that
 * is waited for comes too late once in some thousand tests. Both are said at the end. One more, or whatever fails by itself, is a
 * failure; so is what names a seed, since that is about one history, and a part that knows no clock.
 */
const REPEATED_MAX = 2;
const NAMES_A_SEED = /\bseed\b/i;

/** Longest account of one part's failures at the end (lines): the whole of it stands above. */
const FAILURE_LINES = 60;

/**
 * `failures`: what failed and how, said again at the end, where whoever reads only that finds it; `skipped`: what a test that was
 * left out lacks here, which is a failure where `NO_SKIPS` is set in the environment. `repeat`: what may be run once more.
 */
type Outcome = {
  readonly passed: number;
  readonly failed: number;
  readonly failures: string;
  readonly skipped?: string;
  readonly repeat?: Part | undefined;
};

async function main(): Promise<void> {
  const wanted = process.argv.slice(2);
  const startedMs = performance.now();
  const outcomes: Outcome[] = [await lint(), forgotten()];
  const lanes = [WAITING, COMPUTING].map(async (lane) => outcomes.push(...(await runLane(lane, wanted))));
  await Promise.all(lanes);
  await repeat(outcomes);
  const passed = outcomes.reduce((sum, outcome) => sum + outcome.passed, 0);
  const failed = outcomes.reduce((sum, outcome) => sum + outcome.failed, 0);
  for (const { failures } of outcomes) if (failures !== '') console.log(failures);
  for (const { skipped = '' } of outcomes) if (skipped !== '') console.log(skipped);
  console.log(`took ${Math.round((performance.now() - startedMs) / 1000)} s`);
  console.log(`${passed} passed, ${failed} failed`);
  process.exit(failed === 0 && passed > 0 ? 0 : 1);
}

/** Test files that are in no part would never run, and nobody would notice. */
function forgotten(): Outcome {
  const parts = [...WAITING.parts, ...COMPUTING.parts];
  const isIn = (path: string): boolean =>
    parts.some(({ folder, file }) =>
      file === undefined ? path.startsWith(`${folder}/`) : path === `${folder}/${file}`,
    );
  const files = readdirSync('dist/test', { recursive: true, encoding: 'utf8' });
  const left = files.filter((path) => path.endsWith('.test.js') && !isIn(path));
  const failures = left.length === 0 ? '' : `── in no part of the test command: ${left.join(', ')}`;
  return { passed: 0, failed: left.length, failures };
}

/** Runs what failed beside others by itself; where it passes, that is its outcome, and how it failed is said all the same. */
async function repeat(outcomes: Outcome[]): Promise<void> {
  const failed = outcomes.filter((outcome) => outcome.failed > 0);
  if (failed.length > REPEATED_MAX || failed.some((outcome) => outcome.repeat === undefined)) return;
  for (const before of failed) {
    const after = await runPart(before.repeat as Part, '0/1');
    const alone = `${before.failures}\n── by itself: ${after.passed} passed, ${after.failed} failed`;
    outcomes[outcomes.indexOf(before)] = { ...after, failures: alone };
  }
}

/** Each test file of a folder by itself, the largest first, which mostly take longest: none of them is left over for the end. */
function each(folder: string, niceness: number): Part[] {
  const sizeOf = (file: string): number => statSync(`dist/test/${folder}/${file}`).size;
  return readdirSync(`dist/test/${folder}`)
    .filter((file) => file.endsWith('.test.js'))
    .sort((a, b) => sizeOf(b) - sizeOf(a))
    .map((file) => ({ folder, file, niceness }));
}

async function lint(): Promise<Outcome> {
  const { code, output } = await run(['node_modules/@biomejs/biome/bin/biome', 'ci', '.'], 0);
  console.log(`── lint\n${output}`);
  return code === 0
    ? { passed: 0, failed: 0, failures: '' }
    : { passed: 0, failed: 1, failures: '── lint failed: see above' };
}

async function runLane({ parts, processes }: Lane, wanted: readonly string[]): Promise<Outcome[]> {
  const left = parts.filter(
    ({ folder, file = '' }) =>
      wanted.length === 0 || wanted.some((want) => `${folder}/${file}`.startsWith(want)),
  );
  const outcomes: Outcome[] = [];
  const workers = Array.from({ length: processes }, async (_, share) => {
    for (let part = left.shift(); part !== undefined; part = left.shift()) {
      outcomes.push(await runPart(part, `${share}/${processes}`));
    }
  });
  await Promise.all(workers);
  return outcomes;
}

/** One uvu process; one that dies before its summary, or does not end after it, counts as a failure. */
async function runPart(part: Part, share: string): Promise<Outcome> {
  const { folder, file, niceness } = part;
  const startedMs = performance.now();
  const wanted = file === undefined ? '\\.test\\.js$' : `^${file.replaceAll('.', '\\.')}$`;
  const { code, output } = await run(
    ['node_modules/uvu/bin.js', `dist/test/${folder}`, wanted],
    niceness,
    share,
  );
  const name = file === undefined ? folder : `${folder}/${file}`;
  console.log(`── ${name}, ${Math.round((performance.now() - startedMs) / 1000)} s\n${output}`);
  const plain = stripVTControlCharacters(output);
  const total = Number(/^\s*Total:\s+(\d+)/m.exec(plain)?.[1] ?? 0);
  const passed = Number(/^\s*Passed:\s+(\d+)/m.exec(plain)?.[1] ?? 0);
  const lacking = /\bskipped: .*$/m.exec(plain)?.[0] ?? '';
  const isMissed = lacking !== '' && process.env['NO_SKIPS'] !== undefined;
  const failed = Math.max(total - passed, code === 0 && !isMissed ? 0 : 1);
  const account = isMissed ? lacking : accountOf(plain);
  const mayRepeat = failed > 0 && niceness !== PATIENT && !isMissed && !NAMES_A_SEED.test(account);
  return {
    passed,
    failed,
    failures: failed === 0 ? '' : `── ${name} failed\n${account}`,
    repeat: mayRepeat ? part : undefined,
    skipped: lacking === '' ? '' : `── ${name} ${lacking}`,
  };
}

/** What uvu says of the tests that failed; of a process that died without a word of them, its last lines. */
function accountOf(output: string): string {
  const lines = output.split('\n');
  const first = lines.findIndex((line) => /^\s*FAIL\s/.test(line));
  return (first === -1 ? lines.slice(-FAILURE_LINES) : lines.slice(first, first + FAILURE_LINES)).join('\n');
}

/** `share`: which of the ports are the tests' own, of how many that run side by side. */
async function run(
  args: readonly string[],
  niceness: number,
  share = '0/1',
): Promise<{ code: number; output: string }> {
  // By `nice`, which replaces itself: set from here, it would come too late for the threads that node starts with.
  const command = ['-n', String(niceness), process.execPath, ...args];
  const env = { ...process.env, TEST_SHARE: share };
  const child = spawn('nice', command, { stdio: ['ignore', 'pipe', 'pipe'], env });
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

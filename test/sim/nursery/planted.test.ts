/**
 * Proof that the simulation can fail: each planted bug is found, within a number of seeds that is stated with it.
 * `SIM_PLANTED=all` looks for every one (`npm run test:long`), and writes which check found it, and after how many
 * seeds, into docs/planted-bugs.md. Without it a few are looked for, to show that planting works.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { PlantedBug } from './planted/bug.ts';
import { BUGS } from './planted/bugs.ts';
import { replaced } from './planted/loader.ts';
import { type Failed, runSeeds } from './pool.ts';

const TABLE = 'docs/planted-bugs.md';
const WORKERS = Number(process.env['SIM_WORKERS'] ?? 2);
/** Fewer would not cover what the design calls easy to get wrong. */
const BUGS_MIN = 25;

type Found = { readonly bug: PlantedBug; readonly failed: Failed | null };

const ALL = process.env['SIM_PLANTED'] === 'all';
/** A short run looks for one in so many. */
const ONE_IN = 7;
const CHOSEN = ALL ? BUGS : BUGS.filter((_, index) => index % ONE_IN === 0);
/** Looks for this one alone, and says what found it. */
const ONLY = process.env['PLANT'];

/** Seeds are begun in order, so the lowest that fails is the same in every run. */
async function find(bug: PlantedBug): Promise<Found> {
  const { failed } = await runSeeds({
    first: 1,
    count: bug.seedsMax,
    workers: 1,
    plan: bug.plan,
    ...(bug.replacements.length === 0 ? {} : { plant: bug.name }),
    onResult: ({ kind }) => kind === 'failed',
  });
  return { bug, failed: failed[0] ?? null };
}

async function findAll(bugs: readonly PlantedBug[]): Promise<Found[]> {
  const found = new Map<PlantedBug, Found>();
  const left = [...bugs];
  const work = async (): Promise<void> => {
    for (let bug = left.shift(); bug !== undefined; bug = left.shift()) found.set(bug, await find(bug));
  };
  await Promise.all(Array.from({ length: WORKERS }, work));
  return bugs.map((bug) => found.get(bug) as Found);
}

test('each stands in the code, once', () => {
  for (const { name, replacements } of BUGS) {
    for (const piece of replacements) {
      const source = readFileSync(`dist/${piece.file.replace(/#.*/, '')}`, 'utf8');
      assert.not.throws(() => replaced(source, piece), `${name}: ${piece.file}: ${piece.from}`);
    }
  }
});

if (ONLY !== undefined) {
  test(`found: ${ONLY}`, async () => {
    const bugs = BUGS.filter(({ name }) => name.includes(ONLY));
    for (const { bug, failed } of await findAll(bugs)) {
      console.log(`${bug.name}: ${failed === null ? 'not found' : `seed ${failed.seed}, ${failed.message}`}`);
    }
  });
} else {
  test(ALL ? 'every planted bug is found' : 'some of the planted bugs are found', async () => {
    assert.ok(BUGS.length >= BUGS_MIN, `${BUGS.length} bugs are planted`);
    const all = await findAll(CHOSEN);
    if (ALL) writeTable(all);
    const missed = all.filter(({ failed }) => failed === null).map(({ bug }) => bug.name);
    assert.equal(missed, [], 'bugs that the simulation does not see');
  });
}

function writeTable(all: readonly Found[]): void {
  const lines = all.map(
    ({ bug, failed }) =>
      `| ${bug.name} | ${bug.rule} | ${bug.plan.simulation} | \`${failed?.check ?? 'nothing'}\` | ${failed?.seed ?? '–'} |`,
  );
  const text = [
    '# Planted bugs',
    '',
    'Written by `test/sim/nursery/planted.test.ts`; what it means is said in [reliability.md](reliability.md).',
    '',
    '| planted bug | rule that it breaks | simulation of | found by | after seeds |',
    '| --- | --- | --- | --- | --- |',
    ...lines,
    '',
  ].join('\n');
  if (textOf(TABLE) !== text) writeFileSync(TABLE, text);
}

function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return '';
    throw error;
  }
}

test.run();

/**
 * Proof that the simulation can fail: each planted bug is found, within a number of seeds that is stated with it.
 * `SIM_PLANTED=all` looks for every one (`npm run test:long`), and writes which check found it, and after how many
 * seeds, into docs/planted-bugs.md. Without it a few of the evident ones are looked for, to show that planting works.
 *
 * `SIM_PLANTED=nearby` leaves the simulations out: of the bugs of the three cores most must make a golden trace or a unit test
 * fail. It takes a minute and a half, and writes that column of the table alone. `PLANT=text|text` looks for those with such a text in
 * their names, and writes their rows alone.
 */
import { readFileSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { PlantedBug } from './planted/bug.ts';
import { BUGS } from './planted/bugs.ts';
import { replaced } from './planted/loader.ts';
import { expectGreen, isOfACore, seenNearby } from './planted/nearby.ts';
import { printNearby, type Row, readFound, writeRows } from './planted/table.ts';
import { type Failed, runSeeds } from './pool.ts';

const WORKERS = Number(process.env['SIM_WORKERS'] ?? 2);
/** Fewer would not cover what the design calls easy to get wrong. */
const BUGS_MIN = 25;

type Found = { readonly bug: PlantedBug; readonly failed: Failed | null };

/** Of the bugs of the three cores, so many must be seen without a simulation. */
const NEARBY_SHARE_MIN = 2 / 3;

const ALL = process.env['SIM_PLANTED'] === 'all';
const NEARBY = process.env['SIM_PLANTED'] === 'nearby';
/** A short run looks for one in so many of those that are evident. */
const ONE_IN = 14;
/** Evident is what was found, when all were looked for, in such a share of the seeds that it may take. */
const EVIDENT_SHARE = 0.1;
/** Looks for these alone, and says what found them. */
const ONLY = process.env['PLANT'];

/**
 * Those that any change of the code leaves as easy to find. What took many seeds takes others after each change, and some time more
 * than it may: that the long run says.
 */
function evident(): PlantedBug[] {
  const found = readFound();
  return BUGS.filter(({ name, seedsMax, plan }) => {
    const seed = Number(found.get(name)?.seed);
    return plan.simulation === 'rules' || seed <= seedsMax * EVIDENT_SHARE;
  });
}

/** Seeds are begun in order, so the lowest that fails is the same in every run. */
async function find(bug: PlantedBug): Promise<Found> {
  const startedMs = performance.now();
  const { failed } = await runSeeds({
    first: 1,
    count: bug.seedsMax,
    workers: 1,
    plan: bug.plan,
    ...(bug.replacements.length === 0 ? {} : { plant: bug.name }),
    onResult: ({ kind }) => kind === 'failed',
  });
  if (ALL) say(bug, failed[0] ?? null, performance.now() - startedMs);
  return { bug, failed: failed[0] ?? null };
}

function say({ name }: PlantedBug, failed: Failed | null, ms: number): void {
  const found = failed === null ? 'not found' : `${failed.check}, seed ${failed.seed}`;
  console.log(`${name}: ${found}, ${Math.round(ms / 1000)} s`);
}

/** What `look` says of each bug, `WORKERS` of them at a time. */
async function ofEach<T>(bugs: readonly PlantedBug[], look: (bug: PlantedBug) => Promise<T>): Promise<T[]> {
  const said = new Map<PlantedBug, T>();
  const left = [...bugs];
  const work = async (): Promise<void> => {
    for (let bug = left.shift(); bug !== undefined; bug = left.shift()) said.set(bug, await look(bug));
  };
  await Promise.all(Array.from({ length: WORKERS }, work));
  return bugs.map((bug) => said.get(bug) as T);
}

/** The test that sees each bug of the cores without a simulation. */
async function nearbyOf(bugs: readonly PlantedBug[]): Promise<Map<PlantedBug, string | null>> {
  await expectGreen();
  const mine = bugs.filter(isOfACore);
  const seen = await ofEach(mine, seenNearby);
  return new Map(mine.map((bug, index) => [bug, seen[index] ?? null]));
}

function expectMost(nearby: ReadonlyMap<PlantedBug, string | null>): void {
  const unseen = [...nearby].filter(([, seen]) => seen === null).map(([{ name }]) => name);
  const count = nearby.size - unseen.length;
  console.log(`${count} of ${nearby.size} bugs of the cores are seen by a trace or a unit test`);
  assert.ok(
    count >= nearby.size * NEARBY_SHARE_MIN,
    `seen by no trace and no unit test: ${unseen.join(', ')}`,
  );
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
    const texts = ONLY.split('|');
    const bugs = BUGS.filter(({ name }) => texts.some((text) => name.includes(text)));
    const looked = await ofEach(bugs, find);
    for (const { bug, failed } of looked) {
      console.log(`${bug.name}: ${failed === null ? 'not found' : `seed ${failed.seed}, ${failed.message}`}`);
    }
    const nearby = await nearbyOf(bugs);
    const rows = new Map(looked.map(({ bug, failed }) => [bug, rowOf(bug, failed, nearby.get(bug))]));
    const before = readFound();
    writeRows(
      BUGS.flatMap((bug) => {
        const found = before.get(bug.name);
        return rows.get(bug) ?? (found === undefined ? [] : { bug, ...found });
      }),
    );
  });
} else if (NEARBY) {
  test('most bugs of the cores are seen by a trace or a unit test', async () => {
    const nearby = await nearbyOf(BUGS);
    const found = readFound();
    writeRows(
      BUGS.flatMap((bug) => {
        const known = found.get(bug.name);
        return known === undefined ? [] : { ...known, bug, nearby: printNearby(nearby.get(bug)) };
      }),
    );
    expectMost(nearby);
  });
} else {
  test(ALL ? 'every planted bug is found' : 'some of the planted bugs are found', async () => {
    assert.ok(BUGS.length >= BUGS_MIN, `${BUGS.length} bugs are planted`);
    const chosen = ALL ? BUGS : evident().filter((_, index) => index % ONE_IN === 0);
    const all = await ofEach(chosen, find);
    if (ALL) {
      const nearby = await nearbyOf(BUGS);
      writeRows(all.map(({ bug, failed }) => rowOf(bug, failed, nearby.get(bug))));
      expectMost(nearby);
    }
    const missed = all.filter(({ failed }) => failed === null).map(({ bug }) => bug.name);
    assert.equal(missed, [], 'bugs that the simulation does not see');
  });
}

function rowOf(bug: PlantedBug, failed: Failed | null, nearby: string | null | undefined): Row {
  const seed = String(failed?.seed ?? '–');
  return { bug, check: `\`${failed?.check ?? 'nothing'}\``, seed, nearby: printNearby(nearby) };
}

test.run();

/**
 * `npm run mutate`: makes mutants of the pure cores and says which of them no test notices. `--sample N` (1000) of them,
 * which ones `--seed S` decides; without its first `--skip N` (0), to go on where a run was broken off; `--only PREFIX`
 * of the files; `--seeds SHARE` (1) of the simulations' seeds; `--workers N` (all cores); `--one ID` tests one mutant and
 * shows what noticed it; `--list` only lists them. What it means is said in docs/mutants.md.
 */
import { randomInt } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { targets } from './areas.ts';
import { readHarmless, rowOf } from './harmless.ts';
import { type Mutant, mutantsOf, sampleOf } from './mutants.ts';
import { tierOf, tryAll, tryOne, tryUnchanged, type Verdict } from './trial.ts';

const SAMPLE = 1000;
/** A line about how far it is, after so many mutants. */
const PROGRESS_EVERY = 50;

const { values } = parseArgs({
  options: {
    sample: { type: 'string', default: String(SAMPLE) },
    seed: { type: 'string' },
    skip: { type: 'string', default: '0' },
    only: { type: 'string', default: '' },
    seeds: { type: 'string', default: '1' },
    workers: { type: 'string', default: String(availableParallelism()) },
    one: { type: 'string' },
    list: { type: 'boolean', default: false },
  },
});

async function main(): Promise<number> {
  const all = mutantsOf(values.one?.replace(/:.*/, '') ?? values.only);
  if (values.one !== undefined) return one(all, values.one);
  const harmless = readHarmless();
  const counted = all.filter((mutant) => !harmless.has(rowOf(mutant)));
  if (counted.length === 0)
    throw new Error(`no file that is mutated begins with ${JSON.stringify(values.only)}`);
  warnOfRows(harmless, all);
  const seed = whole('seed', values.seed ?? String(randomInt(2 ** 31)));
  const drawn = sampleOf(counted, whole('sample', values.sample), seed);
  const sample = drawn.slice(whole('skip', values.skip));
  if (sample.length === 0) throw new Error(`--skip ${values.skip} leaves none of ${drawn.length}`);
  console.log(
    `${sample.length} of ${counted.length} mutants, ${all.length - counted.length} more are explained in docs/mutants.md; --seed ${seed}`,
  );
  if (values.list) {
    for (const mutant of sample) console.log(describe(mutant));
    return 0;
  }
  const seedShare = share('seeds', values.seeds);
  await expectGreen(sample, seedShare);
  const workers = whole('workers', values.workers);
  const verdicts = await tryAll(sample, { workers, seedShare, onVerdict: progress(sample.length) });
  report(sample, verdicts);
  return 0;
}

async function one(all: readonly Mutant[], id: string): Promise<number> {
  const mutant = all.find((each) => each.id === id);
  if (mutant === undefined) throw new Error(`there is no mutant ${id}; --list lists them`);
  console.log(`${describe(mutant)}\n${rowOf(mutant)}`);
  const verdict = await tryOne(mutant);
  console.log(
    verdict.kind === 'survived' ? 'survived' : `killed by ${JSON.stringify(verdict.by)}\n${verdict.why}`,
  );
  return verdict.kind === 'survived' ? 1 : 0;
}

/** A row that fits no mutant explains what is not there any more. */
function warnOfRows(harmless: ReadonlySet<string>, all: readonly Mutant[]): void {
  const rows = new Set(all.map(rowOf));
  for (const row of harmless) {
    if (row.startsWith(`| ${values.only}`) && !rows.has(row)) console.log(`fits no mutant any more: ${row}`);
  }
}

/** Where tests fail anyway, every mutant would seem to be noticed. */
async function expectGreen(sample: readonly Mutant[], seedShare: number): Promise<void> {
  const areas = new Map(
    targets()
      .filter((target) => sample.some((mutant) => mutant.target === target))
      .map((target) => [target.replace(/\/[^/]*$/, ''), target]),
  );
  for (const target of areas.values()) {
    const verdict = await tryUnchanged(target, seedShare);
    if (verdict.kind === 'survived') continue;
    throw new Error(`fails without any mutant: ${JSON.stringify(verdict.by)}: ${verdict.why}`);
  }
}

function progress(total: number): (mutant: Mutant, verdict: Verdict) => void {
  const startedMs = performance.now();
  let done = 0;
  let survived = 0;
  return (mutant, verdict) => {
    done += 1;
    if (verdict.kind === 'survived') {
      survived += 1;
      console.log(`survived: ${describe(mutant)}`);
    }
    if (done % PROGRESS_EVERY > 0) return;
    const seconds = Math.round((performance.now() - startedMs) / 1000);
    console.log(`${done} of ${total}, ${survived} survived, ${seconds} s`);
  };
}

function describe({ id, where, operator, was, becomes }: Mutant): string {
  return `${id} ${where}: ${operator}: ${was} → ${becomes}`;
}

function report(sample: readonly Mutant[], verdicts: readonly Verdict[]): void {
  const survivors = sample.filter((_, index) => verdicts[index]?.kind === 'survived');
  console.log('\nsurvivors, as rows of docs/mutants.md:');
  for (const mutant of survivors.toSorted((a, b) => (a.id < b.id ? -1 : 1))) {
    console.log(`${rowOf(mutant)}  ${mutant.id} ${mutant.operator}`);
  }
  console.log('\nkilled of all, by file:');
  for (const target of new Set(sample.map((mutant) => mutant.target).toSorted())) {
    const mine = sample.map((mutant) => mutant.target === target);
    console.log(`${ratio(verdicts.filter((_, index) => mine[index]))}  ${target}.ts`);
  }
  console.log('\nkilled by:');
  for (const tier of ['unit', 'rules', 'seeds'] as const) {
    console.log(`${tier}: ${verdicts.filter((verdict) => tierOf(verdict) === tier).length}`);
  }
  const hung = verdicts.filter(
    (verdict) => verdict.kind === 'killed' && verdict.why.startsWith('hung'),
  ).length;
  console.log(`of these by hanging: ${hung}`);
  console.log(`\nin all: ${ratio(verdicts)}`);
}

function ratio(verdicts: readonly Verdict[]): string {
  const killed = verdicts.filter(({ kind }) => kind === 'killed').length;
  const percent = ((100 * killed) / verdicts.length).toFixed(1);
  return `${killed} of ${verdicts.length} (${percent} %)`;
}

function whole(option: string, text: string): number {
  if (!/^\d+$/.test(text)) throw new Error(`--${option} is a whole number, not ${JSON.stringify(text)}`);
  return Number(text);
}

function share(option: string, text: string): number {
  const value = Number(text);
  if (!(value >= 0 && value <= 1)) throw new Error(`--${option} is from 0 to 1, not ${JSON.stringify(text)}`);
  return value;
}

process.exitCode = await main();

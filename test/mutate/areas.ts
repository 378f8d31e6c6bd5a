/** The pure cores that are mutated, and what is run against a mutant of each: what is nearest comes first. */
import { existsSync, readdirSync } from 'node:fs';

/** What found a mutant: unit tests, schedules written by hand, or chance. */
export type Tier = 'unit' | 'rules' | 'seeds';

/** A test file below dist/test, or one seed of a simulation. */
export type Step =
  | { readonly tier: 'unit' | 'rules'; readonly file: string }
  | { readonly tier: 'seeds'; readonly simulation: Simulation; readonly seed: number };
export type Simulation = 'nursery' | 'consensus' | 'migration';

type Area = {
  /** Beginning of the paths that it holds, below the project and without an ending. */
  readonly prefix: string;
  /** Beginnings of paths of test files below `test`, in this order. Those of real processes are not among them. */
  readonly units: readonly string[];
  /** The same of schedules written by hand. */
  readonly rules: readonly string[];
  /** So many seeds from 1 on. */
  readonly seeds: readonly (readonly [simulation: Simulation, count: number])[];
};

const AREAS: readonly Area[] = [
  {
    prefix: 'node/paxos/',
    units: ['node/paxos/', 'node/driver/', 'node/life/'],
    rules: ['sim/paxos/rules', 'sim/paxos/lost-store', 'sim/paxos/promotion', 'sim/paxos/histories'],
    seeds: [
      ['consensus', 60],
      ['nursery', 4],
    ],
  },
  {
    prefix: 'node/machine/',
    units: ['node/machine/', 'node/members/snapshots', 'node/driver/', 'router/core/migration'],
    rules: ['sim/migration/rules', 'sim/migration/rescue'],
    seeds: [
      ['migration', 60],
      ['nursery', 5],
    ],
  },
  {
    prefix: 'node/store/overlay',
    units: [
      'node/store/overlay',
      'node/store/memory',
      'node/store/row-pages',
      'node/store/lmdb',
      'node/machine/',
    ],
    rules: [],
    seeds: [['nursery', 5]],
  },
  {
    prefix: 'router/core/',
    units: ['router/core/', 'router/'],
    rules: ['sim/migration/rules', 'sim/migration/rescue'],
    seeds: [['nursery', 5]],
  },
  {
    prefix: 'migrator/core/',
    units: ['migrator/core/', 'migrator/', 'router/core/migration'],
    rules: ['sim/migration/rules', 'sim/migration/rescue'],
    seeds: [
      ['migration', 100],
      ['nursery', 5],
    ],
  },
];

/** Such a file says what must hold of a whole state: like every invariant, no run sees it broken. */
const LEFT_ALONE = '/invariants';

/** Files that are mutated, as `node/paxos/acceptor`. */
export function targets(): string[] {
  return AREAS.flatMap(({ prefix }) => filesBelow(`dist/${folderOf(prefix)}`))
    .filter((path) => path.endsWith('.js'))
    .map((path) => path.slice('dist/'.length, -'.js'.length))
    .filter((path) => !path.endsWith(LEFT_ALONE) && AREAS.some(({ prefix }) => path.startsWith(prefix)));
}

/** What to run against a mutant of `target`, in order; at most `seedShare` (0 to 1) of the seeds. */
export function stepsFor(target: string, seedShare = 1): Step[] {
  const area = AREAS.find(({ prefix }) => target.startsWith(prefix));
  if (area === undefined) throw new Error(`${target} is not mutated`);
  const tests = filesBelow('dist/test')
    .filter((path) => path.endsWith('.test.js'))
    .map((path) => path.slice('dist/test/'.length));
  const own = `${target}.test.js`;
  const units = area.units
    .flatMap((prefix) => tests.filter((path) => path.startsWith(prefix)))
    .sort((a, b) => rank(a) - rank(b));
  const rules = area.rules.flatMap((prefix) => tests.filter((path) => path.startsWith(prefix)));
  const seeds = area.seeds.flatMap(([simulation, count]) =>
    Array.from(
      { length: Math.ceil(count * seedShare) },
      (_, index) => ({ tier: 'seeds', simulation, seed: index + 1 }) as const,
    ),
  );
  const files = new Set([...units.filter((path) => path === own), ...units]);
  return [
    ...[...files].map((file) => ({ tier: 'unit', file }) as const),
    ...rules.map((file) => ({ tier: 'rules', file }) as const),
    ...seeds,
  ];
}

/** Recorded traces see most, and take least; simulations among the unit tests, and real stores, come behind all others. */
function rank(path: string): number {
  if (/\/traces?\.test/.test(path)) return 0;
  return path.includes('.sim.') || path.includes('lmdb') || path.endsWith('main.test.js') ? 2 : 1;
}

function folderOf(prefix: string): string {
  return prefix.slice(0, prefix.lastIndexOf('/'));
}

function filesBelow(folder: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { withFileTypes: true })
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((entry) => {
      const path = `${folder}/${entry.name}`;
      return entry.isDirectory() ? filesBelow(path) : [path];
    });
}

/** Who may import whom: the arrows of docs/architecture.md, enforced on the source as it stands. */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';

/** Floors of `src`, lowest first: a file imports its own folder and lower floors (docs/architecture.md, "Floors of src"). */
const FLOORS = [
  'src/base/',
  'src/process/',
  'src/wire/',
  'src/identity/',
  'src/keyspace/',
  'src/protocol/admin/',
  'src/protocol/arakoon/',
  'src/health/',
  'src/config/',
  'src/link/',
  'src/metrics/',
  'src/port/',
  'src/client/',
  'src/dashboard/',
] as const;
/** Packages and modules of Node that a floor may use; the others are pure. */
const OUTSIDE: { readonly [floor: string]: readonly string[] } = {
  'src/process/': ['node:', 'pino'],
  'src/identity/': ['node:net'],
  'src/keyspace/': ['node:crypto'],
  'src/config/': ['node:'],
  'src/link/': ['node:', 'ws'],
  'src/metrics/': ['node:', 'prom-client'],
  'src/port/': ['node:'],
  'src/client/': ['node:'],
  'src/dashboard/': ['node:'],
};

const floorRules = FLOORS.map(
  (floor, at) => [floor, [...FLOORS.slice(0, at + 1), ...(OUTSIDE[floor] ?? [])]] as const,
);
/** The floors that have neither clock, chance nor I/O. */
const PURE_SHARED = [
  'src/base/',
  'src/wire/',
  'src/identity/',
  'src/keyspace/',
  'src/protocol/admin/',
  'src/protocol/arakoon/',
  'src/health/',
];

/**
 * The first row whose prefix fits a file counts; every import must begin with one of the row's entries. Pure
 * files come first: they import nothing that has a clock, chance or I/O.
 */
const RULES: readonly (readonly [prefix: string, allowed: readonly string[]])[] = [
  // Programs of browsers: nothing of Node's reaches them.
  ['src/dashboard/page/', ['src/dashboard/page/', 'src/dashboard/document', 'uplot']],
  // The pure floors do not reach for what has I/O, though it lies below them.
  ...floorRules.map(([floor, allowed]) =>
    PURE_SHARED.includes(floor)
      ? ([floor, allowed.filter((prefix) => prefix !== 'src/process/')] as const)
      : ([floor, allowed] as const),
  ),
  ['src/version', FLOORS],
  ['src/index', FLOORS],
  // The simulation is shipped with the command line: a bug report is a seed.
  ['src/cli/sim-command', ['src/', 'test/sim/nursery/', 'node:']],
  ['src/cli/', ['src/', 'node/', 'router/', 'migrator/', 'node:', 'yargs', 'cli-progress']],
  ['node/paxos/', [...PURE_SHARED, 'node/paxos/']],
  ['node/functions/wasm/', [...PURE_SHARED, 'node/functions/wasm/']],
  [
    'node/functions/',
    [
      ...PURE_SHARED,
      'node/functions/',
      'node/machine/function-call',
      'node:',
      '@jitl/quickjs-wasmfile-release-sync',
    ],
  ],
  ['node/machine/', [...PURE_SHARED, 'node/machine/', 'node/store/types']],
  ['node/scrub/findings', [...PURE_SHARED, 'node/paxos/values', 'node/store/types']],
  ['node/scrub/rows', [...PURE_SHARED, 'node/life/members-row', 'node/store/types']],
  ['node/store/types', PURE_SHARED],
  ['node/store/overlay', [...PURE_SHARED, 'node/store/']],
  ['node/store/memory-store', [...PURE_SHARED, 'node/store/types', 'node/store/overlay']],
  ['node/store/', ['src/', 'node/store/', 'node:', 'lmdb']],
  ['node/', ['src/', 'node/', 'node:']],
  ['router/core/', [...PURE_SHARED, 'router/core/']],
  ['router/', ['src/', 'router/', 'node:']],
  ['migrator/core/', [...PURE_SHARED, 'migrator/core/']],
  ['migrator/', ['src/', 'migrator/', 'node:']],
  ['examples/', ['src/index', 'node:']],
];
/** Sources of time and chance that pure files must not touch. */
const IMPURE =
  /\b(?:Date\.now|new Date|Math\.random|performance\.|setTimeout\(|setInterval\(|setImmediate\(|process\.|Promise[<.(]|async )/;

function sources(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return sources(path);
    return path.endsWith('.ts') ? [path] : [];
  });
}

/** Static imports and exports, and `import('…')`; text inside strings and comments does not count. */
const IMPORT = /^(?:import|export)\b[^;'"]*\sfrom\s+'([^']+)'|^import\s+'([^']+)'|\bimport\('([^']+)'\)/gm;

function importsOf(path: string): string[] {
  const text = readFileSync(path, 'utf8');
  const found = [...text.matchAll(IMPORT)].map((match) => (match[1] ?? match[2] ?? match[3]) as string);
  return found.map((name) => (name.startsWith('.') ? normalize(join(dirname(path), name)) : name));
}

function ruleFor(path: string): readonly string[] {
  const rule = RULES.find(([prefix]) => path.startsWith(prefix));
  assert.ok(rule, `${path} has a rule`);
  return (rule as (typeof RULES)[number])[1];
}

const FILES = ['src', 'node', 'router', 'migrator', 'examples'].flatMap(sources);

/** What lies at the top: all else was left there by something that should have written elsewhere. */
const TOP = [
  ...['src', 'node', 'router', 'migrator', 'test', 'examples', 'docs', '.ci'],
  ...['package.json', 'package-lock.json', 'tsconfig.json', 'biome.json', '.npmrc', '.gitignore'],
  ...['README.md', 'CHANGELOG.md', 'LICENSE'],
];

/** Lines above which a file has more than one subject. */
const LINES_MAX = 500;

test('a file has one subject', () => {
  for (const path of FILES) {
    const lines = readFileSync(path, 'utf8').split('\n').length - 1;
    assert.ok(lines <= LINES_MAX, `${path} has ${lines} lines, more than ${LINES_MAX}`);
  }
});

test('nothing else lies at the top', () => {
  const made = /^(\.git|node_modules|dist.*|coverage|\.nursery|.*\.log|bench-last\.json)$/; // as .gitignore has them
  assert.equal(
    readdirSync('.')
      .filter((name) => !made.test(name))
      .sort(),
    [...TOP].sort(),
  );
});

test('imports go one way', () => {
  const broken: string[] = [];
  for (const path of FILES) {
    const allowed = ruleFor(path);
    for (const name of importsOf(path)) {
      if (!allowed.some((prefix) => name.startsWith(prefix))) broken.push(`${path} imports ${name}`);
    }
  }
  assert.equal(broken, []);
});

test('no file imports itself by way of others', () => {
  const imports = new Map(
    FILES.map((path) => [path, importsOf(path).filter((name) => FILES.includes(name))]),
  );
  const settled = new Set<string>();
  const circles: string[] = [];
  const visit = (path: string, way: readonly string[]): void => {
    if (way.includes(path)) circles.push([...way.slice(way.indexOf(path)), path].join(' > '));
    if (settled.has(path) || way.includes(path)) return;
    for (const name of imports.get(path) ?? []) visit(name, [...way, path]);
    settled.add(path);
  };
  for (const path of FILES) visit(path, []);
  assert.equal(circles, []);
});

test('pure files touch neither clock nor chance nor promises', () => {
  const broken: string[] = [];
  for (const path of FILES) {
    const pure = !ruleFor(path).some((prefix) => prefix === 'node:' || prefix === 'src/');
    if (!pure || path.startsWith('examples/') || path.startsWith('src/dashboard/page/')) continue;
    const code = readFileSync(path, 'utf8').replaceAll(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, '');
    const match = IMPURE.exec(code);
    if (match !== null) broken.push(`${path} uses ${match[0]}`);
  }
  assert.equal(broken, []);
});

/**
 * Where the wall clock is read: for people, to notice that the machine slept, and to tell an old image of a backup that was broken
 * off, which is then taken anew. Setting it anew may change nothing else.
 */
const WALL_CLOCKS = [
  'src/cli/dashboard/serve.ts',
  'src/dashboard/page/main.ts',
  'migrator/process-world.ts',
  'node/process.ts',
  'router/main.ts',
  'src/cli/backup',
  'src/cli/dump-state',
  'src/cli/rescue',
  'src/cli/restore',
  'src/cli/status-command',
  'src/cli/top-command',
  'src/process/log.ts',
];

test('the wall clock is read where nothing is computed from it', () => {
  const readers = FILES.filter((path) => /\bDate\.now\b|\bnew Date\(\)/.test(readFileSync(path, 'utf8')));
  const others = readers.filter((path) => !WALL_CLOCKS.some((allowed) => path.startsWith(allowed)));
  assert.equal(others, []);
  assert.ok(readers.length > 0, 'the files were read');
});

test.run();

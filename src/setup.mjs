// Sets up a clone before `npm start` and `npm test`: installs what is missing, compiles what changed.
// Node built-ins only, since nothing is installed yet. Says nothing and takes milliseconds where all is done.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const SOURCES = ['src', 'node', 'router', 'migrator', 'test', 'examples', 'tsconfig.json', 'package.json'];
const INSTALL_STAMP = join(root, 'node_modules', '.nursery-installed');
const BUILD_STAMP = join(root, 'dist', '.nursery-built');

function run(what, command, args) {
  console.error(`nursery: ${what} …`);
  const { status, error } = spawnSync(command, args, { cwd: root, stdio: ['ignore', 2, 2] });
  if (error !== undefined || status !== 0) {
    console.error(
      `nursery: ${what} failed (${error?.message ?? `exit code ${status}`}): ${command} ${args.join(' ')}`,
    );
    process.exit(1);
  }
}

function filesBelow(path) {
  if (!existsSync(path)) return [];
  if (!statSync(path).isDirectory()) return [path];
  return readdirSync(path)
    .sort()
    .flatMap((name) => filesBelow(join(path, name)));
}

function stampIs(file, wanted) {
  return existsSync(file) && readFileSync(file, 'utf8') === wanted;
}

const lock = createHash('sha256')
  .update(readFileSync(join(root, 'package-lock.json')))
  .update(`${process.version} ${process.platform} ${process.arch}`)
  .digest('hex');
if (!stampIs(INSTALL_STAMP, lock)) {
  const npm = process.env['npm_execpath'];
  const args = ['ci', '--include=dev', '--no-audit', '--no-fund', '--loglevel=error'];
  if (npm === undefined) run('installing dependencies', 'npm', args);
  else run('installing dependencies', process.execPath, [npm, ...args]);
  writeFileSync(INSTALL_STAMP, lock);
}

const sources = createHash('sha256').update(lock);
for (const file of SOURCES.flatMap((name) => filesBelow(join(root, name)))) {
  sources.update(file.slice(root.length)).update(readFileSync(file));
}
const built = sources.digest('hex');
if (!stampIs(BUILD_STAMP, built)) {
  // A test whose source is gone must not go on running from yesterday's build.
  rmSync(join(root, 'dist'), { recursive: true, force: true });
  const compiler = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
  run('compiling', process.execPath, [compiler, '-p', '.']);
  run('compiling the dashboard', process.execPath, [compiler, '-p', join('src', 'dashboard', 'page')]);
  mkdirSync(dirname(BUILD_STAMP), { recursive: true });
  writeFileSync(BUILD_STAMP, built);
}

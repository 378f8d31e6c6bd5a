/** The documents name what there is: nothing that a reader would look up is missing, or differs from the code. */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { EXIT_CODES, RETURN_CODES } from '../../src/base/errors.ts';
import { OUTSTANDING_MAX, USER_KEY_MAX, VALUE_MAX } from '../../src/base/limits.ts';

const README = readFileSync('README.md', 'utf8');
const ARCHITECTURE = readFileSync('docs/architecture.md', 'utf8');
const CODES = readFileSync('docs/codes.md', 'utf8');
const COMMANDS = readFileSync('docs/commands.md', 'utf8');
const CONFIGURATION = readFileSync('docs/configuration.md', 'utf8');
const PAGES = readdirSync('docs')
  .filter((name) => name.endsWith('.md'))
  .map((name) => `docs/${name}`);
/** A README longer than this is a handbook (bytes). */
const README_MAX = 9000;
const MARKDOWN_WIDTH = 110;

test('README is an entrance', () => {
  assert.ok(Buffer.byteLength(README) <= README_MAX, `${Buffer.byteLength(README)} bytes`);
  const pages = readdirSync('docs').filter((name) => name.endsWith('.md') && name !== 'planted-bugs.md');
  assert.equal(
    pages.filter((name) => !README.includes(`(docs/${name})`)),
    [],
    'pages that it does not lead to',
  );
});

test('docs/codes.md explains every exit code', () => {
  const rows = [...CODES.matchAll(/^\| (\d+) \| ([A-Z_]+) \|/gm)].map(([, code, name]) => [
    name,
    Number(code),
  ]);
  assert.equal(Object.fromEntries(rows), EXIT_CODES);
});

test('docs/codes.md explains return codes by their number', () => {
  const rows = [...CODES.matchAll(/^\| (0x[0-9a-f]{2}) \| ([A-Z_]+) \|/gm)];
  assert.ok(rows.length > 10, 'the table is there');
  for (const [, code, name] of rows) {
    assert.is(Number(code), RETURN_CODES[name as keyof typeof RETURN_CODES], `${name}`);
  }
  const numbers = new Set([...CODES.matchAll(/\b0x[0-9a-f]{2}\b/g)].map(([text]) => Number(text)));
  const missing = Object.entries(RETURN_CODES).filter(([, code]) => !numbers.has(code));
  assert.equal(missing, []);
});

test('docs/commands.md names every command', () => {
  const files = [
    'command-line',
    'copy-commands',
    'record-commands',
    'rescue-commands',
    'tool-commands',
    'watch-commands',
  ];
  const main = files.map((name) => readFileSync(`src/cli/${name}.ts`, 'utf8')).join('\n');
  const commands = [...main.matchAll(/\.command\(\s*'([a-z-]+)/g)].map(([, name]) => name as string);
  assert.ok(commands.length > 10, 'commands were found');
  const missing = commands.filter((name) => !COMMANDS.includes(`| \`${name} `));
  assert.equal(missing, []);
});

test('docs/codes.md names the limits', () => {
  for (const limit of [USER_KEY_MAX, VALUE_MAX, OUTSTANDING_MAX]) {
    assert.ok(CODES.includes(limit.toLocaleString('en-US')), String(limit));
  }
});

test('docs/configuration.md names every key of the configuration that is read', () => {
  const files = ['cluster-config', 'node-section', 'router-config'].map((name) => `src/config/${name}.ts`);
  const keys = files.flatMap((file) =>
    [
      ...readFileSync(file, 'utf8').matchAll(
        /\.(?:text|required|requiredList|list|int|number|bool|has)\(\s*'(\w+)'/g,
      ),
    ].map(([, key]) => key as string),
  );
  assert.ok(keys.length > 15, 'keys were found');
  const missing = [...new Set(keys)].filter((key) => !CONFIGURATION.includes(`\`${key}\``));
  assert.equal(missing, []);
});

test('Markdown is wrapped at one width, but for tables, code and what cannot be parted', () => {
  const pages = ['README.md', 'CHANGELOG.md', ...PAGES];
  const long = pages.flatMap((page) => {
    const prose = readFileSync(page, 'utf8').replaceAll(/^ *```[\s\S]*?^ *```$/gm, (code) =>
      code.replaceAll(/[^\n]/g, ''),
    );
    return prose.split('\n').flatMap((line, index) => {
      const isProse = !/^ *\||^ {4}/.test(line) && line.trim().includes(' ');
      return isProse && line.length > MARKDOWN_WIDTH ? [`${page}:${index + 1}`] : [];
    });
  });
  assert.equal(long, []);
});

test('every section that a comment refers to is there', () => {
  const headings = new Set([...ARCHITECTURE.matchAll(/^#+ (.+)$/gm)].map(([, heading]) => heading as string));
  const missing = ['src', 'node', 'router', 'migrator', 'test'].flatMap(sources).flatMap((file) => {
    const text = readFileSync(file, 'utf8').replaceAll(/\n\s*(?:\*|\/\/) ?/g, ' ');
    return [...text.matchAll(/docs\/architecture\.md, "([^"]+)"/g)]
      .map(([, heading]) => heading as string)
      .filter((heading) => !headings.has(heading))
      .map((heading) => `${file}: "${heading}"`);
  });
  assert.equal(missing, []);
});

test('links within and between the documents lead somewhere', () => {
  const anchors = new Set(
    [...ARCHITECTURE.matchAll(/^#+ (.+)$/gm)].map(([, heading]) => anchorOf(heading as string)),
  );
  const broken = [...ARCHITECTURE.matchAll(/\]\(#([^)]+)\)/g)].filter(
    ([, anchor]) => !anchors.has(anchor as string),
  );
  assert.equal(
    broken.map(([text]) => text),
    [],
  );
  for (const page of ['README.md', ...PAGES]) {
    for (const [, path] of readFileSync(page, 'utf8').matchAll(/\]\(([^)#:\s]+)(?:#[^)]*)?\)/g)) {
      assert.not.throws(() => readFileOrFolder(join(dirname(page), path as string)), `${page}: ${path}`);
    }
  }
});

function sources(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return sources(path);
    return path.endsWith('.ts') ? [path] : [];
  });
}

/** As the usual viewers make it. */
function anchorOf(heading: string): string {
  return heading
    .toLowerCase()
    .replaceAll(/[^\w\s-]/g, '')
    .replaceAll(' ', '-');
}

function readFileOrFolder(path: string): unknown {
  return path.includes('.') || path === 'LICENSE' ? readFileSync(path) : readdirSync(path);
}

test.run();

/** The files of the page: read once, when somebody first asks for them. */
import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';

/** A file as it is sent. */
export type Asset = {
  readonly type: string;
  readonly body: Buffer;
  readonly gzipped: Buffer;
  /** Names these very bytes, so that a browser need not fetch them again. */
  readonly tag: string;
};

const TYPES: { readonly [extension: string]: string } = {
  html: 'text/html; charset=utf-8',
  css: 'text/css; charset=utf-8',
  js: 'text/javascript; charset=utf-8',
  svg: 'image/svg+xml',
};
/** Compiled, and as written: the compiler leaves alone what is no program. */
const COMPILED = fileURLToPath(new URL('./page/', import.meta.url));
const WRITTEN = fileURLToPath(new URL('../../../src/dashboard/page/', import.meta.url));
/** Of uPlot; both are classic files, since an inline import map would be stopped by the page's policy. */
const UPLOT = ['uPlot.iife.min.js', 'uPlot.min.css'];

/** All files by name; '' is the page itself. @throws Error where the page was not built */
export async function loadAssets(): Promise<ReadonlyMap<string, Asset>> {
  const assets = new Map<string, Asset>();
  for (const [name, path] of await files()) {
    const extension = name.slice(name.lastIndexOf('.') + 1);
    assets.set(name === 'index.html' ? '' : name, await assetOf(path, TYPES[extension] as string));
  }
  return assets;
}

async function files(): Promise<(readonly [name: string, path: string])[]> {
  const uplot = `${dirname(createRequire(import.meta.url).resolve('uplot'))}/`;
  const compiled = await readdir(COMPILED).catch(() => [] as string[]);
  const programs = compiled.filter((name) => name.endsWith('.js'));
  if (!programs.includes('main.js')) throw new Error('the page of the dashboard is not built: npm run build');
  const written = (await readdir(WRITTEN)).filter((name) => /\.(?:html|css|svg)$/.test(name));
  return [
    ...programs.map((name) => [name, COMPILED + name] as const),
    ...written.map((name) => [name, WRITTEN + name] as const),
    ...UPLOT.map((name) => [name, uplot + name] as const),
  ];
}

async function assetOf(path: string, type: string): Promise<Asset> {
  const body = await readFile(path);
  const tag = `"${createHash('sha256').update(body).digest('base64url').slice(0, 22)}"`;
  return { type, body, gzipped: await promisify(gzip)(body), tag };
}

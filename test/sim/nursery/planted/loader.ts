/** Module hooks that replace pieces of source as it is loaded (node:module, "Customization hooks"). */
import type { InitializeHook, LoadHook } from 'node:module';
import type { Replacement } from './bug.ts';

let replacements: readonly Replacement[] = [];

export const initialize: InitializeHook<readonly Replacement[]> = (data) => {
  replacements = data;
};

/** @throws Error where a piece does not stand in its file, or in its function, exactly once */
export const load: LoadHook = async (url, context, nextLoad) => {
  const loaded = await nextLoad(url, context);
  const here = replacements.filter(({ file }) => url.endsWith(`/${file.replace(/#.*/, '')}`));
  if (here.length === 0) return loaded;
  return { ...loaded, source: here.reduce(replaced, String(loaded.source)) };
};

/** @throws Error where the piece does not stand there exactly once */
export function replaced(source: string, { file, from, to }: Replacement): string {
  const name = /#(.*)/.exec(file)?.[1];
  const spans = name === undefined ? [{ start: 0, end: source.length }] : functionsOf(source, name);
  const found = spans.flatMap(({ start, end }) =>
    placesOf(source.slice(start, end), from).map((at) => start + at),
  );
  const [at] = found;
  if (at === undefined || found.length > 1) {
    throw new Error(`${JSON.stringify(from)} stands ${found.length} times in ${file}, not once`);
  }
  return source.slice(0, at) + to + source.slice(at + from.length);
}

function placesOf(text: string, piece: string): number[] {
  const places: number[] = [];
  for (let at = text.indexOf(piece); at >= 0; at = text.indexOf(piece, at + 1)) places.push(at);
  return places;
}

/** Functions and methods of that name: from their first line to the one that closes them, as the compiler indents them. */
function functionsOf(source: string, name: string): { start: number; end: number }[] {
  const kinds = [
    `(?:export )?(?:async )?function\\*? ${name}\\(`,
    `(?:static |async |get |set |\\*)*${name}\\(.*\\{$`,
  ];
  const begins = new RegExp(`^( *)(?:${kinds.join('|')}|(?:export )?const ${name} = .*=>)`, 'gm');
  return [...source.matchAll(begins)].map(({ index, 1: indent }) => {
    const end = source.indexOf(`\n${indent}}`, index);
    return { start: index, end: end < 0 ? source.length : end };
  });
}

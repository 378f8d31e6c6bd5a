/** Module hooks that replace pieces of source as it is loaded (node:module, "Customization hooks"). */
import type { InitializeHook, LoadHook } from 'node:module';
import type { Replacement } from './bug.ts';

let replacements: readonly Replacement[] = [];

export const initialize: InitializeHook<readonly Replacement[]> = (data) => {
  replacements = data;
};

/** @throws Error where a piece does not stand in its file exactly once */
export const load: LoadHook = async (url, context, nextLoad) => {
  const loaded = await nextLoad(url, context);
  const here = replacements.filter(({ file }) => url.endsWith(`/${file}`));
  if (here.length === 0) return loaded;
  let source = String(loaded.source);
  for (const { file, from, to } of here) {
    const count = source.split(from).length - 1;
    if (count !== 1) throw new Error(`${JSON.stringify(from)} stands ${count} times in ${file}, not once`);
    source = source.replace(from, () => to);
  }
  return { ...loaded, source };
};

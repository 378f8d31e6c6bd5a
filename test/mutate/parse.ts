/** Parses compiled JavaScript. The compiler itself does it, as its own process: there is no other parser in the project. */
import { resolve } from 'node:path';
import type { SourceFile } from 'typescript/unstable/ast';
import { API } from 'typescript/unstable/sync';

/** Stands for a file that is never written. */
const PROJECT = resolve('mutate.tsconfig.json');
/** Nothing but syntax is wanted. */
const SYNTAX = { allowJs: true, noEmit: true, noLib: true, noResolve: true, types: [], target: 'es2023' };

/** Calls `visit` with each of these files, parsed; what it is given is gone when this returns. */
export function parseAll(
  texts: ReadonlyMap<string, string>,
  visit: (file: string, tree: SourceFile) => void,
): void {
  const files = new Map([...texts].map(([file, text]) => [resolve(file), text]));
  const project = JSON.stringify({ compilerOptions: SYNTAX, files: [...files.keys()] });
  const api = new API({
    cwd: process.cwd(),
    fs: {
      readFile: (name) => (name === PROJECT ? project : files.get(name)),
      fileExists: (name) => (name === PROJECT || files.has(name) ? true : undefined),
    },
  });
  try {
    const program = api.updateSnapshot({ openProjects: [PROJECT] }).getProjects()[0]?.program;
    for (const file of texts.keys()) {
      const tree = program?.getSourceFile(resolve(file));
      if (tree === undefined) throw new Error(`${file} was not parsed`);
      visit(file, tree);
    }
  } finally {
    api.close();
  }
}

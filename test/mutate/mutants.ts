/** The mutants of the pure cores: which there are, what they are called, and a sample of them. */
import { readFileSync } from 'node:fs';
import { SourceMap } from 'node:module';
import { createRandom } from '../support/random.ts';
import { targets } from './areas.ts';
import { type Edit, editsOf } from './operators.ts';
import { parseAll } from './parse.ts';

export type Mutant = Edit & {
  /** As `node/paxos/acceptor.ts:42#3`: the third mutant of that line. */
  readonly id: string;
  /** As `node/paxos/acceptor`. */
  readonly target: string;
  /** Line of the TypeScript source. */
  readonly line: number;
};

/** All mutants of the targets whose path begins with `prefix`, in the order of the text. */
export function mutantsOf(prefix: string): Mutant[] {
  const wanted = targets().filter((target) => `${target}.ts`.startsWith(prefix));
  const texts = new Map(wanted.map((target) => [compiled(target), readFileSync(compiled(target), 'utf8')]));
  const found: Mutant[] = [];
  parseAll(texts, (file, tree) => {
    const target = file.slice('dist/'.length, -'.js'.length);
    const lineOf = lines(file, tree.text);
    const onLine = new Map<number, number>();
    for (const edit of editsOf(tree)) {
      const line = lineOf(edit.start);
      const number = (onLine.get(line) ?? 0) + 1;
      onLine.set(line, number);
      found.push({ ...edit, target, line, id: `${target}.ts:${line}#${number}` });
    }
  });
  return found;
}

/** The mutant's whole file, as it stands and as it is with the change. */
export function textsOf({ target, start, end, text }: Mutant): { from: string; to: string } {
  const from = readFileSync(compiled(target), 'utf8');
  return { from, to: from.slice(0, start) + text + from.slice(end) };
}

/** The compiled file of a target, below the project. */
export function compiled(target: string): string {
  return `dist/${target}.js`;
}

/** `count` of `mutants`, or all where there are fewer, in an order that `seed` decides. */
export function sampleOf(mutants: readonly Mutant[], count: number, seed: number): Mutant[] {
  const random = createRandom(seed);
  const left = [...mutants];
  const taken: Mutant[] = [];
  while (taken.length < count && left.length > 0) {
    const index = random.below(left.length);
    taken.push(left[index] as Mutant);
    left[index] = left.at(-1) as Mutant;
    left.pop();
  }
  return taken;
}

/** Lines of the source by offsets in what was compiled from it. */
function lines(file: string, text: string): (offset: number) => number {
  const map = new SourceMap(JSON.parse(readFileSync(`${file}.map`, 'utf8')));
  const starts = [0, ...[...text.matchAll(/\n/g)].map(({ index }) => index + 1)];
  return (offset) => {
    const row = starts.findLastIndex((start) => start <= offset);
    const entry = map.findEntry(row, offset - (starts[row] ?? 0));
    return 'originalLine' in entry ? entry.originalLine + 1 : 0;
  };
}

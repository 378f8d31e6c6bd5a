/** Goes through every state that can be reached, by every order of steps. */
import { isWell, look } from './checks.ts';
import { forget } from './moves.ts';
import type { Without } from './rules.ts';
import { type Budget, initial, type State } from './state.ts';
import { stepsOf } from './steps.ts';

export type Explored = {
  readonly states: number;
  /** What was broken first, with the steps that lead to it, the fewest; null: nothing. */
  readonly broken: string | null;
  /** Steps to a state from which nothing leads to the end of all trouble; null where there is none. */
  readonly stuck: string | null;
};

/** @param statesMax more are an error: what was not looked at is not shown */
export function explore(
  budget: Partial<Budget>,
  { without = new Set(), statesMax }: { readonly without?: Without; readonly statesMax: number },
): Explored {
  const texts: string[] = [];
  const places = new Map<string, number>();
  /** By state: the one before it, and the step between. */
  const before: { readonly from: number; readonly step: string }[] = [];
  const edges: number[][] = [];
  const well: number[] = [];
  const add = (state: State, from: number, step: string): number => {
    const text = JSON.stringify(state);
    const known = places.get(text);
    if (known !== undefined) return known;
    const place = texts.length;
    if (place >= statesMax) throw new Error(`more than ${statesMax} states`);
    places.set(text, place);
    texts.push(text);
    before.push({ from, step });
    edges.push([]);
    if (isWell(state)) well.push(place);
    return place;
  };
  const wayTo = (place: number): string => {
    const names: string[] = [];
    for (let at = place; at > 0; at = before[at]?.from ?? 0) names.push(before[at]?.step ?? '');
    return names.reverse().join('\n  ');
  };
  const first = initial(budget);
  look(first);
  add(first, 0, '');
  for (let place = 0; place < texts.length; place += 1) {
    const text = texts[place] ?? '';
    for (const { name, run } of stepsOf(JSON.parse(text) as State, without)) {
      const next = JSON.parse(text) as State;
      run(next);
      look(next);
      forget(next, without);
      const { broken } = next.ghost;
      const to = add(next, place, name);
      if (broken !== null) return { states: texts.length, broken: `${broken}:\n  ${wayTo(to)}`, stuck: null };
      if (to !== place) edges[to]?.push(place);
    }
  }
  return { states: texts.length, broken: null, stuck: stuckOf(edges, well, wayTo) };
}

/** @param edges by state: those from which a step leads to it */
function stuckOf(
  edges: readonly (readonly number[])[],
  well: readonly number[],
  wayTo: (place: number) => string,
): string | null {
  const canEnd = new Uint8Array(edges.length);
  const left = [...well];
  for (const place of well) canEnd[place] = 1;
  for (let place = left.pop(); place !== undefined; place = left.pop()) {
    for (const from of edges[place] ?? []) {
      if (canEnd[from] === 1) continue;
      canEnd[from] = 1;
      left.push(from);
    }
  }
  const stuck = canEnd.indexOf(0);
  return stuck < 0 ? null : wayTo(stuck);
}

/**
 * Calls every hostile function once and prints what came of each, after it has done other things in another order: in the process
 * of a test that compares two.
 */
import { FunctionEngine } from '../../../node/functions/engine.ts';
import { HOSTILE, sourceOf } from './hostile-functions.ts';
import { rowsInMemory } from './rows-in-memory.ts';

const engine = await FunctionEngine.start();
const seed = Number(process.argv[2]);
const names = Object.keys(HOSTILE);
const call = (name: string) =>
  engine.call(
    { source: sourceOf(HOSTILE[name] as string) },
    rowsInMemory(new Map()),
    Buffer.from('argument'),
  );

// What is warm, compiled, loaded and left behind differs from process to process.
for (let index = 0; index < seed; index += 1) call(names[(index * 7 + seed) % names.length] as string);
const order = seed % 2 === 0 ? names : [...names].reverse();
const outcomes = new Map(
  order.map((name) => {
    const outcome = call(name);
    const said = outcome.kind === 'failed' ? outcome.why : String(outcome.result?.length);
    return [name, `${said} after ${outcome.work}`];
  }),
);
process.stdout.write(
  JSON.stringify({ engine: engine.engine, outcomes: names.map((name) => [name, outcomes.get(name)]) }),
);

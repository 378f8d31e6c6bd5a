/** Tests that hold all that an event led to against what it should, nothing left out: one line for each effect (printer.ts). */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Effect } from '../../../node/paxos/contract.ts';
import type { Replica } from '../../../node/paxos/step.ts';
import { Printer } from './printer.ts';
import { CLUSTER } from './rig.ts';

/** A condition, what is done under it, and all that is asked for then, in order. */
export type Whole = readonly [condition: string, does: () => readonly Effect[], ...asks: readonly string[]];

export function testWhole(cases: readonly Whole[]): void {
  for (const [condition, does, ...asks] of cases) {
    test(`all that is asked for: ${condition}`, () => {
      assert.equal(new Printer(CLUSTER).effects('a', does()), asks);
    });
  }
}

/** What the last of these does to a replica, after the others. */
export function last(
  replica: Replica,
  ...does: readonly ((replica: Replica) => readonly Effect[])[]
): readonly Effect[] {
  return does.map((each) => each(replica)).at(-1) ?? [];
}

/** What a rule asks for that is called by itself. */
export function outOf(rule: (out: Effect[]) => void): Effect[] {
  const out: Effect[] = [];
  rule(out);
  return out;
}
